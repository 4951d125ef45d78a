//! The files of a side: one file, or all below a folder or prefix that readers of tables see.

use crate::compare::request::Side;
use crate::output::sink::partition_values;
use crate::output::staging::PartitionValue;
use crate::storage::{Storage, store_error};
use etl_sdk::{Error, ErrorKind, Result};
use futures::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStoreExt};
use std::collections::BTreeSet;
use strum::IntoStaticStr;

/// Files that a side may have.
const MAX_FILES: usize = 1_000_000;

/// Folders that an error lists.
const LISTED: usize = 10;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr)]
pub(super) enum FileForm {
    /// Parquet.
    #[strum(serialize = "parquet")]
    Parquet,
    /// JSON lines, compressed or not.
    #[strum(serialize = "json")]
    Lines,
}

impl FileForm {
    /// For a person, and for the report.
    pub(super) fn name(self) -> &'static str {
        self.into()
    }
}

/// A file of a side.
#[derive(Clone, Debug)]
pub(super) struct DataFile {
    pub(super) meta: ObjectMeta,
    pub(super) form: FileForm,
    /// The folders `name=value` on the way to it.
    pub(super) partition: Vec<PartitionValue>,
}

/// Lists the files of a side, sorted by path.
///
/// Fails with `Usage` when there is none, or when the folder holds several tables.
pub(super) async fn list(storage: &Storage, side: Side) -> Result<Vec<DataFile>> {
    let failed = |error| store_error("list the files", storage.url(), error).with("side", side.name());
    let mut files = Vec::new();
    if let Some(meta) = single(storage).await.map_err(failed)? {
        let form = form_of(storage, &meta).await?;
        files.push(DataFile { meta, form, partition: Vec::new() });
        return Ok(files);
    }
    let mut passed = 0;
    let mut tables = BTreeSet::new();
    let mut listing = storage.store().list(Some(storage.prefix()));
    while let Some(meta) = listing.try_next().await.map_err(failed)? {
        let Some(below) = meta.location.as_ref().strip_prefix(storage.prefix().as_ref()) else { continue };
        let below = below.trim_start_matches('/');
        // Spark's and Hive's rule for what is not data.
        let hidden = |part: &str| part.starts_with('.') || (part.starts_with('_') && !part.contains('='));
        if below.split('/').any(hidden) || meta.size == 0 {
            passed += 1;
            continue;
        }
        let (folders, _) = below.rsplit_once('/').unwrap_or(("", below));
        let plain = folders.split('/').find(|part| !part.is_empty() && !part.contains('='));
        tables.insert(plain.unwrap_or_default().to_owned());
        let partition = partition_values(folders);
        let form = form_of(storage, &meta).await?;
        files.push(DataFile { meta, form, partition });
        if files.len() > MAX_FILES {
            return Err(Error::new(ErrorKind::Limit, "list the files")
                .with("side", side.name())
                .with("in", storage.url())
                .with("max", MAX_FILES)
                .hint("name a folder further down"));
        }
    }
    if files.is_empty() {
        return Err(nothing(storage, side, passed));
    }
    if tables.len() > 1 {
        return Err(several(storage, side, &tables));
    }
    files.sort_by(|one, other| one.meta.location.cmp(&other.meta.location));
    Ok(files)
}

/// The one file or object that the url names, if it names one.
async fn single(storage: &Storage) -> Result<Option<ObjectMeta>, object_store::Error> {
    if storage.prefix().as_ref().is_empty() {
        return Ok(None);
    }
    if storage.folder().is_some_and(|path| !path.is_file()) {
        return Ok(None);
    }
    match storage.store().head(storage.prefix()).await {
        // A key that ends a prefix is how consoles show an empty folder.
        Ok(meta) if meta.size > 0 => Ok(Some(meta)),
        Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn nothing(storage: &Storage, side: Side, passed: u64) -> Error {
    let error = Error::new(ErrorKind::Usage, "find the files of a side")
        .with("side", side.name())
        .with("nothing in", storage.url());
    let is_there = storage.folder().is_none_or(std::path::Path::exists);
    match (is_there, passed) {
        (false, _) => error.hint("there is no such file or folder"),
        (true, 0) => error.hint("check the path: a file, a folder or a prefix with Parquet or JSON lines"),
        (true, _) => error.with("hidden or empty", passed).hint("files below names with `_` or `.` are not read"),
    }
}

fn several(storage: &Storage, side: Side, tables: &BTreeSet<String>) -> Error {
    let names: Vec<&str> = tables.iter().filter(|name| !name.is_empty()).map(String::as_str).collect();
    let more = if names.len() > LISTED { ", …" } else { "" };
    Error::new(ErrorKind::Usage, "find the table of a side")
        .with("side", side.name())
        .with("in", storage.url())
        .with("folders", format!("{}{more}", names[..names.len().min(LISTED)].join(", ")))
        .hint(format!("compare one table at a time: {}/{}", storage.url(), names.first().unwrap_or(&"TABLE")))
}

/// Names say what a file holds; where they do not, its first bytes do.
async fn form_of(storage: &Storage, meta: &ObjectMeta) -> Result<FileForm> {
    const LINES: [&str; 3] = [".json", ".jsonl", ".ndjson"];
    let name = meta.location.filename().unwrap_or_default().to_ascii_lowercase();
    if name.ends_with(".parquet") {
        return Ok(FileForm::Parquet);
    }
    let stem = [".gz", ".zst", ".bz2"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
    if LINES.iter().any(|ending| stem.ends_with(ending)) || meta.size < 8 {
        return Ok(FileForm::Lines);
    }
    let uri = storage.uri_of(&meta.location);
    let start = storage.store().get_range(&meta.location, 0..4).await;
    let start = start.map_err(|error| store_error("read the file", &uri, error))?;
    Ok(if start.as_ref() == b"PAR1" { FileForm::Parquet } else { FileForm::Lines })
}

/// The path of a file, for errors.
pub(super) fn uri(storage: &Storage, path: &ObjectPath) -> String {
    storage.uri_of(path)
}
