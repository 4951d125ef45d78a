//! `etl-runner`: raw JSON batches of a time window in, partitioned Parquet tables out, every record accounted for.

// First, so that its macro is known in all the others.
#[macro_use]
mod failpoint;

pub mod backfill;
pub mod cli;
pub mod commands;
pub mod commit;
pub mod compare;
pub mod dead_letter;
pub mod engine;
pub mod job;
pub mod manifest;
pub mod quality;
pub mod query;
pub mod registry;
pub mod report;
pub mod schedule;
pub mod sink;
pub mod source;
pub mod status;
pub mod stop;
pub mod storage;
pub mod window;

pub use etl_sdk::{Error, ErrorKind, Result};
