//! Damaged files are noticed whatever their times say, named and made again; the outcome is that of intact files.

use std::fs;
use std::path::Path;

use crate::harness::{Results, Scene, TINY, assert_no_leftovers, assert_same_tables, listing, signal, stages, texts};

fn sweep() -> String {
    format!("{TINY}\n[[sweep]]\nseeds = 2\n")
}

/// Changes a file, and makes it look as old as before.
fn damage(path: &Path, change: impl Fn(&mut Vec<u8>)) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let mut contents = fs::read(path).unwrap();
    change(&mut contents);
    // In place: a hard link of the file changes, too.
    fs::write(path, contents).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[expect(clippy::ptr_arg, reason = "other kinds of damage change the length")]
fn flip(contents: &mut Vec<u8>) {
    let middle = contents.len() / 2;
    contents[middle] ^= 1;
}

#[test]
fn every_kind_of_stored_file_is_verified_and_made_again() {
    let scene = Scene::with_spec(&sweep());
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let before = Results { folder: scene.path("before") };
    fs::create_dir(&before.folder).unwrap();
    for table in ["predictions", "measurements", "signs", "samples", "runs", "epochs"] {
        fs::copy(results.path(&format!("{table}.parquet")), before.path(&format!("{table}.parquet"))).unwrap();
    }
    let pictures = |results: &Results| listing(&results.path("heatmaps"));
    let shown = pictures(&results);
    let files = || {
        listing(&scene.path("results/.store"))
            .into_iter()
            .filter(|name| scene.path("results/.store").join(name).is_file() && name.matches('/').count() > 1)
    };
    // A file of each name in turn; such of render are named after what they show.
    let kind = |name: &str| {
        let parts: Vec<&str> = name.splitn(3, '/').collect();
        (
            parts[0].to_owned(),
            if parts[0] == "render" && parts[2] != "manifest.json" {
                "picture".to_owned()
            } else {
                parts[2].to_owned()
            },
        )
    };
    let mut kinds: Vec<(String, String)> = files().map(|name| kind(&name)).collect();
    kinds.sort();
    kinds.dedup();
    assert!(kinds.len() > 15, "{kinds:?}");
    for (round, of_kind) in kinds.into_iter().enumerate() {
        let name = files().find(|name| kind(name) == of_kind).expect("a file of this kind");
        let path = scene.path("results/.store").join(&name);
        match round % 3 {
            0 => damage(&path, flip),
            1 => damage(&path, |contents| contents.truncate(contents.len() / 2)),
            _ => fs::remove_file(&path).unwrap(),
        }
        let events = results.events().len();
        let told = scene.run("spec.toml").succeeds().complains(&["the stored result of", "is damaged"]);
        assert_eq!(
            stages(&results.events()[events..], "stage_started"),
            std::slice::from_ref(&of_kind.0),
            "{name}: {}",
            told.stderr
        );
        assert_same_tables(&before, &results);
        assert_eq!(pictures(&results), shown);
        let again = scene.run("spec.toml").succeeds();
        assert!(!again.stderr.contains("damaged"), "{name}: {}", again.stderr);
    }
}

#[test]
fn copies_in_a_results_folder_are_compared_with_what_is_stored() {
    let scene = Scene::with_spec(&sweep());
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let id = texts(&results.table("runs"), "run_id").remove(0);
    let picture = listing(&results.path(&format!("heatmaps/{id}"))).remove(0);
    for name in [format!("models/{id}.safetensors"), format!("relevance/{id}.npy"), format!("heatmaps/{id}/{picture}")]
    {
        let path = results.path(&name);
        let intact = fs::read(&path).unwrap();
        // A copy of the same time, as on a file system without hard links.
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, &intact).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        damage(&path, flip);
        scene.run("spec.toml").succeeds();
        assert!(fs::read(&path).unwrap() == intact, "{name}");
        fs::write(results.path(&format!("{}/extra", name.rsplit_once('/').unwrap().0)), "").unwrap();
    }
    // A folder of a run holds what the run drew, and nothing beside it.
    scene.run("spec.toml").succeeds();
    assert!(!results.path(&format!("heatmaps/{id}/extra")).exists(), "it is no picture of this run");
    assert!(results.path("models/extra").exists(), "what a user put there stays");
}

