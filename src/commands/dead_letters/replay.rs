//! `dead-letters replay`: reads dead letters again with today's code and settings, and adds what comes of them.

use super::choice::{committed, windows};
use super::errors;
use super::errors::{Errors, Unclaimed};
use super::reasons::check_reason_of;
use super::request::{ReplayRequest, WindowChoice};
use crate::commands::session::{Session, listen};
use crate::commit::JobState;
use crate::report::{Outcome, Progress, Status};
use crate::run::replay::LetterHistory;
use crate::run::{JobContext, ReplayPlan, ReplayReport, Take, replay};
use crate::screen::{Printer, ProgressDisplay};
use crate::text::columns::{Align, Columns};
use crate::text::count;
use crate::window::Window;
use etl_sdk::{EpochMillis, ErrorKind, Result};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Replays the windows one after the other, newest first. A window that fails does not keep the others from it.
pub fn run(request: &ReplayRequest, printer: &Printer) -> Result<Outcome> {
    let mut session = Session::open(&request.letters.job, listen(printer)?, printer)?;
    let fitted = session.fit_and_watch(request.threads, printer)?;
    fitted.warnings.iter().for_each(|warning| printer.warning(warning));
    let threads = fitted.threads;
    let session = session.build()?;
    let progress = Progress::default();
    let display = ProgressDisplay::start(printer, progress.clone());
    let now = EpochMillis(session.now().timestamp_millis());
    let replayed = Replays { context: &session.context()?, request, now, threads, progress }.all();
    drop(display);
    let Replayed { reports, unclaimed, failure } = replayed?;
    let name = &session.job().config.job;
    if printer.is_json() {
        let all = json!({"job": name, "dry_run": request.dry_run, "windows": reports, "unclaimed": unclaimed});
        printer.json(&json!({ "replay": all }))?;
    } else {
        printer.result(&screen(name, request.dry_run, &reports))?;
    }
    for warning in reports.iter().flat_map(|report| report.warnings.clone()).chain(unclaimed.warnings()) {
        printer.warning(&warning);
    }
    for report in reports.iter().filter(|report| report.error.is_some()) {
        if let Some(error) = &report.error {
            let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            printer.warning(&format!("window {}: {}{hint}", report.window, error.message));
        }
    }
    let is_any_done = reports.iter().any(|report| matches!(report.status, Status::Done | Status::Partly));
    Ok(match failure {
        None => Outcome::Done,
        Some(_) if is_any_done => Outcome::Partly,
        Some(kind) => Outcome::Stopped(kind),
    })
}

/// The replays of one call.
struct Replays<'a> {
    context: &'a JobContext<'a>,
    request: &'a ReplayRequest,
    now: EpochMillis,
    threads: usize,
    progress: Progress,
}

/// What became of them.
#[derive(Default)]
struct Replayed {
    reports: Vec<ReplayReport>,
    unclaimed: Unclaimed,
    /// Kind of the first error.
    failure: Option<ErrorKind>,
}

