//! A user's own images with a table of targets.
//!
//! They are looked at when an experiment is planned: everything that is wrong is told then, before any work, and what is in
//! them becomes part of the keys of all results. The first stage reads them once into the store, and notices where they have
//! changed meanwhile. Memory holds the images of the whole data set as float32, as training does, and for each thread the file at
//! hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bad_data::{BadData, Problem};
use super::picture;
use super::settings::{Intensity, SourceName};
use super::split::{Fold, SplitSettings};
use super::table::{self, Row, Table};
use crate::alive;
use crate::data::{Dataset, Masks, Partition, Target};
use crate::disk;
use crate::raster::{ImageShape, RasterStack};
use crate::store::arrays;

/// Where images are and how they are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    pub source: SourceName,
    pub table: PathBuf,
    pub image: Option<String>,
    pub images: Option<String>,
    pub id: Option<String>,
    pub target: String,
    pub unit: String,
    pub split: SplitSettings,
    /// A column whose entries keep rows together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The fold of a cross-validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// Regions by name, each with the column of its mask files.
    pub masks: BTreeMap<String, String>,
    pub channels: Option<usize>,
    pub intensity: Intensity,
    /// What was in the files when they were looked at.
    pub content: Option<String>,
}

/// What is in a user's files.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// A checksum of all that the data set is made of.
    pub content: String,
    /// Of every image.
    pub shape: ImageShape,
    pub partition: Partition,
}

impl FileSource {
    /// All that the data set depends on: what is in the files rather than where they are.
    pub(super) fn inputs(&self) -> Value {
        let regions: Vec<&String> = self.masks.keys().collect();
        json!({ "source": self.source, "content": self.content, "target": self.target, "unit": self.unit, "regions": regions,
                "channels": self.channels, "intensity": self.intensity })
    }

    /// The same files whatever is made of them.
    fn of_files_alone(&self) -> Self {
        let (target, unit, split, id) = (String::new(), String::new(), SplitSettings::default(), None);
        Self { target, unit, split, id, group: None, fold: None, content: None, ..self.clone() }
    }

    pub(super) fn target(&self) -> Target {
        Target::new(self.target.clone(), self.unit.clone())
    }
}

/// A row with what is in its files.
struct Loaded {
    /// None where all images are in one array.
    image: Option<RasterStack>,
    /// For every region the pixels that belong to it.
    masks: Vec<Vec<usize>>,
    checksum: blake3::Hash,
}

/// The shape of a row's image, where there is one to see, with the checksum of the row's files.
type Looked = (Option<ImageShape>, blake3::Hash);

/// For every region of a row the pixels that belong to it, with the checksum of the row's files.
type MasksRead = (Vec<Vec<usize>>, blake3::Hash);

/// What was seen in files, which several sources may share: folds, targets and shares change nothing in them.
#[derive(Debug, Default)]
pub struct Seen {
    files: Vec<(FileSource, SeenFiles)>,
}

/// What is in the files of all rows, without their pixels.
#[derive(Debug, Clone)]
struct SeenFiles {
    /// Shape and checksum of the array of all images, where there is one.
    array: Option<(ImageShape, blake3::Hash)>,
    rows: Arc<Vec<Result<Looked, Vec<Problem>>>>,
}

impl Seen {
    fn look(&mut self, source: &FileSource, rows: &[Row]) -> Result<SeenFiles, BadData> {
        let files = source.of_files_alone();
        if let Some((_, seen)) =
            self.files.iter().find(|(known, seen)| *known == files && seen.rows.len() == rows.len())
        {
            return Ok(seen.clone());
        }
        let array = Array::read(source, rows.len())?.map(|array| (array.stack.shape(), array.checksum));
        let expected = array.map(|(shape, _)| shape);
        // Pixels are let go row by row.
        let look = |row: &Row| {
            let loaded = load(source, row, expected)?;
            Ok((loaded.image.as_ref().map(RasterStack::shape).or(expected), loaded.checksum))
        };
        let seen = SeenFiles { array, rows: Arc::new(rows.par_iter().map(look).collect()) };
        self.files.push((files, seen.clone()));
        Ok(seen)
    }
}

