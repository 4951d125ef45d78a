//! `check`: everything about a job that can be known without reading its input.

use super::{CheckRequest, Outcome, process_environment};
use crate::cli::Printer;
use crate::job::{Job, load};
use crate::registry::{Registry, unknown};
use crate::report::columns::{Align, Columns};
use crate::storage::Storage;
use arrow::datatypes::SchemaRef;
use etl_sdk::{Error, Fact, Result, Table, Transformer};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// What was found in a job.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Name of the job.
    pub job: String,
    /// The job file.
    pub file: String,
    /// Where raw batches are read.
    pub source: String,
    /// Name of the transformer.
    pub transformer: String,
    /// The steps that are enabled, in order.
    pub enrich: Vec<StepFound>,
    /// The tables that are written.
    pub tables: Vec<TableFound>,
    /// Where the tables go.
    pub sink: String,
}

/// An enrichment step.
#[derive(Clone, Debug, Serialize)]
pub struct StepFound {
    /// The built-in's name, or the SQL file.
    pub step: String,
    /// The table it works on.
    pub table: String,
    /// What it says of its data.
    pub facts: Vec<Fact>,
}

/// A table.
#[derive(Clone, Debug, Serialize)]
pub struct TableFound {
    /// Its name.
    pub name: String,
    /// Number of columns that are written.
    pub columns: usize,
    /// Partition columns, outermost first.
    pub partition_by: Vec<String>,
}

/// Loads, builds and prints. Reads the job file and the files it names, and no input.
pub fn run(request: &CheckRequest, registry: &Registry, printer: &Printer) -> Result<Outcome> {
    let job = load(&request.job_file, &request.overrides, &process_environment)?;
    let report = inspect(&job, registry)?;
    if printer.is_json() {
        printer.json(&json!({"check": report}))?;
    } else {
        printer.result(&screen(&report))?;
    }
    Ok(Outcome::Done)
}

/// Builds every part of the job.
pub fn inspect(job: &Job, registry: &Registry) -> Result<CheckReport> {
    let config = &job.config;
    let source = open(job, "source", &config.source.url, &config.source.s3)?;
    let sink = open(job, "sink", &config.sink.url, &config.sink.s3)?;
    let state_s3 = config.state.s3.as_ref().unwrap_or(&config.sink.s3);
    let dead_letter_s3 = config.dead_letter.s3.as_ref().unwrap_or(&config.sink.s3);
    for (section, url, s3) in
        [("state", &config.state.url, state_s3), ("dead_letter", &config.dead_letter.url, dead_letter_s3)]
    {
        if let Some(url) = url {
            open(job, section, url, s3)?;
        }
    }
    let transformer = job.build_transformer(registry)?;
    let (enrich, schemas) = check_enrich(job, registry, transformer.as_ref())?;
    let tables = check_tables(job, transformer.tables(), &schemas)?;
    Ok(CheckReport {
        job: config.job.clone(),
        file: job.path.display().to_string(),
        source: source.url().to_owned(),
        transformer: config.transformer.name.clone(),
        enrich,
        tables,
        sink: sink.url().to_owned(),
    })
}

fn open(job: &Job, section: &str, url: &str, s3: &crate::storage::S3Config) -> Result<Storage> {
    Storage::open(url, s3, &job.folder).map_err(|error| job.placed(&[section, "url"], error))
}

type Schemas = BTreeMap<String, SchemaRef>;

/// Builds each step and follows the columns of its table through it.
fn check_enrich(job: &Job, registry: &Registry, transformer: &dyn Transformer) -> Result<(Vec<StepFound>, Schemas)> {
    let mut schemas: Schemas =
        transformer.tables().iter().map(|table| (table.schema.table.clone(), table.schema.working_schema())).collect();
    let mut found = Vec::new();
    for (place, step) in job.config.enrich.iter().enumerate().filter(|(_, step)| step.enabled) {
        let number = place.to_string();
        let first = transformer.tables().first().map(|table| table.schema.table.as_str());
        let table = step.table.as_deref().or(first).unwrap_or_default().to_owned();
        let Some(input) = schemas.get(&table) else {
            let known: Vec<&str> = schemas.keys().map(String::as_str).collect();
            return Err(job.placed(&["enrich", &number, "table"], unknown("table", &table, &known)));
        };
        let (step, output, facts) = match (&step.name, &step.sql) {
            (Some(name), _) => {
                let enrichment = job.build_enrichment(place, registry)?;
                let output = enrichment
                    .output_schema(input)
                    .map_err(|error| job.placed(&["enrich", &number], error.with("table", &table)))?;
                (name.clone(), output, enrichment.facts())
            }
            (None, Some(file)) => {
                let path = job.context().resolve(file);
                let output = check_sql(&path, &step.with, input)
                    .map_err(|error| job.placed(&["enrich", &number, "sql"], error))?;
                (file.display().to_string(), output, Vec::new())
            }
            (None, None) => continue,
        };
        schemas.insert(table.clone(), output);
        found.push(StepFound { step, table, facts });
    }
    Ok((found, schemas))
}

