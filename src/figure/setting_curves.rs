//! Fitted curves of several settings in one plot, with their bands.

use super::chart::{Axis, Chart, LEGEND_LINE, legend};
use super::fit::Polynomial;
use super::kinds::{Drawn, Missing};
use super::sheet::{Area, Sheet};
use super::study::{Run, Study};
use super::style::series;

/// More curves than these are not told apart.
const MAX_CURVES: usize = 7;

/// What the curves of a figure are.
pub(super) struct SettingCurves {
    pub title: &'static str,
    pub x_label: &'static str,
    /// Of the polynomial that is fitted to all points of a setting.
    pub degree: usize,
    /// The points of a run.
    pub points: fn(&Run) -> Vec<(f64, f64)>,
    /// The vertical axis for the values that the bands reach.
    pub y_axis: fn(Vec<f64>) -> Axis,
    /// What a study lacks that has no two curves.
    pub missing: &'static str,
}

impl SettingCurves {
    /// Draws a curve for each setting, over all of its runs.
    pub fn draw(&self, study: &Study) -> Drawn {
        let mut curves = Vec::new();
        for (label, runs) in study.compared().into_iter().take(MAX_CURVES) {
            let points: Vec<(f64, f64)> = runs.iter().flat_map(|run| (self.points)(run)).collect();
            let Some(fitted) = Polynomial::fit(&points, self.degree) else { continue };
            let ends = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p.0), h.max(p.0)));
            curves.push((label, fitted.curve(ends.0, ends.1)));
        }
        if curves.len() < 2 {
            return Err(Missing(self.missing));
        }
        let bands = || curves.iter().flat_map(|(_, (_, band))| band);
        let x = Axis::around(self.x_label, bands().map(|point| point.0)).step(10.0);
        let y = (self.y_axis)(bands().flat_map(|point| [point.1, point.2]).collect());
        let mut chart = Chart::new(x, y).zero();
        for (index, (_, (curve, band))) in curves.iter().enumerate() {
            chart = chart.band(band, series(index)).line(curve, series(index), 2.0, None);
        }
        let entries: Vec<(String, &str)> =
            curves.iter().enumerate().map(|(index, (label, _))| (label.to_string(), series(index))).collect();
        let mut sheet = Sheet::new(640.0, 462.0 + LEGEND_LINE * entries.len() as f64);
        sheet.title(self.title);
        chart.draw(&mut sheet, Area::new(64.0, 72.0, 550.0, 326.0));
        legend(&mut sheet, 64.0, 462.0, &entries);
        Ok(sheet)
    }
}
