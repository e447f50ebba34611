//! Evaluate: lends the network to the scores that ask it again.

use tch::Device;
use xdlreg_core::data::Target;
use xdlreg_core::event::silent;
use xdlreg_core::explain::ExplainSettings;
use xdlreg_core::key::Key;
use xdlreg_core::metric::EvaluateSettings;
use xdlreg_core::metric::{Probe, ProbeError};
use xdlreg_core::net::EngineChoice;
use xdlreg_core::raster::RasterStack;
use xdlreg_core::stage::{StageContext, StageError, evaluate};
use xdlreg_core::store::Draft;
use xdlreg_core::task::Task;

use super::explain::{Known, load};
use crate::explain::{Question, explain};
use crate::net::{Network, Weights, initial_weights};

/// Scores predictions and maps into `draft`.
pub fn run(
    keys: (&Key, &Key, &Key),
    task: Task,
    explain: &ExplainSettings,
    settings: &EvaluateSettings,
    (device, engine): (Device, EngineChoice),
    draft: &Draft,
    context: &StageContext,
) -> Result<(), StageError> {
    let net = load(&context.model(keys.1)?, device)?.0.computed_by(engine);
    let data = context.dataset(keys.0)?;
    let probe = Asked::new(net, explain, data.target.clone(), Known::of(&data, explain));
    evaluate::run(keys, task, explain.subset, settings, &probe, draft, context)
}

/// A network with the way in which it is explained.
struct Asked<'a> {
    net: Network,
    weights: Weights,
    settings: &'a ExplainSettings,
    target: Target,
    known: Known,
}

impl<'a> Asked<'a> {
    fn new(net: Network, settings: &'a ExplainSettings, target: Target, known: Known) -> Self {
        Self { weights: net.weights(), net, settings, target, known }
    }

    fn explain_by(&self, net: &Network, images: &RasterStack) -> Result<RasterStack, ProbeError> {
        let (target, settings, samples) = (&self.target, self.settings, self.known.samples());
        let explained = explain(&Question { net, target, settings, samples }, images, &silent);
        explained.map(|explained| explained.maps.folded()).map_err(|error| ProbeError(error.into()))
    }
}

impl Probe for Asked<'_> {
    fn predict(&self, images: &RasterStack) -> Vec<f64> {
        self.net.predict(images).into_iter().map(f64::from).collect()
    }

    fn explain(&self, images: &RasterStack) -> Result<RasterStack, ProbeError> {
        self.explain_by(&self.net, images)
    }

    fn layers(&self) -> Vec<String> {
        let mut layers: Vec<String> = Vec::new();
        for parameter in self.weights.parameters().iter().rev() {
            let layer = layer_of(&parameter.name);
            if layers.last().is_none_or(|last| last != layer) {
                layers.push(layer.to_owned());
            }
        }
        layers
    }

    fn explain_randomised(&self, images: &RasterStack, count: usize, seed: u64) -> Result<RasterStack, ProbeError> {
        let drawn = &self.layers()[..count];
        let network = self.weights.network();
        // The output's bias is what a training would begin with: about the mean target.
        let initial = initial_weights(network, self.weights.output_bias().unwrap_or(0.0), seed);
        let mixed = Weights::build(network, |name, _| {
            let anew = drawn.iter().any(|layer| layer == layer_of(name));
            if anew { &initial } else { &self.weights }.get(name).values.clone()
        });
        let net = Network::new(&mixed, self.net.device()).computed_by(self.net.engine());
        self.explain_by(&net, images)
    }
}

/// The layer of a parameter, such as `conv1` of `conv1.weight`.
fn layer_of(parameter: &str) -> &str {
    parameter.rsplit_once('.').map_or(parameter, |(layer, _)| layer)
}

#[cfg(test)]
mod tests {
    use xdlreg_core::explain::{Analyzer, ExplainedNetwork, LayerKind, LayerSite, Meaning, Options};
    use xdlreg_core::net::ModelSettings;
    use xdlreg_core::sim::{self, GrowthMode, Pumpkin, SHAPE, SIDE, Without};
    use xdlreg_core::task::Task;

