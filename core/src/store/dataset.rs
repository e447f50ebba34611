//! A data set as `set.npz`: arrays that NumPy opens as they are.
//!
//! Pumpkins have their records beside their images ([`super::pumpkins`]). All other data sets have images `[n, height, width]`
//! or `[n, channels, height, width]`, target `[n]` (float32), part `[n]` (int32: 0 trains, 1 validates, 2 tests), name `[n]`,
//! target_name, target_unit (text); and where regions are known region_name `[m]` (text), and an entry a pixel of a region:
//! region_sample, region_index, region_pixel (int32; the place in the row-major image). An atlas is atlas `[height, width]` or
//! `[n, height, width]` (int32, 0 is the background), atlas_label `[k]` (int32) and atlas_name `[k]`; groups are group_name (text)
//! and group `[n]` (text).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::arrays::{ArrayProblem, planes_of};
use super::npy::{NpyError, Number};
use super::npz::{Npz, NpzError};
use super::npz_writer::NpzWriter;
use super::pumpkins;
use super::source::Source;
use crate::data::{Atlas, Dataset, Grouping, Masks, Partition, Split, Target};
use crate::raster::RasterStack;

/// A file that cannot be read as a data set.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct DatasetError {
    pub path: PathBuf,
    /// Boxed, because it is large and rare.
    #[source]
    pub problem: Box<DatasetProblem>,
}

