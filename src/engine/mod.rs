//! The engine: tasks on worker threads, the chain of steps, merged tables, and the run around them. Sorting beyond
//! memory and SQL steps rest on DataFusion.

mod attempt;
mod balance;
mod carry;
mod context;
mod decision;
mod describe;
mod fingerprint;
pub mod inputs;
pub mod memory;
mod merge;
mod merged;
mod output;
mod phases;
mod pipeline;
mod read;
mod rebuild;
mod rehearse;
mod replay;
mod run;
mod session;
mod sort;
mod spill;
mod sql;
mod sql_condition;
mod sql_plan;
mod tasks;
mod worker;

pub use context::{JobContext, Places};
pub use pipeline::{Pipeline, Step, TablePlan, is_merged};
pub use rebuild::{RebuildPlan, RebuildReport, rebuild};
pub use replay::{Left, ReplayPlan, ReplayReport, Take, drop_letters, replay};
pub use run::{RunPlan, execute};
pub(crate) use session::{engine_error, query_environment};
pub use sort::{RowCollector, SortedRows, Sorter};
pub use sql::SqlStep;
pub use sql_condition::SqlCondition;
pub use tasks::{Task, estimated_bytes, pack};

use etl_sdk::{Error, Result};

/// Runs `work` on `threads` threads and waits for all. A panic in one is an error of its own.
fn on_threads<T: Send>(threads: usize, work: impl Fn() -> Result<T> + Sync) -> Vec<Result<T>> {
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|_| Err(Error::internal("a worker thread panicked"))))
            .collect()
    })
}
