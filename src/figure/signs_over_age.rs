//! Published figure 5: the signs of age over age.

use super::chart::{Axis, Chart};
use super::kinds::{Drawn, RunFigure};
use super::pumpkin::{NO_IMAGES, NO_PUMPKINS};
use super::sheet::{Area, Sheet};
use super::study::Run;
use super::style::BLUE;
use crate::sim::{GrowthMode, Pumpkin};

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "05_signs_over_age",
    title: "Signs over {target}",
    source: "datasets/*.npz",
    caption: "What ageing does to every pumpkin of the data set: numbers of atrophies and of lesions; height and width \
              where pumpkins only grow; the brightness of the tumour where they do not.",
    draw,
};

fn draw(run: &Run) -> Drawn {
    let settings = run.simulation().ok_or(NO_PUMPKINS)?;
    let pumpkins = run.pumpkins().ok_or(NO_IMAGES)?;
    let over_age = |value: fn(&Pumpkin) -> f64| -> Vec<(f64, f64)> {
        let mut points: Vec<_> = pumpkins.iter().map(|pumpkin| (f64::from(pumpkin.age), value(pumpkin))).collect();
        // Equal points are drawn once.
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        points.dedup();
        points
    };
    let panels = match settings.growth_mode {
        GrowthMode::Human => vec![
            ("number of atrophies", over_age(|pumpkin| pumpkin.atrophies.len() as f64)),
            ("number of lesions", over_age(|pumpkin| pumpkin.lesions.len() as f64)),
        ],
        GrowthMode::Eternal | GrowthMode::TangPing => {
            vec![
                ("height in pixels", over_age(|pumpkin| f64::from(pumpkin.height))),
                ("width in pixels", over_age(|pumpkin| f64::from(pumpkin.width))),
            ]
        }
        GrowthMode::NoGrowth => {
            let brightness =
                |pumpkin: &Pumpkin| pumpkin.tumour.map(|tumour| (f64::from(pumpkin.age), f64::from(tumour.brightness)));
            vec![("brightness of the tumour", pumpkins.iter().filter_map(brightness).collect())]
        }
    };
    let mut sheet = Sheet::new(560.0, 76.0 + 280.0 * panels.len() as f64);
    sheet.title("Signs over age");
    let (low, high) = (f64::from(settings.min_age), f64::from(settings.max_age));
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
