use super::statistics::{line, ranks, spearman};
use super::*;

fn score(name: &str, targets: &[f64], predictions: &[f64]) -> f64 {
    let metric = PREDICTION_METRICS.iter().find(|metric| metric.about.name == name).unwrap();
    (metric.compute)(&Predicted { targets, predictions })
}

const AGES: [f64; 6] = [20.0, 31.0, 45.0, 52.0, 66.0, 80.0];
const PREDICTED: [f64; 6] = [26.5, 30.25, 44.0, 55.0, 61.5, 70.75];

#[test]
fn prediction_scores_agree_with_hand_computed_ones() {
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    close(score("mae", &AGES, &PREDICTED), 25.0 / 6.0);
    close(score("mse", &AGES, &PREDICTED), (42.25 + 0.5625 + 1.0 + 9.0 + 20.25 + 85.5625) / 6.0);
    let (mean, sum) = (49.0, 29.0 * 29.0 + 18.0 * 18.0 + 16.0 + 9.0 + 17.0 * 17.0 + 31.0 * 31.0);
    assert_eq!(AGES.iter().sum::<f64>() / 6.0, mean);
    close(score("r2", &AGES, &PREDICTED), 1.0 - 158.625 / sum);
    let (slope, r) = (score("residual_slope", &AGES, &PREDICTED), score("pearson_r", &AGES, &PREDICTED));
    let covariance: f64 = AGES.iter().zip(PREDICTED).map(|(y, f)| (y - mean) * f).sum();
    close(slope, covariance / sum - 1.0);
    let centre = PREDICTED.iter().sum::<f64>() / 6.0;
    let spread: f64 = PREDICTED.iter().map(|f| (f - centre).powi(2)).sum();
    close(r, covariance / (sum * spread).sqrt());
}

#[test]
fn scores_of_a_constant_are_not_a_number_rather_than_wrong() {
    assert!(score("r2", &[50.0; 4], &[50.0, 51.0, 49.0, 50.0]).is_nan());
    assert!(score("pearson_r", &AGES, &[50.0; 6]).is_nan());
    assert_eq!(score("residual_slope", &AGES, &[50.0; 6]), -1.0);
}

#[test]
fn accuracy_counts_the_right_side() {
    assert_eq!(score("accuracy", &[0.0, 1.0, 1.0, 0.0], &[0.2, 0.9, 0.4, 0.1]), 0.75);
}

#[test]
fn the_line_of_relevance_crosses_zero_where_it_was_drawn() {
    let predictions = [23.0, 40.0, 51.5, 78.0];
    let sums: Vec<f64> = predictions.iter().map(|f| 1.5 * (f - 51.0)).collect();
    let scores: Vec<f64> = EXPLANATION_METRICS
        .iter()
        .map(|metric| (metric.compute)(&RelevanceSums { predictions: &predictions, sums: &sums }))
        .collect();
    for (found, expected) in scores.iter().zip([1.5, 1.0, 51.0]) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }
    assert!(line(&[1.0, 1.0], &[2.0, 3.0]).slope.is_nan());
}

#[test]
fn ranks_are_shared_by_equal_values() {
    assert_eq!(ranks(&[3.0, 1.0, 3.0, -2.0]), [3.5, 2.0, 3.5, 1.0]);
    assert!((spearman(&[1.0, 2.0, 3.0, 4.0], &[1.0, 10.0, 100.0, 1e9]) - 1.0).abs() < 1e-12);
    // As scipy.stats.spearmanr gives.
    assert!((spearman(&[1.0, 2.0, 2.0, 5.0], &[4.0, 1.0, 3.0, 2.0]) + 0.632_455_532_033_675_9).abs() < 1e-12);
}

#[test]
fn names_are_unique_and_every_score_names_its_source() {
    let mut names: Vec<&str> = all().map(|about| about.name).collect();
    assert!(all().all(|about| about.citation.len() > 10));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for (name, expected) in [("test_mae", "mae"), ("roc_auc.positive", "roc_auc"), ("gini_index", "gini_index")] {
        assert_eq!(about(name).map(|about| about.name), Some(expected));
    }
    assert_eq!(about("nonsense"), None);
    assert!(HEADLINES.iter().all(|(name, _)| about(name).is_some()));
}
