//! A user's own images: three channels, another size and another target than pumpkins have, and a small network.

use std::fmt::Write as _;
use std::fs;

use image::{GrayImage, Luma, Rgb, RgbImage};
use polars::prelude::DataFrame;

use crate::harness::{Scene, listing, numbers, repository, texts};

const HEIGHT: u32 = 64;
const WIDTH: u32 = 80;
const ROWS: u32 = 60;

const SPEC: &str = "\
[data]
source = 'files'
table = 'study/subjects.csv'
image = 'file'
id = 'subject'
target = 'weight'
unit = 'g'
split = { column = 'part' }
masks = { blob = 'mask' }
atlas = { labels = 'atlas.png', names = 'atlas.csv' }
group_by = 'side'
intensity = 'unit'

[model]
architecture = 'layers'
layers = [
    { type = 'conv', filters = 6, kernel = [3, 5], stride = 2 }, { type = 'relu' }, { type = 'max_pool', kernel = 4 },
    { type = 'conv', filters = 8, padding = 'valid' }, { type = 'relu' }, { type = 'max_pool', kernel = [3, 2] },
    { type = 'flatten' }, { type = 'dense', units = 12 }, { type = 'relu' }, { type = 'dense', units = 1 },
]

[train]
epochs = 25
batch_size = 8
learning_rate = 0.003

[evaluate]
images = 3

[heatmaps]
count = 3

[[sweep]]
grid = { 'explain.analyzer' = ['lrp.epsilon', 'lrp.alpha_1_beta_0', 'gradient'] }
";

/// Writes pictures of a bright blob whose brightness tells a weight, with a mask of the blob.
fn write_study(scene: &Scene) {
    fs::create_dir_all(scene.path("study")).expect("a folder");
    let mut table = String::from("subject,file,mask,weight,part,family,side\n");
    for row in 0..ROWS {
        let share = f64::from(row * 37 % ROWS) / f64::from(ROWS);
        let (x0, y0) = (10 + row * 7 % 40, 8 + row * 5 % 30);
        let is_inside = |x: u32, y: u32| (x0..x0 + 18).contains(&x) && (y0..y0 + 14).contains(&y);
        let color = |x: u32, y: u32| {
            let noise = (x * 31 + y * 17 + row * 13) % 23;
            let blob = if is_inside(x, y) { 60.0 + 170.0 * share } else { 20.0 };
            Rgb([blob as u8 + noise as u8 / 2, 40 + noise as u8, (blob / 2.0) as u8 + noise as u8])
        };
        RgbImage::from_fn(WIDTH, HEIGHT, color).save(scene.path(&format!("study/{row}.png"))).expect("a picture");
        let mask = GrayImage::from_fn(WIDTH, HEIGHT, |x, y| Luma([255 * u8::from(is_inside(x, y))]));
        mask.save(scene.path(&format!("study/{row}-mask.png"))).expect("a mask");
        let part = match row % 10 {
            0 => "validation",
            5 | 6 => "test",
            _ => "train",
        };
        let _ = writeln!(
            table,
            "item {row},{row}.png,{row}-mask.png,{:.4},{part},family {},{}",
            0.2 + 0.6 * share,
            row / 2,
            if x0 < 28 { "west" } else { "east" }
        );
    }
    // All pixels have a label.
    let atlas = GrayImage::from_fn(WIDTH, HEIGHT, |x, _| Luma([if x < 40 { 1 } else { 200 }]));
    atlas.save(scene.path("study/atlas.png")).expect("an atlas");
    fs::write(scene.path("study/atlas.csv"), "label,name\n1,the west\n").expect("names");
    fs::write(scene.path("study/subjects.csv"), table).expect("a table");
}

/// The words of a text, in lower case.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric()).map(str::to_lowercase)
}

