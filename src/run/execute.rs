//! One run: list, read what is not read yet, merge, check, commit, publish, report.

use super::attempt::Attempt;
use super::context::JobContext;
use super::phases::Phases;
use super::{describe, rehearse};
use crate::commit::lease::{Claim, Lease};
use crate::commit::{Event, Failure, token};
use crate::process::stop::{Stop, StopReason};
use crate::process::usage;
use crate::report::{ErrorReport, Progress, RunReport, Status};
use crate::window::Window;
use etl_sdk::{EpochMillis, Error, ErrorKind, Result, Run};
use std::time::{Duration, Instant};

/// How often a run that waits for another looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What to run.
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own on the command line")]
pub struct RunPlan {
    /// The window to run.
    pub window: Window,
    /// The run's instant.
    pub now_msec: EpochMillis,
    /// Whether a person chose that instant. If not, a run that goes on after a stop keeps the instant of its beginning.
    pub now_given: bool,
    /// Worker threads.
    pub threads: usize,
    /// Do all but publish.
    pub dry_run: bool,
    /// How long to wait for another run of the window.
    pub wait: Duration,
    /// Replace rows by nothing when the window's input is gone.
    pub allow_empty: bool,
    /// Also replace the rows of committed windows that this one covers.
    pub supersede: bool,
    /// Where progress is told.
    pub progress: Progress,
    /// What its report is to say beforehand.
    pub warnings: Vec<String>,
}

/// Runs the job over a window. The report is complete as far as the run came, whether it failed or not.
pub fn execute(context: &JobContext<'_>, plan: &RunPlan) -> (RunReport, Result<()>) {
    let begun = Instant::now();
    let run = run_of(context, plan);
    let mut report = RunReport::new(&run.id, &context.job.config.job, plan.window, plan.now_msec);
    report.dry_run = plan.dry_run;
    report.warnings.clone_from(&plan.warnings);
    let mut phases = Phases::new(plan.progress.clone());
    let stop = context.stop.child();
    let result = if plan.dry_run {
        rehearse::rehearse(context, plan, &run, &stop, &mut phases, &mut report)
    } else {
        run_once(context, plan, run, &stop, &mut phases, &mut report)
    };
    let result = result.map_err(|error| stop.explain(error));
    phases.end();
    report.phases = phases.done;
    if let Err(error) = &result {
        if report.status != Status::Partly {
            report.status = status_of(error);
        }
        report.error = Some(error.into());
    }
    report.elapsed_seconds = begun.elapsed().as_secs_f64();
    let used = usage::now();
    report.cpu_seconds = used.cpu_seconds;
    report.peak_memory_bytes = used.peak_memory_bytes;
    if plan.dry_run {
        return (report, result);
    }
    note_failure(context, plan.window, &report);
    // A report that cannot be kept must not hide why the run failed.
    let result = match describe::keep(context, &report) {
        Err(error) if result.is_ok() => Err(error),
        _ => result,
    };
    if let (Err(error), None) = (&result, &report.error) {
        report.status = Status::Partly;
        report.error = Some(error.into());
    }
    (report, result)
}

/// The run as the transformer knows it: the same for the same job and window.
pub fn run_of(context: &JobContext<'_>, plan: &RunPlan) -> Run {
    Run {
        id: format!("{}-{}", context.job.config.job, plan.window.id()),
        now: plan.now_msec,
        window_start: EpochMillis(plan.window.start.timestamp_millis()),
        window_end: EpochMillis(plan.window.end.timestamp_millis()),
    }
}

pub fn status_of(error: &Error) -> Status {
    match error.kind() {
        ErrorKind::Gate => Status::Refused,
        ErrorKind::Stopped => Status::Stopped,
        ErrorKind::Held => Status::Held,
        _ => Status::Failed,
    }
}

fn run_once(
    context: &JobContext<'_>,
    plan: &RunPlan,
    run: Run,
    stop: &Stop,
    phases: &mut Phases,
    report: &mut RunReport,
) -> Result<()> {
    let _lease = claim(context, plan.window, plan.wait, stop, phases)?;
    failpoint!("run.leased");
    phases.begin("recover");
    if let Some(version) = recover(context, plan.window, &mut report.warnings)? {
        return describe::recovered(context, plan.window, version, report);
    }
    Attempt::begin(context, plan, run, stop, phases, report)?.finish(phases, report)
}

/// Asks for the window's lease, for as long as `wait`.
pub fn claim(
    context: &JobContext<'_>,
    window: Window,
    wait: Duration,
    stop: &Stop,
    phases: &mut Phases,
) -> Result<Lease> {
    let begun = Instant::now();
    let length = context.job.config.state.lease_length();
    loop {
        let lost = stop.clone();
        let on_lost = move || {
            lost.set(StopReason::LeaseLost);
        };
        match Lease::claim(context.objects(), window, context.log.runner(), length, on_lost)? {
            Claim::Taken(lease) => return Ok(lease),
            Claim::Held(holder) if begun.elapsed() >= wait => {
                return Err(Error::new(ErrorKind::Held, "another run holds the window")
                    .with("window", window)
                    .with("by", format!("{}:{}", holder.by.host, holder.by.pid))
                    .with("since", holder.since.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
                    .with("until", holder.until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
                    .hint("wait for it with --wait 10m; a runner that was killed holds it until then"));
            }
            Claim::Held(_) => {
                phases.begin("wait");
                stop.sleep(LOOK_AGAIN.min(wait))?;
            }
        }
    }
}

/// Publishes what earlier runs committed. Gives the commit of a run of this very window if that was cut off between its
/// commit and its end: then all that was asked for is done.
pub fn recover(context: &JobContext<'_>, window: Window, warnings: &mut Vec<String>) -> Result<Option<u64>> {
    let recovered = context.recover(Some(window))?;
    for (version, failed, error) in recovered.failed {
        warnings.push(format!(
            "commit {version} of window {failed} is still to be published: {}",
            crate::text::one_line(&error.to_string())
        ));
    }
    for (version, other) in recovered.published.iter().filter(|(_, other)| *other != window) {
        warnings.push(format!("published commit {version} of window {other}, which its run had left behind"));
    }
    let known = context.log.refresh()?.window(&window);
    // A replay of dead letters that was cut off is not the run that is asked for.
    let is_run = |version| known.commits.iter().any(|commit| commit.version == version && commit.amendment == 0);
    let own = recovered.published.iter().rev().find(|(version, other)| *other == window && is_run(*version));
    Ok(own.map(|(version, _)| *version))
}

/// Tells the log of a run that did not commit. The log must not hide why it failed.
fn note_failure(context: &JobContext<'_>, window: Window, report: &RunReport) {
    let status = match report.status {
        Status::Failed => "failed",
        Status::Refused => "refused",
        Status::Stopped => "stopped",
        Status::Done | Status::Empty | Status::Partly | Status::Held => return,
    };
    let ErrorReport { kind, message, .. } = report.error.clone().unwrap_or_default();
    let failure = Failure { window, status: status.to_owned(), kind, message };
    let _ = context.log.append(Event::Failed(failure));
}

/// Name of a report, which no other attempt has.
pub fn report_name(report: &RunReport) -> String {
    let instant: String = report.now.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{}-{instant}-{}", report.run_id, &token()[..8])
}
