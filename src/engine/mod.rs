//! The work of a run as units: tasks that read, merges that finish tables, the chain of steps that rows pass, and what
//! merged tables carry from run to run. What has the units done is behind [`dispatch`].

pub(crate) mod balance;
pub(crate) mod carry;
mod chain;
pub(crate) mod context;
pub(crate) mod dispatch;
pub(crate) mod downstream;
pub(crate) mod merged;
pub(crate) mod output;
mod pipeline;
pub(crate) mod read;
mod tasks;
mod threads;
pub(crate) mod worker;

pub use self::pipeline::{Pipeline, TablePlan};
pub use self::tasks::{Task, estimated_bytes, pack};
pub use self::threads::Threads;
