//! What tables, pictures and the terminal say of what maps mean, and of maps that mean nothing.

use crate::harness::{Results, Scene, TINY, texts};

/// Nothing asks the network again.
const QUICK: &str = "[evaluate]\nscores = []\n";

/// One row of a run: sample, metric, sign, value, unit, note.
struct Row {
    run_id: String,
    sample: Option<i64>,
    metric: String,
    sign: Option<String>,
    value: Option<f64>,
    unit: String,
    note: Option<String>,
}

fn rows(results: &Results) -> Vec<Row> {
    let table = results.table("measurements");
    let column = |name: &str| table.column(name).expect("a column").clone();
    let (samples, values) = (column("sample"), column("value"));
    let (samples, values) = (samples.i64().expect("indices"), values.f64().expect("numbers"));
    let text = |name: &str| {
        let column = column(name);
        let cells = column.str().expect("texts").iter().map(|cell| cell.map(str::to_owned));
        cells.collect::<Vec<_>>()
    };
    let (runs, metrics, signs, units, notes) =
        (text("run_id"), text("metric"), text("sign"), text("unit"), text("note"));
    let row = |at: usize| Row {
        run_id: runs[at].clone().expect("a run"),
        sample: samples.get(at),
        metric: metrics[at].clone().expect("a metric"),
        sign: signs[at].clone(),
        value: values.get(at),
        unit: units[at].clone().expect("a unit"),
        note: notes[at].clone(),
    };
    (0..table.height()).map(row).collect()
}

/// The cells of a column of texts of the runs' table.
fn of_runs(results: &Results, column: &str) -> Vec<Option<String>> {
    let table = results.table("runs");
    let column = table.column(column).expect("a column").clone();
    column.str().expect("texts").iter().map(|cell| cell.map(str::to_owned)).collect()
}

#[test]
fn units_and_conservation_are_the_explanations_own() {
    let sweep = "[[sweep]]\ngrid = { 'explain.analyzer' = ['lrp.z', 'gradient', 'smoothgrad', 'input', 'random', \
                 'deconvnet', 'occlusion', 'integrated_gradients'], 'model.task' = ['regression', 'classification'] }\n";
    let scene = Scene::with_spec(&format!("{TINY}{QUICK}{sweep}"));
    scene.run("spec.toml");
    let results = scene.results("spec");
    let (rows, runs) = (rows(&results), results.table("runs"));
    let settings = texts(&runs, "explain.analyzer").into_iter().zip(texts(&runs, "model.task"));
    for (id, (analyzer, task)) in texts(&runs, "run_id").into_iter().zip(settings) {
        let output = if task == "regression" { "years" } else { "logit" };
        let (unit, conserved) = match analyzer.as_str() {
            "gradient" | "smoothgrad" => (format!("{output} per unit of intensity"), false),
            "deconvnet" => (format!("{output}^2 per unit of intensity"), false),
            "input" | "random" => ("intensity".to_owned(), false),
            "occlusion" => (output.to_owned(), false),
            _ => (output.to_owned(), true),
        };
        let of = |metric: &str| rows.iter().filter(|row| row.run_id == id && row.metric == metric).collect::<Vec<_>>();
        let sums = of("sum_relevance");
        assert!(
            !sums.is_empty() && sums.iter().all(|row| row.unit == unit),
            "{analyzer} of a {task}: {}",
            sums[0].unit
        );
        assert_eq!(!of("conservation").is_empty(), conserved, "{analyzer} of a {task}");
        assert!(of("relevance_zero_crossing").iter().all(|row| row.unit == output), "{analyzer}");
        let slope = &of("relevance_slope")[0].unit;
        assert_eq!(slope == "1", unit == output, "{analyzer}: {slope}");
    }
}

/// Equal maps have equal notes: without noise smoothing is none, and single pixels that are set to 0 say nothing where they
/// are 0.
#[test]
fn blindness_goes_through_every_wrapper() {
    let sweep = "[[sweep]]\nlist = [{ 'explain.analyzer' = 'lrp.epsilon' }, { 'explain.analyzer' = 'lrp.epsilon', \
                 'explain.smooth' = { samples = 3, sigma = 0.0 } }, { 'explain.analyzer' = 'lrp.epsilon', \
                 'explain.smooth' = { samples = 2, sigma = 0.1 } }]\n";
    let scene = Scene::with_spec(&format!("{TINY}{QUICK}{sweep}"));
    scene.run("spec.toml");
    let results = scene.results("spec");
    let (rows, ids) = (rows(&results), texts(&results.table("runs"), "run_id"));
    let of = |id: &str| {
        let on_atrophies = |row: &&Row| {
            row.run_id == id && row.sign.as_deref() == Some("atrophies") && row.metric.starts_with("roc_auc.positive")
        };
        rows.iter().filter(on_atrophies).map(|row| (row.sample, row.value, row.note.clone())).collect::<Vec<_>>()
    };
    assert_eq!(of(&ids[0]), of(&ids[1]));
    assert!(of(&ids[0]).iter().all(|(_, value, note)| value.is_none() && note.as_deref() == Some("blind")));
    assert!(of(&ids[2]).iter().all(|(_, value, note)| value.is_some() && note.is_none()));
    let maps = |id: &String| results.bytes(&format!("relevance/{id}.npy"));
    assert_eq!(maps(&ids[0]), maps(&ids[1]), "the same bits");
}

