//! `[explain]`: how predictions are explained.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::explain_error::near_miss;
use super::invalid::Invalid;
use crate::explain::{Parameter, analyzer, analyzer_names, analyzers};
use crate::sim::Split;

/// What rules do with a layer's bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bias {
    /// All of it counts in every denominator (iNNvestigate).
    Full,
    /// Its positive part counts with what excites, its negative part with what inhibits (Zennit).
    Signed,
    /// It does not count.
    Ignore,
}

/// `[explain]`: the relevance maps. A setting that the analyzer does not read is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExplainSettings {
    /// How relevance is found, by iNNvestigate's names.
    #[schemars(schema_with = "analyzer_schema")]
    pub analyzer: String,
    /// Which images are explained: "test", "validation", "train" or "all".
    pub subset: Split,
    /// Stabiliser of the epsilon rule, in units of the layer's output (at the output layer: years). By default the
    /// analyzer's own: 0.1 in the presets, 1e-7 in `lrp.epsilon`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// What rules do with biases: "full", "signed" or "ignore". By default the analyzer's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias: Option<Bias>,
}

impl Default for ExplainSettings {
    fn default() -> Self {
        Self { analyzer: "lrp.sequential_preset_a".into(), subset: Split::Test, epsilon: None, bias: None }
    }
}

impl ExplainSettings {
    /// Everything that cannot be carried out, each with its dotted key.
    pub fn validate(&self) -> Vec<Invalid> {
        let mut invalid = self.validate_analyzer();
        if let Some(epsilon) = self.epsilon.filter(|epsilon| !epsilon.is_finite() || *epsilon < 0.0) {
            invalid.push(Invalid::new(
                "explain.epsilon",
                format!("{epsilon} cannot stabilise a division"),
                "use a finite number of at least 0, such as 0.1",
            ));
        }
        invalid
    }

    fn validate_analyzer(&self) -> Vec<Invalid> {
        let Some(analyzer) = analyzer(&self.analyzer) else {
            let all = analyzer_names().collect::<Vec<_>>().join(", ");
            let help = match near_miss(&self.analyzer, analyzer_names()) {
                Some(near) => format!("did you mean `{near}`? Analyzers: {all}"),
                None => format!("analyzers: {all}"),
            };
            return vec![Invalid::new("explain.analyzer", format!("there is no analyzer `{}`", self.analyzer), help)];
        };
        let unread = |parameter: &Parameter| parameter.is_given(self) && !analyzer.reads.contains(parameter);
        let refuse = |parameter: Parameter| {
            let readers = analyzers().iter().filter(|a| a.reads.contains(&parameter));
            let readers = readers.map(|a| a.name).collect::<Vec<_>>().join(", ");
            Invalid::new(
                format!("explain.{}", parameter.key()),
                format!("`{}` does not read `{}`", analyzer.name, parameter.key()),
                format!("leave it out, or use an analyzer that reads it: {readers}"),
            )
        };
        Parameter::ALL.into_iter().filter(unread).map(refuse).collect()
    }
}

fn analyzer_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": analyzer_names().collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ExplainSettings {
        toml::from_str(text).expect("well-formed settings")
    }

    #[test]
    fn defaults_are_valid_and_survive_their_toml() {
        let settings = ExplainSettings::default();
        assert_eq!(settings.validate(), []);
        assert_eq!(parse(&toml::to_string(&settings).expect("as TOML")), settings);
        assert_eq!(parse(""), settings);
    }

    #[test]
    fn an_unknown_analyzer_is_refused_with_the_near_miss() {
        let invalid = parse("analyzer = 'lrp.sequental_preset_b'").validate();
        assert_eq!(invalid.len(), 1);
        assert_eq!(invalid[0].key, "explain.analyzer");
        assert!(invalid[0].help.starts_with("did you mean `lrp.sequential_preset_b`?"), "{}", invalid[0].help);
    }

    #[test]
    fn what_the_analyzer_does_not_read_is_refused() {
        let keys = |text: &str| parse(text).validate().into_iter().map(|i| i.key).collect::<Vec<_>>();
        assert_eq!(keys("analyzer = 'lrp.flat'\nepsilon = 0.1\nbias = 'full'"), ["explain.epsilon", "explain.bias"]);
        assert_eq!(keys("analyzer = 'lrp.alpha_2_beta_1_IB'\nbias = 'full'"), ["explain.bias"]);
        assert_eq!(keys("analyzer = 'lrp.alpha_2_beta_1'\nbias = 'signed'"), [""; 0]);
        assert_eq!(keys("epsilon = 0.25\nbias = 'ignore'"), [""; 0]);
    }

    #[test]
    fn an_impossible_epsilon_is_refused() {
        for epsilon in ["-0.1", "nan", "inf"] {
            let invalid = parse(&format!("epsilon = {epsilon}")).validate();
            assert_eq!(invalid.len(), 1, "{epsilon}");
            assert_eq!(invalid[0].key, "explain.epsilon");
        }
        assert_eq!(parse("epsilon = 0.0").validate(), []);
    }
}
