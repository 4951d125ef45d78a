//! Sorting beyond memory, and merging rows by key. Rests on DataFusion.

pub(crate) mod merge;
mod session;
mod sorter;
mod spill;

pub(crate) use self::session::{engine_error, query_environment};
pub use self::sorter::{RowCollector, Sorter};
