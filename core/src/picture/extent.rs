//! What the strongest colour of heatmaps stands for: `heatmaps.scale`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The relevance that has the strongest colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extent {
    /// The largest of each map.
    Image,
    /// The largest of all maps of the run.
    Run,
    /// This much, in the unit of relevance.
    Relevance(f64),
}

impl Serialize for Extent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Image => serializer.serialize_str("image"),
            Self::Run => serializer.serialize_str("run"),
            Self::Relevance(most) => serializer.serialize_f64(*most),
        }
    }
}

impl<'de> Deserialize<'de> for Extent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Extent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"image\", \"run\", or a number in the unit of relevance")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Extent, E> {
                match text {
                    "image" => Ok(Extent::Image),
                    "run" => Ok(Extent::Run),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }

            fn visit_f64<E: de::Error>(self, most: f64) -> Result<Extent, E> {
                Ok(Extent::Relevance(most))
            }

            fn visit_u64<E: de::Error>(self, most: u64) -> Result<Extent, E> {
                Ok(Extent::Relevance(most as f64))
            }

            fn visit_i64<E: de::Error>(self, most: i64) -> Result<Extent, E> {
                Ok(Extent::Relevance(most as f64))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Extent {
    fn schema_name() -> Cow<'static, str> {
        "Extent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "enum": ["image", "run"] }, { "type": "number" }] })
    }
}
