//! `catalog`: how far the catalog agrees with what is written, and bringing it to agree.

use super::request::{CatalogAction, CatalogRequest};
use super::session::{RunSession, Session, listen, recover_first};
use crate::catalog::{Glue, Partition, TableChange, TableDefinition};
use crate::report::Outcome;
use crate::run::JobContext;
use crate::screen::Printer;
use crate::targets::catalog::{CatalogRules, Look, TableAgreement, ahead, committed};
use crate::text::columns::{Align, Columns};
use crate::text::count;
use crate::window::Window;
use chrono::{DateTime, TimeDelta, Utc};
use etl_sdk::{Error, PartitionPart, Result};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;

/// Partitions of each kind that are named in the report.
const MAX_NAMED: usize = 1_000;

/// What was found, and what became of it. Field names are a contract.
#[derive(Debug, Serialize)]
struct CatalogReport {
    job: String,
    database: String,
    /// Whether anything was changed, where there was something to change.
    applied: bool,
    agrees: bool,
    tables: Vec<TableReport>,
}

#[derive(Debug, Serialize)]
struct TableReport {
    table: String,
    change: TableChange,
    same: u64,
    missing: u64,
    different: u64,
    empty: u64,
    /// Partitions that hold files of no commit of the job; they stay.
    foreign: u64,
    /// Where those are that are missing or different, the first thousand of each.
    locations: Locations,
}

#[derive(Debug, Default, Serialize)]
struct Locations {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    different: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    empty: Vec<String>,
}

/// Compares, brings to agree when asked to, and prints what was found.
pub fn run(request: &CatalogRequest, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, listen(printer)?, printer)?.watched(printer)?.build()?;
    let context = session.context()?;
    let job = session.job();
    let Some((address, rules)) = &context.catalog else {
        return Err(Error::config("find the catalog of the job").with("job", &job.config.job).hint(
            "add `catalog: {glue: {database: NAME}}` to the job file; `etl-runner explain catalog` says what it may say",
        ));
    };
    if request.apply {
        recover_first(&context, printer)?;
    }
    let glue = Glue::new(address.clone(), context.runtime.clone(), context.stop.clone())?;
    let look = Look { glue: &glue, sink: &context.places.sink, runtime: &context.runtime };
    let wanted = wanted(request, &session, &context, rules)?;
    let is_whole = request.window.is_none();
    let (mut applied, mut tables) = (false, Vec::new());
    for (table, partitions) in &wanted {
        context.stop.check()?;
        let mut agreement = look.compare(table, partitions, is_whole)?;
        if request.action == CatalogAction::Sync {
            // What is empty is for `repair`.
            agreement.empty.clear();
        }
        if request.apply && !agreement.agrees() {
            look.apply(&agreement, request.action == CatalogAction::Repair)?;
            applied = true;
        }
        tables.push(TableReport::of(&agreement));
    }
    let report = CatalogReport {
        job: job.config.job.clone(),
        database: rules.database.clone(),
        applied,
        agrees: tables.iter().all(TableReport::agrees),
        tables,
    };
    if printer.is_json() {
        printer.json(&json!({"catalog": report}))?;
    } else {
        printer.result(&report.screen(request))?;
    }
    Ok(Outcome::Done)
}

/// The tables with the partitions that they should have.
fn wanted<'a>(
    request: &CatalogRequest,
    session: &RunSession,
    context: &JobContext<'_>,
    rules: &'a CatalogRules,
) -> Result<Vec<(&'a TableDefinition, BTreeSet<Partition>)>> {
    let state = context.stores.log.refresh()?;
    let mut written = committed(rules, &state, context.objects(), request.window.as_ref())?;
    let span = request.ahead.map(|span| days_to_come(session.now(), span.seconds));
    let mut all = Vec::new();
    for table in &rules.tables {
        let mut partitions = written.remove(&table.table).unwrap_or_default();
        if let Some(Window { start, end }) = span {
            let takes = takes(session, &table.table);
            partitions.extend(ahead(table, &takes, &partitions, start, end));
        }
        all.push((table, partitions));
    }
    if let Some(raw) = &rules.raw {
        let committed = state.windows.iter().filter(|(_, known)| known.is_committed()).map(|(window, _)| window);
        let asked = committed.filter(|other| request.window.is_none_or(|window| window.overlaps(other)));
        let windows: Vec<Window> = asked.copied().chain(span).collect();
        all.push((&raw.definition, windows.iter().flat_map(|window| raw.partitions(window)).collect()));
    }
    Ok(all)
}

