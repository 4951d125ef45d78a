//! Pending files of a folder: hidden files on the same volume, renamed into place.
//!
//! All of them lie in one folder, `.pending`, and their names begin with a dot too. Spark, Hive, Athena and pyarrow skip
//! names that begin with a dot or underscore; a `DuckDB` glob for `*.parquet` does not match the names' ending. Lying beside
//! their final places they would leave empty partition folders behind when a run is given up, and a catalog that looks
//! for partitions would register those.

use super::found::{PendingFound, hidden_name, path_of_hidden, run_of};
use super::path::check_path;
use super::pending::{PendingStore, PendingWriter};
use super::staged::{PendingFile, Staged};
use crate::storage::disk::disk_error;
use etl_sdk::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const HIDDEN_FOLDER: &str = ".pending";
pub(super) struct FolderStore {
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    /// Tells the hidden files of two runners of the same task apart; it is in no name that is published.
    token: u64,
    count: AtomicU64,
}

impl FolderStore {
    pub(super) fn new(root: PathBuf) -> Self {
        let token = RandomState::new().hash_one(std::process::id());
        Self { shared: Arc::new(Shared { root, token, count: AtomicU64::new(0) }) }
    }
}

impl Shared {
    fn hidden_path(&self, path: &str) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{HIDDEN_FOLDER}/{}", hidden_name(path, self.token, count))
    }

    fn create_hidden(&self, hidden: &str) -> io::Result<File> {
        let folder = self.root.join(HIDDEN_FOLDER);
        let mut tries = 0;
        loop {
            let fresh = !folder.is_dir();
            fs::create_dir_all(&folder)?;
            if fresh {
                sync_folder(&self.root)?;
            }
            match OpenOptions::new().write(true).create_new(true).open(self.root.join(hidden)) {
                // Somebody who published the last pending file has just removed the empty folder.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < 100 => tries += 1,
                result => return result,
            }
        }
    }

    fn remove_hidden_folder_if_empty(&self) {
        // Refused by the system when another file is in it, which is what we want.
        let _ = fs::remove_dir(self.root.join(HIDDEN_FOLDER));
    }

    fn staged_path(&self, file: &PendingFile) -> Result<PathBuf> {
        let wrong = || Error::internal("find a pending file").with("path", &file.path);
        let Staged::Hidden { path } = &file.staged else {
            return Err(wrong().with("problem", "it is an upload, the sink is a folder"));
        };
        check_path(path)?;
        match path.split_once('/') {
            Some((HIDDEN_FOLDER, name)) if name.starts_with('.') && !name.contains('/') => Ok(self.root.join(path)),
            _ => Err(wrong().with("staged", path).with("problem", "it is not a hidden file")),
        }
    }
}

impl PendingStore for FolderStore {
    fn create(&self, path: &str) -> Result<Box<dyn PendingWriter>> {
        check_path(path)?;
        let hidden = self.shared.hidden_path(path);
        let file =
            self.shared.create_hidden(&hidden).map_err(|error| disk_error("create a pending file", path, error))?;
        Ok(Box::new(FolderWriter {
            shared: Arc::clone(&self.shared),
            path: path.to_owned(),
            hidden,
            file,
            bytes: 0,
            finished: false,
        }))
    }

    fn publish(&self, file: &PendingFile) -> Result<()> {
        check_path(&file.path)?;
        let staged = self.shared.staged_path(file)?;
        let target = self.shared.root.join(&file.path);
        publish(&self.shared.root, &staged, &target, file.bytes)
            .map_err(|error| disk_error("publish a file", &file.path, error))?;
        self.shared.remove_hidden_folder_if_empty();
        Ok(())
    }

