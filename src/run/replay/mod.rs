//! Replays: dead letters of a committed window are read again with today's code, and what comes of them is added to the
//! window as an amendment of its own, decided and published like a run.

mod dropped;
mod execute;
mod feed;
mod left;
mod letters;
mod pass;
mod plan;
mod planned;
mod read;
mod report;
mod stages;

pub use self::dropped::drop_letters;
pub use self::execute::replay;
pub use self::letters::{CommitLetters, LetterFiles, LetterHistory, LetterState, ReasonCounts};
pub use self::plan::{ReplayPlan, Take};
pub use self::report::ReplayReport;
