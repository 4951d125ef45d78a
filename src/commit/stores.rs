//! What a job decides over.

use super::log::CommitLog;
use super::objects::Objects;
use crate::output::staging::PendingStore;
use std::sync::Arc;

/// The log of a job, and the two places whose pending files it decides over.
pub struct Stores {
    /// What was decided so far.
    pub log: CommitLog,
    /// Makes and publishes the tables' files.
    pub tables: Arc<dyn PendingStore>,
    /// Makes and publishes the dead letters' files.
    pub dead_letters: Arc<dyn PendingStore>,
}

impl Stores {
    /// The job's objects in the state.
    pub fn objects(&self) -> &Objects {
        self.log.objects()
    }
}
