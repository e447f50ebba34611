use super::*;
use crate::explain::{ExplainSettings, ExplainedNetwork, LayerKind, LayerSite};
use crate::task::Task;

fn meaning(toml: &str) -> Meaning {
    let settings: ExplainSettings = toml::from_str(toml).expect("well-formed settings");
    let entry = LayerSite { name: "conv1", kind: LayerKind::Conv, depth: 0, last: false };
    let network =
        ExplainedNetwork { task: Task::Regression, target: &crate::sim::age(), entry, shape: crate::sim::SHAPE };
    Meaning::of(&settings.method(), &network)
}

/// The only flaw of maps under these facts, if there is one, and what is said of it.
fn found(toml: &str, with_reference: bool, map: &[f32], facts: Facts) -> (Option<Flaw>, Vec<Finding>) {
    let mut review = Review::new(meaning(toml), with_reference, 60.0, (90..190).collect());
    let flaw = review.look(map, &facts);
    assert_eq!(review.look(map, &facts), flaw);
    (flaw, review.findings())
}

#[test]
fn a_map_of_zeros_is_told_and_why() {
    let (flaw, findings) = found("analyzer = 'lrp.z_plus'", false, &[0.0, -0.0], Facts::default());
    assert_eq!((flaw, findings[0].maps, findings[0].of), (Some(Flaw::Zero), 2, 2));
    assert_eq!(findings[0].message, "2 of 2 maps are 0 everywhere (the first is of sample 90)");
    let (_, findings) = found("analyzer = 'deep_taylor'", false, &[0.0; 2], Facts::default());
    assert!(findings[0].message.contains("explains outputs above 0 only"), "{findings:?}");
    let (flaw, findings) = found("analyzer = 'lrp.z_plus'", false, &[0.0, 1e-30], Facts::default());
    assert_eq!((flaw, findings), (None, vec![]));
}

/// The numbers are those of a trained network at several epsilons.
#[test]
fn relevance_is_absorbed_where_stabilisers_have_it_and_the_map_has_not() {
    let of = |size: f32, stabilised: f64, total: f64| {
        let facts = Facts { total: Some(total), stabilised, ..Facts::default() };
        found("analyzer = 'lrp.epsilon'", false, &[0.5 * size, -0.5 * size], facts)
    };
    for (size, stabilised, total) in
        [(61.7, 4.2, 49.3), (0.57, 0.17, 49.3), (0.228, 0.119, 50.6), (0.0071, 0.0045, 0.0004), (1.0, 0.0, 50.0)]
    {
        assert_eq!(of(size, stabilised, total).0, None, "{size}");
    }
    for (size, stabilised, total) in [(0.0079, 2.0, 49.3), (1.8e-5, 7.9, 49.3), (0.0, 49.1, 49.3), (0.0096, 1.3, -1.3)]
    {
        let (flaw, findings) = of(size, stabilised, total);
        assert_eq!(flaw, Some(Flaw::Absorbed), "{size}");
        assert!(findings[0].message.starts_with("stabilisers keep "), "{findings:?}");
    }
    assert!(of(0.0, 49.1, 49.3).1[0].message.contains("keep all of the relevance of 2 of 2 maps"));
    assert!(of(0.0079, 2.0, 49.3).1[0].message.contains("keep at least 99.6 % of"));
}

#[test]
fn noise_that_turns_a_difference_around_is_told_with_sigma_and_sample() {
    let settings = "analyzer = 'lrp.flat'\nsmooth = { samples = 4, sigma = 0.02 }";
    let facts = |total, plain| Facts { total: Some(total), plain_total: Some(plain), ..Facts::default() };
    for (total, plain) in [(5.0, -24.0), (-24.0, 5.0), (-11.0, -24.0), (2.0, 0.9)] {
        let (flaw, findings) = found(settings, true, &[1.0], facts(total, plain));
        assert_eq!(flaw, Some(Flaw::Noise), "{total} for {plain}");
        assert!(findings[0].message.contains("sigma 0.02") && findings[0].message.contains("sample 90"));
        assert_eq!(found(settings, false, &[1.0], facts(total, plain)).0, None, "without a reference");
    }
    for (total, plain) in [(-23.0, -24.0), (0.4, -0.1), (-30.0, -24.0)] {
        assert_eq!(found(settings, true, &[1.0], facts(total, plain)).0, None, "{total} for {plain}");
    }
    let turned = Facts { likeness: Some(-0.9), ..facts(-24.0, -24.0) };
    assert_eq!(found(settings, true, &[1.0], turned).0, Some(Flaw::Noise), "the map's sign flips");
    // Integrated gradients have a reference of their own.
    let settings = "analyzer = 'integrated_gradients'\nsmooth = { samples = 4 }";
    assert_eq!(found(settings, false, &[1.0], facts(90.0, -20.0)).0, Some(Flaw::Noise));
}

#[test]
fn noise_that_moves_predictions_beyond_the_targets_needs_a_word() {
    let facts = Facts { shift: 93.25, ..Facts::default() };
    let (flaw, findings) = found("analyzer = 'smoothgrad'", false, &[1.0], facts);
    assert_eq!((flaw, findings[0].flaw, findings[0].maps), (None, None, 2));
    assert!(findings[0].message.contains("sigma 0.1") && findings[0].message.contains("60.0 years"), "{findings:?}");
    assert!(findings[0].message.contains("93.2"), "{findings:?}");
    assert!(!Finding::condemn(&findings));
    let (_, findings) = found("analyzer = 'smoothgrad'", false, &[1.0], Facts { shift: 59.0, ..Facts::default() });
    assert_eq!(findings, []);
}

#[test]
fn bounds_and_coverage_condemn_what_they_leave_out() {
    let outside = Facts { outside: true, ..Facts::default() };
    let (flaw, findings) = found("analyzer = 'deep_taylor.bounded'", false, &[1.0], outside);
    assert!(flaw == Some(Flaw::Outside) && findings[0].message.contains("`low` and `high`"));
    let (flaw, findings) = found("analyzer = 'occlusion'\nwindow = 1\nstride = 7", false, &[1.0], Facts::default());
    assert!(flaw == Some(Flaw::Uncovered) && findings[0].message.contains("2.3 % of the pixels"), "{findings:?}");
    let (flaw, findings) = found("analyzer = 'occlusion'\nwindow = 6\nstride = 7", false, &[1.0], Facts::default());
    assert!(flaw.is_none() && findings.len() == 1 && findings[0].flaw.is_none(), "{findings:?}");
    assert_eq!(found("analyzer = 'occlusion'", false, &[1.0], Facts::default()).1, []);
}

#[test]
fn most_maps_decide() {
    let finding = |flaw, maps| Finding { flaw, maps, of: 20, message: "a sentence".into() };
    assert!(!Finding::condemn(&[]) && !Finding::condemn(&[finding(None, 20)]));
    assert!(!Finding::condemn(&[finding(Some(Flaw::Zero), 10)]));
    assert!(Finding::condemn(&[finding(Some(Flaw::Zero), 7), finding(Some(Flaw::Absorbed), 4)]));
    assert_eq!(Finding::join(&[finding(None, 1), finding(None, 2)]), Some("a sentence; a sentence".into()));
    assert_eq!(Finding::join(&[]), None);
}
