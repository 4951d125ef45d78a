//! Compares two outputs by key, column by column, and says how they differ: those of two runs, or those of this program
//! and of the one it replaces.
//!
//! `files.rs`, `parquet.rs` and `lines.rs` read a side, `source.rs` is one side, `align.rs` decides which columns are
//! compared and as what, `convert.rs`, `json.rs` and `value.rs` bring values to one form, `latest.rs` keeps the current
//! row of each key, `join.rs` walks both sides, `cells.rs` and `cause.rs` look at values, `report.rs` and `text.rs` are
//! what comes out. Both sides are sorted with [`Sorter`], which spills: memory does not grow with the rows.

mod align;
mod cause;
mod cells;
mod column;
mod convert;
mod files;
mod join;
mod json;
mod latest;
mod lines;
mod parquet;
mod report;
mod source;
mod text;
mod value;

pub use self::cause::Cause;
pub use self::report::{
    CauseCount, ColumnDifference, ColumnName, Comparison, ComparisonStatus, DifferenceExample, DuplicateFinding, Key,
    KeyFinding, MatchedRows, MemberCount, SCHEMA_VERSION, SideReport, TypeDifference,
};

use self::align::Plan;
use self::cells::{Cells, Tolerance};
use self::join::{Batches, Join};
use self::latest::LatestRows;
use self::source::Source;
use super::storage::Storage;
use crate::limits::LimitsConfig;
use crate::process::stop::{Stop, StopReason};
use crate::report::Progress;
use crate::rows::sort::{RowCollector, Sorter};
use crate::storage::S3Config;
use crate::text::ByteSize;
use etl_sdk::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::runtime::{Handle, Runtime};

/// The least that a comparison works with.
const LEAST_MEMORY: ByteSize = ByteSize::mib(32);

/// What is compared, and how.
#[derive(Clone, Debug)]
pub struct CompareRequest {
    /// A file, a folder or an `s3://` prefix; relative paths start from the current folder.
    pub left: String,
    /// As `left`.
    pub right: String,
    /// Columns whose values tell rows apart; one at least.
    pub key: Vec<String>,
    /// Of the rows of one key only the one with the greatest values of these columns counts; empty for all rows.
    pub latest: Vec<String>,
    /// Columns that are not compared, and `column.member` paths into nested ones.
    pub ignore: Vec<String>,
    /// Instants that are not further apart are equal: nanoseconds.
    pub time_tolerance_nanos: u64,
    /// Doubles that do not differ by more, relative to the greater one, are equal.
    pub number_tolerance: f64,
    /// Examples of each finding.
    pub examples: usize,
    /// Memory for sorting both sides; beyond it, rows spill to disk.
    pub memory: ByteSize,
    /// Folder for spilled rows; the system's temporary folder when absent.
    pub spill_folder: Option<PathBuf>,
    /// How `s3://` urls are reached.
    pub s3: S3Config,
}

impl Default for CompareRequest {
    fn default() -> Self {
        Self {
            left: String::new(),
            right: String::new(),
            key: Vec::new(),
            latest: Vec::new(),
            ignore: Vec::new(),
            time_tolerance_nanos: 0,
            number_tolerance: 0.0,
            examples: 3,
            memory: ByteSize::mib(512),
            spill_folder: None,
            s3: S3Config::default(),
        }
    }
}

/// One of the two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

impl Side {
    const BOTH: [Self; 2] = [Self::Left, Self::Right];

    fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}

/// Compares two outputs.
///
/// Fails with `Usage` when a side has no files or several tables, or misses a column of the key; with `Config` for a file
/// that is not what its name says; with `Limit` when memory or disk does not do; and as the stores say.
pub fn compare(request: &CompareRequest) -> Result<Comparison> {
    compare_watched(request, &Progress::default(), &Stop::default())
}

/// As [`compare`], counting in `progress`; ends when `stop` is set.
pub fn compare_watched(request: &CompareRequest, progress: &Progress, stop: &Stop) -> Result<Comparison> {
    let begun = Instant::now();
    check(request)?;
    let runtime = runtime()?;
    let result = run(request, runtime.handle(), progress, stop);
    // What still waits for a name server or a slow disk must not hold up the end.
    runtime.shutdown_background();
    let mut report = result.map_err(|error| stop.explain(error))?;
    report.elapsed_seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

fn check(request: &CompareRequest) -> Result<()> {
    let wrong = |option: &str| Error::new(ErrorKind::Usage, format!("read {option}"));
    if request.key.is_empty() || request.key.iter().any(String::is_empty) {
        return Err(wrong("--key").hint("name the columns that tell rows apart: --key event_id"));
    }
    if request.memory < LEAST_MEMORY {
        return Err(wrong("--memory").with("value", request.memory).hint(format!("{LEAST_MEMORY} at least")));
    }
    if !(0.0..1.0).contains(&request.number_tolerance) {
        return Err(wrong("--number-tolerance")
            .with("value", request.number_tolerance)
            .hint("a share such as 1e-9, below 1"));
    }
    Ok(())
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::internal("start the runtime").source(error))
}

