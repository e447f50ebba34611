//! `[[explain.composite]]`: rules of relevance propagation, layer by layer.

use indexmap::IndexSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Bias;
use crate::explain::{Composite, Denominator, LayerKind, LayerSite, Rule, Selector};
use crate::net::{NetworkSpec, PumpkinNet};
use crate::settings::Invalid;
use crate::settings::near_miss;
use crate::settings::number::{Bound, number, plain};
use crate::shown::shown;

/// The rules by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleName {
    Z,
    Epsilon,
    AlphaBeta,
    ZPlus,
    Gamma,
    WSquare,
    Flat,
    ZB,
}

/// One entry of a composite: the rule for the layers that it selects, unless an earlier entry selects them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompositeEntry {
    /// A kind of layers ("conv", "dense", "batch_norm", "avg_pool", "sum" of residual blocks, "any") or one of them: "input" for the first, "output" for the last, or
    /// its name, such as "conv1" to "conv5" and "bn1" to "bn6" of PumpkinNet.
    pub layer: String,
    /// How relevance is distributed among the layer's inputs.
    pub rule: RuleName,
    /// The stabiliser of epsilon (default: 1e-7). It is also added to the denominators of alpha_beta and gamma.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// For alpha_beta: the weight of positive contributions. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// For alpha_beta: the weight of negative contributions, which must be `alpha - 1` (the default).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// How z, epsilon, alpha_beta and gamma treat biases: "full" (the default), "signed" or "ignore".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias: Option<Bias>,
    /// For gamma: how strongly it favours contributions that agree with the sign of the layer's output. Default:
    /// 0.25.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// For z_b: the smallest value of the layer's input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// For z_b: the largest value of the layer's input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

/// Kinds of layers, each with what it selects.
const KINDS: [(&str, Selector); 8] = [
    ("any", Selector::Any),
    ("conv", Selector::Kind(LayerKind::Conv)),
    ("dense", Selector::Kind(LayerKind::Dense)),
    ("batch_norm", Selector::Kind(LayerKind::BatchNorm)),
    ("avg_pool", Selector::Kind(LayerKind::AvgPool)),
    ("sum", Selector::Kind(LayerKind::Sum)),
    ("input", Selector::First(1)),
    ("output", Selector::Last),
];

impl RuleName {
    fn name(self) -> &'static str {
        match self {
            Self::Z => "z",
            Self::Epsilon => "epsilon",
            Self::AlphaBeta => "alpha_beta",
            Self::ZPlus => "z_plus",
            Self::Gamma => "gamma",
            Self::WSquare => "w_square",
            Self::Flat => "flat",
            Self::ZB => "z_b",
        }
    }

    /// The parameters it reads.
    fn reads(self) -> &'static [&'static str] {
        match self {
            Self::Z => &["bias"],
            Self::Epsilon => &["epsilon", "bias"],
            Self::AlphaBeta => &["alpha", "beta", "bias", "epsilon"],
            Self::Gamma => &["gamma", "bias", "epsilon"],
            Self::ZB => &["low", "high"],
            Self::ZPlus | Self::WSquare | Self::Flat => &[],
        }
    }
}

impl CompositeEntry {
    fn alpha(&self) -> f64 {
        self.alpha.unwrap_or_else(|| self.beta.map_or(1.0, |beta| beta + 1.0))
    }

    fn beta(&self) -> f64 {
        self.beta.unwrap_or_else(|| self.alpha() - 1.0)
    }

    fn selector(&self) -> Selector {
        let kind = KINDS.iter().find(|(name, _)| *name == self.layer).map(|(_, selector)| selector.clone());
        kind.unwrap_or_else(|| Selector::Name(self.layer.clone()))
    }

    fn rule(&self) -> Rule {
        let bias = self.bias.unwrap_or(Bias::Full);
        let denominator = self.epsilon.map_or(Denominator::Safe, Denominator::Epsilon);
        match self.rule {
            RuleName::Z => Rule::z(bias),
            RuleName::Epsilon => Rule::epsilon(self.epsilon.unwrap_or(1e-7), bias),
            RuleName::AlphaBeta => Rule::alpha_beta(self.alpha(), self.beta(), bias, denominator),
            RuleName::ZPlus => Rule::z_plus(),
            RuleName::Gamma => Rule::gamma(self.gamma.unwrap_or(0.25), bias, denominator),
            RuleName::WSquare => Rule::w_square(Denominator::Safe),
            RuleName::Flat => Rule::flat(Denominator::Safe),
            RuleName::ZB => Rule::z_bounded(self.low.unwrap_or(0.0), self.high.unwrap_or(1.0), Denominator::Safe),
        }
    }

