//! Every figure of made-up runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::registry::{RUN_FIGURES, STUDY_FIGURES};
use super::study::{Ensemble, Prediction, Run, Sample, Score, Stored, Study, Value};
use crate::data::Split;
use crate::event::{Epoch, silent};
use crate::raster::RasterStack;
use crate::sim::SIDE;
use crate::sim::{GrowthMode, Pumpkin, PumpkinSettings, simulate};
use crate::source::Source;
use crate::task::Task;

const SAMPLES: usize = 120;

/// A run whose network errs by `pull` of the distance to 50 years, and whose maps are the images times a number.
pub(super) fn run(growth_mode: GrowthMode, task: Task, pull: f64) -> Run {
    run_of(PumpkinSettings { growth_mode, ..PumpkinSettings::default() }, task, pull)
}

/// The same of other data.
pub(super) fn run_of(data: PumpkinSettings, task: Task, pull: f64) -> Run {
    let data = PumpkinSettings { n_samples: SAMPLES, seed: 5, ..data };
    let dataset = simulate(&data, &silent).unwrap();
    let predictions: Vec<Prediction> = Split::Test
        .range(SAMPLES)
        .map(|sample| {
            let age = f64::from(dataset.pumpkins[sample].age);
            let years = age + pull * (50.0 - age);
            let prediction = if task == Task::Regression { years } else { years / 100.0 };
            Prediction { sample, split: Split::Test, target: age, prediction }
        })
        .collect();
    let pixels: Vec<f32> = predictions
        .iter()
        .flat_map(|row| {
            let share = ((row.target - 50.0) / 3000.0) as f32;
            dataset.images.get(row.sample).pixels.iter().map(move |pixel| pixel * share)
        })
        .collect();
    let score = |sample, metric: &str, sign: Option<&str>, value| Score {
        sample,
        metric: metric.into(),
        sign: sign.map(str::to_owned),
        value,
    };
    let mut scores = vec![score(None, "test_mae", None, 3.0 + pull)];
    for row in &predictions {
        scores.push(score(Some(row.sample), "causal_years", Some("lesions"), row.target / 10.0));
        scores.push(score(Some(row.sample), "causal_relevance", Some("lesions"), row.target / 12.0 - 1.0));
    }
    let loss = |epoch: usize| 100.0 / epoch as f64;
    let epochs = (1..=6).map(|epoch| Epoch {
        epoch,
        train_loss: loss(epoch),
        train_mae: loss(epoch),
        val_loss: loss(epoch),
        val_mae: loss(epoch),
        epoch_seconds: 1.0,
    });
    let sample = |pumpkin: &Pumpkin| Sample { name: pumpkin.name.clone(), target: pumpkin.age.into() };
    let samples: Vec<Sample> = dataset.pumpkins.iter().map(sample).collect();
    let stored = Stored { pumpkins: Some(dataset.pumpkins.clone()), dataset: dataset.into(), shown: None };
    // Every run has a network of its own.
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    Run {
        id: "0123456789".to_owned(),
        varied: Vec::new(),
        task,
        dataset: format!("{data:?}"),
        source: Source::Pumpkins(data),
        stored: Some(Arc::new(stored)),
        unit: "years".to_owned(),
        network: format!("network {number}"),
        explanation: format!("explanation {number}"),
        analyzer: "lrp.z".to_owned(),
        colormap: crate::picture::Colormap::Published,
        subset: Split::Test,
        epochs: epochs.collect(),
        sums: predictions.iter().map(|row| (row.sample, row.prediction - 50.0)).collect(),
        predictions,
        samples: Arc::new(samples),
        scores,
        maps: Some(Arc::new(RasterStack::new(SIDE, SIDE, pixels))),
    }
}

/// What the figures of a run lack, by name; those that are drawn are looked over.
pub(super) fn lacks(run: &Run) -> Vec<&'static str> {
    let draw = |figure: &super::kinds::RunFigure| match (figure.draw)(run) {
        Ok(sheet) => {
            let svg = sheet.to_svg().unwrap();
            let strange = svg.split('"').find(|part| matches!(*part, "NaN" | "inf" | "-inf"));
            assert_eq!(strange, None, "{} draws what is no number", figure.name);
            None
        }
        Err(_) => Some(figure.name),
    };
    RUN_FIGURES.iter().filter_map(draw).collect()
}

