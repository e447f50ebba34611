//! Published figure 4: an old and a young pumpkin, and the histogram of their intensities.

use kuva::plot::LegendPosition;

use super::chart::{Axis, Chart};
use super::kinds::{Drawn, Missing, RunFigure};
use super::pumpkin::{NO_IMAGES, NO_PUMPKINS, show};
use super::sheet::{Area, Lettering, Sheet};
use super::study::Run;
use super::style::{BLUE, ORANGE};
use crate::data::Split;

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "04_senior_and_junior",
    title: "Senior and junior pumpkin",
    source: "datasets/*.npz",
    caption: "An old and a young pumpkin of the test set, and how often each intensity occurs in them (logarithmic): \
              background and atrophies at 0, tissue around 0.8, lesions beyond.",
    draw,
};

/// Ages of the published figure, in years; the nearest of the test set are shown.
const AGES: [(&str, f64, &str); 2] = [("Senior", 77.0, BLUE), ("Junior", 22.0, ORANGE)];
/// Width of a bin of intensities.
const BIN: f64 = 0.01;

fn draw(run: &Run) -> Drawn {
    run.simulation().ok_or(NO_PUMPKINS)?;
    let mut sheet = Sheet::new(1000.0, 380.0);
    let mut histograms = Vec::new();
    for (index, (name, age, color)) in AGES.into_iter().enumerate() {
        let distance = |row: &&super::study::Prediction| (row.target - age).abs();
        let nearest = run.predictions_of(Split::Test).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let sample = nearest.ok_or(Missing("predictions"))?.sample;
        let image = run.image(sample).ok_or(NO_IMAGES)?;
        let area = Area::new(48.0 + 300.0 * index as f64, 54.0, 264.0, 264.0);
        let name = format!("{name}, {}", run.words().value(run.samples.get(sample).ok_or(NO_IMAGES)?.target));
        sheet.text(area.left + 0.5 * area.width, 36.0, &name, Lettering::centred());
        show(&mut sheet, area, image, true);
        histograms.push((name, color, image.pixels));
    }
    let highest = histograms.iter().flat_map(|(_, _, image)| counts(image)).map(|bin| bin.1).fold(1.0, f64::max);
    let top = 10_f64.powf(highest.log10().ceil());
    let mut chart = Chart::new(Axis::new("intensity", -0.02, 1.04).step(0.2), Axis::logarithmic("pixels", 0.8, top));
    for (name, color, image) in &histograms {
        // Outlines, so that neither histogram hides the other.
        let outline: Vec<(f64, f64)> =
            counts(image).flat_map(|(at, n)| [(at, n.max(0.8)), (at + BIN, n.max(0.8))]).collect();
        chart = chart.line(&outline, color, 1.6, Some(name));
    }
    chart.legend(LegendPosition::InsideTopCenter).draw(&mut sheet, Area::new(704.0, 54.0, 270.0, 264.0));
    Ok(sheet)
}

/// Lower edge of each bin from 0 to 1, with the number of pixels in it.
fn counts(image: &[f32]) -> impl Iterator<Item = (f64, f64)> {
    let bins = (1.0 / BIN).round() as usize + 1;
    let mut counts = vec![0.0; bins];
    for &pixel in image {
        counts[((f64::from(pixel) / BIN + 1e-4) as usize).min(bins - 1)] += 1.0;
    }
    counts.into_iter().enumerate().map(|(bin, count)| (bin as f64 * BIN, count))
}
