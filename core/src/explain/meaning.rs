//! What a map means: its unit, what it is meant to add up to, and where it says nothing.
//!
//! All of it follows from the method, its wrappers, the task and whether the network begins with batch norm. It is decided
//! here alone: metrics, tables, pictures and figures ask.

use serde::{Deserialize, Serialize};

use super::composite::{Activation, Composite, LayerSite, Start};
use super::method::{Method, Smoothing};
use crate::data::Target;
use crate::raster::ImageShape;
use crate::task::Task;
use crate::unit::{Unit, Units};

/// What the maps of an explanation mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meaning {
    pub units: Units,
    /// What the relevance of a map is meant to add up to; none where it is not meant to add up to anything.
    pub sum: Option<Sum>,
    /// Whether relevance is 0 wherever the image is 0.
    pub blind: bool,
    /// The noise under which maps are averaged.
    pub smoothing: Option<Smoothing>,
    /// Windows of occlusion that leave pixels uncovered.
    pub gaps: Option<Gaps>,
}

/// What the relevance of a map is meant to add up to (Sundararajan et al. 2017, arXiv 1703.01365, call it completeness).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sum {
    /// The output less the reference: `explain.reference`, or 0 without one.
    Difference,
    /// The output where it is positive, else 0.
    PositiveOutput,
    /// The output less that for the image which has this intensity everywhere.
    FromBaseline(f64),
}

/// Occlusion that leaves pixels uncovered, whose relevance is 0 whatever they mean to the network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gaps {
    pub window: usize,
    pub stride: usize,
    /// The share of the pixels that windows cover.
    pub covered: f64,
}

/// What the meaning of its explanations depends on, of a network.
#[derive(Debug, Clone, Copy)]
pub struct ExplainedNetwork<'a> {
    pub task: Task,
    pub target: &'a Target,
    /// The first linear layer.
    pub entry: LayerSite<'a>,
    /// Of the images.
    pub shape: ImageShape,
}

impl Meaning {
    /// What maps of `method` mean for such a network.
    pub fn of(method: &Method, network: &ExplainedNetwork) -> Self {
        Self {
            units: Units::of(network.task, network.target, method.unit()),
            sum: method.sum(),
            blind: method.is_blind_to_zeros(&network.entry),
            smoothing: method.smoothing(),
            gaps: method.gaps(network.shape),
        }
    }
}

impl Method {
    /// The unit of a pixel's relevance.
    fn unit(&self) -> Unit {
        match self {
            Self::Propagation(composite) => composite.unit(),
            Self::InputTimesGradient | Self::IntegratedGradients { .. } | Self::Occlusion { .. } => Unit::OUTPUT,
            Self::Input | Self::Random { .. } => Unit::INTENSITY,
            Self::Smooth { of, .. } => of.unit(),
        }
    }

    fn sum(&self) -> Option<Sum> {
        match self {
            Self::Propagation(composite) => composite.sum(),
            // In a network of ReLUs these are the maps of LRP-0.
            Self::InputTimesGradient => Some(Sum::Difference),
            Self::IntegratedGradients { baseline, .. } => Some(Sum::FromBaseline(*baseline)),
            Self::Occlusion { .. } | Self::Input | Self::Random { .. } => None,
            Self::Smooth { of, .. } => of.sum(),
        }
    }

    fn smoothing(&self) -> Option<Smoothing> {
        match self {
            Self::Smooth { smoothing, .. } => Some(*smoothing),
            _ => None,
        }
    }

    fn gaps(&self, shape: ImageShape) -> Option<Gaps> {
        match *self {
            Self::Occlusion { window, stride, .. } => {
                let along = |side: usize| {
                    let mut covered = vec![false; side];
                    starts(side, window, stride).for_each(|start| covered[start..][..window.min(side)].fill(true));
                    covered.iter().filter(|covered| **covered).count() as f64 / side as f64
                };
                let covered = along(shape.height) * along(shape.width);
                (covered < 1.0).then_some(Gaps { window, stride, covered })
            }
            Self::Smooth { ref of, .. } => of.gaps(shape),
            _ => None,
        }
    }
}

/// Where the windows of occlusion begin along a `side`: every `stride` pixels, and so that the last one ends with the image.
pub fn starts(side: usize, window: usize, stride: usize) -> impl Iterator<Item = usize> {
    let last = side.saturating_sub(window);
    (0..last).step_by(stride).chain([last])
}

impl Composite {
    /// Whether its rules share relevance out; otherwise they follow the chain rule, as a gradient does.
    fn shares_out(&self) -> bool {
        self.activation == Activation::Pass
    }

