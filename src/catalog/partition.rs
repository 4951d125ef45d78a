//! Partitions of a table in a catalog.

use crate::output::sink::hive;
use crate::output::staging::PartitionValue;

/// A partition of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition {
    /// The values of the partition columns, outermost first, as the catalog has them: decoded, and Hive's word for null.
    pub values: Vec<String>,
    /// Where it is, with a slash at the end.
    pub location: String,
}

/// The values of a partition as a catalog has them.
pub fn values_of(partition: &[PartitionValue]) -> Vec<String> {
    let value = |part: &PartitionValue| part.value.clone().unwrap_or_else(|| hive::NULL_VALUE.to_owned());
    partition.iter().map(value).collect()
}
