//! Keys of stored results: what a result is made of, hashed.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Names a result by its content: 128 bits of BLAKE3 over the canonical JSON of all that it depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// The key of `inputs`. The order in which an object's members were written does not matter.
    pub fn of(inputs: &Value) -> Self {
        let digest = blake3::hash(canonical(inputs).as_bytes()).to_hex();
        Self(digest[..32].to_owned())
    }

    /// A key as it is written in names and tables.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit())).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first `n` hexadecimal digits, for names that people read.
    pub fn short(&self, n: usize) -> &str {
        &self.0[..n]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// JSON without spaces, members sorted by name. Numbers are written as serde_json writes them, which is exact.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            let parts: Vec<String> = names
                .into_iter()
                .map(|name| format!("{}:{}", Value::from(name.as_str()), canonical(&members[name])))
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        scalar => scalar.to_string(),
    }
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
}
