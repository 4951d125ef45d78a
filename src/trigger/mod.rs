//! What decides which windows run: an argument, a span of time, the schedule, the failures of the past. Each gives plain
//! values, which a batch takes; a queue of messages would be one more of them.

mod argument;
mod failed;
mod follow;
mod job_latest;
mod payload;
mod scheduled;
mod span;

pub use self::argument::WindowArgument;
pub use self::failed::{FailedWindows, failed};
pub use self::follow::Follower;
pub use self::job_latest::{JobLatestFile, job_latest};
pub use self::payload::Payload;
pub use self::scheduled::{DueFinder, ScheduledWindows, schedule_of};
pub use self::span::WindowSpan;
