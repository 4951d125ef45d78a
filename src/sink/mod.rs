//! Writing tables: rows are routed to the files of their partitions, and files stay pending until the run is committed.

mod config;
mod file;
pub(crate) mod hive;
mod json;
mod partition;
mod route;
mod spec;
mod table;
#[cfg(test)]
mod tests;

pub use config::*;
pub(crate) use hive::values as partition_values;
pub(crate) use json::lines as json_lines;
pub use spec::TableSinkSpec;
pub use table::{STEP, TableSink, WrittenFile};