/// Looks at the files of a source, at those that were `seen` before no second time.
///
/// # Errors
/// [`BadData`] with all rows that cannot be used.
pub fn find(source: &FileSource, seen: &mut Seen) -> Result<Found, BadData> {
    let Table { rows, partition, mut problems } = table::read(source)?;
    let refused = |problems| {
        let help = "correct these cells and files, or leave their rows out; all images must have one size".to_owned();
        BadData { path: source.table.display().to_string(), problems, help }
    };
    if source.images.is_some() && !problems.is_empty() {
        // Which image belongs to which row is not known.
        return Err(refused(problems));
    }
    let files = seen.look(source, &rows)?;
    problems.extend(files.rows.iter().filter_map(|row| row.as_ref().err()).flatten().cloned());
    // All must have the shape of the first image that can be read.
    let shapes = || files.rows.iter().map(|row| row.as_ref().ok().and_then(|(shape, _)| *shape));
    let shape = shapes().flatten().next();
    for (row, found) in rows.iter().zip(shapes()).filter_map(|(row, found)| Some((row, found?))) {
        if Some(found) != shape {
            let message = format!("{} has {found}, but the first image has {}", name_of(row), shape.unwrap_or(found));
            problems.push(Problem { line: Some(row.line), column: source.image.clone(), message });
        }
    }
    problems.sort_by_key(|problem| problem.line);
    let (Some(shape), true) = (shape, problems.is_empty()) else { return Err(refused(problems)) };
    let checksums = files.rows.iter().flatten().map(|(_, checksum)| *checksum);
    let array = files.array.map(|(_, checksum)| checksum);
    Ok(Found { content: content_of(shape, array, &rows, &partition, checksums), shape, partition })
}

/// What the key of a data set knows of the files: all that the data set is made of.
fn content_of(
    shape: ImageShape,
    array: Option<blake3::Hash>,
    rows: &[Row],
    partition: &Partition,
    checksums: impl Iterator<Item = blake3::Hash>,
) -> String {
    let mut content = blake3::Hasher::new();
    // The same values in another shape are other images.
    for extent in [shape.channels, shape.height, shape.width] {
        content.update(&(extent as u64).to_le_bytes());
    }
    if let Some(checksum) = array {
        content.update(checksum.as_bytes());
    }
    for ((row, checksum), part) in rows.iter().zip(checksums).zip(0..) {
        content.update(row.name.as_bytes()).update(&[0]);
        content.update(&row.target.to_le_bytes());
        content.update(partition.of(part).name().as_bytes()).update(&[0]);
        content.update(checksum.as_bytes());
    }
    content.finalize().to_hex().to_string()
}

/// Reads a source whose files were looked at before.
///
/// # Errors
/// [`BadData`] where they have changed since.
pub fn read(source: &FileSource) -> Result<(Dataset, Option<Masks>), BadData> {
    let changed = || {
        let help = "start the experiment again: what has changed is noticed then";
        BadData::whole(source.table.display(), "the files have changed since the experiment was planned", help)
    };
    let Table { rows, partition, .. } = table::read(source)?;
    let array = Array::read(source, rows.len())?;
    let shape = match (&array, rows.first()) {
        (Some(array), _) => array.stack.shape(),
        (None, Some(row)) => {
            let first = load(source, row, None).map_err(|_| changed())?;
            first.image.ok_or_else(changed)?.shape()
        }
        (None, None) => return Err(changed()),
    };
    let regions = source.masks.keys().cloned().collect::<Vec<_>>();
    // An array of all has its pixels already.
    let values = if array.is_some() { 0 } else { shape.values() };
    let mut pixels = vec![0.0; rows.len() * values];
    let read = |row: &Row, target: &mut [f32]| {
        let loaded = load(source, row, Some(shape)).map_err(|_| changed())?;
        match loaded.image {
            Some(image) if image.shape() == shape => target.copy_from_slice(image.pixels()),
            None if array.is_some() => {}
            _ => return Err(changed()),
        }
        Ok((loaded.masks, loaded.checksum))
    };
    let loaded: Result<Vec<MasksRead>, BadData> = if array.is_some() {
        rows.par_iter().map(|row| read(row, &mut [])).collect()
    } else {
        pixels.par_chunks_exact_mut(values).zip(&rows).map(|(target, row)| read(row, target)).collect()
    };
    let (masks, checksums): (Vec<_>, Vec<_>) = loaded?.into_iter().unzip();
    // What was read now counts, all of it: a file may have changed since it was looked at.
    let content =
        content_of(shape, array.as_ref().map(|array| array.checksum), &rows, &partition, checksums.into_iter());
    if source.content.as_ref() != Some(&content) {
        return Err(changed());
    }
    let mut known = Masks::new(regions, rows.len(), shape.width);
    for (sample, regions) in masks.into_iter().enumerate() {
        for (region, pixels) in regions.into_iter().enumerate() {
            pixels.into_iter().for_each(|pixel| known.insert(sample, region, pixel));
        }
    }
    let images = array.map_or_else(|| RasterStack::of(shape, pixels), |array| array.stack);
    let masks = (!source.masks.is_empty()).then_some(known);
    let dataset = Dataset {
        images,
        targets: rows.iter().map(|row| row.target).collect(),
        target: source.target(),
        partition,
        names: rows.into_iter().map(|row| row.name).collect(),
        truth: masks.clone().map(|masks| std::sync::Arc::new(masks) as _),
    };
    Ok((dataset, masks))
}

