//! From the layers to the cells of an experiment, each a complete and valid spec.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use figment::Figment;
use rayon::prelude::*;
use serde::Deserialize;
use toml::{Table, Value};

use super::block::expand;
use super::cell::{Assignment, CellSettings};
use super::{SweepBlock, Written};
use crate::error::{Error, Result};
use crate::net::SeenWeights;
use crate::settings::Invalid;
use crate::shown::shown;
use crate::source::{DataSettings, MOST_FOLDS, Seen, SourceName};
use crate::spec::explain_error::{extract, find, place};
use crate::spec::layers::{Layers, SWEEP};
use crate::spec::merge::Misplaced;
use crate::spec::resolved::check;
use crate::spec::{ExperimentSpec, memory};

const NAME: &str = "explain.name";
const ANALYZER: &str = "explain.analyzer";
const FOLD: &str = "data.fold";
const FOLDS: &str = "data.folds";
const COMPOSITE: &str = "explain.composite";
/// The analyzer that composites are for.
const LRP: &str = "lrp";
/// So many mistakes are told at once.
const TOLD: usize = 10;

/// So many cells are read at a time: enough to keep all cores busy, few enough to stop early after mistakes.
const CHUNK: usize = 256;

/// Why a cell is no spec.
enum Unreadable {
    /// A key or a value.
    Value(Box<toml::de::Error>),
    /// An element of a list that is not there.
    Misplaced(Box<(Assignment, Misplaced)>),
}

/// One run to be: what sets it apart, and its complete spec.
#[derive(Debug, Clone)]
pub struct Cell {
    pub settings: CellSettings,
    pub spec: ExperimentSpec,
}

/// The cells of a spec; without a sweep that is one. `base` is the spec outside of the sweep. What needs more than the
/// `available` bytes of memory is refused, before any work begins: a run, or the tables of all.
pub fn resolve(
    layers: &Layers,
    sweep: Option<&Value>,
    base: &ExperimentSpec,
    available: Option<u64>,
) -> Result<Vec<Cell>> {
    let available = available.unwrap_or(u64::MAX);
    let mut looked = Looked::default();
    let check_spec = |spec: &ExperimentSpec| {
        let invalid = spec.validate();
        match invalid.is_empty() {
            true => memory::refuse(&memory::of_run(spec), available).into_iter().collect(),
            false => invalid,
        }
    };
    let mut look_and_check = |spec: &mut ExperimentSpec| match look(spec, &mut looked) {
        Ok(()) => check_spec(spec),
        Err(unusable) => vec![unusable],
    };
    let none = Value::Array(Vec::new());
    let written = Written { layers, sweep: sweep.unwrap_or(&none) };
    let blocks = read_blocks(written)?;
    if blocks.is_empty() && !has_folds(&CellSettings::default(), base) {
        let mut spec = base.clone();
        check(layers, look_and_check(&mut spec))?;
        return Ok(vec![Cell { settings: CellSettings::default(), spec }]);
    }
    let tree = Table::try_from(base).map_err(|error| Error::usage(error.to_string(), "use smaller numbers"))?;
    let settings = match blocks.is_empty() {
        true => vec![CellSettings::default()],
        false => expand(written, &blocks, &tree)?,
    };
    let settings: Vec<CellSettings> = settings.into_iter().flat_map(|cell| each_fold(cell, base)).collect();
    let mut mistakes =
        Mistakes { written, base: look_and_check(&mut base.clone()), told: BTreeSet::new(), errors: Vec::new() };
    let mut cells = Vec::with_capacity(settings.len());
    let lrp_among_others = settings.iter().any(|cell| cell.get(ANALYZER).and_then(Value::as_str) == Some(LRP));
    let read = |settings: &CellSettings| {
        let mut cell = tree.clone();
        settings
            .apply(&mut cell)
            .map_err(|(assignment, misplaced)| Unreadable::Misplaced(Box::new((assignment.clone(), misplaced))))?;
        let mut spec = ExperimentSpec::deserialize(cell).map_err(|error| Unreadable::Value(Box::new(error)))?;
        if lrp_among_others && !settings.varies(COMPOSITE) {
            spec.explain.leave_composite_to_lrp();
        }
        Ok(spec)
    };
    for settings in settings.chunks(CHUNK) {
        let mut specs: Vec<Result<ExperimentSpec, Unreadable>> = settings.par_iter().map(read).collect();
        let unusable: Vec<Option<Invalid>> =
            specs.iter_mut().map(|spec| spec.as_mut().ok().and_then(|spec| look(spec, &mut looked).err())).collect();
        let checked: Vec<_> = specs
            .into_par_iter()
            .zip(unusable)
            .map(|(spec, unusable)| {
                let spec = spec?;
                let invalid = unusable.map_or_else(|| check_spec(&spec), |unusable| vec![unusable]);
                Ok((spec, invalid))
            })
            .collect();
        for (settings, checked) in settings.iter().zip(checked) {
            match checked {
                Ok((spec, invalid)) => {
                    invalid.into_iter().for_each(|invalid| mistakes.add_invalid(settings, invalid));
                    cells.push(Cell { settings: settings.clone(), spec });
                }
                Err(Unreadable::Value(error)) => mistakes.add_unreadable(settings, &tree, &error),
                Err(Unreadable::Misplaced(misplaced)) => {
                    let (assignment, misplaced) = *misplaced;
                    let label = "there is no such element".to_owned();
                    mistakes.add(settings, Some(&assignment), true, misplaced.message, label, misplaced.help);
                }
            }
            if mistakes.errors.len() >= TOLD {
                break;
            }
        }
        if mistakes.errors.len() >= TOLD {
            break;
        }
    }
    Error::all(mistakes.errors)?;
    check_names(written, &cells)?;
    check(layers, memory::refuse(&[memory::of_tables(&cells)], available).into_iter().collect())?;
    Ok(cells)
}

