//! Tells the catalog of commits.

use super::record::{CatalogRecord, CatalogRules, ReplacedPartition, folder_of};
use crate::catalog::{Glue, GlueAddress};
use crate::commit::{CommitDetail, TargetRecord};
use crate::process::stop::Stop;
use crate::publish::{Replacing, Target};
use crate::storage::{Storage, store_error};
use etl_sdk::Result;
use futures::TryStreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use tokio::runtime::Handle;

/// Name in the log and in details.
const NAME: &str = "catalog";

/// Registers the partitions of commits in the Glue Data Catalog.
pub struct CatalogTarget {
    address: GlueAddress,
    /// What the job file says now.
    rules: CatalogRules,
    /// Where the tables are.
    sink: Storage,
    runtime: Handle,
    stop: Stop,
    /// Made at the first call: a run that publishes nothing pays nothing for it.
    glue: OnceLock<Glue>,
}

impl CatalogTarget {
    /// The catalog at an address, told as the job file says.
    pub fn new(address: GlueAddress, rules: CatalogRules, sink: Storage, runtime: Handle, stop: Stop) -> Self {
        Self { address, rules, sink, runtime, stop, glue: OnceLock::new() }
    }

    /// The client, made once.
    fn glue(&self) -> Result<&Glue> {
        if let Some(glue) = self.glue.get() {
            return Ok(glue);
        }
        let made = Glue::new(self.address.clone(), self.runtime.clone(), self.stop.clone())?;
        Ok(self.glue.get_or_init(|| made))
    }

    /// Removes the partitions of a table that hold no file besides those that go.
    ///
    /// Whoever publishes a file there meanwhile registers the partition behind that, finds it, and leaves it alone; so what is
    /// removed here is looked at once more, and registered again if a file has come.
    fn remove_empty(
        &self,
        glue: &Glue,
        table: &str,
        maybe: &[&ReplacedPartition],
        leaving: &BTreeSet<&str>,
    ) -> Result<()> {
        let mut empty = Vec::new();
        for partition in maybe {
            if is_empty(&self.sink, &self.runtime, &partition.folder, leaving)? {
                empty.push(*partition);
            }
        }
        let values: Vec<Vec<String>> = empty.iter().map(|partition| partition.values.clone()).collect();
        glue.unregister(table, &values)?;
        failpoint!("catalog.after_removal");
        let Some(definition) = self.rules.tables.iter().find(|definition| definition.name == table) else {
            return Ok(());
        };
        let mut again = Vec::new();
        for partition in empty {
            if !is_empty(&self.sink, &self.runtime, &partition.folder, leaving)? {
                again.push(definition.partition(partition.values.clone(), &partition.folder));
            }
        }
        if !again.is_empty() {
            let kept = glue.keep(definition)?;
            glue.register(definition, &kept, &again)?;
        }
        Ok(())
    }
}

impl Target for CatalogTarget {
    fn name(&self) -> &'static str {
        NAME
    }

    fn record(&self, replacing: &Replacing) -> Result<Option<TargetRecord>> {
        let mut replaced = BTreeSet::new();
        for detail in &replacing.replaced {
            match detail.targets.get(NAME) {
                Some(record) => replaced.extend(record.read::<CatalogRecord>()?.rules.replaced(detail)),
                // From before the job had a catalog; what is registered of it came by `catalog sync`.
                None => replaced.extend(self.rules.replaced(detail)),
            }
        }
        for (_, record) in replacing.unpublished_of(NAME) {
            replaced.extend(record.read::<CatalogRecord>()?.replaced);
        }
        let record = CatalogRecord { rules: self.rules.clone(), replaced: replaced.into_iter().collect() };
        TargetRecord::new(&record).map(Some)
    }

    fn announce(&self, commit: &CommitDetail, record: &TargetRecord) -> Result<()> {
        let rules = record.read::<CatalogRecord>()?.rules;
        let glue = self.glue()?.of(&rules.database, rules.catalog_id.as_deref());
        for (table, partitions) in rules.partitions(commit) {
            let kept = glue.keep(table)?;
            glue.register(table, &kept, &partitions)?;
            failpoint!("catalog.after_table");
        }
        if let Some(raw) = &rules.raw {
            let kept = glue.keep(&raw.definition)?;
            glue.register(&raw.definition, &kept, &raw.partitions(&commit.window))?;
        }
        Ok(())
    }

    fn retract(&self, commit: &CommitDetail, record: &TargetRecord) -> Result<()> {
        let record = record.read::<CatalogRecord>()?;
        let written: BTreeSet<&str> = commit.files.iter().map(|file| folder_of(&file.pending.path)).collect();
        let leaving: BTreeSet<&str> = commit.replaces.files.iter().map(|file| file.path.as_str()).collect();
        let mut by_table: BTreeMap<_, Vec<&ReplacedPartition>> = BTreeMap::new();
        for partition in record.replaced.iter().filter(|partition| !written.contains(partition.folder.as_str())) {
            let key = (&partition.database, &partition.catalog_id, &partition.table);
            by_table.entry(key).or_default().push(partition);
        }
        for ((database, catalog_id, table), partitions) in by_table {
            let glue = self.glue()?.of(database, catalog_id.as_deref());
            self.remove_empty(&glue, table, &partitions, &leaving)?;
        }
        Ok(())
    }
}

/// Whether no reader finds a file in a folder under the sink's url, apart from those that are leaving.
pub(super) fn is_empty(sink: &Storage, runtime: &Handle, folder: &str, leaving: &BTreeSet<&str>) -> Result<bool> {
    let key = sink.key_of(folder)?;
    let below = |location: &object_store::path::Path| -> String {
        let path = location.as_ref().strip_prefix(sink.prefix().as_ref()).unwrap_or(location.as_ref());
        path.trim_start_matches('/').to_owned()
    };
    runtime.block_on(async {
        let mut found = sink.store().list(Some(&key));
        loop {
            match found.try_next().await {
                Ok(None) | Err(object_store::Error::NotFound { .. }) => return Ok(true),
                Ok(Some(meta)) => {
                    let path = below(&meta.location);
                    let name = path.rsplit('/').next().unwrap_or_default();
                    if !name.starts_with(['.', '_']) && !leaving.contains(path.as_str()) {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(store_error("list a partition", &sink.uri_of(&key), error)),
            }
        }
    })
}