    fn unit(&self) -> Unit {
        let start = match self.start {
            Start::Prediction | Start::PositivePrediction => Unit::OUTPUT,
            Start::One => Unit::ONE,
        };
        if self.shares_out() { start } else { start.times(Unit::OUTPUT).per(Unit::INTENSITY) }
    }

    fn sum(&self) -> Option<Sum> {
        match self.start {
            Start::Prediction if self.shares_out() => Some(Sum::Difference),
            Start::PositivePrediction if self.shares_out() => Some(Sum::PositiveOutput),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::{Analyzer, ExplainSettings, LayerKind};

    fn pumpkin_net(task: Task, target: &Target) -> ExplainedNetwork<'_> {
        let entry = LayerSite { name: "conv1", kind: LayerKind::Conv, depth: 0, last: false };
        ExplainedNetwork { task, target, entry, shape: crate::sim::SHAPE }
    }

    fn meaning(toml: &str, task: Task) -> Meaning {
        let settings: ExplainSettings = toml::from_str(toml).expect("well-formed settings");
        Meaning::of(&settings.method(), &pumpkin_net(task, &crate::sim::age()))
    }

    #[test]
    fn every_analyzer_has_its_unit_and_its_sum() {
        for &analyzer in Analyzer::NAMES {
            let of = |task| meaning(&format!("analyzer = '{analyzer}'"), task);
            let Meaning { units, sum, .. } = of(Task::Regression);
            let (unit, expected) = match analyzer {
                "gradient" | "gradient.baseline" | "smoothgrad" => ("years per unit of intensity", None),
                "deconvnet" | "guided_backprop" => ("years^2 per unit of intensity", None),
                "input" | "random" => ("intensity", None),
                "occlusion" => ("years", None),
                "integrated_gradients" => ("years", Some(Sum::FromBaseline(0.0))),
                "deep_taylor" | "deep_taylor.bounded" => ("years", Some(Sum::PositiveOutput)),
                name => {
                    assert!(name.starts_with("lrp") || name.starts_with("zennit.") || name == "input_t_gradient");
                    ("years", Some(Sum::Difference))
                }
            };
            assert_eq!((units.of_relevance().as_str(), sum), (unit, expected), "{analyzer}");
            let of_class = of(Task::Classification).units.of_relevance();
            assert_eq!(of_class, unit.replace("years", "logit"), "{analyzer}");
        }
    }

    /// Whoever is wrapped keeps its unit and its sum; noise alone lets it see pixels of 0.
    #[test]
    fn wrappers_carry_the_meaning_through() {
        for analyzer in Analyzer::NAMES {
            let with = |smooth: &str| meaning(&format!("analyzer = '{analyzer}'\n{smooth}"), Task::Regression);
            let plain = with("");
            assert_eq!(with("smooth = { samples = 3, sigma = 0.0 }"), plain, "{analyzer} without noise");
            let noisy = with("smooth = { samples = 3, sigma = 0.1 }");
            assert_eq!((&noisy.units, noisy.sum), (&plain.units, plain.sum), "{analyzer}");
            assert!(!noisy.blind && noisy.smoothing.is_some(), "{analyzer}");
        }
        assert_eq!(
            meaning("analyzer = 'smoothgrad'\nsigma = 0", Task::Regression),
            meaning("analyzer = 'gradient'", Task::Regression)
        );
        let wide = meaning("analyzer = 'integrated_gradients'\nbaseline = 0.8", Task::Regression);
        assert_eq!((wide.sum, wide.blind), (Some(Sum::FromBaseline(0.8)), false));
    }

    #[test]
    fn occlusion_of_single_pixels_by_0_is_blind_and_gaps_are_known() {
        let of = |settings: &str| meaning(&format!("analyzer = 'occlusion'\n{settings}"), Task::Regression);
        assert!(of("window = 1\nstride = 1\nfill = 0").blind && of("window = 1\nstride = 5\nfill = 0").blind);
        assert!(!of("window = 1\nstride = 1").blind && !of("window = 2\nstride = 1\nfill = 0").blind);
        assert_eq!(of("").gaps, None);
        assert_eq!(of("window = 98\nstride = 98").gaps, None);
        // 14 windows from 0 on and the one at the end, along either side.
        let gaps = of("window = 1\nstride = 7\nsmooth = { samples = 2 }").gaps.expect("gaps");
        assert!((gaps.covered - (15.0_f64 / 98.0).powi(2)).abs() < 1e-12, "{gaps:?}");
        let wide = Method::Occlusion { window: 4, stride: 8, fill: 0.0 }.gaps(ImageShape::plane(4, 16));
        assert_eq!(wide.map(|gaps| gaps.covered), Some(0.75), "columns 0 to 3, 8 to 15");
    }
}
