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

pub use self::columns::{ReportColumn, ReportTableKind};
pub(crate) use self::format::shortened;
pub use self::format::{RowFormat, RowWriter};
pub use self::kept::Kept;
pub use self::output::OutputTable;
pub use self::reports::{ReportFolder, ReportName, ReportObject, Skipped};
pub use self::runs::ReportTable;
pub(crate) use self::runs::overlaps;
pub use self::session::{Answer, ColumnInfo, Query, TableInfo};
