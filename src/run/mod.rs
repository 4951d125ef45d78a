//! The life of a run: one job over one window, from the listing to the report.

mod attempt;
mod context;
mod decision;
mod describe;
mod execute;
mod fingerprint;
pub mod fit;
mod phases;
mod rebuild;
mod rehearse;
pub mod replay;
mod rows_before;

pub use self::context::JobContext;
pub use self::execute::{RunPlan, execute};
pub use self::rebuild::{RebuildPlan, RebuildReport, rebuild};
pub use self::replay::{ReplayPlan, ReplayReport, Take, drop_letters, replay};
pub use self::rows_before::rows_before;
