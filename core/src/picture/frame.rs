//! What all heatmaps of one size share: axes in pixels, the colour bar and room for a title.
//!
//! A frame is drawn once and copied for every picture.

use super::canvas::{Align, BLACK, Direction, Surface, TextStyle, Typeface};
use super::colormap::{ColoredMap, Colormap, bar_color, to_bytes};

/// How many pixels the longer side of an image may take, when each of its pixels takes a whole number of them.
const PLOT_SIDE: usize = 500;
/// Shortest height of the colour bar in pixels, so that its quantity can be written beside it.
const MIN_BAR_HEIGHT: usize = 220;
const BAR_WIDTH: usize = 22;
const BAR_GAP: usize = 24;
/// The intervals between the colour bar's seven ticks.
const BAR_STEPS: i32 = 6;
/// The largest number of ticks on an axis, and how many pixels each needs.
const MAX_AXIS_TICKS: usize = 6;
const AXIS_TICK_ROOM: usize = 36;

const MARGIN: f32 = 14.0;
const TITLE_GAP: f32 = 13.0;
const TICK_LENGTH: f32 = 5.0;
const LABEL_GAP: f32 = 5.0;
/// From the outer edge of a frame to its labels.
const LABEL_DISTANCE: f32 = 1.0 + TICK_LENGTH + LABEL_GAP;

const LABEL: TextStyle = TextStyle { size: 14.0, align: Align::Start, direction: Direction::Right, ink: BLACK };
const TITLE: TextStyle = TextStyle { size: 16.0, align: Align::Middle, ..LABEL };

/// A rectangle of whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Area {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

/// What a colour bar is labelled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scale<'a> {
    /// From -1 to 1: shares of the largest relevance.
    Relative,
    /// Relevance in its unit, where that is known.
    True(Option<&'a str>),
}

/// What a frame shows beside the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Look<'a> {
    /// How the colour bar is labelled.
    pub labels: Scale<'a>,
    pub colormap: Colormap,
    /// Whether there is a colour bar.
    pub bar: bool,
}

impl Default for Look<'_> {
    fn default() -> Self {
        Self { labels: Scale::Relative, colormap: Colormap::Published, bar: true }
    }
}

/// Axes and colour bar for images of `rows` x `columns` pixels.
pub struct Frame<'a, S> {
    typeface: Typeface,
    sheet: S,
    columns: usize,
    magnification: usize,
    plot: Area,
    bar: Area,
    look: Look<'a>,
}

impl<'a, S: Surface> Frame<'a, S> {
    /// Draws what does not change from picture to picture.
    ///
    /// The colour bar is drawn and labelled as `look` says.
    pub fn new(rows: usize, columns: usize, look: Look<'a>) -> Self {
        let typeface = Typeface::default();
        let cap_height = typeface.cap_height(LABEL.size);
        let magnification = (PLOT_SIDE / rows.max(columns)).max(1);
        let row_label_width = typeface.width(&(rows - 1).to_string(), LABEL.size);
        let plot = Area {
            left: (MARGIN + row_label_width + LABEL_DISTANCE).ceil() as usize,
            top: (MARGIN + typeface.cap_height(TITLE.size) + TITLE_GAP).ceil() as usize,
            width: columns * magnification,
            height: rows * magnification,
        };
        let bar = Area {
            left: plot.left + plot.width + BAR_GAP,
            top: plot.top,
            width: BAR_WIDTH,
            height: plot.height.max(MIN_BAR_HEIGHT),
        };
        let widest_label = if look.labels == Scale::Relative { "\u{2212}0.67" } else { "\u{2212}0.000" };
        let right = (bar.left + bar.width) as f32 + LABEL_DISTANCE + typeface.width(widest_label, LABEL.size);
        let (width, height) = if look.bar {
            (right + 2.0 * LABEL_GAP + cap_height + MARGIN, bar.top + bar.height)
        } else {
            ((plot.left + plot.width) as f32 + MARGIN, plot.top + plot.height)
        };
        let height = height as f32 + LABEL_DISTANCE + cap_height + MARGIN;

        let mut sheet = S::new(width.ceil() as u32, height.ceil() as u32);
        if look.bar {
            draw_bar(&mut sheet, bar, look.colormap);
        }
        let mut frame = Self { typeface, sheet, columns, magnification, plot, bar, look };
        frame.draw_axes(rows);
        if look.bar && look.labels == Scale::Relative {
            let mut sheet = frame.sheet.clone();
            frame.label_bar(&mut sheet, &BarLabels::relative());
            frame.sheet = sheet;
        }
        frame
    }

