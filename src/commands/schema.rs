//! `schema`: the job file's JSON Schema.

use crate::job::json_schema;
use crate::registry::Registry;
use crate::report::Outcome;
use crate::screen::Printer;
use etl_sdk::Result;

/// Prints the schema, with the options of every component, on stdout.
pub fn run(registry: &Registry, printer: &Printer) -> Result<Outcome> {
    printer.json(&json_schema(registry))?;
    Ok(Outcome::Done)
}
