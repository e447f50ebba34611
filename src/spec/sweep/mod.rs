//! `[[sweep]]`: which settings vary over the runs of an experiment.
//!
//! A block crosses its dimensions; the cells of all blocks are joined, and equal runs are one. The first dimension of
//! a block varies slowest, in the order grid, zip, list, random, sobol, seeds.

mod block;
mod cell;
mod draw;
mod resolve;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vary_tests;
mod when;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};
use toml::Value;

pub use cell::CellSettings;
pub use resolve::{Cell, resolve};

use super::explain_error::at;
use super::layers::Layers;
use super::merge;
use crate::error::Error;

/// A sweep with more cells than this is refused before it is expanded.
pub const MAX_CELLS: u128 = 100_000;

/// One block of `[[sweep]]`. Keys are dotted, such as "data.target_bias".
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SweepBlock {
    /// Key -> list of values. All combinations are run.
    #[schemars(with = "Map<String, Json>")]
    pub grid: toml::Table,
    /// Key -> list of values that advance together. A list of such tables makes several groups, which are
    /// crossed.
    #[serde(deserialize_with = "one_or_several")]
    #[schemars(with = "OneOrSeveral")]
    pub zip: Vec<toml::Table>,
    /// Runs written out: tables of key -> value.
    #[schemars(with = "Vec<Map<String, Json>>")]
    pub list: Vec<toml::Table>,
    /// Independent draws from ranges.
    pub random: Option<Draws>,
    /// Evenly spread draws from ranges: a scrambled Sobol sequence.
    pub sobol: Option<Draws>,
    /// Key -> condition (other key -> value or list of values). If the condition does not hold, the key keeps its
    /// value from outside the sweep.
    #[schemars(with = "Map<String, Json>")]
    pub when: toml::Table,
    /// Runs to leave out: those that match all values (or one of a list of values) of one of these tables.
    #[schemars(with = "Vec<Map<String, Json>>")]
    pub exclude: Vec<toml::Table>,
    /// Number of replicates: data.seed and model.seed are both raised by 0, 1, ... n - 1, so that runs are paired
    /// by seed.
    pub seeds: Option<u64>,
}

/// Draws from ranges.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Draws {
    /// Number of settings to draw.
    pub n: u64,
    #[serde(default)]
    pub seed: u64,
    /// Key -> range.
    #[schemars(with = "BTreeMap<String, Range>")]
    pub ranges: toml::Table,
}

/// What a key is drawn from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, untagged)]
pub enum Range {
    /// From `low` to `high`; whole numbers, both ends included, where both are written as such.
    Between {
        #[schemars(with = "f64")]
        low: toml::Value,
        #[schemars(with = "f64")]
        high: toml::Value,
        #[serde(default)]
        scale: Scale,
    },
    /// One of these, equally likely.
    Choices {
        #[schemars(with = "Vec<Json>")]
        choices: Vec<toml::Value>,
    },
}

/// On which scale draws are even.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    #[default]
    Linear,
    Log,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneOrSeveral {
    One(#[schemars(with = "Map<String, Json>")] toml::Table),
    Several(#[schemars(with = "Vec<Map<String, Json>>")] Vec<toml::Table>),
}

fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<toml::Table>, D::Error> {
    Ok(match OneOrSeveral::deserialize(deserializer)? {
        OneOrSeveral::One(table) => vec![table],
        OneOrSeveral::Several(tables) => tables,
    })
}

/// A place in the sweep: the path to a value from the top of the spec, through list indices.
pub type Place = Vec<String>;

/// The sweep of all layers together, with the layers that it was written in.
#[derive(Clone, Copy)]
pub struct Written<'a> {
    pub layers: &'a Layers,
    pub sweep: &'a Value,
}

impl<'a> Written<'a> {
    /// What stands at a place, if anything does.
    pub fn get(self, place: &[String]) -> Option<&'a Value> {
        place.iter().skip(1).try_fold(self.sweep, |value, part| match value {
            Value::Table(table) => table.get(part),
            Value::Array(items) => items.get(merge::index(part)?),
            _ => None,
        })
    }

    /// Where in its file a key stands; none for what is not in a file.
    pub fn position(self, place: &[String]) -> Option<usize> {
        let path: Vec<&str> = place.iter().map(String::as_str).collect();
        let (key, _) = self.layers.strongest(&path)?.source.as_ref()?.locate(&path)?;
        Some(key.start)
    }

    /// A mistake in the value at a place.
    pub fn mistake(self, place: &[String], message: impl Into<String>, help: impl Into<String>) -> Error {
        self.point(place, false, message.into(), "here".into(), help.into())
    }

    /// An error that points at the value of a place, or at its key.
    pub fn point(self, place: &[String], at_key: bool, message: String, label: String, help: String) -> Error {
        let path: Vec<&str> = place.iter().map(String::as_str).collect();
        let named = if at_key { path.iter().rposition(|part| merge::index(part).is_none()) } else { None };
        let path = named.map_or(&path[..], |last| &path[..=last]);
        // What cannot be found, because it was left to its default, is shown where it would stand.
        let found = (1..=path.len()).rev().find_map(|end| Some((self.layers.strongest(&path[..end])?, &path[..end])));
        match found {
            Some((layer, path)) => at(layer, path, at_key, message, label, help),
            None => Error::usage(message, help),
        }
    }
}