fn run(request: &CompareRequest, runtime: &Handle, progress: &Progress, stop: &Stop) -> Result<Comparison> {
    // A side that fails ends the other one.
    let stop = &stop.child();
    let limits =
        LimitsConfig { memory: request.memory, spill_folder: request.spill_folder.clone(), ..LimitsConfig::default() };
    let sorter = Sorter::new(&limits, runtime.clone())?.with_stop(stop).split(2);
    progress.set_phase("list");
    let open = |side: Side, url: &str| {
        let storage = Storage::open(url, &request.s3, Path::new("."))?;
        Source::open(side, storage, runtime, stop, progress)
    };
    let (left, right) = both(stop, || open(Side::Left, &request.left), || open(Side::Right, &request.right))?;
    let mut report = Comparison {
        schema_version: SCHEMA_VERSION,
        key: request.key.clone(),
        latest: request.latest.clone(),
        ..Comparison::default()
    };
    let plan = align::align(request, &left, &right, &mut report)?;
    report.compared_columns = (plan.columns.len() - plan.key) as u64;

    progress.set_total((left.files.len() + right.files.len()) as u64, left.bytes() + right.bytes());
    progress.set_phase("read");
    let collect = |source: &Source| source.collect(&plan, &sorter, runtime, stop, progress);
    let (left_rows, right_rows) = both(stop, || collect(&left), || collect(&right))?;

    progress.set_phase("compare");
    describe(&mut report.left, &left, left_rows.rows());
    describe(&mut report.right, &right, right_rows.rows());
    join(request, &plan, &sorter, (left_rows, right_rows), &mut report, stop).map_err(told)?;
    report.spilled_bytes = sorter.spilled_bytes();
    absent_columns(&plan, [&left, &right], &mut report);
    for side in [&report.left, &report.right] {
        if side.rows == 0 {
            report.notes.push(format!("there are no rows in {}", side.url));
        }
    }
    report.conclude();
    Ok(report)
}

/// Does two things side by side; the first failure ends both and is the one that is told.
fn both<T: Send>(
    stop: &Stop,
    left: impl FnOnce() -> Result<T> + Send,
    right: impl FnOnce() -> Result<T> + Send,
) -> Result<(T, T)> {
    let told = |result: Result<T>| {
        result.inspect_err(|_| {
            stop.set(StopReason::WorkerFailed);
        })
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| told(right()));
        let one = told(left());
        let other = other.join().unwrap_or_else(|_| Err(Error::internal("a reading thread panicked")));
        match (one, other) {
            (Ok(one), Ok(other)) => Ok((one, other)),
            (Err(one), Err(other)) if one.kind() == ErrorKind::Stopped => Err(other),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    })
}

fn describe(report: &mut SideReport, source: &Source, rows: u64) {
    report.url.clone_from(&source.url);
    report.format = source.forms();
    report.files = source.files.len() as u64;
    report.bytes = source.bytes();
    report.rows = rows;
}

fn join(
    request: &CompareRequest,
    plan: &Plan,
    sorter: &Sorter,
    rows: (RowCollector, RowCollector),
    report: &mut Comparison,
    stop: &Stop,
) -> Result<()> {
    let left_out: [Arc<AtomicU64>; 2] = Default::default();
    let in_order = |rows: RowCollector, left_out: &Arc<AtomicU64>| -> Result<Batches> {
        let rows = sorter.sorted(vec![rows], &plan.order())?;
        if plan.latest == 0 {
            return Ok(Box::new(rows));
        }
        let converter = join::converter(&plan.schema(), plan.key)?;
        Ok(Box::new(LatestRows::new(rows, converter, plan.key, left_out)))
    };
    let (left, right) = (in_order(rows.0, &left_out[0])?, in_order(rows.1, &left_out[1])?);
    let tolerance = Tolerance { nanos: i128::from(request.time_tolerance_nanos), relative: request.number_tolerance };
    let cells = Cells::new(plan, tolerance, request.examples);
    let memory = usize::try_from(request.memory.0 / 8).unwrap_or(usize::MAX);
    let sides = [(left, &mut report.left), (right, &mut report.right)];
    let cells = Join::new(plan, sides, cells, request.examples, memory, stop)?.run()?;
    (report.matched, report.columns) = cells.finish();
    for (side, left_out) in [&mut report.left, &mut report.right].into_iter().zip(&left_out) {
        side.superseded_rows = left_out.load(Ordering::Relaxed);
    }
    Ok(())
}

/// The engine names settings of a job file; here they are options.
fn told(error: Error) -> Error {
    let is_setting = error.facts().iter().any(|(name, _)| *name == "setting");
    if error.kind() != ErrorKind::Limit || !is_setting {
        return error;
    }
    Error::new(ErrorKind::Limit, "sort the rows")
        .hint("limits.memory is --memory here, and limits.spill_folder is --spill-folder")
        .source(error)
}

/// What JSON lines never name is null. Where the other side has values, the column is not there.
fn absent_columns(plan: &Plan, sources: [&Source; 2], report: &mut Comparison) {
    for column in &plan.columns {
        let Some(absent) = column.absent else { continue };
        let has = Side::BOTH[1 - absent as usize];
        let differs = report.columns.iter().position(|found| found.column == column.name);
        let (Some(place), Some(known)) = (differs, sources[has as usize].columns.get(&column.name)) else { continue };
        let found = report.columns.remove(place);
        report.notes.push(format!(
            "{} has no `{}`; {} rows of the other side do",
            sources[absent as usize].url, column.name, found.rows
        ));
        let side = if has == Side::Left { &mut report.left } else { &mut report.right };
        side.only_columns.push(ColumnName { column: column.name.clone(), type_name: known.type_name.clone() });
    }
}
