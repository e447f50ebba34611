//! A chart: series over two axes, in the style of all figures.

use kuva::plot::{BandPlot, ContourPlot, Histogram, LegendPosition, LinePlot, LineStyle, ScatterPlot};
use kuva::prelude::{Layout, Plot, ReferenceLine, Theme, TickFormat};
use kuva::render::layout::AxisLine;
use kuva::render::render::render_multiple;

use super::fit::Polynomial;
use super::sheet::{Area, Lettering, Sheet, plain};
use super::style::{DASHED, FONT, GREY, GRID, SMALL_SIZE, TEXT_SIZE};

/// Room around the plot area for what belongs to the axes.
const LEFT: f64 = 90.0;
const RIGHT: f64 = 40.0;
const ABOVE: f64 = 30.0;
const BELOW: f64 = 60.0;

/// How far left of the plot area the label of y begins: below the sheet's title.
pub(super) const Y_LABEL: f64 = 50.0;

/// Height of a line of a legend.
pub const LEGEND_LINE: f64 = 19.0;

/// About how many ticks an axis has.
const TICKS: f64 = 6.0;

/// An axis: what it shows, from where to where, and the distance between ticks.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    pub label: String,
    pub range: (f64, f64),
    pub step: f64,
    /// The scale is logarithmic.
    pub log: bool,
    /// Ticks are labelled.
    pub labelled: bool,
    /// Names of the places 0.5, 1.5, ... instead of numbers.
    pub names: Option<Vec<String>>,
}

impl Axis {
    /// An axis from `low` to `high`.
    pub fn new(label: impl Into<String>, low: f64, high: f64) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
        Self {
            label: label.into(),
            range: (low, high),
            step: nice_step((high - low) / TICKS),
            log: false,
            labelled: true,
            names: None,
        }
    }

    /// An axis around all finite values, with a little room at both ends. 0 to 1 where there are none.
    pub fn around(label: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return Self::new(label, 0.0, 1.0);
        }
        let room = if high > low { 0.05 * (high - low) } else { (0.05 * low.abs()).max(0.5) };
        Self::new(label, low - room, high + room)
    }

    /// The same axis from 0, without room below it.
    pub fn from_zero(self) -> Self {
        let step = nice_step(self.range.1 / TICKS);
        Self { range: (0.0, (self.range.1 / step).ceil() * step), step, ..self }
    }

    /// An axis with the same extent to either side of zero.
    pub fn symmetric(label: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let axis = Self::around(label, values);
        let reach = axis.range.0.abs().max(axis.range.1.abs());
        Self { range: (-reach, reach), step: nice_step(2.0 * reach / TICKS), ..axis }
    }

    /// A logarithmic axis from `low` to `high`, both above 0.
    pub fn logarithmic(label: impl Into<String>, low: f64, high: f64) -> Self {
        Self { log: true, ..Self::new(label, low, high) }
    }

    /// An axis with a place for each name.
    pub fn of_names(label: impl Into<String>, names: Vec<String>) -> Self {
        let axis = Self::new(label, 0.5, names.len().max(1) as f64 + 0.5);
        Self { names: Some(names), ..axis }
    }

    pub fn unlabelled(self) -> Self {
        Self { labelled: false, label: String::new(), ..self }
    }

    /// With ticks at multiples of `step`, where these are neither too few nor too many to be read.
    pub fn around_step(self, step: f64) -> Self {
        let ticks = (self.range.1 - self.range.0) / step;
        if (2.0..=13.0).contains(&ticks) { self.step(step) } else { self }
    }

    /// The same axis from 0 on, for bars of `counts` and a curve over them, both of which it holds.
    pub fn of_counts(label: &str, counts: &[f64], curve: &[(f64, f64)]) -> Self {
        let axis = Self::around(label, counts.iter().copied()).from_zero();
        let highest = curve.iter().map(|point| point.1).fold(0.0, f64::max);
        if highest <= axis.range.1 {
            return axis;
        }
        Self::around(label, counts.iter().copied().chain([highest])).from_zero()
    }

    /// With ticks at multiples of `step`.
    pub fn step(self, step: f64) -> Self {
        Self { step, ..self }
    }
}

