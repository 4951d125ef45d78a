//! `sql`: a query over the tables of a job.

use super::request::{SqlFormat, SqlRequest, SqlSource};
use super::session::Session;
use crate::engine::Pipeline;
use crate::job::Places;
use crate::process::stop::Stop;
use crate::query::{Answer, CurrentSource, Query, RowFormat, RowWriter, TableInfo};
use crate::registry::Registry;
use crate::report::Outcome;
use crate::screen::Printer;
use crate::text::columns::{Align, Columns};
use crate::text::count;
use arrow::array::RecordBatch;
use etl_sdk::{Error, ErrorKind, Result};
use serde_json::json;
use std::io::Read;

/// Rows that are printed as text unless another number is asked for.
const MAX_TEXT_ROWS: usize = 1_000;

/// Rows that become text at once.
const ROWS_AT_ONCE: usize = 256;

/// Longest query. A longer text is some other file.
const MAX_SQL_BYTES: u64 = 1 << 20;

/// Prints the rows of the answer, or the tables.
pub fn run(request: &SqlRequest, registry: &Registry, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, Stop::default(), printer)?.watched(printer)?;
    let job = &session.job;
    let places = Places::open(job)?;
    // The runs can be queried although a database or a rule file is missing on this machine.
    let pipeline = Pipeline::build(job, registry);
    let current = CurrentSource::new(session.log(&places));
    let query = Query::open(job, &places, &current, pipeline.as_ref().ok(), session.threads(None))?;
    if let Err(error) = &pipeline {
        printer.warning(&format!("the output tables cannot be queried: {error}"));
    }
    let Some(sql) = query_text(&request.source)? else { return tables(&query, printer) };
    let format = match request.format {
        Some(SqlFormat::Csv) => RowFormat::Csv,
        Some(SqlFormat::JsonLines) => RowFormat::JsonLines,
        None if printer.is_json() => RowFormat::Json,
        None => RowFormat::Text { width: printer.width() },
    };
    let limit = match (request.limit, format) {
        (Some(0), _) => None,
        (Some(rows), _) => Some(rows),
        (None, RowFormat::Text { .. }) => Some(MAX_TEXT_ROWS),
        (None, _) => None,
    };
    session.runtime.block_on(session.stop.unless(async {
        // One more than are printed shows whether there are more.
        let mut answer = query.ask(&sql, limit.map(|rows| rows + 1)).await.map_err(with_option)?;
        // What fails before the first row is printed fails like any command.
        let first = answer.next().await.map_err(with_option)?;
        let outcome = print(&mut answer, first, format, limit, printer).await.map_err(with_option);
        for note in query.notes() {
            printer.warning(&note);
        }
        match outcome {
            Ok(()) => Ok(Outcome::Done),
            // Rows are on stdout already: a second JSON value behind them would only confuse.
            Err(error) => {
                printer.explain(&error);
                Ok(Outcome::Stopped(error.kind()))
            }
        }
    }))
}

/// Adds the option that raises the limit which a query met.
fn with_option(error: Error) -> Error {
    let is_memory = error.facts().iter().any(|(name, value)| *name == "setting" && value == "limits.memory");
    match error.hint_text() {
        Some(hint) if is_memory => {
            let hint = format!("{hint}: --set limits.memory=2GiB");
            error.hint(hint)
        }
        _ => error,
    }
}

async fn print(
    answer: &mut Answer,
    first: Option<RecordBatch>,
    format: RowFormat,
    limit: Option<usize>,
    printer: &Printer,
) -> Result<()> {
    let put = |text: &str| match format {
        RowFormat::Text { .. } => printer.piece(text),
        RowFormat::Json | RowFormat::JsonLines | RowFormat::Csv => printer.data(text),
    };
    let mut writer = RowWriter::new(format, answer.schema());
    let mut text = writer.begin();
    let mut next = first;
    let mut cut = false;
    while let Some(batch) = next {
        let room = limit.map_or(usize::MAX, |limit| limit.saturating_sub(writer.rows() as usize));
        cut = batch.num_rows() > room;
        let rows = batch.num_rows().min(room);
        for start in (0..rows).step_by(ROWS_AT_ONCE) {
            let more = writer.write(&batch.slice(start, ROWS_AT_ONCE.min(rows - start)))?;
            for text in [std::mem::take(&mut text), more] {
                if !text.is_empty() && !put(&text)? {
                    return Ok(());
                }
            }
        }
        if cut {
            break;
        }
        next = answer.next().await?;
    }
    text.push_str(&writer.end());
    put(&text)?;
    if cut {
        printer.note(&format!("only the first {} rows; --limit 0 prints all", count(writer.rows())));
    }
    Ok(())
}

/// The query; `None` when the tables are to be shown.
fn query_text(source: &SqlSource) -> Result<Option<String>> {
    let wrong = || Error::new(ErrorKind::Usage, "read the SQL");
    let (mut reader, name): (Box<dyn Read>, String) = match source {
        SqlSource::Tables => return Ok(None),
        SqlSource::Text(sql) => return Ok(Some(sql.clone())),
        SqlSource::File(file) => {
            let opened = std::fs::File::open(file);
            let name = file.display().to_string();
            (Box::new(opened.map_err(|error| wrong().with("file", &name).source(error))?), name)
        }
        SqlSource::Stdin => (Box::new(std::io::stdin()), "stdin".to_owned()),
    };
    let mut text = String::new();
    reader
        .by_ref()
        .take(MAX_SQL_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| wrong().with("file", &name).source(error))?;
    if text.len() as u64 > MAX_SQL_BYTES {
        return Err(wrong().with("file", &name).hint("a query has at most 1 MiB"));
    }
    Ok(Some(text))
}

fn tables(query: &Query, printer: &Printer) -> Result<Outcome> {
    if printer.is_json() {
        printer.json(&json!({"tables": query.tables()}))?;
    } else {
        let text: Vec<String> = query.tables().iter().map(table_screen).collect();
        printer.result(&text.join("\n"))?;
    }
    Ok(Outcome::Done)
}

fn table_screen(table: &TableInfo) -> String {
    let mut columns = Columns::new(&[Align::Left; 3]);
    for column in &table.columns {
        columns.row([column.name.clone(), column.type_name.clone(), column.description.clone()]);
    }
    format!("{}: {}\n{}", table.name, table.description, columns.render(2))
}
