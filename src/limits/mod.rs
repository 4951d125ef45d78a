//! The bounds of a job: the `limits` section of the job file.

mod config;
mod dead_letters;

pub use self::config::{LimitsConfig, MIN_MEMORY};
pub use self::dead_letters::{DeadLetterLimit, DeadLetterLimits, Share};
