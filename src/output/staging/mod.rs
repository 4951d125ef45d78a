//! Pending files: complete, durable, and invisible to every reader until they are published.

mod bucket;
mod folder;
mod found;
#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod path;
mod pending;
mod staged;
mod store;
#[cfg(test)]
mod tests;
mod uploads;

pub use self::found::{PendingFound, StagedRun, run_of};
pub use self::pending::{Closing, PendingStore, PendingWriter};
pub use self::staged::{DeadLetterFile, PartitionValue, PendingFile, Staged, WrittenFile};
pub use self::store::pending_store;
