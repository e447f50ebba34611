//! Every figure, with what it needs.

use super::kinds::{RunFigure, StudyFigure};
use super::{
    age_distribution, agreement, ensemble, heatmaps_by_age, metrics_over_key, prediction_joint, pumpkin,
    relevance_by_age, relevance_by_region, relevance_lines, residual_curves, residuals, same_pumpkin, score_table,
    senior_and_junior, signs_over_age, standard_and_toddler, sum_relevance, training, years_per_sign,
};

/// The scores of samples that figures of a run are drawn from, beside the sums of relevance.
pub const SAMPLE_SCORES: [&str; 2] = [years_per_sign::YEARS, years_per_sign::RELEVANCE];

/// The ten published figures, and three more.
pub const RUN_FIGURES: &[RunFigure] = &[
    age_distribution::FIGURE,
    pumpkin::FIGURE,
    standard_and_toddler::FIGURE,
    senior_and_junior::FIGURE,
    signs_over_age::FIGURE,
    training::FIGURE,
    prediction_joint::FIGURE,
    residuals::FIGURE,
    sum_relevance::FIGURE,
    heatmaps_by_age::FIGURE,
    relevance_by_age::FIGURE,
    years_per_sign::FIGURE,
    relevance_by_region::FIGURE,
];

/// Comparisons over runs.
pub const STUDY_FIGURES: &[StudyFigure] = &[
    metrics_over_key::FIGURE,
    residual_curves::FIGURE,
    relevance_lines::FIGURE,
    score_table::FIGURE,
    same_pumpkin::FIGURE,
    ensemble::FIGURE,
    agreement::FIGURE,
];