fn assert_speaks_of_weights(place: &str, text: &str) {
    let foreign = ["age", "ages", "aged", "year", "years", "young", "old"];
    if let Some(word) = words(text).find(|word| foreign.contains(&word.as_str())) {
        let at = text.to_lowercase().find(&word).unwrap_or(0);
        let around: String = text.chars().skip(at.saturating_sub(60)).take(160).collect();
        panic!("{place} speaks of {word:?}: ... {around} ...");
    }
}

/// The texts of a column that are there.
fn known_texts(table: &DataFrame, column: &str) -> Vec<String> {
    table.column(column).expect("a column").str().expect("texts").iter().flatten().map(str::to_owned).collect()
}

#[test]
fn colour_images_with_weights_go_the_whole_way() {
    let scene = Scene::with_spec(SPEC);
    write_study(&scene);
    let ended = scene.run("spec.toml").succeeds();
    let told = format!("{}{}", ended.stdout, ended.stderr);
    assert_speaks_of_weights("the terminal", &told);
    assert_eq!(told.matches("libtorch").count(), 1, "the engine is told once: {told}");
    assert_eq!(told.matches("`causal`").count(), 1, "what is skipped is told once: {told}");

    let results = scene.results("spec");
    let runs = results.table("runs");
    assert_eq!(texts(&runs, "status"), ["done"; 3], "{:?}", known_texts(&runs, "reason"));
    let predictions = results.table("predictions");
    assert!(texts(&predictions, "target_name").iter().all(|name| name == "weight"));
    let (targets, test) = (numbers(&predictions, "target"), texts(&predictions, "split"));
    assert!(targets.iter().all(|weight| (0.2..0.8).contains(weight)));
    assert_eq!(test.iter().filter(|split| *split == "test").count(), 3 * 12);
    let samples = results.table("samples");
    assert_eq!((samples.height(), texts(&samples, "name").swap_remove(7)), (60, "item 7".to_owned()));

    let measurements = results.table("measurements");
    let (metrics, regions) = (texts(&measurements, "metric"), known_texts(&measurements, "sign"));
    assert!(regions.iter().any(|region| region == "blob"), "maps are scored over the user's own masks");
    assert!(metrics.iter().all(|metric| !metric.starts_with("causal")), "images cannot be made without the blob");
    let unit = |name: &str| {
        let place = metrics.iter().position(|metric| metric == name).unwrap_or_else(|| panic!("no {name}"));
        texts(&measurements, "unit").swap_remove(place)
    };
    assert_eq!((unit("test_mae"), unit("sum_relevance")), ("g".to_owned(), "g".to_owned()));

    // The atlas covers all pixels, so that its regions add up to the whole map.
    let table = results.table("regions");
    let (names, samples, runs_of) = (texts(&table, "region"), numbers(&table, "sample"), texts(&table, "run_id"));
    let sums = numbers(&table, "relevance_sum");
    assert_eq!(names.iter().filter(|name| *name == "blob").count(), 3 * 12);
    assert_eq!(names.iter().filter(|name| *name == "label 200").count(), 3 * 12);
    let of_maps = (0..measurements.height()).filter(|&row| metrics[row] == "sum_relevance");
    let (of_runs, of_samples) = (texts(&measurements, "run_id"), measurements.column("sample").expect("samples"));
    let values = numbers(&measurements, "value");
    let mut compared = 0;
    for row in of_maps {
        let Ok(sample) = of_samples.get(row).expect("a row").try_extract::<f64>() else { continue };
        let of_atlas = |at: &usize| {
            samples[*at] == sample
                && runs_of[*at] == of_runs[row]
                && ["the west", "label 200"].contains(&names[*at].as_str())
        };
        let sum: f64 = (0..table.height()).filter(of_atlas).map(|at| sums[at]).sum();
        assert!((sum - values[row]).abs() < 1e-6 * values[row].abs().max(1.0), "{sum} but {}", values[row]);
        compared += 1;
    }
    assert_eq!(compared, 3 * 12);
    let contrasts = results.table("region_contrasts");
    assert_eq!(contrasts.height(), 3 * 3, "three regions for each run");
    assert!(texts(&contrasts, "group_by").iter().all(|name| name == "side"));
    assert!(numbers(&contrasts, "q").iter().zip(numbers(&contrasts, "p")).all(|(q, p)| *q >= p && *q <= 1.0));

    let files = listing(&results.folder);
    for wanted in [
        "13_relevance_by_region.svg",
        "01_weight_distribution.svg",
        "10_heatmaps_by_weight.png",
        "report.html",
        "LRP_S5_weight-",
    ] {
        assert!(files.iter().any(|file| file.contains(wanted)), "{wanted} is not among {files:?}");
    }
    for file in &files {
        assert_speaks_of_weights("the name of a file", file);
        let ending = file.rsplit('.').next().unwrap_or_default();
        if ["svg", "html", "json", "jsonl", "toml", "log"].contains(&ending) {
            let text = fs::read_to_string(results.path(file)).expect("text");
            // Pictures inside of a text are long words in which anything may occur.
            let told: Vec<&str> = text.split('"').filter(|part| part.len() < 4000).collect();
            assert_speaks_of_weights(file, &told.join("\n"));
        }
    }
    for name in ["runs", "predictions", "measurements", "samples", "epochs", "regions", "region_contrasts"] {
        let table = results.table(name);
        for column in table.columns() {
            assert_speaks_of_weights(name, column.name());
            if column.dtype().is_string() {
                assert_speaks_of_weights(name, &known_texts(&table, column.name()).join("\n"));
            }
        }
    }
    assert!(scene.run("plan spec.toml").succeeds().stdout.contains("nothing to do"), "finished work is found again");
}