/// The largest of 1, 2, 5 times a power of ten that is at most 1.55 times `step`.
pub(super) fn nice_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [10.0, 5.0, 2.0, 1.0].into_iter().find(|factor| factor * power <= 1.55 * step).unwrap_or(1.0) * power
}

/// Through fewer points no regression is drawn.
const FEWEST: usize = 10;

/// Series over two axes.
pub struct Chart {
    x: Axis,
    y: Axis,
    plots: Vec<Plot>,
    lines: Vec<ReferenceLine>,
    legend: Option<LegendPosition>,
}

impl Chart {
    pub fn new(x: Axis, y: Axis) -> Self {
        Self { x, y, plots: Vec::new(), lines: Vec::new(), legend: None }
    }

    /// Bars of `counts` between neighbouring `edges`.
    pub fn bars(mut self, edges: Vec<f64>, counts: Vec<f64>, color: &str, label: Option<&str>) -> Self {
        let bars = Histogram::from_bins(edges, counts).with_color(color);
        self.plots.push(with_label(bars, label, Histogram::with_legend).into());
        self
    }

    pub fn line(mut self, points: &[(f64, f64)], color: &str, width: f64, label: Option<&str>) -> Self {
        let line = LinePlot::new().with_data(points.iter().copied()).with_color(color).with_stroke_width(width);
        self.plots.push(with_label(line, label, LinePlot::with_legend).into());
        self
    }

    pub fn dashed(mut self, points: &[(f64, f64)], color: &str, width: f64, label: Option<&str>) -> Self {
        let line = LinePlot::new().with_data(points.iter().copied()).with_color(color).with_stroke_width(width);
        self.plots.push(with_label(line.with_dashed(), label, LinePlot::with_legend).into());
        self
    }

    pub fn points(mut self, points: &[(f64, f64)], color: &str, size: f64, label: Option<&str>) -> Self {
        let opacity = if points.len() > 60 { 0.55 } else { 0.9 };
        let dots = ScatterPlot::new().with_data(points.iter().copied()).with_color(color).with_size(size);
        self.plots.push(with_label(dots.with_marker_opacity(opacity), label, ScatterPlot::with_legend).into());
        self
    }

