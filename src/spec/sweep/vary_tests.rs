//! What cells take from the spec outside of the sweep, and what settings that lie inside of each other do.

use super::Cell;
use crate::error::Error;
use crate::spec::ResolvedSpec;

fn resolve(spec: &str) -> Result<Vec<Cell>, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, spec).unwrap();
    ResolvedSpec::read(&path, &[], None).map(|resolved| resolved.cells)
}

fn cells(spec: &str) -> Vec<Cell> {
    resolve(spec).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

/// A condition may speak of a key that does not vary: then its value outside of the sweep counts.
#[test]
fn conditions_see_values_outside_of_the_sweep() {
    let sweep = "
[[sweep]]
grid = { 'data.target_bias' = [30, 70] }
when = { 'data.target_bias' = { 'data.distribution' = 'biased' } }
";
    let varied = cells(&format!("[data]\ndistribution = 'biased'\ntarget_bias = 50\n{sweep}"));
    assert_eq!(varied.iter().map(|cell| cell.spec.data.target_bias).collect::<Vec<_>>(), [Some(30.0), Some(70.0)]);
    // Of the default, which is written nowhere, it does not hold.
    let refused = resolve(sweep).expect_err("no cell meets the condition").render(false);
    assert!(refused.contains("data.target_bias never varies"), "{refused}");
    // A value of the cell wins against the one outside.
    let both = "
[data]
distribution = 'biased'
target_bias = 50
[[sweep]]
list = [{ 'data.distribution' = 'biased' }, { 'data.distribution' = 'biased', 'data.target_bias' = 30 }]
[[sweep]]
grid = { 'model.seed' = [1, 2], 'train.epochs' = [3, 4] }
when = { 'train.epochs' = { 'data.target_bias' = [50, 60], 'model.seed' = 2 } }
";
    let epochs: Vec<_> = cells(both).iter().map(|cell| (cell.spec.model.seed, cell.spec.train.epochs)).collect();
    assert_eq!(epochs, [(0, 25), (0, 25), (1, 25), (1, 25), (2, 3), (2, 4)]);
}

#[test]
fn a_condition_on_a_value_inside_of_a_varied_table_is_found() {
    let spec = "
[[sweep]]
grid = { 'explain.smooth' = [{ samples = 2 }], 'train.epochs' = [3, 4] }
exclude = [{ 'train.epochs' = 3 }]
";
    let all = cells(spec);
    assert_eq!(all.len(), 1);
    let settings = &all[0].settings;
    assert_eq!(settings.find("explain.smooth.samples").map(|found| found.key.as_str()), Some("explain.smooth"));
    assert!(settings.find("explain.smoothing").is_none() && settings.find("explain").is_none());
    assert_eq!(all[0].spec.explain.smooth.map(|smooth| smooth.samples), Some(2));
}

const COMPOSITE: &str = "[explain]\nanalyzer = 'lrp'\n[[explain.composite]]\nlayer = 'any'\nrule = 'flat'\n";

/// The cells of other analyzers are those that they are without the composite.
#[test]
fn a_composite_beside_a_sweep_over_analyzers_is_for_lrp_alone() {
    let sweep = "[[sweep]]\ngrid = { 'explain.analyzer' = ['lrp', 'lrp.z', 'gradient'] }\n";
    let of = |cell: &Cell| cell.spec.explain.clone();
    let all = cells(&format!("{COMPOSITE}{sweep}"));
    let plain = cells("[[sweep]]\ngrid = { 'explain.analyzer' = ['lrp.z', 'gradient'] }\n");
    assert_eq!(all[1..].iter().map(of).collect::<Vec<_>>(), plain.iter().map(of).collect::<Vec<_>>());
    assert_eq!(all[0].spec.explain.analyzer.options().composite.map(|entries| entries.len()), Some(1));
    // Where nobody takes it, or where a cell is given it, it is a mistake.
    for (outside, sweep) in [
        (COMPOSITE, "[[sweep]]\ngrid = { 'explain.analyzer' = ['lrp.z', 'gradient'] }\n"),
        (
            "",
            "[[sweep]]\nlist = [{ 'explain.analyzer' = 'lrp.z', 'explain.composite' = [{ layer = 'any', rule = 'z' }] }]\n",
        ),
        (
            COMPOSITE,
            "[[sweep]]\nlist = [{ 'explain.analyzer' = 'lrp' }, { 'explain.analyzer' = 'lrp.z', \
                     'explain.composite' = [{ layer = 'any', rule = 'z' }] }]\n",
        ),
    ] {
        let said = resolve(&format!("{outside}{sweep}")).expect_err(sweep).render(false);
        assert!(said.contains("does not read `composite`"), "{said}");
    }
}

#[test]
fn a_name_stands_for_one_explanation() {
    let named = "[[sweep]]\nlist = [{ 'explain.name' = 'sharp', 'explain.analyzer' = 'lrp.z' }, \
                 { 'explain.name' = 'flat', 'explain.analyzer' = 'lrp.flat' }]\nseeds = 2\n";
    let names: Vec<_> = cells(named).into_iter().map(|cell| cell.spec.explain.name).collect();
    assert_eq!(names, ["sharp", "sharp", "flat", "flat"].map(|name| Some(name.to_owned())));
    let said = resolve(&named.replace("'flat',", "'sharp',")).expect_err("one name for two").render(false);
    assert!(said.contains("names two explanations") && said.contains("spec.toml:2:"), "{said}");
    // Noise of other seeds is the same explanation.
    let noise = "[explain]\nanalyzer = 'smoothgrad'\n[[sweep]]\nzip = { 'explain.name' = ['n', 'n'], 'explain.seed' = [1, 2] }\n";
    assert_eq!(cells(noise).len(), 2);
    let said = resolve("[[sweep]]\ngrid = { 'explain.name' = ['a', ''] }\n").expect_err("no name").render(false);
    assert!(said.contains("cannot be the name of an explanation"), "{said}");
}

#[test]
fn replicates_count_from_zero_and_raise_both_seeds_from_where_they_stand() {
    let all = cells(
        "[data]\nseed = 7\n[model]\nseed = 100\n[[sweep]]\nseeds = 3\n[[sweep]]\ngrid = { 'train.epochs' = [9] }\n",
    );
    let found: Vec<_> = all
        .iter()
        .map(|cell| (cell.settings.replicate, cell.spec.data.seed, cell.spec.model.seed, cell.spec.train.epochs))
        .collect();
    assert_eq!(found, [(Some(0), 7, 100, 25), (Some(1), 8, 101, 25), (Some(2), 9, 102, 25), (None, 7, 100, 9)]);
}

#[test]
fn a_mistake_in_one_of_several_zips_is_shown_in_it() {
    let spec =
        "[[sweep]]\nzip = [\n  { 'data.seed' = [1, 2] },\n  { 'model.seed' = [1, 2], 'train.epochs' = [1] },\n]\n";
    let said = resolve(spec).expect_err("lengths differ").render(false);
    assert!(said.contains("spec.toml:4:3") && said.contains("model.seed has 2, train.epochs has 1"), "{said}");
}
