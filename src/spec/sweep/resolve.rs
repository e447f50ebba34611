//! From the layers to the cells of an experiment, each a complete and valid spec.

use std::collections::BTreeSet;

use figment::Figment;
use serde::Deserialize;
use toml::{Table, Value};

use super::block::expand;
use super::cell::{Assignment, CellSettings};
use super::{SweepBlock, mistake, point};
use crate::error::{Error, Result};
use crate::spec::explain_error::{find, place};
use crate::spec::layers::{Layer, Layers, SWEEP};
use crate::spec::resolved::check;
use crate::spec::{ExperimentSpec, Invalid};

/// So many mistakes are told at once.
const TOLD: usize = 10;

/// One run to be: what sets it apart, and its complete spec.
#[derive(Debug, Clone)]
pub struct Cell {
    pub settings: CellSettings,
    pub spec: ExperimentSpec,
}

/// The cells of a spec; without a sweep that is one. `base` is the spec outside of the sweep.
pub fn resolve(layers: &Layers, base: &ExperimentSpec) -> Result<Vec<Cell>> {
    let layer = layers.strongest(&[SWEEP]);
    let blocks = layer.map(read_blocks).transpose()?.unwrap_or_default();
    let (Some(layer), false) = (layer, blocks.is_empty()) else {
        check(layers, base.validate())?;
        return Ok(vec![Cell { settings: CellSettings::default(), spec: base.clone() }]);
    };
    let tree = Table::try_from(base).expect("settings are representable in TOML");
    let settings = expand(layer, &blocks, &tree)?;
    let mut mistakes = Mistakes { layers, layer, base: base.validate(), told: BTreeSet::new(), errors: Vec::new() };
    let mut cells = Vec::with_capacity(settings.len());
    for settings in settings {
        let mut cell = tree.clone();
        settings.apply(&mut cell);
        match ExperimentSpec::deserialize(cell) {
            Ok(spec) => {
                spec.validate().into_iter().for_each(|invalid| mistakes.add_invalid(&settings, invalid));
                cells.push(Cell { settings, spec });
            }
            Err(error) => mistakes.add_unreadable(&settings, &error),
        }
        if mistakes.errors.len() >= TOLD {
            break;
        }
    }
    Error::all(mistakes.errors)?;
    Ok(cells)
}

fn read_blocks(layer: &Layer) -> Result<Vec<SweepBlock>> {
    let place = vec![SWEEP.to_owned()];
    let Some(Value::Array(blocks)) = layer.values.get(SWEEP) else {
        return Err(mistake(layer, &place, "`sweep` is no list of blocks", "write it as [[sweep]]"));
    };
    let mut read = Vec::with_capacity(blocks.len());
    for (index, block) in blocks.iter().enumerate() {
        read.push(SweepBlock::deserialize(block.clone()).map_err(|error| {
            let place = [SWEEP.to_owned(), index.to_string()];
            // Figment knows where in the block it is.
            let found = Figment::from(figment::providers::Serialized::defaults(block));
            match found.extract::<SweepBlock>() {
                Ok(_) => mistake(layer, &place, error.message().to_owned(), "see `xdlreg-run schema`"),
                Err(error) => {
                    let found = find(&error);
                    let place: Vec<String> = place.into_iter().chain(found.path).collect();
                    let message = match found.at_key {
                        true => found.message.replace("the spec", "[[sweep]]"),
                        false => format!("sweep.{}", found.message),
                    };
                    point(layer, &place, found.at_key, message, found.label, found.help)
                }
            }
        })?);
    }
    Ok(read)
}

/// What cannot be carried out, each mistake once.
struct Mistakes<'a> {
    layers: &'a Layers,
    layer: &'a Layer,
    /// Those of the spec outside of the sweep, which cells may mend or share.
    base: Vec<Invalid>,
    told: BTreeSet<(Vec<String>, String)>,
    errors: Vec<Error>,
}

impl Mistakes<'_> {
    /// A value that the cell's spec refuses.
    fn add_invalid(&mut self, cell: &CellSettings, invalid: Invalid) {
        let section = invalid.key.split('.').next().unwrap_or_default();
        let varied = cell.find(&invalid.key);
        if varied.is_none() && self.base.contains(&invalid) {
            if self.told.insert((Vec::new(), invalid.to_string())) {
                self.errors.push(place(self.layers, invalid));
            }
            return;
        }
        let beside = || cell.assignments.iter().find(|assignment| assignment.key.split('.').next() == Some(section));
        let blamed = varied.or_else(beside).or(cell.assignments.first());
        let text = format!("{}: {}", invalid.key, invalid.message);
        self.add(cell, blamed.map(AsRef::as_ref), false, text, invalid.message, invalid.help);
    }

    /// A key that does not exist, or a value of the wrong type.
    fn add_unreadable(&mut self, cell: &CellSettings, error: &toml::de::Error) {
        let mut tree = Table::new();
        cell.apply(&mut tree);
        let Err(found) = self.layers.merge_with(tree) else {
            let (text, help) = (error.message().to_owned(), "see `xdlreg-run schema` for what is allowed".to_owned());
            return self.add(cell, cell.assignments.first().map(AsRef::as_ref), false, text.clone(), text, help);
        };
        let found = find(&found);
        let key = found.path.join(".");
        let inside = || cell.assignments.iter().find(|assignment| assignment.key.starts_with(&format!("{key}.")));
        let blamed = cell.find(&key).or_else(inside).map(AsRef::as_ref);
        self.add(cell, blamed, found.at_key, found.message, found.label, found.help);
    }

    fn add(
        &mut self,
        cell: &CellSettings,
        blamed: Option<&Assignment>,
        at_key: bool,
        text: String,
        label: String,
        help: String,
    ) {
        let place = blamed.map_or_else(|| vec![SWEEP.to_owned()], |assignment| assignment.place.clone());
        // A wrong key is one mistake, however many values it was given.
        let told = if at_key { Vec::new() } else { place.clone() };
        if self.told.insert((told, text.clone())) {
            let message = format!("{text}, in the cell {cell}");
            self.errors.push(point(self.layer, &place, at_key, message, label, help));
        }
    }
}
