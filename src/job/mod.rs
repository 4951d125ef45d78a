//! The job file: what it may say, its defaults, and how it is read.

mod components;
mod config;
mod environment;
mod load;
mod mistakes;
mod overrides;
mod places;
mod schema;
pub(crate) mod shape;
mod validate;
mod yaml;

pub use self::config::{ComponentConfig, EnrichConfig, JobConfig, StateConfig, TableConfig};
pub use self::environment::Environment;
pub use self::load::{Examined, Job, examine, load, load_text};
pub use self::places::Places;
pub use self::schema::json_schema;
pub use crate::job::config::StepConfig;