    /// A picture of `map` on a copy of the frame, without signs.
    pub fn picture(&self, map: &ColoredMap, title: &str) -> S {
        let mut sheet = self.sheet.clone();
        sheet.image(self.plot.left, self.plot.top, self.columns, self.magnification, &map.pixels);
        self.write_title(&mut sheet, title);
        if let (true, Scale::True(unit)) = (self.look.bar, self.look.labels) {
            self.label_bar(&mut sheet, &BarLabels::in_unit(map.scale, unit));
        }
        sheet
    }

    /// How many of the picture's pixels an image's pixel is wide and high.
    pub fn magnification(&self) -> usize {
        self.magnification
    }

    /// Where the image's pixel (row, column) has its upper left corner on the picture: (x, y).
    pub fn corner(&self, row: usize, col: usize) -> (f32, f32) {
        let along = |start: usize, index: usize| (start + index * self.magnification) as f32;
        (along(self.plot.left, col), along(self.plot.top, row))
    }

    fn draw_axes(&mut self, rows: usize) {
        draw_border(&mut self.sheet, self.plot);
        let cap_height = self.typeface.cap_height(LABEL.size);
        let half = 0.5 * self.magnification as f32;
        let (left, bottom) = (self.plot.left as f32, (self.plot.top + self.plot.height) as f32);
        for row in axis_ticks(rows, self.plot.height) {
            let y = self.corner(row, 0).1 + half;
            self.sheet.rect(left - 1.0 - TICK_LENGTH, y.floor(), TICK_LENGTH, 1.0, BLACK);
            let style = TextStyle { align: Align::End, ..LABEL };
            self.sheet.text(&self.typeface, &row.to_string(), left - LABEL_DISTANCE, y + 0.5 * cap_height, style);
        }
        for col in axis_ticks(self.columns, self.plot.width) {
            let x = self.corner(0, col).0 + half;
            self.sheet.rect(x.floor(), bottom + 1.0, 1.0, TICK_LENGTH, BLACK);
            let style = TextStyle { align: Align::Middle, ..LABEL };
            self.sheet.text(&self.typeface, &col.to_string(), x, bottom + LABEL_DISTANCE + cap_height, style);
        }
    }

    fn label_bar(&self, sheet: &mut S, labels: &BarLabels) {
        let Area { left, top, width, height } = self.bar;
        let cap_height = self.typeface.cap_height(LABEL.size);
        let x = (left + width) as f32 + LABEL_DISTANCE;
        for (step, label) in (0..).zip(&labels.ticks) {
            sheet.text(&self.typeface, label, x, bar_tick(self.bar, step) + 0.5 + 0.5 * cap_height, LABEL);
        }
        let widest = labels.ticks.iter().map(|label| self.typeface.width(label, LABEL.size)).fold(0.0, f32::max);
        let baseline = x + widest + 2.0 * LABEL_GAP + cap_height;
        // A long unit is written smaller, so that it stays beside the bar.
        let room = height as f32 / self.typeface.width(&labels.quantity, LABEL.size);
        let size = LABEL.size * room.min(1.0);
        let style = TextStyle { size, align: Align::Middle, direction: Direction::Up, ..LABEL };
        sheet.text(&self.typeface, &labels.quantity, baseline, top as f32 + 0.5 * height as f32, style);
    }

