//! The limits of single settings: the last value that is accepted and the first that is refused.

use super::ExperimentSpec;

/// The keys of what is wrong with a spec.
fn refused(text: &str) -> Vec<String> {
    let text = text.replace(';', "\n");
    let mut spec: ExperimentSpec = toml::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    if spec.experiment.name.is_empty() {
        spec.experiment.name = "name".into();
    }
    spec.validate().into_iter().map(|invalid| invalid.key).collect()
}

/// A setting, a value at its limit, and one beyond; with what else must be set.
#[rustfmt::skip]
const LIMITS: &[(&str, &str, &str, &str)] = &[
    ("experiment.name", "", "'a.b'", "'.b'"),
    ("experiment.name", "", "'a'", "'a/b'"),
    ("experiment.output", "", "'.'", "''"),
    ("data.n_samples", "", "100", "99"),
    ("data.min_age", "data.max_age = 80", "79", "80"),
    ("data.max_age", "", "120", "121"),
    ("data.max_age", "data.growth_mode = 'tang_ping'", "99", "100"),
    ("data.skew_factor", "", "0.0", "-0.01"),
    ("data.skew_factor", "", "1.0", "1.01"),
    ("data.target_bias", "data.distribution = 'biased'", "20", "19.9"),
    ("data.target_bias", "data.distribution = 'biased'", "80", "80.1"),
    ("model.dropout", "", "0.0", "-0.01"),
    ("model.dropout", "", "0.99", "1.0"),
    ("model.output_bias", "model.task = 'classification'", "'target-mean'", "50"),
    ("model.output_bias", "model.task = 'classification'", "'target-mean'", "'zero'"),
    ("model.conv_filters", "", "[1, 1, 1, 1, 1]", "[1, 1, 1, 1, 0]"),
    ("model.dense_units", "", "1", "0"),
    ("train.epochs", "", "1", "0"),
    ("train.batch_size", "", "1", "0"),
    ("train.learning_rate", "", "1e-30", "0.0"),
    ("train.weight_decay", "train.optimizer = 'adamw'", "0.0", "-0.1"),
    ("train.weight_decay", "train.optimizer = 'adam'", "0.0", "0.1"),
    ("train.weight_decay", "train.optimizer = 'sgd'", "0.0", "0.1"),
    ("train.momentum", "train.optimizer = 'sgd'", "0.99", "1.0"),
    ("train.momentum", "train.optimizer = 'adam'", "0.0", "0.1"),
    ("train.momentum", "train.optimizer = 'adamw'", "0.0", "0.1"),
    ("train.checkpoint_every", "", "1", "0"),
    ("explain.epsilon", "", "0.0", "-0.1"),
    ("explain.alpha", "explain.analyzer = 'lrp.alpha_beta'", "1", "0.9"),
    ("explain.gamma", "explain.analyzer = 'zennit.epsilon_gamma_box'", "0", "-0.1"),
    ("explain.low", "explain.analyzer = 'zennit.epsilon_gamma_box'", "0.9", "1.0"),
    ("explain.high", "explain.analyzer = 'zennit.epsilon_gamma_box'", "0.1", "0.0"),
    ("explain.steps", "explain.analyzer = 'integrated_gradients'", "1", "0"),
    ("explain.until", "explain.analyzer = 'lrp.sequential_preset_b_flat_until_idx'", "6", "7"),
    ("explain.samples", "explain.analyzer = 'smoothgrad'", "1", "0"),
    ("explain.sigma", "explain.analyzer = 'smoothgrad'", "0.0", "-0.1"),
    ("explain.window", "explain.analyzer = 'occlusion'", "1", "0"),
    ("explain.window", "explain.analyzer = 'occlusion'", "98", "99"),
    ("explain.stride", "explain.analyzer = 'occlusion'", "1", "0"),
    ("explain.stride", "explain.analyzer = 'occlusion'", "98", "99"),
    ("explain.reference", "", "{ ages = [20, 20] }", "{ ages = [30, 20] }"),
    ("explain.reference", "", "{ flooding = 0 }", "{ flooding = inf }"),
    ("explain.smooth.samples", "", "1", "0"),
    ("explain.smooth.sigma", "", "0.0", "-0.1"),
    ("evaluate.images", "", "1", "0"),
    ("evaluate.signs", "", "1", "0"),
    ("evaluate.steps", "", "1", "0"),
    ("evaluate.draws", "", "1", "0"),
    ("evaluate.flipped", "", "1.0", "1.01"),
    ("evaluate.radius", "", "1e-9", "0.0"),
    ("run.workers", "", "1", "0"),
    ("run.threads_per_worker", "", "1", "0"),
];

#[test]
fn every_limit_is_where_it_is_said_to_be() {
    for (key, context, last, beyond) in LIMITS {
        assert_eq!(refused(&format!("{context}; {key} = {last}")), [""; 0], "{key} = {last}");
        // The key of a list, or that of one of its elements.
        let told = refused(&format!("{context}; {key} = {beyond}"));
        let named = |told: &String| told == key || told.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
        assert!(matches!(&told[..], [told] if named(told)), "{key} = {beyond}: {told:?}");
    }
}

/// alpha - beta is 1: each follows from the other.
#[test]
fn alpha_and_beta_follow_from_each_other() {
    let composite = |parameters: &str| {
        let entry = format!("{{ layer = 'any', rule = 'alpha_beta'{parameters} }}");
        let text = format!("explain.analyzer = 'lrp'\nexplain.composite = [{entry}]");
        let spec: ExperimentSpec = toml::from_str(&text).expect("well-formed settings");
        (spec.explain.validate(), spec.explain.method())
    };
    let both = composite(", alpha = 2.5, beta = 1.5");
    assert_eq!(both.0, []);
    assert_eq!((composite(", alpha = 2.5"), composite(", beta = 1.5")), (both.clone(), both));
    assert_eq!(composite(""), composite(", alpha = 1, beta = 0"));
}
