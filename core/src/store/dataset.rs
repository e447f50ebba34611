//! A data set as `set.npz`: arrays that NumPy opens as they are, and enough to draw every pumpkin again.
//!
//! images `[n, 98, 98]`, age, height, width `[n]` (float32); n_lesions, n_atrophies `[n]`; the signs as flat arrays
//! lesion_sample, lesion_row, lesion_col, atrophy_sample, atrophy_row, atrophy_col; tumour `[n, 4]` (row0, row1, col0,
//! col1, half open; -1 where there is none), all int32; name `[n]` (text). Beyond these, for drawing pumpkins again:
//! seed `[n]` (uint64), lesion_brightness, tumour_brightness `[n]` (float32, 0 where there is none), growth_mode (text).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::arrays::{ArrayProblem, planes_of};
use super::npy::{DType, Element, Header, Kind, NpyError, Number, write_array, write_values};
use super::npz::{Npz, NpzError};
use super::source::Source;
use crate::disk;
use crate::raster::{RasterStack, SIDE};
use crate::sim::{Dataset, GrowthMode, Lesion, Pixel, Pumpkin, Tumour};

/// A file that cannot be read as a data set.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct DatasetError {
    pub path: PathBuf,
    /// Boxed, because it is large and rare.
    pub problem: Box<DatasetProblem>,
}