/// What is in the files counts: a changed picture is another data set, and a moved folder is not.
#[test]
fn changed_pictures_make_other_results() {
    let scene = Scene::with_spec(SPEC);
    write_study(&scene);
    let plan = |spec: &str| scene.run(&format!("plan {spec}")).succeeds().stdout;
    let first = plan("spec.toml");
    assert_eq!(first.lines().filter(|line| line.contains("to do: simulate")).count(), 3, "{first}");
    fs::rename(scene.path("study"), scene.path("moved")).expect("another name");
    scene.write("moved.toml", SPEC.replace("study/", "moved/"));
    assert_eq!(plan("moved.toml"), first);
    let mut picture = image::open(scene.path("moved/7.png")).expect("a picture").to_rgb8();
    picture.put_pixel(3, 4, Rgb([255, 0, 255]));
    picture.save(scene.path("moved/7.png")).expect("a picture");
    let changed = plan("moved.toml");
    let ids = |plan: &str| -> Vec<String> {
        let runs = plan.lines().filter(|line| line.contains("to do: simulate"));
        runs.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    };
    assert!(ids(&changed).iter().all(|id| !ids(&first).contains(id)), "{first}{changed}");
}

#[test]
fn unusable_files_are_told_at_once_before_any_work() {
    let scene = Scene::with_spec(SPEC);
    write_study(&scene);
    fs::remove_file(scene.path("study/3.png")).expect("a picture");
    fs::write(scene.path("study/8.png"), b"no picture").expect("a file");
    scene.run("spec.toml").exits(2).complains(&["data.table", "line 5, column `file`", "3.png", "line 10", "8.png"]);
    assert!(!scene.path("results").exists(), "nothing is written");
    let spec = SPEC.replace("unit = 'g'", "unit = 'g'\ngrowth_mode = 'eternal'");
    scene.write("mixed.toml", spec);
    scene.run("mixed.toml").exits(2).complains(&["data.growth_mode", "setting of pumpkins"]);
    scene.write("small.toml", SPEC.replace("kernel = [3, 2]", "kernel = 30"));
    write_study(&scene);
    scene.run("small.toml").exits(2).complains(&["model.layers.5", "pool2", "larger than"]);
}

/// Slope and intercept of the least squares line.
fn line(x: &[f64], y: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let products = x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>();
    let slope = products / x.iter().map(|x| (x - mean_x).powi(2)).sum::<f64>();
    (slope, mean_y - slope * mean_x)
}

