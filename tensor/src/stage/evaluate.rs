//! Evaluate: lends the network to the scores that ask it again.

use tch::Device;
use xdlreg_core::explain::ExplainSettings;
use xdlreg_core::key::Key;
use xdlreg_core::metric::EvaluateSettings;
use xdlreg_core::metric::{Probe, ProbeError};
use xdlreg_core::raster::RasterStack;
use xdlreg_core::stage::{StageContext, StageError, evaluate};
use xdlreg_core::store::Draft;
use xdlreg_core::task::Task;

use super::explain::{Known, load};
use crate::explain::explain;
use crate::net::{PumpkinNet, Weights, initial_weights};

/// Scores predictions and maps into `draft`.
pub fn run(
    keys: (&Key, &Key, &Key),
    task: Task,
    explain: &ExplainSettings,
    settings: &EvaluateSettings,
    device: Device,
    draft: &Draft,
    context: &StageContext,
) -> Result<(), StageError> {
    let (net, _) = load(&context.model(keys.1)?, device)?;
    let known = if Known::needed(explain) { Known::of(&*context.dataset(keys.0)?, explain) } else { Known::default() };
    let probe = Network::new(net, explain, known);
    evaluate::run(keys, task, explain.subset, settings, &probe, draft, context)
}

/// A network with the way in which it is explained.
struct Network<'a> {
    net: PumpkinNet,
    weights: Weights,
    settings: &'a ExplainSettings,
    known: Known,
}

impl<'a> Network<'a> {
    fn new(net: PumpkinNet, settings: &'a ExplainSettings, known: Known) -> Self {
        Self { weights: net.weights(), net, settings, known }
    }

    fn explain_by(&self, net: &PumpkinNet, images: &RasterStack) -> Result<RasterStack, ProbeError> {
        let explained = explain(net, images, self.settings, self.known.samples(), &xdlreg_core::event::silent);
        explained.map(|explained| explained.maps).map_err(|error| ProbeError(error.to_string()))
    }
}

impl Probe for Network<'_> {
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
        let architecture = self.weights.architecture();
        // The output's bias is what a training would begin with: about the mean age.
        let bias = self.weights.parameters().iter().find(|parameter| parameter.name == "output.bias");
        let initial = initial_weights(architecture, bias.map_or(0.0, |bias| bias.values[0]), seed);
        let mixed = Weights::build(architecture, |name, _| {
            let anew = drawn.iter().any(|layer| layer == layer_of(name));
            if anew { &initial } else { &self.weights }.get(name).values.clone()
        });
        self.explain_by(&PumpkinNet::new(&mixed, self.net.device()), images)
    }
}

/// The layer of a parameter, such as `conv1` of `conv1.weight`.
fn layer_of(parameter: &str) -> &str {
    parameter.split('.').next().unwrap_or(parameter)
}

#[cfg(test)]
mod tests {
    use xdlreg_core::explain::{Meaning, analyzers};
    use xdlreg_core::net::ModelSettings;
    use xdlreg_core::sim::SIDE;
    use xdlreg_core::sim::{GrowthMode, Pumpkin, Without};

    use super::*;
    use crate::net::Architecture;

    /// An analyzer that takes as few looks at an image as it can.
    fn settings(analyzer: &str) -> ExplainSettings {
        let (few, wide) = (Some(2), Some(SIDE / 2));
        let settings = ExplainSettings { analyzer: analyzer.into(), ..ExplainSettings::default() };
        ExplainSettings { steps: few, samples: few, window: wide, stride: wide, ..settings }
    }

    fn network(settings: &ExplainSettings, batch_norm: bool) -> Network<'_> {
        let model = ModelSettings { batch_norm, ..ModelSettings::default() };
        let initial = initial_weights(Architecture::of(&model), 50.0, 1);
        // Batch norm of a mean other than 0 does not leave zeros zero.
        let weights = Weights::build(initial.architecture(), |name, shape| match name {
            "bn1.running_mean" => vec![0.25; shape.iter().product()],
            _ => initial.get(name).values.clone(),
        });
        Network::new(PumpkinNet::new(&weights, Device::Cpu), settings, Known::default())
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
            for analyzer in analyzers().iter().filter(|analyzer| taken(analyzer.name)) {
                let settings = settings(analyzer.name);
                let network = network(&settings, batch_norm);
                let maps = network.explain(&image).expect("a map");
                let mut pixels = maps.pixels().iter().zip(image.pixels());
                let zero = pixels.all(|(&relevance, &pixel)| pixel != 0.0 || relevance == 0.0);
                let meaning = Meaning::of(&analyzer.method(&settings), Task::Regression, batch_norm);
                assert_eq!(meaning.blind, zero, "{} with batch norm {batch_norm}", analyzer.name);
            }
        }
    }
}
