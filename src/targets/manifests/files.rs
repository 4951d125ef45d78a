//! The files of a commit as manifests need them, and where they are.

use crate::commit::CommitDetail;
use crate::output::sink::hive;
use crate::output::staging::{PartitionValue, WrittenFile};

/// Folder of the manifests and partition lists under the sink's url. Readers of tables skip it: it begins with `_`.
pub const FOLDER: &str = "_manifests";

/// A commit's files as manifests need them.
#[derive(Clone, Debug)]
pub struct ManifestInput<'a> {
    /// Name of the run with its revision and amendment; part of the objects' names.
    pub name: &'a str,
    /// Where the files are, as [`location_of`] gives it: a warehouse reads `<location>/<path>`.
    pub location: &'a str,
    /// The files that the commit publishes.
    pub added: Vec<CommitFile<'a>>,
    /// The files that it replaces: they are gone once it is published.
    pub removed: Vec<CommitFile<'a>>,
}

/// A file of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitFile<'a> {
    /// Name of the table.
    pub table: &'a str,
    /// The partition columns, outermost first.
    pub partition: &'a [PartitionValue],
    /// Path under the sink's url: `<table>/<partition>/<name>`.
    pub path: &'a str,
    /// Length in bytes.
    pub bytes: u64,
    /// Number of rows.
    pub rows: u64,
}

/// An object to write under the sink's url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestObject {
    /// Path under the sink's url.
    pub path: String,
    /// Content.
    pub bytes: Vec<u8>,
}

impl<'a> ManifestInput<'a> {
    /// The files of a commit; `location` is [`location_of`] its sink.
    pub fn of(detail: &'a CommitDetail, location: &'a str) -> Self {
        let removed = detail.replaces.files.iter().map(|file| CommitFile {
            table: &file.table,
            partition: &file.partition,
            path: &file.path,
            bytes: 0,
            rows: 0,
        });
        Self {
            name: &detail.name,
            location,
            added: detail.files.iter().map(CommitFile::from).collect(),
            removed: removed.collect(),
        }
    }
}

impl<'a> From<&'a WrittenFile> for CommitFile<'a> {
    fn from(file: &'a WrittenFile) -> Self {
        Self {
            table: &file.table,
            partition: &file.partition,
            path: &file.pending.path,
            bytes: file.pending.bytes,
            rows: file.rows,
        }
    }
}

impl CommitFile<'_> {
    /// The partition's folder under the sink's url, as it is written: `<table>/<name>=<value>/…`.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// Where the files of a sink, given by [`crate::storage::Storage::url`], are for their readers: `s3://bucket/prefix`, or
/// `file://` and the absolute path of a folder, which is of use for tests only, since no warehouse reads this machine's
/// files. Paths in it are as they are, not percent-encoded: that is how a warehouse takes them.
pub fn location_of(sink: &str) -> String {
    if sink.starts_with("s3://") { sink.to_owned() } else { format!("file://{sink}") }
}

/// Appends a value as a part of a path below [`FOLDER`]. Different values give different parts, and none is hidden, leaves
/// the folder or has a further part: what Hive escapes is escaped, and a dot or underscore at the beginning as well.
/// So no text looks like the stand-in for null, which begins with two.
pub fn push_folder(path: &mut String, value: Option<&str>) {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        path.push_str(hive::NULL_VALUE);
        return;
    };
    let rest = match value.strip_prefix(['.', '_']) {
        Some(rest) => {
            path.push_str(if value.starts_with('.') { "%2E" } else { "%5F" });
            rest
        }
        None => value,
    };
    hive::escape(rest, path);
}
