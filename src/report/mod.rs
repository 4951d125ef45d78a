//! What a run did: the report as data and as a screen, its progress, and what it cost.

mod model;
mod outcome;
mod progress;
mod text;

pub use self::model::{
    BytesReport, CacheReport, DeadLetterReport, EnrichmentReport, ErrorReport, FileReport, ObjectsReport, PhaseReport,
    RuleResult, RunReport, Status, StepReport, TableReport, WindowReport,
};
pub use self::outcome::Outcome;
pub use self::progress::Progress;
