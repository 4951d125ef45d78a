//! What the runs of a job left behind, as tables: the kept run reports, and the output tables themselves.
//!
//! `reports.rs` lists and reads the kept reports, `kept.rs` and `columns.rs` make columns of them, `runs.rs` and
//! `output.rs` are the tables as DataFusion sees them, `session.rs` plans and runs a SELECT over them, and `format.rs`
//! writes its rows.

mod columns;
mod format;
mod kept;
mod output;
mod prune;
mod reports;
mod runs;
mod session;
#[cfg(test)]
mod tests;

pub use columns::{ReportColumn, ReportTableKind};
pub(crate) use format::shortened;
pub use format::{RowFormat, RowWriter};
pub use kept::Kept;
pub use output::OutputTable;
pub use reports::{ReportFolder, ReportName, ReportObject, Skipped};
pub use runs::ReportTable;
pub(crate) use runs::overlaps;
pub use session::{Answer, ColumnInfo, Query, TableInfo};
