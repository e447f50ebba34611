//! A user's own images with a table of targets.
//!
//! They are looked at when an experiment is planned: everything that is wrong is told then, before any work, and what is in
//! them becomes part of the keys of all results. The first stage reads them once into the store, and notices where they have
//! changed meanwhile. Memory holds the images of the whole data set as float32, as training does, and for each thread the file at
//! hand.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rayon::prelude::*;

use super::atlas;
use super::bad_data::{BadData, Problem};
use super::file_source::{FileSource, Found};
use super::intensity::{self, Intensity};
use super::load::{Array, Loaded, load};
use super::subsample;
use super::table::{self, Row, Table};
use crate::data::{Atlas, Dataset, Grouping, Masks, Partition};
use crate::raster::{ImageShape, RasterStack};

/// The shape of a row's image, where there is one to see, with the checksum of the row's files.
type Looked = (Option<ImageShape>, blake3::Hash);

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
    fn look(&mut self, source: &FileSource, table: &Table) -> Result<SeenFiles, BadData> {
        let (files, rows) = (source.of_files_alone(), &table.rows);
        if let Some((_, seen)) =
            self.files.iter().find(|(known, seen)| *known == files && seen.rows.len() == rows.len())
        {
            return Ok(seen.clone());
        }
        let array = Array::read(source, table.count)?;
        let in_array = array.as_ref().map(|array| array.stack.shape());
        // Pixels are let go row by row.
        let look = |row: &Row| {
            let loaded = load(source, row, in_array)?;
            Ok((loaded.image.as_ref().map(RasterStack::shape), loaded.checksum))
        };
        let mut looked: Vec<Result<Looked, Vec<Problem>>> = rows.par_iter().map(look).collect();
        let array = array.map(|array| {
            let checksum = array.checksum;
            let mut shape = array.stack.shape();
            if let Some([height, width]) = source.size {
                (shape.height, shape.width) = (height, width);
            }
            for problem in array.images(source, rows).err().unwrap_or_default() {
                let row = rows.iter().position(|row| Some(row.place) == problem.place);
                looked[row.expect("problems are of rows")] = Err(vec![problem]);
            }
            looked.iter_mut().flatten().for_each(|(of_row, _)| *of_row = Some(shape));
            (shape, checksum)
        });
        let seen = SeenFiles { array, rows: Arc::new(looked) };
        self.files.push((files, seen.clone()));
        Ok(seen)
    }
}

/// Looks at the files of a source, at those that were `seen` before no second time.
///
/// # Errors
/// [`BadData`] with all rows that cannot be used, unless these are to be left out.
pub fn find(source: &FileSource, seen: &mut Seen) -> Result<Found, BadData> {
    let mut table = table::read(source)?;
    let files = seen.look(source, &table)?;
    let mut problems = std::mem::take(&mut table.problems);
    problems.extend(files.rows.iter().filter_map(|row| row.as_ref().err()).flatten().cloned());
    // All must have the shape of the first image that can be used.
    let bad: HashSet<_> = problems.iter().filter_map(|problem| problem.place).collect();
    let shapes = files.rows.iter().map(|row| row.as_ref().ok().and_then(|(shape, _)| *shape));
    let shapes: Vec<(&Row, ImageShape)> =
        table.rows.iter().zip(shapes).filter_map(|(row, shape)| Some((row, shape?))).collect();
    let good = shapes.iter().find(|(row, _)| !bad.contains(&row.place)).or(shapes.first());
    let shape = good.map(|(_, shape)| *shape);
    for (row, found) in &shapes {
        if Some(*found) != shape {
            let message = format!("{} has {found}, but the first image has {}", name_of(row), shape.unwrap_or(*found));
            problems.push(Problem { place: Some(row.place), column: source.image.clone(), message });
        }
    }
    problems.sort_by_key(|problem| problem.place);
    let refused =
        |problems, help: &str| BadData { path: source.table.display().to_string(), problems, help: help.into() };
    if !problems.is_empty() && !source.excludes {
        let help = "correct these cells and files, or set data.bad_rows = \"exclude\" to leave their rows out; all images \
                    must have one size, to which data.size brings them";
        return Err(refused(problems, help));
    }
    let checksums: HashMap<usize, blake3::Hash> = (table.rows.iter().zip(files.rows.iter()))
        .filter_map(|(row, looked)| Some((row.index, looked.as_ref().ok()?.1)))
        .collect();
    table::exclude(&mut table.rows, &problems);
    let Some(shape) = shape.filter(|_| !table.rows.is_empty()) else {
        let whole = |message: &str| BadData::whole(source.table.display(), message, "add rows with images");
        return Err(if problems.is_empty() {
            whole("the table has no rows")
        } else {
            refused(problems, "none is left")
        });
    };
    let partition = table::partition(source, &table.rows)?;
    let partition = subsample::draw(source, &mut table.rows, partition)?;
    let known =
        Known { shape, array: files.array.map(|(_, checksum)| checksum), rows: &table.rows, partition: &partition };
    let atlas = atlas::read(source, table.atlas_of_rows, shape)?;
    let content = known.content(source, atlas.as_ref(), table.rows.iter().map(|row| checksums[&row.index]));
    Ok(Found { content, shape, partition, excluded: problems })
}

/// What a data set is made of.
struct Known<'a> {
    shape: ImageShape,
    /// Checksum of the array of all images, where there is one.
    array: Option<blake3::Hash>,
    rows: &'a [Row],
    partition: &'a Partition,
}

