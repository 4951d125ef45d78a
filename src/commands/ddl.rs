//! `ddl`: statements that make the tables known to catalogs, engines and warehouses.

use super::request::DdlRequest;
use super::session::Session;
use crate::ddl::{DdlTable, Dialect, SavedQuery, definition, raw_table, saved_queries, statements, tables_of};
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
    let mut tables = tables_of(job, &pipeline, sink)?;
    if dialect.reads_raw() && !request.queries {
        tables.extend(raw_table(job, places.source.url()));
    }
    let tables = asked_for(tables, &request.tables)?;
    let of_catalog = job.config.catalog.glue.as_ref().filter(|_| dialect.reads_raw());
    let database = request.database.clone().or_else(|| of_catalog.map(|glue| glue.database.clone()));
    let database = database.unwrap_or_else(|| dialect.default_database(&job.config.job));
    if request.queries {
        return queries(dialect, &database, &tables, printer);
    }
    if dialect == Dialect::Glue {
        let compression = job.config.sink.compression;
        let request = |table: &DdlTable| {
            let prefix = of_catalog.map_or("", |glue| &glue.table_prefix);
            let definition =
                definition(table, format!("{prefix}{}", table.name), compression, table.projection.clone())?;
            Ok(definition.create_request(&database))
        };
        let requests: Vec<Value> = tables.iter().map(request).collect::<Result<_>>()?;
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

/// Prints queries over the tables; as JSON the requests that save them.
fn queries(dialect: Dialect, database: &str, tables: &[DdlTable], printer: &Printer) -> Result<Outcome> {
    if dialect != Dialect::Athena {
        return Err(Error::new(ErrorKind::Usage, "write the queries")
            .with("dialect", dialect.name())
            .hint("only athena has queries: etl-runner ddl athena JOB --queries"));
    }
    let queries = saved_queries(database, tables);
    if printer.is_json() {
        printer.json(&queries.iter().map(|query| query.request(database)).collect::<Vec<_>>())?;
    } else {
        let text = |query: &SavedQuery| format!("-- {}\n{}\n", query.description, query.text);
        printer.result(&queries.iter().map(text).collect::<Vec<_>>().join("\n"))?;
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
