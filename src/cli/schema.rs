//! `xdlreg-run schema`: the JSON Schema of specs.

use schemars::schema_for;
use serde_json::json;

use crate::error::{EXIT_OK, Result};
use crate::spec::ExperimentSpec;

pub fn run() -> Result<u8> {
    let mut schema = schema_for!(ExperimentSpec);
    schema.insert("title".into(), json!("xdlreg experiment"));
    // `extends` is read before the rest is merged, so it is no field of the merged spec.
    if let Some(properties) = schema.get_mut("properties").and_then(|properties| properties.as_object_mut()) {
        let files = json!({ "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
                            "description": "Files that this one builds on, weakest first." });
        properties.insert("extends".into(), files);
    }
    println!("{}", serde_json::to_string_pretty(&schema).expect("a schema is JSON"));
    Ok(EXIT_OK)
}
