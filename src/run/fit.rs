//! Fits the settings of a job into the memory of its container before a run begins.

use crate::job::Job;
use crate::limits::LimitsConfig;
use crate::process::memory::{USUAL_TOTAL, bounds};
use crate::text::ByteSize;
use etl_sdk::{Error, Result};

/// The program, its plans and what is mapped of its data.
const BASE: u64 = 64 << 20;

/// Parts on their way to a bucket.
const PARTS: u64 = 64 << 20;

/// Full caches of a worker's enrichments.
const CACHES: u64 = 24 << 20;

/// What a worker has fetched of two objects.
const FETCHED: u64 = 8 << 20;

/// Lowest value to which `limits.memory` is lowered.
const MIN_MEMORY: u64 = 16 << 20;

/// Percent of all memory that a run is planned with.
const PLANNED: u64 = 90;

/// What a job runs with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fitted {
    /// Worker threads.
    pub threads: usize,
    /// What the process may take.
    pub total: u64,
    /// What was lowered, for the report.
    pub warnings: Vec<String>,
}

/// Lowers `threads`, then the job's `limits.memory`, until the run fits into the container or `limits.memory_total`.
///
/// Fails with kind `Config` when one thread does not fit, and says what is needed at least.
pub fn fit(job: &mut Job, threads: usize) -> Result<Fitted> {
    let asked = job.config.limits.memory_total.map(|total| total.0);
    let total = bounds(asked);
    let (parts, row_groups) = (parts(job), job.config.sink.row_group_bytes.0);
    let fitted = fit_into(&mut job.config.limits, threads, row_groups, parts, total);
    fitted.map_err(|error| if total == asked { job.placed(&["limits", "memory_total"], error) } else { error })
}

/// Whether a run of one thread fits into `limits.memory_total` at all.
pub fn check(job: &Job) -> Result<()> {
    let asked = job.config.limits.memory_total.map(|total| total.0);
    let (row_groups, mut limits) = (job.config.sink.row_group_bytes.0, job.config.limits.clone());
    let fitted = fit_into(&mut limits, 1, row_groups, parts(job), asked);
    fitted.map(|_| ()).map_err(|error| job.placed(&["limits", "memory_total"], error))
}

/// What parts on their way to a bucket take.
fn parts(job: &Job) -> u64 {
    if job.config.sink.url.starts_with("s3://") { PARTS } else { 0 }
}

fn fit_into(
    limits: &mut LimitsConfig,
    threads: usize,
    row_groups: u64,
    parts: u64,
    total: Option<u64>,
) -> Result<Fitted> {
    let thread = row_groups.saturating_add(CACHES + FETCHED).saturating_add(limits.record_bytes.0);
    let cost = |threads: u64, memory: u64| (thread.saturating_mul(threads)).saturating_add(BASE + parts + memory);
    let Some(total) = total else {
        // Nothing bounds the process but what it is known to need.
        let needed = cost(threads as u64, limits.memory.0).saturating_mul(100) / PLANNED;
        return Ok(Fitted { threads, total: needed.max(USUAL_TOTAL), warnings: Vec::new() });
    };
    let planned = total / 100 * PLANNED;
    let mut warnings = Vec::new();
    if limits.memory == LimitsConfig::default().memory {
        // The default: an eighth of a small container is enough, and needs no warning.
        limits.memory = limits.memory.min(ByteSize((total / 8).max(MIN_MEMORY)));
    }
    let room = planned.saturating_sub(BASE + parts + limits.memory.0);
    let fitting = usize::try_from(room / thread.max(1)).unwrap_or(usize::MAX).clamp(1, threads.max(1));
    if fitting < threads {
        warnings.push(format!("{fitting} of {threads} threads are used: the process may take {}", mib(total)));
    }
    if cost(1, limits.memory.0) > planned {
        let memory = planned.saturating_sub(cost(1, 0));
        if memory < MIN_MEMORY {
            return Err(Error::config("fit the run into its memory")
                .with("may_take", mib(total))
                .with("needs", mib(cost(1, MIN_MEMORY).div_ceil(PLANNED) * 100))
                .with("setting", "limits.memory_total")
                .hint("give the process more memory, or lower sink.row_group_bytes or limits.record_bytes"));
        }
        let lowered = ByteSize(memory >> 20 << 20);
        warnings.push(format!("limits.memory is lowered to {lowered}: the process may take {}", mib(total)));
        limits.memory = lowered;
    }
    Ok(Fitted { threads: fitting, total, warnings })
}

fn mib(bytes: u64) -> ByteSize {
    ByteSize(bytes.div_ceil(1 << 20) << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use etl_sdk::ErrorKind;

    fn fitted(total_mib: u64, threads: usize, memory: ByteSize) -> Result<(Fitted, ByteSize)> {
        let mut limits = LimitsConfig { memory, ..LimitsConfig::default() };
        fit_into(&mut limits, threads, 64 << 20, PARTS, Some(total_mib << 20)).map(|fitted| (fitted, limits.memory))
    }

    #[test]
    fn threads_are_lowered_first_and_then_the_memory_for_sorting() {
        let default = LimitsConfig::default().memory;
        let (roomy, memory) = fitted(8 << 10, 8, default).unwrap();
        assert_eq!((roomy.threads, memory, roomy.warnings.len()), (8, default, 0));
        let (half, memory) = fitted(1 << 10, 8, default).unwrap();
        assert!((2..8).contains(&half.threads) && memory == default, "{half:?}");
        assert!(half.warnings[0].contains("of 8 threads"), "{half:?}");
        let (small, memory) = fitted(384, 8, ByteSize::mib(512)).unwrap();
        assert_eq!((small.threads, small.warnings.len()), (1, 2));
        assert!(memory < ByteSize::mib(128) && memory >= ByteSize::mib(16), "{memory}");
        let (unasked, memory) = fitted(512, 1, default).unwrap();
        assert_eq!((unasked.warnings.len(), memory), (0, ByteSize::mib(64)));
    }

    #[test]
    fn without_any_bound_a_run_has_what_it_needs_and_a_gibibyte_at_least() {
        let unbounded = |threads| {
            let mut limits = LimitsConfig::default();
            fit_into(&mut limits, threads, 64 << 20, 0, None).unwrap()
        };
        assert_eq!((unbounded(2).threads, unbounded(2).total), (2, USUAL_TOTAL));
        assert!(unbounded(64).threads == 64 && unbounded(64).total > 8 << 30);
    }

    #[test]
    fn a_container_that_is_too_small_is_told_what_is_needed() {
        let error = fitted(128, 1, LimitsConfig::default().memory).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let needs = error.facts().iter().find(|(name, _)| *name == "needs").unwrap().1.parse::<ByteSize>().unwrap();
        assert!(fitted(needs.0 >> 20, 1, LimitsConfig::default().memory).is_ok(), "{error}");
        assert!(fitted((needs.0 >> 20) * 9 / 10, 1, LimitsConfig::default().memory).is_err(), "{error}");
    }
}
