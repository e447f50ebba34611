//! Columns of tables.

use polars::prelude::*;
use serde_json::Value;

/// A column of one value for each item.
pub(super) fn column<T, V>(name: &str, items: &[T], value: impl Fn(&T) -> V) -> Column
where
    Series: NamedFrom<Vec<V>, [V]>,
    Vec<V>: AsRef<[V]>,
{
    Series::new(name.into(), items.iter().map(value).collect::<Vec<V>>()).into()
}

/// A column of settings: truth values, whole numbers or numbers where all values are such, else text. Every value is
/// exact: whole numbers that a float cannot hold do not become floats.
pub(super) fn setting_column(key: &str, values: &[&Value]) -> Column {
    /// Every whole number up to this one is a float.
    const LARGEST: u64 = 1 << f64::MANTISSA_DIGITS;
    let all = |is: fn(&Value) -> bool| values.iter().all(|value| value.is_null() || is(value));
    let is_exact =
        |value: &Value| value.is_f64() || value.as_i64().is_some_and(|whole| whole.unsigned_abs() <= LARGEST);
    if all(Value::is_boolean) {
        column(key, values, |value| value.as_bool())
    } else if all(Value::is_i64) {
        column(key, values, |value| value.as_i64())
    } else if all(is_exact) {
        column(key, values, |value| value.as_f64())
    } else {
        let text = |value: &&Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        column(key, values, text)
    }
}
