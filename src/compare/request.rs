//! What is asked for: two sides, and how they are compared.

use crate::storage::S3Config;
use crate::text::ByteSize;
use etl_sdk::{Error, ErrorKind, Result};
use std::path::PathBuf;
use strum::{Display, EnumString, IntoStaticStr};

/// The least memory that a comparison works with.
const MIN_MEMORY: ByteSize = ByteSize::mib(32);

/// What is compared, and how.
#[derive(Clone, Debug)]
pub struct CompareRequest {
    /// A file, a folder or an `s3://` prefix; relative paths start from the current folder.
    pub left: String,
    /// As `left`.
    pub right: String,
    /// Columns whose values identify a row; at least one.
    pub key: Vec<String>,
    /// Of the rows of one key only the one with the greatest values of these columns counts; empty for all rows.
    pub latest: Vec<String>,
    /// Columns that are not compared, and `column.member` paths into nested ones.
    pub ignore: Vec<String>,
    /// Instants that are no further apart than this are equal: nanoseconds.
    pub time_tolerance_nanos: u64,
    /// Doubles that do not differ by more, relative to the greater one, are equal.
    pub number_tolerance: f64,
    /// Examples of each finding.
    pub examples: usize,
    /// Memory for sorting both sides; beyond it, rows spill to disk.
    pub memory: ByteSize,
    /// Folder for spilled rows; the system's temporary folder when absent.
    pub spill_folder: Option<PathBuf>,
    /// How `s3://` urls are reached.
    pub s3: S3Config,
}

impl Default for CompareRequest {
    fn default() -> Self {
        Self {
            left: String::new(),
            right: String::new(),
            key: Vec::new(),
            latest: Vec::new(),
            ignore: Vec::new(),
            time_tolerance_nanos: 0,
            number_tolerance: 0.0,
            examples: 3,
            memory: ByteSize::mib(512),
            spill_folder: None,
            s3: S3Config::default(),
        }
    }
}

/// A setting of the request that an error is about: the value of the error's fact `setting`. It is the name of the
/// request's field, so that whatever the request came from can say how to change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum CompareSetting {
    /// [`CompareRequest::key`]
    Key,
    /// [`CompareRequest::latest`]
    Latest,
    /// [`CompareRequest::memory`]
    Memory,
    /// [`CompareRequest::number_tolerance`]
    NumberTolerance,
}

impl CompareRequest {
    /// Fails with `Usage` for a request that cannot be met, whatever the sides hold.
    pub(super) fn check(&self) -> Result<()> {
        let wrong =
            |setting: CompareSetting, operation: &str| Error::new(ErrorKind::Usage, operation).with("setting", setting);
        if self.key.is_empty() || self.key.iter().any(String::is_empty) {
            return Err(wrong(CompareSetting::Key, "read the key columns")
                .hint("name the columns that identify a row, such as event_id"));
        }
        if self.memory < MIN_MEMORY {
            return Err(wrong(CompareSetting::Memory, "set the memory of the comparison")
                .with("value", self.memory)
                .hint(format!("at least {MIN_MEMORY}")));
        }
        if !(0.0..1.0).contains(&self.number_tolerance) {
            return Err(wrong(CompareSetting::NumberTolerance, "read the tolerance of numbers")
                .with("value", self.number_tolerance)
                .hint("a share such as 1e-9, below 1"));
        }
        Ok(())
    }
}

/// One of the two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::Left, Self::Right];

    pub(super) fn name(self) -> &'static str {
        self.into()
    }

    /// Where values of this side stand in a pair, the left one first.
    pub(super) fn index(self) -> usize {
        self as usize
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}
