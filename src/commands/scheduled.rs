//! `run` and `plan` without a window: what the schedule says.

use super::job_latest::{Mirror, origin};
use super::request::RunRequest;
use super::run::wait;
use super::windows::{Batch, print, recover, text};
use crate::batch::Item;
use crate::commit::{CommitDetail, CommitLog, Event, JobState, inputs};
use crate::job::Job;
use crate::process::stop::Stop;
use crate::report::Outcome;
use crate::run::JobContext;
use crate::run::fit::Fitted;
use crate::schedule::{Due, DueReason, DueWindow, Origin, ScheduleConfig, candidates, due};
use crate::screen::Printer;
use crate::source;
use crate::source::Select;
use crate::storage::Storage;
use crate::text::columns::{Align, Columns};
use crate::text::count;
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::{Error, ErrorKind, Result};
use serde_json::{Value, json};
use std::fmt::Write as _;
use tokio::runtime::Handle;

/// What finds the windows that are due.
pub(super) struct Finder<'a> {
    /// The job.
    pub job: &'a Job,
    /// Its log.
    pub log: &'a CommitLog,
    /// Where raw batches are.
    pub source: &'a Storage,
    /// For the listings.
    pub runtime: &'a Handle,
    /// Ends them early.
    pub stop: &'a Stop,
}

/// The windows that are due, and where a first run takes over.
pub(super) struct Found {
    /// The windows.
    pub due: Due,
    /// Why it starts where it does, for people; `None` unless this is the first run.
    pub first: Option<String>,
    mirror: Option<Mirror>,
}

/// The job's schedule.
///
/// Fails with kind `Usage` when it has none: then a window must be named.
pub(super) fn schedule_of(job: &Job) -> Result<&ScheduleConfig> {
    job.config.schedule.as_ref().ok_or_else(|| {
        Error::new(ErrorKind::Usage, "no window is given, and the job has no schedule").hint(
            "add --window 2026-11-20T05/PT1H, --window 2026-11-20 or --last 1h; or write `schedule: {every: 1h}` into the \
             job file",
        )
    })
}

impl Finder<'_> {
    /// Decides what is due; lists objects only where late ones may be.
    pub fn find(&self, now: DateTime<Utc>) -> Result<Found> {
        let config = &self.job.config;
        let schedule = schedule_of(self.job)?;
        let state = self.log.refresh()?;
        let mirror = Mirror::open(self.job, self.runtime, self.stop)?;
        let latest = match &mirror {
            Some(mirror) if state.watermark.is_none() => mirror.read()?.map(|latest| (latest, mirror.uri())),
            _ => None,
        };
        let start = latest.as_ref().map(|(latest, _)| latest.watermark());
        let mut found = due(&state, schedule, config.source.select, start, now)?;
        if config.source.select == Select::Path && found.origin == Origin::Watermark {
            let seconds = schedule.look_back.unwrap_or(config.source.look_back).seconds;
            let mut late = self.late(&state, &candidates(&state, found.begin, seconds))?;
            late.append(&mut found.windows);
            found.windows = late;
        }
        let first = match found.origin {
            Origin::Watermark => None,
            Origin::JobLatest => latest.map(|(latest, uri)| origin(&uri, &latest)),
            Origin::Start => Some(format!("the first run: starts at schedule.start, {}", text(found.begin))),
            Origin::LastClosed => Some(format!(
                "the first run: starts with the last closed window, {}; for earlier ones set schedule.start, or use \
                 `etl-runner backfill`",
                text(found.begin)
            )),
        };
        Ok(Found { due: found, first, mirror })
    }

    /// The done windows whose hours have objects that their commits did not read.
    fn late(&self, state: &JobState, windows: &[Window]) -> Result<Vec<DueWindow>> {
        let mut late = Vec::new();
        for window in windows {
            let Some(commit) = state.windows.get(window).and_then(|known| known.commits.first()) else { continue };
            let detail = CommitDetail::read(self.log.objects(), &commit.detail, &commit.detail_hash)?;
            let Some(read) = inputs::read(self.log.objects(), &detail.inputs)? else { continue };
            let config = &self.job.config;
            let listing = source::list(self.source, &config.source, window, &config.limits);
            let listing = self.runtime.block_on(self.stop.unless(listing))?;
            let changes = inputs::changes(&read, &listing.objects);
            let arrived: std::collections::BTreeSet<&str> =
                changes.new.iter().chain(&changes.changed).map(String::as_str).collect();
            if !arrived.is_empty() {
                let there = listing.objects.iter().filter(|object| arrived.contains(object.object.uri.as_str()));
                let bytes = there.map(|object| object.size).sum();
                let reason = DueReason::LateData { objects: arrived.len() as u64, bytes };
                late.push(DueWindow { window: *window, reason });
            }
        }
        Ok(late)
    }
}

