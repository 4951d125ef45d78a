//! Manifests as a target of commits.

use super::files::{ManifestInput, location_of};
use super::record::{ManifestRecord, ManifestRules};
use super::write::{announce, paths, retract};
use crate::commit::{CommitDetail, TargetRecord};
use crate::output::staging::PendingStore;
use crate::publish::{Replacing, Target};
use etl_sdk::Result;
use std::sync::Arc;

/// Name in the log and in details.
const NAME: &str = "manifests";

/// Writes manifests and partition lists beside the tables.
pub struct Manifests {
    /// Publishes the tables' files.
    tables: Arc<dyn PendingStore>,
    /// What the job file says now.
    rules: ManifestRules,
}

impl Manifests {
    /// Manifests by the rules of the job file, in the store of the tables' files.
    pub fn new(tables: Arc<dyn PendingStore>, rules: ManifestRules) -> Self {
        Self { tables, rules }
    }
}

impl Target for Manifests {
    fn name(&self) -> &'static str {
        NAME
    }

    fn record(&self, replacing: &Replacing) -> Result<Option<TargetRecord>> {
        let rules = self.rules.clone();
        let record = ManifestRecord { rules, replaced: replaced(replacing)? };
        let is_needed = record.rules.copy || record.rules.partitions || !record.replaced.is_empty();
        is_needed.then(|| TargetRecord::new(&record)).transpose()
    }

    fn announce(&self, commit: &CommitDetail, record: &TargetRecord) -> Result<()> {
        announce(self.tables.as_ref(), &record.read::<ManifestRecord>()?.rules, commit)
    }

    fn retract(&self, _commit: &CommitDetail, record: &TargetRecord) -> Result<()> {
        retract(self.tables.as_ref(), &record.read::<ManifestRecord>()?.replaced)
    }
}

/// Paths of what was announced of replaced commits, and of what those were still to take back.
fn replaced(replacing: &Replacing) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for (detail, record) in replacing.replaced_of(NAME) {
        let location = location_of(&detail.sink);
        all.extend(paths(&record.read::<ManifestRecord>()?.rules, &ManifestInput::of(detail, &location)));
    }
    for (_, record) in replacing.unpublished_of(NAME) {
        all.extend(record.read::<ManifestRecord>()?.replaced);
    }
    Ok(all)
}
