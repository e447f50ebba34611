//! What computes a network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::NetworkSpec;
use super::pumpkin_net::PumpkinNet;
use crate::sim::SHAPE;

/// `run.engine`: what may compute networks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineChoice {
    /// The project's own kernels where there are some for the network and the processor, else libtorch.
    #[default]
    Auto,
    /// Libtorch, whatever the network.
    Libtorch,
}

impl EngineChoice {
    pub fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// What computed a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// Kernels written for PumpkinNet on the CPU.
    Kernels,
    Libtorch,
}

impl EngineKind {
    /// As tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernels => "kernels",
            Self::Libtorch => "libtorch",
        }
    }
}

/// Filters of a convolution above which there are no kernels.
pub const MOST_FILTERS: usize = 64;

/// Why there are no kernels for a network; none where there are some, on a processor that can run them.
pub fn without_kernels(network: &NetworkSpec) -> Option<String> {
    let Some(net) = PumpkinNet::found_in(network) else { return Some("its layers are not those of PumpkinNet".into()) };
    if network.input != SHAPE {
        return Some(format!("its images have {}, not {SHAPE}", network.input));
    }
    if net.batch_norm {
        return Some("it has batch normalisation".into());
    }
    let most = net.conv_filters.into_iter().max().unwrap_or(0);
    (most > MOST_FILTERS).then(|| format!("it has a convolution of {most} filters, more than {MOST_FILTERS}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::ModelSettings;
    use crate::raster::ImageShape;

    #[test]
    fn why_there_are_no_kernels_is_told() {
        let reason = |model: ModelSettings, shape| without_kernels(&model.network(shape).expect("a network"));
        assert_eq!(reason(ModelSettings::default(), SHAPE), None);
        let wide = ModelSettings { conv_filters: [16, 16, 32, 65, 32], ..ModelSettings::default() };
        assert!(reason(wide, SHAPE).is_some_and(|reason| reason.contains("65 filters")));
        let normed = ModelSettings { batch_norm: true, ..ModelSettings::default() };
        assert!(reason(normed, SHAPE).is_some_and(|reason| reason.contains("batch normalisation")));
        let colour = ImageShape::new(3, 64, 80);
        assert!(
            reason(ModelSettings::default(), colour)
                .is_some_and(|reason| reason.contains("64 x 80 pixels in 3 channels"))
        );
    }
}
