//! What a run did: the report as data and as a screen, its progress, and what it cost.

mod effect;
mod error;
mod model;
mod outcome;
mod progress;
mod requests;
mod text;

pub use self::effect::{CommitReport, Effect, HeldReport, ReplacedCommits};
pub use self::error::ErrorReport;
pub use self::model::{
    BytesReport, CacheReport, CompactedReport, DeadLetterReport, EmptyReport, EnrichmentReport, FileReport, KeptTasks,
    ObjectsReport, PhaseReport, PlacementReport, RuleResult, RunReport, Status, StepReport, TableReport, WindowReport,
};
pub use self::outcome::Outcome;
pub use self::progress::Progress;
pub use self::requests::S3Report;
