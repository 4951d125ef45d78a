//! SQL steps and conditions, planned and evaluated by DataFusion.

mod condition;
mod plan;
mod step;

pub use self::condition::SqlCondition;
pub use self::step::{FAILED, SqlStep};