    fn abandon(&self, file: &PendingFile) -> Result<()> {
        let staged = self.shared.staged_path(file)?;
        match fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(disk_error("abandon a pending file", &file.path, error))
            }
            _ => {
                self.shared.remove_hidden_folder_if_empty();
                Ok(())
            }
        }
    }

    fn pending(&self) -> Result<Vec<PendingFound>> {
        let folder = self.shared.root.join(HIDDEN_FOLDER);
        list(&folder).map_err(|error| disk_error("list pending files", HIDDEN_FOLDER, error))
    }

    fn exists(&self, files: &[&PendingFile]) -> Result<Vec<bool>> {
        // A look at a name is as cheap as an entry of a listing.
        let is_there = |file: &&PendingFile| {
            let staged = self.shared.staged_path(file)?;
            match fs::metadata(staged) {
                Ok(metadata) => Ok(metadata.is_file() && metadata.len() == file.bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(disk_error("look for a pending file", &file.path, error)),
            }
        };
        files.iter().map(is_there).collect()
    }

    fn remove(&self, path: &str) -> Result<()> {
        check_path(path)?;
        remove(&self.shared.root, path).map_err(|error| disk_error("remove a replaced file", path, error))
    }
}

/// The hidden files of a folder, sorted by name; none when there is no folder.
fn list(folder: &Path) -> io::Result<Vec<PendingFound>> {
    let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let entries = match fs::read_dir(folder) {
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Some(path) = path_of_hidden(&name) else { continue };
        let metadata = match entry.metadata() {
            Err(error) if is_gone(&error) => continue,
            metadata => metadata?,
        };
        if !metadata.is_file() {
            continue;
        }
        found.push(PendingFound {
            run: run_of(&path),
            path,
            staged: Staged::Hidden { path: format!("{HIDDEN_FOLDER}/{name}") },
            bytes: Some(metadata.len()),
            modified: metadata.modified()?.into(),
        });
    }
    found.sort_unstable_by(|left, right| left.path.cmp(&right.path).then(left.modified.cmp(&right.modified)));
    Ok(found)
}

/// Removes a file and then, up to the root, the folders that it leaves empty.
fn remove(root: &Path, path: &str) -> io::Result<()> {
    let file = root.join(path);
    match fs::remove_file(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for folder in file.ancestors().skip(1).take_while(|folder| *folder != root) {
        // Refused by the system when something is in it, which is what we want.
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

fn publish(root: &Path, staged: &Path, target: &Path, bytes: u64) -> io::Result<()> {
    let folder = target.parent().unwrap_or(root);
    // A rename takes the hidden file away, so a hidden file that is still there was never published.
    if !staged.try_exists()? {
        let length = fs::metadata(target).map(|metadata| metadata.len());
        return match length {
            Ok(length) if length == bytes => sync_folder(folder),
            Ok(length) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("the pending file is gone and the published one has {length} bytes instead of {bytes}"),
            )),
            Err(error) => Err(error),
        };
    }
    let mut changed = vec![folder];
    while let Some(parent) = changed.last().filter(|folder| !folder.exists()).and_then(|folder| folder.parent()) {
        changed.push(parent);
    }
    let mut tries = 0;
    loop {
        fs::create_dir_all(folder)?;
        match fs::rename(staged, target) {
            // Somebody who removed a replaced file has just removed the folder it left empty.
            Err(error) if error.kind() == io::ErrorKind::NotFound && staged.try_exists()? && tries < 100 => tries += 1,
            result => break result?,
        }
    }
    changed.into_iter().try_for_each(sync_folder)
}

/// Makes the names in a folder durable.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

struct FolderWriter {
    shared: Arc<Shared>,
    path: String,
    hidden: String,
    file: File,
    bytes: u64,
    finished: bool,
}

impl io::Write for FolderWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PendingWriter for FolderWriter {
    fn finish(mut self: Box<Self>) -> Result<PendingFile> {
        // The name must last as well as the bytes: a commit record is about to count on both.
        self.file
            .sync_all()
            .and_then(|()| sync_folder(&self.shared.root.join(HIDDEN_FOLDER)))
            .map_err(|error| disk_error("make a pending file durable", &self.path, error))?;
        self.finished = true;
        Ok(PendingFile {
            path: std::mem::take(&mut self.path),
            bytes: self.bytes,
            staged: Staged::Hidden { path: std::mem::take(&mut self.hidden) },
        })
    }
}

impl Drop for FolderWriter {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(self.shared.root.join(&self.hidden));
            self.shared.remove_hidden_folder_if_empty();
        }
    }
}
