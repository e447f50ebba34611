//! Scores of localisation against their definitions, pixel by pixel.

use rand::RngExt;

use super::*;
use crate::data::Truth;
use crate::raster::RasterStack;
use crate::seed::stream;
use crate::sim::{GrowthMode, Pumpkin, PumpkinTruth, SIDE};

fn score(name: &str, map: &[f32], sign: &[bool], part: Part) -> f64 {
    let metric = LOCALISATION_METRICS.iter().find(|metric| metric.about.name == name).unwrap();
    let places = (0..sign.len()).filter(|&place| sign[place]);
    (metric.compute)(&Located::new(&Sorted::new(Raster::new(1, map.len(), map), part), places))
}

fn image_of(pumpkin: &Pumpkin) -> RasterStack {
    RasterStack::new(SIDE, SIDE, pumpkin.redraw(crate::sim::Without::Nothing))
}

fn regions(pumpkin: &Pumpkin) -> Vec<Region> {
    PumpkinTruth(vec![pumpkin.clone()]).regions(0)
}

/// Small maps of few different values, so that there are ties everywhere, with a sign on some of the pixels.
fn cases() -> impl Iterator<Item = (Vec<f32>, Vec<bool>)> {
    (0..60).map(|case| {
        let mut rng = stream(3, "maps", case);
        let levels = if case % 2 == 0 { 3 } else { 1000 };
        let map: Vec<f32> = (0..40).map(|_| rng.random_range(-levels..=levels) as f32 / levels as f32).collect();
        let mut sign: Vec<bool> = (0..40).map(|_| rng.random_range(0..4) == 0).collect();
        (sign[0], sign[1]) = (true, false);
        (map, sign)
    })
}

fn values(map: &[f32], part: Part) -> Vec<f64> {
    map.iter().map(|&r| f64::from(if part == Part::Positive { r.max(0.0) } else { r.abs() })).collect()
}

