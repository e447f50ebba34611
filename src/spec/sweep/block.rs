//! From the blocks as written to cells.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use toml::{Table, Value};

use super::cell::{Assignment, CellSettings};
use super::draw::{MAX_SOBOL, Sampler, random, sobol};
use super::when::{Condition, When};
use super::{Draws, MAX_CELLS, Place, Range, SweepBlock, Written};
use crate::error::{Error, Result};
use crate::settings::near_miss;
use crate::shown::shown;
use crate::spec::merge::get;
use crate::spec::takes::Takes;

/// Sections of which the runs of an experiment share one.
const APART: [&str; 3] = ["experiment", "heatmaps", "run"];

/// Settings that set each other apart, of which each cell takes one.
type Dimension = Vec<Vec<Arc<Assignment>>>;

/// A block that was read, with its dimensions not yet crossed.
struct Dimensions<'a> {
    written: Written<'a>,
    place: Place,
    dimensions: Vec<Dimension>,
    replicates: Option<u64>,
    whens: Vec<When>,
    excludes: Vec<Condition>,
}

/// The cells of all blocks, in order. `base` is the spec outside of the sweep, every default filled in.
pub fn expand(written: Written, blocks: &[SweepBlock], base: &Table) -> Result<Vec<CellSettings>> {
    let mut all = Vec::with_capacity(blocks.len());
    let mut count: u128 = 0;
    for (index, block) in blocks.iter().enumerate() {
        let place = vec!["sweep".to_owned(), index.to_string()];
        // Counted before anything is drawn or crossed, which may be more than memory holds.
        count = count.saturating_add(cells_of(block));
        if count > MAX_CELLS {
            let message = format!("the sweep has {count} cells; at most {MAX_CELLS} are allowed");
            return Err(written.mistake(&place, message, "vary fewer keys, or draw some of the cells with `random`"));
        }
        all.push(Dimensions::read(written, place, block)?);
    }
    let mut cells = Vec::new();
    for block in all {
        cells.extend(block.cells(base)?);
    }
    Ok(cells)
}

/// How many cells a block has before conditions and exclusions.
fn cells_of(block: &SweepBlock) -> u128 {
    fn lengths(table: &Table) -> Vec<u128> {
        let length = |value: &Value| match value {
            Value::Table(inner) => lengths(inner),
            Value::Array(values) => vec![values.len() as u128],
            _ => vec![1],
        };
        table.values().flat_map(length).collect()
    }
    let product = |factors: Vec<u128>| factors.into_iter().fold(1, u128::saturating_mul);
    let zips = block.zip.iter().map(|zip| lengths(zip).into_iter().max().unwrap_or(1)).collect();
    let draws = [&block.random, &block.sobol].into_iter().flatten().map(|draws| u128::from(draws.n)).collect();
    let others = vec![block.list.len().max(1) as u128, u128::from(block.seeds.unwrap_or(1))];
    product(vec![product(lengths(&block.grid)), product(zips), product(draws), product(others)])
}

impl<'a> Dimensions<'a> {
    fn read(written: Written<'a>, place: Place, block: &SweepBlock) -> Result<Self> {
        let mut read = Self {
            written,
            place,
            dimensions: Vec::new(),
            replicates: block.seeds,
            whens: Vec::new(),
            excludes: Vec::new(),
        };
        for (key, values, place) in read.as_written(flatten(&block.grid, &read.below(&["grid"]))) {
            let points = read.values(&key, values, &place)?.into_iter().map(|one| vec![one]).collect();
            read.dimensions.push(points);
        }
        read.read_zips(&block.zip)?;
        read.read_list(&block.list)?;
        for (name, draws) in [("random", &block.random), ("sobol", &block.sobol)] {
            if let Some(draws) = draws {
                read.read_draws(name, draws)?;
            }
        }
        if read.dimensions.is_empty() && block.seeds.is_none() {
            let help = "give it grid, zip, list, random, sobol or seeds; `configs/sweep.toml` explains them";
            return Err(read.mistake(&[], "this block varies nothing", help));
        }
        read.read_conditions(block)?;
        if block.seeds == Some(0) {
            return Err(read.mistake(&["seeds"], "seeds = 0 leaves no cell", "use at least 1"));
        }
        read.check_keys()?;
        Ok(read)
    }

    fn below(&self, path: &[&str]) -> Place {
        self.place.iter().map(String::as_str).chain(path.iter().copied()).map(str::to_owned).collect()
    }

