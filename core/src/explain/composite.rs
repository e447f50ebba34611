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
    /// Pooling by means, which is linear.
    AvgPool,
    /// The sum that ends a residual block.
    Sum,
}

/// A layer as a composite sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerSite<'a> {
    pub name: &'a str,
    pub kind: LayerKind,
    /// How many convolutions and dense layers come before it.
    pub depth: usize,
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
            LayerSpec::AvgPool { .. } | LayerSpec::AdaptiveAvgPool { .. } | LayerSpec::GlobalAvgPool => {
                Some(LayerKind::AvgPool)
            }
            LayerSpec::Sum => Some(LayerKind::Sum),
            LayerSpec::Relu
            | LayerSpec::LeakyRelu { .. }
            | LayerSpec::Elu { .. }
            | LayerSpec::MaxPool { .. }
            | LayerSpec::Flatten
            | LayerSpec::Dropout { .. }
            | LayerSpec::Branch
            | LayerSpec::Shortcut => None,
        };
        let linear = network.layers.iter().filter_map(|named| Some((named.name.as_str(), kind(&named.layer)?)));
        let mut weighted = 0;
        let site = |(name, kind)| {
            let site = Self { name, kind, depth: weighted, last: false };
            weighted += usize::from(site.is_weighted());
            site
        };
        let mut sites: Vec<Self> = linear.map(site).collect();
        if let Some(last) = sites.iter().rposition(Self::is_weighted) {
            sites[last].last = true;
        }
        sites
    }

    fn is_weighted(&self) -> bool {
        matches!(self.kind, LayerKind::Conv | LayerKind::Dense)
    }
}

/// Selects layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    Any,
    /// So many convolutions and dense layers nearest to the input.
    First(usize),
    Last,
    Kind(LayerKind),
    Name(String),
}

impl Selector {
    pub fn selects(&self, site: &LayerSite) -> bool {
        match self {
            Self::Any => true,
            Self::First(count) => site.is_weighted() && site.depth < *count,
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
    /// Whether batch norm right behind a convolution or a dense layer becomes part of it (Zennit's `SequentialMergeBatchNorm`), so
    /// that both are one layer with one rule.
    pub merges_batch_norm: bool,
}

impl Composite {
    /// Layer-wise relevance propagation by these rules.
    ///
    /// Batch norm y = s x + t follows iNNvestigate's rule, R_in = x (y - beta) / (x - mu) R / y = s x R / y with y
    /// stabilised by 1e-7, unless an earlier entry says otherwise. Likewise means and the sums of residual blocks share relevance
    /// out in proportion to what each input adds (Zennit's `Norm` for its `AvgPool` and `Sum`, with the same 1e-6; Anders et al.
    /// 2021, arXiv 2106.13200).
    pub fn lrp(rules: impl IntoIterator<Item = (Selector, Rule)>) -> Self {
        let batch_norm = (Selector::Kind(LayerKind::BatchNorm), Rule::epsilon(1e-7, Bias::Full));
        let plain =
            [LayerKind::AvgPool, LayerKind::Sum].map(|kind| (Selector::Kind(kind), Rule::epsilon(1e-6, Bias::Full)));
        let rules = rules.into_iter().chain([batch_norm]).chain(plain).collect();
        Self { start: Start::Prediction, activation: Activation::Pass, rules, merges_batch_norm: true }
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
        self.rules.insert(0, (Selector::First(1), rule));
        self
    }

    /// This composite, with another rule for the `count` convolutions and dense layers nearest to the input.
    pub fn with_first_layers(mut self, count: usize, rule: &Rule) -> Self {
        self.rules.insert(0, (Selector::First(count), rule.clone()));
        self
    }

    /// The chain rule through every layer, with `activation` in place of ReLU's gradient.
    pub fn gradient(start: Start, activation: Activation) -> Self {
        let kinds = [LayerKind::BatchNorm, LayerKind::Conv, LayerKind::Dense, LayerKind::AvgPool, LayerKind::Sum];
        let rules = kinds.map(|kind| (Selector::Kind(kind), Rule::gradient()));
        Self { start, activation, rules: rules.into(), merges_batch_norm: false }
    }

    /// Whether it propagates relevance that starts as the prediction.
    pub fn is_relevance(&self) -> bool {
        self.start == Start::Prediction && self.activation == Activation::Pass
    }

    /// Whether this batch norm is merged into the layer before it: not where an entry names it.
    pub fn merges(&self, batch_norm: &str) -> bool {
        let names = |selector: &Selector| matches!(selector, Selector::Name(name) if name == batch_norm);
        self.merges_batch_norm && !self.rules.iter().any(|(selector, _)| names(selector))
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
        let site = |kind, first: bool| LayerSite { name: "layer", kind, depth: usize::from(!first), last: false };
        assert_eq!(composite.rule(&site(LayerKind::Conv, true)), Some(&Rule::flat(Denominator::Safe)));
        assert_eq!(composite.rule(&site(LayerKind::Conv, false)), Some(&Rule::z_plus()));
        assert_eq!(composite.rule(&site(LayerKind::Dense, false)), Some(&dense));
        assert_eq!(composite.rule(&site(LayerKind::BatchNorm, false)), Some(&Rule::epsilon(1e-7, Bias::Full)));
        assert_eq!(Composite::lrp([]).rule(&site(LayerKind::Conv, false)), None);
        assert_eq!(composite.rule(&site(LayerKind::Sum, true)), Some(&Rule::epsilon(1e-6, Bias::Full)));
        let three = Composite::layered(Rule::z_plus(), dense).with_first_layers(3, &Rule::flat(Denominator::Safe));
        let rule = |depth| three.rule(&LayerSite { name: "layer", kind: LayerKind::Conv, depth, last: false });
        assert_eq!([rule(2), rule(3)], [Some(&Rule::flat(Denominator::Safe)), Some(&Rule::z_plus())]);
    }

    #[test]
    fn a_name_selects_one_layer() {
        let selector = Selector::Name("conv2".into());
        let site = |name| LayerSite { name, kind: LayerKind::Conv, depth: 1, last: false };
        assert!(selector.selects(&site("conv2")));
        assert!(!selector.selects(&site("conv3")));
    }
}
