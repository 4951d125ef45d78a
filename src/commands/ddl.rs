//! `ddl`: statements that make the tables known to catalogs, engines and warehouses.

use super::request::DdlRequest;
use super::session::Session;
use crate::ddl::{DdlTable, Dialect, create_table, statements};
use crate::engine::Pipeline;
use crate::job::Places;
use crate::process::stop::Stop;
use crate::registry::Registry;
use crate::report::Outcome;
use crate::screen::Printer;
use crate::text::suggest::did_you_mean;
use etl_sdk::{Error, ErrorKind, Result};
use serde_json::{Value, json};

/// Prints the statements; nothing is read but what the job file names.
pub fn run(request: &DdlRequest, registry: &Registry, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, Stop::default(), printer)?;
    let job = &session.job;
    let pipeline = Pipeline::build(job, registry)?;
    let places = Places::open(job)?;
    let sink = places.sink.url();
    let dialect = request.dialect;
    dialect.check(sink).map_err(|error| job.placed(&["sink", "url"], error))?;
    let format = job.config.sink.format;
    let tables: Vec<DdlTable> = pipeline.tables.iter().filter_map(|plan| DdlTable::of(plan, sink, format)).collect();
    let tables = asked_for(tables, &request.tables)?;
    let database = request.database.clone().unwrap_or_else(|| dialect.default_database(&job.config.job));
    if dialect == Dialect::Glue {
        let requests: Vec<Value> = tables.iter().map(|table| create_table(&database, table)).collect::<Result<_>>()?;
        printer.json(&requests)?;
        return Ok(Outcome::Done);
    }
    let written: Vec<(&str, Vec<String>)> = tables
        .iter()
        .map(|table| Ok((table.name.as_str(), statements(dialect, &database, table)?)))
        .collect::<Result<_>>()?;
    let database = dialect.create_database(&database);
    if printer.is_json() {
        let of_table = |(table, statements): &(&str, Vec<String>)| json!({"table": table, "statements": statements});
        let tables: Vec<Value> = written.iter().map(of_table).collect();
        printer.json(&json!({"ddl": {"dialect": dialect.name(), "database": database, "tables": tables}}))?;
    } else {
        let all: Vec<String> = database.into_iter().chain(written.into_iter().flat_map(|(_, all)| all)).collect();
        printer.result(&format!("{}\n", all.join("\n\n")))?;
    }
    Ok(Outcome::Done)
}

/// The tables of these names, in the order of the job; all without a name.
fn asked_for(tables: Vec<DdlTable>, names: &[String]) -> Result<Vec<DdlTable>> {
    let known: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Error::new(ErrorKind::Usage, "find the table")
            .with("table", unknown)
            .hint(did_you_mean(unknown, &known)));
    }
    let is_asked = |table: &DdlTable| names.is_empty() || names.contains(&table.name);
    Ok(tables.into_iter().filter(is_asked).collect())
}