/// The columns that a SQL step leaves. Seam: the engine plans the statement here; until then the file must be there
/// and must not be empty.
fn check_sql(path: &Path, _parameters: &Value, input: &SchemaRef) -> Result<SchemaRef> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::config("read the SQL file").with("file", path.display()).source(error))?;
    if text.trim().is_empty() {
        return Err(Error::config("the SQL file is empty").with("file", path.display()));
    }
    Ok(SchemaRef::clone(input))
}

fn check_tables(job: &Job, tables: &[Table], schemas: &Schemas) -> Result<Vec<TableFound>> {
    let known: Vec<&str> = tables.iter().map(|table| table.schema.table.as_str()).collect();
    if let Some(name) = job.config.tables.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(job.placed(&["tables", name], unknown("table", name, &known)));
    }
    let mut found = Vec::new();
    for table in tables {
        let name = &table.schema.table;
        let settings = job.config.tables.get(name);
        let own = settings.and_then(|settings| settings.partition_by.as_ref());
        let partition_by = own.unwrap_or(&table.partition_by);
        for (place, part) in partition_by.iter().enumerate() {
            let columns = schemas.get(name).map(|schema| schema.fields().clone()).unwrap_or_default();
            if !columns.iter().any(|field| *field.name() == part.column) {
                let known: Vec<&str> = columns.iter().map(|field| field.name().as_str()).collect();
                let path = ["tables", name.as_str(), "partition_by", &place.to_string(), "column"];
                return Err(job.placed(&path, unknown("column", &part.column, &known).with("table", name)));
            }
        }
        if settings.and_then(|settings| settings.write) == Some(false) {
            continue;
        }
        let hidden = table.schema.columns.iter().filter(|column| column.transient).count();
        let all = schemas.get(name).map_or(0, |schema| schema.fields().len());
        found.push(TableFound {
            name: name.clone(),
            columns: all.saturating_sub(hidden),
            partition_by: partition_by.iter().map(|part| part.name.clone()).collect(),
        });
    }
    Ok(found)
}

fn screen(report: &CheckReport) -> String {
    let mut columns = Columns::new(&[Align::Left, Align::Left]);
    let mut row = |name: &str, value: String| columns.row([name.to_owned(), value]);
    row("source", report.source.clone());
    row("transformer", report.transformer.clone());
    for step in &report.enrich {
        let facts: Vec<String> = step.facts.iter().map(|fact| format!("{} {}", fact.name, fact.value)).collect();
        let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
        row("enrich", format!("{} on {}{facts}", step.step, step.table));
    }
    for table in &report.tables {
        let by = if table.partition_by.is_empty() { "nothing".to_owned() } else { table.partition_by.join(", ") };
        row("table", format!("{}, {} columns, partitioned by {by}", table.name, table.columns));
    }
    row("sink", report.sink.clone());
    format!("ok: job {} in {}\n{}", report.job, report.file, columns.render(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::testing::sample;

    const GOOD: &str = "\
job: sample-job
source: {url: /data/raw}
transformer:
  name: sample
  with:
    rows: 10
enrich:
  - name: sample-step
  - sql: step.sql
sink: {url: /data/out}
tables:
  event:
    partition_by:
      - {name: year, column: at, part: year}
";

    fn check(text: &str) -> Result<CheckReport> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("step.sql"), "select * from event").unwrap();
        let path = folder.path().join("job.yaml");
        std::fs::write(&path, text).unwrap();
        inspect(&load(&path, &[], &|_| None)?, &sample())
    }

    #[test]
    fn a_good_job_is_described() {
        let mut report = check(GOOD).unwrap();
        report.file = "job.yaml".to_owned();
        insta::assert_snapshot!(screen(&report), @r#"
        ok: job sample-job in job.yaml
          source       /data/raw
          transformer  sample
          enrich       sample-step on event
          enrich       step.sql on event
          table        event, 2 columns, partitioned by year
          sink         /data/out
        "#);
    }

    #[test]
    fn what_is_wrong_is_found_where_it_was_written() {
        for (from, to, message) in [
            ("name: sample\n", "name: simple\n", "4: unknown transformer `simple`"),
            ("rows: 10", "row: 10", "6: unknown key `transformer.with.row`"),
            ("rows: 10", "rows: ten", "6: `transformer.with.rows` must be a whole number, not the text `ten`"),
            ("part: year}", "part: year, of: at}", "14: unknown key `tables.event.partition_by[0].of`"),
            ("rows: 10", "rows: 13", "6: check the rows key=rows"),
            ("name: sample-step", "name: sample-stop", "8: unknown enrichment `sample-stop`"),
            ("name: sample-step", "name: sample-step\n    table: events", "9: unknown table `events`"),
            ("  event:", "  events:", "12: unknown table `events`"),
            ("column: at", "column: time", "14: unknown column `time` table=event"),
            ("url: /data/raw", "url: \"gs://x\"", "2: read a url url=gs://x"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = check(&GOOD.replacen(from, to, 1)).expect_err(to).to_string();
            let text = error.split_once("job.yaml:").map_or(error.as_str(), |(_, rest)| rest);
            assert_eq!(text, message);
        }
        let error = check(&GOOD.replace("step.sql", "none.sql")).unwrap_err().to_string();
        assert!(error.contains("job.yaml:9: read the SQL file file="), "{error}");
    }
}
