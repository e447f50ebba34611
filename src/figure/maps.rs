//! Relevance maps in figures: tiles, mean maps and colour bars.

use std::borrow::Cow;

use image::RgbImage;

use super::sheet::{Area, Lettering, Sheet};
use super::study::{Explained, Run};
use super::style::{BLACK, LETTER, SMALL_SIZE};
use crate::picture::canvas::{Canvas, Surface};
use crate::picture::colormap::{Colormap, Shading, bar_color, colorize, to_bytes};
use crate::picture::mark;
use crate::raster::Raster;

/// How many pixels of a tile are one of the image at most: enough for the arrows of lesions.
const MAGNIFICATION: usize = 4;
/// About how many pixels a tile has along its longer side.
const SHOWN: usize = 400;
/// Pixels of a colour bar along its length.
const BAR_PIXELS: u32 = 256;
/// Space between the ticks of a colour bar and their labels.
const BAR_GAP: f64 = 6.0;

/// Relevance over its image in the colours of the run's heatmaps, with what is known of it where asked for. The grey image is missing
/// where it was not loaded.
pub(super) fn tile(run: &Run, explained: Explained, marked: bool) -> RgbImage {
    let (sample, relevance) = (explained.prediction.sample, explained.relevance);
    let (height, width) = (relevance.height, relevance.width);
    let image = run.image(sample).filter(|image| (image.height, image.width) == (height, width));
    let grey = image.map_or_else(|| Cow::Owned(vec![0.0; height * width]), |image| image.grey());
    // Small images are magnified more, large ones less.
    let magnification = (SHOWN / height.max(width)).clamp(1, MAGNIFICATION);
    let mut canvas = Canvas::new((width * magnification) as u32, (height * magnification) as u32);
    let shading = Shading { colormap: run.colormap, ..Shading::default() };
    let colored = colorize(Raster::new(height, width, &grey), relevance, &shading);
    canvas.image(0, 0, width, magnification, &colored.pixels);
    if marked {
        mark(&mut canvas, &run.marks(sample), (0.0, 0.0), magnification);
    }
    canvas.to_rgb()
}

/// The largest area of these proportions in the middle of another one.
pub(super) fn within(area: Area, height: usize, width: usize) -> Area {
    let scale = (area.width / width as f64).min(area.height / height as f64);
    let (own_width, own_height) = (scale * width as f64, scale * height as f64);
    let (left, top) = (area.left + 0.5 * (area.width - own_width), area.top + 0.5 * (area.height - own_height));
    Area::new(left, top, own_width, own_height)
}

/// A map of means or the like, pixel by pixel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub height: usize,
    pub width: usize,
    pub values: Vec<f64>,
}

/// Values between -`reach` and `reach` from blue over white to red, in which no sign is darker than the other.
pub(super) fn diverging(field: &Field, reach: f64) -> RgbImage {
    picture(field, |value| blue_white_red(value / reach))
}

/// Values from 0 to `reach` from white over orange to black.
pub(super) fn sequential(field: &Field, reach: f64) -> RgbImage {
    picture(field, |value| white_to_black(value / reach))
}

fn picture(field: &Field, color: impl Fn(f64) -> [u8; 3]) -> RgbImage {
    let pixels = field.values.iter().flat_map(|&value| color(value)).collect();
    RgbImage::from_raw(field.width as u32, field.height as u32, pixels).expect("three bytes a pixel")
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
    Heatmap(Colormap),
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
                Bar::Heatmap(colormap) => to_bytes(bar_color(share as f32, colormap)),
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

/// The mean of maps of one size, pixel by pixel. `None` for no maps.
pub(super) fn mean<'a>(mut maps: impl Iterator<Item = Raster<'a>>) -> Option<Field> {
    let first = maps.next()?;
    let (height, width) = (first.height, first.width);
    let mut values: Vec<f64> = first.pixels.iter().map(|&value| f64::from(value)).collect();
    let mut count = 1.0;
    for map in maps {
        count += 1.0;
        values.iter_mut().zip(map.pixels).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    values.iter_mut().for_each(|sum| *sum /= count);
    Some(Field { height, width, values })
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
        let (one, other) = (vec![1.0_f32; 6], vec![4.0_f32; 6]);
        let maps = [&one, &other].map(|map| Raster::new(2, 3, map));
        assert_eq!(mean(maps.into_iter()), Some(Field { height: 2, width: 3, values: vec![2.5; 6] }));
        assert!(mean(std::iter::empty()).is_none());
        let values: Vec<f64> = (0..=1000).map(f64::from).map(|v| if v == 1000.0 { -1e9 } else { v }).collect();
        assert_eq!(reach(values.iter()), 999.0);
        assert_eq!((reach([0.0].iter()), reach([].iter()), reach([0.0, 0.0, -2.0].iter())), (1.0, 1.0, 2.0));
    }

    #[test]
    fn images_keep_their_proportions() {
        let area = Area::new(10.0, 20.0, 100.0, 100.0);
        let inner = within(area, 50, 100);
        assert_eq!((inner.left, inner.top, inner.width, inner.height), (10.0, 45.0, 100.0, 50.0));
        let square = within(area, 98, 98);
        assert_eq!((square.left, square.top, square.width, square.height), (10.0, 20.0, 100.0, 100.0));
    }

    #[test]
    fn two_digits_tell_enough() {
        let texts = [0.0, 1.0, -0.5, 0.01234, 123.4, -12.0].map(significant);
        assert_eq!(texts, ["0", "1", "−0.5", "0.012", "123.4", "−12"]);
    }
}