    /// The linear regression of points with its 95 % band; nothing for fewer than ten, where it would suggest more than is known.
    pub fn regression(self, points: &[(f64, f64)], color: &str) -> Self {
        let Some(fit) = Polynomial::fit(points, 1).filter(|_| points.len() >= FEWEST) else { return self };
        let ends = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p.0), h.max(p.0)));
        let (curve, band) = fit.curve(ends.0, ends.1);
        self.band(&band, color).line(&curve, color, 1.8, None)
    }

    /// A band between (x, low, high).
    pub fn band(mut self, band: &[(f64, f64, f64)], color: &str) -> Self {
        let part = |of: fn(&(f64, f64, f64)) -> f64| band.iter().map(of).collect::<Vec<f64>>();
        let band = BandPlot::new(part(|b| b.0), part(|b| b.1), part(|b| b.2));
        self.plots.push(band.with_color(color).with_opacity(0.22).into());
        self
    }

    /// A filled rectangle from x.0 to x.1 and from y.0 to y.1.
    pub fn block(mut self, (x, y): ((f64, f64), (f64, f64)), color: &str) -> Self {
        let block = BandPlot::new([x.0, x.1], [y.0; 2], [y.1; 2]);
        self.plots.push(block.with_color(color).with_opacity(1.0).into());
        self
    }

    /// Lines of equal height of `z[row][column]` at `levels`.
    pub fn contours(mut self, (x, y): (Vec<f64>, Vec<f64>), z: Vec<Vec<f64>>, levels: &[f64], color: &str) -> Self {
        let contours = ContourPlot::new().with_grid(z, x, y).with_levels(levels);
        self.plots.push(contours.with_line_color(color).with_line_width(1.2).into());
        self
    }

    /// A vertical line.
    pub fn at_x(mut self, x: f64, color: &str, dashes: &str) -> Self {
        self.lines.push(reference(ReferenceLine::vertical(x), color, dashes));
        self
    }

    /// A horizontal line.
    pub fn at_y(mut self, y: f64, color: &str, dashes: &str) -> Self {
        self.lines.push(reference(ReferenceLine::horizontal(y), color, dashes));
        self
    }

    /// A grey dashed line at zero.
    pub fn zero(self) -> Self {
        self.at_y(0.0, GREY, DASHED)
    }

    /// An entry of the legend for a reference line.
    pub fn explain(mut self, label: &str, color: &str, dashes: &str) -> Self {
        // A line without extent draws nothing but its entry.
        let corner = (self.x.range.0, self.y.range.0);
        let line = LinePlot::new().with_data([corner, corner]).with_color(color).with_stroke_width(1.6);
        let style = LineStyle::Custom(dashes.to_owned());
        self.plots.push(with_label(line.with_line_style(style), Some(label), LinePlot::with_legend).into());
        self
    }

    pub fn legend(mut self, position: LegendPosition) -> Self {
        self.legend = Some(position);
        self
    }

    /// Draws the chart so that its plot area is `area`; axes lie outside of it.
    pub fn draw(self, sheet: &mut Sheet, area: Area) {
        let (x, y) = (self.x, self.y);
        let mut theme = Theme::light();
        theme.background = "none".into();
        theme.grid_color = GRID.into();
        theme.legend_border = "none".into();
        let mut layout = Layout::new(x.range, y.range)
            .with_theme(theme)
            .with_width(area.width + LEFT + RIGHT)
            .with_height(area.height + ABOVE + BELOW)
            .with_force_margins(LEFT, RIGHT)
            .with_force_margins_y(ABOVE, BELOW)
            .with_x_axis_min(x.range.0)
            .with_x_axis_max(x.range.1)
            .with_y_axis_min(y.range.0)
            .with_y_axis_max(y.range.1)
            .with_axis_line(AxisLine::Open)
            .with_tick_size(SMALL_SIZE)
            .with_label_size(TEXT_SIZE)
            .with_body_size(SMALL_SIZE)
            .with_font_family(FONT)
            .with_x_tick_format(tick_format(&x))
            .with_y_tick_format(tick_format(&y));
        layout = if x.log { layout.with_log_x() } else { layout.with_x_tick_step(x.step) };
        layout = if y.log { layout.with_log_y() } else { layout.with_y_tick_step(y.step) };
        if let Some(names) = &x.names {
            layout = layout.with_x_categories(names.iter().map(|name| plain(name)).collect());
        }
        if let Some(names) = &y.names {
            layout = layout.with_y_categories(names.iter().map(|name| plain(name)).collect());
        }
        layout.suppress_x_ticks = !x.labelled;
        layout.suppress_y_ticks = !y.labelled;
        for line in self.lines {
            layout = layout.with_reference_line(line);
        }
        layout.show_legend = self.legend.is_some();
        if let Some(position) = self.legend {
            layout = layout.with_legend_position(position).with_legend_box(false);
            layout.show_legend = true;
        }
        let mut scene = render_multiple(self.plots, layout);
        scene.background_color = None;
        sheet.place(area.left - LEFT, area.top - ABOVE, scene);
        // Labels are written here: that of y lies flat above its axis, where it is read without turning the head.
        sheet.text(area.left + 0.5 * area.width, area.bottom() + 42.0, &x.label, Lettering::centred());
        sheet.text(area.left - Y_LABEL, area.top - 12.0, &y.label, Lettering::default());
    }
}

/// Writes a legend with a line for each entry, the first at (left, top).
pub fn legend(sheet: &mut Sheet, left: f64, top: f64, entries: &[(String, &str)]) {
    for (index, (label, color)) in entries.iter().enumerate() {
        let y = top + LEGEND_LINE * index as f64;
        sheet.line((left, y), (left + 22.0, y), color, 3.0);
        sheet.text(left + 30.0, y + 4.5, label, Lettering::default().size(SMALL_SIZE));
    }
}

