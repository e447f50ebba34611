//! Published figure 2: a pumpkin, and how pumpkins are shown in all figures.

use image::RgbImage;

use super::kinds::{Drawn, Missing, RunFigure};
use super::sheet::{Area, Lettering, Sheet};
use super::study::Run;
use super::style::{BLACK, SMALL_SIZE};
use crate::data::Split;
use crate::sim::SIDE;
use crate::sim::Without;

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "02_pumpkin",
    title: "A pumpkin",
    source: "samples.parquet, spec.toml",
    caption: "The first pumpkin of the test set, as the network sees it (axes in pixels).",
    draw,
};

fn draw(run: &Run) -> Drawn {
    let sample = run.predictions_of(Split::Test).next().ok_or(Missing("predictions"))?.sample;
    let pumpkin = run.pumpkin(sample).ok_or(NOT_REDRAWN)?;
    let mut sheet = Sheet::new(400.0, 420.0);
    sheet.title(&format!("Pumpkin {}, {} years", pumpkin.name, pumpkin.age));
    show(&mut sheet, Area::new(54.0, 48.0, 320.0, 320.0), &pumpkin.redraw(Without::Nothing), true);
    Ok(sheet)
}

/// Why pumpkins cannot be shown.
pub(super) const NOT_REDRAWN: Missing =
    Missing("pumpkins that the recorded settings draw again (another version of the simulation drew these)");

/// Shows an image of [`SIDE`] x [`SIDE`] intensities, with axes in pixels where asked for.
pub(super) fn show(sheet: &mut Sheet, area: Area, image: &[f32], axes: bool) {
    if axes {
        pixel_axes(sheet, area);
    }
    let colors = image.iter().flat_map(|&intensity| gist_heat(intensity));
    let picture = RgbImage::from_raw(SIDE as u32, SIDE as u32, colors.collect()).expect("three bytes a pixel");
    sheet.picture(area, picture);
}

/// Axes that count rows and columns from the upper left corner.
pub(super) fn pixel_axes(sheet: &mut Sheet, area: Area) {
    let side = SIDE as f64;
    for tick in (0..SIDE).step_by(20) {
        let along = (tick as f64 + 0.5) / side;
        let (x, y) = (area.left + along * area.width, area.top + along * area.height);
        sheet.line((x, area.bottom()), (x, area.bottom() + 5.0), BLACK, 1.0);
        sheet.line((area.left - 5.0, y), (area.left, y), BLACK, 1.0);
        let (label, size) = (tick.to_string(), SMALL_SIZE);
        sheet.text(x, area.bottom() + 19.0, &label, Lettering::centred().size(size));
        sheet.text(area.left - 9.0, y + 4.5, &label, Lettering::ending().size(size));
    }
}

/// The colours called "gist_heat": black over red and orange to white.
fn gist_heat(intensity: f32) -> [u8; 3] {
    [1.5 * intensity, 2.0 * intensity - 1.0, 4.0 * intensity - 3.0]
        .map(|channel| (255.0 * channel.clamp(0.0, 1.0)).round() as u8)
}
