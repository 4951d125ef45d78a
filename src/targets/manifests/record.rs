//! What a commit keeps for its manifests.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a commit's detail keeps of its manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestRecord {
    /// How its files become manifests; none in a commit that is older than manifests.
    #[serde(default)]
    pub rules: ManifestRules,
    /// Paths under the sink's url of what the commits that it replaces announced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<String>,
}

/// How manifests are made of files.
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