#[test]
fn every_row_is_tested_once_by_cross_validation() {
    let (spec, _) = SPEC.split_once("[[sweep]]").expect("a sweep");
    let spec = spec
        .replace(
            "split = { column = 'part' }",
            "split = { stratify = true, validation = 0.2 }\ngroup = 'family'\nfolds = 3",
        )
        .replace("epochs = 25", "epochs = 4")
        .replace("images = 3", "scores = []");
    let scene = Scene::with_spec(&spec);
    write_study(&scene);
    let told = scene.run("spec.toml").succeeds();
    assert!(!told.stdout.contains("data.fold"), "folds are replicates of one setting: {}", told.stdout);
    let results = scene.results("spec");
    let runs = results.table("runs");
    assert_eq!((numbers(&runs, "data.fold"), numbers(&runs, "replicate")), (vec![0.0, 1.0, 2.0], vec![0.0, 1.0, 2.0]));

    let rows = results.table("out_of_fold");
    assert_eq!(numbers(&rows, "sample"), (0..60).map(f64::from).collect::<Vec<_>>(), "every row once, in their order");
    let (folds, run_ids) = (numbers(&rows, "fold"), texts(&rows, "run_id"));
    assert!(folds.chunks(2).all(|pair| pair[0] == pair[1]), "families stay together");
    assert!((0..3).all(|fold| folds.iter().filter(|known| **known == f64::from(fold)).count() == 20));
    let (targets, found) = (numbers(&rows, "target"), numbers(&rows, "prediction"));
    let mae = targets.iter().zip(&found).map(|(t, p)| (t - p).abs()).sum::<f64>() / 60.0;
    let whole = results.table("cross_validation");
    assert_eq!((numbers(&whole, "folds_done"), numbers(&whole, "rows")), (vec![3.0], vec![60.0]));
    assert!((numbers(&whole, "pooled_mae")[0] - mae).abs() < 1e-6);

    // The gap, and its corrections by the validation set of the fold, against the predictions of that run.
    let all = results.table("predictions");
    let column = |name: &str, run: &str, split: &str| -> Vec<f64> {
        let (ids, splits) = (texts(&all, "run_id"), texts(&all, "split"));
        let values = numbers(&all, name).into_iter().zip(ids.iter().zip(&splits));
        values.filter(|(_, (id, part))| *id == run && *part == split).map(|(value, _)| value).collect()
    };
    for row in [0, 17, 59] {
        let [target, prediction] = ["target", "prediction"].map(|name| numbers(&rows, name)[row]);
        let [known, predicted] = ["target", "prediction"].map(|name| column(name, &run_ids[row], "validation"));
        let (slope, intercept) = line(&known, &predicted);
        let expected = [
            ("gap", prediction - target),
            ("gap_cole", (prediction - intercept) / slope - target),
            ("gap_beheshti", prediction - (slope * target + intercept)),
            ("gap_de_lange", prediction - (slope * target + intercept)),
        ];
        for (name, expected) in expected {
            let found = numbers(&rows, name)[row];
            assert!(
                (found - expected).abs() < 1e-4 * expected.abs().max(1.0),
                "{name} of row {row}: {found}, {expected}"
            );
        }
    }
    scene.write("spec.toml", spec.replace("folds = 3", "folds = 3\nfold = 1"));
    scene.run("spec.toml").succeeds();
    assert!(!results.path("out_of_fold.parquet").exists(), "one fold is no cross-validation");
    assert_eq!(texts(&results.table("runs"), "run_id"), [runs_of(&runs, 1)], "the fold was done before");
    scene.write("spec.toml", spec.replace("folds = 3", "folds = 1"));
    scene.run("spec.toml").exits(2).complains(&["data.folds", "from 2 to 1000, got 1"]);
}

/// The run of a fold.
fn runs_of(runs: &DataFrame, fold: usize) -> String {
    texts(runs, "run_id").swap_remove(fold)
}

