//! `etl-runner`: raw JSON batches of a time window in, partitioned Parquet tables out, every record accounted for.

// First, so that its macro is known in all the others.
#[macro_use]
pub mod process;

pub mod batch;
pub mod cli;
pub mod commands;
pub mod commit;
pub mod compare;
pub mod engine;
pub mod job;
pub mod limits;
pub mod output;
pub mod publish;
pub mod query;
pub mod registry;
pub mod report;
pub mod rows;
pub mod run;
pub mod schedule;
pub mod screen;
pub mod source;
pub mod status;
pub mod storage;
pub mod targets;
pub mod text;
pub mod trigger;
pub mod window;

pub use etl_sdk::{Error, ErrorKind, Result};
