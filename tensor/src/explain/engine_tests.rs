use xdlreg::explain::{Method, analyzers};
use xdlreg::spec::{ExplainSettings, ModelSettings};

use super::super::network_tests::{random_images, random_net};
use super::super::parity_tests::{deviation, reference};
use super::*;

/// Kernels and libtorch carry out the same rules, with every instruction set, for inputs of both signs as well.
#[test]
#[cfg(target_arch = "x86_64")]
fn kernels_propagate_as_libtorch_does() {
    let odd = ModelSettings { conv_filters: [3, 20, 16, 40, 7], dense_units: 21, ..ModelSettings::default() };
    let classes = ModelSettings { task: Task::Classification, ..ModelSettings::default() };
    let mut images = random_images(2);
    images.pixels_mut()[AREA..].iter_mut().for_each(|pixel| *pixel -= 0.5);
    let (trained, trained_images) = reference();
    for (net, images) in
        [(trained, trained_images), (random_net(&odd, true), images.clone()), (random_net(&classes, true), images)]
    {
        let non_negative = images.pixels().iter().all(|&pixel| pixel >= 0.0);
        let settings =
            ExplainSettings { low: Some(-0.5), until: Some(2), epsilon: Some(0.25), ..ExplainSettings::default() };
        for analyzer in analyzers() {
            let Method::Propagation(composite) = analyzer.method(&settings) else { continue };
            if composite.rules.len() < 2 {
                continue;
            }
            let mut libtorch = Engine::by_libtorch(&net, &composite, non_negative).expect("an engine");
            // Of classes the first image's old and the second one's young, whichever is predicted.
            let chosen = (net.architecture().task == Task::Classification).then_some(&[1, 0][..]);
            let (theirs, taken) = explained(&mut libtorch, images.pixels(), chosen);
            let mut first: Option<Vec<f32>> = None;
            for isa in crate::net::kernel::isa::Isa::available() {
                let mut engine = Engine::new(&net, &composite, non_negative).expect("an engine");
                engine.kernels.as_mut().expect("kernels").isa = isa;
                let (ours, kept) = explained(&mut engine, images.pixels(), chosen);
                // Where sums cross zero float32 is worth no more.
                let crosses = ["_2_beta_1", "preset_b", "lrp.z"].iter().any(|part| analyzer.name.contains(part));
                let tolerance = if crosses { 1e-2 } else { 1e-3 };
                let off = deviation(&ours, &theirs);
                assert!(off < tolerance, "{} by {isa:?} is off by {off}", analyzer.name);
                let scale =
                    taken.iter().fold(1.0f64, |scale, taken| scale.max(taken.bias.abs()).max(taken.stabiliser.abs()));
                for (kept, taken) in kept.iter().zip(&taken) {
                    let off = (kept.bias - taken.bias).abs().max((kept.stabiliser - taken.stabiliser).abs());
                    assert!(off < f64::from(tolerance) * scale, "{}: {kept:?} for {taken:?}", analyzer.name);
                }
                assert!(first.get_or_insert_with(|| ours.clone()) == &ours, "{isa:?} differs");
            }
        }
    }
}

fn explained(engine: &mut Engine, images: &[f32], chosen: Option<&[usize]>) -> (Vec<f32>, Vec<Taken>) {
    let mut maps = vec![0.0; images.len()];
    let mut ledger = vec![Taken::default(); images.len() / AREA * engine.layers];
    engine.propagate(images, chosen, &mut maps, &mut ledger);
    (maps, ledger)
}
