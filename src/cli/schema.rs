//! `xdlreg-run schema`: the JSON Schema of specs.

use schemars::SchemaGenerator;
use serde_json::json;

use crate::error::{EXIT_OK, Result};
use crate::spec::{ExperimentSpec, SweepBlock};

pub fn run() -> Result<u8> {
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
    println!("{}", serde_json::to_string_pretty(&schema).expect("a schema is JSON"));
    Ok(EXIT_OK)
}
