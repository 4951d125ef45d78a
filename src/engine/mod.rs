//! The engine: tasks on worker threads, the chain of steps, merged tables, and the run around them. Sorting beyond
//! memory and SQL steps rest on DataFusion.

pub(crate) mod balance;
pub(crate) mod carry;
pub(crate) mod merged;
pub(crate) mod output;
mod pipeline;
pub(crate) mod read;
mod tasks;
pub(crate) mod worker;

pub use self::pipeline::{Pipeline, Step, TablePlan, is_merged};
pub use self::tasks::{Task, estimated_bytes, pack};
