//! Where the values of a setting stand on an axis.

use super::chart::Axis;
use super::study::{Run, Value};
use super::style::LETTER;

/// More places than these are not told apart.
const MAX_NAMES: usize = 40;

/// Where the values of a key stand on its axis.
pub(super) struct Places {
    pub values: Vec<Value>,
    /// The values are numbers, and stand where they are.
    pub numeric: bool,
    /// Smallest distance between two places.
    pub distance: f64,
    /// The names of the values do not fit below an axis: they stand beside one, the first above.
    pub lying: bool,
}

impl Places {
    /// The places of a key's values on an axis of this `width`, and the values that there is no room for.
    pub fn of(runs: &[&Run], key: &str, width: f64) -> (Self, Vec<Value>) {
        let mut values: Vec<Value> = Vec::new();
        for value in runs.iter().filter_map(|run| value(run, key)) {
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        let mut numbers: Vec<f64> = values.iter().filter_map(number).collect();
        numbers.sort_by(f64::total_cmp);
        let numeric = numbers.len() == values.len();
        let more = if numeric { Vec::new() } else { values.split_off(values.len().min(MAX_NAMES)) };
        let distance = numbers.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        let distance = if numeric && distance.is_finite() { distance } else { 1.0 };
        let places = Self { values, numeric, distance, lying: false };
        let lying = !numeric && (places.longest() + 1) as f64 * LETTER > width / places.values.len() as f64;
        (Self { lying, ..places }, more)
    }

    /// Letters of the longest name.
    pub fn longest(&self) -> usize {
        self.values.iter().map(|value| value.to_string().chars().count()).max().unwrap_or(0)
    }

    pub fn place(&self, value: &Value) -> f64 {
        match number(value) {
            Some(number) if self.numeric => number,
            _ => {
                let index = self.values.iter().position(|known| known == value).unwrap_or(0);
                (if self.lying { self.values.len() - index } else { index + 1 }) as f64
            }
        }
    }

    pub fn axis(&self, key: &str) -> Axis {
        if self.numeric {
            let places = self.values.iter().filter_map(number);
            return Axis::around(key, places.flat_map(|at| [at - 0.3 * self.distance, at + 0.3 * self.distance]));
        }
        let mut names: Vec<String> = self.values.iter().map(Value::to_string).collect();
        if self.lying {
            names.reverse();
        }
        Axis::of_names(key, names)
    }
}

/// The value of a varied key in a run.
pub(super) fn value<'a>(run: &'a Run, key: &str) -> Option<&'a Value> {
    run.varied.iter().find(|(known, _)| known == key).map(|(_, value)| value)
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(integer) => Some(*integer as f64),
        Value::Number(number) => Some(*number),
        Value::Text(_) => None,
    }
}