/// Whether a cell stands for all folds of a cross-validation.
fn has_folds(cell: &CellSettings, base: &ExperimentSpec) -> bool {
    folds(cell, base).is_some() && base.data.fold.is_none() && !cell.varies(FOLD)
}

fn folds(cell: &CellSettings, base: &ExperimentSpec) -> Option<usize> {
    match cell.get(FOLDS) {
        Some(value) => value.as_integer().and_then(|folds| usize::try_from(folds).ok()),
        None => base.data.folds,
    }
}

/// A cell once for each fold of its cross-validation; a number of folds that is refused later is left as it is.
fn each_fold(cell: CellSettings, base: &ExperimentSpec) -> Vec<CellSettings> {
    let Some(folds) = folds(&cell, base).filter(|folds| has_folds(&cell, base) && (2..=MOST_FOLDS).contains(folds))
    else {
        return vec![cell];
    };
    let place = cell.find(FOLDS).map_or_else(Vec::new, |assignment| assignment.place.clone());
    let of_fold = |fold: usize| {
        let mut cell = cell.clone();
        let value = Value::Integer(fold as i64);
        cell.assignments.push(Arc::new(Assignment { key: FOLD.to_owned(), value, place: place.clone() }));
        cell.replicate = Some(cell.replicate.unwrap_or(0) * folds as u64 + fold as u64);
        cell
    };
    (0..folds).map(of_fold).collect()
}

/// What is in a user's files, and with which settings they were looked at.
#[derive(Default)]
struct Looked {
    settings: Vec<(DataSettings, Result<DataSettings, Invalid>)>,
    seen: Seen,
    weights: SeenWeights,
}

/// Looks at a spec's files, at the same ones once.
fn look(spec: &mut ExperimentSpec, looked: &mut Looked) -> Result<(), Invalid> {
    look_at_data(spec, looked)?;
    spec.look_at_weights(&mut looked.weights)
}

fn look_at_data(spec: &mut ExperimentSpec, looked: &mut Looked) -> Result<(), Invalid> {
    if spec.data.source == SourceName::Pumpkins {
        return Ok(());
    }
    if let Some((_, known)) = looked.settings.iter().find(|(settings, _)| *settings == spec.data) {
        spec.data = known.clone()?;
        return Ok(());
    }
    let settings = spec.data.clone();
    let result = spec.look_at_files(&mut looked.seen);
    looked.settings.push((settings, result.clone().map(|()| spec.data.clone())));
    result
}

/// A name stands for one explanation: it is shown in place of its settings.
fn check_names(written: Written, cells: &[Cell]) -> Result<()> {
    let mut named: BTreeMap<&str, &Cell> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| cell.settings.get(NAME).is_some()) {
        let Some(name) = &cell.spec.explain.name else { continue };
        let first = *named.entry(name).or_insert(cell);
        let maps = |cell: &Cell| cell.spec.explain.unnamed().without_seeds();
        if maps(first) != maps(cell) {
            let place = cell.settings.find(NAME).map_or_else(Vec::new, |assignment| assignment.place.clone());
            let message = format!(
                "explain.name: \"{}\" names two explanations, in the cells {} and {}",
                shown(name),
                first.settings,
                cell.settings
            );
            let help = "give each explanation a name of its own, with its settings in one `list` or `zip`".to_owned();
            return Err(written.point(&place, false, message, "the same name".to_owned(), help));
        }
    }
    Ok(())
}

fn read_blocks(written: Written) -> Result<Vec<SweepBlock>> {
    let place = vec![SWEEP.to_owned()];
    let Value::Array(blocks) = written.sweep else {
        return Err(written.mistake(&place, "`sweep` is not a list of blocks", "write it as [[sweep]]"));
    };
    let mut read = Vec::with_capacity(blocks.len());
    for (index, block) in blocks.iter().enumerate() {
        read.push(SweepBlock::deserialize(block.clone()).map_err(|error| {
            let place = [SWEEP.to_owned(), index.to_string()];
            // Figment knows where in the block it is.
            let found = Figment::from(figment::providers::Serialized::defaults(block));
            match found.extract::<SweepBlock>() {
                Ok(_) => written.mistake(&place, error.message().to_owned(), "see `xdlreg-run schema`"),
                Err(error) => {
                    let found = find(&error);
                    let place: Vec<String> = place.into_iter().chain(found.path).collect();
                    let message = match found.at_key {
                        true => found.message.replace("the spec", "[[sweep]]"),
                        false => format!("sweep.{}", found.message),
                    };
                    written.point(&place, found.at_key, message, found.label, found.help)
                }
            }
        })?);
    }
    Ok(read)
}

/// What cannot be carried out, each mistake once.
struct Mistakes<'a> {
    written: Written<'a>,
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
                self.errors.push(place(self.written.layers, invalid));
            }
            return;
        }
        let beside = || cell.assignments.iter().find(|assignment| assignment.key.split('.').next() == Some(section));
        let blamed = varied.or_else(beside).or(cell.assignments.first());
        let text = invalid.to_string();
        self.add(cell, blamed.map(AsRef::as_ref), false, text, invalid.message, invalid.help);
    }

    /// A key that does not exist, or a value of the wrong type.
    fn add_unreadable(&mut self, cell: &CellSettings, base: &Table, error: &toml::de::Error) {
        let mut tree = base.clone();
        let (Ok(()), Err(found)) = (cell.apply(&mut tree), extract(&tree)) else {
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
            self.errors.push(self.written.point(&place, at_key, message, label, help));
        }
    }
}
