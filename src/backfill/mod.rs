//! Many windows of one job, one after the other or side by side. Each is a run of its own, and ends alone.

mod board;
mod queue;
mod report;

pub use board::{Board, BoardCounts};
pub use queue::{Item, Queue};
pub use report::{BatchReport, ResultStatus, WindowResult};
