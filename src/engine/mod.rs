//! The engine: tasks on worker threads, the chain of steps, merged tables, and the run around them. Sorting beyond
//! memory and SQL steps rest on DataFusion.

mod balance;
mod merge;
mod merged;
mod pipeline;
mod run;
mod session;
mod sort;
mod spill;
mod sql;
mod sql_plan;
mod tasks;
mod worker;

pub use pipeline::{Pipeline, Step, TablePlan, is_merged};
pub use run::{Places, RunPlan, execute};
pub(crate) use session::{engine_error, query_environment};
pub use sort::{RowCollector, SortedRows, Sorter};
pub use sql::SqlStep;
pub use tasks::{Task, estimated_bytes, pack};
