//! The job file: what it may say, its defaults, and how it is read.

mod bytes;
mod components;
mod config;
mod environment;
mod limit;
mod load;
mod overrides;
mod schema;
pub(crate) mod shape;
mod validate;
mod yaml;

pub use bytes::{ByteSize, Span};
pub(crate) use config::DEFAULT_LOOK_BACK;
pub use config::{ComponentConfig, EnrichConfig, JobConfig, LimitsConfig, StateConfig, TableConfig};
pub use environment::Environment;
pub use limit::{DeadLetterLimit, DeadLetterLimits, Share};
pub use load::{Job, load, load_text};
pub use schema::json_schema;