/// Why a file cannot be read as a data set.
#[derive(Debug, Error)]
pub enum DatasetProblem {
    #[error(transparent)]
    File(#[from] ArrayProblem),
    #[error(transparent)]
    Npz(#[from] NpzError),
    #[error("is a single array, not a data set")]
    NoArchive,
    #[error("array {name:?} {message}")]
    Content { name: &'static str, message: &'static str },
}

/// Writes a data set; a file that is there is replaced. The same data set gives the same bytes.
pub fn save(dataset: &Dataset, path: &Path) -> io::Result<()> {
    save_drawn(path, dataset.len(), dataset.growth_mode, |write| {
        write(dataset.images.pixels())?;
        Ok(dataset.pumpkins.as_slice())
    })
}

/// As [`save`], for `n` pumpkins whose images are not in memory together: `draw` passes them to its argument, some at a
/// time and in order, and returns the records.
pub fn save_drawn<P: AsRef<[Pumpkin]>>(
    path: &Path,
    n: usize,
    growth_mode: GrowthMode,
    draw: impl FnOnce(&mut (dyn FnMut(&[f32]) -> io::Result<()> + Send)) -> io::Result<P>,
) -> io::Result<()> {
    let mut npz = NpzWriter { zip: ZipWriter::new(BufWriter::new(disk::create(path)?)) };
    let writer = npz.start("images")?;
    Header::new(f32::DTYPE, &[n, SIDE, SIDE]).write(writer)?;
    let pumpkins = draw(&mut |images| write_values(images, writer))?;
    let pumpkins = pumpkins.as_ref();
    assert_eq!(pumpkins.len(), n, "a record an image");
    npz.column("age", pumpkins, |pumpkin| pumpkin.age as f32)?;
    npz.column("height", pumpkins, |pumpkin| pumpkin.height)?;
    npz.column("width", pumpkins, |pumpkin| pumpkin.width)?;
    npz.column("n_lesions", pumpkins, |pumpkin| pumpkin.lesions.len() as i32)?;
    npz.column("n_atrophies", pumpkins, |pumpkin| pumpkin.atrophies.len() as i32)?;

    let lesions = with_sample(pumpkins, |pumpkin| &pumpkin.lesions);
    npz.column("lesion_sample", &lesions, |(sample, _)| *sample)?;
    npz.column("lesion_row", &lesions, |(_, lesion)| i32::from(lesion.row))?;
    npz.column("lesion_col", &lesions, |(_, lesion)| i32::from(lesion.col))?;
    npz.column("lesion_brightness", &lesions, |(_, lesion)| lesion.brightness)?;

    let atrophies = with_sample(pumpkins, |pumpkin| &pumpkin.atrophies);
    npz.column("atrophy_sample", &atrophies, |(sample, _)| *sample)?;
    npz.column("atrophy_row", &atrophies, |(_, atrophy)| i32::from(atrophy.row))?;
    npz.column("atrophy_col", &atrophies, |(_, atrophy)| i32::from(atrophy.col))?;

    let tumours: Vec<i32> = pumpkins.iter().flat_map(|pumpkin| corners(pumpkin.tumour)).collect();
    npz.array("tumour", &[n, 4], &tumours)?;
    npz.column("tumour_brightness", pumpkins, |pumpkin| pumpkin.tumour.map_or(0.0, |tumour| tumour.brightness))?;

    npz.texts("name", &[n], &pumpkins.iter().map(|pumpkin| pumpkin.name.as_str()).collect::<Vec<_>>())?;
    npz.column("seed", pumpkins, |pumpkin| pumpkin.seed)?;
    npz.texts("growth_mode", &[], &[growth_mode.name()])?;
    npz.zip.finish()?.flush()
}

/// Reads what [`save`] wrote, to the bit.
pub fn load(path: &Path) -> Result<Dataset, DatasetError> {
    in_archive(path, read_dataset)
}

/// The records of a data set alone, without its images.
pub fn load_pumpkins(path: &Path) -> Result<Vec<Pumpkin>, DatasetError> {
    in_archive(path, read_pumpkins)
}

/// Whether a file is an archive with the records of pumpkins, whatever its name.
pub fn is_dataset(path: &Path) -> bool {
    matches!(Source::open(path), Ok(Source::Npz(npz)) if npz.has("growth_mode") && npz.has("images"))
}

/// The ages that an archive has, in years; nothing where it has none, or where the file is a single array.
pub fn load_ages(path: &Path) -> Result<Option<Vec<f32>>, DatasetError> {
    let read = || match Source::open(path)? {
        Source::Npz(mut npz) if npz.has("age") => Ok(Some(any_column(&mut npz, "age")?)),
        _ => Ok(None),
    };
    read().map_err(|problem: DatasetProblem| DatasetError { path: path.to_owned(), problem: problem.into() })
}

fn in_archive<T>(path: &Path, read: impl FnOnce(&mut Npz) -> Result<T, DatasetProblem>) -> Result<T, DatasetError> {
    let read = || match Source::open(path)? {
        Source::Npz(mut npz) => read(&mut npz),
        Source::Npy { .. } => Err(DatasetProblem::NoArchive),
    };
    read().map_err(|problem| DatasetError { path: path.to_owned(), problem: problem.into() })
}

fn read_dataset(npz: &mut Npz) -> Result<Dataset, DatasetProblem> {
    let images = read_images(npz)?;
    let growth_mode = texts(npz, "growth_mode", 1)?.pop().and_then(|name| GrowthMode::named(&name));
    let growth_mode = growth_mode.ok_or(content("growth_mode", "names no growth mode"))?;
    let pumpkins = read_pumpkins(npz)?;
    if pumpkins.len() != images.len() {
        return Err(content("age", "has another length than its companions"));
    }
    Ok(Dataset { growth_mode, images, pumpkins })
}

fn read_pumpkins(npz: &mut Npz) -> Result<Vec<Pumpkin>, DatasetProblem> {
    let ages: Vec<f32> = any_column(npz, "age")?;
    let n = ages.len();
    let (heights, widths): (Vec<f32>, Vec<f32>) = (column(npz, "height", n)?, column(npz, "width", n)?);
    let seeds: Vec<u64> = column(npz, "seed", n)?;
    let tumours: Vec<i32> = column(npz, "tumour", 4 * n)?;
    let tumour_brightness: Vec<f32> = column(npz, "tumour_brightness", n)?;
    let mut pumpkins = Vec::with_capacity(n);
    for (sample, name) in texts(npz, "name", n)?.into_iter().enumerate() {
        let age = ages[sample];
        if !(0.0..1000.0).contains(&age) || age.fract() != 0.0 {
            return Err(content("age", "holds a value that is not an age in whole years"));
        }
        pumpkins.push(Pumpkin {
            name,
            age: age as u32,
            height: heights[sample],
            width: widths[sample],
            seed: seeds[sample],
            lesions: Vec::new(),
            atrophies: Vec::new(),
            tumour: tumour(&tumours[4 * sample..4 * sample + 4], tumour_brightness[sample])?,
        });
    }

    let lesion_samples = samples(npz, "lesion_sample", n)?;
    let rows = coordinates(npz, "lesion_row", lesion_samples.len(), 1)?;
    let cols = coordinates(npz, "lesion_col", lesion_samples.len(), 1)?;
    let brightness: Vec<f32> = column(npz, "lesion_brightness", lesion_samples.len())?;
    for (index, &sample) in lesion_samples.iter().enumerate() {
        let lesion = Lesion { row: rows[index], col: cols[index], brightness: brightness[index] };
        pumpkins[sample].lesions.push(lesion);
    }

    let atrophy_samples = samples(npz, "atrophy_sample", n)?;
    let rows = coordinates(npz, "atrophy_row", atrophy_samples.len(), 0)?;
    let cols = coordinates(npz, "atrophy_col", atrophy_samples.len(), 0)?;
    for (index, &sample) in atrophy_samples.iter().enumerate() {
        pumpkins[sample].atrophies.push(Pixel { row: rows[index], col: cols[index] });
    }

    check_counts(npz, "n_lesions", &pumpkins, |pumpkin| pumpkin.lesions.len())?;
    check_counts(npz, "n_atrophies", &pumpkins, |pumpkin| pumpkin.atrophies.len())?;
    Ok(pumpkins)
}

struct NpzWriter {
    zip: ZipWriter<BufWriter<File>>,
}

impl NpzWriter {
    /// Starts the file of an array: stored as it is, since noise does not compress and stored arrays load at once.
    fn start(&mut self, name: &str) -> io::Result<&mut ZipWriter<BufWriter<File>>> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
        self.zip.start_file(format!("{name}.npy"), options)?;
        Ok(&mut self.zip)
    }

    fn array<T: Element>(&mut self, name: &str, shape: &[usize], values: &[T]) -> io::Result<()> {
        write_array(shape, values, self.start(name)?)
    }

    /// One value an item.
    fn column<I, T: Element>(&mut self, name: &str, items: &[I], value: impl Fn(&I) -> T) -> io::Result<()> {
        self.array(name, &[items.len()], &items.iter().map(value).collect::<Vec<_>>())
    }

    /// Text of a fixed width, a code point in four bytes, as numpy keeps it.
    fn texts(&mut self, name: &str, shape: &[usize], texts: &[&str]) -> io::Result<()> {
        let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
        let writer = self.start(name)?;
        let dtype = DType { kind: Kind::Text, size: 4 * width, is_big_endian: false };
        Header::new(dtype, shape).write(writer)?;
        for text in texts {
            let padded = text.chars().map(u32::from).chain(std::iter::repeat(0)).take(width);
            writer.write_all(&padded.flat_map(u32::to_le_bytes).collect::<Vec<u8>>())?;
        }
        Ok(())
    }
}

/// The signs of all pumpkins, each with its sample.
fn with_sample<T: Copy>(pumpkins: &[Pumpkin], signs: impl Fn(&Pumpkin) -> &Vec<T>) -> Vec<(i32, T)> {
    let samples = (0..).zip(pumpkins);
    samples.flat_map(|(sample, pumpkin)| signs(pumpkin).iter().map(move |&sign| (sample, sign))).collect()
}

fn corners(tumour: Option<Tumour>) -> [i32; 4] {
    tumour.map_or([-1; 4], |Tumour { row0, row1, col0, col1, .. }| [row0, row1, col0, col1].map(i32::from))
}

fn tumour(corners: &[i32], brightness: f32) -> Result<Option<Tumour>, DatasetProblem> {
    if corners == [-1; 4] {
        return Ok(None);
    }
    let edges: Vec<u16> = corners.iter().filter_map(|&edge| edge.try_into().ok()).collect();
    match edges[..] {
        [row0, row1, col0, col1] if row0 <= row1 && col0 <= col1 && row1.max(col1) <= SIDE as u16 => {
            Ok(Some(Tumour { row0, row1, col0, col1, brightness }))
        }
        _ => Err(content("tumour", "holds a value that is not a rectangle inside the image")),
    }
}

fn content(name: &'static str, message: &'static str) -> DatasetProblem {
    DatasetProblem::Content { name, message }
}

fn read_images(npz: &mut Npz) -> Result<RasterStack, DatasetProblem> {
    let pixels = npz.read("images", |array| match planes_of(&array.header.shape) {
        Some([_, SIDE, SIDE]) => array.all(),
        _ => Err(NpyError::Shape { found: array.header.shape.clone(), expected: "[n, 98, 98]" }),
    })?;
    Ok(RasterStack::new(SIDE, SIDE, pixels))
}

/// Reads an array of `count` values, in whatever shape.
fn column<T: Number>(npz: &mut Npz, name: &'static str, count: usize) -> Result<Vec<T>, DatasetProblem> {
    let values: Vec<T> = any_column(npz, name)?;
    if values.len() == count { Ok(values) } else { Err(content(name, "has another length than its companions")) }
}

fn any_column<T: Number>(npz: &mut Npz, name: &'static str) -> Result<Vec<T>, DatasetProblem> {
    Ok(npz.read(name, |array| array.all())?)
}

fn texts(npz: &mut Npz, name: &'static str, count: usize) -> Result<Vec<String>, DatasetProblem> {
    let texts = npz.read(name, |array| array.texts())?;
    if texts.len() == count { Ok(texts) } else { Err(content(name, "has another length than its companions")) }
}

/// Reads which sample each sign belongs to.
fn samples(npz: &mut Npz, name: &'static str, n: usize) -> Result<Vec<usize>, DatasetProblem> {
    let values: Vec<i32> = any_column(npz, name)?;
    let samples = values.into_iter().map(|sample| usize::try_from(sample).ok().filter(|&sample| sample < n));
    samples.collect::<Option<_>>().ok_or(content(name, "names a sample that is not there"))
}

/// Reads rows or columns, at least `margin` away from the edges of the image.
fn coordinates(npz: &mut Npz, name: &'static str, count: usize, margin: usize) -> Result<Vec<u16>, DatasetProblem> {
    let values: Vec<i32> = column(npz, name, count)?;
    let inside = margin as i32..(SIDE - margin) as i32;
    let coordinates = values.into_iter().map(|at| inside.contains(&at).then_some(at as u16));
    coordinates.collect::<Option<_>>().ok_or(content(name, "points beyond the image"))
}

fn check_counts(
    npz: &mut Npz,
    name: &'static str,
    pumpkins: &[Pumpkin],
    count: impl Fn(&Pumpkin) -> usize,
) -> Result<(), DatasetProblem> {
    let counts: Vec<i32> = column(npz, name, pumpkins.len())?;
    let agree = counts.iter().zip(pumpkins).all(|(&stated, pumpkin)| usize::try_from(stated) == Ok(count(pumpkin)));
    if agree { Ok(()) } else { Err(content(name, "does not agree with the signs that are there")) }
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
