//! What a commit keeps about its manifests.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How manifests are made of files. A commit keeps it, so that whoever publishes the commit writes the same ones,
/// whatever the job file says by then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestRules {
    /// Whether there are COPY manifests.
    pub copy: bool,
    /// Whether there is a list of partitions.
    pub partitions: bool,
    /// Partition columns whose values get manifests of their own, by table; a table that is not in it has none.
    pub per: BTreeMap<String, Vec<String>>,
    /// Most files of one manifest; at least 1.
    pub files: u32,
    /// Most bytes of the files of one manifest, unless one file alone has more.
    pub bytes: u64,
}
