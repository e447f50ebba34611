//! Relevance maps in figures: tiles, mean maps and colour bars.

use image::RgbImage;

use super::sheet::{Area, Lettering, Sheet};
use super::study::{Explained, Run};
use super::style::{BLACK, LETTER, SMALL_SIZE};
use crate::data::Truth;
use crate::picture::canvas::Canvas;
use crate::picture::colormap::{bar_color, colorize, to_bytes};
use crate::picture::mark;
use crate::raster::Raster;
use crate::sim::{PumpkinTruth, SIDE, Without};

/// How many pixels of a tile are one of the image: enough for the arrows of lesions.
const MAGNIFICATION: usize = 4;
/// Pixels of a colour bar along its length.
const BAR_PIXELS: u32 = 256;
/// Space between the ticks of a colour bar and their labels.
const BAR_GAP: f64 = 6.0;

/// Relevance over its image in the published colours, with the true signs where asked for. The grey image is missing
/// where the pumpkin cannot be drawn again.
pub(super) fn tile(run: &Run, explained: Explained, marked: bool) -> RgbImage {
    let pumpkin = run.pumpkin(explained.prediction.sample);
    let image = pumpkin.as_ref().map_or_else(|| vec![0.0; SIDE * SIDE], |pumpkin| pumpkin.redraw(Without::Nothing));
    let side = (SIDE * MAGNIFICATION) as u32;
    let mut canvas = Canvas::new(side, side);
    canvas.image(0, 0, SIDE, MAGNIFICATION, &colorize(Raster::new(SIDE, SIDE, &image), explained.relevance).pixels);
    if let Some(pumpkin) = pumpkin.filter(|_| marked) {
        mark(&mut canvas, &PumpkinTruth(vec![pumpkin]).marks(0), (0.0, 0.0), MAGNIFICATION);
    }
    canvas.to_rgb()
}

/// Values between -`reach` and `reach` from blue over white to red, in which no sign is darker than the other.
pub(super) fn diverging(values: &[f64], reach: f64) -> RgbImage {
    picture(values, |value| blue_white_red(value / reach))
}

/// Values from 0 to `reach` from white over orange to black.
pub(super) fn sequential(values: &[f64], reach: f64) -> RgbImage {
    picture(values, |value| white_to_black(value / reach))
}

fn picture(values: &[f64], color: impl Fn(f64) -> [u8; 3]) -> RgbImage {
    let pixels = values.iter().flat_map(|&value| color(value)).collect();
    RgbImage::from_raw(SIDE as u32, SIDE as u32, pixels).expect("three bytes a pixel")
}

fn blue_white_red(share: f64) -> [u8; 3] {
    const BLUE: [[f64; 3]; 4] = [[247.0, 247.0, 247.0], [146.0, 197.0, 222.0], [33.0, 102.0, 172.0], [5.0, 48.0, 97.0]];
    const RED: [[f64; 3]; 4] = [[247.0, 247.0, 247.0], [244.0, 165.0, 130.0], [178.0, 24.0, 43.0], [103.0, 0.0, 31.0]];
    between(if share < 0.0 { &BLUE } else { &RED }, share.abs())
}

fn white_to_black(share: f64) -> [u8; 3] {
    const STOPS: [[f64; 3]; 4] = [[247.0, 247.0, 247.0], [254.0, 196.0, 79.0], [204.0, 76.0, 2.0], [60.0, 15.0, 0.0]];
    between(&STOPS, share)
}

/// The colour at a share (0 to 1) of the way along equally spaced stops; not-a-number is grey.
fn between(stops: &[[f64; 3]; 4], share: f64) -> [u8; 3] {
    if share.is_nan() {
        return [128; 3];
    }
    let along = share.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
    let first = (along.floor() as usize).min(stops.len() - 2);
    let part = along - first as f64;
    std::array::from_fn(|k| (stops[first][k] + part * (stops[first + 1][k] - stops[first][k])).round() as u8)
}

/// Which colours a bar shows.
#[derive(Clone, Copy)]
pub(super) enum Bar {
    /// Those of heatmaps.
    Published,
    Diverging,
    Sequential,
}

