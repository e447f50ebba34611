//! Sizes and paddings of windows as specifications write them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::layer::Padding;

/// A number of pixels along both axes, or one for rows and one for columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sides {
    Both(usize),
    Each([usize; 2]),
}

impl Sides {
    pub fn each(self) -> [usize; 2] {
        match self {
            Self::Both(side) => [side; 2],
            Self::Each(sides) => sides,
        }
    }
}

impl JsonSchema for Sides {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sides".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 2, "maxItems": 2 },
        ] })
    }
}

/// "same", "valid", or a number of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PaddingEntry {
    Named(PaddingName),
    Pixels(Sides),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingName {
    Same,
    Valid,
}

impl PaddingEntry {
    pub fn padding(self) -> Padding {
        match self {
            Self::Named(PaddingName::Same) => Padding::Same,
            Self::Named(PaddingName::Valid) => Padding::Valid,
            Self::Pixels(sides) => Padding::Pixels(sides.each()),
        }
    }
}

impl JsonSchema for PaddingEntry {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Padding".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let sides = Sides::json_schema(generator);
        json_schema!({ "oneOf": [{ "enum": ["same", "valid"] }, sides] })
    }
}
