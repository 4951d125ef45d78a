//! What each subcommand does. Nothing here knows how the command line is written.

pub mod backfill;
pub mod check;
pub mod compare;
pub mod dead_letters;
pub mod explain;
pub mod explain_component;
pub mod gc;
mod job_latest;
pub mod list;
pub mod plan;
pub mod recover;
mod request;
pub mod retry;
pub mod run;
pub mod runs;
mod scheduled;
pub mod schema;
pub mod sql;
pub mod state;
pub mod status;
mod window_requests;
mod windows;

pub use self::request::{
    CheckRequest, ExplanationRequest, GcRequest, PlanRequest, RunRequest, RunsRequest, SqlFormat, SqlRequest,
};
pub use self::window_requests::{BackfillRequest, RetryRequest, StateAction, StateFormat, StateRequest, StatusRequest};

/// Looks up a variable of the process, for the job file.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
