//! `plan`: what a run would do, without doing it.

use super::request::PlanRequest;
use super::scheduled::{as_json, screen as due_screen};
use super::session::Session;
use super::windows::settings;
use crate::engine::{Task, estimated_bytes, pack};
use crate::job::Places;
use crate::process::stop::Stop;
use crate::report::{Effect, Outcome, Progress, WindowReport};
use crate::run::compact::advice;
use crate::run::{Foreseen, Listed, foresee, left_to_do};
use crate::screen::Printer;
use crate::source::{self, InputObject, Nothing};
use crate::text::columns::{Align, Columns};
use crate::text::{bytes, count, instant_exact};
use crate::trigger::DueFinder;
use etl_sdk::{Error, Result};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Objects of each task that are named on the screen; `--output json` names all.
const MAX_SHOWN_PER_TASK: usize = 3;

/// What a run would read, and where it would write.
#[derive(Debug, Serialize)]
pub struct PlanReport {
    /// Name of the job.
    pub job: String,
    /// The window, `[start, end)`.
    pub window: WindowReport,
    /// Where raw batches are read.
    pub source: String,
    /// Prefixes that were listed.
    pub prefixes: u64,
    /// Objects the store listed.
    pub listed: u64,
    /// Objects left out, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Objects of other windows.
    pub outside: u64,
    /// Objects that no window takes, as far as the listing saw them.
    pub strays: u64,
    /// Stored bytes to read.
    pub bytes: u64,
    /// Decompressed bytes, estimated from names and sizes.
    pub estimated_bytes: u64,
    /// The tasks, with their objects.
    pub tasks: Vec<TaskPlan>,
    /// Tables that would be written.
    pub tables: Vec<String>,
    /// Where they would go.
    pub sink: String,
    /// Worker threads.
    pub threads: usize,
    /// What it would do to what is there, and why it would be refused.
    pub effect: Effect,
    /// What a person should know of the input and how it differs from that of the last run, and what the run would be
    /// lowered to, and why.
    pub warnings: Vec<String>,
}

/// One task of the plan.
#[derive(Debug, Serialize)]
pub struct TaskPlan {
    /// Place among the tasks.
    pub number: usize,
    /// Decompressed bytes, estimated.
    pub estimated_bytes: u64,
    /// Its objects.
    pub objects: Vec<ObjectPlan>,
}

/// One object of the plan.
#[derive(Debug, Serialize)]
pub struct ObjectPlan {
    /// Where it is.
    pub uri: String,
    /// Stored bytes.
    pub bytes: u64,
    /// When it was last modified, RFC 3339.
    pub modified: String,
}

/// Prints what a run would read, write and replace. Ends as the run would that is refused.
pub fn run(request: &PlanRequest, printer: &Printer) -> Result<Outcome> {
    let mut session = Session::open(&request.job, Stop::default(), printer)?;
    let Some(window) = request.window.map(|argument| argument.window(session.now)).transpose()? else {
        return scheduled(&session, printer);
    };
    let fitted = session.fit_and_watch(request.options.threads, printer)?;
    let settings = settings(&session, &request.options, fitted.warnings.clone());
    let session = session.build()?;
    let context = session.context()?;
    let (config, places) = (&context.job.config, &context.places);
    let (listing, noticed) = context.runtime.block_on(async {
        let listing = source::list(&places.source, &config.source, &window, &config.limits).await?;
        let noticed = source::warnings(&places.source, &config.source, &listing).await?;
        Ok::<_, Error>((listing, noticed))
    })?;
    let (prefixes, outside) = (listing.prefixes, listing.outside.0);
    let (bytes, estimated_bytes) = sizes(&listing.objects);
    let listed = Listed {
        seen: listing.listed,
        strays: listing.strays.missed(),
        warnings: noticed,
        skipped: listing.skipped.into_iter().map(|(reason, (count, _))| (reason, count)).collect(),
        tasks: pack(listing.objects, config.limits.task_bytes.0),
    };
    let plan = settings.plan(window, fitted.threads, Progress::default());
    let Foreseen { effect, compared, refusal, .. } = foresee(&context, &plan, &listed)?;
    let mut warnings = listed.warnings.clone();
    warnings.extend(fitted.warnings);
    warnings.extend(compared.into_iter().flat_map(|compared| compared.warnings));
    let state = context.stores.log.refresh()?;
    warnings.extend(advice(&state, settings.now, config.sink.target_file_size.0));
    let report = PlanReport {
        job: config.job.clone(),
        window: window.into(),
        source: places.source.url().to_owned(),
        prefixes,
        listed: listed.seen,
        skipped: listed.skipped.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect(),
        outside,
        strays: listed.strays,
        bytes,
        estimated_bytes,
        tasks: listed.tasks.iter().map(describe).collect(),
        tables: context
            .pipeline
            .tables
            .iter()
            .filter_map(|plan| plan.sink.as_ref().map(|sink| sink.table().to_owned()))
            .collect(),
        sink: places.sink.url().to_owned(),
        threads: fitted.threads,
        effect,
        warnings,
    };
    if printer.is_json() {
        printer.json(&json!({"plan": report}))?;
    } else {
        printer.result(&screen(&report))?;
    }
    let Some(refusal) = refusal else { return Ok(Outcome::Done) };
    printer.explain(&refusal);
    Ok(Outcome::Stopped(refusal.kind()))
}

