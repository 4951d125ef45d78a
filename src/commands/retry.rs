//! `retry`: the windows whose last run ended without a commit, and no others.

use super::job_latest::Mirror;
use super::process_environment;
use super::run::{fit, instant, runtime, wait};
use super::window_requests::RetryRequest;
use super::windows::{Batch, divided, listen, print, recover};
use crate::batch::Item;
use crate::commit::{JobState, lease};
use crate::engine::Pipeline;
use crate::job::load;
use crate::registry::builtin;
use crate::report::Outcome;
use crate::run::JobContext;
use crate::schedule::{Coverage, DueReason, coverage};
use crate::screen::Printer;
use crate::text::count;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};

/// Runs the failed windows again, oldest first, each with the window that is recorded.
pub fn run(request: &RetryRequest, printer: &Printer) -> Result<Outcome> {
    let stop = listen(printer)?;
    let now = instant(request.now.as_deref())?;
    let mut loaded = load(&request.job_file, &request.overrides, &process_environment)?;
    let asked = request.window.as_deref().map(Window::parse).transpose()?;
    let fitted = fit(&mut loaded, request.threads, &stop)?;
    let pipeline = Pipeline::build(&loaded, &builtin())?;
    let ordered = pipeline.transformer.ordered();
    let parallel = if ordered { 1 } else { request.parallel };
    let job = divided(&loaded, parallel);
    let runtime = runtime()?;
    let context = JobContext::open(&job, &pipeline, runtime.handle().clone(), stop)?;
    if !request.dry_run {
        recover(&context, printer)?;
    }
    let state = context.stores.log.refresh()?;
    let live = lease::live(context.objects(), context.stores.log.runner())?;
    let mut items = failed(&state);
    if let Some(asked) = asked {
        items.retain(|item| item.window == asked);
        if items.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "the window has not failed")
                .with("window", asked)
                .hint("`etl-runner status` shows which have; `etl-runner run` runs any window"));
        }
    }
    drop(state);
    for item in &items {
        let held = live.iter().any(|holder| holder.window == item.window);
        let reason = item.reason.as_ref().map(DueReason::text).unwrap_or_default();
        let who = if held { "; another run holds it now" } else { "" };
        printer.note(&format!("{}: window {} {reason}{who}", job.config.job, item.window));
    }
    if request.dry_run || items.is_empty() {
        return tell(&job.config.job, &items, printer);
    }
    let mirror = Mirror::open(&job, &context.runtime, &context.stop)?;
    let batch = Batch {
        command: "retry",
        context: &context,
        printer,
        now,
        now_given: request.now.is_some(),
        threads: fitted.threads,
        warnings: fitted.warnings,
        parallel,
        stop_on_failure: ordered,
        dry_run: false,
        wait: wait(request.wait.as_deref())?,
        allow_empty: request.allow_empty,
        supersede: false,
        mirror: mirror.as_ref(),
    };
    let report = batch.run(&items)?;
    drop(context);
    // What still waits for a name server or a slow disk must not hold up the end.
    runtime.shutdown_background();
    print(&report, &request.job_file, printer)?;
    Ok(report.outcome())
}

/// The windows whose last run ended without a commit, oldest first. One whose time others have committed is none of them.
fn failed(state: &JobState) -> Vec<Item> {
    let failed = state.windows.iter().filter_map(|(window, known)| {
        let failure = known.last_failure.as_ref()?;
        let reason = DueReason::Failed { attempts: known.failures, status: failure.status.clone() };
        let item = Item { window: *window, reason: Some(reason), again: known.is_committed() };
        (coverage(state, window) != Coverage::Whole).then_some(item)
    });
    failed.collect()
}

fn tell(job: &str, items: &[Item], printer: &Printer) -> Result<Outcome> {
    if printer.is_json() {
        let windows = items.iter().map(|item| item.window).collect::<Vec<_>>();
        printer.json(&serde_json::json!({"plan": {"job": job, "windows": windows}}))?;
    } else if items.is_empty() {
        printer.result(&format!("nothing to do: no window of job {job} has failed\n"))?;
    } else {
        let windows = if items.len() == 1 { "window" } else { "windows" };
        let mut text = format!("retry of job {job}, nothing is done: {} {windows} to run\n", count(items.len() as u64));
        for item in items {
            text.extend(["  ", &item.window.to_string(), "\n"]);
        }
        printer.result(&text)?;
    }
    Ok(Outcome::Done)
}
