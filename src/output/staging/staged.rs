//! Files that are written and not yet published.

use serde::{Deserialize, Serialize};

/// A file that is written and not yet published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Name of the table.
    pub table: String,
    /// Names and values of the partition columns, outermost first; `None` for a null or empty value.
    pub partition: Vec<(String, Option<String>)>,
    /// Where it is and will be, and its length.
    pub pending: PendingFile,
    /// Number of rows.
    pub rows: u64,
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