    /// Over the middle of the plot if it fits there, else moved and at last made smaller.
    fn write_title(&self, sheet: &mut S, title: &str) {
        let room = sheet.width() as f32 - 2.0 * MARGIN;
        let width = self.typeface.width(title, TITLE.size);
        let style = TextStyle { size: TITLE.size * (room / width).min(1.0), ..TITLE };
        let half = 0.5 * width.min(room);
        let middle = self.plot.left as f32 + 0.5 * self.plot.width as f32;
        let x = middle.max(MARGIN + half).min(MARGIN + room - half);
        sheet.text(&self.typeface, title, x, self.plot.top as f32 - TITLE_GAP, style);
    }
}

/// What is written beside the colour bar.
#[derive(Debug, Clone, PartialEq)]
struct BarLabels {
    /// From the bottom to the top.
    ticks: [String; BAR_STEPS as usize + 1],
    quantity: String,
}

impl BarLabels {
    /// From -1 to 1.
    fn relative() -> Self {
        let label = |v: f32| if v.abs() == 1.0 { format!("{v}") } else { format!("{v:.2}") };
        Self { ticks: bar_ticks(1.0, label), quantity: "relevance (share of maximum)".to_owned() }
    }

    /// From `-scale` to `scale` in this unit, with at least two digits at both ends; the quantity bears a power of ten where
    /// the numbers would be long.
    fn in_unit(scale: f32, unit: Option<&str>) -> Self {
        let power = if scale > 0.0 { scale.log10().floor() as i32 } else { 0 };
        let plain = (-2..4).contains(&power);
        let decimals = if plain { (1 - power).max(0) as usize } else { 1 };
        let power_of_ten = (!plain).then(|| format!("10{}", superscript(power)));
        let unit: Vec<&str> = power_of_ten.as_deref().into_iter().chain(unit).collect();
        let unit = if unit.is_empty() { String::new() } else { format!(" ({})", unit.join(" ")) };
        let factor = if plain { 1.0 } else { 10_f64.powi(power) };
        Self {
            ticks: bar_ticks((f64::from(scale) / factor) as f32, |value| format!("{value:.decimals$}")),
            quantity: format!("relevance{unit}"),
        }
    }
}

/// The bar's labels for values from `-end` to `end`.
fn bar_ticks(end: f32, label: impl Fn(f32) -> String) -> [String; BAR_STEPS as usize + 1] {
    std::array::from_fn(|step| match end * (2.0 * step as f32 / BAR_STEPS as f32 - 1.0) {
        0.0 => "0".to_owned(),
        value => label(value).replace('-', "\u{2212}"),
    })
}

fn superscript(number: i32) -> String {
    let raise = |character| match character {
        '-' => '\u{207b}',
        '1' => '\u{b9}',
        '2' => '\u{b2}',
        '3' => '\u{b3}',
        digit => char::from_u32(u32::from('\u{2070}') + u32::from(digit) - u32::from('0')).unwrap_or(digit),
    };
    number.to_string().chars().map(raise).collect()
}

/// The colour bar with its ticks.
fn draw_bar(sheet: &mut impl Surface, bar: Area, colormap: Colormap) {
    let Area { left, top, width, height } = bar;
    let rows = (0..height).map(|y| to_bytes(bar_color(1.0 - 2.0 * y as f32 / (height - 1) as f32, colormap)));
    let pixels: Vec<[u8; 3]> = rows.flat_map(|color| std::iter::repeat_n(color, width)).collect();
    sheet.image(left, top, width, 1, &pixels);
    draw_border(sheet, bar);
    for step in 0..=BAR_STEPS {
        sheet.rect((left + width) as f32 + 1.0, bar_tick(bar, step), TICK_LENGTH, 1.0, BLACK);
    }
}