    fn given(&self) -> [(&'static str, Option<f64>); 6] {
        [
            ("epsilon", self.epsilon),
            ("alpha", self.alpha),
            ("beta", self.beta),
            ("gamma", self.gamma),
            ("low", self.low),
            ("high", self.high),
        ]
    }

    /// What is wrong with the entry; `place` is its dotted key.
    fn validate(&self, place: &str) -> Vec<Invalid> {
        let refuse = |key: &str, message: String, help: &str| Invalid::new(format!("{place}.{key}"), message, help);
        let mut invalid = Vec::new();
        let (name, reads) = (self.rule.name(), self.rule.reads());
        let bias = self.bias.map(|_| "bias");
        let given = self.given();
        for key in given.iter().filter_map(|(key, value)| value.map(|_| *key)).chain(bias) {
            if !reads.contains(&key) {
                let help = match reads {
                    [] => format!("leave it out: `{name}` has no parameters"),
                    _ => format!("leave it out: `{name}` reads {}", reads.join(", ")),
                };
                invalid.push(refuse(key, format!("the rule `{name}` does not read `{key}`"), &help));
            }
        }
        if !invalid.is_empty() {
            return invalid;
        }
        for (key, value) in given.iter().filter_map(|(key, value)| value.map(|value| (*key, value))) {
            let bound = match key {
                "alpha" => Bound::AtLeast(1.0),
                "low" | "high" => Bound::Any,
                _ => Bound::AtLeast(0.0),
            };
            invalid.extend(number(&format!("{place}.{key}"), value, bound));
        }
        let excess = self.alpha() - self.beta() - 1.0;
        if invalid.is_empty() && excess.abs() > 1e-9 {
            let key = if self.beta.is_some() { "beta" } else { "alpha" };
            let message = format!("alpha - beta must be 1, but {} - {} is {}", self.alpha(), self.beta(), excess + 1.0);
            invalid.push(refuse(key, message, "give alpha alone: beta is then alpha - 1"));
        }
        if self.rule == RuleName::ZB && invalid.is_empty() {
            match (self.low, self.high) {
                (Some(low), Some(high)) if low < high => {}
                (Some(low), Some(high)) => {
                    let message = format!("low must be below high, but they are {} and {}", plain(low), plain(high));
                    invalid.push(refuse("low", message, "use two numbers with `low` below `high`"));
                }
                _ => invalid.push(refuse(
                    "rule",
                    "`z_b` needs `low` and `high`, the bounds of the layer's input".into(),
                    "for pixels give low = 0 and high = 1",
                )),
            }
        }
        invalid
    }
}

/// The composite that a list of entries describes.
pub fn composite(entries: &[CompositeEntry]) -> Composite {
    // Who gives a rule for batch norm wants it to be a layer of its own.
    let merges_batch_norm = !entries.iter().any(|entry| entry.layer == "batch_norm");
    let composite = Composite::lrp(entries.iter().map(|entry| (entry.selector(), entry.rule())));
    Composite { merges_batch_norm, ..composite }
}

/// What is wrong with the entries of `explain.composite`, whatever the network.
pub fn validate(entries: &[CompositeEntry]) -> Vec<Invalid> {
    if entries.is_empty() {
        let help = "add entries, such as layer = \"any\", rule = \"epsilon\"";
        return vec![Invalid::new("explain.composite", "no entry gives a rule for any layer", help)];
    }
    let each = entries.iter().enumerate();
    each.flat_map(|(index, entry)| entry.validate(&format!("explain.composite.{index}"))).collect()
}

/// What is wrong with the entries for this network: names that none of its layers has, and layers without a rule.
pub fn validate_for(entries: &[CompositeEntry], network: &NetworkSpec) -> Vec<Invalid> {
    let sites = LayerSite::of(network);
    // A sweep over batch normalisation has one composite for networks with and without it.
    let normed = PumpkinNet::found_in(network).map(|net| PumpkinNet { batch_norm: true, ..net });
    let normed = normed.map(|net| net.network(network.input, 0.0));
    let optional = normed.iter().flat_map(LayerSite::of).map(|site| site.name).filter(|name| name.starts_with("bn"));
    let kinds = KINDS.iter().map(|(name, _)| *name);
    let names: IndexSet<&str> = kinds.chain(sites.iter().map(|site| site.name)).chain(optional).collect();
    let mut invalid = Vec::new();
    for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| !names.contains(entry.layer.as_str())) {
        let all = names.iter().copied().collect::<Vec<_>>().join(", ");
        let help = match near_miss(&entry.layer, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? Layers: {all}"),
            None => format!("layers: {all}"),
        };
        let message = format!("there is no layer `{}`", shown(&entry.layer));
        invalid.push(Invalid::new(format!("explain.composite.{index}.layer"), message, help));
    }
    let composite = composite(entries);
    let without: Vec<&str> = sites.iter().filter(|site| composite.rule(site).is_none()).map(|site| site.name).collect();
    if invalid.is_empty() && !without.is_empty() {
        let message = format!("no entry gives a rule for {}", without.join(", "));
        let help = "add an entry for them, or a last one for layer = \"any\"";
        invalid.push(Invalid::new("explain.composite", message, help));
    }
    invalid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::ExplainSettings;
    use crate::net::ModelSettings;
    use crate::raster::ImageShape;
    use crate::sim::SHAPE;

