//! The program through its real binary: arguments in; exit code, stdout, stderr, files and tables out. One test binary,
//! because each links all of `DataFusion`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::needless_pass_by_value,
    reason = "these are tests; clippy.toml only knows functions marked as such"
)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod answers_of_stores;
mod arguments;
mod aws;
mod backfill;
mod carried;
mod catalog;
mod check;
mod cli;
mod compact;
mod compare;
mod conformance;
mod credentials;
mod current;
mod damage;
mod dead_letters;
mod empty_windows;
mod events;
mod explain;
mod fail_on;
mod fault_proxy;
mod faults;
mod floors;
mod foresight;
mod forget;
mod formats;
mod gc;
mod hostile;
mod iam;
mod iam_policy;
mod invariance;
mod limits;
mod listeners;
mod manifests;
mod memory;
mod metrics;
mod open_windows;
mod payload;
mod pending;
mod places;
mod process;
mod quality;
mod query;
mod query_memory;
mod report;
mod resources;
mod s3;
mod s3_settings;
mod screens;
mod scripted;
mod signals;
mod sql_rows;
mod state;
mod terminal;
mod unique;
mod usage;
mod values;
mod window;
