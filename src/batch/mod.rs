//! Many windows of one job, one after the other or side by side. Each is a run of its own, and ends alone.

mod board;
mod queue;
mod report;

pub use self::board::{Board, BoardCounts};
pub use self::queue::{Item, Queue};
pub use self::report::{BatchReport, ResultStatus, WindowResult};
