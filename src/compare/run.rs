//! One comparison from beginning to end.

use super::align::{Alignment, align};
use super::cells::{Cells, Tolerance};
use super::join::{Batches, Join, converter};
use super::latest::LatestRows;
use super::plan::ComparePlan;
use super::report::{ColumnName, Comparison, SCHEMA_VERSION, SideReport};
use super::request::{CompareRequest, Side};
use super::resources::CompareResources;
use super::side::SideReader;
use crate::limits::LimitsConfig;
use crate::process::stop::StopReason;
use crate::process::workers;
use crate::rows::sort::{RowCollector, Sorter};
use crate::storage::Storage;
use etl_sdk::{Error, ErrorKind, Result};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Compares two outputs.
///
/// Fails with `Usage` when a side has no files or several tables, or misses a column of the key; with `Config` for a file
/// that is not what its name says; with `Limit` when memory or disk does not suffice; and as the stores do. A fact
/// `setting` names the [`CompareSetting`](super::request::CompareSetting), or the limit of a job, that decides it.
pub fn compare(request: &CompareRequest, resources: &CompareResources<'_>) -> Result<Comparison> {
    let begun = Instant::now();
    request.check()?;
    let mut report = run(request, resources).map_err(|error| resources.stop.explain(error))?;
    report.elapsed_seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

fn run(request: &CompareRequest, resources: &CompareResources<'_>) -> Result<Comparison> {
    // A side that fails ends the other one.
    let stop = &resources.stop.child();
    let resources = &CompareResources { stop, ..*resources };
    let limits =
        LimitsConfig { memory: request.memory, spill_folder: request.spill_folder.clone(), ..LimitsConfig::default() };
    let sorter = Sorter::new(&limits, resources.runtime.clone())?.with_stop(stop).split(Side::BOTH.len());
    resources.progress.set_phase("list");
    let [left, right] = for_both(resources, |side| {
        let url = match side {
            Side::Left => &request.left,
            Side::Right => &request.right,
        };
        SideReader::open(side, Storage::open(url, &request.s3, Path::new("."))?, resources)
    })?;
    let alignment = align(request, &left, &right)?;
    let plan = &alignment.plan;

    let bytes = left.bytes() + right.bytes();
    resources.progress.set_total((left.files.len() + right.files.len()) as u64, bytes);
    resources.progress.set_phase("read");
    let rows = for_both(resources, |side| match side {
        Side::Left => left.collect(plan, &sorter, resources),
        Side::Right => right.collect(plan, &sorter, resources),
    })?;

    resources.progress.set_phase("compare");
    let mut report = begin_report(request, [&left, &right], &rows, &alignment);
    join(request, plan, &sorter, rows, &mut report, resources)?;
    report.spilled_bytes = sorter.spilled_bytes();
    absent_columns(plan, [&left, &right], &mut report);
    for side in [&report.left, &report.right] {
        if side.rows == 0 {
            report.notes.push(format!("there are no rows in {}", side.url));
        }
    }
    report.conclude();
    Ok(report)
}

/// Calls `work` for both sides; the first failure ends both and is the result.
fn for_both<T: Send>(resources: &CompareResources<'_>, work: impl Fn(Side) -> Result<T> + Sync) -> Result<[T; 2]> {
    let results = workers::map(Side::BOTH, resources.threads, |side| {
        work(side).inspect_err(|_| {
            resources.stop.set(StopReason::WorkerFailed);
        })
    });
    let (done, failures): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let failures = failures.into_iter().filter_map(Result::err);
    // One that only stopped because the other failed does not know why.
    if let Some(error) = failures.min_by_key(|error| error.kind() == ErrorKind::Stopped) {
        return Err(error);
    }
    let done: Vec<T> = done.into_iter().filter_map(Result::ok).collect();
    done.try_into().map_err(|_| Error::internal("compare two sides"))
}

/// What is known before rows are compared.
fn begin_report(
    request: &CompareRequest,
    sides: [&SideReader; 2],
    rows: &[RowCollector; 2],
    alignment: &Alignment,
) -> Comparison {
    let describe = |side: Side, only_columns: &[ColumnName]| {
        let reader = sides[side.index()];
        SideReport {
            url: reader.url.clone(),
            format: reader.forms(),
            files: reader.files.len() as u64,
            bytes: reader.bytes(),
            rows: rows[side.index()].rows(),
            only_columns: only_columns.to_vec(),
            ..SideReport::default()
        }
    };
    Comparison {
        schema_version: SCHEMA_VERSION,
        key: request.key.clone(),
        latest: request.latest.clone(),
        left: describe(Side::Left, &alignment.left_only),
        right: describe(Side::Right, &alignment.right_only),
        compared_columns: (alignment.plan.columns.len() - alignment.plan.key) as u64,
        types: alignment.types.clone(),
        ignored: request.ignore.clone(),
        notes: alignment.notes.clone(),
        ..Comparison::default()
    }
}

fn join(
    request: &CompareRequest,
    plan: &ComparePlan,
    sorter: &Sorter,
    rows: [RowCollector; 2],
    report: &mut Comparison,
    resources: &CompareResources<'_>,
) -> Result<()> {
    let left_out: [Arc<AtomicU64>; 2] = Default::default();
    let in_order = |rows: RowCollector, left_out: &Arc<AtomicU64>| -> Result<Batches> {
        let rows = sorter.sorted(vec![rows], &plan.order())?;
        if plan.latest == 0 {
            return Ok(Box::new(rows));
        }
        let converter = converter(&plan.schema(), plan.key)?;
        Ok(Box::new(LatestRows::new(rows, converter, plan.key, left_out)))
    };
    let [left, right] = rows;
    let (left, right) = (in_order(left, &left_out[0])?, in_order(right, &left_out[1])?);
    let tolerance = Tolerance { nanos: i128::from(request.time_tolerance_nanos), relative: request.number_tolerance };
    let cells = Cells::new(plan, tolerance, request.examples);
    let memory = usize::try_from(request.memory.0 / 8).unwrap_or(usize::MAX);
    let sides = [(left, &mut report.left), (right, &mut report.right)];
    let cells = Join::new(plan, sides, cells, request.examples, memory, resources.stop)?.run()?;
    (report.matched, report.columns) = cells.finish();
    for (side, left_out) in [&mut report.left, &mut report.right].into_iter().zip(&left_out) {
        side.superseded_rows = left_out.load(Ordering::Relaxed);
    }
    Ok(())
}

/// What JSON lines never name is null. Where the other side has values, the column is not there.
fn absent_columns(plan: &ComparePlan, sides: [&SideReader; 2], report: &mut Comparison) {
    for column in &plan.columns {
        let Some(absent) = column.absent else { continue };
        let has = absent.other();
        let differs = report.columns.iter().position(|found| found.column == column.name);
        let (Some(index), Some(known)) = (differs, sides[has.index()].columns.get(&column.name)) else { continue };
        let found = report.columns.remove(index);
        report.notes.push(format!(
            "{} has no `{}`; {} rows of the other side do",
            sides[absent.index()].url,
            column.name,
            found.rows
        ));
        let side = if has == Side::Left { &mut report.left } else { &mut report.right };
        side.only_columns.push(ColumnName { column: column.name.clone(), type_name: known.type_name.clone() });
    }
}
