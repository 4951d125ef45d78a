//! Which windows a scheduled run takes. Decided from the log's state, the clock and the job file; nothing is read here.

mod closing;
mod config;
mod due;
mod job_latest;
mod late;
#[cfg(test)]
mod tests;

pub use self::closing::Closing;
pub use self::config::{DEFAULT_BUFFER, ScheduleConfig};
pub use self::due::{Coverage, Due, DueReason, DueWindow, Origin, closed_until, coverage, due, undone};
pub use self::job_latest::JobLatest;
pub use self::late::candidates;
