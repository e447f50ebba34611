//! Stored files that look untouched are read all the same.

use std::fs;

use crate::harness::{Scene, TINY, stages};

#[test]
fn a_change_behind_restored_timestamps_is_found_and_mended() {
    let scene = Scene::with_spec(TINY);
    let results = scene.results("spec");
    scene.run("spec.toml").succeeds();
    let (tables, run_id) = (results.bytes("measurements.parquet"), results.run_id());
    for (stage, file, option) in
        [("simulate", "set.npz", ""), ("train", "model.safetensors", "--verify"), ("explain", "relevance.npy", "")]
    {
        let store = scene.path("results/.store").join(stage);
        let listing = scene.listing(&format!("results/.store/{stage}"));
        let path = store.join(listing.iter().find(|name| name.ends_with(file)).expect("the stored file"));
        let (intact, changed) = (fs::read(&path).expect("a file"), fs::metadata(&path).expect("a file").modified());
        let mut damaged = intact.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        fs::write(&path, &damaged).expect("it is damaged");
        fs::File::options()
            .write(true)
            .open(&path)
            .expect("a file")
            .set_modified(changed.expect("a time"))
            .expect("a time");
        let before = results.events().len();
        scene
            .run(&format!("spec.toml {option}"))
            .succeeds()
            .complains(&[&format!("the stored result of {stage}"), file]);
        assert_eq!(stages(&results.events()[before..], "stage_started"), [stage]);
        assert!(fs::read(&path).expect("a file") == intact, "{file} is back");
    }
    assert!(results.bytes("measurements.parquet") == tables && results.run_id() == run_id);
}

/// A report says what the tables said when it was made. One that was made while a table was missing is not up to date when the table is
/// there again.
#[test]
fn a_report_that_was_made_without_a_table_is_made_again() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let figure = || results.bytes("figures/09_sum_relevance.svg");
    let whole = figure();
    fs::remove_file(results.path("measurements.parquet")).expect("the table is there");
    scene.run("report results/spec");
    scene.run("spec.toml").succeeds();
    assert!(results.path("measurements.parquet").is_file());
    assert_eq!(figure(), whole);
}

/// Drawing takes longer than all else of a start with nothing to do.
#[test]
fn a_report_that_tells_of_these_results_is_left_alone() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let written = |name: &str| fs::metadata(results.path(name)).and_then(|file| file.modified()).expect("a file");
    let files = ["report.html", "plan.json", "figures/23_score_table.svg", "figures/09_sum_relevance.svg"];
    let first: Vec<_> = files.iter().filter(|name| results.path(name).exists()).map(|name| written(name)).collect();
    assert!(first.len() >= 3, "a report, a plan and a figure");
    scene.run("spec.toml").succeeds();
    let again: Vec<_> = files.iter().filter(|name| results.path(name).exists()).map(|name| written(name)).collect();
    assert_eq!(again, first);
}
