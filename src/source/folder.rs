//! Listing a folder of this machine. The walk is our own: it never follows a link to a folder, opens nothing, and
//! one name it cannot use does not stop it.

use super::select::{Found, Listing, Selection, skip};
use crate::process::usage::metered;
use crate::storage::Storage;
use crate::storage::disk::disk_error;
use chrono::{DateTime, Utc};
use etl_sdk::{Error, Result};
use object_store::path::Path as ObjectPath;
use std::fs::{DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Lists the prefixes below `root`, which must exist; the prefixes need not.
pub(super) async fn list(root: PathBuf, prefixes: Vec<String>, selection: Arc<Selection>) -> Result<Listing> {
    tokio::task::spawn_blocking(metered(move || walk(&root, &prefixes, &selection)))
        .await
        .map_err(|error| Error::internal("list the source").source(error))?
}

fn walk(root: &Path, prefixes: &[String], selection: &Selection) -> Result<Listing> {
    match std::fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(failed(root, io::Error::from(io::ErrorKind::NotADirectory))),
        Err(error) => return Err(failed(root, error)),
    }
    let mut listing = Listing::default();
    for prefix in prefixes {
        let mut folders = vec![root.join(prefix)];
        while let Some(folder) = folders.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                // Gone since its parent was read, or an hour in which nothing came.
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    continue;
                }
                Err(error) => return Err(failed(&folder, error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| failed(&folder, error))?;
                visit(root, &entry, selection, &mut listing, &mut folders)?;
            }
        }
    }
    Ok(listing)
}

fn visit(
    root: &Path,
    entry: &DirEntry,
    selection: &Selection,
    listing: &mut Listing,
    folders: &mut Vec<PathBuf>,
) -> Result<()> {
    let path = entry.path();
    let kind = entry.file_type().map_err(|error| failed(&path, error))?;
    if kind.is_dir() {
        if matches!(entry.file_name().as_encoded_bytes().first(), Some(b'_' | b'.')) {
            listing.skip(skip::HIDDEN_NAME, 0);
        } else {
            folders.push(path);
        }
        return Ok(());
    }
    let metadata = match std::fs::metadata(&path) {
        Ok(metadata) => metadata,
        // Deleted since the folder was read, or a link to nowhere or to itself.
        Err(_) if kind.is_symlink() => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(&path, error)),
    };
    if !metadata.is_file() {
        listing.skip(if metadata.is_dir() { skip::LINKED_FOLDER } else { skip::NOT_A_FILE }, 0);
        return Ok(());
    }
    let key = path.strip_prefix(root).ok().and_then(Path::to_str);
    let (Some(key), Ok(location)) = (key, ObjectPath::from_absolute_path(&path)) else {
        listing.skip(skip::UNREADABLE_NAME, metadata.len());
        return Ok(());
    };
    let modified = metadata.modified().map_err(|error| failed(&path, error))?;
    let found = Found {
        path: location,
        etag: Some(etag(&metadata)),
        size: metadata.len(),
        modified: DateTime::<Utc>::from(modified),
    };
    selection.sort_out(key, found, listing)
}

/// A version marker for a file, in the form the local object store gives too: inode, microseconds, length.
pub(super) fn etag(metadata: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    let modified = metadata.modified().ok().and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    let micros = modified.unwrap_or_default().as_micros();
    format!("{:x}-{micros:x}-{:x}", metadata.ino(), metadata.len())
}

/// The file behind a store path.
pub(super) fn file_of(storage: &Storage, path: &ObjectPath) -> PathBuf {
    // Store paths of folders are relative to the root of the file system and hold names as they are.
    PathBuf::from(storage.uri_of(path))
}

/// An error of the file system in our words.
pub(super) fn failed(path: &Path, error: io::Error) -> Error {
    disk_error("read the source", &path.display().to_string(), error)
}