    fn pumpkin_net() -> NetworkSpec {
        ModelSettings::default().network(SHAPE).expect("a network")
    }

    /// The keys of what is wrong with a spec of these entries, and what is said of the first.
    fn refused(entries: &str) -> (Vec<String>, String) {
        let settings: ExplainSettings =
            toml::from_str(&format!("analyzer = 'lrp'\ncomposite = [{entries}]")).expect("well-formed settings");
        let mut invalid = settings.validate();
        invalid.extend(settings.validate_for_network(&pumpkin_net()));
        let said = invalid.first().map(|i| format!("{} {}", i.message, i.help)).unwrap_or_default();
        (invalid.into_iter().map(|invalid| invalid.key).collect(), said)
    }

    /// Whatever an entry says reaches the rule.
    #[test]
    fn every_parameter_of_an_entry_is_part_of_its_rule() {
        let (safe, shifted) = (Denominator::Safe, Denominator::Epsilon(0.5));
        let cases = [
            ("rule = 'z'", Rule::z(Bias::Full)),
            ("rule = 'z', bias = 'ignore'", Rule::z(Bias::Ignore)),
            ("rule = 'epsilon'", Rule::epsilon(1e-7, Bias::Full)),
            ("rule = 'epsilon', epsilon = 0.5, bias = 'ignore'", Rule::epsilon(0.5, Bias::Ignore)),
            ("rule = 'alpha_beta'", Rule::alpha_beta(1.0, 0.0, Bias::Full, safe)),
            ("rule = 'alpha_beta', alpha = 3, bias = 'signed'", Rule::alpha_beta(3.0, 2.0, Bias::Signed, safe)),
            ("rule = 'alpha_beta', beta = 2, epsilon = 0.5", Rule::alpha_beta(3.0, 2.0, Bias::Full, shifted)),
            ("rule = 'gamma'", Rule::gamma(0.25, Bias::Full, safe)),
            ("rule = 'gamma', gamma = 2, bias = 'ignore'", Rule::gamma(2.0, Bias::Ignore, safe)),
            ("rule = 'gamma', epsilon = 0.5", Rule::gamma(0.25, Bias::Full, shifted)),
            ("rule = 'z_plus'", Rule::z_plus()),
            ("rule = 'w_square'", Rule::w_square(safe)),
            ("rule = 'flat'", Rule::flat(safe)),
            ("rule = 'z_b', low = -1, high = 2", Rule::z_bounded(-1.0, 2.0, safe)),
        ];
        for (entry, expected) in cases {
            let entry: CompositeEntry =
                toml::from_str(&format!("layer = 'conv2'\n{}", entry.replace(", ", "\n"))).unwrap();
            let composite = composite(&[entry]);
            let (selector, rule) = &composite.rules[0];
            assert_eq!((selector, rule), (&Selector::Name("conv2".into()), &expected));
        }
    }

