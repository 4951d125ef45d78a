//! Registers and removes partitions.

use super::client::{Glue, NOT_THERE};
use super::definition::TableDefinition;
use super::partition::Partition;
use super::tables::Kept;
use super::{difference, input};
use crate::storage::retry::Backoff;
use aws_sdk_glue::types::{
    BatchUpdatePartitionRequestEntry, ErrorDetail, Partition as FoundPartition, PartitionInput, PartitionValueList,
};
use etl_sdk::{Error, ErrorKind, Result, Retry};
use std::collections::{BTreeMap, BTreeSet};

/// Most partitions of a call that makes or changes some (Glue API, `PartitionInputList`,
/// `BatchUpdatePartitionRequestEntryList`).
const MOST_WRITTEN: usize = 100;

/// Most partitions of a call that removes some (Glue API, `BatchDeletePartitionValueList`).
const MOST_REMOVED: usize = 25;

/// Most partitions of a call that reads some (Glue API, `BatchGetPartitionValueList`).
const MOST_READ: usize = 1_000;

/// What became of partitions that were to be registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// Those that were not there.
    pub added: u64,
    /// Those that were there in another way.
    pub changed: u64,
    /// Those that were there as they should be.
    pub unchanged: u64,
}

/// A partition that should be in the catalog, and what it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It is not there.
    Missing,
    /// It is there in another way.
    Different,
    /// It is there as it should be.
    Same,
}

impl Glue {
    /// Registers partitions, each with columns and form of its own. Repeatable; what is there already is compared, and changed
    /// where it differs.
    ///
    /// Whether there are any is looked at first: a window that runs again finds all of its own in a tenth of the calls.
    pub fn register(&self, table: &TableDefinition, kept: &Kept, partitions: &[Partition]) -> Result<Registered> {
        let mut registered = Registered::default();
        let mut expects_some = true;
        for some in partitions.chunks(MOST_READ) {
            let inputs: Vec<PartitionInput> =
                some.iter().map(|partition| input::partition(table, &kept.columns, partition)).collect();
            // What it leaves open is taken for new: making it tells.
            let found = if expects_some { self.read_once(table, &values_of_all(some))?.0 } else { BTreeMap::new() };
            // A table grows at its end: where one thousand are new, the next are too.
            expects_some = !found.is_empty();
            let (known, new): (Vec<_>, Vec<_>) =
                inputs.into_iter().partition(|input| found.contains_key(input.values()));
            let (same, different): (Vec<_>, Vec<_>) =
                known.into_iter().partition(|input| difference::is_same_partition(input, &found[input.values()].0));
            registered.unchanged += same.len() as u64;
            registered.changed += self.change(table, different)?;
            let (added, there) = self.add(table, new)?;
            registered.added += added;
            if !there.is_empty() {
                let again: Vec<Partition> =
                    some.iter().filter(|partition| there.contains(&partition.values)).cloned().collect();
                let again = self.compare_again(table, kept, &again)?;
                registered.changed += again.changed;
                registered.unchanged += again.unchanged;
            }
        }
        Ok(registered)
    }

    /// What of the partitions is in the catalog, in their order.
    pub fn look_for(&self, table: &TableDefinition, kept: &Kept, partitions: &[Partition]) -> Result<Vec<Wanted>> {
        let mut all = Vec::with_capacity(partitions.len());
        for some in partitions.chunks(MOST_READ) {
            let found = self.read(table, some)?;
            all.extend(some.iter().map(|partition| match found.get(&partition.values) {
                None => Wanted::Missing,
                Some(found) if found.agrees(table, kept, partition) => Wanted::Same,
                Some(_) => Wanted::Different,
            }));
        }
        Ok(all)
    }

    /// Those that another process, or a call without an answer, made meanwhile.
    fn compare_again(&self, table: &TableDefinition, kept: &Kept, partitions: &[Partition]) -> Result<Registered> {
        let mut registered = Registered::default();
        let wanted = self.look_for(table, kept, partitions)?;
        let mut different = Vec::new();
        for (partition, wanted) in partitions.iter().zip(wanted) {
            match wanted {
                Wanted::Same => registered.unchanged += 1,
                Wanted::Different => different.push(input::partition(table, &kept.columns, partition)),
                Wanted::Missing => return Err(unsettled(table, &partition.values)),
            }
        }
        registered.changed = self.change(table, different)?;
        Ok(registered)
    }

