//! SQL steps and conditions, planned and evaluated by DataFusion.

mod condition;
mod depth;
mod growth;
mod guard;
mod plan;
mod sizes;
mod step;

pub use self::condition::SqlCondition;
pub(crate) use self::depth::too_deep;
pub(crate) use self::guard::{Bound, constants_of, guard};
pub use self::step::{FAILED, SqlStep};