fn with_label<P>(plot: P, label: Option<&str>, set: fn(P, String) -> P) -> P {
    match label {
        Some(label) => set(plot, plain(label)),
        None => plot,
    }
}

fn reference(line: ReferenceLine, color: &str, dashes: &str) -> ReferenceLine {
    line.with_color(color).with_stroke_width(1.6).with_dasharray(dashes)
}

fn tick_format(axis: &Axis) -> TickFormat {
    if axis.log {
        return TickFormat::Auto;
    }
    // As many decimals as tell neighbouring ticks apart, and no tick lies beside its label.
    let whole = |decimals: &usize| {
        let scaled = axis.step * 10_f64.powi(*decimals as i32);
        scaled > 0.5 && (scaled - scaled.round()).abs() < 1e-6
    };
    let Some(decimals) = (0..=6).find(whole) else {
        let text = |value: f64| if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}").replace(".0e", "e") };
        return TickFormat::Custom(std::sync::Arc::new(move |value| text(value).replace('-', "\u{2212}")));
    };
    // A true minus sign, as long as the digits.
    TickFormat::Custom(std::sync::Arc::new(move |value| format!("{value:.decimals$}").replace('-', "\u{2212}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_give_a_handful_of_ticks() {
        for (range, step) in [(60.0, 10.0), (7.0, 1.0), (0.9, 0.2), (1234.0, 200.0), (3e-4, 5e-5)] {
            let found = Axis::new("", 0.0, range).step;
            assert!((found / step - 1.0).abs() < 1e-9, "{range}: {found}");
        }
    }

    #[test]
    fn axes_hold_what_they_show_even_if_it_is_one_value_or_none() {
        assert_eq!(Axis::around("", []).range, (0.0, 1.0));
        assert_eq!(Axis::around("", [f64::NAN, 3.0]).range, (2.5, 3.5));
        let (low, high) = Axis::symmetric("", [-3.0, 7.0]).range;
        assert!(low == -high && high > 7.0);
        let axis = Axis::around("", [2.0, 61.0]).from_zero();
        assert_eq!((axis.range, axis.step), ((0.0, 70.0), 10.0));
        let axis = Axis::around("", [0.692, 0.694]).from_zero();
        assert!((axis.range.1 - 0.7).abs() < 1e-9 && (axis.step - 0.1).abs() < 1e-9, "{axis:?}");
    }

    /// Whatever the range, an axis has a handful of ticks.
    #[test]
    fn ticks_fit_narrow_and_wide_ranges() {
        for (low, high, step) in [(18.5, 81.5, 10.0), (62.5, 67.5, 1.0), (0.0, 1000.0, 200.0), (0.2, 0.21, 0.002)] {
            let axis = Axis::new("", low, high).around_step(10.0);
            assert!((axis.step / step - 1.0).abs() < 1e-9, "{axis:?}");
        }
        for step in [5e-9, 2e-3, 10.0, 1e9] {
            let axis = Axis::new("", 0.0, 6.0 * step);
            let TickFormat::Custom(tell) = tick_format(&axis) else { panic!("numbers are written here") };
            let ticks: Vec<String> = (0..4).map(|tick| tell(f64::from(tick) * axis.step)).collect();
            assert!(ticks.windows(2).all(|pair| pair[0] != pair[1]), "{ticks:?}");
        }
    }

    #[test]
    fn a_curve_stays_in_the_panel_of_its_bars() {
        let counts = [400.0, 396.0, 402.0];
        let axis = Axis::of_counts("", &counts, &[(63.0, 515.0), (64.0, 300.0)]);
        assert!(axis.range.1 >= 515.0 && axis.range.0 == 0.0, "{axis:?}");
        assert_eq!(Axis::of_counts("", &counts, &[(63.0, 390.0)]), Axis::around("", counts).from_zero());
    }
}
