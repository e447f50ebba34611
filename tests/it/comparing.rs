//! `xdlreg-run compare --by`: settings compared over seeds, against means and differences computed from the tables.

use polars::prelude::*;

use crate::harness::{Scene, TINY, numbers, texts};

#[test]
fn settings_are_compared_over_seeds() {
    let sweep = "\n[[sweep]]\ngrid = { 'explain.analyzer' = ['lrp.z', 'lrp.flat'] }\nseeds = 3\n";
    let scene = Scene::with_spec(&format!("{}{sweep}", TINY.replace("epochs = 1", "epochs = 2")));
    scene.run("spec.toml --set heatmaps.count=0").succeeds();
    let csv =
        scene.run("compare results/spec --by explain.analyzer --metric gini_index --format csv").succeeds().stdout;
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let column = |name: &str| rows[0].iter().position(|known| *known == name).expect("a column");
    let number = |row: usize, name: &str| rows[row][column(name)].parse::<f64>().expect("a number");

    let runs = scene.results("spec").table("runs");
    let done = runs.filter(&runs.column("status").unwrap().str().unwrap().equal("done")).unwrap();
    let of = |analyzer: &str| -> Vec<f64> {
        let mine = done.filter(&done.column("explain.analyzer").unwrap().str().unwrap().equal(analyzer)).unwrap();
        let mine = mine.sort(["replicate"], SortMultipleOptions::default()).unwrap();
        numbers(&mine, "gini_index")
    };
    let (z, flat) = (of("lrp.z"), of("lrp.flat"));
    assert_eq!((texts(&done, "run_id").len(), z.len(), flat.len()), (6, 3, 3), "all are done");
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let differences: Vec<f64> = flat.iter().zip(&z).map(|(flat, z)| flat - z).collect();
    assert_eq!((rows[1][column("value")], rows[2][column("value")]), ("lrp.z", "lrp.flat"));
    assert!((number(1, "mean") - mean(&z)).abs() < 1e-12 && (number(2, "mean") - mean(&flat)).abs() < 1e-12);
    assert!((number(2, "difference") - mean(&differences)).abs() < 1e-12);
    assert_eq!((rows[1][column("difference")], rows[2][column("pairs")]), ("", "3"));

    let text = scene.run("compare results/spec --by explain.analyzer --metric gini_index --figure f.svg").succeeds();
    assert!(text.stdout.starts_with("gini_index\n") && text.stdout.contains("lrp.flat"), "{}", text.stdout);
    assert!(std::fs::read_to_string(scene.path("f.svg")).expect("a figure").contains("lrp.flat"));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let scene = Scene::with_spec(&format!("{TINY}\n[[sweep]]\nseeds = 2\n"));
    scene.run("spec.toml --set heatmaps.count=0 --set evaluate.scores=[]").succeeds();
    let refused = |arguments: &str, parts: &[&str]| {
        scene.run(&format!("compare results/spec {arguments}")).exits(2).complains(parts);
    };
    refused("--by train.epochs --metric test_mae", &["train.epochs does not vary", "no setting varies but seeds"]);
    refused("--by data.seed --metric nonsense", &["no finished run has the score nonsense", "test_mae"]);
    refused("--by data.seed --metric test_mae --baseline 7", &["data.seed has no value 7", "its values: 126, 127"]);
    refused("--by data.seed --metric test_mae --figure f.gif", &["f.gif", ".svg or .png"]);
    refused("--metric test_mae", &["--by"]);
    refused("", &["RUN"]);
    assert!(!scene.path("f.gif").exists());
}
