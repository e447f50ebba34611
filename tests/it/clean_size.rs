//! `clean --max-size`: the oldest results go first, and no more of them than must.

use std::fs;

use serde_json::Value;

use crate::harness::{Scene, TINY};

/// Every entry of the store: when it was made, its place, and its size in bytes.
fn entries(scene: &Scene) -> Vec<(String, String, u64)> {
    let store = scene.path("results/.store");
    let manifests = scene.listing("results/.store").into_iter().filter(|name| name.ends_with("/manifest.json"));
    let mut entries: Vec<(String, String, u64)> = manifests
        .map(|name| {
            let text = fs::read(store.join(&name)).expect("a manifest");
            let manifest: Value = serde_json::from_slice(&text).expect("JSON");
            let files = manifest["files"].as_object().expect("files").values();
            let bytes = files.map(|file| file["bytes"].as_u64().expect("a size")).sum();
            let made = manifest["created_at"].as_str().expect("a time").to_owned();
            (made, name.trim_end_matches("/manifest.json").to_owned(), bytes)
        })
        .collect();
    entries.sort();
    entries
}

#[test]
fn the_oldest_results_go_until_the_rest_fits() {
    let scene = Scene::with_spec(TINY);
    scene.run("spec.toml").succeeds();
    scene.run("spec.toml --set train.epochs=2").succeeds();
    let before = entries(&scene);
    assert_eq!(before.len(), 9);
    let total: u64 = before.iter().map(|entry| entry.2).sum();
    // What is as large as allowed stays as it is.
    scene.run(&format!("clean results --max-size {total}B")).succeeds();
    assert_eq!(entries(&scene), before);
    for gone in [1, 4] {
        // One byte less than all that is younger and one more would take.
        let size: u64 = before[gone - 1..].iter().map(|entry| entry.2).sum::<u64>() - 1;
        let said = scene.run(&format!("clean results --max-size {size}B --dry-run")).succeeds().stdout;
        assert!(said.contains("would remove"), "{said}");
        assert!(entries(&scene).len() > 9 - gone, "a dry run removes nothing");
        scene.run(&format!("clean results --max-size {size}B")).succeeds();
        assert_eq!(entries(&scene), before[gone..], "the {gone} oldest are removed");
    }
    // What was removed is made again, and nothing else.
    scene.run("spec.toml --set train.epochs=2").succeeds();
    let mut names: Vec<String> = entries(&scene).into_iter().map(|entry| entry.1).collect();
    names.sort();
    assert!(before[4..].iter().all(|entry| names.contains(&entry.1)));
}
