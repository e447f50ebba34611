//! Published figure 3: pumpkins before ageing.

use super::kinds::{Drawn, RunFigure};
use super::pumpkin::{NO_PUMPKINS, show};
use super::sheet::{Area, Lettering, Sheet};
use super::study::Run;
use crate::raster::Raster;
use crate::sim::{SHAPE, Without, draw_member};

pub(super) const FIGURE: RunFigure = RunFigure {
    name: "03_standard_and_toddler",
    title: "Standard and toddler pumpkin",
    source: "plan.json",
    caption: "How size depends on age in this growth mode: pumpkins of the size that they have at 66 and at 2 years, before \
              any sign of age is added (axes in pixels).",
    draw,
};

/// Names and ages of the published figure, in years: the ages determine sizes alone.
const AGES: [(&str, u32); 2] = [("Standard pumpkin", 66), ("Toddler pumpkin", 2)];

fn draw(run: &Run) -> Drawn {
    let settings = run.simulation().ok_or(NO_PUMPKINS)?;
    let mut sheet = Sheet::new(700.0, 400.0);
    for (index, (name, age)) in AGES.into_iter().enumerate() {
        let pumpkin = draw_member(age, settings.growth_mode, settings.seed, index);
        let area = Area::new(54.0 + 335.0 * index as f64, 50.0, 295.0, 295.0);
        let title = format!("{name} before ageing");
        sheet.text(area.left + 0.5 * area.width, 34.0, &title, Lettering::centred());
        let image = pumpkin.redraw(Without::Signs);
        show(&mut sheet, area, Raster::of(SHAPE, &image), true);
    }
    Ok(sheet)
}
