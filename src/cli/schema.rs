//! `xdlreg-run schema`: the JSON Schema of specs.

use crate::error::{EXIT_OK, Result};
use crate::spec::schema;

pub fn run() -> Result<u8> {
    println!("{}", serde_json::to_string_pretty(schema()).expect("a schema is JSON"));
    Ok(EXIT_OK)
}
