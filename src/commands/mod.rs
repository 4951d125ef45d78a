//! What each subcommand does: a request of plain values, a call, and what is printed. Nothing here knows how the command line
//! is written.

pub mod backfill;
pub mod catalog;
pub mod check;
pub mod compact;
pub mod compare;
pub mod ddl;
pub mod dead_letters;
pub mod explain;
pub mod explain_component;
pub mod forget;
pub mod gc;
pub mod iam_policy;
pub mod list;
pub mod plan;
pub mod recover;
mod recover_log;
mod request;
pub mod retry;
pub mod run;
pub mod runs;
mod scheduled;
pub mod schema;
mod session;
pub mod sql;
pub mod state;
pub mod status;
mod windows;

pub use self::request::{
    BackfillRequest, CatalogAction, CatalogRequest, CompactRequest, DdlRequest, ExplanationRequest, ForgetRequest,
    Forgettable, GcRequest, IamPolicyRequest, JobRequest, LogRepair, PayloadSource, PlanRequest, RecoverRequest,
    RetryRequest, RunOptions, RunRequest, RunsRequest, SqlFormat, SqlRequest, SqlSource, StateAction, StateFormat,
    StateRequest, StatusRequest,
};
