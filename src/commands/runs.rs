//! `runs`: the runs of a job, the newest first, and the whole report of one.

use super::request::RunsRequest;
use super::session::Session;
use crate::job::Places;
use crate::process::stop::Stop;
use crate::query::{Current, CurrentSource, KeptReport, ReportFolder, ReportObject, Skipped};
use crate::report::{ErrorReport, Outcome, RunReport, Status, WindowReport};
use crate::screen::Printer;
use crate::text::columns::{Align, Columns, shortened};
use crate::text::printable;
use crate::text::{bytes, count, counted, seconds};
use crate::window::Window;
use bytes::Bytes;
use etl_sdk::{Error, ErrorKind, Result};
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::Value;

/// Width up to which an error is shown in the list.
const MAX_ERROR_WIDTH: usize = 60;

/// A run in the list.
#[derive(Debug, Serialize)]
struct RunLine {
    report: String,
    run_id: String,
    job: String,
    status: String,
    is_current: Option<bool>,
    #[serde(skip)]
    notes: Vec<String>,
    window: WindowReport,
    windows: u64,
    now: String,
    version: String,
    dry_run: bool,
    objects: u64,
    records: u64,
    rows: u64,
    bytes_written: u64,
    dead_letters: u64,
    elapsed_seconds: f64,
    started_at: Option<String>,
    ended_at: Option<String>,
    cpu_seconds: Option<f64>,
    peak_memory_bytes: Option<u64>,
    s3_requests: Option<u64>,
    warnings: Vec<String>,
    error: Option<ErrorReport>,
}

/// Prints the newest runs, or one report.
pub fn run(request: &RunsRequest, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, Stop::default(), printer)?.watched(printer)?;
    let places = Places::open(&session.job)?;
    let folder = ReportFolder::new(&places.state, &session.job.config.job);
    let skipped = Skipped::default();
    session.runtime.block_on(async {
        let mut reports = folder.list().await?;
        newest_first(&mut reports);
        if let Some(run) = &request.show {
            show(run, &folder, reports, &skipped, printer).await?;
        } else {
            let current = CurrentSource::new(session.log(&places)).ask().await;
            let current = current.inspect_err(|error| skipped.unknown("is_current", error)).ok();
            let lines = newest(request, &folder, reports, current.as_ref(), &skipped).await?;
            print(&lines, printer)?;
        }
        for note in skipped.notes() {
            printer.warning(&note);
        }
        Ok(Outcome::Done)
    })
}

/// By the instant of the run. Runs with the same instant, given by `--now`, go by when their reports were written.
fn newest_first(reports: &mut [ReportObject]) {
    let age = |report: &ReportObject| (report.instant(), report.modified);
    reports.sort_by(|left, right| age(right).cmp(&age(left)).then_with(|| left.name.cmp(&right.name)));
}

async fn newest(
    request: &RunsRequest,
    folder: &ReportFolder,
    mut reports: Vec<ReportObject>,
    current: Option<&Current>,
    skipped: &Skipped,
) -> Result<Vec<RunLine>> {
    if let Some(window) = request.window {
        let may = |own: Window| own.start < window.end && window.start < own.end;
        reports.retain(|report| report.parsed.as_ref().is_none_or(|name| may(name.window)));
    }
    let mut lines = Vec::new();
    let mut read = folder.read(reports, skipped);
    // The rest is not fetched once there are enough.
    while lines.len() < request.last.get() {
        let Some((report, bytes)) = read.try_next().await? else { break };
        let Some(kept) = KeptReport::parse(&bytes) else {
            skipped.add("run reports are unreadable", &folder.uri_of(&report));
            continue;
        };
        let has_status = request.status.is_none_or(|status| kept.status == status.name());
        if has_status && request.window.is_none_or(|window| kept.overlaps(window)) {
            lines.push(line(report.name, kept, current));
        }
    }
    Ok(lines)
}

fn line(report: String, kept: KeptReport<'_>, current: Option<&Current>) -> RunLine {
    RunLine {
        report,
        is_current: current.map(|current| current.has_records_of(&kept)),
        notes: notes(&kept, current),
        rows: kept.rows(),
        windows: kept.windows(),
        run_id: kept.run_id,
        job: kept.job,
        status: kept.status,
        window: kept.window,
        now: kept.now,
        version: kept.version,
        dry_run: kept.dry_run,
        objects: kept.objects.read,
        records: kept.records,
        bytes_written: kept.bytes.written,
        dead_letters: kept.dead_letters.total,
        elapsed_seconds: kept.elapsed_seconds,
        started_at: kept.started_at,
        ended_at: kept.ended_at,
        cpu_seconds: kept.cpu_seconds,
        peak_memory_bytes: kept.peak_memory_bytes,
        s3_requests: kept.s3.map(|s3| s3.requests),
        warnings: kept.warnings,
        error: kept.error,
    }
}

