//! What a prediction is explained against.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The value that relevance explains the difference to (Letzgus et al. 2022, doi 10.1109/MSP.2022.3153277): "why 70
/// years rather than 50?".
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reference {
    /// No years: relevance starts as the prediction.
    None,
    /// The bias of the output layer, which is the prediction where no hidden unit is active.
    OutputBias,
    /// The mean age of the training set.
    Mean,
    /// A number of years, on the ray of an image's own activation.
    Years(f64),
    /// A number of years, met by lowering or raising all hidden units alike.
    Flooding(f64),
    /// What is predicted for the mean activation of the training samples of these ages, both ends included.
    Ages([f64; 2]),
}

impl Reference {
    /// Whether it is taken from samples of the training set.
    pub fn needs_samples(self) -> bool {
        matches!(self, Self::Mean | Self::Ages(_))
    }
}

/// What may be written.
const EXPECTED: &str =
    "\"none\", \"output-bias\", \"mean\", a number of years, { flooding = 70 }, or { ages = [20, 30] }";

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Name(Cow<'static, str>),
    Years(f64),
    Group(Group),
    Flooding(Flooding),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flooding {
    flooding: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    ages: [f64; 2],
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match *self {
            Self::None => Written::Name("none".into()),
            Self::OutputBias => Written::Name("output-bias".into()),
            Self::Mean => Written::Name("mean".into()),
            Self::Years(years) => Written::Years(years),
            Self::Flooding(flooding) => Written::Flooding(Flooding { flooding }),
            Self::Ages(ages) => Written::Group(Group { ages }),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let refuse = || de::Error::custom(format!("expected {EXPECTED}"));
        match Written::deserialize(deserializer).map_err(|_| refuse())? {
            Written::Name(name) => match &*name {
                "none" => Ok(Self::None),
                "output-bias" => Ok(Self::OutputBias),
                "mean" => Ok(Self::Mean),
                _ => Err(refuse()),
            },
            Written::Years(years) => Ok(Self::Years(years)),
            Written::Group(Group { ages }) => Ok(Self::Ages(ages)),
            Written::Flooding(Flooding { flooding }) => Ok(Self::Flooding(flooding)),
        }
    }
}

impl JsonSchema for Reference {
    fn schema_name() -> Cow<'static, str> {
        "Reference".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let ages = json_schema!({ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 });
        json_schema!({ "oneOf": [
            { "enum": ["none", "output-bias", "mean"] },
            { "type": "number" },
            { "type": "object", "properties": { "ages": ages }, "required": ["ages"], "additionalProperties": false },
            { "type": "object", "properties": { "flooding": { "type": "number" } }, "required": ["flooding"],
              "additionalProperties": false },
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Settings {
        reference: Reference,
    }

    #[test]
    fn every_form_survives_its_toml() {
        for (text, reference) in [
            ("'none'", Reference::None),
            ("'output-bias'", Reference::OutputBias),
            ("'mean'", Reference::Mean),
            ("50", Reference::Years(50.0)),
            ("50.5", Reference::Years(50.5)),
            ("{ ages = [20, 30] }", Reference::Ages([20.0, 30.0])),
            ("{ flooding = 70 }", Reference::Flooding(70.0)),
        ] {
            let parsed: Settings = toml::from_str(&format!("reference = {text}")).expect(text);
            assert_eq!(parsed, Settings { reference });
            assert_eq!(toml::from_str::<Settings>(&toml::to_string(&parsed).expect("as TOML")), Ok(parsed));
        }
        for text in ["'mode'", "true", "{ age = 3 }", "{ ages = [20] }", "{ flooding = 'mean' }"] {
            let error = toml::from_str::<Settings>(&format!("reference = {text}")).expect_err(text);
            assert!(error.message().contains("{ ages = [20, 30] }"), "{error}");
        }
    }
}
