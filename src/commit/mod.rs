//! How files become part of the output: written out of sight, then made visible together.

pub mod carried;
mod decoded;
mod detail;
mod entry;
mod form_1;
pub mod gc;
mod history;
pub mod inputs;
pub mod lease;
mod log;
#[cfg(test)]
mod model_tests;
mod numbered;
mod objects;
mod record;
pub mod repair;
mod resume;
mod shared;
pub mod spans;
mod state_object;
mod stores;
pub mod work;

pub use self::detail::{CommitDetail, DroppedLetters, Replaced, ReplacedFile, Replayed};
pub use self::entry::{
    Commit, Counts, EmptyWindows, Entry, Event, Failure, FailureStatus, Late, Marked, Runner, token,
};
pub use self::history::{CommitState, FailureState, JobState, LateState, Unpublished, WindowState};
pub use self::log::{CommitLog, Condition};
pub use self::objects::{Listed, Objects};
pub use self::record::TargetRecord;
pub use self::shared::Shared;
pub use self::spans::BackfillSpan;
pub use self::state_object::{ContentHash, StateObject};
pub use self::stores::Stores;
pub use self::work::{KeptRows, PlanRecord, TaskResult, Work};
pub use crate::commit::detail::ReplayedObject;
