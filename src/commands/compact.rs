//! `compact`: the short windows of past periods become one window each, with few files.

use super::request::CompactRequest;
use super::session::{RunSession, Session, listen, recover_first};
use super::windows::follow_watermark;
use crate::report::{Outcome, Progress};
use crate::run::JobContext;
use crate::run::compact::{
    CompactPlan, Compacted, FileCount, Left, Merging, Period, PeriodSpan, compact, periods, rehearse,
};
use crate::screen::Printer;
use crate::text::columns::{Align, Columns};
use crate::text::{bytes, count};
use crate::window::Every;
use chrono::TimeDelta;
use etl_sdk::{EpochMillis, Error, ErrorKind, Result};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Periods that are named on the screen; `--output json` names all.
const MAX_SHOWN: usize = 100;

/// What became of all periods. Field names are a contract.
#[derive(Debug, Serialize)]
struct CompactReport {
    job: String,
    every: Every,
    dry_run: bool,
    /// Periods by why they were left alone.
    left: BTreeMap<&'static str, u64>,
    /// Files of the periods that were merged.
    before: FileCount,
    /// What these are now.
    after: FileCount,
    /// All periods in which something is committed, oldest first.
    periods: Vec<Compacted>,
}

/// Compacts the periods that it finds, oldest first, and prints what became of them.
pub fn run(request: &CompactRequest, printer: &Printer) -> Result<Outcome> {
    let mut session = Session::open(&request.job, listen(printer)?, printer)?;
    let fitted = session.fit_and_watch(None, printer)?;
    fitted.warnings.iter().for_each(|warning| printer.warning(warning));
    let session = session.build()?;
    let context = session.context()?;
    if !request.dry_run {
        recover_first(&context, printer)?;
    }
    let state = context.stores.log.refresh()?;
    let older = TimeDelta::try_seconds(request.older_than.seconds).unwrap_or(TimeDelta::MAX);
    let until = session.now().checked_sub_signed(older).unwrap_or(chrono::DateTime::UNIX_EPOCH);
    let span =
        PeriodSpan { every: request.every, from: request.from.map(|at| at.0), to: request.to.map(|at| at.0), until };
    let found = periods(&state, &span)?;
    drop(state);
    let mut done = Vec::with_capacity(found.len());
    for period in found {
        let compacted = one(&session, &context, request, &period, printer);
        let is_stopped = compacted.merging == Merging::Stopped;
        done.push(compacted);
        if is_stopped {
            break;
        }
    }
    if !request.dry_run {
        follow_watermark(&context, session.now(), printer)?;
    }
    let report = CompactReport::new(&session.job().config.job, request, done);
    report.print(printer)?;
    Ok(report.outcome())
}

fn one(
    session: &RunSession,
    context: &JobContext<'_>,
    request: &CompactRequest,
    period: &Period,
    printer: &Printer,
) -> Compacted {
    if let Err(left) = period.windows {
        return Compacted::left(period.window, left);
    }
    if request.dry_run {
        return rehearse(context, period.window, session.stop());
    }
    if let Err(error) = session.stop().check() {
        return Compacted::new(period.window, Merging::Stopped).after(&error);
    }
    let plan = CompactPlan {
        window: period.window,
        now_msec: EpochMillis(session.now().timestamp_millis()),
        wait: request.wait,
        progress: Progress::default(),
    };
    let compacted = compact(context, &plan);
    if let (Merging::Done, FileCount { files, .. }) = (compacted.merging, compacted.before) {
        printer.note(&format!("{}: {} files are {} now", period.window, count(files), count(compacted.after.files)));
    }
    compacted
}

impl CompactReport {
    fn new(job: &str, request: &CompactRequest, periods: Vec<Compacted>) -> Self {
        let mut left = BTreeMap::new();
        for reason in periods.iter().filter_map(|period| period.reason) {
            *left.entry(reason.name()).or_default() += 1;
        }
        let mut report = Self {
            job: job.to_owned(),
            every: request.every,
            dry_run: request.dry_run,
            left,
            before: FileCount::default(),
            after: FileCount::default(),
            periods,
        };
        for period in report.periods.iter().filter(|period| is_merged(period)) {
            report.before.add(period.before);
            report.after.add(period.after);
        }
        report
    }

