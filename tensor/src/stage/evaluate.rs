//! Evaluate: lends the network to the scores that ask it again.

use tch::Device;
use xdlreg::explain::analyzer;
use xdlreg::metric::{Probe, ProbeError};
use xdlreg::raster::RasterStack;
use xdlreg::spec::{EvaluateSettings, ExplainSettings, Task};
use xdlreg::stage::{StageContext, StageError, evaluate};
use xdlreg::store::{Draft, Key};

use super::explain::load;
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
    let net = load(&context.model(keys.1)?, device)?;
    let probe = Network::new(net, explain)?;
    evaluate::run(keys, task, explain.subset, settings, &probe, draft, context)
}

/// A network with the way in which it is explained.
struct Network<'a> {
    net: PumpkinNet,
    weights: Weights,
    settings: &'a ExplainSettings,
    blind: bool,
}

impl<'a> Network<'a> {
    fn new(net: PumpkinNet, settings: &'a ExplainSettings) -> Result<Self, StageError> {
        let analyzer = analyzer(&settings.analyzer)
            .ok_or_else(|| StageError::Failed(format!("there is no analyzer `{}`", settings.analyzer)))?;
        let blind = analyzer.method(settings).is_blind_to_zeros(net.architecture().batch_norm);
        Ok(Self { weights: net.weights(), net, settings, blind })
    }

    fn explain_by(&self, net: &PumpkinNet, images: &RasterStack) -> Result<RasterStack, ProbeError> {
        let explained = explain(net, images, self.settings, &xdlreg::event::silent);
        explained.map(|explained| explained.maps).map_err(|error| ProbeError(error.to_string()))
    }
}

impl Probe for Network<'_> {
    fn is_blind(&self) -> bool {
        self.blind
    }

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
