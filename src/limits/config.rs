//! The `limits` section of the job file.

use super::dead_letters::DeadLetterLimits;
use crate::storage::RetryConfig;
use crate::text::{ByteSize, Span};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// The least memory that sorting works with.
pub const MIN_MEMORY: ByteSize = ByteSize::mib(8);

/// Bounds and resources.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// More dead letters than this make the run fail with exit code 3 and publish nothing: a share of all records and
    /// elements read (`5%`) or a count (`1000`), for all of them or also by reason:
    /// `{all: 5%, reasons: {not_json: 100, wrong_type: 1%}}`. A damaged object counts as the records that it has
    /// probably lost. `100%` never refuses. Default: `5%`, and a single dead letter beside a good record passes.
    #[schemars(default = "DeadLetterLimits::default_text")]
    pub dead_letters: DeadLetterLimits,
    /// Memory for sorting and merging; beyond it, rows spill to disk. Default: `128MiB`, and an eighth of
    /// what the process may take where that is less.
    pub memory: ByteSize,
    /// What the process may take in all, whatever the command. Threads and `memory` are lowered to fit, and what comes near
    /// it all the same is stopped with an error. Default: the container's limit (cgroup); without one `1GiB`, or what
    /// `threads` and `memory` need when that is more. Example: `2GiB`
    pub memory_total: Option<ByteSize>,
    /// Worker threads. Default: one per core.
    pub threads: Option<usize>,
    /// Folder for spilled rows. Default: the system's temporary folder.
    pub spill_folder: Option<PathBuf>,
    /// Longest record, after decompression. A longer one is a dead letter. Default: `32MiB`.
    pub record_bytes: ByteSize,
    /// Most decompressed bytes of one object; what lies beyond is one dead letter. Default: `16GiB`.
    pub object_bytes: ByteSize,
    /// Most decompressed bytes per compressed byte, once 64 MiB are decompressed; what lies beyond is one dead letter.
    /// Default: `200`.
    pub expansion_ratio: u32,
    /// Largest window that a zstd frame may ask for (`zstd --long`); a reader holds one. A frame that asks for more is one
    /// dead letter, and what lies beyond it is not read. Default: `128MiB`.
    pub zstd_window: ByteSize,
    /// Deepest nesting of a record. Default: `200`.
    pub depth: u32,
    /// Most bytes that a SQL step or condition may make of one row, in one function and in all columns that it adds. A row
    /// beyond it is a dead letter (`sql_failed`), and does not meet a condition. Default: `32MiB`.
    pub sql_row_bytes: ByteSize,
    /// Most objects a window may select; more is an error that names the count. Default: `1000000`.
    pub objects: u64,
    /// Most partitions that one run may make of a table; more is an error that names the partition columns and how many
    /// values they have. Default: `10000`.
    pub partitions: u64,
    /// Input bytes (estimated after decompression) that one task takes at most. A task is what is done, or done again,
    /// as a whole; each writes its own files. Default: `192MiB`.
    pub task_bytes: ByteSize,
    /// How long a command waits in all for each listener of `status`, `notify` and `metrics` that does not answer or fails.
    /// Then it is not asked any more. Default: `5s`.
    pub listeners: Span,
    /// How often and how long a failing call of a bucket is tried again. Default: 10 attempts within `2m`.
    pub retry: RetryConfig,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            dead_letters: DeadLetterLimits::default(),
            memory: ByteSize::mib(128),
            memory_total: None,
            threads: None,
            spill_folder: None,
            record_bytes: ByteSize::mib(32),
            object_bytes: ByteSize::mib(16 << 10),
            expansion_ratio: 200,
            zstd_window: ByteSize::mib(128),
            depth: 200,
            sql_row_bytes: ByteSize::mib(32),
            objects: 1_000_000,
            partitions: 10_000,
            task_bytes: ByteSize::mib(192),
            listeners: Span { seconds: 5 },
            retry: RetryConfig::default(),
        }
    }
}
