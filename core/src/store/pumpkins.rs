//! Pumpkins as `set.npz`: arrays that NumPy opens as they are, and enough to draw every pumpkin again.
//!
//! images `[n, 98, 98]`, age, height, width `[n]` (float32); n_lesions, n_atrophies `[n]`; the signs as flat arrays
//! lesion_sample, lesion_row, lesion_col, atrophy_sample, atrophy_row, atrophy_col; tumour `[n, 4]` (row0, row1, col0,
//! col1, half open; -1 where there is none), all int32; name `[n]` (text). Beyond these, for drawing pumpkins again:
//! seed `[n]` (uint64), lesion_brightness, tumour_brightness `[n]` (float32, 0 where there is none), growth_mode (text).

use std::io;
use std::path::Path;

use super::arrays::{Layout, planes_of};
use super::dataset::{DatasetError, DatasetProblem, any_column, column, content, in_archive, texts};
use super::npy::{Element, Header, NpyError, write_values};
use super::npz::Npz;
use super::npz_writer::NpzWriter;
use crate::raster::RasterStack;
use crate::sim::{GrowthMode, Lesion, Pixel, Pumpkin, PumpkinSet, SHAPE, SIDE, Tumour};

/// Writes a data set; a file that is there is replaced. The same data set gives the same bytes.
pub fn save(set: &PumpkinSet, path: &Path) -> io::Result<()> {
    save_drawn(path, set.len(), set.growth_mode, |write| {
        write(set.images.pixels())?;
        Ok(set.pumpkins.as_slice())
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
    let mut npz = NpzWriter::create(path)?;
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
    npz.finish()
}

/// Reads what [`save`] wrote, to the bit.
pub fn load(path: &Path) -> Result<PumpkinSet, DatasetError> {
    in_archive(path, read)
}

/// The records of a data set alone, without its images.
pub fn load_pumpkins(path: &Path) -> Result<Vec<Pumpkin>, DatasetError> {
    in_archive(path, read_pumpkins)
}

/// Whether an archive holds the records of pumpkins.
pub(super) fn are_in(npz: &Npz) -> bool {
    npz.has("growth_mode") && npz.has("images")
}

pub(super) fn read(npz: &mut Npz) -> Result<PumpkinSet, DatasetProblem> {
    let images = read_images(npz)?;
    let growth_mode = texts(npz, "growth_mode", 1)?.pop().and_then(|name| GrowthMode::named(&name));
    let growth_mode = growth_mode.ok_or(content("growth_mode", "names no growth mode"))?;
    let pumpkins = read_pumpkins(npz)?;
    if pumpkins.len() != images.len() {
        return Err(content("age", "has another length than its companions"));
    }
    Ok(PumpkinSet { growth_mode, images, pumpkins })
}

pub(super) fn read_pumpkins(npz: &mut Npz) -> Result<Vec<Pumpkin>, DatasetProblem> {
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

fn read_images(npz: &mut Npz) -> Result<RasterStack, DatasetProblem> {
    let pixels = npz.read("images", |array| match planes_of(&array.header.shape) {
        Some(Layout { image: SHAPE, channels_last: false, .. }) => array.all(),
        _ => Err(NpyError::Shape { found: array.header.shape.clone(), expected: "[n, 98, 98]" }),
    })?;
    Ok(RasterStack::of(SHAPE, pixels))
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
#[path = "pumpkins_tests.rs"]
mod tests;