/// Upper edge of the colour bar's tick `step`, counted from the bottom.
fn bar_tick(bar: Area, step: i32) -> f32 {
    let share = 1.0 - step as f32 / BAR_STEPS as f32;
    (bar.top as f32 + share * (bar.height - 1) as f32).round()
}

fn draw_border(sheet: &mut impl Surface, area: Area) {
    let [left, top, width, height] = [area.left, area.top, area.width, area.height].map(|v| v as f32);
    sheet.outline(left, top, width, height, 1.0, BLACK);
}

/// Round pixel indices from 0 on, for an axis of `length` pixels that is drawn over `room` pixels.
fn axis_ticks(length: usize, room: usize) -> impl Iterator<Item = usize> {
    let most = (room / AXIS_TICK_ROOM).clamp(1, MAX_AXIS_TICKS);
    let mut steps = (0..).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_usize.pow(power)));
    let step = steps.find(|step| length.div_ceil(*step) <= most).unwrap_or(length);
    (0..length).step_by(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::canvas::Canvas;

    fn is_dark(canvas: &Canvas, x: usize, y: usize) -> bool {
        canvas.to_rgb().get_pixel(x as u32, y as u32).0 == [0; 3]
    }

    /// Starts of the runs of black pixels among `pixels`.
    fn dark_runs(pixels: impl Iterator<Item = [u8; 3]>) -> Vec<usize> {
        let dark: Vec<bool> = pixels.map(|pixel| pixel == [0; 3]).collect();
        (1..dark.len()).filter(|&i| dark[i] && !dark[i - 1]).collect()
    }

    #[test]
    fn axes_have_few_round_ticks() {
        let ticks = |length, room| axis_ticks(length, room).collect::<Vec<_>>();
        assert_eq!(ticks(98, 490), [0, 20, 40, 60, 80]);
        assert_eq!(ticks(28, 476), [0, 5, 10, 15, 20, 25]);
        assert_eq!(ticks(200, 400), [0, 50, 100, 150]);
        assert_eq!(ticks(98, 100), [0, 50]);
        assert_eq!(ticks(5, 40), [0]);
        assert_eq!(ticks(1, 500), [0]);
    }

    #[test]
    fn ticks_point_at_the_centres_of_their_pixels() {
        for (rows, columns) in [(98, 98), (28, 28), (200, 160), (40, 250)] {
            let frame = Frame::<Canvas>::new(rows, columns, Look::default());
            let rgb = frame.sheet.to_rgb();
            let beside = (frame.plot.left - 3) as u32;
            let below = (frame.plot.top + frame.plot.height + 3) as u32;
            let centers = |length: usize, start: usize| -> Vec<usize> {
                let half = frame.magnification as f64 / 2.0;
                let ticks = axis_ticks(length, length * frame.magnification);
                ticks.map(|t| start + (t as f64 * 2.0 * half + half).floor() as usize).collect()
            };
            let rows_found = dark_runs((0..below - 3).map(|y| rgb.get_pixel(beside, y).0));
            let columns_found = dark_runs((0..frame.bar.left as u32 - 1).map(|x| rgb.get_pixel(x, below).0));
            assert_eq!(rows_found, centers(rows, frame.plot.top));
            assert_eq!(columns_found, centers(columns, frame.plot.left));
        }
    }

    #[test]
    fn images_are_magnified_by_whole_numbers() {
        for (rows, columns, expected) in [(98, 98, 5), (28, 28, 17), (200, 160, 2), (700, 30, 1)] {
            assert_eq!(Frame::<Canvas>::new(rows, columns, Look::default()).magnification(), expected);
        }
    }

    #[test]
    fn bar_shows_its_colours_between_seven_ticks() {
        let frame = Frame::<Canvas>::new(98, 98, Look::default());
        let (rgb, bar) = (frame.sheet.to_rgb(), frame.bar);
        let x = (bar.left + bar.width / 2) as u32;
        let at = |y: usize| rgb.get_pixel(x, y as u32).0;
        assert_eq!([at(bar.top), at(bar.top + bar.height - 1)], [[255; 3]; 2]);
        let three_quarters = at(bar.top + bar.height / 4);
        assert!(three_quarters[0] == 255 && three_quarters[1] == 255 && three_quarters[2] < 10, "yellow at 0.5");
        let ticks = dark_runs((0..rgb.height()).map(|y| rgb.get_pixel((bar.left + bar.width + 4) as u32, y).0));
        assert_eq!(ticks.len(), 7);
        let gaps: Vec<usize> = ticks.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| gap.abs_diff(gaps[0]) <= 1), "{gaps:?}");
        assert_eq!((ticks[0], ticks[6]), (bar.top, bar.top + bar.height - 1));
    }

    #[test]
    fn bar_is_labelled_relatively_or_in_the_unit() {
        let relative = BarLabels::relative().ticks.map(|label| label.replace('\u{2212}', "-"));
        assert_eq!(relative, ["-1", "-0.67", "-0.33", "0", "0.33", "0.67", "1"]);
        let years = |scale| BarLabels::in_unit(scale, Some("years"));
        let upper = |scale| years(scale).ticks[4..].to_vec();
        assert_eq!(upper(0.3456), ["0.12", "0.23", "0.35"]);
        assert_eq!(upper(12.0), ["4", "8", "12"]);
        assert_eq!(years(0.5).quantity, "relevance (years)");
        assert_eq!(
            (upper(3.3e-7), &*years(3.3e-7).quantity),
            (["1.1", "2.2", "3.3"].map(str::to_owned).to_vec(), "relevance (10⁻⁷ years)")
        );
        assert_eq!(years(2e12).quantity, "relevance (10¹² years)");
        assert_eq!(years(0.0).ticks, ["0"; 7]);
        for (scale, unit, quantity) in [
            (0.5, Some("logit"), "relevance (logit)"),
            (0.5, None, "relevance"),
            (3.3e-7, None, "relevance (10⁻⁷)"),
            (2e12, Some("years per unit of intensity"), "relevance (10¹² years per unit of intensity)"),
        ] {
            assert_eq!(BarLabels::in_unit(scale, unit).quantity, quantity);
        }
    }

    #[test]
    fn labels_in_years_grow_upwards() {
        for scale in [1e-40, 0.0011, 0.0099, 0.02, 0.5, 3.0, 77.0, 4321.0, 2e6] {
            let labels = BarLabels::in_unit(scale, Some("years"));
            let values = labels.ticks.each_ref().map(|l| l.replace('\u{2212}', "-").parse::<f32>().unwrap());
            assert!(values.is_sorted_by(|a, b| a < b), "{values:?}");
            assert_eq!(values[0], -values[6]);
            let plain = labels.quantity == "relevance (years)";
            assert!(!plain || (values[6] / scale - 1.0).abs() < 0.05, "{values:?}");
            assert!(labels.ticks.iter().all(|label| label.chars().count() <= 6), "{labels:?}");
        }
    }

    #[test]
    fn long_titles_stay_on_the_sheet() {
        let frame = Frame::<Canvas>::new(28, 28, Look::default());
        let map = ColoredMap { pixels: vec![[9; 3]; 28 * 28], scale: 1.0 };
        let picture = frame.picture(&map, &"a very long title ".repeat(10));
        let rgb = picture.to_rgb();
        let in_margin = |x: u32| x < 10 || x >= rgb.width() - 10;
        let above = rgb.enumerate_pixels().filter(|(_, y, _)| (*y as usize) < frame.plot.top - 2);
        let mut inked = above.filter(|(_, _, pixel)| pixel.0 != [255; 3]).peekable();
        assert!(inked.peek().is_some());
        assert!(inked.all(|(x, _, _)| !in_margin(x)));
        assert!(is_dark(&picture, frame.plot.left - 1, frame.plot.top - 1));
    }
}