/// The mean of `of` over many random orders of tied pixels; `of` gets the pixels from the most to the least relevant.
fn over_orders(values: &[f64], of: impl Fn(&[usize]) -> f64) -> f64 {
    let count = 4000;
    let mut rng = stream(5, "orders", 0);
    let mut total = 0.0;
    for _ in 0..count {
        let mut order: Vec<(f64, u32, usize)> =
            values.iter().enumerate().map(|(pixel, &value)| (value, rng.random(), pixel)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        total += of(&order.iter().map(|pixel| pixel.2).collect::<Vec<_>>());
    }
    total / f64::from(count)
}

#[test]
fn scores_that_need_an_order_take_the_mean_over_orders_of_equal_pixels() {
    for (map, sign) in cases().take(12) {
        let values = values(&map, Part::Positive);
        let inside = sign.iter().filter(|&&on| on).count();
        let top = over_orders(&values, |order| f64::from(u8::from(sign[order[0]])));
        let hits =
            |order: &[usize]| order[..inside].iter().filter(|&&pixel| sign[pixel]).count() as f64 / inside as f64;
        // Four standard errors of at most 0.5 / sqrt(4000).
        assert!((score("pointing_game", &map, &sign, Part::Positive) - top).abs() < 0.032);
        assert!((score("rank_accuracy", &map, &sign, Part::Positive) - over_orders(&values, hits)).abs() < 0.032);
    }
}

#[test]
fn areas_and_masses_follow_their_definitions() {
    for ((map, sign), part) in cases().zip([Part::Positive, Part::Absolute].into_iter().cycle()) {
        let values = values(&map, part);
        let on: Vec<f64> = (0..40).filter(|&p| sign[p]).map(|p| values[p]).collect();
        let off: Vec<f64> = (0..40).filter(|&p| !sign[p]).map(|p| values[p]).collect();
        let wins = on
            .iter()
            .flat_map(|a| off.iter().map(move |b| if a > b { 1.0 } else { f64::from(u8::from(a == b)) / 2.0 }));
        let auc = wins.sum::<f64>() / (on.len() * off.len()) as f64;
        assert!((score("roc_auc", &map, &sign, part) - auc).abs() < 1e-12);

        let mut thresholds = values.clone();
        thresholds.sort_by(|a, b| b.total_cmp(a));
        thresholds.dedup();
        let (mut recall, mut precision) = (0.0, 0.0);
        for threshold in thresholds {
            let found = on.iter().filter(|&&value| value >= threshold).count() as f64;
            let seen = values.iter().filter(|&&value| value >= threshold).count() as f64;
            precision += (found / on.len() as f64 - recall) * found / seen;
            recall = found / on.len() as f64;
        }
        assert!((score("average_precision", &map, &sign, part) - precision).abs() < 1e-12);

        let positive = self::values(&map, Part::Positive);
        let share = (0..40).filter(|&p| sign[p]).map(|p| positive[p]).sum::<f64>() / positive.iter().sum::<f64>();
        assert!((score("mass_accuracy", &map, &sign, Part::Positive) - share).abs() < 1e-12);
    }
}

#[test]
fn a_map_of_the_sign_wins_everything_and_noise_wins_what_chance_does() {
    let pumpkin = Pumpkin::draw(70, GrowthMode::Human, 4);
    let image = RasterStack::new(SIDE, SIDE, pumpkin.redraw(crate::sim::Without::Nothing));
    let flags = pumpkin.lesion_mask().to_bools();
    let perfect: Vec<f32> = flags.iter().map(|&on| if on { 2.0 } else { -1.0 }).collect();
    for metric in LOCALISATION_METRICS {
        assert_eq!(score(metric.about.name, &perfect, &flags, Part::Positive), 1.0, "{}", metric.about.name);
    }
    let trivial = locate_trivial(image.get(0), &regions(&pumpkin), 0, 0);
    let of = |name: &str| {
        let found = trivial.iter().find(|score| score.name() == name && score.sign.as_deref() == Some("atrophies_r2"));
        found.unwrap().value
    };
    let share = pumpkin.atrophy_mask(2).count() as f64 / (SIDE * SIDE) as f64;
    for name in ["rank_accuracy", "mass_accuracy", "average_precision"] {
        assert_eq!(of(&format!("{name}.chance")), share);
        assert!((of(&format!("{name}.noise")) - share).abs() < 0.03, "{name}");
    }
    assert_eq!(of("roc_auc.chance"), 0.5);
    assert!((of("roc_auc.noise") - 0.5).abs() < 0.03);
    assert!(of("roc_auc.edges") > 0.7, "atrophies make edges");
    assert_eq!(trivial, locate_trivial(image.get(0), &regions(&pumpkin), 0, 0), "the seed decides");
    assert_ne!(trivial, locate_trivial(image.get(0), &regions(&pumpkin), 1, 0));
}

#[test]
fn what_is_blind_has_no_score_rather_than_none() {
    let pumpkin = Pumpkin::draw(70, GrowthMode::Human, 4);
    let map = RasterStack::new(SIDE, SIDE, pumpkin.redraw(crate::sim::Without::Nothing));
    let seeing = locate(map.get(0), image_of(&pumpkin).get(0), &regions(&pumpkin), false);
    let blind = locate(map.get(0), image_of(&pumpkin).get(0), &regions(&pumpkin), true);
    assert_eq!(seeing.len(), blind.len());
    for (seeing, blind) in seeing.iter().zip(&blind) {
        let hidden = seeing.sign.as_deref() == Some("atrophies") && seeing.about.name != "sign_share";
        assert_eq!(blind.note.as_deref(), hidden.then_some("blind"));
        assert!(if hidden { blind.value.is_nan() } else { blind.value == seeing.value });
    }
    let young = Pumpkin::draw(20, GrowthMode::Eternal, 0);
    assert_eq!(
        locate(map.get(0), image_of(&young).get(0), &regions(&young), false),
        [],
        "a pumpkin without signs is not scored"
    );
    let tumour = Pumpkin::draw(60, GrowthMode::NoGrowth, 0);
    assert!(
        locate(map.get(0), image_of(&tumour).get(0), &regions(&tumour), true)
            .iter()
            .all(|score| score.sign.as_deref() == Some("tumour"))
    );
}
