//! What is known of a job's windows: done, failed, running, missing. From the log's state and the leases; nothing is read
//! here.

mod backfills;
mod grid;
mod list;
mod model;
#[cfg(test)]
mod tests;

pub use self::backfills::{BackfillReport, command, is_complete};
pub use self::grid::grid;
pub use self::list::{failures, list, summary};
pub use self::model::{Scope, StatusReport, WindowStatus, build, commonest};
