//! `xdlreg-run schema`: the JSON Schema of specs.

use crate::error::{EXIT_OK, Result};
use crate::spec::schema;
use crate::terminal::print_json;

pub fn run() -> Result<u8> {
    print_json(&format!("{:#}\n", schema()));
    Ok(EXIT_OK)
}
