//! Keys of stored results: what a result is made of, hashed.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Names a result by its content: 128 bits of BLAKE3 over the canonical JSON of all that it depends on.
///
/// It is always 32 lowercase hexadecimal digits, also when it was read from a file: so it can be part of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Key(String);

/// How many digits of a key name a run.
const RUN_ID: usize = 10;

impl Key {
    /// The key of `inputs`. The order in which an object's members were written does not matter.
    pub fn of(inputs: &Value) -> Self {
        let mut text = Vec::with_capacity(1024);
        write_canonical(inputs, &mut text);
        let digest = blake3::hash(&text).to_hex();
        Self(digest[..32].to_owned())
    }

    /// A key as it is written in names and tables.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 32 && is_hex(text)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first `n` hexadecimal digits, for names that people read.
    pub fn short(&self, n: usize) -> &str {
        &self.0[..n]
    }

    /// The digits that name a run, or another thing that files are named after.
    pub fn run_id(&self) -> &str {
        self.short(RUN_ID)
    }
}

impl TryFrom<String> for Key {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is not a key of 32 hexadecimal digits"))
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a text is a name that [`Key::run_id`] gives.
pub fn is_run_id(text: &str) -> bool {
    text.len() == RUN_ID && is_hex(text)
}

/// Whether a text from a table can name a run, of another program for instance: only such a name becomes part of a path.
pub fn may_name_run(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(is_plain)
}

/// Reads the name of a run, for `#[serde(deserialize_with)]`.
pub fn read_run_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if is_run_id(&text) { Ok(text) } else { Err(serde::de::Error::custom(format!("{text:?} does not name a run"))) }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes JSON without spaces, members sorted by name. Numbers are written as serde_json writes them, which is exact.
fn write_canonical(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push(b'{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                write_scalar(name, text);
                text.push(b':');
                write_canonical(value, text);
            }
            text.push(b'}');
        }
        Value::Array(items) => {
            text.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                write_canonical(item, text);
            }
            text.push(b']');
        }
        scalar => write_scalar(scalar, text),
    }
}

fn write_scalar(scalar: &impl Serialize, text: &mut Vec<u8>) {
    serde_json::to_writer(text, scalar).expect("scalars are representable in JSON");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_depends_on_every_value_and_not_on_the_order_of_members() {
        let mut reordered = serde_json::Map::new();
        reordered.insert("b".into(), json!([1, 2]));
        reordered.insert("a".into(), json!({"y": 1.5, "x": null}));
        let key = Key::of(&json!({"a": {"x": null, "y": 1.5}, "b": [1, 2]}));
        assert_eq!(key, Key::of(&Value::Object(reordered)));
        assert_ne!(key, Key::of(&json!({"a": {"x": null, "y": 1.5}, "b": [2, 1]})));
        assert_ne!(key, Key::of(&json!({"a": {"x": null, "y": 1.25}, "b": [1, 2]})));
        assert_eq!(key.as_str().len(), 32);
    }

    /// Stored results are found by these digits: they must never change.
    #[test]
    fn the_hashed_text_is_compact_sorted_and_escaped() {
        let value =
            json!({"b": [1, -2.5, 1e300, u64::MAX], "a\"\n": {"y": "\u{7f}\u{e9}\u{1}", "x": null}, "c": [], "d": {}});
        let mut text = Vec::new();
        write_canonical(&value, &mut text);
        let expected = "{\"a\\\"\\n\":{\"x\":null,\"y\":\"\u{7f}\u{e9}\\u0001\"},\"b\":[1,-2.5,1e+300,18446744073709551615],\"c\":[],\"d\":{}}";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn only_digits_become_keys_and_names_of_runs() {
        let key = Key::of(&json!(1));
        let read = |text: &str| serde_json::from_value::<Key>(json!(text)).ok();
        assert_eq!((read(key.as_str()), is_run_id(key.run_id())), (Some(key.clone()), true));
        let upper = key.as_str().to_uppercase();
        let dotted = format!("../{}", &key.as_str()[3..]);
        for bad in ["", "../../../victim", "/abs/victim", &key.as_str()[..31], &upper, &dotted, &format!("{key}\n")] {
            assert_eq!((read(bad), Key::parse(bad)), (None, None), "{bad:?}");
        }
        for bad in ["", "../../x", "/x", "ABCDEF0123", "0123456789a", "012345678", "01234567.9"] {
            assert!(!is_run_id(bad), "{bad:?}");
        }
        assert!(may_name_run("r00017") && may_name_run(key.run_id()));
        for bad in ["", "../../x", "/x", "..", ".", "a/b", "a.b", "a\\b", "a\n", "\u{e9}", &"a".repeat(65)] {
            assert!(!may_name_run(bad), "{bad:?}");
        }
    }
}
