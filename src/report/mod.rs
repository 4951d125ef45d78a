//! What a run did: the report as data and as a screen, its progress, and what it cost.

pub mod columns;
mod model;
mod numbers;
mod progress;
mod text;
pub mod usage;

pub(crate) use model::one_line;
pub use model::{
    BytesReport, CacheReport, DeadLetterReport, EnrichmentReport, ErrorReport, FileReport, ObjectsReport, PhaseReport,
    RuleResult, RunReport, SCHEMA_VERSION, Status, StepReport, TableReport, WindowReport,
};
pub use numbers::{bytes, count, seconds};
pub use progress::{Progress, ProgressCounts};
