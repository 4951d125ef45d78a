//! The engine's parts that rest on DataFusion: sorting beyond memory, merging rows of one key, and SQL steps.

mod session;
mod sort;
mod spill;

pub use sort::{RowCollector, SortedRows, Sorter};