/// The shipped example, as README says to run it, with fewer epochs.
#[test]
fn the_example_of_own_images_finds_the_stain() {
    let scene = Scene::with_spec(&fs::read_to_string(repository("configs/own-images.toml")).expect("the example"));
    let table = repository("tests/data/tissue/patches.csv");
    let set = format!("--set data.table={} --set train.epochs=20", table.display());
    let told = scene.run(&format!("inspect spec.toml {set}")).succeeds().stdout;
    for part in ["256 of 32 x 32 pixels in 3 channels", "mask stain", "left: 128, right: 128"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!scene.path("results").exists(), "nothing is written");
    scene.run(&format!("spec.toml {set}")).succeeds();
    let results = scene.results("own-images");
    let runs = results.table("runs");
    assert_eq!(texts(&runs, "status"), ["done"; 4]);
    assert!(numbers(&runs, "test_r2").iter().all(|r2| *r2 > 0.9), "{:?}", numbers(&runs, "test_r2"));
    let page = fs::read_to_string(results.path("report.html")).expect("a report");
    assert!(page.contains("13_relevance_by_region"));
}

/// Fewer rows train, or those around a value; the rows that test are the same for all.
#[test]
fn parts_of_the_rows_train_and_the_same_rows_test() {
    let sweep = "[[sweep]]\nlist = [\n    { 'data.n_samples' = 20 },\n    { 'data.n_samples' = 20, 'data.distribution' = 'biased', \
                 'data.target_bias' = 2.0, 'data.skew_factor' = 0.2 },\n]\nseeds = 2\n";
    let spec = SPEC.split("[[sweep]]").next().expect("a spec").replace("epochs = 25", "epochs = 1") + sweep;
    let scene = Scene::with_spec(&spec);
    write_study(&scene);
    let told = scene.run("inspect spec.toml").succeeds().stdout;
    assert!(told.contains("data set 1 of 4") && told.contains("20 images; weight"), "{told}");
    scene.run("spec.toml --set evaluate.scores=[] --set heatmaps.count=0").succeeds();
    let results = scene.results("spec");
    let runs = results.table("runs");
    let samples = results.table("samples");
    let keys = texts(&runs, "simulate_key");
    assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "a data set for each setting and seed");
    let (of, parts, names) = (texts(&samples, "simulate_key"), texts(&samples, "split"), texts(&samples, "name"));
    let targets = numbers(&samples, "target");
    let in_part = |key: &str, part: &str| -> Vec<usize> {
        (0..of.len()).filter(|&row| of[row] == key && parts[row] == part).collect()
    };
    let named = |rows: Vec<usize>| rows.into_iter().map(|row| names[row].clone()).collect::<Vec<_>>();
    for key in &keys {
        assert_eq!(in_part(key, "train").len(), 20);
        assert_eq!(named(in_part(key, "test")), named(in_part(&keys[0], "test")), "the same rows test");
    }
    let distance = |key: &str| {
        let rows = in_part(key, "train");
        rows.iter().map(|&row| (targets[row] - 2.0).abs()).sum::<f64>() / rows.len() as f64
    };
    let biased: Vec<f64> =
        numbers(&runs.drop_nulls(Some(&["data.target_bias".to_owned()])).unwrap(), "data.target_bias");
    assert_eq!(biased, [2.0, 2.0]);
    assert!(
        distance(&keys[2]) < distance(&keys[0]) && distance(&keys[3]) < distance(&keys[1]),
        "{:?}",
        keys.iter().map(|key| distance(key)).collect::<Vec<_>>()
    );

    let refused = |arguments: &str, parts: &[&str]| {
        scene.run(&format!("plan spec.toml --set sweep=[] {arguments}")).exits(2).complains(parts);
    };
    refused("--set data.n_samples=900", &["asks for 900 rows that train, but there are 42"]);
    refused("--set data.n_samples=0", &["data.n_samples must be positive, got 0"]);
    refused("--set data.distribution=biased", &["needs the target value"]);
    refused("--set data.n_samples=10 --set data.split={} --set data.folds=3", &["data.n_samples leaves rows out"]);
}
