//! Files that are written and not yet published.

use serde::{Deserialize, Serialize};

/// A file that is written and not yet published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Name of the table.
    pub table: String,
    /// The partition columns, outermost first.
    pub partition: Vec<PartitionValue>,
    /// Where it is and will be, and its length.
    pub pending: PendingFile,
    /// Number of rows.
    pub rows: u64,
}

/// A partition column and its value. In JSON it is a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(String, Option<String>)", into = "(String, Option<String>)")]
pub struct PartitionValue {
    /// Name of the column.
    pub name: String,
    /// Its value as text; `None` for a null or empty one.
    pub value: Option<String>,
}

impl From<(String, Option<String>)> for PartitionValue {
    fn from((name, value): (String, Option<String>)) -> Self {
        Self { name, value }
    }
}

impl From<PartitionValue> for (String, Option<String>) {
    fn from(partition: PartitionValue) -> Self {
        (partition.name, partition.value)
    }
}

/// A file of dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterFile {
    /// Where it is and will be, and its length.
    pub pending: PendingFile,
    /// Dead letters in it.
    pub count: u64,
}

/// A finished file that no reader sees yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingFile {
    /// Path under the sink's url once published: `event_v2/partition_app=shop/…/name.snappy.parquet`.
    pub path: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Where the bytes are until then.
    pub staged: Staged,
}

/// Where a pending file's bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Staged {
    /// A hidden file; the path is under the sink's folder.
    Hidden {
        /// Path under the sink's folder, its last part begins with a dot.
        path: String,
    },
    /// A multipart upload that is not completed.
    Upload {
        /// The store's id of the upload.
        upload_id: String,
        /// Content ids of the parts in order.
        parts: Vec<String>,
    },
}