    /// The partitions of these values that are in the catalog, as far as one call tells; and those that it leaves open:
    /// they are not there, or the answer would have been too large.
    fn read_once(&self, table: &TableDefinition, values: &[Vec<String>]) -> Result<(FoundByValues, Vec<Vec<String>>)> {
        let call = self
            .client
            .batch_get_partition()
            .set_catalog_id(self.address.catalog_id.clone())
            .database_name(&self.address.database)
            .table_name(&table.name)
            .set_partitions_to_get(Some(values.iter().map(|values| value_list(values)).collect::<Result<_>>()?));
        let read = self.call("read partitions of the catalog", &table.name, &NOT_THERE, || call.clone().send())?;
        let Ok(answer) = read else { return Ok((BTreeMap::new(), Vec::new())) };
        let found = answer.partitions.unwrap_or_default();
        let open = answer.unprocessed_keys.unwrap_or_default().into_iter().map(|key| key.values);
        let found = found.into_iter().map(|partition| (partition.values().to_vec(), Found(partition)));
        Ok((found.collect(), open.collect()))
    }

    /// The same of all of them: what is left open is asked for again as long as that finds some.
    fn read(&self, table: &TableDefinition, partitions: &[Partition]) -> Result<FoundByValues> {
        let mut all = BTreeMap::new();
        let mut open = values_of_all(partitions);
        while !open.is_empty() {
            let (found, left) = self.read_once(table, &open)?;
            if found.is_empty() {
                break;
            }
            all.extend(found);
            open = left;
        }
        Ok(all)
    }

    /// Makes partitions. Gives how many, and the values of those that are there already.
    fn add(&self, table: &TableDefinition, inputs: Vec<PartitionInput>) -> Result<(u64, BTreeSet<Vec<String>>)> {
        let (mut added, mut there) = (0, BTreeSet::new());
        self.in_rounds(table, inputs, |batch| {
            let count = batch.len();
            let call = self
                .client
                .batch_create_partition()
                .set_catalog_id(self.address.catalog_id.clone())
                .database_name(&self.address.database)
                .table_name(&table.name)
                .set_partition_input_list(Some(batch));
            let answer = self.call("register partitions", &table.name, &NOT_THERE, || call.clone().send())?.map_err(
                |error| {
                    Error::new(ErrorKind::NotFound, "register partitions")
                        .with("table", &table.name)
                        .retry(Retry::Later)
                        .source(error)
                },
            )?;
            let errors: Vec<Refusal> = answer
                .errors
                .unwrap_or_default()
                .into_iter()
                .map(|error| (error.partition_values.unwrap_or_default(), error.error_detail))
                .collect();
            added += (count - errors.len()) as u64;
            let is_there = |(_, detail): &Refusal| code(detail.as_ref()) == "AlreadyExistsException";
            let (known, other): (Vec<_>, Vec<_>) = errors.into_iter().partition(is_there);
            there.extend(known.into_iter().map(|(values, _)| values));
            Ok(other)
        })?;
        Ok((added, there))
    }

    fn change(&self, table: &TableDefinition, inputs: Vec<PartitionInput>) -> Result<u64> {
        let count = inputs.len() as u64;
        self.in_rounds(table, inputs, |batch| {
            let entries = batch.into_iter().map(|input| {
                BatchUpdatePartitionRequestEntry::builder()
                    .set_partition_value_list(Some(input.values().to_vec()))
                    .partition_input(input)
                    .build()
                    .map_err(input::incomplete)
            });
            let call = self
                .client
                .batch_update_partition()
                .set_catalog_id(self.address.catalog_id.clone())
                .database_name(&self.address.database)
                .table_name(&table.name)
                .set_entries(Some(entries.collect::<Result<_>>()?));
            let answer =
                self.call("change partitions", &table.name, &NOT_THERE, || call.clone().send())?.map_err(|error| {
                    Error::new(ErrorKind::NotFound, "change partitions").with("table", &table.name).source(error)
                })?;
            let errors = answer.errors.unwrap_or_default().into_iter();
            Ok(errors.map(|error| (error.partition_value_list.unwrap_or_default(), error.error_detail)).collect())
        })?;
        Ok(count)
    }

    /// Removes partitions from the catalog; no file is touched. Those that are not there are passed over. Gives how many were
    /// there.
    pub fn unregister(&self, table: &str, partitions: &[Vec<String>]) -> Result<u64> {
        let mut removed = 0;
        for some in partitions.chunks(MOST_REMOVED) {
            let values = some.iter().map(|values| value_list(values)).collect::<Result<_>>()?;
            let call = self
                .client
                .batch_delete_partition()
                .set_catalog_id(self.address.catalog_id.clone())
                .database_name(&self.address.database)
                .table_name(table)
                .set_partitions_to_delete(Some(values));
            // Without the table there is nothing to remove.
            let Ok(answer) = self.call("remove partitions", table, &NOT_THERE, || call.clone().send())? else {
                return Ok(removed);
            };
            let errors = answer.errors.unwrap_or_default();
            removed += (some.len() - errors.len()) as u64;
            let lasting = errors.into_iter().find(|error| code(error.error_detail()) != "EntityNotFoundException");
            if let Some(error) = lasting {
                return Err(refused("remove partitions", table, error.partition_values(), error.error_detail()));
            }
        }
        Ok(removed)
    }

