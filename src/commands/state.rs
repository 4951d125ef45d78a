//! `state`: the watermark, shown, set, and carried from one place to another.

use super::request::{StateAction, StateFormat, StateRequest};
use super::session::{Session, listen};
use crate::commit::carried::{CarriedState, Piece};
use crate::commit::{CommitLog, Event, JobState, lease};
use crate::job::{Job, Places};
use crate::process::stop::Stop;
use crate::report::Outcome;
use crate::run;
use crate::run::RebuildPlan;
use crate::schedule::{JobLatest, undone};
use crate::screen::Printer;
use crate::status::commonest;
use crate::text::columns::{Align, Columns};
use crate::text::{bytes, count, counted, instant};
use crate::trigger::{JobLatestFile, job_latest};
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;

/// Largest file to import.
const MAX_BYTES: u64 = 1 << 30;

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

/// Does what is asked.
pub fn run(request: &StateRequest, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, Stop::default(), printer)?;
    // A rebuild reads windows, and is fitted into its memory as a run is.
    let is_rebuild = matches!(request.action, StateAction::Rebuild { .. });
    let session = if is_rebuild { session } else { session.watched(printer)? };
    let log = session.log(&Places::open(&session.job)?);
    match &request.action {
        StateAction::Show => show(&session.job, &log, printer),
        StateAction::Set { watermark, reason } => {
            let reason = reason.clone().unwrap_or_else(|| "set by hand".to_owned());
            set(&session, &log, *watermark, reason, printer)
        }
        StateAction::Export { format: StateFormat::State } => export(&session, &log, printer),
        StateAction::Export { format: StateFormat::JobLatest } => export_job_latest(&session, &log, printer),
        StateAction::Import { file, format } => {
            let bytes = read(file)?;
            let named = |error: Error| error.with("file", file.display());
            let at = match format {
                StateFormat::State => imported(&session.job, &bytes).map_err(named)?,
                StateFormat::JobLatest => JobLatest::read(&bytes).map_err(named)?.watermark(),
            };
            set(&session, &log, Some(at), format!("imported from {}", file.display()), printer)
        }
        StateAction::Rebuild { from, threads, dry_run } => rebuild(session, *from, *threads, *dry_run, printer),
    }
}

fn export(session: &Session, log: &CommitLog, printer: &Printer) -> Result<Outcome> {
    let state = log.refresh()?.as_ref().clone();
    let program = env!("CARGO_PKG_VERSION").to_owned();
    printer.json(&Exported { job: session.job.config.job.clone(), at: instant(session.now), program, state })?;
    Ok(Outcome::Done)
}

fn export_job_latest(session: &Session, log: &CommitLog, printer: &Printer) -> Result<Outcome> {
    let state = log.refresh()?;
    let watermark = state.watermark.ok_or_else(|| {
        Error::new(ErrorKind::Usage, "export the watermark").hint("there is none: `etl-runner state set` sets it")
    })?;
    let file = JobLatestFile::open(&session.job, &session.runtime, &session.stop)?;
    let before = file.and_then(|file| file.read().ok().flatten());
    let latest = job_latest(before, &state, watermark, session.now, &session.job.config.job).to_json()?;
    printer.data(&format!("{}\n", String::from_utf8_lossy(&latest)))?;
    Ok(Outcome::Done)
}

fn rebuild(
    mut session: Session,
    from: DateTime<Utc>,
    threads: Option<NonZeroUsize>,
    dry_run: bool,
    printer: &Printer,
) -> Result<Outcome> {
    session.stop = listen(printer)?;
    let threads = session.fit_and_watch(threads, printer)?.threads;
    let session = session.build()?;
    let context = session.context()?;
    let each = |window: &Window, number: usize, of: usize| {
        printer.note(&format!("reading window {} of {}: {window}", count(number as u64), count(of as u64)));
    };
    let plan = RebuildPlan { from, now: session.now(), threads, dry_run, each: &each };
    let stop = session.stop();
    let report = run::rebuild(&context, &plan, stop).map_err(|error| stop.explain(error))?;
    for warning in &report.warnings {
        printer.warning(warning);
    }
    if printer.is_json() {
        printer.json(&serde_json::json!({"rebuilt": report}))?;
        return Ok(Outcome::Done);
    }
    let would = if dry_run { "would read" } else { "read" };
    let mut text =
        format!("state: job {}, {would} {}", session.job().config.job, counted(report.windows as u64, "window"));
    if let (Some(first), Some(last)) = (report.first, report.last) {
        let _ = write!(text, " from {} to {}", instant(first.start), instant(last.end));
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
    let known = state.windows.values().filter(|known| known.is_known()).count() as u64;
    let committed = state.windows.values().filter(|known| known.is_committed()).count() as u64;
    let watermark = state.watermark.map(instant);
    let carried = carried(log, &state)?;
    if printer.is_json() {
        let value = serde_json::json!({"state": {
            "job": job.config.job,
            "uri": log.objects().uri_of(""),
            "version": state.version,
            "watermark": watermark,
            "windows": known,
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
    row("windows", format!("{} known, {} committed", count(known), count(committed)));
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
    session: &Session,
    log: &CommitLog,
    at: Option<DateTime<Utc>>,
    reason: String,
    printer: &Printer,
) -> Result<Outcome> {
    let job = &session.job;
    if let Some(at) = at.filter(|at| *at > session.now) {
        return Err(Error::new(ErrorKind::Usage, "set the watermark: it lies in the future")
            .with("watermark", instant(at))
            .with("now", instant(session.now))
            .hint("nothing after now can be done"));
    }
    let before = log.refresh()?;
    log.append(Event::Watermark { at, reason })?;
    let after = log.refresh()?;
    let name = |at: Option<DateTime<Utc>>| at.map_or_else(|| "none".to_owned(), instant);
    if after.watermark != at {
        printer.note(&format!("windows after {} are already done: the watermark advances", name(at)));
    }
    let skipped = skipped(job, &before, after.watermark);
    if skipped > 0 {
        printer.warning(&format!(
            "{} closed windows before it are not done, and no scheduled run will take them: `etl-runner status` shows \
             them, `etl-runner backfill` runs them",
            count(skipped)
        ));
    }
    if printer.is_json() {
        let value = serde_json::json!({"state": {
            "job": job.config.job,
            "before": before.watermark.map(instant),
            "watermark": after.watermark.map(instant),
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

/// Windows before the new watermark that are not done, since the first that is known or was due.
fn skipped(job: &Job, before: &JobState, after: Option<DateTime<Utc>>) -> u64 {
    let every = job.config.schedule.as_ref().map(|schedule| schedule.every).or_else(|| commonest(before));
    let first = before.windows.iter().find(|(_, known)| known.is_known()).map(|(window, _)| window.start);
    let from = first.into_iter().chain(before.watermark).min();
    match (every, from, after) {
        (Some(every), Some(from), Some(after)) => undone(before, every, from, after).count() as u64,
        _ => 0,
    }
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
            .hint("it is another job's; to use its watermark anyway, run `etl-runner state set --watermark`"));
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
    source.take(MAX_BYTES).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}
