//! How files become part of the output: written out of sight, then made visible together.

mod bucket;
pub mod carried;
mod detail;
mod entry;
mod folder;
mod found;
pub mod gc;
mod history;
pub mod lease;
mod log;
#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
mod model_tests;
mod objects;
mod pending;
mod publish;
mod resume;
#[cfg(test)]
mod tests;
mod uploads;
pub mod work;

pub use detail::{CommitDetail, DeadLetterFile, Replaced, ReplacedFile, Replayed};
pub use entry::{Commit, Counts, Entry, Event, Failure, Late, Marked, Runner, token};
pub use found::{PendingFound, StagedRun, run_of};
pub use history::{CommitState, FailureState, JobState, LateState, Unpublished, WindowState};
pub use log::{CommitLog, Condition};
pub use objects::{Listed, Objects};
pub use pending::{Closing, PendingFile, PendingStore, PendingWriter, Staged};
pub use publish::{Publisher, Recovered};
pub use resume::Books;
pub use work::{KeptRows, PlanRecord, TaskResult, Work};

use crate::stop::Stop;
use crate::storage::{Storage, StorageKind};
use etl_sdk::{Error, Result};
use std::sync::Arc;
use tokio::runtime::Handle;

/// The pending files of a folder or bucket. Uploads run on `runtime`, which must outlive the store's writers; no call
/// waits for a bucket much longer once `stop` is set.
pub fn pending_store(storage: &Storage, runtime: Handle, stop: &Stop) -> Arc<dyn PendingStore> {
    match storage.kind() {
        StorageKind::Folder(root) => Arc::new(folder::FolderStore::new(root.clone())),
        StorageKind::Bucket(store) => {
            Arc::new(bucket::BucketStore::new(storage.clone(), store.clone(), runtime, stop.clone()))
        }
    }
}

/// What to do about a disk without room for files.
pub(crate) const DISK_FULL: &str = "free space there, and run the same command again";

/// Whether writing failed for want of space.
pub(crate) fn is_disk_full(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(kind, StorageFull | QuotaExceeded | FileTooLarge)
}

/// Longest part of a path, in bytes, on the file systems in use.
pub const MAX_PART_BYTES: usize = 255;

/// Refuses a path that is not plainly below the sink's url. Paths are made by the runner, but a commit record is read
/// back from a place that others can write to.
pub(crate) fn check_path(path: &str) -> Result<()> {
    let wrong = |what: &str| Err(Error::internal("check a file's path").with("path", path).with("problem", what));
    for part in path.split('/') {
        match part {
            "" => return wrong("an empty part"),
            "." | ".." => return wrong("a part that leaves the folder"),
            _ if part.len() > MAX_PART_BYTES => return wrong("a part of more than 255 bytes"),
            _ if part.chars().any(|c| c.is_ascii_control() || c == '\\') => {
                return wrong("a control character or backslash");
            }
            _ => {}
        }
    }
    Ok(())
}
