//! `check`: everything about a job that can be known without reading its input.

use super::request::JobRequest;
use super::session::{Session, examine_job, listeners_of};
use crate::ddl::catalog_rules;
use crate::engine::Pipeline;
use crate::job::{Job, Places};
use crate::process::clock::Clock;
use crate::process::stop::Stop;
use crate::registry::Registry;
use crate::report::Outcome;
use crate::rows::quality::Rule;
use crate::run::fit;
use crate::screen::Printer;
use crate::source::Nothing;
use crate::text::columns::{Align, Columns};
use etl_sdk::{Fact, Result};
use serde::Serialize;
use serde_json::json;

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
    pub enrich: Vec<StepCheck>,
    /// The tables that are written.
    pub tables: Vec<TableCheck>,
    /// The quality rules that are enabled, in order.
    pub quality: Vec<RuleCheck>,
    /// Where the tables go.
    pub sink: String,
    /// Where run reports are kept.
    pub state: String,
    /// Where records that cannot be used go.
    pub dead_letters: String,
    /// How many of them refuse a run.
    pub dead_letter_limit: String,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// An enrichment step.
#[derive(Clone, Debug, Serialize)]
pub struct StepCheck {
    /// The built-in's name, or the SQL file.
    pub step: String,
    /// The table it works on.
    pub table: String,
    /// What it says of its data.
    pub facts: Vec<Fact>,
}

/// A table.
#[derive(Clone, Debug, Serialize)]
pub struct TableCheck {
    /// Its name.
    pub name: String,
    /// Number of columns that are written.
    pub columns: usize,
    /// Partition columns, outermost first.
    pub partition_by: Vec<String>,
}

/// A quality rule.
#[derive(Clone, Debug, Serialize)]
pub struct RuleCheck {
    /// Its name, as the report has it.
    pub name: String,
    /// The table it judges.
    pub table: String,
    /// What it asks.
    pub rule: String,
    /// `warn`, `dead_letter` or `stop`.
    pub action: &'static str,
}

/// Loads, builds and prints. Reads the job file and the files it names, and of the input no more than whether there is
/// any.
pub fn run(request: &JobRequest, registry: &Registry, printer: &Printer) -> Result<Outcome> {
    all_mistakes(request, registry)?;
    let session = Session::open(request, Stop::default(), printer)?;
    let mut report = inspect(&session.job, registry)?;
    let source = Places::open(&session.job)?.source;
    report.warnings =
        session.runtime.block_on(Nothing::warning(&source, &session.job.config.source))?.into_iter().collect();
    if printer.is_json() {
        printer.json(&json!({"check": report}))?;
    } else {
        printer.result(&screen(&report))?;
    }
    Ok(Outcome::Done)
}

/// Fails with all that is wrong with the job, as far as it can be told without what is wrong.
fn all_mistakes(request: &JobRequest, registry: &Registry) -> Result<()> {
    let mut examined = examine_job(request)?;
    if let Some(job) = &examined.job {
        let mut found = Places::mistakes(job);
        found.extend(Pipeline::mistakes(job, registry));
        if let (Ok(places), Ok(pipeline)) = (Places::open(job), Pipeline::build(job, registry)) {
            found.extend(catalog_rules(job, &pipeline, places.sink.url(), places.source.url()).err());
        }
        found.extend(fit::check(job).err());
        found.extend(listeners_of(job, &Clock::system(), &Printer::default()).err());
        examined.add(found);
    }
    examined.check()
}

/// Builds every part of the job.
pub fn inspect(job: &Job, registry: &Registry) -> Result<CheckReport> {
    let places = Places::open(job)?;
    let pipeline = Pipeline::build(job, registry)?;
    let steps = pipeline.tables.iter().flat_map(|plan| {
        plan.steps.iter().map(|step| StepCheck {
            step: step.name.to_string(),
            table: plan.table.schema.table.clone(),
            facts: step.enrichment.facts(),
        })
    });
    let tables = pipeline.tables.iter().filter_map(|plan| {
        let sink = plan.sink.as_ref()?;
        Some(TableCheck {
            name: plan.table.schema.table.clone(),
            columns: sink.output().fields().len(),
            partition_by: sink.partition_names().map(str::to_owned).collect(),
        })
    });
    Ok(CheckReport {
        job: job.config.job.clone(),
        file: job.path.display().to_string(),
        source: places.source.url().to_owned(),
        transformer: job.config.transformer.name.clone(),
        enrich: steps.collect(),
        tables: tables.collect(),
        quality: pipeline.rules.iter().map(|rule| describe_rule(&pipeline, rule)).collect(),
        sink: places.sink.url().to_owned(),
        state: places.state.url().to_owned(),
        dead_letters: places.dead_letters.url().to_owned(),
        dead_letter_limit: job.config.limits.dead_letters.to_string(),
        warnings: Vec::new(),
    })
}

fn describe_rule(pipeline: &Pipeline, rule: &Rule) -> RuleCheck {
    let rules = pipeline.tables.iter().filter_map(|plan| plan.quality.as_ref()).find(|own| own.table == rule.table);
    let columns: Vec<&str> =
        rules.iter().flat_map(|own| own.schema.fields()).map(|field| field.name().as_str()).collect();
    RuleCheck {
        name: rule.name.clone(),
        table: rule.table.clone(),
        rule: rule.describe(&columns),
        action: rule.action.name(),
    }
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
    for rule in &report.quality {
        row("quality", format!("{} on {}: {}, else {}", rule.name, rule.table, rule.rule, rule.action));
    }
    row("sink", report.sink.clone());
    row("state", report.state.clone());
    row("dead letters", format!("{}, at most {}", report.dead_letters, report.dead_letter_limit));
    for warning in &report.warnings {
        row("warning", warning.clone());
    }
    format!("ok: job {} in {}\n{}", report.job, report.file, columns.render(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::load;
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
          source        /data/raw
          transformer   sample
          enrich        sample-step on event
          enrich        sql:step on event
          table         event, 2 columns, partitioned by year
          sink          /data/out
          state         /data/out/_state
          dead letters  /data/out/_dead_letters, at most 5% (the default)
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
            ("column: at", "column: time", "13: read partition_by table=event name=year column=time"),
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