/// An upright colour bar with ticks, and its quantity above.
pub(super) fn color_bar(sheet: &mut Sheet, area: Area, bar: Bar, reach: f64, quantity: &str) {
    let low = if matches!(bar, Bar::Sequential) { 0.0 } else { -1.0 };
    let colors: Vec<u8> = (0..BAR_PIXELS)
        .flat_map(|row| {
            let share = 1.0 - (1.0 - low) * (f64::from(row) + 0.5) / f64::from(BAR_PIXELS);
            match bar {
                Bar::Published => to_bytes(bar_color(share as f32)),
                Bar::Diverging => blue_white_red(share),
                Bar::Sequential => white_to_black(share),
            }
        })
        .collect();
    sheet.rect(Area::new(area.left - 0.75, area.top - 0.75, area.width + 1.5, area.height + 1.5), BLACK);
    sheet.picture(area, RgbImage::from_raw(1, BAR_PIXELS, colors).expect("three bytes a pixel"));
    for step in 0..=4 {
        let share = 1.0 - (1.0 - low) * f64::from(step) / 4.0;
        let y = area.top + area.height * f64::from(step) / 4.0;
        sheet.line((area.right(), y), (area.right() + 4.0, y), BLACK, 1.0);
        let label = significant(share * reach);
        sheet.text(area.right() + BAR_GAP + 3.0, y + 4.5, &label, Lettering::default().size(SMALL_SIZE));
    }
    sheet.text(area.left - 4.0, area.top - 14.0, quantity, Lettering::default().size(SMALL_SIZE));
}

/// The room that a unit takes beside a colour bar beyond that of "years".
pub(super) fn beyond_years(unit: &str) -> f64 {
    LETTER * unit.chars().count().saturating_sub("years".len()) as f64
}

/// A number with a tenth, or two significant digits where it is below 1, and a true minus sign.
pub(super) fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let decimals = (1.0 - value.abs().log10().floor()).clamp(1.0, 8.0) as usize;
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.replace('-', "\u{2212}")
}

/// The mean of maps, pixel by pixel. `None` for no maps.
pub(super) fn mean<'a>(maps: impl Iterator<Item = Raster<'a>>) -> Option<Vec<f64>> {
    let mut sums = vec![0.0; SIDE * SIDE];
    let mut count = 0.0;
    for map in maps {
        count += 1.0;
        sums.iter_mut().zip(map.pixels).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    sums.iter_mut().for_each(|sum| *sum /= count);
    (count > 0.0).then_some(sums)
}

/// The magnitude that all but a thousandth of the values stay below, so that a few pixels do not hide the others.
pub(super) fn reach<'a>(values: impl Iterator<Item = &'a f64>) -> f64 {
    let mut magnitudes: Vec<f64> = values.map(|value| value.abs()).filter(|value| value.is_finite()).collect();
    magnitudes.sort_by(f64::total_cmp);
    let found = magnitudes.get(magnitudes.len().saturating_sub(1) * 999 / 1000).copied().unwrap_or(0.0);
    if found > 0.0 { found } else { magnitudes.last().copied().filter(|last| *last > 0.0).unwrap_or(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_symmetric_in_their_lightness() {
        let light = |[r, g, b]: [u8; 3]| 0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b);
        assert_eq!(blue_white_red(0.0), [247; 3]);
        for share in [0.2, 0.5, 0.9, 1.0] {
            assert!((light(blue_white_red(share)) - light(blue_white_red(-share))).abs() < 48.0);
            assert!(light(blue_white_red(share)) < light(blue_white_red(share - 0.1)));
            assert!(light(blue_white_red(-share)) < light(blue_white_red(0.1 - share)));
        }
        assert_eq!(blue_white_red(3.0), blue_white_red(1.0));
        // The ends are a dark blue and a dark red, which lightness alone cannot tell apart.
        assert_eq!((blue_white_red(-1.0), blue_white_red(1.0)), ([5, 48, 97], [103, 0, 31]));
    }

    #[test]
    fn means_and_reaches() {
        let (one, other) = (vec![1.0_f32; SIDE * SIDE], vec![4.0_f32; SIDE * SIDE]);
        let maps = [&one, &other].map(|map| Raster::new(SIDE, SIDE, map));
        assert_eq!(mean(maps.into_iter()).unwrap()[7], 2.5);
        assert!(mean(std::iter::empty()).is_none());
        let values: Vec<f64> = (0..=1000).map(f64::from).map(|v| if v == 1000.0 { -1e9 } else { v }).collect();
        assert_eq!(reach(values.iter()), 999.0);
        assert_eq!((reach([0.0].iter()), reach([].iter()), reach([0.0, 0.0, -2.0].iter())), (1.0, 1.0, 2.0));
    }

    #[test]
    fn two_digits_tell_enough() {
        let texts = [0.0, 1.0, -0.5, 0.01234, 123.4, -12.0].map(significant);
        assert_eq!(texts, ["0", "1", "−0.5", "0.012", "123.4", "−12"]);
    }
}