#[test]
fn every_growth_mode_has_all_figures() {
    for mode in GrowthMode::ALL {
        // Pumpkins that only grow have no regions.
        let regions = matches!(mode, GrowthMode::Human | GrowthMode::NoGrowth);
        let lacking: &[&str] = if regions { &[] } else { &["13_relevance_by_region"] };
        assert_eq!(lacks(&run(mode, Task::Regression, 0.2)), lacking, "{mode:?}");
    }
}

#[test]
fn classifications_have_no_figures_in_years() {
    let lacks = lacks(&run(GrowthMode::Human, Task::Classification, 0.2));
    assert_eq!(lacks, ["07_prediction", "08_residuals"]);
}

#[test]
fn what_is_missing_or_does_not_vary_is_no_reason_to_panic() {
    let whole = run(GrowthMode::Human, Task::Regression, 0.2);
    let bare = Run {
        epochs: Vec::new(),
        predictions: Vec::new(),
        samples: Arc::default(),
        scores: Vec::new(),
        sums: Vec::new(),
        maps: None,
        stored: None,
        ..whole.clone()
    };
    assert_eq!(lacks(&bare).len(), RUN_FIGURES.len() - 1, "the standard pumpkin needs settings alone");
    // All predictions are 50, whatever the age.
    assert_eq!(lacks(&run(GrowthMode::Human, Task::Regression, 1.0)), [""; 0]);
    let one = Run { predictions: whole.predictions[..1].to_vec(), ..whole.clone() };
    assert_eq!(lacks(&one), [""; 0]);
    let unloaded = Run { stored: None, ..whole };
    let expected = ["02_pumpkin", "04_senior_and_junior", "05_signs_over_age", "13_relevance_by_region"];
    assert_eq!(lacks(&unloaded), expected, "images are read, not simulated");
}

#[test]
fn comparisons_need_several_runs() {
    let with = |varied: &[(&str, Value)], pull: f64| Run {
        varied: varied.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
        ..run(GrowthMode::Human, Task::Regression, pull)
    };
    let drawn = |runs: Vec<Run>| -> Vec<&str> {
        let study = Study { name: "study".to_owned(), runs, ensembles: vec![] };
        STUDY_FIGURES.iter().filter(|figure| (figure.draw)(&study).is_ok()).map(|figure| figure.name).collect()
    };
    assert_eq!(drawn(vec![]), [""; 0]);
    assert_eq!(drawn(vec![with(&[], 0.1)]), [""; 0]);
    let seed = |seed: f64| ("model.seed", Value::Number(seed));
    let over_seeds = vec![with(&[seed(0.0)], 0.1), with(&[seed(1.0)], 0.2)];
    let compared = ["21_residual_curves", "22_relevance_lines", "23_score_table", "24_same_pumpkin"];
    assert_eq!(drawn(over_seeds.clone()), [&compared[..], &["25_ensemble"]].concat());
    let bias = |text: &str| ("model.output_bias", Value::Text(text.to_owned()));
    let over_settings = vec![with(&[bias("zero")], 0.1), with(&[bias("target-mean")], 0.2)];
    assert_eq!(drawn(over_settings), [&["20_metrics_over_settings"], &compared[..]].concat());
}