/// Why a file cannot be read as a data set.
#[derive(Debug, Error)]
pub enum DatasetProblem {
    #[error("{0}")]
    File(#[from] ArrayProblem),
    #[error("{0}")]
    Npz(#[from] NpzError),
    #[error("is a single array, not a data set")]
    NoArchive,
    #[error("array {name:?} {message}")]
    Content { name: &'static str, message: &'static str },
}

/// Writes a data set whose regions, where it knows any, are `masks`; a file that is there is replaced. The same data set gives
/// the same bytes.
///
/// # Panics
/// Panics where the masks are of another number of samples.
pub fn save(dataset: &Dataset, masks: Option<&Masks>, path: &Path) -> io::Result<()> {
    let n = dataset.len();
    let mut npz = NpzWriter::create(path)?;
    npz.array("images", &dataset.images.shape().of_array(n), dataset.images.pixels())?;
    npz.array("target", &[n], &dataset.targets)?;
    let parts: Vec<usize> = (0..n).collect();
    npz.column("part", &parts, |&sample| number_of(dataset.partition.of(sample)))?;
    npz.texts("name", &[n], &dataset.names.iter().map(String::as_str).collect::<Vec<_>>())?;
    npz.texts("target_name", &[], &[&dataset.target.name])?;
    npz.texts("target_unit", &[], &[&dataset.target.unit])?;
    if let Some(Grouping { name, of }) = &dataset.grouping {
        npz.texts("group_name", &[], &[name])?;
        npz.texts("group", &[n], &of.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    if let Some(atlas) = &dataset.atlas {
        let (labels, count) = atlas.labels();
        let [height, width] = [dataset.images.height(), dataset.images.width()];
        npz.column("atlas_label", atlas.regions(), |region| region.label)?;
        let names: Vec<&str> = atlas.regions().iter().map(|region| region.name.as_str()).collect();
        npz.texts("atlas_name", &[names.len()], &names)?;
        match count {
            1 => npz.array("atlas", &[height, width], labels)?,
            _ => npz.array("atlas", &[count, height, width], labels)?,
        }
    }
    if let Some(masks) = masks {
        let names: Vec<&str> = masks.names().iter().map(String::as_str).collect();
        npz.texts("region_name", &[names.len()], &names)?;
        let pixels: Vec<[usize; 3]> = masks.pixels().collect();
        for (place, name) in ["region_sample", "region_index", "region_pixel"].into_iter().enumerate() {
            npz.column(name, &pixels, |pixel| pixel[place] as i32)?;
        }
    }
    npz.finish()
}

/// Reads a data set, of pumpkins or of others.
pub fn load(path: &Path) -> Result<Dataset, DatasetError> {
    in_archive(path, |npz| if pumpkins::are_in(npz) { Ok(pumpkins::read(npz)?.into()) } else { read(npz) })
}

/// What a data set says of its samples beside their images.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    pub targets: Vec<f32>,
    pub target: Target,
    pub partition: Partition,
    pub names: Vec<String>,
    pub grouping: Option<Grouping>,
}

/// Reads a data set without its images.
pub fn load_samples(path: &Path) -> Result<Samples, DatasetError> {
    in_archive(path, |npz| match pumpkins::are_in(npz) {
        true => {
            let pumpkins = pumpkins::read_pumpkins(npz)?;
            Ok(Samples {
                targets: pumpkins.iter().map(|pumpkin| pumpkin.age as f32).collect(),
                target: crate::sim::age(),
                partition: Partition::in_order(pumpkins.len()),
                names: pumpkins.into_iter().map(|pumpkin| pumpkin.name).collect(),
                grouping: None,
            })
        }
        false => read_samples(npz),
    })
}

/// Whether a file is a data set of this project, whatever its name.
pub fn is_dataset(path: &Path) -> bool {
    matches!(Source::open(path), Ok(Source::Npz(npz)) if pumpkins::are_in(&npz) || are_samples_in(&npz))
}

/// The targets that a file of images has; nothing where it has none, or is a single array.
pub fn load_targets(path: &Path) -> Result<Option<(Target, Vec<f32>)>, DatasetError> {
    let read = || match Source::open(path)? {
        Source::Npz(mut npz) if npz.has("age") => Ok(Some((crate::sim::age(), any_column(&mut npz, "age")?))),
        Source::Npz(mut npz) if are_samples_in(&npz) => {
            let Samples { target, targets, .. } = read_samples(&mut npz)?;
            Ok(Some((target, targets)))
        }
        _ => Ok(None),
    };
    read().map_err(|problem: DatasetProblem| DatasetError { path: path.to_owned(), problem: problem.into() })
}

fn are_samples_in(npz: &Npz) -> bool {
    ["images", "target", "part", "target_name"].into_iter().all(|name| npz.has(name))
}

fn read(npz: &mut Npz) -> Result<Dataset, DatasetProblem> {
    let Samples { targets, target, partition, names, grouping } = read_samples(npz)?;
    let images = npz.read("images", |array| match planes_of(&array.header.shape) {
        Some(layout) if layout.count == targets.len() => Ok((layout, array.all()?)),
        _ => Err(NpyError::Shape { found: array.header.shape.clone(), expected: "[n, channels, height, width]" }),
    });
    let (layout, values) = images?;
    let images = RasterStack::of(layout.image, layout.ordered(values));
    let masks = if npz.has("region_name") { Some(read_masks(npz, &images)?) } else { None };
    let atlas = if npz.has("atlas") { Some(Arc::new(read_atlas(npz, &images)?)) } else { None };
    let truth = masks.map(|masks| Arc::new(masks) as _);
    Ok(Dataset { images, targets, target, partition, names, truth, atlas, grouping })
}

fn read_atlas(npz: &mut Npz, images: &RasterStack) -> Result<Atlas, DatasetProblem> {
    let labels: Vec<i32> = any_column(npz, "atlas")?;
    let area = images.shape().area();
    if labels.len() != area && labels.len() != area * images.len() {
        return Err(content("atlas", "is of another size than the images"));
    }
    let known: Vec<i32> = any_column(npz, "atlas_label")?;
    let names = texts(npz, "atlas_name", known.len())?;
    Ok(Atlas::new(labels, area, &known.into_iter().zip(names).collect::<Vec<_>>()))
}

fn read_samples(npz: &mut Npz) -> Result<Samples, DatasetProblem> {
    let targets: Vec<f32> = any_column(npz, "target")?;
    if !targets.iter().all(|target| target.is_finite()) {
        return Err(content("target", "holds a value that is not finite"));
    }
    let parts: Vec<i32> = column(npz, "part", targets.len())?;
    let parts: Option<Vec<Split>> = parts
        .into_iter()
        .map(|part| usize::try_from(part).ok().and_then(|part| Split::PARTS.get(part).copied()))
        .collect();
    let partition = Partition::new(parts.ok_or(content("part", "holds a number that is not 0, 1 or 2"))?);
    let names = texts(npz, "name", targets.len())?;
    let mut text = |name| Ok::<_, DatasetProblem>(texts(npz, name, 1)?.pop().unwrap_or_default());
    let target = Target::new(text("target_name")?, text("target_unit")?);
    let grouping = match npz.has("group_name") {
        true => Some(Grouping {
            name: texts(npz, "group_name", 1)?.pop().unwrap_or_default(),
            of: texts(npz, "group", targets.len())?,
        }),
        false => None,
    };
    Ok(Samples { targets, target, partition, names, grouping })
}

fn read_masks(npz: &mut Npz, images: &RasterStack) -> Result<Masks, DatasetProblem> {
    let names = npz.read("region_name", |array| array.texts())?;
    let samples: Vec<i32> = any_column(npz, "region_sample")?;
    let indices: Vec<i32> = column(npz, "region_index", samples.len())?;
    let pixels: Vec<i32> = column(npz, "region_pixel", samples.len())?;
    let (count, area) = (images.len(), images.shape().area());
    let mut masks = Masks::new(names, count, images.width());
    for (place, &sample) in samples.iter().enumerate() {
        let within = |value: i32, limit: usize| usize::try_from(value).ok().filter(|&value| value < limit);
        let sample = within(sample, count).ok_or(content("region_sample", "names a sample that is not there"))?;
        let index = within(indices[place], masks.names().len());
        let index = index.ok_or(content("region_index", "names a region that is not there"))?;
        let pixel = within(pixels[place], area).ok_or(content("region_pixel", "points beyond the image"))?;
        masks.insert(sample, index, pixel);
    }
    Ok(masks)
}

fn number_of(part: Split) -> i32 {
    Split::PARTS.iter().position(|known| *known == part).expect("every sample has a part of its own") as i32
}

pub(super) fn in_archive<T>(
    path: &Path,
    read: impl FnOnce(&mut Npz) -> Result<T, DatasetProblem>,
) -> Result<T, DatasetError> {
    let read = || match Source::open(path)? {
        Source::Npz(mut npz) => read(&mut npz),
        Source::Npy { .. } => Err(DatasetProblem::NoArchive),
    };
    read().map_err(|problem| DatasetError { path: path.to_owned(), problem: problem.into() })
}

pub(super) fn content(name: &'static str, message: &'static str) -> DatasetProblem {
    DatasetProblem::Content { name, message }
}

/// Reads an array of `count` values, in whatever shape.
pub(super) fn column<T: Number>(npz: &mut Npz, name: &'static str, count: usize) -> Result<Vec<T>, DatasetProblem> {
    let values: Vec<T> = any_column(npz, name)?;
    if values.len() == count { Ok(values) } else { Err(content(name, "has another length than its companions")) }
}

pub(super) fn any_column<T: Number>(npz: &mut Npz, name: &'static str) -> Result<Vec<T>, DatasetProblem> {
    Ok(npz.read(name, |array| array.all())?)
}

pub(super) fn texts(npz: &mut Npz, name: &'static str, count: usize) -> Result<Vec<String>, DatasetProblem> {
    let texts = npz.read(name, |array| array.texts())?;
    if texts.len() == count { Ok(texts) } else { Err(content(name, "has another length than its companions")) }
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
