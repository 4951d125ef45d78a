//! Writing tables: rows are routed to the files of their partitions, and files stay pending until the run is committed.

mod closing;
mod config;
mod count;
mod file;
pub(crate) mod hive;
mod json;
mod partition;
mod rewrite;
mod route;
mod spec;
mod table;
#[cfg(test)]
mod tests;
mod types;

pub use self::config::*;
pub use self::count::check_partitions;
pub(crate) use self::hive::{REASONS, values as partition_values};
pub(crate) use self::json::lines as json_lines;
pub use self::rewrite::{PartitionRewriter, Rewriter};
pub use self::spec::TableSinkSpec;
pub use self::table::{STEP, TableSink};
pub use self::types::check_writable;
