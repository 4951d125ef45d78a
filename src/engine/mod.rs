//! The engine's parts that rest on DataFusion: sorting beyond memory, merging rows of one key, and SQL steps.

mod merge;
mod session;
mod sort;
mod spill;
mod sql;
mod sql_plan;

pub use merge::{MergedRows, check_merge, merge_sorted, reduce};
pub use sort::{RowCollector, SortedRows, Sorter};
pub use sql::SqlStep;
