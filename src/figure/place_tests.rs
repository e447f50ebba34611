//! Where things are in figures, and which colour they have: rows and columns, up and down, red and blue.

use image::RgbImage;

use super::by_target;
use super::maps::{Bar, Field, color_bar, diverging, sequential, tile};
use super::registry::RUN_FIGURES;
use super::residuals::residuals;
use super::sheet::{Area, Sheet};
use super::study::{Prediction, Run, Stored};
use super::tests::run;
use crate::data::Split;
use crate::picture::colormap::{Colormap, Shading, bar_color, colorize, to_bytes};
use crate::raster::{Raster, RasterStack};
use crate::sim::SIDE;
use crate::sim::{GrowthMode, Lesion, Pixel, Pumpkin, Without};
use crate::task::Task;

/// Pixels of a tile for each of the map.
const MAGNIFICATION: u32 = 4;

fn human() -> Run {
    run(GrowthMode::Human, Task::Regression, 0.2)
}

fn field(values: Vec<f64>) -> Field {
    Field { height: SIDE, width: SIDE, values }
}

/// Whether a colour is more red than blue; neither where the two are near.
fn hue([red, _, blue]: [u8; 3]) -> i32 {
    let difference = i32::from(red) - i32::from(blue);
    if difference.abs() < 20 { 0 } else { difference.signum() }
}

#[test]
fn age_is_red_and_youth_is_blue_in_every_picture() {
    for (value, expected) in [(1.0, 1), (0.6, 1), (0.3, 1), (0.0, 0), (-0.3, -1), (-0.6, -1), (-1.0, -1)] {
        let map = diverging(&field(vec![value; SIDE * SIDE]), 1.0);
        assert_eq!(hue(map.get_pixel(5, 5).0), expected, "mean relevance of {value}");
    }
    for (value, expected) in [(0.25, 1), (0.6, 1), (-0.25, -1), (-0.6, -1)] {
        assert_eq!(hue(to_bytes(bar_color(value, Colormap::Published))), expected, "relevance of {value}");
        let (image, relevance) = ([0.0; 4], [value, 0.0, 1.0, -1.0]);
        let colored = colorize(Raster::new(2, 2, &image), Raster::new(2, 2, &relevance), &Shading::default());
        assert!(hue(colored.pixels[0]) * expected >= 0 && colored.pixels[0] != [0; 3]);
    }
    // What knows no sign has one hue, and gets darker.
    let light = |value: f64| {
        sequential(&field(vec![value; SIDE * SIDE]), 1.0).get_pixel(0, 0).0.map(u32::from).iter().sum::<u32>()
    };
    assert!([0.0, 0.2, 0.4, 0.6, 0.8, 1.0].windows(2).all(|pair| light(pair[0]) > light(pair[1])));
    assert!(hue(sequential(&field(vec![0.5; SIDE * SIDE]), 1.0).get_pixel(0, 0).0) >= 0);
}

#[test]
fn rows_of_a_map_are_rows_of_its_picture() {
    let mut values = vec![0.0; SIDE * SIDE];
    values[10 * SIDE + 60] = 1.0;
    let values = field(values);
    for picture in [diverging(&values, 1.0), sequential(&values, 1.0)] {
        let strange: Vec<(u32, u32)> =
            picture.enumerate_pixels().filter(|(_, _, color)| color.0 != [247; 3]).map(|(x, y, _)| (x, y)).collect();
        assert_eq!(strange, [(60, 10)], "column 60 of row 10");
    }
}

#[test]
fn bars_grow_upwards() {
    for bar in [Bar::Heatmap(Colormap::Published), Bar::Diverging, Bar::Sequential] {
        let mut sheet = Sheet::new(200.0, 300.0);
        color_bar(&mut sheet, Area::new(50.0, 40.0, 20.0, 200.0), bar, 2.0, "R");
        let picture = image::load_from_memory(&sheet.to_png().unwrap()).unwrap().to_rgb8();
        // Two pixels a unit; a quarter of the bar from its upper and lower end.
        let [upper, lower] = [40.0 + 50.0, 40.0 + 150.0].map(|y: f64| picture.get_pixel(120, (2.0 * y) as u32).0);
        match bar {
            Bar::Sequential => assert!(upper.map(u32::from).iter().sum::<u32>() < lower.map(u32::from).iter().sum()),
            Bar::Heatmap(_) | Bar::Diverging => assert_eq!((hue(upper), hue(lower)), (1, -1)),
        }
        let svg = sheet.to_svg().unwrap();
        let texts: Vec<&str> =
            svg.split("</text>").filter_map(|part| part.rsplit_once('>')).map(|part| part.1).collect();
        let labels = if matches!(bar, Bar::Sequential) {
            ["2", "1.5", "1", "0.5", "0"]
        } else {
            ["2", "1", "0", "\u{2212}1", "\u{2212}2"]
        };
        assert_eq!(texts[..5], labels, "from the upper end on");
    }
}

/// The middle of a pixel of the map in a tile.
fn at(tile: &RgbImage, row: usize, col: usize) -> [u8; 3] {
    tile.get_pixel(col as u32 * MAGNIFICATION + 2, row as u32 * MAGNIFICATION + 2).0
}