/// From the beginning of the day on.
fn days_to_come(now: DateTime<Utc>, seconds: i64) -> Window {
    let day = 86_400;
    let start = now.timestamp().div_euclid(day) * day;
    let end = now.checked_add_signed(TimeDelta::seconds(seconds)).unwrap_or(now);
    Window { start: DateTime::from_timestamp(start, 0).unwrap_or(now), end }
}

fn takes(session: &RunSession, table: &str) -> Vec<PartitionPart> {
    let plans = session.pipeline.tables.iter().filter(|plan| plan.table.schema.table == table);
    plans.filter_map(|plan| plan.sink.as_ref()).flat_map(|sink| sink.partitions().map(|(_, part)| part)).collect()
}

impl TableReport {
    fn of(agreement: &TableAgreement<'_>) -> Self {
        let locations = |partitions: &[Partition]| {
            partitions.iter().take(MAX_NAMED).map(|partition| partition.location.clone()).collect()
        };
        Self {
            table: agreement.table.name.clone(),
            change: agreement.kept.change,
            same: agreement.same,
            missing: agreement.missing.len() as u64,
            different: agreement.different.len() as u64,
            empty: agreement.empty.len() as u64,
            foreign: agreement.foreign,
            locations: Locations {
                missing: locations(&agreement.missing),
                different: locations(&agreement.different),
                empty: agreement.empty.iter().take(MAX_NAMED).map(|values| values.join("/")).collect(),
            },
        }
    }

    fn agrees(&self) -> bool {
        self.change == TableChange::None && self.missing + self.different + self.empty == 0
    }
}

impl CatalogReport {
    fn screen(&self, request: &CatalogRequest) -> String {
        use Align::{Left, Right};
        let mut columns = Columns::new(&[Left, Left, Right, Right, Right, Right, Right]);
        let [add, change, remove] =
            if self.applied { ["added", "changed", "removed"] } else { ["to add", "to change", "to remove"] };
        columns.row(["table", "", "as it is", add, change, remove, "foreign"].map(str::to_owned));
        for table in &self.tables {
            let change = match (table.change, self.applied) {
                (TableChange::None, _) => "",
                (TableChange::Made, true) => "made",
                (TableChange::Made, false) => "to make",
                (TableChange::Changed, true) => "changed",
                (TableChange::Changed, false) => "to change",
            };
            columns.row([
                table.table.clone(),
                change.to_owned(),
                count(table.same),
                count(table.missing),
                count(table.different),
                count(table.empty),
                count(table.foreign),
            ]);
        }
        let verdict = match (self.agrees, self.applied) {
            (true, _) => "the catalog agrees".to_owned(),
            (false, true) => "done: the catalog agrees now".to_owned(),
            (false, false) => self.advice(request),
        };
        format!("catalog: job {}, database {}\n{}{verdict}\n", self.job, self.database, columns.render(2))
    }

    fn advice(&self, request: &CatalogRequest) -> String {
        let has_empty = self.tables.iter().any(|table| table.empty > 0);
        let action = match request.action {
            CatalogAction::Plan if has_empty => "repair",
            CatalogAction::Plan => "sync",
            other => other.name(),
        };
        format!("nothing was changed: `etl-runner catalog {action} --apply` with the same job does it")
    }
}
