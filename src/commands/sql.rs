//! `sql`: asks the tables of a job a question.

use super::process_environment;
use super::request::{SqlFormat, SqlRequest};
use super::run::{runtime, threads};
use crate::engine::Pipeline;
use crate::job::{Places, load};
use crate::query::{Answer, Query, RowFormat, RowWriter, TableInfo};
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
const TEXT_ROWS: usize = 1_000;

/// Bytes that a question may have. A longer text is some other file.
const MAX_SQL_BYTES: u64 = 1 << 20;

/// Prints the rows of the answer, or the tables.
pub fn run(request: &SqlRequest, registry: &Registry, printer: &Printer) -> Result<Outcome> {
    let job = load(&request.job_file, &request.overrides, &process_environment)?;
    let places = Places::open(&job)?;
    // The runs can be asked although a database or a rule file is missing on this machine.
    let pipeline = Pipeline::build(&job, registry);
    let query = Query::open(&job, &places, pipeline.as_ref().ok(), threads(None, &job))?;
    if let Err(error) = &pipeline {
        printer.warning(&format!("the output tables cannot be asked: {error}"));
    }
    if request.tables {
        return tables(&query, printer);
    }
    let sql = question(request)?;
    let format = match request.format {
        Some(SqlFormat::Csv) => RowFormat::Csv,
        Some(SqlFormat::JsonLines) => RowFormat::JsonLines,
        None if printer.is_json() => RowFormat::Json,
        None => RowFormat::Text { width: printer.width() },
    };
    let limit = match (request.limit, format) {
        (Some(0), _) => None,
        (Some(rows), _) => Some(rows),
        (None, RowFormat::Text { .. }) => Some(TEXT_ROWS),
        (None, _) => None,
    };
    runtime()?.block_on(async {
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
    })
}

/// Adds the option that raises the limit which a question met.
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
    let mut writer = RowWriter::new(format, answer.schema());
    let mut text = writer.begin();
    let mut next = first;
    let mut cut = false;
    while let Some(batch) = next {
        let room = limit.map_or(usize::MAX, |limit| limit.saturating_sub(writer.rows() as usize));
        cut = batch.num_rows() > room;
        text.push_str(&writer.write(&batch.slice(0, batch.num_rows().min(room)))?);
        if !text.is_empty() && !printer.piece(&text)? {
            return Ok(());
        }
        text.clear();
        if cut {
            break;
        }
        next = answer.next().await?;
    }
    text.push_str(&writer.end());
    printer.result(&text)?;
    if cut {
        printer.note(&format!("only the first {} rows; --limit 0 prints all", count(writer.rows())));
    }
    Ok(())
}

fn question(request: &SqlRequest) -> Result<String> {
    let wrong = || Error::new(ErrorKind::Usage, "read the SQL");
    let (mut source, name): (Box<dyn Read>, String) = match (&request.sql, &request.file) {
        (Some(sql), _) if sql != "-" => return Ok(sql.clone()),
        (_, Some(file)) => {
            let opened = std::fs::File::open(file);
            let name = file.display().to_string();
            (Box::new(opened.map_err(|error| wrong().with("file", &name).source(error))?), name)
        }
        (_, None) => (Box::new(std::io::stdin()), "stdin".to_owned()),
    };
    let mut text = String::new();
    source
        .by_ref()
        .take(MAX_SQL_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| wrong().with("file", &name).source(error))?;
    if text.len() as u64 > MAX_SQL_BYTES {
        return Err(wrong().with("file", &name).hint("a question has 1 MiB at most"));
    }
    Ok(text)
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
