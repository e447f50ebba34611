//! `report.html`: one file that needs nothing else.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::embed;
use super::figures::{Figure, Figures};
use super::folder::{Results, is_score};
use super::gallery::Gallery;
use super::template;
use crate::data::facts;
use crate::source::Source;
use crate::tables::{Cells, Table};

/// The largest whole number that a script holds exactly: JavaScript's Number.MAX_SAFE_INTEGER.
const LARGEST_EXACT: u64 = (1 << f64::MANTISSA_DIGITS) - 1;

/// An SVG that is larger than this is shown as PNG.
const LARGEST_SVG: usize = 250_000;

/// What a reader must know of pumpkins.
const PUMPKINS: &str = "The images are simulated, so that it is known where the signs of age are. A pumpkin is a ring of tissue seen \
                        from above. Its age can be read from three kinds of signs: lesions are small bright squares inside the tissue, of \
                        which there are more the older a pumpkin is; atrophies are pixels that are missing at the inner and outer rim; \
                        tumours, in the growth modes that have them, are bright spots that grow. A good explanation puts its relevance \
                        on these signs.";

/// A column of the table of runs.
#[derive(Serialize)]
struct Column<'a> {
    name: &'a str,
    /// "setting", "score" or "fact".
    role: &'static str,
    /// Each text once; missing where the cells are numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    distinct: Option<Cow<'a, [String]>>,
    /// Numbers, or indices into the texts; null where there is nothing.
    cells: Vec<Option<f64>>,
}

/// The page for these results. Whatever the results say is data to it, never markup or script.
pub fn render(results: &Results, figures: &Figures, gallery: &Gallery) -> String {
    let figure = |figure: &Figure| {
        json!({
            "run": figure.run_id,
            "title": figure.title,
            "caption": figure.caption,
            "source": figure.source,
            "path": figure.path,
            "picture": picture(figure),
            "chart": !figure.svg.contains("<image"),
            "size": figure.size,
        })
    };
    let not_drawn = figures.not_drawn.iter();
    let not_drawn =
        not_drawn.map(|figure| json!({ "run": figure.run_id, "title": figure.title, "needs": figure.needs }));
    let data = json!({
        "name": results.name,
        "description": results.description,
        "about": results.study.words().pumpkins.then_some(PUMPKINS),
        "read": read(results),
        "folder": results.path,
        "version": env!("CARGO_PKG_VERSION"),
        "spec": results.spec,
        "provenance": exact(&results.provenance),
        "columns": columns(&results.table),
        "rows": results.table.rows,
        "labels": labels(results),
        "figures": figures.drawn.iter().map(figure).collect::<Vec<Value>>(),
        "notDrawn": not_drawn.collect::<Vec<Value>>(),
        "gallery": gallery,
    });
    template::fill(&results.name, &data)
}

/// So many data sets of users' own images are described, and so many of their rows that were left out.
const DESCRIBED: usize = 3;
const LEFT_OUT: usize = 100;

/// What was read of users' own images: a list of facts for each of the first data sets.
fn read(results: &Results) -> Vec<Value> {
    let mut known: Vec<&str> = Vec::new();
    let mut read = Vec::new();
    for run in &results.study.runs {
        let (Source::Files(files), Some(stored)) = (&run.source, &run.stored) else { continue };
        if known.contains(&run.dataset.as_str()) || known.len() == DESCRIBED {
            continue;
        }
        known.push(&run.dataset);
        let mut facts = facts(&stored.dataset);
        let left_out = files.excluded.iter().take(LEFT_OUT);
        facts.extend(left_out.map(|problem| ("left out".to_owned(), problem.to_string())));
        if files.excluded.len() > LEFT_OUT {
            facts.push(("left out".to_owned(), format!("{} more", files.excluded.len() - LEFT_OUT)));
        }
        read.push(json!(facts));
    }
    read
}

