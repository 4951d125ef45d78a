//! The life of a run: one job over one window, from the listing to the report.
//!
//! Each stage is a function of a file of its own that returns what it found: [`admitted`], [`listed`], [`compared`], [`planned`],
//! [`read`], [`merged`], [`judged`], [`committed`], [`announced`]. Runs, dry runs, replays and rebuilds are lists of
//! stages, and each puts its report together at its end from those that it reached.

mod admitted;
mod announced;
mod committed;
pub mod compact;
mod compared;
mod context;
mod empty;
mod execute;
mod fingerprint;
pub mod fit;
mod foreseen;
mod forget;
mod judged;
mod lease;
mod listed;
mod merged;
mod phases;
mod placed;
mod plan;
mod planned;
mod read;
mod rebuild;
mod recovered;
pub mod replay;
mod report;
mod rows_before;
mod stages;
#[cfg(test)]
mod tests;
mod told;
mod toll;

pub use self::context::JobContext;
pub use self::empty::{EmptyPlan, commit_empty};
pub use self::execute::execute;
pub use self::foreseen::{Foreseen, foresee, left_to_do};
pub use self::forget::{ForgetPlan, ForgetReport, forget};
pub use self::listed::Listed;
pub use self::plan::RunPlan;
pub use self::rebuild::{RebuildPlan, rebuild};
pub use self::replay::{ReplayPlan, ReplayReport, Take, drop_letters, replay};