impl Replays<'_> {
    fn all(&self) -> Result<Replayed> {
        let state = self.context.stores.log.refresh()?;
        let choice = self.request.letters.windows;
        let reason = self.request.letters.reason.as_deref();
        let mut replayed = Replayed::default();
        self.check_reason(&state)?;
        if let Some(url) = &self.request.firehose {
            let span = match choice {
                WindowChoice::All => None,
                WindowChoice::One(window) => Some(committed(&state, window)?),
                WindowChoice::Within(span) => Some(span),
            };
            let is_wanted = |window: &Window| span.is_none_or(|span| span.covers(window));
            let Errors { storage, windows, unclaimed } = errors::find(self.context, url, &is_wanted)?;
            replayed.unclaimed = unclaimed;
            for (window, objects) in windows {
                self.one(window, Take::Errors(&storage, &objects), &mut replayed);
            }
        } else {
            for window in windows(&state, choice)? {
                let is_named = matches!(choice, WindowChoice::One(_));
                if is_named || self.is_open(&state, &window)? {
                    self.one(window, Take::Letters(reason), &mut replayed);
                }
            }
        }
        Ok(replayed)
    }

    /// Looks through the windows that are meant only for a reason code that the job does not give.
    fn check_reason(&self, state: &JobState) -> Result<()> {
        let reason = self.request.letters.reason.as_deref();
        let mut seen = BTreeSet::new();
        if reason.is_some_and(|reason| !self.context.pipeline.reasons().contains(reason)) {
            for window in windows(state, self.request.letters.windows)? {
                let kept = LetterHistory::read(self.context.objects(), &state.window(&window))?;
                seen.extend(kept.by_reason().into_keys());
            }
        }
        check_reason_of(self.context.pipeline, reason, seen)
    }

    fn one(&self, window: Window, take: Take<'_>, replayed: &mut Replayed) {
        let plan = ReplayPlan {
            window,
            take,
            now: self.now,
            threads: self.threads,
            dry_run: self.request.dry_run,
            wait: self.request.wait,
            progress: self.progress.clone(),
        };
        if self.context.stop.is_set() {
            return;
        }
        let (report, result) = replay(self.context, &plan);
        if let Err(error) = result {
            replayed.failure.get_or_insert(error.kind());
        }
        replayed.reports.push(report);
    }

    /// Whether a window has something to do. One that another call has left half published has.
    fn is_open(&self, state: &JobState, window: &Window) -> Result<bool> {
        if !state.is_done(window) {
            return Ok(true);
        }
        let reasons = LetterHistory::read(self.context.objects(), &state.window(window))?.by_reason();
        let reason = self.request.letters.reason.as_ref();
        Ok(reasons.iter().any(|(code, counts)| counts.open > 0 && reason.is_none_or(|reason| reason == code)))
    }
}

fn screen(job: &str, dry_run: bool, reports: &[ReplayReport]) -> String {
    let sum = |number: &dyn Fn(&ReplayReport) -> u64| reports.iter().map(number).sum::<u64>();
    let (taken, left) = (sum(&|report| report.taken), sum(&|report| report.left.values().sum()));
    let again = sum(&|report| if report.taken > 0 { report.again.values().sum() } else { 0 });
    let done = if dry_run { "would be replayed" } else { "replayed" };
    let mut text = format!("dead letters: job {job}, {} {done}", count(taken));
    // Writing to text does not fail.
    if again > 0 {
        let _ = write!(text, ", {} of them in vain", count(again));
    }
    if left > 0 {
        let _ = write!(text, ", {} left open", count(left));
    }
    text.push('\n');
    let mut columns = Columns::new(&[Align::Left, Align::Left, Align::Right, Align::Right, Align::Right, Align::Left]);
    if !reports.is_empty() {
        columns.row(["window", "status", "replayed", "again", "left", "rows"].map(str::to_owned));
    }
    let mut reasons = BTreeMap::new();
    for report in reports {
        let rows: Vec<String> = report.rows.iter().map(|(table, rows)| format!("{table} {}", count(*rows))).collect();
        let status = match (report.status, report.amendment) {
            (Status::Done, Some(amendment)) => format!("done, amendment {amendment}"),
            (Status::Empty, _) => "nothing to add".to_owned(),
            (status, _) => status.name().to_owned(),
        };
        let numbers = [report.taken, report.again.values().sum(), report.left.values().sum()].map(count);
        columns.row([report.window.to_string(), status].into_iter().chain(numbers).chain([rows.join(", ")]));
        for (reason, letters) in &report.again {
            *reasons.entry(reason.clone()).or_insert(0) += letters;
        }
    }
    text.push_str(&columns.render(2));
    for (reason, letters) in reasons {
        let _ = writeln!(text, "  again: {} {reason}", count(letters));
    }
    let mut why = BTreeMap::new();
    for (left, letters) in reports.iter().flat_map(|report| &report.left) {
        *why.entry(*left).or_insert(0) += letters;
    }
    for (left, letters) in why {
        let _ = writeln!(text, "  left open: {}, {}", count(letters), left.explain());
    }
    text
}