fn sizes(objects: &[InputObject]) -> (u64, u64) {
    (objects.iter().map(|object| object.size).sum(), objects.iter().map(estimated_bytes).sum())
}

/// Prints which windows a scheduled run would take.
fn scheduled(session: &Session, printer: &Printer) -> Result<Outcome> {
    let job = &session.job;
    let places = Places::open(job)?;
    let log = session.log(&places);
    let finder = DueFinder { job, log: &log, source: &places.source, runtime: &session.runtime, stop: &session.stop };
    let scheduled = finder.find(session.now)?;
    let name = &job.config.job;
    let below = Nothing::below(&places.source, &job.config.source);
    if let Some(nothing) = session.runtime.block_on(session.stop.unless(below))? {
        printer.warning(&nothing.to_string());
    }
    let state = log.refresh()?;
    let advice = advice(&state, session.now, job.config.sink.target_file_size.0);
    if let Some(advice) = advice {
        printer.warning(&advice);
    }
    let left = left_to_do(&state);
    if printer.is_json() {
        printer.json(&json!({"plan": as_json(&scheduled, name, &left)}))?;
    } else {
        printer.result(&due_screen(&scheduled, name, &left))?;
    }
    Ok(Outcome::Done)
}

fn describe(task: &Task) -> TaskPlan {
    let objects = task.objects.iter().map(|object| ObjectPlan {
        uri: object.object.uri.clone(),
        bytes: object.size,
        modified: instant_exact(object.modified),
    });
    TaskPlan {
        number: task.number,
        estimated_bytes: task.objects.iter().map(estimated_bytes).sum(),
        objects: objects.collect(),
    }
}

fn several(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

fn screen(report: &PlanReport) -> String {
    let mut columns = Columns::new(&[Align::Left, Align::Left]);
    let mut row = |name: &str, value: String| columns.row([name.to_owned(), value]);
    let objects: usize = report.tasks.iter().map(|task| task.objects.len()).sum();
    row("window", format!("{} to {}", report.window.start, report.window.end));
    row(
        "source",
        format!(
            "{} ({} listed under {})",
            report.source,
            several(report.listed, "object", "objects"),
            several(report.prefixes, "prefix", "prefixes")
        ),
    );
    row(
        "read",
        format!(
            "{}, {} ({} decompressed, estimated)",
            several(objects as u64, "object", "objects"),
            bytes(report.bytes),
            bytes(report.estimated_bytes)
        ),
    );
    for (reason, number) in &report.skipped {
        row("skip", format!("{} {reason}", count(*number)));
    }
    if report.outside > 0 {
        row("leave", format!("{} of other windows", several(report.outside, "object", "objects")));
    }
    for task in &report.tasks {
        let shown = task.objects.iter().take(MAX_SHOWN_PER_TASK).map(|object| object.uri.clone());
        let more = task.objects.len().saturating_sub(MAX_SHOWN_PER_TASK);
        let mut names: Vec<_> = shown.collect();
        if more > 0 {
            names.push(format!("and {} more", count(more as u64)));
        }
        row(&format!("task {}", task.number), format!("{}: {}", bytes(task.estimated_bytes), names.join(", ")));
    }
    row("write", format!("{} to {}", report.tables.join(", "), report.sink));
    for (name, fact) in report.effect.lines() {
        row(name, fact);
    }
    for warning in &report.warnings {
        row("warning", warning.clone());
    }
    format!("plan: job {}, nothing is done\n{}", report.job, columns.render(2))
}
