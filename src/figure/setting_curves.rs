//! Fitted curves of several settings in one plot, with their bands.

use super::chart::{Axis, Chart, LEGEND_LINE};
use super::fit::{Band, Curve, Polynomial};
use super::kinds::{Drawn, Missing};
use super::left_out::LeftOut;
use super::sheet::{Area, Lettering, Sheet};
use super::study::{Part, Run, Study};
use super::style::{SERIES, SMALL_SIZE, series};

/// More curves than these are not told apart: each colour is there twice, the second time dashed.
const MAX_CURVES: usize = 2 * SERIES.len();
const TOO_MANY: &str = "because no more curves can be told apart";
const TOO_FEW: &str = "because too few points determine no curve";
const OTHER_UNITS: &str = "because it is in another unit";

/// Left edge and width of the plot, and of what is below it.
const LEFT: f64 = 64.0;
const WIDTH: f64 = 550.0;
const BELOW: f64 = 462.0;

/// What the curves of a figure are.
pub(super) struct SettingCurves {
    pub title: &'static str,
    /// What a curve is of; what several runs share is one curve.
    pub of: Part,
    /// The labels of the axes for a run. Curves of runs with other labels are not drawn together.
    pub labels: fn(&Run) -> (String, String),
    /// Of the polynomial that is fitted to all points of a setting.
    pub degree: usize,
    /// The points of a run.
    pub points: fn(&Run) -> Vec<(f64, f64)>,
    /// The vertical axis for the values that the bands reach.
    pub y_axis: fn(String, Vec<f64>) -> Axis,
    /// What a study lacks that has no two curves.
    pub missing: &'static str,
}

/// A curve with its band.
struct Fitted {
    label: String,
    axes: (String, String),
    curve: Curve,
    band: Band,
}

impl SettingCurves {
    /// Draws a curve for each setting, over all of its runs.
    pub fn draw(&self, study: &Study) -> Drawn {
        let (mut curves, mut left_out) = (Vec::new(), LeftOut::default());
        let mut too_few = Vec::new();
        for (label, runs) in study.compared_by(self.of) {
            let axes = (self.labels)(runs[0]);
            let points: Vec<(f64, f64)> = runs.iter().flat_map(|run| (self.points)(run)).collect();
            let Some(fitted) = Polynomial::fit(&points, self.degree) else {
                too_few.push(label);
                continue;
            };
            let ends = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p.0), h.max(p.0)));
            let (curve, band) = fitted.curve(ends.0, ends.1);
            curves.push(Fitted { label, axes, curve, band });
        }
        // Of several units, the one of most curves, the first of equally many.
        let count = |axes: &(String, String)| curves.iter().filter(|curve| curve.axes == *axes).count();
        let axes = curves.iter().rev().map(|curve| &curve.axes).max_by_key(|axes| count(axes)).cloned();
        let (mut curves, others): (Vec<_>, Vec<_>) =
            curves.into_iter().partition(|curve| Some(&curve.axes) == axes.as_ref());
        if curves.len() < 2 {
            return Err(Missing(self.missing));
        }
        let labels = |curves: &[Fitted]| curves.iter().map(|curve| curve.label.clone()).collect::<Vec<_>>();
        left_out.add(TOO_MANY, labels(curves.get(MAX_CURVES..).unwrap_or_default()));
        curves.truncate(MAX_CURVES);
        left_out.add(OTHER_UNITS, labels(&others));
        left_out.add(TOO_FEW, too_few);
        self.draw_curves(&curves, &left_out)
    }

    fn draw_curves(&self, curves: &[Fitted], left_out: &LeftOut) -> Drawn {
        let (x_label, y_label) = curves[0].axes.clone();
        let bands = || curves.iter().flat_map(|curve| &curve.band);
        let x = Axis::around(x_label, bands().map(|point| point.0)).around_step(10.0);
        let y = (self.y_axis)(y_label, bands().flat_map(|point| [point.1, point.2]).collect());
        let mut chart = Chart::new(x, y).zero();
        for (index, Fitted { curve, band, .. }) in curves.iter().enumerate() {
            chart = chart.band(band, series(index));
            chart = match is_dashed(index) {
                false => chart.line(curve, series(index), 2.0, None),
                true => chart.dashed(curve, series(index), 2.0, None),
            };
        }
        let legend = LEGEND_LINE * curves.len() as f64;
        let mut sheet = Sheet::new(640.0, BELOW + legend + left_out.height(WIDTH));
        sheet.title(self.title);
        chart.draw(&mut sheet, Area::new(LEFT, 72.0, WIDTH, 326.0));
        for (index, Fitted { label, .. }) in curves.iter().enumerate() {
            let y = BELOW + LEGEND_LINE * index as f64;
            let pieces = if is_dashed(index) { &[(0.0, 8.0), (14.0, 22.0)][..] } else { &[(0.0, 22.0)] };
            for (from, to) in pieces {
                sheet.line((LEFT + from, y), (LEFT + to, y), series(index), 3.0);
            }
            sheet.text(LEFT + 30.0, y + 4.5, label, Lettering::default().size(SMALL_SIZE));
        }
        left_out.write(&mut sheet, (LEFT, BELOW + legend - 8.0), WIDTH);
        Ok(sheet)
    }
}

/// Whether the colours of this curve are there for the second time.
fn is_dashed(index: usize) -> bool {
    index >= SERIES.len()
}