    /// Hands out batches, and again what the catalog puts off, until nothing is left.
    fn in_rounds(
        &self,
        table: &TableDefinition,
        inputs: Vec<PartitionInput>,
        mut call: impl FnMut(Vec<PartitionInput>) -> Result<Vec<Refusal>>,
    ) -> Result<()> {
        let mut left = inputs;
        let mut backoff = Backoff::new(&self.address.retry, &self.stop);
        while !left.is_empty() {
            let mut put_off = BTreeSet::new();
            for batch in left.chunks(MOST_WRITTEN) {
                for (values, detail) in call(batch.to_vec())? {
                    if !is_passing(code(detail.as_ref())) {
                        return Err(refused("register partitions", &table.name, &values, detail.as_ref()));
                    }
                    put_off.insert(values);
                }
            }
            let count = left.len();
            left.retain(|input| put_off.contains(input.values()));
            if left.len() < count {
                backoff.reset();
            }
            if let Some(input) = left.first() {
                backoff.wait_here(unsettled(table, input.values()))?;
            }
        }
        Ok(())
    }

    /// Hands the partitions of a table to `each`, page by page; none of a table that is not there.
    pub fn list(&self, table: &str, each: &mut dyn FnMut(Found) -> Result<()>) -> Result<()> {
        let mut next = None;
        loop {
            let call = self
                .client
                .get_partitions()
                .set_catalog_id(self.address.catalog_id.clone())
                .database_name(&self.address.database)
                .table_name(table)
                .set_next_token(next);
            let listed = self.call("list partitions of the catalog", table, &NOT_THERE, || call.clone().send())?;
            let Ok(answer) = listed else { return Ok(()) };
            answer.partitions.unwrap_or_default().into_iter().try_for_each(|found| each(Found(found)))?;
            next = answer.next_token;
            if next.as_deref().is_none_or(str::is_empty) {
                return Ok(());
            }
        }
    }
}

/// A partition as the catalog has it.
#[derive(Clone, Debug)]
pub struct Found(FoundPartition);

impl Found {
    /// The values of its partition columns.
    pub fn values(&self) -> &[String] {
        self.0.values()
    }

    /// Where it is.
    pub fn location(&self) -> &str {
        self.0.storage_descriptor.as_ref().and_then(|storage| storage.location()).unwrap_or_default()
    }

    /// Whether it is read as a partition of the table should be.
    pub fn agrees(&self, table: &TableDefinition, kept: &Kept, partition: &Partition) -> bool {
        difference::is_same_partition(&input::partition(table, &kept.columns, partition), &self.0)
    }
}

/// Partitions by their values.
type FoundByValues = BTreeMap<Vec<String>, Found>;

fn values_of_all(partitions: &[Partition]) -> Vec<Vec<String>> {
    partitions.iter().map(|partition| partition.values.clone()).collect()
}

/// A partition that the catalog refuses, and why.
type Refusal = (Vec<String>, Option<ErrorDetail>);

fn value_list(values: &[String]) -> Result<PartitionValueList> {
    PartitionValueList::builder().set_values(Some(values.to_vec())).build().map_err(input::incomplete)
}

fn code(detail: Option<&ErrorDetail>) -> &str {
    detail.and_then(ErrorDetail::error_code).unwrap_or_default()
}

/// Whether the same request may succeed later.
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "ConcurrentModificationException"
            | "ThrottlingException"
            | "InternalServiceException"
            | "OperationTimeoutException"
            | "ResourceNotReadyException"
    )
}

fn refused(operation: &'static str, table: &str, values: &[String], detail: Option<&ErrorDetail>) -> Error {
    let message = detail.and_then(ErrorDetail::error_message).unwrap_or_default();
    Error::new(ErrorKind::Unavailable, operation)
        .with("table", table)
        .with("partition", values.join("/"))
        .with("code", code(detail))
        .with("message", message)
}

fn unsettled(table: &TableDefinition, values: &[String]) -> Error {
    Error::new(ErrorKind::Unavailable, "register partitions")
        .with("table", &table.name)
        .with("partition", values.join("/"))
        .retry(Retry::Later)
        .hint("the catalog puts it off again and again; another program may be changing the same partitions")
}
