//! What the runs of a job left behind, as tables: the kept run reports, and the output tables themselves.
//!
//! `reports.rs` lists and reads the kept reports, `kept.rs`, `columns.rs` and `rows.rs` make rows of them, and `current.rs`
//! knows which of them count; `runs.rs` and `output.rs` are the tables, `latest.rs` makes views of them, `provider.rs` shows
//! them to DataFusion and `prune.rs` leaves out files by their names; `session.rs` plans and runs a SELECT over them
//! (`failure.rs` explains what goes wrong, `widths.rs` how many rows are a batch), and `format.rs` writes its rows.

mod columns;
mod current;
mod failure;
mod format;
mod kept;
mod latest;
mod output;
mod provider;
mod prune;
mod reports;
mod rows;
mod runs;
mod session;
#[cfg(test)]
mod tests;
mod widths;

pub use self::current::{Current, CurrentSource};
pub use self::format::{RowFormat, RowWriter};
pub use self::latest::Versions;
pub use self::reports::{ReportFolder, ReportObject, Skipped};
pub use self::session::{Answer, Query, TableInfo};
pub use crate::query::kept::KeptReport;