    #[test]
    fn impossible_entries_are_refused_where_they_stand() {
        for (entry, key, said) in [
            ("layer = 'any', rule = 'alpha_beta', alpha = 2, beta = 2", "0.beta", "alpha - beta must be 1"),
            ("layer = 'any', rule = 'alpha_beta', alpha = 0.5", "0.alpha", "must be at least 1, got 0.5"),
            ("layer = 'any', rule = 'z_b'", "0.rule", "low = 0"),
            ("layer = 'any', rule = 'z_b', low = 0", "0.rule", "`low` and `high`"),
            ("layer = 'any', rule = 'z_b', low = 1, high = 0", "0.low", "low must be below high"),
            ("layer = 'cnov1', rule = 'z'", "0.layer", "did you mean `conv1`?"),
            ("layer = 'any', rule = 'flat', epsilon = 1", "0.epsilon", "no parameters"),
            ("layer = 'any', rule = 'z', gamma = 1", "0.gamma", "reads bias"),
            ("layer = 'any', rule = 'gamma', gamma = -1", "0.gamma", "at least 0, got -1"),
        ] {
            let (keys, message) = refused(&format!("{{ {entry} }}, {{ layer = 'any', rule = 'z' }}"));
            assert_eq!(keys, [format!("explain.composite.{key}")], "{entry}");
            assert!(message.contains(said), "{message}");
        }
    }

    #[test]
    fn every_layer_needs_a_rule() {
        let (keys, message) = refused("{ layer = 'conv', rule = 'z' }, { layer = 'output', rule = 'z' }");
        assert_eq!(keys, ["explain.composite"]);
        assert!(message.contains("a rule for dense"), "{message}");
        assert_eq!(refused("{ layer = 'conv', rule = 'z' }, { layer = 'dense', rule = 'z' }").0, [""; 0]);
        assert_eq!(refused("").0, ["explain.composite"]);
        assert_eq!(refused("{ layer = 'bn2', rule = 'z' }, { layer = 'any', rule = 'z' }").0, [""; 0]);
    }

    /// Layers are addressed by kind, name and position in any network.
    #[test]
    fn entries_select_layers_of_any_network() {
        let model: ModelSettings = toml::from_str(
            "architecture = 'layers'\nlayers = [{ type = 'batch_norm' }, { type = 'conv', filters = 2, name = 'stem' }, \
             { type = 'relu' }, { type = 'conv', filters = 3 }, { type = 'flatten' }, { type = 'dense', units = 1 }]",
        )
        .unwrap();
        let network = model.network(ImageShape::new(3, 8, 9)).unwrap();
        let entries: Vec<CompositeEntry> = ["stem", "conv", "batch_norm", "output"]
            .map(|layer| toml::from_str(&format!("layer = '{layer}'\nrule = 'z'")).unwrap())
            .into();
        assert_eq!(validate_for(&entries, &network), []);
        let sites = LayerSite::of(&network);
        let told: Vec<_> = sites.iter().map(|site| (site.name, site.kind, site.depth, site.last)).collect();
        let expected = [
            ("bn1", LayerKind::BatchNorm, 0, false),
            ("stem", LayerKind::Conv, 0, false),
            ("conv2", LayerKind::Conv, 1, false),
            ("dense1", LayerKind::Dense, 2, true),
        ];
        assert_eq!(told, expected);
        let without = validate_for(&entries[..2], &network);
        assert!(
            without[0].message.ends_with("a rule for dense1"),
            "batch norm has one by default: {}",
            without[0].message
        );
        let mut other = entries;
        other[0].layer = "conv1".into();
        let invalid = validate_for(&other, &network);
        assert_eq!(invalid[0].key, "explain.composite.0.layer");
        assert!(invalid[0].help.contains("stem, conv2"), "{}", invalid[0].help);
    }

    #[test]
    fn a_composite_belongs_to_lrp_and_lrp_to_a_composite() {
        let keys = |text: &str| {
            let settings: ExplainSettings = toml::from_str(text).expect("well-formed settings");
            settings.validate().into_iter().map(|invalid| invalid.key).collect::<Vec<_>>()
        };
        assert_eq!(keys("analyzer = 'lrp'"), ["explain.composite"]);
        assert_eq!(keys("composite = [{ layer = 'any', rule = 'z' }]"), ["explain.composite"]);
        assert_eq!(keys("analyzer = 'lrp'\ncomposite = [{ layer = 'any', rule = 'z' }]"), [""; 0]);
    }
}
