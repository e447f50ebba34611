//! Figures of any range of targets and any number of runs: there are ticks, nothing leaves its panel, and nothing is left out
//! or repeated without a word.

use super::registry::{RUN_FIGURES, STUDY_FIGURES};
use super::sheet::Sheet;
use super::study::{Ensemble, Run, Score, Study, Value};
use super::tests::{beyond_edges, lacks, run_of, texts, varied};
use crate::sim::PumpkinSettings;
use crate::task::Task;

fn study(runs: Vec<Run>) -> Study {
    Study { name: "study".to_owned(), runs, ensembles: Vec::new() }
}

fn draw(name: &str, study: &Study) -> Sheet {
    let figure = STUDY_FIGURES.iter().find(|figure| figure.name == name).unwrap();
    (figure.draw)(study).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The points of all lines of a drawing: (x, y).
fn lines(svg: &str) -> impl Iterator<Item = Vec<(f64, f64)>> {
    svg.split("<path ").skip(1).filter(|path| path.contains("fill=\"none\"")).map(|path| {
        let numbers = path.split_once("d=\"").map_or("", |(_, rest)| rest.split('"').next().unwrap());
        let numbers: Vec<f64> = numbers
            .split(|c: char| !(c.is_ascii_digit() || "-.".contains(c)))
            .filter_map(|number| number.parse().ok())
            .collect();
        numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
    })
}

#[test]
fn narrow_and_wide_targets_have_ticks_and_keep_to_their_panels() {
    for (min_age, max_age) in [(63, 67), (20, 80), (1, 120), (50, 51)] {
        let run = run_of(PumpkinSettings { min_age, max_age, ..PumpkinSettings::default() }, Task::Regression, 0.2);
        assert_eq!(lacks(&run), [""; 0], "{min_age} to {max_age}");
        for figure in RUN_FIGURES {
            let svg = (figure.draw)(&run).unwrap().to_svg().unwrap();
            assert_eq!(beyond_edges(&svg), [""; 0], "{} from {min_age} to {max_age}", figure.name);
            let ticks = svg.split("</text>").filter_map(|part| part.rsplit_once('>')).map(|part| part.1);
            let numbers = ticks.filter(|text| text.replace('\u{2212}', "-").parse::<f64>().is_ok()).count();
            let has_axes = !["02_", "03_", "10_", "11_"].iter().any(|without| figure.name.starts_with(without));
            assert!(!has_axes || numbers >= 5, "{} from {min_age} to {max_age} has {numbers} ticks", figure.name);
        }
        // Densities over bars: charts have 30 units above their plot area, in which no line may be.
        for name in ["01_age_distribution", "07_prediction"] {
            let figure = RUN_FIGURES.iter().find(|figure| figure.name == name).unwrap();
            let svg = (figure.draw)(&run).unwrap().to_svg().unwrap();
            let highest = lines(&svg).flatten().map(|point| point.1).fold(f64::INFINITY, f64::min);
            assert!(highest >= 29.5, "{name} from {min_age} to {max_age}: a line reaches {highest}");
        }
    }
}

#[test]
fn relevance_is_labelled_in_its_own_unit() {
    let mut run = varied(&[]);
    run.unit = "years per unit of intensity".to_owned();
    for name in ["09_sum_relevance", "11_relevance_by_age", "12_years_per_sign"] {
        let figure = RUN_FIGURES.iter().find(|figure| figure.name == name).unwrap();
        let svg = (figure.draw)(&run).unwrap().to_svg().unwrap();
        assert!(svg.contains("in years per unit of intensity"), "{name}");
        assert_eq!(beyond_edges(&svg), [""; 0], "{name}");
    }
}

/// README's own sweep has eight settings.
#[test]
fn every_setting_has_its_curve_or_is_named() {
    let with = |bias: usize| varied(&[("model.output_bias", Value::Text(format!("bias-{bias:03}")))]);
    for name in ["21_residual_curves", "22_relevance_lines"] {
        for count in [2, 8, 14, 20, 100] {
            let study = study((0..count).map(with).collect());
            let sheet = draw(name, &study);
            let svg = sheet.to_svg().unwrap();
            assert_eq!(beyond_edges(&svg), [""; 0], "{name} of {count}");
            let drawn = (0..count).filter(|bias| svg.contains(&format!(">output_bias bias-{bias:03}<"))).count();
            assert_eq!(drawn, count.min(14), "{name} of {count}");
            let notes = sheet.notes().join(" ");
            let named = (0..count).filter(|bias| notes.contains(&format!("output_bias bias-{bias:03}"))).count();
            assert_eq!(named, count.saturating_sub(14).min(40), "{name} of {count}: {notes}");
            assert_eq!(notes.contains("and 46 more in runs.parquet"), count == 100, "{notes}");
            assert_eq!(svg.contains("Not drawn") || svg.contains("Others are not"), count > 14);
        }
    }
}

/// Explanations of the same network: it is drawn once, and no score of it over what cannot change it.
#[test]
fn what_runs_share_is_drawn_once() {
    let with = |analyzer: &str, bias: &str| Run {
        network: format!("network {bias}"),
        explanation: format!("{analyzer} {bias}"),
        ..varied(&[
            ("explain.analyzer", Value::Text(analyzer.to_owned())),
            ("model.output_bias", Value::Text(bias.to_owned())),
        ])
    };
    let analyzers = ["lrp.z", "lrp.flat", "gradient"];
    let mut runs: Vec<Run> =
        analyzers.iter().flat_map(|analyzer| ["zero", "target-mean"].map(|bias| with(analyzer, bias))).collect();
    let crossing = |value| Score { sample: None, metric: "relevance_zero_crossing".into(), sign: None, value };
    runs.iter_mut().for_each(|run| run.scores.push(crossing(50.0)));
    let curves = texts("21_residual_curves", runs.clone());
    let legend: Vec<&String> = curves.iter().filter(|text| text.contains("output_bias")).collect();
    assert_eq!(legend, ["output_bias zero", "output_bias target-mean"], "{curves:?}");
    assert!(curves.iter().all(|text| !text.contains("analyzer")), "{curves:?}");
    let lines = texts("22_relevance_lines", runs.clone());
    assert_eq!(lines.iter().filter(|text| text.contains("output_bias")).count(), 6, "{lines:?}");

    // Scores of networks are over settings of networks, each a point; those of explanations are over all.
    let scores = texts("20_metrics_over_settings", runs.clone());
    let count = |text: &str| scores.iter().filter(|found| *found == text).count();
    assert_eq!((count("test MAE in years"), count("relevance is zero at (years)")), (1, 2), "{scores:?}");
    assert_eq!((count("Scores of networks"), count("Scores of explanations")), (1, 1));
    let one_network: Vec<Run> = runs.iter().filter(|run| run.network == "network zero").cloned().collect();
    let study = study(one_network);
    let figure = STUDY_FIGURES.iter().find(|figure| figure.name == "21_residual_curves").unwrap();
    assert!((figure.draw)(&study).is_err(), "one network has nothing to be compared with");
    let scores = texts("20_metrics_over_settings", study.runs);
    assert!(scores.iter().all(|text| text != "test MAE in years"), "{scores:?}");
}

#[test]
fn relevance_in_several_units_shares_no_axis() {
    let with = |analyzer: &str, unit: &str| Run {
        unit: unit.to_owned(),
        ..varied(&[("explain.analyzer", Value::Text(analyzer.to_owned()))])
    };
    let runs = vec![with("gradient", "years per unit of intensity"), with("lrp.z", "years"), with("lrp.flat", "years")];
    let study = study(runs);
    let sheet = draw("22_relevance_lines", &study);
    let svg = sheet.to_svg().unwrap();
    assert!(svg.contains("sum of relevance in years<") && !svg.contains(">analyzer gradient<"));
    assert!(sheet.notes()[0].contains("another unit: analyzer gradient."), "{:?}", sheet.notes());
}

/// One run or a hundred: whatever is left out is named, and no text leaves its sheet.
#[test]
fn a_hundred_runs_are_drawn_or_named() {
    let with = |index: usize| {
        let text = |name: &str| Value::Text(format!("{name} {}", index));
        varied(&[("explain.analyzer", text("analyzer")), ("model.output_bias", text("bias"))])
    };
    let ensemble = |index: usize| Ensemble {
        label: format!("setting {index}"),
        members: 3,
        scores: vec![("ensemble_spearman".to_owned(), vec![0.5, 0.6])],
    };
    for count in [1, 2, 100] {
        let mut study = study((0..count).map(with).collect());
        study.ensembles = (0..count).map(ensemble).collect();
        for figure in STUDY_FIGURES {
            let Ok(sheet) = (figure.draw)(&study) else { continue };
            assert_eq!(beyond_edges(&sheet.to_svg().unwrap()), [""; 0], "{} of {count}", figure.name);
            let notes = sheet.notes().join(" ");
            assert_eq!(notes.contains("Not drawn"), count == 100, "{} of {count}: {notes}", figure.name);
        }
    }
}
