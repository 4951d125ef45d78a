//! What a commit's detail keeps for one of its targets.

use etl_sdk::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a target keeps of a commit: a value that the target alone writes and reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetRecord(Value);

impl TargetRecord {
    /// The record as the detail keeps it.
    pub fn new<T: Serialize>(record: &T) -> Result<Self> {
        let value = serde_json::to_value(record);
        value.map(Self).map_err(|error| Error::internal("write the record of a target").source(error))
    }

    /// The record as its target wrote it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.0).map_err(|error| {
            Error::config("read the record of a target")
                .source(error)
                .hint("a newer version of the program wrote it: use that one")
        })
    }
}
