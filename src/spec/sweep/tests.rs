use std::collections::BTreeSet;

use super::Cell;
use crate::error::Error;
use crate::spec::ResolvedSpec;

fn resolve(spec: &str) -> Result<Vec<Cell>, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, spec).unwrap();
    ResolvedSpec::read(&path, &[], None).map(|resolved| resolved.cells)
}

fn labels(spec: &str) -> Vec<String> {
    let cells = resolve(spec).unwrap_or_else(|error| panic!("{}", error.render(false)));
    cells.iter().map(|cell| cell.settings.to_string()).collect()
}

/// What is said of a spec that must be refused, without the layout.
fn refusal(spec: &str) -> String {
    let said = resolve(spec).expect_err("it is refused").render(false);
    said.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

#[test]
fn a_spec_without_sweep_is_one_cell() {
    assert_eq!(labels("[train]\nepochs = 3\n"), [""]);
    assert_eq!(labels("sweep = []\n"), [""]);
}

#[test]
fn a_grid_crosses_its_keys_in_the_order_written() {
    let cells = labels("[[sweep]]\ngrid = { 'train.epochs' = [2, 1], 'data.seed' = [7, 8] }\n");
    let expected = [
        "train.epochs = 2, data.seed = 7",
        "train.epochs = 2, data.seed = 8",
        "train.epochs = 1, data.seed = 7",
        "train.epochs = 1, data.seed = 8",
    ];
    assert_eq!(cells, expected);
    assert_eq!(labels("[[sweep]]\ngrid.train.epochs = [2, 1]\ngrid.data.seed = [7, 8]\n"), expected);
}

#[test]
fn a_zip_pairs_its_keys_and_is_crossed_with_the_rest() {
    let spec = "[[sweep]]\ngrid = { 'train.epochs' = [1, 2] }\nzip = { 'data.seed' = [3, 4], 'model.seed' = [5, 6] }\n";
    let expected = [
        "train.epochs = 1, data.seed = 3, model.seed = 5",
        "train.epochs = 1, data.seed = 4, model.seed = 6",
        "train.epochs = 2, data.seed = 3, model.seed = 5",
        "train.epochs = 2, data.seed = 4, model.seed = 6",
    ];
    assert_eq!(labels(spec), expected);
    let two = "[[sweep]]\nzip = [{ 'data.seed' = [1, 2], 'model.seed' = [1, 2] }, { 'train.epochs' = [1, 2, 3] }]\n";
    assert_eq!(labels(two).len(), 6);
}

/// A reference may be a number, a name or a table; all are values of one key.
#[test]
fn a_table_that_is_a_value_varies_with_other_values() {
    let spec = "[[sweep]]\nlist = [{ 'explain.reference' = 45 }, { 'explain.reference' = { flooding = 45 } }, \
                { explain.reference = { ages = [20, 30] } }, { 'explain.smooth' = { sigma = 0.5 } }]\n\
                exclude = [{ 'explain.reference' = { flooding = 50 } }]\n";
    let expected = [
        "explain.reference = 45",
        "explain.reference = { flooding = 45 }",
        "explain.reference = { ages = [20, 30] }",
        "explain.smooth.sigma = 0.5",
    ];
    assert_eq!(labels(spec), expected);
    let excluded = spec.replace("flooding = 50", "flooding = 45");
    assert_eq!(labels(&excluded).len(), 3);
}

#[test]
fn blocks_are_joined_and_lists_write_cells_out() {
    let spec = "
[[sweep]]
list = [{ 'data.distribution' = 'uniform' }, { data.distribution = 'biased', data.target_bias = 30 }]
[[sweep]]
grid = { 'train.epochs' = [9] }
";
    let expected = [
        "data.distribution = \"uniform\"",
        "data.distribution = \"biased\", data.target_bias = 30",
        "train.epochs = 9",
    ];
    assert_eq!(labels(spec), expected);
}

#[test]
fn replicates_are_paired_by_seed() {
    let spec = "[data]\nseed = 10\n[[sweep]]\ngrid = { 'train.epochs' = [1, 2] }\nseeds = 3\n";
    let cells = resolve(spec).unwrap();
    let seeds: Vec<_> =
        cells.iter().map(|cell| (cell.spec.train.epochs, cell.spec.data.seed, cell.spec.model.seed)).collect();
    assert_eq!(seeds, [(1, 10, 0), (1, 11, 1), (1, 12, 2), (2, 10, 0), (2, 11, 1), (2, 12, 2)]);
    assert_eq!(cells.iter().map(|cell| cell.settings.replicate).collect::<Vec<_>>()[..3], [Some(0), Some(1), Some(2)]);
}

#[test]
fn a_key_varies_only_when_its_condition_holds() {
    let spec = "
[[sweep]]
grid = { 'data.distribution' = ['uniform', 'biased'], 'data.target_bias' = [30, 70] }
when = { 'data.target_bias' = { 'data.distribution' = 'biased' } }
";
    let cells = resolve(spec).unwrap();
    let bias: Vec<_> = cells.iter().map(|cell| cell.spec.data.target_bias).collect();
    assert_eq!(bias, [None, None, Some(30.0), Some(70.0)]);
    assert_eq!(cells[0].spec, cells[1].spec);
    // Conditions that depend on conditional keys are found out in order, whichever is written first.
    let chain = "
[[sweep]]
grid = { 'data.seed' = [1, 2], 'model.seed' = [3, 4], 'train.epochs' = [5, 6] }
when = { 'train.epochs' = { 'model.seed' = 4 }, 'model.seed' = { 'data.seed' = 2 } }
";
    let distinct: BTreeSet<String> = labels(chain).into_iter().collect();
    let expected = [
        "data.seed = 1",
        "data.seed = 2, model.seed = 3",
        "data.seed = 2, model.seed = 4, train.epochs = 5",
        "data.seed = 2, model.seed = 4, train.epochs = 6",
    ];
    assert_eq!(distinct.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn exclude_removes_the_cells_that_match_all_its_values() {
    let spec = "
[[sweep]]
grid = { 'data.seed' = [1, 2, 3], 'train.epochs' = [1, 2] }
exclude = [{ 'data.seed' = [1, 3], 'train.epochs' = 2 }, { 'data.seed' = 2.0 }]
";
    assert_eq!(labels(spec), ["data.seed = 1, train.epochs = 1", "data.seed = 3, train.epochs = 1"]);
}

fn drawn(kind: &str, seed: u64) -> Vec<(f64, usize, f64)> {
    let spec = format!(
        "[[sweep]]\n[sweep.{kind}]\nn = 64\nseed = {seed}\n[sweep.{kind}.ranges]\n\
         'train.learning_rate' = {{ low = 1e-4, high = 1e-2, scale = 'log' }}\n\
         'train.epochs' = {{ low = 1, high = 4 }}\n'model.dropout' = {{ choices = [0.0, 0.25, 0.5, 0.75] }}\n"
    );
    let cells = resolve(&spec).unwrap();
    cells.iter().map(|cell| (cell.spec.train.learning_rate, cell.spec.train.epochs, cell.spec.model.dropout)).collect()
}

#[test]
fn draws_lie_in_their_ranges_and_repeat_with_their_seed() {
    for kind in ["random", "sobol"] {
        let draws = drawn(kind, 1);
        assert_eq!(draws.len(), 64);
        assert!(draws.iter().all(|(rate, epochs, _)| (1e-4..=1e-2).contains(rate) && (1..=4).contains(epochs)));
        let below = draws.iter().filter(|(rate, ..)| *rate < 1e-3).count();
        assert!((20..=44).contains(&below), "half of the draws lie below the middle of a logarithmic range: {below}");
        let [epochs, dropout] = [
            draws.iter().map(|(_, epochs, _)| *epochs).collect::<BTreeSet<_>>().len(),
            draws.iter().map(|(.., dropout)| (dropout * 4.0) as usize).collect::<BTreeSet<_>>().len(),
        ];
        assert_eq!((epochs, dropout), (4, 4));
        assert_eq!(draws, drawn(kind, 1));
        assert_ne!(draws, drawn(kind, 2));
    }
    // A Sobol sequence of 2^m points has equally many in every quarter of every dimension.
    let mut quarters = [0; 4];
    drawn("sobol", 3).iter().for_each(|(_, epochs, _)| quarters[epochs - 1] += 1);
    assert_eq!(quarters, [16; 4]);
}

#[test]
fn what_a_spec_would_refuse_is_refused_with_line_and_cell() {
    let said = refusal("[[sweep]]\ngrid = { 'data.n_samples' = [500, 99], 'data.seed' = [1, 2] }\n");
    assert!(said.contains("spec.toml:2:35") && said.contains("data.n_samples = 99, data.seed = 1"), "{said}");
    assert!(!said.contains("data.seed = 2"), "one mistake is told once: {said}");
    let said = refusal("[[sweep]]\ngrid = { 'train.epocs' = [1, 2] }\n");
    assert!(said.contains("spec.toml:2:10") && said.contains("did you mean `epochs`?"), "{said}");
    assert!(said.contains("in the cell train.epocs = 1"), "{said}");
    let said = refusal("[[sweep]]\nlist = [\n  { 'train.epochs' = 1 },\n  { 'train.epochs' = 'two' },\n]\n");
    assert!(said.contains("spec.toml:4:22") && said.contains("\"two\""), "{said}");
    let said = refusal("[[sweep]]\ngrid = { 'data.distribution' = ['uniform', 'biased'] }\n");
    assert!(said.contains("data.target_bias") && said.contains("data.distribution = \"biased\""), "{said}");
    let said = refusal("[train]\nepochs = 0\n[[sweep]]\nseeds = 2\n");
    assert!(said.contains("spec.toml:2:10") && !said.contains("in the cell"), "{said}");
}

#[test]
fn bad_sweeps_get_one_clear_message() {
    let cases = [
        ("[[sweep]]\ngird = { 'train.epochs' = [1] }\n", "2:1", "did you mean `grid`?"),
        ("[[sweep]]\ngrid = { 'train.epochs' = [] }\n", "2:27", "the list of values is empty"),
        ("[[sweep]]\ngrid = { 'train.epochs' = 3 }\n", "2:27", "expected a list"),
        ("[[sweep]]\nlist = []\n", "2:8", "the list of cells is empty"),
        ("[[sweep]]\nzip = { 'data.seed' = [1, 2], 'model.seed' = [1] }\n", "2:7", "data.seed has 2, model.seed has 1"),
        ("[[sweep]]\nzip = { 'data.seed' = [1], 'model.seed' = [1, 2] }\n", "2:7", "data.seed has 1, model.seed has 2"),
        ("[[sweep]]\nseeds = 0\n", "2:9", "seeds = 0"),
        ("[[sweep]]\nseeds = -1\n", "2:9", "sweep.seeds"),
        ("[[sweep]]\n", "1:1", "varies nothing"),
        ("sweep = 3\n", "1:9", "not a list of blocks"),
        (
            "[[sweep]]\ngrid = { 'data.seed' = [1, 2] }\nexclude = [{ 'data.seed' = [1, 2] }]\n",
            "3:11",
            "leaves no cell",
        ),
        (
            "[[sweep]]\ngrid = { 'data.seed' = [1] }\nexclude = [{ 'data.sed' = 1 }]\n",
            "3:12",
            "did you mean `data.seed`?",
        ),
        (
            "[[sweep]]\ngrid = { 'data.seed' = [1], 'model.seed' = [1] }\nwhen = { 'model.seed' = { 'data.seed' = 2 } }\n",
            "3:25",
            "model.seed never varies, because no cell has data.seed = 2",
        ),
        (
            "[[sweep]]\ngrid = { 'data.seed' = [1], 'model.seed' = [1] }\n\
             when = { 'model.seed' = { 'data.seed' = 1 }, 'data.seed' = { 'model.seed' = 1 } }\n",
            "3:60",
            "depend on each other",
        ),
        (
            "[[sweep]]\ngrid = { 'data.seed' = [1] }\nwhen = { 'train.epochs' = { 'data.seed' = 1 } }\n",
            "3:27",
            "does not vary",
        ),
        ("[[sweep]]\ngrid = { 'data.seed' = [1] }\nseeds = 2\n", "3:9", "`seeds` sets data.seed"),
        ("[[sweep]]\ngrid = { 'data.seed' = [1] }\nlist = [{ 'data.seed' = 1 }]\n", "3:25", "two dimensions"),
        ("[[sweep]]\ngrid = { 'heatmaps.count' = [1] }\n", "2:30", "does not make another run"),
        (
            "[[sweep]]\nrandom = { n = 3, ranges = { 'train.epochs' = { low = 3, high = 1 } } }\n",
            "2:47",
            "nothing to draw from 3 to 1",
        ),
        ("[[sweep]]\nrandom = { n = 3, ranges = { 'train.epochs' = 4 } }\n", "2:47", "is not a range"),
        (
            "[[sweep]]\nsobol = { n = 3, ranges = { 'train.learning_rate' = { low = 0.0, high = 1.0, scale = 'log' } } }\n",
            "2:53",
            "has no logarithm",
        ),
        ("[[sweep]]\nrandom = { n = 0, ranges = {} }\n", "2:16", "draws nothing"),
    ];
    for (spec, place, message) in cases {
        let said = refusal(spec);
        assert!(said.contains(message), "it did not say `{message}`: {said}");
        assert!(said.contains(&format!("spec.toml:{place}")), "it did not point at {place}: {said}");
        assert!(said.contains("help:"), "{said}");
        assert_eq!(said.matches("spec.toml:").count(), 1, "one message: {said}");
    }
}

#[test]
fn a_sweep_beyond_the_limit_is_refused_with_its_count_before_it_is_expanded() {
    let values = (0..1000).map(|value| value.to_string()).collect::<Vec<_>>().join(", ");
    let keys = ["data.seed", "model.seed", "train.epochs", "data.n_samples"];
    let grid = keys.map(|key| format!("'{key}' = [{values}]")).join(", ");
    let said = refusal(&format!("[[sweep]]\ngrid = {{ {grid} }}\n"));
    assert!(said.contains("1000000000000 cells") && said.contains("100000"), "{said}");
    let said =
        refusal("[[sweep]]\nrandom = { n = 1000000000000, ranges = { 'train.epochs' = { low = 1, high = 9 } } }\n");
    assert!(said.contains("1000000000000 cells"), "{said}");
    let said = refusal("[[sweep]]\nseeds = 60000\n[[sweep]]\nseeds = 60000\n");
    assert!(said.contains("120000 cells"), "{said}");
}