#[test]
fn a_damaged_training_state_is_not_gone_on_from() {
    let scene = Scene::with_spec(&TINY.replace("epochs = 1", "epochs = 30"));
    let results = scene.results("spec");
    let mut running = scene.start("spec.toml");
    results.wait_for(|event| event["event"] == "epoch_finished" && event["epoch"] == 3);
    signal(running.id(), "KILL");
    running.wait().unwrap();
    // The worker ends with its runner, and may write one state more until then.
    scene.run("spec.toml --set experiment.name=waits --set data.n_samples=101").succeeds();
    let state = listing(&scene.path("results/.store/scratch")).into_iter().find(|name| name.ends_with(".safetensors"));
    let state = scene.path("results/.store/scratch").join(state.expect("the state of the training"));
    damage(&state, flip);
    let events = results.events().len();
    scene.run("spec.toml").succeeds().complains(&["training starts from the beginning", "checksum"]);
    assert!(results.events()[events..].iter().any(|event| event["event"] == "epoch_finished" && event["epoch"] == 1));
    scene.run("spec.toml --output undisturbed").succeeds();
    assert_same_tables(&results, &Results { folder: scene.path("undisturbed/spec") });
}

#[test]
fn a_damaged_journal_disables_no_command_and_swallows_no_start() {
    let scene = Scene::with_spec(&sweep());
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let ids = texts(&results.table("runs"), "run_id");
    let intact = fs::read(results.path("events.jsonl")).unwrap();
    let status = || scene.run("status results/spec").succeeds().stdout;
    let undisturbed = status();
    for torn in [&b"{\"time\":\"20"[..], b"\xff\xfe\xfd", b"\0\0\0\0"] {
        fs::write(results.path("events.jsonl"), [&intact[..], torn].concat()).unwrap();
        scene.run("spec.toml").succeeds();
        let runs = undisturbed.lines().nth(1).expect("a line about runs");
        assert!(status().contains("10 of 10 stages done") && status().contains(runs), "{}", status());
        assert!(status().contains("one line of events.jsonl is damaged and was skipped"), "{}", status());
    }
    // Whichever line is lost, what the others say stands.
    for lost in 0..intact.iter().filter(|&&byte| byte == b'\n').count() {
        let mut lines: Vec<&[u8]> = intact.split_inclusive(|&byte| byte == b'\n').collect();
        lines[lost] = b"\x80 no line\n";
        fs::write(results.path("events.jsonl"), lines.concat()).unwrap();
        let told = status();
        assert!(told.contains("one line of events.jsonl is damaged"), "{told}");
        assert!(told.contains("10 of 10 stages") || told.contains("9 of 10 stages"), "{told}");
    }
    fs::write(results.path("events.jsonl"), b"\xff".repeat(1000)).unwrap();
    for command in [
        "status results/spec".to_owned(),
        "cancel results/spec".to_owned(),
        format!("logs results/spec {}", ids[0]),
        format!("why results/spec {}", ids[0]),
        format!("compare results/spec {} {}", ids[0], ids[1]),
        "report results/spec".to_owned(),
        "clean results --orphans".to_owned(),
        "spec.toml".to_owned(),
    ] {
        scene.run(&command).succeeds();
    }
    assert!(status().lines().next() == undisturbed.lines().next(), "{}", status());
}

#[test]
fn leftovers_go_at_the_next_start_wherever_they_are() {
    let scene = Scene::with_spec(&sweep());
    scene.run("spec.toml").succeeds();
    let id = texts(&scene.results("spec").table("runs"), "run_id").remove(0);
    let folders = [
        "",
        "models",
        "relevance",
        "relevance/ensembles",
        "ledger",
        "heatmaps",
        "tensorboard",
        "checkpoints",
        "figures",
    ];
    let deep = ["heatmaps", "tensorboard", "figures"].map(|folder| format!("{folder}/{id}/inner"));
    for folder in folders.into_iter().map(str::to_owned).chain(deep) {
        scene.write(&format!("results/spec/{folder}/.runs.parquet.4711.tmp"), "half");
        scene.write(&format!("results/spec/{folder}/.{id}.tmp/half"), "half");
    }
    scene.run("spec.toml").succeeds();
    assert_no_leftovers(&scene.path("results/spec"));
}

