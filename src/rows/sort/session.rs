//! How DataFusion is set up here, and what its failures mean to a job.

use super::spill::{SpillFolder, disk_error};
use crate::limits::LimitsConfig;
use crate::storage::disk::is_disk_full;
use datafusion::common::DataFusionError;
use datafusion::config::SpillCompression;
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionConfig;
use etl_sdk::{Error, ErrorKind, Result};
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

/// Spilled runs merged in one pass. Each takes about four batches of memory, and a batch is about a 128th of the pool
/// ([`batch_bytes`]): 16 runs take half of it.
const MERGE_FAN_IN: usize = 16;

/// Size that batches inside a sort should have. Small against the pool, so that several runs can be merged at once.
pub(super) fn batch_bytes(memory: usize) -> usize {
    (memory / 128).clamp(64 << 10, 1 << 20)
}

/// What one plan runs in: a memory pool of its own of `memory` bytes, spilling to `folder`.
///
/// The pool is not shared between plans: a sort that merges its runs takes all it can get, and another one beside it
/// would fail for want of the little it cannot do without.
///
/// The reservation must live as long as the plan. It takes nothing, but halves what the pool lets a sort gather:
/// merging what was gathered, on the way to disk, needs memory too, and fails without it.
pub(super) fn task_context(
    memory: usize,
    batch_rows: usize,
    folder: &Arc<SpillFolder>,
) -> Result<(Arc<TaskContext>, MemoryReservation)> {
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Custom(Arc::clone(folder) as _))
        .with_max_spill_merge_fan_in(MERGE_FAN_IN);
    let pool: Arc<dyn MemoryPool> = Arc::new(FairSpillPool::new(memory));
    let head_room = MemoryConsumer::new("head room").with_can_spill(true).register(&pool);
    let environment = RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(|error| engine_error("set up the engine", error))?;
    let config = SessionConfig::new()
        .with_batch_size(batch_rows)
        .with_target_partitions(1)
        .with_sort_spill_reservation_bytes(memory / 8)
        .with_sort_in_place_threshold_bytes(batch_bytes(memory))
        .with_spill_compression(SpillCompression::Lz4Frame);
    Ok((Arc::new(TaskContext::default().with_session_config(config).with_runtime(environment)), head_room))
}

/// What queries run in: they share `limits.memory` and spill to `limits.spill_folder`. Lists of files are not kept: they
/// change with every run.
pub(crate) fn query_environment(limits: &LimitsConfig) -> Result<Arc<RuntimeEnv>> {
    let memory = usize::try_from(limits.memory.0).unwrap_or(usize::MAX);
    let folder = SpillFolder::open(limits.spill_folder.clone())?;
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Custom(Arc::new(folder)))
        .with_max_spill_merge_fan_in(MERGE_FAN_IN);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(memory)))
        .with_disk_manager_builder(disk)
        .with_object_list_cache_limit(0)
        .build_arc()
        .map_err(|error| engine_error("set up the engine", error))
}

/// A failure of DataFusion in the job's words: memory and disk name the setting that bounds them.
pub(crate) fn engine_error(operation: &'static str, error: DataFusionError) -> Error {
    if let Some(io) = io_cause(&error) {
        // Only the kind is kept of the inner error: its text is in the chain of `error`.
        return disk_error(operation, io.kind()).source(error);
    }
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => Error::new(ErrorKind::Limit, operation)
            .with("setting", "limits.memory")
            .hint("raise limits.memory; one row must fit several times over")
            .source(error),
        _ => Error::internal(operation).source(error),
    }
}

fn io_cause(error: &DataFusionError) -> Option<&io::Error> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    let mut found = None;
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            found = Some(io);
            if is_disk_full(io.kind()) {
                break;
            }
        }
        cause = error.source();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::error::ArrowError;

    #[test]
    fn memory_and_disk_name_their_setting() {
        let memory = engine_error("sort rows", DataFusionError::ResourcesExhausted("no".into()).context("merging"));
        assert_eq!(memory.kind(), ErrorKind::Limit);
        assert!(memory.to_string().contains("setting=limits.memory"), "{memory}");

        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let arrow = DataFusionError::ArrowError(Box::new(ArrowError::IoError("write".into(), full())), None);
        for error in [DataFusionError::IoError(full()), arrow] {
            let disk = engine_error("sort rows", error);
            assert_eq!(disk.kind(), ErrorKind::Limit);
            assert!(disk.to_string().contains("setting=limits.spill_folder"), "{disk}");
        }
        assert_eq!(engine_error("sort rows", DataFusionError::Internal("x".into())).kind(), ErrorKind::Internal);
    }
}
