//! Published figure 5: the signs of age over age.

use super::chart::{Axis, Chart};
use super::kinds::{Drawn, Missing, RunFigure};
use super::pumpkin::NOT_REDRAWN;
use super::sheet::{Area, Sheet};
use super::study::Run;
use super::style::BLUE;
use crate::sim::GrowthMode;

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "05_signs_over_age",
    title: "Signs over age",
    source: "samples.parquet",
    caption: "What ageing does to every pumpkin of the data set: numbers of atrophies and of lesions; height and width \
              where pumpkins only grow; the brightness of the tumour where they do not.",
    draw,
};

fn draw(run: &Run) -> Drawn {
    if run.samples.is_empty() {
        return Err(Missing("the data set's samples"));
    }
    let over_age = |value: fn(&super::study::Sample) -> f64| -> Vec<(f64, f64)> {
        let mut points: Vec<_> = run.samples.iter().map(|sample| (f64::from(sample.age), value(sample))).collect();
        // Equal points are drawn once.
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        points.dedup();
        points
    };
    let panels = match run.data.growth_mode {
        GrowthMode::Human => vec![
            ("number of atrophies", over_age(|sample| f64::from(sample.atrophies))),
            ("number of lesions", over_age(|sample| f64::from(sample.lesions))),
        ],
        GrowthMode::Eternal | GrowthMode::TangPing => {
            vec![
                ("height in pixels", over_age(|sample| sample.height)),
                ("width in pixels", over_age(|sample| sample.width)),
            ]
        }
        GrowthMode::NoGrowth => {
            let brightness = |index| {
                let pumpkin = run.pumpkin(index).ok_or(NOT_REDRAWN)?;
                Ok(pumpkin.tumour.map(|tumour| (f64::from(pumpkin.age), f64::from(tumour.brightness))))
            };
            let tumours = (0..run.samples.len()).filter_map(|index| brightness(index).transpose());
            vec![("brightness of the tumour", tumours.collect::<Result<_, Missing>>()?)]
        }
    };
    let mut sheet = Sheet::new(560.0, 76.0 + 280.0 * panels.len() as f64);
    sheet.title("Signs over age");
    let (low, high) = (f64::from(run.data.min_age), f64::from(run.data.max_age));
    for (index, (label, points)) in panels.iter().enumerate() {
        let label_x = if index + 1 == panels.len() { "age in years" } else { "" };
        let x = Axis::new(label_x, low - 1.5, high + 1.5).around_step(10.0);
        let y = Axis::around(*label, points.iter().map(|point| point.1));
        // From zero, with room for the points that are there.
        let low = if y.range.0 < 0.4 * y.range.1 { -0.03 * y.range.1 } else { y.range.0 };
        let y = Axis::new(y.label, low, y.range.1);
        let area = Area::new(64.0, 72.0 + 280.0 * index as f64, 470.0, 218.0);
        Chart::new(x, y).points(points, BLUE, 2.2, None).draw(&mut sheet, area);
    }
    Ok(sheet)
}
