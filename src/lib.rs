//! `etl-runner`: raw JSON batches of a time window in, partitioned Parquet tables out, every record accounted for.

// First, so that its macro is known in all the others.
#[macro_use]
pub mod process;

mod batch;
pub mod catalog;
pub mod cli;
mod commands;
pub mod commit;
mod compare;
mod ddl;
mod engine;
pub mod job;
pub mod limits;
mod listen;
pub mod output;
mod policy;
mod publish;
mod query;
mod registry;
mod report;
mod rows;
mod run;
mod schedule;
mod screen;
pub mod source;
mod status;
pub mod storage;
mod targets;
pub mod text;
mod trigger;
pub mod window;

pub use etl_sdk::{Error, ErrorKind, Result};