    fn outcome(&self) -> Outcome {
        let of = |merging: Merging| self.periods.iter().filter(move |period| period.merging == merging);
        if of(Merging::Stopped).next().is_some() {
            return Outcome::Stopped(ErrorKind::Stopped);
        }
        let mut failed = of(Merging::Failed).chain(of(Merging::Held)).peekable();
        let is_partly = of(Merging::Partly).next().is_some();
        match failed.peek().map(|first| first.kind.unwrap_or(ErrorKind::Internal)) {
            None if is_partly => Outcome::Partly,
            None => Outcome::Done,
            Some(_) if is_partly || of(Merging::Done).next().is_some() => Outcome::Partly,
            Some(kind) if failed.all(|other| other.kind == Some(kind)) => Outcome::Stopped(kind),
            Some(_) => Outcome::Stopped(ErrorKind::Internal),
        }
    }

    fn print(&self, printer: &Printer) -> Result<()> {
        if printer.is_json() {
            printer.json(&json!({"compact": self}))?;
        } else {
            printer.result(&self.screen())?;
        }
        for period in &self.periods {
            for warning in &period.warnings {
                printer.warning(&format!("{}: {warning}", period.window));
            }
            if let (Some(error), Some(kind)) = (&period.error, period.kind) {
                let told = Error::new(kind, "compact a period").with("window", period.window);
                let told = told.source(error.message.clone());
                printer.explain(&match &error.hint {
                    Some(hint) => told.hint(hint.clone()),
                    None => told,
                });
            }
        }
        Ok(())
    }

    fn screen(&self) -> String {
        let merged: Vec<&Compacted> = self.periods.iter().filter(|period| is_merged(period)).collect();
        let would = if self.dry_run { "would merge" } else { "merged" };
        let mut text = match merged.len() {
            0 => format!("compact: job {}, nothing to merge\n", self.job),
            number => format!(
                "compact: job {}, {would} {} of {}: {} files into {}{}\n",
                self.job,
                several(number as u64),
                self.every,
                count(self.before.files),
                if self.dry_run { "about " } else { "" },
                count(self.after.files),
            ),
        };
        if !merged.is_empty() {
            text.push_str(&self.table(&merged));
        }
        for (reason, number) in self.reasons() {
            let first = self.periods.iter().find(|period| period.reason == Some(reason));
            let first = first.map(|period| format!(", the first {}", period.window)).unwrap_or_default();
            let _ = writeln!(text, "  left alone: {} {}{first}", several(number), reason.text());
        }
        text
    }

    fn table(&self, merged: &[&Compacted]) -> String {
        use Align::{Left, Right};
        let mut columns = Columns::new(&[Left, Right, Right, Right, Right, Right, Right]);
        let now = if self.dry_run { "then" } else { "now" };
        columns.row(["period", "windows", "files", now, "bytes", now, "rows"].map(str::to_owned));
        for period in merged.iter().take(MAX_SHOWN) {
            columns.row([
                period.window.to_string(),
                count(period.windows),
                count(period.before.files),
                count(period.after.files),
                bytes(period.before.bytes),
                if self.dry_run { "?".to_owned() } else { bytes(period.after.bytes) },
                count(period.rows.values().sum()),
            ]);
        }
        let mut text = columns.render(2);
        if merged.len() > MAX_SHOWN {
            let more = count((merged.len() - MAX_SHOWN) as u64);
            let _ = writeln!(text, "  and {more} more; --output json names all");
        }
        text
    }

    fn reasons(&self) -> BTreeMap<Left, u64> {
        let mut reasons = BTreeMap::new();
        for reason in self.periods.iter().filter_map(|period| period.reason) {
            *reasons.entry(reason).or_default() += 1;
        }
        reasons
    }
}

fn is_merged(period: &Compacted) -> bool {
    matches!(period.merging, Merging::Done | Merging::Planned | Merging::Partly)
}

fn several(periods: u64) -> String {
    if periods == 1 { "1 period".to_owned() } else { format!("{} periods", count(periods)) }
}
