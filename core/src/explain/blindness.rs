//! Which explanations say nothing where an image is 0.
//!
//! An atrophied pixel is exactly 0, so whatever multiplies by the pixel gives it exactly 0 relevance, however much it
//! matters. Scores of such explanations over atrophied pixels would say nothing about them; tables mark them as blind.

use super::composite::LayerSite;
use super::method::Method;
use super::rule::{InputPart, Rule};

impl Method {
    /// Whether relevance is 0 wherever the image is 0, for a network whose first linear layer is `entry`.
    pub fn is_blind_to_zeros(&self, entry: &LayerSite) -> bool {
        match self {
            Self::Propagation(composite) => composite.rule(entry).is_some_and(Rule::is_blind_to_zeros),
            Self::InputTimesGradient | Self::Input => true,
            Self::IntegratedGradients { baseline, .. } => *baseline == 0.0,
            // A pixel of 0 that is set to 0 changes nothing; a wider window also covers its neighbours.
            Self::Occlusion { window, fill, .. } => *window == 1 && *fill == 0.0,
            // Noise makes pixels that are 0 something else.
            Self::Smooth { .. } | Self::Random { .. } => false,
        }
    }
}

impl Rule {
    /// Whether inputs that are 0 get no relevance.
    fn is_blind_to_zeros(&self) -> bool {
        let mut terms = self.passes.iter().flat_map(|pass| &pass.terms);
        terms.all(|term| match term.input {
            InputPart::All | InputPart::Positive | InputPart::Negative => true,
            InputPart::Constant(value) => value == 0.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::explain::{Analyzer, LayerKind, LayerSite, Method, Options};

    const CONV: LayerSite = LayerSite { name: "conv1", kind: LayerKind::Conv, depth: 0, last: false };
    const BATCH_NORM: LayerSite = LayerSite { name: "bn1", kind: LayerKind::BatchNorm, depth: 0, last: false };

    fn method(name: &str) -> Method {
        Analyzer::new(name, &mut Options::default()).expect(name).method()
    }

    fn is_blind(name: &str) -> bool {
        method(name).is_blind_to_zeros(&CONV)
    }

    /// Float32 values at the end of a file.
    fn floats(file: &str, count: usize) -> Vec<f32> {
        let path = format!("{}/../tensor/tests/data/{file}", env!("CARGO_MANIFEST_DIR"));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let values = bytes[bytes.len() - 4 * count..].chunks_exact(4);
        values.map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    }

    /// What iNNvestigate and Zennit say of pixels that are 0 decides who is blind.
    #[test]
    fn the_peers_maps_are_zero_at_zeros_exactly_where_an_analyzer_is_blind() {
        let count = 2 * 98 * 98;
        let images = floats("keras_images.f32", count);
        let mut compared = 0;
        for name in Analyzer::NAMES {
            let file = format!("{}.npy", name.trim_start_matches("lrp."));
            if !fs::exists(format!("{}/../tensor/tests/data/lrp/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap() {
                continue;
            }
            let map = floats(&format!("lrp/{file}"), count);
            let blind = map.iter().zip(&images).all(|(&relevance, &pixel)| pixel != 0.0 || relevance == 0.0);
            assert_eq!(is_blind(name), blind, "{name}");
            compared += 1;
        }
        assert!(compared >= 20, "{compared} analyzers have reference maps");
    }

    #[test]
    fn references_and_bounds_of_zero_make_blind() {
        assert!(is_blind("integrated_gradients"));
        let above = Analyzer::IntegratedGradients { steps: None, baseline: Some(0.5) };
        assert!(!above.method().is_blind_to_zeros(&CONV));
        assert!(!is_blind("smoothgrad") && !is_blind("occlusion"));
        let preset = method("lrp.sequential_preset_a_flat");
        let blind = |method: &Method| [CONV, BATCH_NORM].map(|entry| method.is_blind_to_zeros(&entry));
        assert_eq!(blind(&preset), [false, true], "batch norm's rule multiplies");
        let zennit = method("zennit.epsilon_plus");
        assert_eq!(blind(&zennit), [true, false], "batch norm passes on");
    }
}
