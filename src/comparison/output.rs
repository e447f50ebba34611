//! Comparisons as text, CSV and JSON, and as panels of a figure.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Comparison, Row};
use crate::figure::comparison::{Bar, Panel};
use crate::tables::inference::Mean;
use crate::terminal::layout::{Side, align};

/// How comparisons are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    Text,
    Csv,
    Json,
}

impl Comparison {
    /// "causal_spearman of lesions"
    pub fn title(&self) -> String {
        let sign = self.sign.as_ref().map(|sign| format!(" of {sign}")).unwrap_or_default();
        let within = if self.within.is_empty() { String::new() } else { format!(", {}", self.within) };
        format!("{}{sign}{within}", self.metric)
    }
}

/// Four significant digits, as far as they are behind the point.
fn number(value: f64) -> String {
    let magnitude = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    if !(-4.0..7.0).contains(&magnitude) {
        return format!("{value:.2e}");
    }
    format!("{value:.*}", (3.0 - magnitude).clamp(0.0, 6.0) as usize)
}

fn with_interval(mean: &Mean) -> [String; 2] {
    let interval = mean.interval.map(|(low, high)| format!("[{}, {}]", number(low), number(high)));
    [number(mean.mean), interval.unwrap_or_else(|| "-".to_owned())]
}

/// A table for each comparison.
pub fn to_text(comparisons: &[Comparison], by: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for comparison in comparisons {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(comparison.title());
        let head =
            [by, "n", "mean", "95 % interval", "difference", "95 % interval", "pairs", "d_z", "p", "q", "detectable"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(comparison.rows.iter().map(text_row));
        let sides = [[Side::Left; 1].as_slice(), &[Side::Right; 10]].concat();
        lines.extend(align(&rows, &sides));
        let single = comparison.rows.iter().filter(|row| row.values.len() == 1).count();
        if single > 0 {
            lines.push(format!(
                "{single} of these have a single run: intervals and tests need several seeds (`seeds` in [[sweep]])"
            ));
        }
    }
    lines
}

fn text_row(row: &Row) -> Vec<String> {
    let none = || "-".to_owned();
    let mut cells = vec![row.name.clone(), row.values.len().to_string()];
    cells.extend(row.mean.as_ref().map_or_else(|| [none(), none()], with_interval));
    let difference = row.paired.as_ref().map(|paired| &paired.difference);
    cells.extend(difference.map_or_else(|| [none(), none()], with_interval));
    cells.push(difference.map_or_else(none, |difference| difference.count.to_string()));
    let test = row.paired.and_then(|paired| paired.test);
    let of_test = [test.map(|test| test.cohens_dz), test.map(|test| test.p), row.q, test.map(|test| test.detectable)];
    cells.extend(of_test.map(|value| value.map_or_else(none, number)));
    cells
}

/// The fields of a row, in the order of the columns of a CSV file.
fn fields(comparison: &Comparison, row: &Row) -> Vec<(&'static str, Value)> {
    let mean = row.mean.as_ref();
    let interval = mean.and_then(|mean| mean.interval);
    let difference = row.paired.as_ref().map(|paired| &paired.difference);
    let of_difference = difference.and_then(|difference| difference.interval);
    let test = row.paired.and_then(|paired| paired.test);
    vec![
        ("metric", json!(comparison.metric)),
        ("sign", json!(comparison.sign)),
        ("within", json!(comparison.within)),
        ("value", json!(row.name)),
        ("trivial", json!(row.trivial)),
        ("n", json!(row.values.len())),
        ("mean", json!(mean.map(|mean| mean.mean))),
        ("sd", json!(mean.and_then(|mean| mean.sd))),
        ("low", json!(interval.map(|interval| interval.0))),
        ("high", json!(interval.map(|interval| interval.1))),
        ("pairs", json!(difference.map(|difference| difference.count))),
        ("difference", json!(difference.map(|difference| difference.mean))),
        ("difference_low", json!(of_difference.map(|interval| interval.0))),
        ("difference_high", json!(of_difference.map(|interval| interval.1))),
        ("cohens_dz", json!(test.map(|test| test.cohens_dz))),
        ("t", json!(test.map(|test| test.t))),
        ("p", json!(test.map(|test| test.p))),
        ("q", json!(row.q)),
        ("detectable", json!(test.map(|test| test.detectable))),
    ]
}

fn all_fields(comparisons: &[Comparison]) -> impl Iterator<Item = Vec<(&'static str, Value)>> {
    comparisons.iter().flat_map(|comparison| comparison.rows.iter().map(move |row| fields(comparison, row)))
}

/// A list with an object for each row.
pub fn to_json(comparisons: &[Comparison]) -> Value {
    let object =
        |fields: Vec<(&str, Value)>| Value::Object(fields.into_iter().map(|(key, v)| (key.to_owned(), v)).collect());
    all_fields(comparisons).map(object).collect()
}

/// A line for each row, with a header.
pub fn to_csv(comparisons: &[Comparison]) -> String {
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) if text.contains([',', '"', '\n', '\r']) => format!("\"{}\"", text.replace('"', "\"\"")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut csv = String::new();
    for (index, fields) in all_fields(comparisons).enumerate() {
        if index == 0 {
            let _ = writeln!(csv, "{}", fields.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(","));
        }
        let _ = writeln!(csv, "{}", fields.iter().map(|(_, value)| cell(value)).collect::<Vec<_>>().join(","));
    }
    csv
}

/// A panel for each comparison.
pub fn panels(comparisons: &[Comparison]) -> Vec<Panel> {
    let bar = |row: &Row| Bar {
        name: row.name.clone(),
        values: row.values.iter().map(|value| value.1).collect(),
        mean: row.mean.map(|mean| mean.mean),
        interval: row.mean.and_then(|mean| mean.interval),
        trivial: row.trivial,
    };
    let panel = |one: &Comparison| Panel { title: one.title(), bars: one.rows.iter().map(bar).collect() };
    comparisons.iter().map(panel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_a_line_for_each_row_and_quote_what_must_be() {
        let values =
            |numbers: [f64; 3]| numbers.iter().enumerate().map(|(k, v)| (k.to_string(), *v)).collect::<Vec<_>>();
        let rows = vec![
            Row::new("a, \"b\"".into(), false, values([1.0, 2.0, 3.0])),
            Row::new("c".into(), false, values([2.0, 4.5, 3.5])),
        ];
        let mut all = [Comparison { metric: "m".into(), sign: Some("lesions".into()), within: String::new(), rows }];
        super::super::test(&mut all, None);
        let csv = to_csv(&all);
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(
            lines[0].starts_with("metric,sign,within,value,trivial,n,mean,")
                && lines[1].contains("\"a, \"\"b\"\"\",false,3,2")
        );
        assert_eq!(to_json(&all)[1]["difference"], json!(4.0 / 3.0));
        let text = to_text(&all, "explain.analyzer");
        assert_eq!(text[0], "m of lesions");
        assert!(text[3].contains("1.333") && text[3].contains("[-1.252, 3.919]"), "{}", text[3]);
    }

    #[test]
    fn numbers_have_four_digits() {
        let written = [0.0, 0.123_456, 12.345_6, 123_456.7, -3.2e-7, 2.5e8].map(number);
        assert_eq!(written, ["0.000", "0.1235", "12.35", "123457", "-3.20e-7", "2.50e8"]);
    }
}