/// What stands behind the status for a person.
fn notes(kept: &KeptReport<'_>, current: Option<&Current>) -> Vec<String> {
    let windows = (kept.windows() > 1).then(|| counted(kept.windows(), "window"));
    let compacts = kept.compacted.map(|compacted| format!("compacts {}", counted(compacted.windows, "window")));
    let replaced = current.filter(|current| current.has_replaced(kept)).map(|_| "replaced".to_owned());
    [windows, compacts, replaced].into_iter().flatten().collect()
}

fn print(lines: &[RunLine], printer: &Printer) -> Result<()> {
    use Align::{Left, Right};
    if printer.is_json() {
        return printer.json(&lines);
    }
    if lines.is_empty() {
        return printer.result("no runs\n");
    }
    let mut columns = Columns::headed([
        ("window", Left),
        ("status", Left),
        ("rows", Right),
        ("dead letters", Right),
        ("time", Right),
        ("CPU", Right),
        ("memory", Right),
        ("when", Left),
        ("error", Left),
    ]);
    for line in lines {
        let error = line.error.as_ref().map_or("", |error| error.message.as_str());
        columns.row([
            short_window(&line.window),
            if line.notes.is_empty() {
                line.status.clone()
            } else {
                format!("{} ({})", line.status, line.notes.join(", "))
            },
            if line.status.parse().is_ok_and(Status::is_committed) { count(line.rows) } else { String::new() },
            count(line.dead_letters),
            seconds(line.elapsed_seconds),
            line.cpu_seconds.map(seconds).unwrap_or_default(),
            line.peak_memory_bytes.map(bytes).unwrap_or_default(),
            whole_seconds(line.started_at.as_deref().unwrap_or(&line.now)),
            shortened(&printable(error), MAX_ERROR_WIDTH),
        ]);
    }
    printer.result(&columns.render(0))?;
    printer
        .note("`--show RUN` prints the full report of a run, named by its window or by its run id from --output json");
    Ok(())
}

/// `2026-11-20T05:00Z/06:00Z`: what the ends have in common is said once.
fn short_window(window: &WindowReport) -> String {
    let short = |instant: &str| match instant.strip_suffix(":00Z") {
        Some(minutes) => format!("{minutes}Z"),
        None => instant.to_owned(),
    };
    let (start, end) = (short(&window.start), short(&window.end));
    match (start.split_once('T'), end.split_once('T')) {
        (Some((day, _)), Some((same, hour))) if day == same => format!("{start}/{hour}"),
        _ => format!("{start}/{end}"),
    }
}

/// `2026-11-20T05:00:00.250Z` without its fraction.
fn whole_seconds(instant: &str) -> String {
    instant.split_once('.').map_or_else(|| instant.to_owned(), |(seconds, _)| format!("{seconds}Z"))
}

/// Prints the newest report of a run.
async fn show(
    run: &str,
    folder: &ReportFolder,
    mut reports: Vec<ReportObject>,
    skipped: &Skipped,
    printer: &Printer,
) -> Result<()> {
    let window = Window::parse(run).ok().or_else(|| folder.window_of(run));
    let is_asked = |report: &ReportObject| {
        let name = report.parsed.as_ref();
        report.name == run || name.is_some_and(|name| name.run_id == run || Some(name.window) == window)
    };
    let is_wider = |report: &ReportObject| {
        let name = report.parsed.as_ref();
        name.zip(window).is_some_and(|(name, window)| name.window.covers(&window))
    };
    let wider: Vec<ReportObject> = reports.extract_if(.., |report| !is_asked(report)).filter(is_wider).collect();
    let attempts = reports.len();
    let mut found = folder.read(reports, skipped).try_next().await?;
    if found.is_none() {
        found = of_empty_windows(folder, wider, skipped).await?;
    }
    let Some((report, bytes)) = found else {
        return Err(Error::new(ErrorKind::NotFound, "find the run")
            .with("run", run)
            .hint("`etl-runner runs FILE --output json` prints the run ids"));
    };
    print_report(&folder.uri_of(&report), &bytes, printer)?;
    if attempts > 1 {
        printer.note(&format!(
            "the newest of {attempts} attempts: {}; `etl-runner sql FILE \"select report, now, status from runs\"` names all",
            report.name
        ));
    }
    Ok(())
}

/// The newest report that windows without input share.
async fn of_empty_windows(
    folder: &ReportFolder,
    reports: Vec<ReportObject>,
    skipped: &Skipped,
) -> Result<Option<(ReportObject, Bytes)>> {
    let mut read = folder.read(reports, skipped);
    while let Some((report, bytes)) = read.try_next().await? {
        if KeptReport::parse(&bytes).is_some_and(|kept| kept.empty.is_some()) {
            return Ok(Some((report, bytes)));
        }
    }
    Ok(None)
}

fn print_report(uri: &str, bytes: &Bytes, printer: &Printer) -> Result<()> {
    let wrong = |error: serde_json::Error| Error::config("read the run report").with("uri", uri).source(error);
    if printer.is_json() {
        // As it was kept, with what this version does not know.
        return printer.json(&serde_json::from_slice::<Value>(bytes).map_err(wrong)?);
    }
    let report: RunReport = serde_json::from_slice(bytes)
        .map_err(|error| wrong(error).hint("another version may have written it: --output json prints it as it is"))?;
    printer.report(&report, false)
}