#[test]
fn runs_that_left_the_spec_leave_the_results_folder() {
    let spec = |seeds: &str| {
        let spec = TINY.replace("epochs = 1", "epochs = 1\ncheckpoint_every = 1");
        format!("{spec}\n[[sweep]]\ngrid = {{ 'model.seed' = {seeds} }}\n")
    };
    let scene = Scene::with_spec(&spec("[0, 1, 2]"));
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let folders = ["models", "relevance", "ledger", "heatmaps", "tensorboard", "checkpoints", "figures"];
    for folder in folders {
        scene.write(&format!("results/spec/{folder}/own.txt"), "a user's own");
    }
    for (seeds, removed) in [("[0, 7]", 2), ("[7]", 1)] {
        let before = texts(&results.table("runs"), "run_id");
        let entries = listing(&scene.path("results/.store/train")).len();
        scene.write("spec.toml", spec(seeds));
        scene.run("spec.toml").succeeds();
        let ids = texts(&results.table("runs"), "run_id");
        let gone: Vec<&String> = before.iter().filter(|id| !ids.contains(id)).collect();
        assert_eq!(gone.len(), removed);
        for folder in folders {
            let names = listing(&results.path(folder));
            assert!(names.iter().all(|name| gone.iter().all(|id| !name.contains(id.as_str()))), "{folder}: {names:?}");
            assert!(names.contains(&"own.txt".to_owned()), "{folder}: {names:?}");
            let present = |id: &String| names.iter().any(|name| name.starts_with(id.as_str()));
            assert!(folder == "figures" || ids.iter().all(present), "{folder}: {names:?}");
        }
        assert!(listing(&scene.path("results/.store/train")).len() >= entries, "the store keeps what was made");
    }
}

#[test]
fn first_starts_at_once_do_not_remove_the_folder_under_each_other() {
    for _ in 0..3 {
        let scene = Scene::with_spec(TINY);
        let mut starts: Vec<_> = (0..8).map(|_| scene.start("spec.toml --output new/results")).collect();
        let codes: Vec<Option<i32>> = starts.iter_mut().map(|start| start.wait().unwrap().code()).collect();
        // All but one find that another is at work, or that all is done.
        assert!(codes.contains(&Some(0)) && codes.iter().all(|code| matches!(code, Some(0 | 2))), "{codes:?}");
        let refused = codes.iter().filter(|code| **code == Some(2)).count();
        let runner_logs = fs::read_to_string(scene.path("new/results/spec/logs/xdlreg-run.log")).unwrap();
        assert!(refused > 0 && runner_logs.contains("experiment_finished"), "{codes:?}");
        let status = scene.run("status new/results/spec").succeeds().stdout;
        assert!(status.contains("5 of 5 stages done"), "{status}");
    }
}

#[test]
fn tables_ensembles_figures_and_the_page_are_made_again() {
    // Networks of one data set, which make an ensemble.
    let scene = Scene::with_spec(&format!("{TINY}\n[[sweep]]\ngrid = {{ 'model.seed' = [0, 1] }}\n"));
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let made = listing(&results.folder).into_iter().filter(|name| {
        ["figures/", "relevance/ensembles/"].iter().any(|folder| name.starts_with(folder))
            || name.ends_with(".parquet")
            || ["report.html", ".report.json", ".ensembles.json"].contains(&name.as_str())
    });
    let made: Vec<String> = made.filter(|name| results.path(name).is_file()).collect();
    let intact: Vec<Vec<u8>> = made.iter().map(|name| results.bytes(name)).collect();
    // The page tells when the experiment was started last.
    let is_back = |name: &str, intact: &[u8]| match name {
        "report.html" => results.bytes(name).len() == intact.len() && !results.bytes(name).contains(&0),
        ".report.json" => serde_json::from_slice::<serde_json::Value>(&results.bytes(name)).is_ok(),
        _ => results.bytes(name) == intact,
    };
    let clear = |contents: &mut Vec<u8>| {
        let middle = contents.len() / 2;
        contents[middle] = 0;
    };
    // One figure in eight, and everything else, each alone.
    let is_drawn = |name: &str| name.ends_with(".svg") || name.ends_with(".png");
    let one_by_one =
        made.iter().zip(&intact).enumerate().filter(|(index, (name, _))| !is_drawn(name) || index % 8 == 0);
    let mut seen = [false; 3];
    for (index, (name, intact)) in one_by_one {
        let kinds = [is_drawn(name), name.starts_with("relevance/ensembles/"), name == "ensemble_samples.parquet"];
        seen.iter_mut().zip(kinds).for_each(|(seen, is)| *seen |= is);
        match index % 3 {
            _ if name == "report.html" => damage(&results.path(name), clear),
            0 => fs::remove_file(results.path(name)).unwrap(),
            _ => damage(&results.path(name), flip),
        }
        scene.run("spec.toml").succeeds();
        assert!(is_back(name, intact), "{name}");
    }
    assert_eq!(seen, [true; 3], "{made:?}");
    // All of them at once, with their receipts.
    made.iter().for_each(|name| damage(&results.path(name), |contents| contents.truncate(contents.len() / 2)));
    scene.run("spec.toml").succeeds();
    for (name, intact) in made.iter().zip(&intact) {
        assert!(is_back(name, intact), "{name}");
    }
}
