//! `schema`: the job file's JSON Schema.

use super::Outcome;
use crate::cli::Printer;
use crate::job::json_schema;
use crate::registry::Registry;
use etl_sdk::Result;

/// Prints the schema, with the options of every component, on stdout.
pub fn run(registry: &Registry, printer: &Printer) -> Result<Outcome> {
    printer.json(&json_schema(registry))?;
    Ok(Outcome::Done)
}