    use super::*;

    /// An analyzer that takes as few looks at an image as it can.
    fn settings(analyzer: &str) -> ExplainSettings {
        let (few, wide) = (Some(2), Some(SIDE / 2));
        let mut options = Options { steps: few, samples: few, window: wide, stride: wide, ..Options::default() };
        ExplainSettings::of(Analyzer::new(analyzer, &mut options).expect(analyzer))
    }

    fn network(settings: &ExplainSettings, batch_norm: bool) -> Asked<'_> {
        let model = ModelSettings { batch_norm, ..ModelSettings::default() };
        let initial = initial_weights(&model.network(SHAPE).expect("a network"), 50.0, 1);
        // Batch norm of a mean other than 0 does not leave zeros zero.
        let weights = Weights::build(initial.network(), |name, shape| match name {
            "bn1.running_mean" => vec![0.25; shape.iter().product()],
            _ => initial.get(name).values.clone(),
        });
        Asked::new(Network::new(&weights, Device::Cpu), settings, sim::age(), Known::default())
    }

    fn image() -> RasterStack {
        RasterStack::new(SIDE, SIDE, Pumpkin::draw(60, GrowthMode::Human, 0).redraw(Without::Nothing))
    }

    #[test]
    fn layers_are_drawn_anew_from_the_output_down() {
        let settings = settings("gradient");
        let network = network(&settings, false);
        assert_eq!(network.layers(), ["output", "dense", "conv5", "conv4", "conv3", "conv2", "conv1"]);
        let (image, own) = (image(), network.explain(&image()).expect("a map"));
        let of = |count, seed| network.explain_randomised(&image, count, seed).expect("a map");
        assert!(of(0, 5) == own, "no layer");
        assert!(of(7, 1) == own, "the seed of the network itself, which has no biases");
        let mut seen = vec![own];
        for count in 1..=7 {
            let map = of(count, 5);
            assert!(!seen.contains(&map), "{count} layers");
            seen.push(map);
        }
        assert!(seen[3] == of(3, 5) && seen[3] != of(3, 6), "the seed decides");
    }

    /// Relevance begins with the prediction, in which the output's bias counts: a network drawn anew keeps it.
    #[test]
    fn the_output_bias_is_not_drawn() {
        let settings = settings("lrp.epsilon");
        let network = network(&settings, false);
        let (image, own) = (image(), network.explain(&image()).expect("a map"));
        assert!(network.explain_randomised(&image, 7, 1).expect("a map") == own, "the seed of the network itself");
        assert!(network.explain_randomised(&image, 7, 2).expect("a map") != own);
    }

    #[test]
    fn maps_are_zero_at_zeros_exactly_where_an_analyzer_is_blind() {
        let image = image();
        for batch_norm in [false, true] {
            // Behind batch norm, which multiplies in some composites and passes on in others, a few will do. `lrp` has no
            // rules of its own.
            let taken = |name: &str| name != "lrp" && (!batch_norm || name.ends_with("_flat"));
            for name in Analyzer::NAMES.iter().filter(|name| taken(name)) {
                let settings = settings(name);
                let network = network(&settings, batch_norm);
                let maps = network.explain(&image).expect("a map");
                let mut pixels = maps.pixels().iter().zip(image.pixels());
                let zero = pixels.all(|(&relevance, &pixel)| pixel != 0.0 || relevance == 0.0);
                let (layer, kind) = if batch_norm { ("bn1", LayerKind::BatchNorm) } else { ("conv1", LayerKind::Conv) };
                let entry = LayerSite { name: layer, kind, depth: 0, last: false };
                let (task, target) = (Task::Regression, &sim::age());
                let network = ExplainedNetwork { task, target, entry, shape: SHAPE };
                let meaning = Meaning::of(&settings.method(), &network);
                assert_eq!(meaning.blind, zero, "{name} with batch norm {batch_norm}");
            }
        }
    }
}
