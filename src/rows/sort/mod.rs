//! Sorting beyond memory, and merging rows by key. Rests on DataFusion.

mod aside;
pub(crate) mod merge;
mod session;
mod size;
mod sorter;
mod spill;

pub(crate) use self::session::{engine_error, query_environment};
pub(crate) use self::size::batch_size;
pub use self::sorter::{RowCollector, Sorter};
