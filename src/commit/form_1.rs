//! Form 1 of a commit's detail, in which manifests were the only target and had fields of their own.

use super::record::TargetRecord;
use etl_sdk::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The target that the fields belong to.
const MANIFESTS: &str = "manifests";

/// The fields that are not in the form of today.
#[derive(Deserialize)]
pub(super) struct FormOne {
    /// None in a detail that is older than manifests.
    manifests: Option<Value>,
    replaces: ReplacedOne,
}

#[derive(Deserialize)]
struct ReplacedOne {
    manifests: Vec<String>,
}

/// The record of the manifests, as their target reads it.
#[derive(Serialize)]
struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Value>,
    replaced: Vec<String>,
}

impl FormOne {
    /// The records of the targets, as a detail of today has them.
    pub(super) fn targets(self) -> Result<BTreeMap<String, TargetRecord>> {
        let record = TargetRecord::new(&Record { rules: self.manifests, replaced: self.replaces.manifests })?;
        Ok(BTreeMap::from([(MANIFESTS.to_owned(), record)]))
    }
}
