//! `dead-letters replay`: reads dead letters again with today's code and settings, and adds what comes of them.

use super::errors::{Errors, Unclaimed};
use super::{ReplayRequest, WindowChoice, errors, one, windows};
use crate::commands::process_environment;
use crate::commands::run::{runtime, threads, wait};
use crate::commands::windows::listen;
use crate::commit::JobState;
use crate::engine::Pipeline;
use crate::job::load;
use crate::registry::builtin;
use crate::report::{Outcome, Progress, Status};
use crate::run::replay::LetterHistory;
use crate::run::{JobContext, ReplayPlan, ReplayReport, Take, replay};
use crate::screen::{Printer, ProgressDisplay};
use crate::text::columns::{Align, Columns};
use crate::text::count;
use crate::window::Window;
use etl_sdk::{ErrorKind, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Replays the windows one after the other, newest first. A window that fails does not keep the others from it.
pub fn run(request: &ReplayRequest, printer: &Printer) -> Result<Outcome> {
    let stop = listen(printer)?;
    let job = load(&request.letters.job_file, &request.letters.overrides, &process_environment)?;
    let pipeline = Pipeline::build(&job, &builtin())?;
    let (runtime, wait) = (runtime()?, wait(request.wait.as_deref())?);
    let threads = threads(request.threads, &job);
    let context = JobContext::open(&job, &pipeline, runtime.handle().clone(), stop)?;
    let progress = Progress::default();
    let display = ProgressDisplay::start(printer, progress.clone());
    let replays = Replays { context: &context, request, threads, wait, progress };
    let done = replays.all();
    drop(display);
    drop(context);
    // What still waits for a name server or a slow disk must not hold up the end.
    runtime.shutdown_background();
    let (reports, unclaimed, failure) = done?;
    let name = &job.config.job;
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
    threads: usize,
    wait: Duration,
    progress: Progress,
}

type Done = (Vec<ReplayReport>, Unclaimed, Option<ErrorKind>);

impl Replays<'_> {
    fn all(&self) -> Result<Done> {
        let state = self.context.stores.log.refresh()?;
        let choice = &self.request.letters.windows;
        let reason = self.request.letters.reason.as_deref();
        let (mut reports, mut failure, mut unclaimed) = (Vec::new(), None, Unclaimed::default());
        if let Some(url) = &self.request.firehose {
            let span = match choice {
                WindowChoice::All => None,
                WindowChoice::One(text) => Some(one(&state, text)?),
                WindowChoice::Between(from, to) => Some(Window::parse(&format!("{from}/{to}"))?),
            };
            let is_wanted = |window: &Window| span.is_none_or(|span| span.covers(window));
            let Errors { storage, windows, unclaimed: left } = errors::find(self.context, url, &is_wanted)?;
            unclaimed = left;
            for (window, objects) in windows {
                self.one(window, Take::Errors(&storage, &objects), &mut reports, &mut failure);
            }
        } else {
            for window in windows(&state, choice)? {
                let is_named = matches!(choice, WindowChoice::One(_));
                if is_named || self.is_open(&state, &window)? {
                    self.one(window, Take::Letters(reason), &mut reports, &mut failure);
                }
            }
        }
        Ok((reports, unclaimed, failure))
    }

    fn one(&self, window: Window, take: Take<'_>, reports: &mut Vec<ReplayReport>, failure: &mut Option<ErrorKind>) {
        let plan = ReplayPlan {
            window,
            take,
            threads: self.threads,
            dry_run: self.request.dry_run,
            wait: self.wait,
            progress: self.progress.clone(),
        };
        if self.context.stop.is_set() {
            return;
        }
        let (report, result) = replay(self.context, &plan);
        if let Err(error) = result {
            failure.get_or_insert(error.kind());
        }
        reports.push(report);
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
            (status, _) => {
                serde_json::to_value(status).ok().and_then(|s| Some(s.as_str()?.to_owned())).unwrap_or_default()
            }
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
