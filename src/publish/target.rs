//! What a commit is announced to: the seam behind which manifests, a catalog or a warehouse are.

use crate::commit::{CommitDetail, TargetRecord};
use etl_sdk::Result;
use std::collections::BTreeMap;

/// One target of a job's commits. [`crate::publish`] says in which order its methods are called.
///
/// A call may come from another process than the one that made the commit, with another job file, and more than once: what
/// it does follows from the detail and the record alone, and doing it again changes nothing. A failure that is worth
/// another try, by its `Retry`, is tried again within `limits.retry`; a call that waits by itself asks the run's stop.
pub trait Target: Send + Sync {
    /// Its name in the log and in details. It never changes, and no other target has it.
    fn name(&self) -> &'static str;

    /// What the detail of a commit keeps for this target: its own serde struct, from which it announces the commit and
    /// takes back what was announced of the commits that it replaces. `None` when there is nothing to do of either.
    fn record(&self, replacing: &Replacing) -> Result<Option<TargetRecord>>;

    /// Announces a commit whose files are all visible.
    fn announce(&self, commit: &CommitDetail, record: &TargetRecord) -> Result<()>;

    /// Takes back what was announced of the commits that `commit` replaces, before their files go; what was announced of
    /// `commit` itself, just before, stays. A target whose announcements do not lead to files has nothing to take back.
    ///
    /// While it fails, the replaced files stay and the commit is not published.
    fn retract(&self, commit: &CommitDetail, record: &TargetRecord) -> Result<()>;
}

/// The commits that a new one replaces, as its targets need them.
#[derive(Clone, Debug, Default)]
pub struct Replacing {
    /// Those whose files go.
    pub replaced: Vec<CommitDetail>,
    /// Those that are not published: what they were to take back may still be there. A replaced one may be among them.
    pub unpublished: Vec<CommitDetail>,
}

impl Replacing {
    /// The records that a target has in the replaced commits, with their details.
    pub fn replaced_of<'a>(&'a self, target: &'a str) -> impl Iterator<Item = (&'a CommitDetail, &'a TargetRecord)> {
        of_target(&self.replaced, target)
    }

    /// The records that a target has in the commits that are not published, with their details.
    pub fn unpublished_of<'a>(&'a self, target: &'a str) -> impl Iterator<Item = (&'a CommitDetail, &'a TargetRecord)> {
        of_target(&self.unpublished, target)
    }

    /// Warnings of targets that the replaced commits had and that are not among `targets`: what was announced to them is
    /// not taken back.
    pub fn gone(&self, targets: &[Box<dyn Target>]) -> Vec<String> {
        let mut gone: Vec<&str> =
            self.replaced.iter().flat_map(|detail| detail.targets.keys()).map(String::as_str).collect();
        gone.retain(|name| find(targets, name).is_none());
        gone.sort_unstable();
        gone.dedup();
        let warning = |name| {
            format!(
                "target {name} is not in the job file any more: what it was told of the replaced rows stays as it is"
            )
        };
        gone.into_iter().map(warning).collect()
    }
}

fn of_target<'a>(
    details: &'a [CommitDetail],
    target: &'a str,
) -> impl Iterator<Item = (&'a CommitDetail, &'a TargetRecord)> {
    details.iter().filter_map(move |detail| Some((detail, detail.targets.get(target)?)))
}

/// What a commit keeps for each of the job's targets.
pub fn records(targets: &[Box<dyn Target>], replacing: &Replacing) -> Result<BTreeMap<String, TargetRecord>> {
    let mut records = BTreeMap::new();
    for target in targets {
        let record = target.record(replacing).map_err(|error| error.with("target", target.name()))?;
        records.extend(record.map(|record| (target.name().to_owned(), record)));
    }
    Ok(records)
}

/// The target of a name, if the job has it.
pub(super) fn find<'a>(targets: &'a [Box<dyn Target>], name: &str) -> Option<&'a dyn Target> {
    targets.iter().find(|target| target.name() == name).map(Box::as_ref)
}
