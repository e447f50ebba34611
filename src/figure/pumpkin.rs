//! Published figure 2: an image, and how images are shown in all figures.

use image::RgbImage;

use super::kinds::{Drawn, Missing, RunFigure};
use super::maps::within;
use super::sheet::{Area, Lettering, Sheet};
use super::study::Run;
use super::style::{BLACK, SMALL_SIZE};
use crate::data::Split;
use crate::raster::Raster;

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "02_pumpkin",
    title: "The first test {image}",
    source: "datasets/*.npz",
    caption: "The first {image} of the test set, as the network sees it (axes in pixels).",
    draw,
};

fn draw(run: &Run) -> Drawn {
    let sample = run.predictions_of(Split::Test).next().ok_or(Missing("predictions"))?.sample;
    let (image, words) = (run.image(sample).ok_or(NO_IMAGES)?, run.words());
    let (name, target) = (&run.samples.get(sample).ok_or(NO_IMAGES)?.name, run.samples[sample].target);
    let mut sheet = Sheet::new(400.0, 420.0);
    sheet.title(&format!("{} {name}, {}", words.fill("{image}"), words.value(target)));
    show(&mut sheet, Area::new(54.0, 48.0, 320.0, 320.0), image, true);
    Ok(sheet)
}

/// Why images cannot be shown.
pub(super) const NO_IMAGES: Missing = Missing("the images of its data set (datasets/*.npz)");
/// Why what is known of pumpkins alone cannot be shown.
pub(super) const NO_PUMPKINS: Missing = Missing("simulated pumpkins, of which every sign is known");

/// Shows an image, with axes in pixels where asked for: intensities in colours, or the colours that it has.
pub(super) fn show(sheet: &mut Sheet, area: Area, image: Raster, axes: bool) {
    let area = within(area, image.height, image.width);
    if axes {
        pixel_axes(sheet, area, image);
    }
    let (pixels, size) = (image.height * image.width, (image.width as u32, image.height as u32));
    let brightest = image.pixels.iter().fold(1.0_f32, |most, &value| most.max(value));
    // Intensities reach 1, or somewhat beyond; grey levels much farther.
    let most = if brightest > GREY_LEVELS { brightest } else { 1.0 };
    let colors: Vec<u8> = match image.channels {
        1 => image.pixels.iter().flat_map(|&intensity| gist_heat(intensity / most)).collect(),
        channels => {
            let byte = |value: f32| (255.0 * (value / most).clamp(0.0, 1.0)).round() as u8;
            let at = |pixel: usize| (0..channels).map(move |channel| byte(image.pixels[channel * pixels + pixel]));
            (0..pixels).flat_map(at).collect()
        }
    };
    sheet.picture(area, RgbImage::from_raw(size.0, size.1, colors).expect("three bytes a pixel"));
}

/// Values beyond this are grey levels rather than intensities.
const GREY_LEVELS: f32 = 1.5;

/// Axes that count rows and columns from the upper left corner.
fn pixel_axes(sheet: &mut Sheet, area: Area, image: Raster) {
    // Every 20 pixels, or fewer ticks along large images.
    let step = 20 * (image.height.max(image.width) / 120).max(1);
    for tick in (0..image.height.max(image.width)).step_by(step) {
        let (along, label) = (tick as f64 + 0.5, tick.to_string());
        let x = area.left + along / image.width as f64 * area.width;
        let y = area.top + along / image.height as f64 * area.height;
        let (in_width, in_height) = (tick < image.width, tick < image.height);
        if in_width {
            sheet.line((x, area.bottom()), (x, area.bottom() + 5.0), BLACK, 1.0);
        }
        if in_height {
            sheet.line((area.left - 5.0, y), (area.left, y), BLACK, 1.0);
        }
        if in_width {
            sheet.text(x, area.bottom() + 19.0, &label, Lettering::centred().size(SMALL_SIZE));
        }
        if in_height {
            sheet.text(area.left - 9.0, y + 4.5, &label, Lettering::ending().size(SMALL_SIZE));
        }
    }
}

/// The colours called "gist_heat": black over red and orange to white.
fn gist_heat(intensity: f32) -> [u8; 3] {
    [1.5 * intensity, 2.0 * intensity - 1.0, 4.0 * intensity - 3.0]
        .map(|channel| (255.0 * channel.clamp(0.0, 1.0)).round() as u8)
}