/// The texts that reach beyond the edges of a drawing.
pub(super) fn beyond_edges(svg: &str) -> Vec<String> {
    let typeface = crate::picture::canvas::Typeface::default();
    let attribute = |tag: &str, name: &str| {
        tag.split_once(&format!(" {name}=\"")).map(|(_, rest)| rest.split('"').next().unwrap().to_owned())
    };
    let number = |tag: &str, name: &str| attribute(tag, name).and_then(|text| text.parse::<f64>().ok());
    let numbers = |text: &str| -> Vec<f64> {
        text.split(|c: char| !(c.is_ascii_digit() || ".-".contains(c))).filter_map(|part| part.parse().ok()).collect()
    };
    let (mut beyond, mut shifts, mut edges) = (Vec::new(), vec![(0.0, 0.0)], None);
    for piece in svg.split('<') {
        let Some((tag, text)) = piece.split_once('>') else { continue };
        let turned = attribute(tag, "transform").unwrap_or_default();
        match tag.split_whitespace().next().unwrap_or_default() {
            "svg" => edges = edges.or(Some((number(tag, "width").unwrap(), number(tag, "height").unwrap()))),
            "g" => {
                let (x, y): (f64, f64) = *shifts.last().unwrap();
                let shift = numbers(&turned);
                shifts.push(if turned.starts_with("translate") { (x + shift[0], y + shift[1]) } else { (x, y) });
            }
            "/g" => drop(shifts.pop()),
            "text" => {
                let width = f64::from(typeface.width(text, number(tag, "font-size").unwrap() as f32));
                let before = match attribute(tag, "text-anchor").as_deref() {
                    Some("middle") => 0.5 * width,
                    Some("end") => width,
                    _ => 0.0,
                };
                let angle = if turned.starts_with("rotate") { numbers(&turned)[0].to_radians() } else { 0.0 };
                let (x, y) = *shifts.last().unwrap();
                let (x, y) = (x + number(tag, "x").unwrap(), y + number(tag, "y").unwrap());
                let (right, below) = edges.unwrap();
                for along in [-before, width - before] {
                    let (x, y) = (x + along * angle.cos(), y + along * angle.sin());
                    if !(0.0..=right).contains(&x) || !(0.0..=below).contains(&y) {
                        beyond.push(text.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    assert!(edges.is_some() && shifts.len() == 1, "the drawing is read whole");
    beyond
}

#[test]
fn no_text_leaves_its_sheet() {
    let wide = "<svg width=\"40\" height=\"20\"><g transform=\"translate(9,0)\"><text x=\"5\" y=\"9\" font-size=\"12\">wide</text></g></svg>";
    assert_eq!((beyond_edges(wide), beyond_edges(&wide.replace("40", "60"))), (vec!["wide".to_owned()], vec![]));
    for (mode, task) in [(GrowthMode::Human, Task::Regression), (GrowthMode::NoGrowth, Task::Regression)] {
        let run = run(mode, task, 0.2);
        for figure in RUN_FIGURES {
            let svg = (figure.draw)(&run).unwrap().to_svg().unwrap();
            assert_eq!(beyond_edges(&svg), [""; 0], "{} of {mode:?}", figure.name);
        }
    }
    let long = ["lrp.sequential_preset_a_flat", "zennit.epsilon_alpha2_beta1", "lrp.z"];
    let mut runs: Vec<Run> = long
        .into_iter()
        .map(|name| {
            varied(&[("explain.analyzer", Value::Text(name.to_owned())), ("explain.window", Value::Number(3.0))])
        })
        .collect();
    let name = "average_precision_positive_atrophies_r1";
    runs.iter_mut()
        .for_each(|run| run.scores.push(Score { sample: None, metric: name.into(), sign: None, value: 1.0 }));
    let seeds = (0..4).map(|seed| varied(&[("model.seed", Value::Number(f64::from(seed)))])).collect();
    for runs in [runs, seeds] {
        let study = Study { name: "study".to_owned(), runs, ensembles: Vec::new() };
        for figure in STUDY_FIGURES {
            let Ok(sheet) = (figure.draw)(&study) else { continue };
            assert_eq!(beyond_edges(&sheet.to_svg().unwrap()), [""; 0], "{}", figure.name);
        }
    }
}

/// The texts of a comparison, in the order in which they are written.
pub(super) fn texts(name: &str, runs: Vec<Run>) -> Vec<String> {
    let figure = STUDY_FIGURES.iter().find(|figure| figure.name == name).unwrap();
    let svg =
        (figure.draw)(&Study { name: "study".to_owned(), runs, ensembles: Vec::new() }).unwrap().to_svg().unwrap();
    let parts = svg.split("<text").skip(1).filter_map(|part| part.split_once('>')?.1.split_once("</text>"));
    parts.map(|(text, _)| text.to_owned()).collect()
}

pub(super) fn varied(keys: &[(&str, Value)]) -> Run {
    let varied = keys.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    Run { varied, ..run(GrowthMode::Human, Task::Regression, 0.2) }
}

#[test]
fn every_series_of_scores_over_settings_has_a_name() {
    let text = |value: &str| Value::Text(value.to_owned());
    let biased =
        |bias: f64| varied(&[("data.distribution", text("biased")), ("data.target_bias", Value::Number(bias))]);
    let runs = vec![varied(&[("data.distribution", text("uniform"))]), biased(30.0), biased(70.0)];
    let texts = texts("20_metrics_over_settings", runs);
    assert!(texts.iter().all(|text| !text.is_empty()), "{texts:?}");
    let legend = |name: &str| texts.iter().filter(|text| *text == name).count();
    assert_eq!([legend("no target_bias"), legend("target_bias 30"), legend("target_bias 70")], [1; 3]);
    // Over the bias there are biased runs alone, which need no legend.
    assert_eq!(legend("distribution uniform") + legend("distribution biased"), 0);
}

#[test]
fn names_that_do_not_fit_below_an_axis_stand_beside_it() {
    // A score that an analyzer can change.
    let crossing = |run: Run| {
        let metric = "relevance_zero_crossing".into();
        let score = Score { sample: None, metric, sign: None, value: 50.0 };
        Run { scores: [run.scores, vec![score]].concat(), ..run }
    };
    let analyzer = |name: &str| crossing(varied(&[("explain.analyzer", Value::Text(name.to_owned()))]));
    let names = ["lrp.sequential_preset_a", "lrp.sequential_preset_b", "zennit.epsilon_gamma_box", "gradient"];
    let texts = texts("20_metrics_over_settings", names.map(analyzer).to_vec());
    let places: Vec<usize> = names.iter().map(|name| texts.iter().position(|text| text == name).unwrap()).collect();
    assert!(places.windows(2).all(|pair| pair[0] > pair[1]), "the first is above: {places:?}");
    // A key that few runs have, with one value, is no axis of its own.
    let occlusion = Value::Text("occlusion".to_owned());
    let few = crossing(varied(&[("explain.analyzer", occlusion), ("explain.window", Value::Number(3.0))]));
    let texts = self::texts("20_metrics_over_settings", [names.map(analyzer).to_vec(), vec![few]].concat());
    assert!(!texts.iter().any(|text| text == "explain.window"), "{texts:?}");
    assert!(texts.iter().any(|text| text == "window 3") && texts.iter().any(|text| text == "no window"), "{texts:?}");
}

#[test]
fn same_pumpkins_are_called_so_where_they_are() {
    let title = |runs| texts("24_same_pumpkin", runs).remove(0);
    let with = |key: &str, value: &str| varied(&[(key, Value::Text(value.to_owned()))]);
    let explained = ["gradient", "lrp.z"].map(|name| with("explain.analyzer", name)).to_vec();
    assert_eq!(title(explained), "The same pumpkins, several explanations");
    let trained = ["zero", "target-mean"].map(|bias| with("model.output_bias", bias)).to_vec();
    assert_eq!(title(trained), "The same pumpkins, several networks");
    let grown = [GrowthMode::Human, GrowthMode::NoGrowth].map(|mode| Run {
        varied: vec![("data.growth_mode".to_owned(), Value::Text(format!("{mode:?}")))],
        ..run(mode, Task::Regression, 0.2)
    });
    assert_eq!(title(grown.to_vec()), "Pumpkins of the same name and age in several settings");
    // More settings than stand beside each other: all of them, one pumpkin each.
    let many = (0..8).map(|bias| with("model.output_bias", &format!("bias-{bias}"))).collect();
    let texts = texts("24_same_pumpkin", many);
    assert!((0..8).all(|bias| texts.contains(&format!("output_bias bias-{bias}"))), "{texts:?}");
    assert_eq!(texts.iter().filter(|text| text.contains("predicted")).count(), 8);
}

#[test]
fn agreement_needs_ensembles_and_draws_what_is_defined() {
    let figure = STUDY_FIGURES.iter().find(|figure| figure.name == "26_agreement").unwrap();
    let scores = |spearman: Vec<f64>| vec![("ensemble_spearman".to_owned(), spearman)];
    let study = |ensembles| Study { name: "study".to_owned(), runs: vec![], ensembles };
    assert!((figure.draw)(&study(vec![])).is_err());
    let ensemble = |label: &str, values| Ensemble { label: label.to_owned(), members: 3, scores: scores(values) };
    assert!((figure.draw)(&study(vec![ensemble("", vec![f64::NAN])])).is_err());
    let drawn = (figure.draw)(&study(vec![ensemble("analyzer a", vec![0.5, f64::NAN, 0.7]), ensemble("", vec![])]));
    let svg = drawn.unwrap().to_svg().unwrap();
    assert!(svg.contains("analyzer a: 3 networks") && svg.contains("rank correlation of maps"));
    assert!(!svg.contains("NaN") && !svg.contains("SD of predictions"));
}

#[test]
fn labels_leave_seeds_out_and_tell_like_keys_apart() {
    let number = |key: &str, value: f64| (key.to_owned(), Value::Number(value));
    let varied = vec![number("data.target_bias", 55.0), number("data.seed", 1.0), number("model.seed", 2.0)];
    let mut run = Run { varied, ..run(GrowthMode::Eternal, Task::Regression, 0.0) };
    assert_eq!((run.label(), run.seeds()), ("target_bias 55".to_owned(), "data.seed 1, model.seed 2".to_owned()));
    // Where replicates are counted, their number stands for all seeds.
    run.varied.push(("replicate".to_owned(), Value::Integer(2)));
    assert_eq!((run.label(), run.seeds()), ("target_bias 55".to_owned(), "replicate 2".to_owned()));
    // An explanation that has a name goes by it, whatever it stands for.
    let text = |text: &str| Value::Text(text.to_owned());
    let named = self::varied(&[
        ("data.target_bias", Value::Number(55.0)),
        ("explain.name", text("sharp")),
        ("explain.composite", text("any: z")),
        ("explain.smooth.seed", Value::Integer(2)),
    ]);
    assert_eq!((named.label(), named.seeds()), ("target_bias 55, sharp".to_owned(), "seed 2".to_owned()));
    let study = Study { name: "study".to_owned(), runs: vec![run], ensembles: vec![] };
    assert_eq!(study.varied_keys(), ["data.target_bias"]);
}

/// The oldest age of a data set, such as 80, is the end of the last decade and makes none of its own.
#[test]
fn decades_of_ages_end_with_the_oldest_age() {
    let mut run = run(GrowthMode::Human, Task::Regression, 0.2);
    let ages = [20.0, 29.0, 30.0, 41.0, 69.0, 70.0, 79.0, 80.0, 80.0, 35.0, 29.0, 75.0];
    assert_eq!(run.predictions.len(), ages.len());
    run.predictions.iter_mut().zip(ages).for_each(|(row, age)| row.target = age);
    let figure = RUN_FIGURES.iter().find(|figure| figure.name == "11_relevance_by_age").unwrap();
    let svg = (figure.draw)(&run).unwrap().to_svg().unwrap();
    let titles: Vec<&str> = svg
        .split("</text>")
        .filter_map(|part| part.rsplit_once('>'))
        .map(|part| part.1)
        .filter(|text| text.contains(" years (n = "))
        .collect();
    let expected = [
        "20 to 29 years (n = 3)",
        "30 to 39 years (n = 2)",
        "40 to 49 years (n = 1)",
        "60 to 69 years (n = 1)",
        "70 to 80 years (n = 5)",
    ];
    assert_eq!(titles, expected);
}
