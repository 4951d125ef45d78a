//! The job file: what it may say, its defaults, and how it is read.

mod bytes;
mod config;

pub use bytes::{ByteSize, Span};
pub(crate) use config::DEFAULT_LOOK_BACK;
pub use config::{ComponentConfig, DeadLetterLimit, EnrichConfig, JobConfig, LimitsConfig, StateConfig, TableConfig};
