//! Scores of explanations: what stands in the tables for maps that see atrophies and for maps that are blind to them.

use polars::prelude::*;

use crate::harness::{Results, Scene, TINY, numbers, texts};

const SCORES: &str = "
[evaluate]
scores = [\"faithfulness\", \"causal\", \"sensitivity\", \"randomisation\"]
images = 3
signs = 4
steps = 3
draws = 2
";

/// One row: sample, metric, sign, value, note.
type Row = (Option<i64>, String, Option<String>, Option<f64>, Option<String>);

fn rows(results: &Results) -> Vec<Row> {
    let table = results.table("measurements");
    let column = |name: &str| table.column(name).expect("a column").clone();
    let (samples, values, metrics) = (column("sample"), column("value"), texts(&table, "metric"));
    let (samples, values) = (samples.i64().expect("indices"), values.f64().expect("numbers"));
    let (signs, notes) = (column("sign"), column("note"));
    let text = |column: &Column, row| column.str().expect("texts").get(row).map(str::to_owned);
    let row = |(row, metric)| (samples.get(row), metric, text(&signs, row), values.get(row), text(&notes, row));
    metrics.into_iter().enumerate().map(row).collect()
}

fn of<'a>(rows: &'a [Row], metric: &str, sign: Option<&str>) -> Vec<&'a Row> {
    rows.iter().filter(|row| row.1 == metric && row.2.as_deref() == sign).collect()
}

#[test]
fn every_score_is_in_the_tables_and_blindness_is_told() {
    let scene = Scene::with_spec(&format!("{TINY}{SCORES}"));
    scene.run("spec.toml").succeeds();
    let results = scene.results("spec");
    let blind = rows(&results);
    scene.run("spec.toml --output seeing --set explain.analyzer=lrp.w_square").succeeds();
    let seeing = rows(&Results { folder: scene.path("seeing/spec") });

    for metric in ["roc_auc.positive", "rank_accuracy.absolute", "causal_spearman.pooled"] {
        let (hidden, seen) = (of(&blind, metric, Some("atrophies")), of(&seeing, metric, Some("atrophies")));
        assert!(!hidden.is_empty() && hidden.len() == seen.len(), "{metric}");
        assert!(hidden.iter().all(|row| row.3.is_none() && row.4.as_deref() == Some("blind")), "{hidden:?}");
        assert!(seen.iter().all(|row| row.3.is_some() && row.4.is_none()), "{seen:?}");
        assert!(of(&blind, metric, Some("atrophies_r1")).iter().all(|row| row.3.is_some() && row.4.is_none()));
    }
    // What chance scores does not depend on what is explained.
    assert_eq!(of(&blind, "roc_auc.noise", Some("lesions")), of(&seeing, "roc_auc.noise", Some("lesions")));

    // Each score of maps has a row a test sample that has the sign, and their mean as the score of the run.
    let ages = numbers(&results.table("samples"), "n_lesions");
    for (metric, sign, count) in [
        ("gini_index", None, 10),
        ("average_precision.positive", Some("lesions"), ages[90..].iter().filter(|&&count| count > 0.0).count()),
        ("faithfulness.negative", None, 3),
        ("max_sensitivity", None, 3),
        ("randomisation_spearman.conv1", None, 3),
        ("causal_years", Some("atrophies_r2"), 3),
    ] {
        let found = of(&blind, metric, sign);
        let values: Vec<f64> = found.iter().filter(|row| row.0.is_some()).filter_map(|row| row.3).collect();
        assert_eq!(values.len(), count, "{metric}: {found:?}");
        let runs: Vec<_> = found.iter().filter(|row| row.0.is_none()).collect();
        assert_eq!(runs.len(), 1, "{metric}");
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((runs[0].3.expect("a mean") - mean).abs() < 1e-9 * (1.0 + mean.abs()), "{metric}");
        assert!(found.iter().all(|row| row.0.is_none_or(|sample| sample >= 90)), "{metric}");
    }

    // A few of them are columns of the runs.
    for (column, metric, sign) in [
        ("faithfulness_positive", "faithfulness.positive", None),
        ("average_precision_positive_lesions", "average_precision.positive", Some("lesions")),
        ("causal_spearman_atrophies_r1", "causal_spearman", Some("atrophies_r1")),
        ("max_sensitivity", "max_sensitivity", None),
    ] {
        let mean = of(&blind, metric, sign).into_iter().find(|row| row.0.is_none()).and_then(|row| row.3);
        assert_eq!(Some(results.score(column)), mean, "{column}");
    }
}

#[test]
fn a_tumour_is_scored_where_there_is_one_and_years_only_for_a_regression() {
    let scene = Scene::with_spec(&format!("{TINY}{SCORES}"));
    scene.run("spec.toml --set data.growth_mode=no_growth --set model.task=classification").succeeds();
    let rows = rows(&scene.results("spec"));
    let signs = rows.iter().filter_map(|row| row.2.as_deref());
    assert!(signs.clone().count() > 0 && signs.into_iter().all(|sign| sign == "tumour"));
    assert_eq!(of(&rows, "mass_accuracy.positive", Some("tumour")).len(), 11);
    assert_eq!(of(&rows, "max_sensitivity", None).len(), 4);
    assert!(rows.iter().all(|row| !row.1.starts_with("causal") && !row.1.starts_with("faithfulness")));
    // A class is explained by its logit.
    let table = scene.results("spec").table("measurements");
    let units: Vec<(String, String)> = texts(&table, "metric").into_iter().zip(texts(&table, "unit")).collect();
    assert!(units.contains(&("sum_relevance".into(), "logit".into())));
    assert!(units.iter().all(|(_, unit)| unit != "years"), "{units:?}");
}

/// The columns of a tumour's run are what the long table tells of the tumour, beside what trivial maps reach.
#[test]
fn a_tumour_has_its_columns() {
    let scene = Scene::with_spec(&format!("{TINY}{SCORES}"));
    scene.run("spec.toml --set data.growth_mode=no_growth --set evaluate.images=10").succeeds();
    let results = scene.results("spec");
    let rows = rows(&results);
    let run = |metric: &str| {
        let row = of(&rows, metric, Some("tumour")).into_iter().find(|row| row.0.is_none());
        row.unwrap_or_else(|| panic!("{metric} of the run")).3.expect("a value")
    };
    for (column, metric) in [
        ("average_precision_positive_tumour", "average_precision.positive"),
        ("causal_spearman_kind_tumour", "causal_spearman.kind"),
    ] {
        assert_eq!(results.score(column), run(metric), "{column}");
    }
    for trivial in ["image", "edges", "noise"] {
        let found = run(&format!("causal_spearman.kind.{trivial}"));
        assert!((-1.0..=1.0).contains(&found), "{trivial}: {found}");
    }
    // One tumour an image: nothing is correlated within one.
    let years = of(&rows, "causal_years", Some("tumour"));
    assert_eq!(years.iter().filter(|row| row.0.is_some()).count(), 10);
    assert!(of(&rows, "causal_spearman", Some("tumour")).is_empty());
    assert!(of(&rows, "causal_spearman.pooled", Some("tumour")).is_empty());
}
