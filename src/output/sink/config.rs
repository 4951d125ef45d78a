//! The `sink` section of the job file.

use crate::storage::S3Config;
use crate::text::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the tables go.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SinkConfig {
    /// A folder, `file:///folder` or `s3://bucket/prefix`; each table is a folder in it.
    pub url: String,
    /// How to reach an `s3://` url.
    #[serde(default)]
    pub s3: S3Config,
    /// Format of the files. Default: `parquet`.
    #[serde(default)]
    pub format: Format,
    /// Compression of Parquet pages. Default: `snappy`.
    #[serde(default)]
    pub compression: Compression,
    /// A file is closed and the next one begun when it has about this size. Default: `256MiB`.
    #[serde(default = "default_target_file_size")]
    pub target_file_size: ByteSize,
    /// Most rows of a Parquet row group. Default: `262144`.
    #[serde(default = "default_row_group_rows")]
    pub row_group_rows: usize,
    /// Most encoded bytes of a Parquet row group held in memory, over all open files of a worker. Default: `64MiB`.
    #[serde(default = "default_row_group_bytes")]
    pub row_group_bytes: ByteSize,
    /// Most files a worker writes at once. Rows of further partitions are spilled, sorted, and written at the task's end
    /// one partition after the other. Default: `16`.
    #[serde(default = "default_max_open_writers")]
    pub max_open_writers: usize,
}

/// Format of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Columns, compressed.
    #[default]
    Parquet,
    /// One JSON object per line, uncompressed; for looking at.
    Json,
}

/// Compression of Parquet pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Read by everything.
    #[default]
    Snappy,
    /// About a third smaller than snappy, as fast to write (level 1).
    Zstd,
}

fn default_target_file_size() -> ByteSize {
    ByteSize::mib(256)
}

fn default_row_group_rows() -> usize {
    262_144
}

fn default_row_group_bytes() -> ByteSize {
    ByteSize::mib(64)
}

fn default_max_open_writers() -> usize {
    16
}