/// Runs what is due, oldest first, up to the first failure.
pub(super) fn run(
    request: &RunRequest,
    context: &JobContext<'_>,
    fitted: &Fitted,
    now: DateTime<Utc>,
    printer: &Printer,
) -> Result<Outcome> {
    schedule_of(context.job)?;
    recover(context, printer)?;
    let finder = Finder {
        job: context.job,
        log: &context.stores.log,
        source: &context.places.source,
        runtime: &context.runtime,
        stop: &context.stop,
    };
    let Found { due, first, mirror } = finder.find(now)?;
    if let Some(first) = &first {
        printer.note(&format!("{}: {first}", context.job.config.job));
    }
    let is_late = |due: &DueWindow| matches!(due.reason, DueReason::LateData { .. });
    if first.is_some() && !request.dry_run && due.begin < due.closed_until {
        let reason = first.unwrap_or_default();
        context.stores.log.append(Event::Watermark { at: Some(due.begin), reason })?;
    }
    for due in &due.windows {
        printer.note(&format!("{}: window {} {}", context.job.config.job, due.window, due.reason.text()));
    }
    let items: Vec<Item> = due
        .windows
        .iter()
        .map(|due| Item { window: due.window, again: is_late(due), reason: Some(due.reason.clone()) })
        .collect();
    let batch = Batch {
        command: "run",
        context,
        printer,
        now,
        now_given: request.now.is_some(),
        threads: fitted.threads,
        warnings: fitted.warnings.clone(),
        parallel: 1,
        stop_on_failure: true,
        dry_run: request.dry_run,
        wait: wait(request.wait.as_deref())?,
        allow_empty: request.allow_empty,
        supersede: request.supersede,
        mirror: mirror.as_ref(),
    };
    let mut report = batch.run(&items)?;
    report.remaining = Some(due.remaining);
    report.next_at = Some(text(due.next_at));
    if items.is_empty() && !printer.is_json() {
        printer.result(&format!("{}\n", nothing(&due, context.job)))?;
    } else {
        print(&report, &request.job_file, printer)?;
    }
    if due.remaining > 0 {
        let more = count(due.remaining);
        printer.note(&format!("{more} more closed windows wait; the next call takes up to schedule.catch_up of them"));
    }
    Ok(report.outcome_of_first())
}

fn nothing(due: &Due, job: &Job) -> String {
    format!(
        "nothing to do: job {} is done up to {}; the next window closes at {}",
        job.config.job,
        text(due.begin.max(due.closed_until)),
        text(due.next_at)
    )
}

/// What a scheduled run would take, as JSON.
pub(super) fn as_json(found: &Found, job: &Job) -> Value {
    let due = &found.due;
    let windows: Vec<Value> = due
        .windows
        .iter()
        .map(|due| {
            let (mut objects, mut bytes) = (None, None);
            if let DueReason::LateData { objects: arrived, bytes: stored } = &due.reason {
                (objects, bytes) = (Some(*arrived), Some(*stored));
            }
            json!({
                "start": text(due.window.start),
                "end": text(due.window.end),
                "reason": due.reason.name(),
                "late_objects": objects,
                "late_bytes": bytes,
            })
        })
        .collect();
    json!({
        "job": job.config.job,
        "watermark": (due.origin == Origin::Watermark).then(|| text(due.begin)),
        "begin": text(due.begin),
        "first_run": found.first,
        "closed_until": text(due.closed_until),
        "next_at": text(due.next_at),
        "windows": windows,
        "remaining": due.remaining,
    })
}

/// What a scheduled run would take, for people.
pub(super) fn screen(found: &Found, job: &Job) -> String {
    let due = &found.due;
    let mut screen = format!("plan: job {}, nothing is done\n", job.config.job);
    if let Some(first) = &found.first {
        screen.extend(["  ", first, "\n"]);
    }
    if due.windows.is_empty() {
        screen.extend(["  ", &nothing(due, job), "\n"]);
        return screen;
    }
    let mut columns = Columns::new(&[Align::Left, Align::Left]);
    for due in &due.windows {
        columns.row([due.window.to_string(), due.reason.text()]);
    }
    screen.push_str(&columns.render(2));
    if due.remaining > 0 {
        let _ = writeln!(screen, "  and {} more in later calls", count(due.remaining));
    }
    screen.push_str("  what one of them would read: etl-runner plan JOB --window WINDOW\n");
    screen
}
