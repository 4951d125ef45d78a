//! Pending files: complete, durable, and invisible to every reader until they are published.
//!
//! On S3 a pending file is a multipart upload whose parts are sent but which is not completed; in a folder it is a
//! hidden file on the same volume. Publishing copies nothing.

use etl_sdk::Result;
use serde::{Deserialize, Serialize};
use std::io;

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

/// Where pending files are made, published and abandoned.
pub trait PendingStore: Send + Sync {
    /// Begins a file that will be at `path` (under the sink's url) once published.
    fn create(&self, path: &str) -> Result<Box<dyn PendingWriter>>;

    /// Makes a file visible. Repeatable: a file that is already published with this length is left alone.
    fn publish(&self, file: &PendingFile) -> Result<()>;

    /// Gives up a file. Repeatable.
    fn abandon(&self, file: &PendingFile) -> Result<()>;
}

/// Writes one pending file. Dropped without [`PendingWriter::finish`], it leaves nothing behind.
pub trait PendingWriter: io::Write + Send {
    /// Makes the bytes durable and describes the file.
    fn finish(self: Box<Self>) -> Result<PendingFile>;
}