#[test]
fn a_tile_shows_its_own_image_map_and_signs() {
    let run = human();
    for explained in run.explained().into_iter().take(3) {
        let pumpkin = &run.pumpkins().unwrap()[explained.prediction.sample];
        let image = pumpkin.redraw(Without::Nothing);
        let colored = colorize(Raster::new(SIDE, SIDE, &image), explained.relevance, &Shading::default()).pixels;
        let (plain, marked) = (tile(&run, explained, false), tile(&run, explained, true));
        for (row, col) in (0..SIDE * SIDE).map(|k| (k / SIDE, k % SIDE)) {
            assert_eq!(at(&plain, row, col), colored[row * SIDE + col], "({row}, {col})");
        }
        let near = pumpkin.lesion_mask().difference(&pumpkin.atrophy_mask(0)).dilate(6);
        let untouched = pumpkin.atrophies.iter().filter(|pixel| !near.contains(pixel.row.into(), pixel.col.into()));
        for atrophy in untouched.clone() {
            let (row, col) = (atrophy.row.into(), atrophy.col.into());
            assert_ne!(at(&plain, row, col), at(&marked, row, col), "the atrophy at ({row}, {col}) is not marked");
        }
        assert!(untouched.count() > 20);
        let signs = pumpkin.atrophy_mask(1).pixels().chain(near.pixels()).collect::<crate::sim::Mask>();
        for (row, col) in (0..SIDE * SIDE).map(|k| (k / SIDE, k % SIDE)).filter(|&(row, col)| !signs.contains(row, col))
        {
            assert_eq!(at(&plain, row, col), at(&marked, row, col), "({row}, {col}) is marked");
        }
    }
}

#[test]
fn heatmaps_go_from_young_to_old() {
    let mut run = human();
    run.subset = Split::All;
    let ages: Vec<f64> = by_target(&run, 5).iter().map(|explained| explained.prediction.target).collect();
    assert!(ages.is_sorted() && ages[0] < ages[4], "{ages:?}");
    let all: Vec<f64> = run.explained().iter().map(|explained| explained.prediction.target).collect();
    assert!(!all.is_sorted(), "samples are in no order of age");
    let ends = [f64::INFINITY, f64::NEG_INFINITY];
    let ends = all.iter().fold(ends, |[least, most], &age| [least.min(age), most.max(age)]);
    assert_eq!([ages[0], ages[4]], ends, "the youngest and the oldest are among them");
}

/// Maps belong to the explained part of the data set, whatever else there are predictions of.
#[test]
fn maps_belong_to_the_samples_that_were_explained() {
    let mut run = human();
    let of = |split: Split| {
        let samples = split.range(run.samples.len());
        samples.map(move |sample| Prediction { sample, split, target: 40.0, prediction: sample as f64 })
    };
    let validated: Vec<usize> = Split::Validation.range(run.samples.len()).collect();
    run.predictions = of(Split::Validation).chain(of(Split::Test)).collect();
    run.subset = Split::Validation;
    let maps = validated.iter().flat_map(|&sample| vec![sample as f32; SIDE * SIDE]).collect();
    run.maps = Some(std::sync::Arc::new(RasterStack::new(SIDE, SIDE, maps)));
    let explained = run.explained();
    assert_eq!(explained.iter().map(|one| one.prediction.sample).collect::<Vec<_>>(), validated);
    assert!(
        explained
            .iter()
            .enumerate()
            .all(|(index, one)| one.index == index && one.relevance.pixels[7] == validated[index] as f32)
    );
    assert!(run.tested().iter().all(|(_, prediction)| *prediction >= 108.0), "tested is the test set");
}

#[test]
fn a_residual_is_what_is_predicted_too_much() {
    let run = human();
    for (residual, row) in residuals(&run).iter().zip(&run.predictions) {
        assert_eq!(*residual, (row.target, row.prediction - row.target));
    }
}

/// The texts of a figure of a run.
fn texts(name: &str, run: &Run) -> Vec<String> {
    let figure = RUN_FIGURES.iter().find(|figure| figure.name == name).unwrap();
    let svg = (figure.draw)(run).unwrap_or_else(|error| panic!("{name}: {error}")).to_svg().unwrap();
    svg.split("</text>").filter_map(|part| part.rsplit_once('>')).map(|part| part.1.to_owned()).collect()
}

/// Each panel has a scale of its own, whose ticks tell which numbers are drawn in it.
#[test]
fn signs_over_age_are_in_the_panels_that_name_them() {
    let mut run = human();
    let whole = run.pumpkins().unwrap()[0].clone();
    // Numbers of signs that tell which panel they are in.
    let pumpkin = |age: u32| Pumpkin {
        age,
        lesions: vec![Lesion { row: 40, col: 40, brightness: 0.2 }; age as usize / 20],
        atrophies: vec![Pixel { row: 40, col: 40 }; 5 * age as usize],
        ..whole.clone()
    };
    let pumpkins: Vec<Pumpkin> = (20..=80).map(pumpkin).collect();
    let dataset = run.stored.as_ref().unwrap().dataset.clone();
    run.stored = Some(std::sync::Arc::new(Stored { dataset, pumpkins: Some(pumpkins), shown: None }));
    let texts = texts("05_signs_over_age", &run);
    let place =
        |text: &str| texts.iter().position(|found| found == text).unwrap_or_else(|| panic!("no {text} in {texts:?}"));
    let (atrophies, lesions) = (place("number of atrophies"), place("number of lesions"));
    assert!(atrophies < lesions, "the first panel is that of atrophies");
    assert!(texts.contains(&"400".to_owned()) && texts.contains(&"4".to_owned()), "{texts:?}");
}
