//! What each key of a spec takes, as the JSON Schema says it, so that a new setting is known at once.

use std::sync::LazyLock;

use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::{ExperimentSpec, SweepBlock};

/// The JSON Schema of specs.
pub fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
        let mut generator = SchemaGenerator::default();
        let sweep = generator.subschema_for::<Vec<SweepBlock>>();
        let mut schema = generator.into_root_schema_for::<ExperimentSpec>();
        schema.insert("title".into(), json!("xdlreg experiment"));
        // `extends` and `sweep` are read apart from the settings of a run, so they are no fields of the merged spec.
        if let Some(properties) = schema.get_mut("properties").and_then(|properties| properties.as_object_mut()) {
            let files = json!({ "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
                                "description": "Files that this one builds on, weakest first." });
            properties.insert("extends".into(), files);
            properties.insert("sweep".into(), sweep.to_value());
        }
        schema.to_value()
    });
    &SCHEMA
}

/// The kinds of values that a key takes; none where nothing is known of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Takes {
    pub text: bool,
    /// Whole numbers.
    pub whole: bool,
    /// Numbers, whole or not.
    pub number: bool,
    pub truth: bool,
    pub list: bool,
    pub table: bool,
    /// It is a section: a table whose keys are set one by one.
    pub section: bool,
}

impl Takes {
    /// What the key of a path takes.
    pub fn at(path: &[&str]) -> Self {
        let root = schema();
        let mut nodes = alternatives(root, root);
        for segment in path {
            let below = nodes.iter().filter_map(|node| match node.get("properties") {
                Some(properties) => properties.get(*segment),
                None => node.get("items").filter(|_| super::merge::index(segment).is_some()),
            });
            nodes = below.flat_map(|node| alternatives(root, node)).collect();
        }
        let mut takes = Self::default();
        nodes.iter().for_each(|node| takes.add(node));
        let values = nodes.iter().filter(|node| node.get("type") != Some(&json!("null"))).count();
        takes.section = values == 1 && nodes.iter().any(|node| node.get("properties").is_some());
        takes
    }

    fn add(&mut self, node: &Value) {
        let kinds = match node.get("type") {
            Some(Value::Array(kinds)) => kinds.clone(),
            Some(kind) => vec![kind.clone()],
            None => Vec::new(),
        };
        for kind in kinds.iter().filter_map(Value::as_str) {
            match kind {
                "string" => self.text = true,
                "integer" => self.whole = true,
                "number" => self.number = true,
                "boolean" => self.truth = true,
                "array" => self.list = true,
                "object" => self.table = true,
                _ => {}
            }
        }
        let values = node.get("enum").and_then(Value::as_array).into_iter().flatten().chain(node.get("const"));
        if values.into_iter().any(Value::is_string) {
            self.text = true;
        }
    }

    /// Text and nothing else: whatever is typed is the value.
    pub fn is_text(self) -> bool {
        self == Self { text: true, ..Self::default() }
    }

    pub fn is_unknown(self) -> bool {
        self == Self::default()
    }

    /// In a user's words.
    pub fn expected(self) -> &'static str {
        match self {
            Self { truth: true, .. } => "true or false",
            Self { number: true, .. } => "a number",
            Self { whole: true, .. } => "a whole number, 0 or more",
            Self { list: true, .. } => "a list such as [1, 2]",
            Self { table: true, .. } => "a table of settings",
            _ => "text",
        }
    }
}

/// The forms that a node of the schema allows, references followed.
fn alternatives<'a>(root: &'a Value, node: &'a Value) -> Vec<&'a Value> {
    if let Some(name) = node.get("$ref").and_then(Value::as_str) {
        let target = name.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map(|target| alternatives(root, target)).unwrap_or_default();
    }
    for forms in ["oneOf", "anyOf"] {
        if let Some(Value::Array(forms)) = node.get(forms) {
            return forms.iter().flat_map(|form| alternatives(root, form)).collect();
        }
    }
    vec![node]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_says_what_keys_take() {
        let at = |key: &str| Takes::at(&key.split('.').collect::<Vec<_>>());
        let nothing = Takes::default();
        for key in [
            "experiment.name",
            "explain.analyzer",
            "data.growth_mode",
            "explain.bias",
            "run.device",
            "evaluate.scores.0",
            "explain.composite.1.rule",
            "heatmaps.format",
            "explain.smooth.sigma_unit",
        ] {
            assert!(at(key).is_text(), "{key}: {:?}", at(key));
        }
        assert_eq!(at("train.epochs"), Takes { whole: true, ..nothing });
        assert_eq!(at("model.conv_filters.4"), Takes { whole: true, ..nothing });
        assert_eq!(at("sweep.0.seeds"), Takes { whole: true, ..nothing });
        assert_eq!(at("explain.epsilon"), Takes { number: true, ..nothing });
        assert_eq!(at("explain.composite.0.gamma"), Takes { number: true, ..nothing });
        assert_eq!(at("heatmaps.pointers"), Takes { truth: true, ..nothing });
        assert_eq!(at("evaluate.scores"), Takes { list: true, ..nothing });
        assert_eq!(at("run.workers"), Takes { text: true, whole: true, ..nothing });
        assert_eq!(at("model.output_bias"), Takes { text: true, number: true, ..nothing });
        assert!(at("explain").section && at("explain.smooth").section && at("explain.composite.0").section);
        assert!(at("explain.reference").table && !at("explain.reference").section);
        assert!(at("trian.epochs").is_unknown() && at("train.epochs.0").is_unknown());
    }
}
