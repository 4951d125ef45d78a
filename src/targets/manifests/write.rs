//! A commit's manifests and partition list, written and removed with the means that its files are published by: durable
//! when they are visible, and whole.

use super::files::{ManifestInput, ManifestObject, location_of};
use super::record::ManifestRules;
use super::{partitions, redshift};
use crate::commit::CommitDetail;
use crate::output::staging::{Closing, PendingStore};
use etl_sdk::{Error, ErrorKind, Result};
use std::collections::VecDeque;

/// Objects that are on their way at once.
const AT_ONCE: usize = 8;

/// Writes what a warehouse and a catalog are told of a commit. Repeatable; the partition list is visible last.
///
/// `store` publishes the tables' files.
pub(super) fn announce(store: &dyn PendingStore, rules: &ManifestRules, detail: &CommitDetail) -> Result<()> {
    let location = location_of(&detail.sink);
    let input = ManifestInput::of(detail, &location);
    let mut on_their_way: VecDeque<Closing> = VecDeque::new();
    let publish_oldest = |on_their_way: &mut VecDeque<Closing>| {
        on_their_way.pop_front().map_or(Ok(()), |closing| store.publish(&closing.wait()?))
    };
    write_objects(rules, &input, &mut |object| {
        let most = if object.path.ends_with(partitions::ENDING) { 0 } else { AT_ONCE - 1 };
        while on_their_way.len() > most {
            publish_oldest(&mut on_their_way)?;
        }
        on_their_way.push_back(send(store, &object)?);
        Ok(())
    })?;
    while !on_their_way.is_empty() {
        publish_oldest(&mut on_their_way)?;
    }
    Ok(())
}

fn send(store: &dyn PendingStore, object: &ManifestObject) -> Result<Closing> {
    let mut writer = store.create(&object.path)?;
    writer.write_all(&object.bytes).map_err(|error| {
        let kind = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).map(Error::kind);
        Error::new(kind.unwrap_or(ErrorKind::Unavailable), "write a manifest").with("path", &object.path).source(error)
    })?;
    writer.close()
}

/// Removes what was written of replaced commits, by the paths that [`paths`] gave. Repeatable.
pub(super) fn retract(store: &dyn PendingStore, paths: &[String]) -> Result<()> {
    paths.iter().try_for_each(|path| store.remove(path))
}

/// Makes the objects of a commit one after the other and hands each to `write`: the partition list is the last, so that
/// whoever sees it finds all manifests. Takes time in proportion to the files (and their sorting), and the memory of one
/// object.
///
/// Fails when `write` does.
pub(super) fn write_objects(
    rules: &ManifestRules,
    input: &ManifestInput<'_>,
    write: &mut dyn FnMut(ManifestObject) -> Result<()>,
) -> Result<()> {
    if rules.copy {
        for manifest in redshift::plan(rules, input) {
            write(manifest.object(input)?)?;
        }
    }
    if rules.partitions {
        partitions::list(input).object()?.map_or(Ok(()), write)?;
    }
    Ok(())
}

/// Paths of all objects of a commit, in the order in which [`write_objects`] makes them. A commit that replaces another
/// removes the other's by these: its manifests name files that are gone.
pub(super) fn paths(rules: &ManifestRules, input: &ManifestInput<'_>) -> Vec<String> {
    let mut paths = Vec::new();
    if rules.copy {
        paths.extend(redshift::plan(rules, input).into_iter().map(|manifest| manifest.path));
    }
    if rules.partitions && !(input.added.is_empty() && input.removed.is_empty()) {
        paths.push(partitions::path(input.name));
    }
    paths
}