/// So many values of an array are hashed at a time.
const HASHED: usize = 1 << 16;

/// One array with all images.
struct Array {
    stack: RasterStack,
    checksum: blake3::Hash,
}

impl Array {
    fn read(source: &FileSource, rows: usize) -> Result<Option<Self>, BadData> {
        let Some(name) = &source.images else { return Ok(None) };
        let path = source.table.parent().unwrap_or(Path::new("")).join(name);
        let refused = |message: String| {
            BadData::whole(path.display(), message, "give an array [n, height, width], or with channels")
        };
        let stack = arrays::read_stack(&path).map_err(|error| refused(error.problem.to_string()))?;
        if stack.len() != rows {
            return Err(refused(format!("it holds {} images, but the table has {rows} rows", stack.len())));
        }
        if source.channels.is_some_and(|channels| channels != stack.shape().channels) {
            return Err(refused(format!("its images have {} channels", stack.shape().channels)));
        }
        if let Some(place) = stack.pixels().iter().position(|value| !value.is_finite()) {
            return Err(refused(format!("image {} holds a value that is not finite", place / stack.shape().values())));
        }
        let mut checksum = blake3::Hasher::new();
        for some in stack.pixels().chunks(HASHED) {
            checksum.update(&some.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        }
        Ok(Some(Self { checksum: checksum.finalize(), stack }))
    }
}

/// The files of a row; `expected` is the shape of the images where it is known.
fn load(source: &FileSource, row: &Row, expected: Option<ImageShape>) -> Result<Loaded, Vec<Problem>> {
    alive::tick();
    let mut problems = Vec::new();
    let mut wrong = |column: Option<&String>, path: &Path, message: String| {
        let message = format!("{}: {message}", path.display());
        problems.push(Problem { line: Some(row.line), column: column.cloned(), message });
    };
    let mut checksum = blake3::Hasher::new();
    let mut image = None;
    if let Some(path) = &row.image {
        let read = disk::read_linked(path).map_err(|error| error.to_string()).and_then(|bytes| {
            checksum.update(blake3::hash(&bytes).as_bytes());
            picture::read(path, &bytes, source.channels, source.intensity)
        });
        match read {
            Ok(read) if !read.pixels().iter().all(|value| value.is_finite()) => {
                wrong(source.image.as_ref(), path, "holds a value that is not finite".into());
            }
            Ok(read) => image = Some(read),
            Err(message) => wrong(source.image.as_ref(), path, message),
        }
    }
    let shape = image.as_ref().map(RasterStack::shape).or(expected);
    let mut masks = Vec::new();
    for (column, path) in source.masks.values().zip(&row.masks) {
        let Some(path) = path else {
            checksum.update(&[0]);
            masks.push(Vec::new());
            continue;
        };
        let read = disk::read_linked(path).map_err(|error| error.to_string()).and_then(|bytes| {
            checksum.update(&[1]).update(blake3::hash(&bytes).as_bytes());
            picture::read_mask(path, &bytes)
        });
        match (read, shape) {
            (Ok((_, [height, width])), Some(shape)) if [height, width] != [shape.height, shape.width] => {
                let message = format!("the mask has {height} x {width} pixels, but the image has {shape}");
                wrong(Some(column), path, message);
            }
            (Ok((pixels, _)), _) => masks.push(pixels),
            (Err(message), _) => wrong(Some(column), path, message),
        }
    }
    if problems.is_empty() { Ok(Loaded { image, masks, checksum: checksum.finalize() }) } else { Err(problems) }
}

fn name_of(row: &Row) -> String {
    row.image.as_ref().map_or_else(|| row.name.clone(), |path| path.display().to_string())
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
