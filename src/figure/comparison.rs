//! Settings compared over seeds: the figure of `xdlreg-run compare --by`.

use super::chart::{Axis, Chart};
use super::sheet::{Area, Lettering, Sheet};
use super::style::{BLUE, GREY, LETTER, SMALL_SIZE, VERMILION};

/// A score of several settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    pub title: String,
    pub bars: Vec<Bar>,
}

/// One setting: its score in every replicate, their mean and its interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    pub name: String,
    pub values: Vec<f64>,
    pub mean: Option<f64>,
    pub interval: Option<(f64, f64)>,
    /// It is no explanation, but what one must exceed.
    pub trivial: bool,
}

const WIDTH: f64 = 420.0;
const ROW: f64 = 24.0;
/// Above a panel for its title, and below it for its axis.
const ABOVE: f64 = 40.0;
const BELOW: f64 = 44.0;
const TITLE: f64 = 64.0;

/// A panel below the other, with a row for each setting: replicates as points, the mean and its 95 % interval as a larger point with a line. What
/// explains nothing is grey.
pub fn draw(panels: &[Panel], by: &str) -> Sheet {
    let names = panels.iter().flat_map(|panel| &panel.bars).map(|bar| bar.name.chars().count());
    let left = 28.0 + LETTER * names.max().unwrap_or(0) as f64;
    let height = |panel: &Panel| ABOVE + ROW * panel.bars.len() as f64 + BELOW;
    let titles = panels.iter().map(|panel| panel.title.chars().count() as f64 * LETTER * 1.2).fold(0.0, f64::max);
    let width = (left + WIDTH + 28.0).max(titles + 28.0);
    let mut sheet = Sheet::new(width, TITLE + panels.iter().map(height).sum::<f64>() + 10.0);
    sheet.title(&format!("Scores by {by}"));
    let caption = "Points: replicates; large points: means with 95 % intervals by Student's t; grey: no explanation";
    sheet.text(14.0, TITLE - 14.0, caption, Lettering::default().size(SMALL_SIZE).color(GREY));
    let mut top = TITLE;
    for panel in panels {
        sheet.text(14.0, top + 24.0, &panel.title, Lettering::default());
        panel.draw(&mut sheet, Area::new(left, top + ABOVE, WIDTH, ROW * panel.bars.len() as f64));
        top += height(panel);
    }
    sheet
}

impl Panel {
    fn draw(&self, sheet: &mut Sheet, area: Area) {
        let ends = self.bars.iter().filter_map(|bar| bar.interval).flat_map(|(low, high)| [low, high]);
        let shown = self.bars.iter().flat_map(|bar| &bar.values).copied();
        let count = self.bars.len() as f64;
        let y = Axis { range: (0.0, count), ..Axis::new("", 0.0, count) }.unlabelled();
        let mut chart = Chart::new(Axis::around("", shown.chain(ends)), y);
        for (place, bar) in self.bars.iter().enumerate() {
            // The first setting is above.
            let at = count - place as f64 - 0.5;
            let color = if bar.trivial { GREY } else { BLUE };
            if let Some((low, high)) = bar.interval {
                chart = chart.line(&[(low, at), (high, at)], color, 2.0, None);
            }
            let points: Vec<(f64, f64)> = bar.values.iter().map(|value| (*value, at)).collect();
            chart = chart.points(&points, color, 2.0, None);
            if let Some(mean) = bar.mean {
                chart = chart.points(&[(mean, at)], if bar.trivial { GREY } else { VERMILION }, 5.0, None);
            }
            let name = Lettering { ..Lettering::ending().size(SMALL_SIZE) };
            sheet.text(area.left - 8.0, area.top + ROW * (place as f64 + 0.5) + 4.0, &bar.name, name);
        }
        chart.draw(sheet, area);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_its_name_and_a_row() {
        let bar = |name: &str, values: &[f64], trivial| Bar {
            name: name.into(),
            values: values.to_vec(),
            mean: Some(values[0]),
            interval: (values.len() > 1).then_some((0.1, 0.9)),
            trivial,
        };
        let bars =
            vec![bar("lrp.z", &[0.5, 0.6], false), bar("gradient", &[0.2, 0.3], false), bar("noise", &[0.0], true)];
        let panels = [Panel { title: "causal_spearman of lesions".into(), bars }];
        let sheet = draw(&panels, "explain.analyzer");
        let svg = sheet.to_svg().unwrap();
        for text in ["lrp.z", "gradient", "noise", "causal_spearman of lesions", "Scores by explain.analyzer"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains("NaN"));
    }
}