/// A figure as a packed picture.
fn picture(figure: &Figure) -> Value {
    let (kind, bytes) = match figure.svg.len() {
        0..=LARGEST_SVG => ("image/svg+xml", figure.svg.as_bytes()),
        _ => ("image/png", &figure.png[..]),
    };
    json!({ "kind": kind, "packed": embed::pack(bytes) })
}

fn columns(table: &Table) -> Vec<Column<'_>> {
    table
        .columns
        .iter()
        .map(|(name, cells)| {
            let role = match name.as_str() {
                name if Results::is_setting(name) => "setting",
                name if is_score(name) => "score",
                _ => "fact",
            };
            let (distinct, cells) = match cells {
                Cells::Integers(integers) => integers_of_page(integers),
                Cells::Numbers(numbers) => {
                    (None, numbers.iter().map(|&number| Some(number).filter(|number| number.is_finite())).collect())
                }
                Cells::Texts(texts) => (
                    Some(Cow::Borrowed(&texts.distinct[..])),
                    texts.rows.iter().map(|row| row.map(f64::from)).collect(),
                ),
            };
            Column { name, role, distinct, cells }
        })
        .collect()
}

/// The value with whole numbers that a script would round, such as seeds, as texts.
fn exact(value: &Value) -> Value {
    match value {
        Value::Number(number)
            if number.as_i64().map(i64::unsigned_abs).or(number.as_u64()).is_some_and(|n| n > LARGEST_EXACT) =>
        {
            number.to_string().into()
        }
        Value::Array(items) => items.iter().map(exact).collect(),
        Value::Object(table) => table.iter().map(|(key, value)| (key.clone(), exact(value))).collect(),
        value => value.clone(),
    }
}

/// Numbers, or texts where a script would round some, so that every digit is shown.
fn integers_of_page(integers: &[Option<i64>]) -> (Option<Cow<'_, [String]>>, Vec<Option<f64>>) {
    let known = || integers.iter().flatten().copied();
    if known().all(|integer| integer.unsigned_abs() <= LARGEST_EXACT) {
        return (None, integers.iter().map(|cell| cell.map(|integer| integer as f64)).collect());
    }
    let distinct: Vec<i64> = known().collect::<BTreeSet<i64>>().into_iter().collect();
    let index = |integer: &i64| distinct.binary_search(integer).ok().map(|index| index as f64);
    let cells = integers.iter().map(|cell| cell.as_ref().and_then(index)).collect();
    (Some(distinct.iter().map(i64::to_string).collect()), cells)
}

/// What each finished run is called, by its id.
fn labels(results: &Results) -> Value {
    let label = |run: &crate::figure::study::Run| {
        let parts = [run.label(), run.seeds()];
        (run.id.clone(), Value::from(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")))
    };
    results.study.runs.iter().map(label).collect::<serde_json::Map<String, Value>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_that_a_browser_would_round_are_texts() {
        let seeds = json!({ "seeds": [9_007_199_254_740_993_u64, i64::MIN, (1_u64 << 53) - 1, 0.5], "name": "x" });
        let expected = json!({
            "seeds": ["9007199254740993", "-9223372036854775808", (1_u64 << 53) - 1, 0.5], "name": "x"
        });
        assert_eq!(exact(&seeds), expected);
    }

    #[test]
    fn large_integers_keep_their_digits() {
        let (texts, cells) = integers_of_page(&[Some(7), None, Some(-(1 << 53) + 1)]);
        assert_eq!((texts, cells), (None, vec![Some(7.0), None, Some(-9_007_199_254_740_991.0)]));
        let (texts, cells) = integers_of_page(&[Some(i64::MAX), None, Some(7), Some(i64::MAX)]);
        assert_eq!(texts.unwrap()[..], ["7", "9223372036854775807"]);
        assert_eq!(cells, [Some(1.0), None, Some(0.0), Some(1.0)]);
    }
}