    fn mistake(&self, path: &[&str], message: impl Into<String>, help: impl Into<String>) -> Error {
        self.written.mistake(&self.below(path), message, help)
    }

    /// Leaves in the order in which they stand in the file; tables in memory are sorted by key.
    fn as_written<'t>(&self, mut leaves: Vec<(String, &'t Value, Place)>) -> Vec<(String, &'t Value, Place)> {
        leaves.sort_by_cached_key(|(_, _, place)| self.written.position(place));
        leaves
    }

    /// The values of a key that is written with a list.
    fn values(&self, key: &str, values: &Value, place: &Place) -> Result<Vec<Arc<Assignment>>> {
        let Value::Array(values) = values else {
            let (key, values) = (shown(key), shown(&values.to_string()));
            let help = format!("write {key} = [{values}, ...], or set it outside of the sweep if it does not vary");
            return Err(self.written.mistake(place, format!("{key}: expected a list of values"), help));
        };
        if values.is_empty() {
            let help = "give at least one value, or remove the key";
            return Err(self.written.mistake(place, format!("{key}: the list of values is empty"), help));
        }
        let assignment = |(index, value): (usize, &Value)| {
            let mut place = place.clone();
            place.push(index.to_string());
            Arc::new(Assignment { key: key.to_owned(), value: value.clone(), place })
        };
        Ok(values.iter().enumerate().map(assignment).collect())
    }

    fn read_zips(&mut self, zips: &[Table]) -> Result<()> {
        for (index, zip) in zips.iter().enumerate() {
            // A single group is written without a list around it.
            let listed = self.below(&["zip", &index.to_string()]);
            let is_list = self.written.get(&listed).is_some();
            let place = if is_list { listed } else { self.below(&["zip"]) };
            let mut columns = Vec::new();
            for (key, values, place) in self.as_written(flatten(zip, &place)) {
                columns.push((key.clone(), self.values(&key, values, &place)?));
            }
            let length = columns.first().map_or(0, |(_, values)| values.len());
            if columns.iter().any(|(_, values)| values.len() != length) {
                let lengths = columns.iter().map(|(key, values)| format!("{key} has {}", values.len()));
                let message = format!("zip of unequal lengths: {}", lengths.collect::<Vec<_>>().join(", "));
                return Err(self.written.mistake(&place, message, "give every key of a zip as many values"));
            }
            let point = |row: usize| columns.iter().map(|(_, values)| Arc::clone(&values[row])).collect();
            self.dimensions.push((0..length).map(point).collect());
        }
        Ok(())
    }

    fn read_list(&mut self, list: &[Table]) -> Result<()> {
        if self.written.get(&self.below(&["list"])).is_none() {
            return Ok(());
        }
        if list.is_empty() {
            return Err(self.mistake(&["list"], "the list of cells is empty", "write at least one cell, or remove it"));
        }
        let cell = |(index, table): (usize, &Table)| {
            let place = self.below(&["list", &index.to_string()]);
            let assignment = |(key, value, place): (String, &Value, Place)| {
                Arc::new(Assignment { key, value: value.clone(), place })
            };
            self.as_written(flatten_values(table, &place)).into_iter().map(assignment).collect()
        };
        self.dimensions.push(list.iter().enumerate().map(cell).collect());
        Ok(())
    }

    fn read_draws(&mut self, name: &str, draws: &Draws) -> Result<()> {
        if draws.n == 0 {
            return Err(self.mistake(&[name, "n"], "n = 0 draws nothing", "use at least 1"));
        }
        let mut ranges = Vec::new();
        for (key, value, place) in
            self.as_written(flatten_until(&draws.ranges, &self.below(&[name, "ranges"]), is_range))
        {
            let range = Range::deserialize(value.clone()).map_err(|_| {
                let help = "write { low = 1e-4, high = 1e-2, scale = \"log\" } or { choices = [1, 2, 4] }";
                self.written.mistake(
                    &place,
                    format!("{}: {} is not a range", shown(&key), shown(&value.to_string())),
                    help,
                )
            })?;
            let sampler = Sampler::new(&range)
                .map_err(|(message, help)| self.written.mistake(&place, format!("{key}: {message}"), help))?;
            ranges.push((key, sampler, place));
        }
        if ranges.is_empty() {
            return Err(self.mistake(
                &[name],
                "there is no range to draw from",
                "add ranges = { KEY = { low, high } }",
            ));
        }
        let samplers: Vec<(&str, Sampler)> =
            ranges.iter().map(|(key, sampler, _)| (key.as_str(), sampler.clone())).collect();
        let draw = match name {
            "sobol" if draws.n > MAX_SOBOL.0 || ranges.len() > MAX_SOBOL.1 => {
                let message =
                    format!("a Sobol sequence has at most {} points in {} dimensions", MAX_SOBOL.0, MAX_SOBOL.1);
                return Err(self.mistake(&[name], message, "draw less, or use `random`"));
            }
            "sobol" => sobol(&samplers, draws.n, draws.seed),
            _ => random(&samplers, draws.n, draws.seed),
        };
        let point = |values: Vec<Value>| {
            let assign = |((key, _, place), value): (&(String, Sampler, Place), Value)| {
                Arc::new(Assignment { key: key.clone(), value, place: place.clone() })
            };
            ranges.iter().zip(values).map(assign).collect()
        };
        self.dimensions.push(draw.into_iter().map(point).collect());
        Ok(())
    }

    fn read_conditions(&mut self, block: &SweepBlock) -> Result<()> {
        self.whens = When::read(self.written, &self.below(&["when"]), &block.when)?;
        self.excludes = block.exclude.iter().map(|table| Condition::new(plain(table))).collect();
        Ok(())
    }

    /// What varies must make other runs, no key may vary twice, and conditions must speak of keys that vary.
    fn check_keys(&self) -> Result<()> {
        let mut known = BTreeSet::new();
        for assignment in self.dimensions.iter().flatten().flatten() {
            let section = assignment.key.split('.').next().unwrap_or_default();
            if APART.contains(&section) {
                let message = format!("{} cannot vary: it does not make another run", shown(&assignment.key));
                let help = format!("set it in [{section}], outside of the sweep");
                return Err(self.written.mistake(&assignment.place, message, help));
            }
        }
        for dimension in &self.dimensions {
            let mut own = BTreeSet::new();
            for assignment in dimension.iter().flatten() {
                if known.contains(&assignment.key) {
                    let message = format!("{} varies in two dimensions of one block", shown(&assignment.key));
                    return Err(self.written.mistake(&assignment.place, message, "let it vary in one of them"));
                }
                own.insert(assignment.key.clone());
            }
            known.extend(own);
        }
        self.check_overlaps(&known)?;
        if self.replicates.is_some() {
            if let Some(key) = ["data.seed", "model.seed"].into_iter().find(|key| known.contains(*key)) {
                let message = format!("`seeds` sets {key}, which also varies by itself");
                return Err(self.mistake(&["seeds"], message, "use one of the two"));
            }
            known.extend(["data.seed".to_owned(), "model.seed".to_owned()]);
        }
        let unknown = |key: &str, place: &[String], what: &str| {
            let help = match near_miss(key, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`? Dotted keys are written in quotes"),
                None => format!("these vary: {}", known.iter().map(|key| shown(key)).collect::<Vec<_>>().join(", ")),
            };
            self.written.mistake(place, format!("{what}: {} does not vary in this block", shown(key)), help)
        };
        if let Some(when) = self.whens.iter().find(|when| !known.contains(&when.key)) {
            return Err(unknown(&when.key, &when.place, "when"));
        }
        for (index, exclude) in self.excludes.iter().enumerate() {
            let place = self.below(&["exclude", &index.to_string()]);
            if exclude.parts.is_empty() {
                return Err(self.written.mistake(&place, "exclude: no values are given", "name at least one key"));
            }
            if let Some((key, _)) = exclude.parts.iter().find(|(key, _)| !known.contains(key)) {
                return Err(unknown(key, &place, "exclude"));
            }
        }
        Ok(())
    }

    /// A value and a part of it cannot both vary: whichever is set last would hide the other.
    fn check_overlaps(&self, known: &BTreeSet<String>) -> Result<()> {
        for assignment in self.dimensions.iter().flatten().flatten() {
            let dots = assignment.key.match_indices('.').map(|(dot, _)| &assignment.key[..dot]);
            if let Some(whole) = dots.into_iter().find(|whole| known.contains(*whole)) {
                let message = format!("{} is a part of {whole}, which varies as a whole", shown(&assignment.key));
                return Err(self.written.mistake(&assignment.place, message, "let one of the two vary"));
            }
        }
        Ok(())
    }

    /// Crosses the dimensions, then lets conditions and exclusions take away.
    fn cells(&self, base: &Table) -> Result<Vec<CellSettings>> {
        let mut cells = vec![CellSettings::default()];
        for dimension in &self.dimensions {
            let extended = |cell: &CellSettings, point: &Vec<Arc<Assignment>>| {
                let mut cell = cell.clone();
                cell.assignments.extend(point.iter().cloned());
                cell
            };
            cells = cells.iter().flat_map(|cell| dimension.iter().map(move |point| extended(cell, point))).collect();
        }
        When::apply(self.written, &self.whens, &mut cells, base)?;
        let cells = self.replicate(cells, base)?;
        let kept: Vec<CellSettings> = cells
            .into_iter()
            .filter(|cell| !self.excludes.iter().any(|exclude| exclude.holds(|key| cell.get(key))))
            .collect();
        if kept.is_empty() {
            return Err(self.mistake(&["exclude"], "exclude leaves no cell of this block", "exclude less"));
        }
        Ok(kept)
    }

    /// Every cell once for each replicate: the seeds of data and model are raised together.
    fn replicate(&self, cells: Vec<CellSettings>, base: &Table) -> Result<Vec<CellSettings>> {
        let Some(replicates) = self.replicates else { return Ok(cells) };
        let seeds =
            ["data.seed", "model.seed"].map(|key| (key, get(base, key).and_then(Value::as_integer).unwrap_or(0)));
        let place = self.below(&["seeds"]);
        if let Some((key, seed)) = seeds.iter().find(|(_, seed)| seed.checked_add_unsigned(replicates - 1).is_none()) {
            let message = format!("{replicates} replicates raise {key} from {seed} beyond {}", i64::MAX);
            return Err(self.written.mistake(&place, message, format!("begin with a smaller {key}")));
        }
        let raised = |replicate: u64| {
            seeds.map(|(key, seed)| {
                let value = Value::Integer(seed.saturating_add_unsigned(replicate));
                Arc::new(Assignment { key: key.to_owned(), value, place: place.clone() })
            })
        };
        let raised: Vec<_> = (0..replicates).map(raised).collect();
        let with_seeds = |cell: &CellSettings, replicate: usize| {
            let mut cell = cell.clone();
            cell.assignments.extend(raised[replicate].iter().cloned());
            cell.replicate = Some(replicate as u64);
            cell
        };
        let replicated = cells.iter().flat_map(|cell| (0..raised.len()).map(move |index| (cell, index)));
        Ok(replicated.map(|(cell, index)| with_seeds(cell, index)).collect())
    }
}

/// The leaves of nested tables under their dotted keys, with where they stand.
fn flatten<'t>(table: &'t Table, place: &Place) -> Vec<(String, &'t Value, Place)> {
    flatten_until(table, place, |_, _| false)
}

/// As [`flatten`], of a table that holds values: one that is a value itself, such as
/// `"explain.reference" = { flooding = 45 }`, is a leaf.
fn flatten_values<'t>(table: &'t Table, place: &Place) -> Vec<(String, &'t Value, Place)> {
    flatten_until(table, place, |key, _| is_one_value(key))
}

/// As [`flatten`], where tables for which `is_leaf` holds, by their dotted keys, are leaves.
fn flatten_until<'t>(
    table: &'t Table,
    place: &Place,
    is_leaf: fn(&str, &Table) -> bool,
) -> Vec<(String, &'t Value, Place)> {
    fn walk<'t>(
        (table, prefix, place): (&'t Table, &str, &Place),
        is_leaf: fn(&str, &Table) -> bool,
        leaves: &mut Vec<(String, &'t Value, Place)>,
    ) {
        for (key, value) in table {
            let key_here = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            let place = [place, std::slice::from_ref(key)].concat();
            match value {
                Value::Table(inner) if !is_leaf(&key_here, inner) => walk((inner, &key_here, &place), is_leaf, leaves),
                value => leaves.push((key_here, value, place)),
            }
        }
    }
    let mut leaves = Vec::new();
    walk((table, "", place), is_leaf, &mut leaves);
    leaves
}

/// Whether a key takes a table as a value, rather than being a section of keys that are set one by one.
fn is_one_value(key: &str) -> bool {
    let takes = Takes::at(&key.split('.').collect::<Vec<_>>());
    takes.table && !takes.section
}

fn is_range(_: &str, table: &Table) -> bool {
    ["low", "high", "choices"].iter().any(|key| table.contains_key(*key))
}

/// Key -> value, without places.
pub fn plain(table: &Table) -> Vec<(String, Value)> {
    flatten_values(table, &Place::new()).into_iter().map(|(key, value, _)| (key, value.clone())).collect()
}