/// A run of mostly such maps is invalid, with a reason that says what to do; its maps have no scores.
#[test]
fn maps_that_mean_nothing_are_never_done() {
    let scene = Scene::with_spec(&format!("{TINY}{QUICK}"));
    for (name, settings, reason) in [
        ("absorbed", "--set explain.analyzer=lrp.epsilon --set explain.epsilon=1e4", "stabilisers keep"),
        ("absorbed", "--set explain.analyzer=zennit.epsilon_plus --set explain.epsilon=1e30", "stabilisers keep"),
        ("outside", "--set explain.analyzer=deep_taylor.bounded --set explain.high=0.5", "bounds of a bounded rule"),
        ("outside", "--set explain.analyzer=zennit.epsilon_gamma_box --set explain.smooth.samples=2", "noise included"),
        (
            "uncovered",
            "--set explain.analyzer=occlusion --set explain.window=10 --set explain.stride=44",
            "% of the pixels",
        ),
    ] {
        let said = scene.run(&format!("spec.toml --output {name} {settings}")).succeeds().stdout;
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(reason), "{said}");
        let results = Results { folder: scene.path(name).join("spec") };
        assert_eq!(of_runs(&results, "status"), [Some("invalid".to_owned())], "{settings}");
        let said = of_runs(&results, "reason")[0].clone().expect("a reason");
        assert!(said.starts_with("most maps mean nothing: ") && said.contains(reason), "{said}");
        let rows = rows(&results);
        let of_maps = rows.iter().filter(|row| row.sample.is_some() && row.metric != "sign_share");
        for row in of_maps {
            assert_eq!((row.value, row.note.as_deref()), (None, Some(name)), "{} under {settings}", row.metric);
        }
        let page = String::from_utf8(results.bytes("report.html")).expect("a page");
        assert!(page.contains(reason), "the report says it");
        scene.run(&format!("status {name}/spec")).succeeds();
    }
}

/// Whatever needs care without making maps worthless is a note: in the table, in the report and on the terminal.
#[test]
fn what_needs_care_is_noted() {
    let scene = Scene::with_spec(&format!("{TINY}{QUICK}"));
    let said = "occlusion covers 77.0 % of the pixels";
    let settings = "--set explain.analyzer=occlusion --set explain.window=12 --set explain.stride=14";
    let ended = scene.run(&format!("spec.toml {settings}")).succeeds();
    assert!(ended.stderr.contains("note on run") || ended.stdout.contains("note on run"), "{}", ended.stderr);
    let results = scene.results("spec");
    assert_eq!(of_runs(&results, "status"), [Some("done".to_owned())]);
    let note = of_runs(&results, "note")[0].clone().expect("a note");
    assert!(note.contains(said), "{note}");
    // An untrained network says one number, which is no better than the test set's own mean.
    assert!(note.contains("predicts the test set worse than its own mean"), "{note}");
    assert!(String::from_utf8(results.bytes("report.html")).expect("a page").contains(said));
    let status = scene.run("status results/spec").succeeds().stdout;
    assert!(status.contains("note on ") && status.contains(said), "{status}");
    assert!(rows(&results).iter().all(|row| row.metric != "gini_index" || row.value.is_some()));
}

/// A network worse than a mean says which.
#[test]
fn an_invalid_run_names_the_mean_that_it_was_held_against() {
    let scene = Scene::with_spec(&format!("{TINY}{QUICK}"));
    scene.run("spec.toml --set model.output_bias=0 --set train.learning_rate=1e-9").succeeds();
    let reason = of_runs(&scene.results("spec"), "reason")[0].clone().expect("a reason");
    assert!(reason.starts_with("worse than predicting the mean of the training set, "), "{reason}");
    assert!(reason.contains("of the test set's own mean, "), "{reason}");
}

/// Figures, bars and the report of a run whose relevance is in another unit than years.
#[test]
fn nothing_calls_a_gradient_years() {
    let spec = TINY.replace("count = 1", "count = 1\ntrue_scale = true");
    let scene = Scene::with_spec(&format!("{spec}{QUICK}"));
    scene.run("spec.toml --set explain.analyzer=gradient").succeeds();
    let results = scene.results("spec");
    for figure in ["09_sum_relevance", "11_relevance_by_age"] {
        let svg = String::from_utf8(results.bytes(&format!("figures/{figure}.svg"))).expect("a drawing");
        assert!(svg.contains("in years per unit of intensity"), "{figure}");
    }
    let page = String::from_utf8(results.bytes("report.html")).expect("a page");
    assert!(page.contains("\"unit\": \"years per unit of intensity\""));
}
