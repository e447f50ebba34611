//! Composites: which rule propagates relevance through which layer.

use super::rule::Rule;
use crate::explain::Bias;
use crate::net::{LayerSpec, NetworkSpec};

/// The kinds of layer that a rule acts on. All others only pass relevance on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    BatchNorm,
    Conv,
    Dense,
}

/// A layer as a composite sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerSite<'a> {
    pub name: &'a str,
    pub kind: LayerKind,
    /// Whether it is the convolution or dense layer nearest to the input.
    pub first: bool,
    /// Whether it is the layer that puts the prediction out.
    pub last: bool,
}

impl<'a> LayerSite<'a> {
    /// The layers of a network that rules act on, from the input on.
    pub fn of(network: &'a NetworkSpec) -> Vec<Self> {
        let kind = |layer: &LayerSpec| match layer {
            LayerSpec::Conv { .. } => Some(LayerKind::Conv),
            LayerSpec::Dense { .. } => Some(LayerKind::Dense),
            LayerSpec::BatchNorm { .. } => Some(LayerKind::BatchNorm),
            LayerSpec::Relu | LayerSpec::MaxPool { .. } | LayerSpec::Flatten | LayerSpec::Dropout { .. } => None,
        };
        let linear = network.layers.iter().filter_map(|named| Some((named.name.as_str(), kind(&named.layer)?)));
        let mut sites: Vec<Self> = linear.map(|(name, kind)| Self { name, kind, first: false, last: false }).collect();
        let is_weighted = |site: &Self| site.kind != LayerKind::BatchNorm;
        if let (Some(first), Some(last)) = (sites.iter().position(is_weighted), sites.iter().rposition(is_weighted)) {
            sites[first].first = true;
            sites[last].last = true;
        }
        sites
    }
}

/// Selects layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    Any,
    First,
    Last,
    Kind(LayerKind),
    Name(String),
}

impl Selector {
    pub fn selects(&self, site: &LayerSite) -> bool {
        match self {
            Self::Any => true,
            Self::First => site.first,
            Self::Last => site.last,
            Self::Kind(kind) => *kind == site.kind,
            Self::Name(name) => name == site.name,
        }
    }
}

/// What relevance starts with at the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The prediction itself, in years; for a classification the larger logit.
    Prediction,
    /// The prediction where it is positive, else 0.
    PositivePrediction,
    /// 1, as for a gradient.
    One,
}

/// What an activation does to the relevance that goes back through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Pass,
    /// Keeps it where the activation's input was positive: the gradient of ReLU.
    Gradient,
    /// Keeps what is positive (Zeiler and Fergus 2014, doi 10.1007/978-3-319-10590-1_53).
    Deconvnet,
    /// Keeps what is positive, where the activation's input was (Springenberg et al. 2015, arXiv 1412.6806).
    Guided,
}

/// A way of propagating relevance through a whole network.
#[derive(Debug, Clone, PartialEq)]
pub struct Composite {
    pub start: Start,
    pub activation: Activation,
    /// Rules by layer: the first whose selector matches is taken.
    pub rules: Vec<(Selector, Rule)>,
}

impl Composite {
    /// Layer-wise relevance propagation by these rules.
    ///
    /// Batch norm y = s x + t follows iNNvestigate's rule, R_in = x (y - beta) / (x - mu) R / y = s x R / y with y
    /// stabilised by 1e-7, unless an earlier entry says otherwise.
    pub fn lrp(rules: impl IntoIterator<Item = (Selector, Rule)>) -> Self {
        let batch_norm = (Selector::Kind(LayerKind::BatchNorm), Rule::epsilon(1e-7, Bias::Full));
        let rules = rules.into_iter().chain([batch_norm]).collect();
        Self { start: Start::Prediction, activation: Activation::Pass, rules }
    }

    /// The same rule for every convolution and dense layer.
    pub fn uniform(rule: Rule) -> Self {
        Self::layered(rule.clone(), rule)
    }

    /// One rule for convolutions and one for dense layers.
    pub fn layered(conv: Rule, dense: Rule) -> Self {
        Self::lrp([(Selector::Kind(LayerKind::Conv), conv), (Selector::Kind(LayerKind::Dense), dense)])
    }

    /// This composite, with another rule for the layer nearest to the input.
    pub fn with_first(mut self, rule: Rule) -> Self {
        self.rules.insert(0, (Selector::First, rule));
        self
    }

    /// This composite, with another rule for the `count` convolutions and dense layers nearest to the input.
    pub fn with_first_layers(mut self, count: usize, rule: &Rule) -> Self {
        let names = ["conv1", "conv2", "conv3", "conv4", "conv5", "dense", "output"];
        let rules = names.into_iter().take(count).map(|name| (Selector::Name(name.into()), rule.clone()));
        self.rules.splice(0..0, rules);
        self
    }

    /// The chain rule through every layer, with `activation` in place of ReLU's gradient.
    pub fn gradient(start: Start, activation: Activation) -> Self {
        let kinds = [LayerKind::BatchNorm, LayerKind::Conv, LayerKind::Dense];
        let rules = kinds.map(|kind| (Selector::Kind(kind), Rule::gradient()));
        Self { start, activation, rules: rules.into() }
    }

    /// Whether it propagates relevance that starts as the prediction.
    pub fn is_relevance(&self) -> bool {
        self.start == Start::Prediction && self.activation == Activation::Pass
    }

    /// The rule for a layer, if any entry matches.
    pub fn rule(&self, site: &LayerSite) -> Option<&Rule> {
        self.rules.iter().find(|(selector, _)| selector.selects(site)).map(|(_, rule)| rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::rule::Denominator;

    #[test]
    fn the_first_matching_entry_decides() {
        let dense = Rule::epsilon(0.1, Bias::Full);
        let composite = Composite::layered(Rule::z_plus(), dense.clone()).with_first(Rule::flat(Denominator::Safe));
        let site = |kind, first| LayerSite { name: "layer", kind, first, last: false };
        assert_eq!(composite.rule(&site(LayerKind::Conv, true)), Some(&Rule::flat(Denominator::Safe)));
        assert_eq!(composite.rule(&site(LayerKind::Conv, false)), Some(&Rule::z_plus()));
        assert_eq!(composite.rule(&site(LayerKind::Dense, false)), Some(&dense));
        assert_eq!(composite.rule(&site(LayerKind::BatchNorm, false)), Some(&Rule::epsilon(1e-7, Bias::Full)));
        assert_eq!(Composite::lrp([]).rule(&site(LayerKind::Conv, false)), None);
    }

    #[test]
    fn a_name_selects_one_layer() {
        let selector = Selector::Name("conv2".into());
        let site = |name| LayerSite { name, kind: LayerKind::Conv, first: false, last: false };
        assert!(selector.selects(&site("conv2")));
        assert!(!selector.selects(&site("conv3")));
    }
}