impl Known<'_> {
    /// What the key of a data set knows of the files: all that the data set is made of.
    fn content(
        &self,
        source: &FileSource,
        atlas: Option<&atlas::Shared>,
        checksums: impl Iterator<Item = blake3::Hash>,
    ) -> String {
        let mut content = blake3::Hasher::new();
        // The same values in another shape are other images.
        for extent in [self.shape.channels, self.shape.height, self.shape.width] {
            content.update(&(extent as u64).to_le_bytes());
        }
        if let Some(checksum) = self.array {
            content.update(checksum.as_bytes());
        }
        for ((row, checksum), sample) in self.rows.iter().zip(checksums).zip(0..) {
            content.update(row.name.as_bytes()).update(&[0]);
            content.update(&row.target.to_le_bytes());
            content.update(self.partition.of(sample).name().as_bytes()).update(&[0]);
            content.update(checksum.as_bytes());
            if self.array.is_some() && row.index != sample {
                // Which of the array's images it has, where rows are left out.
                content.update(&(row.index as u64).to_le_bytes());
            }
            if source.group_by.is_some() {
                content.update(row.compared.as_bytes()).update(&[0]);
            }
        }
        if let Some(atlas) = atlas {
            content.update(atlas.checksum.as_bytes());
        }
        content.finalize().to_hex().to_string()
    }
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
    let Table { mut rows, count, atlas_of_rows, .. } = table::read(source)?;
    table::exclude(&mut rows, &source.excluded);
    let partition = table::partition(source, &rows)?;
    let partition = subsample::draw(source, &mut rows, partition)?;
    let array = Array::read(source, count)?;
    let array_checksum = array.as_ref().map(|array| array.checksum);
    let in_array = array.as_ref().map(|array| array.stack.shape());
    let stack = array.map(|array| array.images(source, &rows).map_err(|_| changed())).transpose()?;
    let first = || load(source, rows.first()?, None).ok()?.image.map(|image| image.shape());
    let shape = stack.as_ref().map(RasterStack::shape).or_else(first).ok_or_else(changed)?;
    // An array of all has its pixels already.
    let values = if stack.is_some() { 0 } else { shape.values() };
    let mut pixels = vec![0.0; rows.len() * values];
    let read = |row: &Row, target: &mut [f32]| {
        let loaded = load(source, row, in_array).map_err(|_| changed())?;
        match &loaded.image {
            Some(image) if image.shape() == shape => target.copy_from_slice(image.pixels()),
            None if in_array.is_some() => {}
            _ => return Err(changed()),
        }
        Ok(Loaded { image: None, ..loaded })
    };
    let loaded: Result<Vec<Loaded>, BadData> = if in_array.is_some() {
        rows.par_iter().map(|row| read(row, &mut [])).collect()
    } else {
        pixels.par_chunks_exact_mut(values).zip(&rows).map(|(target, row)| read(row, target)).collect()
    };
    let loaded = loaded?;
    let atlas = atlas::read(source, atlas_of_rows, shape)?;
    // What was read now counts, all of it: a file may have changed since it was looked at.
    let known = Known { shape, array: array_checksum, rows: &rows, partition: &partition };
    let content = known.content(source, atlas.as_ref(), loaded.iter().map(|loaded| loaded.checksum));
    if source.content.as_ref() != Some(&content) {
        return Err(changed());
    }
    let images = stack.unwrap_or_else(|| RasterStack::of(shape, pixels));
    let images = match source.intensity {
        Intensity::ZscoreTrain => {
            let training = partition.samples(crate::data::Split::Train);
            let help = "leave data.intensity out, or use \"zscore\"";
            intensity::standardise_by(&images, &training)
                .map_err(|message| BadData::whole(source.table.display(), message, help))?
        }
        _ => images,
    };
    Ok(assembled(source, rows, partition, images, loaded, atlas))
}

/// The data set that was read.
fn assembled(
    source: &FileSource,
    rows: Vec<Row>,
    partition: Partition,
    images: RasterStack,
    loaded: Vec<Loaded>,
    atlas: Option<atlas::Shared>,
) -> (Dataset, Option<Masks>) {
    let shape = images.shape();
    let mut known = Masks::new(source.masks.keys().cloned().collect(), rows.len(), shape.width);
    let mut labels = Vec::new();
    for (sample, loaded) in loaded.into_iter().enumerate() {
        for (region, pixels) in loaded.masks.into_iter().enumerate() {
            pixels.into_iter().for_each(|pixel| known.insert(sample, region, pixel));
        }
        labels.extend(loaded.labels.into_iter().flatten());
    }
    let masks = (!source.masks.is_empty()).then_some(known);
    let atlas = atlas.map(|atlas| {
        let labels = atlas.labels.unwrap_or(labels);
        Arc::new(Atlas::new(labels, shape.area(), &atlas.names))
    });
    let grouping = source.group_by.clone().map(|name| {
        let of = rows.iter().map(|row| row.compared.clone()).collect();
        Grouping { name, of }
    });
    let dataset = Dataset {
        images,
        targets: rows.iter().map(|row| row.target).collect(),
        target: source.target(),
        partition,
        names: rows.into_iter().map(|row| row.name).collect(),
        truth: masks.clone().map(|masks| Arc::new(masks) as _),
        atlas,
        grouping,
    };
    (dataset, masks)
}

fn name_of(row: &Row) -> String {
    row.image.as_ref().map_or_else(|| row.name.clone(), |path| path.display().to_string())
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
