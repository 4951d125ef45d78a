//! `state`: the watermark, shown, set, and carried from one place to another.

use super::job_latest::{Mirror, latest};
use super::process_environment;
use super::run::{fit, instant, runtime};
use super::window_requests::{StateAction, StateFormat, StateRequest};
use super::windows::{listen, log_of, text};
use crate::commit::carried::{CarriedState, Piece};
use crate::commit::{CommitLog, Event, JobState, lease};
use crate::engine::Pipeline;
use crate::job::{Job, Places, load};
use crate::process::stop::Stop;
use crate::registry::builtin;
use crate::report::Outcome;
use crate::run::{JobContext, RebuildPlan};
use crate::schedule::{JobLatest, due};
use crate::screen::Printer;
use crate::text::columns::{Align, Columns};
use crate::text::{bytes, count};
use crate::window::{Window, parse_instant};
use chrono::{DateTime, Utc};
use etl_sdk::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

/// Largest file to import.
const MOST_BYTES: u64 = 1 << 30;

/// What `export` writes and `import` reads.
#[derive(Serialize, Deserialize)]
struct Exported {
    /// Name of the job.
    job: String,
    /// When it was written.
    at: String,
    /// Version of the program.
    program: String,
    /// All that the log says.
    state: JobState,
}

/// Does what is asked, on the state alone.
pub fn run(request: &StateRequest, printer: &Printer) -> Result<Outcome> {
    let now = instant(request.now.as_deref())?;
    let mut job = load(&request.job_file, &request.overrides, &process_environment)?;
    let places = Places::open(&job)?;
    let (runtime, stop) = (runtime()?, Stop::default());
    let log = log_of(&job, &places, runtime.handle(), &stop);
    match &request.action {
        StateAction::Show => show(&job, &log, printer),
        StateAction::Set { watermark, reason } => {
            let at = if watermark == "none" { None } else { Some(parse_instant(watermark)?) };
            let reason = reason.clone().unwrap_or_else(|| "set by hand".to_owned());
            set(&job, &log, at, reason, now, printer)
        }
        StateAction::Export { format: StateFormat::State } => {
            let state = log.refresh()?.as_ref().clone();
            let program = env!("CARGO_PKG_VERSION").to_owned();
            printer.json(&Exported { job: job.config.job.clone(), at: text(now), program, state })?;
            Ok(Outcome::Done)
        }
        StateAction::Export { format: StateFormat::JobLatest } => {
            let state = log.refresh()?;
            let watermark = state.watermark.ok_or_else(|| {
                Error::new(ErrorKind::Usage, "export the watermark")
                    .hint("there is none: `etl-runner state set` sets it")
            })?;
            let mirror = Mirror::open(&job, runtime.handle(), &stop)?;
            let before = mirror.and_then(|mirror| mirror.read().ok().flatten());
            let latest = latest(before, &state, watermark, now, &job.config.job).to_json()?;
            printer.result(&format!("{}\n", String::from_utf8_lossy(&latest)))?;
            Ok(Outcome::Done)
        }
        StateAction::Import { file, format } => {
            let bytes = read(file)?;
            let named = |error: Error| error.with("file", file.display());
            let at = match format {
                StateFormat::State => imported(&job, &bytes).map_err(named)?,
                StateFormat::JobLatest => JobLatest::read(&bytes).map_err(named)?.watermark(),
            };
            set(&job, &log, Some(at), format!("imported from {}", file.display()), now, printer)
        }
        StateAction::Rebuild { from, threads, dry_run } => rebuild(&mut job, from, now, *threads, *dry_run, printer),
    }
}

fn rebuild(
    job: &mut Job,
    from: &str,
    now: DateTime<Utc>,
    threads: Option<usize>,
    dry_run: bool,
    printer: &Printer,
) -> Result<Outcome> {
    let stop = listen(printer)?;
    let from = parse_instant(from)?;
    let fitted = fit(job, threads, &stop)?;
    let pipeline = Pipeline::build(job, &builtin())?;
    let runtime = runtime()?;
    let context = JobContext::open(job, &pipeline, runtime.handle().clone(), stop.clone())?;
    let each = |window: &Window, number: usize, of: usize| {
        printer.note(&format!("reading window {} of {}: {window}", count(number as u64), count(of as u64)));
    };
    let plan = RebuildPlan { from, now, threads: fitted.threads, dry_run, each: &each };
    let report = crate::run::rebuild(&context, &plan, &stop).map_err(|error| stop.explain(error))?;
    for warning in &report.warnings {
        printer.warning(warning);
    }
    if printer.is_json() {
        printer.json(&serde_json::json!({"rebuilt": report}))?;
        return Ok(Outcome::Done);
    }
    let would = if dry_run { "would read" } else { "read" };
    let mut text = format!("state: job {}, {would} {} windows", job.config.job, count(report.windows as u64));
    if let (Some(first), Some(last)) = (report.first, report.last) {
        let _ = write!(text, " from {} to {}", self::text(first.start), self::text(last.end));
    }
    for (table, rows) in &report.rows {
        let _ = write!(text, "\n  {table}: {} rows carried", count(*rows));
    }
    printer.result(&format!("{text}\n"))?;
    Ok(Outcome::Done)
}

