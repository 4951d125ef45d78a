//! `forget`: a window that is to be as if it had never run, or a backfill that nobody wants to go on with.

use super::request::{ForgetRequest, Forgettable};
use super::session::{RunSession, Session, listen};
use crate::commit::spans;
use crate::report::Outcome;
use crate::run::{ForgetPlan, ForgetReport, forget};
use crate::screen::Printer;
use crate::text::count;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use serde_json::json;

/// Prints what would be forgotten, or forgets it and prints what was.
pub fn run(request: &ForgetRequest, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, listen(printer)?, printer)?.watched(printer)?.build()?;
    match request.what {
        Forgettable::Window(window) => forget_window(&session, request, window, printer),
        Forgettable::Backfill(span) => forget_backfill(&session, span, request.apply, printer),
    }
}

fn forget_window(session: &RunSession, request: &ForgetRequest, window: Window, printer: &Printer) -> Result<Outcome> {
    let context = session.context()?;
    let plan = ForgetPlan {
        window,
        reason: request.reason.clone().unwrap_or_else(|| "forgotten by hand".to_owned()),
        now: session.now(),
        wait: request.wait,
        dry_run: !request.apply,
    };
    let stop = session.stop();
    let report = forget(&context, &plan, stop).map_err(|error| stop.explain(error))?;
    let job = &session.job().config.job;
    if printer.is_json() {
        printer.json(&json!({"forget": {"job": job, "applied": request.apply, "forgotten": report}}))?;
    } else {
        printer.result(&screen(&report, job, request.apply))?;
    }
    report.warnings.iter().for_each(|warning| printer.warning(warning));
    if !request.apply {
        printer.note("nothing was changed; add --apply to forget it");
    }
    match &report.owed {
        None => Ok(Outcome::Done),
        Some(error) => {
            printer.explain(error);
            Ok(Outcome::Partly)
        }
    }
}

fn forget_backfill(session: &RunSession, span: Window, apply: bool, printer: &Printer) -> Result<Outcome> {
    let context = session.context()?;
    let known = spans::all(context.objects())?;
    let Some(found) = known.iter().find(|known| known.span == span) else {
        return Err(Error::new(
            ErrorKind::Usage,
            "forget a backfill: there is none of this span that is not at its end",
        )
        .with("span", span)
        .with("known", known.len())
        .hint("`etl-runner status` shows those that stopped"));
    };
    if apply {
        found.forget(context.objects())?;
    }
    let job = &session.job().config.job;
    if printer.is_json() {
        printer.json(&json!({"forget": {"job": job, "applied": apply, "backfill": found}}))?;
    } else {
        let would = if apply { "forgot" } else { "would forget" };
        printer
            .result(&format!("job {job}: {would} that the backfill of {span} is not at its end; its windows stay\n"))?;
    }
    if !apply {
        printer.note("nothing was changed; add --apply to forget it");
    }
    Ok(Outcome::Done)
}

fn screen(report: &ForgetReport, job: &str, applied: bool) -> String {
    let would = if applied { "forgot" } else { "would forget" };
    let what = match (&report.committed, report.failures) {
        (Some(commits), _) => commits.to_string(),
        (None, 1) => "1 run without a commit".to_owned(),
        (None, failures) => format!("{} runs without a commit", count(u64::from(failures))),
    };
    format!("job {job}: {would} window {}: {what}\n", report.window)
}