/// What merged tables carry, by table: rows of all pieces, pieces and their bytes.
fn carried(log: &CommitLog, state: &JobState) -> Result<BTreeMap<String, [u64; 3]>> {
    let Some((_, kept)) = &state.carried else { return Ok(BTreeMap::new()) };
    let tables = CarriedState::read(log.objects(), kept)?.tables.into_iter();
    let size = |pieces: &[Piece]| {
        let parts = pieces.iter().flat_map(|piece| &piece.parts);
        let rows = pieces.iter().map(|piece| piece.rows).sum();
        [rows, pieces.len() as u64, parts.map(|part| part.bytes).sum()]
    };
    Ok(tables.map(|(table, pieces)| (table, size(&pieces))).collect())
}

fn show(job: &Job, log: &CommitLog, printer: &Printer) -> Result<Outcome> {
    let state = log.refresh()?;
    let running = lease::live(log.objects(), log.runner())?.len() as u64;
    let committed = state.windows.values().filter(|known| known.is_committed()).count() as u64;
    let watermark = state.watermark.map(text);
    let carried = carried(log, &state)?;
    if printer.is_json() {
        let value = serde_json::json!({"state": {
            "job": job.config.job,
            "uri": log.objects().uri_of(""),
            "version": state.version,
            "watermark": watermark,
            "windows": state.windows.len(),
            "committed": committed,
            "unpublished": state.unpublished.len(),
            "running": running,
            "carried": carried.iter().map(|(table, [rows, pieces, bytes])| {
                (table.clone(), serde_json::json!({"rows": rows, "pieces": pieces, "bytes": bytes}))
            }).collect::<serde_json::Map<_, _>>(),
        }});
        printer.json(&value)?;
        return Ok(Outcome::Done);
    }
    let mut columns = Columns::new(&[Align::Left, Align::Left]);
    let mut row = |name: &str, value: String| columns.row([name.to_owned(), value]);
    row("state", log.objects().uri_of("").trim_end_matches('/').to_owned());
    row("entries", count(state.version));
    row("watermark", watermark.unwrap_or_else(|| "none: no scheduled run yet".to_owned()));
    row("windows", format!("{} known, {} committed", count(state.windows.len() as u64), count(committed)));
    row("unpublished", count(state.unpublished.len() as u64));
    row("running", count(running));
    for (table, [rows, pieces, size]) in &carried {
        let of = if *pieces == 1 { "piece" } else { "pieces" };
        let text = format!("{} rows in {} {of}, {}", count(*rows), count(*pieces), bytes(*size));
        row("carried", format!("{table}: {text}"));
    }
    printer.result(&format!("job {}\n{}", job.config.job, columns.render(2)))?;
    Ok(Outcome::Done)
}

fn set(
    job: &Job,
    log: &CommitLog,
    at: Option<DateTime<Utc>>,
    reason: String,
    now: DateTime<Utc>,
    printer: &Printer,
) -> Result<Outcome> {
    let before = log.refresh()?;
    log.append(Event::Watermark { at, reason })?;
    let after = log.refresh()?;
    let name = |instant: Option<DateTime<Utc>>| instant.map_or_else(|| "none".to_owned(), text);
    if after.watermark != at {
        printer.note(&format!("the windows after {} are done already: the watermark moves on", name(at)));
    }
    let skipped = skipped(job, &before, after.watermark, now);
    if skipped > 0 {
        printer.warning(&format!(
            "{} closed windows before it are not done, and no scheduled run takes them any more: `etl-runner status` shows \
             them, `etl-runner backfill` runs them",
            count(skipped)
        ));
    }
    if printer.is_json() {
        let value = serde_json::json!({"state": {
            "job": job.config.job,
            "before": before.watermark.map(text),
            "watermark": after.watermark.map(text),
            "skipped_windows": skipped,
        }});
        printer.json(&value)?;
    } else {
        printer.result(&format!(
            "job {}: the watermark is {}, and was {}\n",
            job.config.job,
            name(after.watermark),
            name(before.watermark)
        ))?;
    }
    Ok(Outcome::Done)
}

/// Windows that were due before, and that the new watermark leaves behind.
fn skipped(job: &Job, before: &JobState, after: Option<DateTime<Utc>>, now: DateTime<Utc>) -> u64 {
    let (Some(after), Some(_), Some(schedule)) = (after, before.watermark, job.config.schedule.as_ref()) else {
        return 0;
    };
    let mut schedule = schedule.clone();
    schedule.catch_up = u32::MAX;
    let due = due(before, &schedule, job.config.source.select, None, now);
    due.map_or(0, |due| due.windows.iter().filter(|due| due.window.end <= after).count() as u64)
}

/// The watermark of an exported state.
fn imported(job: &Job, bytes: &[u8]) -> Result<DateTime<Utc>> {
    let wrong = || Error::config("read the exported state");
    let exported: Exported = serde_json::from_slice(bytes).map_err(|error| {
        wrong().source(error).hint("`etl-runner state export` writes it; for the other layout add --format job-latest")
    })?;
    if exported.job != job.config.job {
        return Err(wrong()
            .with("job", &exported.job)
            .with("expected", &job.config.job)
            .hint("it is another job's; to take its watermark all the same, use `etl-runner state set --watermark`"));
    }
    exported.state.watermark.ok_or_else(|| wrong().hint("it has no watermark"))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let fail = |error: std::io::Error| {
        Error::new(ErrorKind::Usage, "read the file to import").with("file", file.display()).source(error)
    };
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(fail)?)
    };
    source.take(MOST_BYTES).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}
