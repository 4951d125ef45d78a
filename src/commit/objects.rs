//! The state's objects: created only if absent, read, listed, removed. Works alike on a folder and in a bucket.

use super::decoded::Decoded;
use crate::process::clock::Clock;
use crate::process::stop::{SETTLING, Stop};
use crate::process::workers;
use crate::storage::disk::disk_error;
use crate::storage::retry::persist;
use crate::storage::{RetryConfig, Storage, store_error};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use etl_sdk::{Error, ErrorKind, Result};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;

/// Objects read at the same time.
const READING: usize = 16;

/// What is written to learn the time of the store.
const CLOCK: &str = "clock";

/// Files made durable at the same time.
const SYNCING: usize = 8;

/// Largest object of the state that is read: a list of a million files is smaller.
const MAX_BYTES: u64 = 2 << 30;

/// The objects below one prefix. Calls block: they belong on plain threads, never in async code.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    uri: String,
    /// Set for a folder, where a new name lasts only once its folder is synced.
    root: Option<PathBuf>,
    runtime: Handle,
    stop: Stop,
    clock: Clock,
    retry: RetryConfig,
    /// What [`Self::put`] has written and not made durable yet, when that is put off.
    unsettled: Option<Arc<Mutex<BTreeSet<String>>>>,
    decoded: Decoded,
}

/// An object as the store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Path below the prefix.
    pub path: String,
    /// Length in bytes.
    pub bytes: u64,
    /// When it was written.
    pub modified: DateTime<Utc>,
}

impl Objects {
    /// The objects of `job` below the state's url. Once `stop` is set no call takes much longer. `clock` tells when entries
    /// and leases are written.
    pub fn new(state: &Storage, job: &str, runtime: Handle, stop: &Stop, clock: Clock) -> Self {
        let prefix = state.prefix().clone().join(job);
        let root = state.folder().map(|_| PathBuf::from(format!("/{prefix}")));
        Self {
            store: Arc::clone(state.store_once()),
            uri: state.uri_of(&prefix),
            prefix,
            root,
            runtime,
            stop: stop.clone(),
            clock,
            retry: *state.retry(),
            unsettled: None,
            decoded: Decoded::default(),
        }
    }

    /// Objects of any store, for tests.
    #[cfg(test)]
    pub(crate) fn over(store: Arc<dyn ObjectStore>, runtime: Handle) -> Self {
        Self {
            store,
            prefix: ObjectPath::from("state"),
            uri: "memory:".to_owned(),
            root: None,
            runtime,
            stop: Stop::default(),
            clock: Clock::system(),
            // A runner that was killed must not try again.
            retry: RetryConfig { attempts: 1, ..RetryConfig::default() },
            unsettled: None,
            decoded: Decoded::default(),
        }
    }

    /// Those of small Parquet objects whose rows were read before.
    pub(super) fn decoded(&self) -> &Decoded {
        &self.decoded
    }

    /// Tells when something is written.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The time now by the clock of the store: when it says that an object was written which is written for that.
    pub fn store_clock(&self) -> Result<DateTime<Utc>> {
        let key = self.key(CLOCK);
        self.run(|| async {
            let error = |error| self.error("ask the store for the time", CLOCK, error);
            self.store.put(&key, Bytes::new().into()).await.map_err(error)?;
            // Somebody else may have written it since: then that is the time.
            Ok(self.store.head(&key).await.map_err(error)?.last_modified)
        })
    }

    /// What a person would paste to find an object.
    pub fn uri_of(&self, path: &str) -> String {
        format!("{}/{path}", self.uri)
    }

    /// The same objects for one run, whose [`Self::put`] may be lost in a power failure until [`Self::settle`] is called:
    /// what a commit is about to name is made durable at once, and not one object after the other.
    #[must_use]
    pub fn unsettled(&self) -> Self {
        Self { unsettled: Some(Arc::default()), ..self.clone() }
    }

    /// Makes durable what was put since the last call. Nothing may refer to it before.
    pub fn settle(&self) -> Result<()> {
        let Some(unsettled) = &self.unsettled else { return Ok(()) };
        let paths = std::mem::take(&mut *unsettled.lock().unwrap_or_else(PoisonError::into_inner));
        let (Some(root), false) = (&self.root, paths.is_empty()) else { return Ok(()) };
        let files: Vec<PathBuf> = paths.iter().map(|path| root.join(path)).collect();
        let folders: BTreeSet<PathBuf> = files.iter().filter_map(|file| Some(file.parent()?.to_owned())).collect();
        // Side by side: a file system makes what is asked for at the same time durable in one go.
        sync_all(&files)?;
        sync_all(&folders.into_iter().collect::<Vec<_>>())
    }

    /// Creates an object that serves only those who are alive: a power failure may take it.
    pub fn create_passing(&self, path: &str, bytes: impl Into<Bytes>) -> Result<bool> {
        self.create_only(path, &bytes.into())
    }

    /// Writes such an object, whether or not there is one.
    pub fn put_passing(&self, path: &str, bytes: impl Into<Bytes>) -> Result<()> {
        self.put_only(path, &bytes.into())
    }

    /// Creates an object; `false` when there is one already, which is left alone.
    pub fn create(&self, path: &str, bytes: impl Into<Bytes>) -> Result<bool> {
        let created = self.create_only(path, &bytes.into())?;
        if created {
            self.make_durable(path)?;
        }
        Ok(created)
    }

    fn create_only(&self, path: &str, bytes: &Bytes) -> Result<bool> {
        let key = self.key(path);
        self.run(|| async {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            match self.store.put_opts(&key, bytes.clone().into(), options).await {
                Ok(_) => Ok(true),
                // When the answer to an earlier attempt was lost, what is there is ours.
                Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                    match self.fetch(path).await? {
                        Some(found) => Ok(found == *bytes),
                        // Another one is being created, or is gone again.
                        None => Err(Error::new(ErrorKind::Unavailable, "create an object of the state")
                            .with("uri", self.uri_of(path))
                            .source("the store says that there is one, and gives none")),
                    }
                }
                Err(error) => Err(self.error("create an object of the state", path, error)),
            }
        })
    }

    /// Writes an object, whether or not there is one.
    pub fn put(&self, path: &str, bytes: impl Into<Bytes>) -> Result<()> {
        self.put_only(path, &bytes.into())?;
        let Some(unsettled) = &self.unsettled else { return self.make_durable(path) };
        unsettled.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        Ok(())
    }

    fn put_only(&self, path: &str, bytes: &Bytes) -> Result<()> {
        let key = self.key(path);
        self.run(|| async {
            let put = self.store.put(&key, bytes.clone().into()).await;
            put.map(|_| ()).map_err(|error| self.error("write an object of the state", path, error))
        })
    }

    /// The bytes of an object; `None` when there is none.
    pub fn get(&self, path: &str) -> Result<Option<Bytes>> {
        self.run(|| self.fetch(path))
    }

    /// The bytes of several objects, in order.
    pub fn get_all(&self, paths: &[String]) -> Result<Vec<Option<Bytes>>> {
        let calm = Stop::default();
        let fetched = stream::iter(paths).map(|path| persist(&self.retry, &calm, move || self.fetch(path)));
        let all = fetched.buffered(READING).try_collect();
        self.runtime.block_on(self.stop.unless_past(SETTLING, all))
    }

    /// The objects below `folder` (without a slash at its end), sorted by path; only those after `after`, if it is given.
    pub fn list(&self, folder: &str, after: Option<&str>) -> Result<Vec<Listed>> {
        let key = if folder.is_empty() { self.prefix.clone() } else { self.key(folder) };
        let after = after.map(|after| self.key(after));
        let mut found: Vec<_> = self.run(|| async {
            let found = match &after {
                None => self.store.list(Some(&key)),
                Some(after) => self.store.list_with_offset(Some(&key), after),
            };
            match found.try_collect().await {
                Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
                result => result.map_err(|error| self.error("list the state", folder, error)),
            }
        })?;
        found.sort_unstable_by(|left, right| left.location.as_ref().cmp(right.location.as_ref()));
        let below = |key: &ObjectPath| {
            key.as_ref().strip_prefix(self.prefix.as_ref()).unwrap_or(key.as_ref()).trim_start_matches('/').to_owned()
        };
        let listed =
            |meta: ObjectMeta| Listed { path: below(&meta.location), bytes: meta.size, modified: meta.last_modified };
        Ok(found.into_iter().map(listed).collect())
    }

    /// Names in the folder of `path` that sort after its own, in order. In a folder of this machine neither lengths nor
    /// times are asked for: it may hold very many.
    pub fn names_after(&self, path: &str) -> Result<Vec<String>> {
        let (folder, last) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(root) = &self.root else {
            let names = self.list(folder, Some(path))?.into_iter();
            return Ok(names.map(|object| object.path.rsplit('/').next().unwrap_or_default().to_owned()).collect());
        };
        let mut names = names_in(&root.join(folder), last)
            .map_err(|error| disk_error("list the state", &self.uri_of(folder), error))?;
        names.sort_unstable();
        Ok(names)
    }

    /// Removes an object; that it is gone already is as well.
    pub fn delete(&self, path: &str) -> Result<()> {
        let key = self.key(path);
        self.run(|| async {
            match self.store.delete(&key).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(self.error("remove an object of the state", path, error)),
            }
        })?;
        self.remove_empty_folders(path);
        Ok(())
    }

    /// Removes all objects below `folder`, those that a killed writer did not finish too.
    pub fn delete_all(&self, folder: &str) -> Result<()> {
        self.unfinished(folder)?.iter().try_for_each(|object| self.delete_unfinished(&object.path))?;
        self.list(folder, None)?.iter().try_for_each(|object| self.delete(&object.path))
    }

    /// What killed writers left half written below `folder`, sorted by path. In a folder an object is written as `NAME#1`,
    /// which no listing shows, and then renamed. A bucket has no half objects.
    pub fn unfinished(&self, folder: &str) -> Result<Vec<Listed>> {
        let Some(root) = &self.root else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        find_unfinished(root, &root.join(folder), &mut found)
            .map_err(|error| disk_error("list the state", &self.uri_of(folder), error))?;
        found.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        Ok(found)
    }

    /// Removes one of [`Self::unfinished`]. A writer that is alive after all writes it again.
    pub fn delete_unfinished(&self, path: &str) -> Result<()> {
        let Some(root) = &self.root else { return Ok(()) };
        match std::fs::remove_file(root.join(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(disk_error("remove an object of the state", &self.uri_of(path), error))
            }
            _ => {
                self.remove_empty_folders(path);
                Ok(())
            }
        }
    }

    async fn fetch(&self, path: &str) -> Result<Option<Bytes>> {
        let fail = |error| self.error("read an object of the state", path, error);
        let result = match self.store.get(&self.key(path)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            result => result.map_err(fail)?,
        };
        if result.meta.size > MAX_BYTES {
            return Err(Error::new(ErrorKind::Limit, "read an object of the state")
                .with("uri", self.uri_of(path))
                .with("bytes", result.meta.size)
                .hint("the runner never writes one as large; is it another program's?"));
        }
        result.bytes().await.map(Some).map_err(fail)
    }

    /// What the state is told at the end of a run that is stopped should still get through.
    fn run<T, F: Future<Output = Result<T>>>(&self, call: impl FnMut() -> F) -> Result<T> {
        self.runtime.block_on(self.stop.unless_past(SETTLING, persist(&self.retry, &Stop::default(), call)))
    }

    fn key(&self, path: &str) -> ObjectPath {
        // Part by part: the prefix is somebody's folder, and must not be escaped once more.
        path.split('/').fold(self.prefix.clone(), ObjectPath::join)
    }

    fn error(&self, operation: &str, path: &str, error: object_store::Error) -> Error {
        store_error(operation, &self.uri_of(path), error)
    }

    /// The bytes and the name last, also past a power failure, before anybody counts on them.
    fn make_durable(&self, path: &str) -> Result<()> {
        let Some(root) = &self.root else { return Ok(()) };
        let file = root.join(path);
        sync(&file)?;
        file.parent().map_or(Ok(()), sync)
    }

    fn remove_empty_folders(&self, path: &str) {
        let Some(root) = &self.root else { return };
        let file = root.join(path);
        for folder in file.ancestors().skip(1).take_while(|folder| *folder != root.as_path()) {
            // Refused by the system when something is in it, which is what we want.
            if std::fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }
}

fn names_in(folder: &Path, after: &str) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok().filter(|name| name.as_str() > after)));
    names.filter_map(io::Result::transpose).collect()
}

/// Makes a file's bytes, or the names in a folder, last.
fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).or_else(|error| {
        // Somebody else may have removed it since: then there is nothing left to last.
        if error.kind() == io::ErrorKind::NotFound {
            return Ok(());
        }
        // The object is there all the same: whatever the cause, the caller must not take it for refused.
        Err(Error::new(ErrorKind::Unavailable, "make an object of the state durable")
            .with("file", path.display())
            .source(error))
    })
}

fn sync_all(paths: &[PathBuf]) -> Result<()> {
    workers::map(paths, SYNCING, |path| sync(path)).into_iter().collect()
}

fn find_unfinished(root: &Path, folder: &Path, found: &mut Vec<Listed>) -> io::Result<()> {
    // Folders and files may go while this looks.
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result?,
    };
    for entry in entries {
        let path = entry?.path();
        let metadata = match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result?,
        };
        if metadata.is_dir() {
            find_unfinished(root, &path, found)?;
            continue;
        }
        let is_unfinished = path
            .file_name()
            .and_then(|name| name.to_str()?.rsplit_once('#'))
            .is_some_and(|(_, count)| !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(below) = path.strip_prefix(root).ok().and_then(Path::to_str).filter(|_| is_unfinished) {
            let (path, bytes, modified) = (below.to_owned(), metadata.len(), metadata.modified()?.into());
            found.push(Listed { path, bytes, modified });
        }
    }
    Ok(())
}

/// A value as JSON.
pub fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::internal("write JSON").source(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::S3Config;
    use etl_sdk::Retry;

    #[test]
    fn a_folder_that_cannot_be_is_refused_at_once() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let below = folder.path().join("file/state");
        let state = Storage::open(below.to_str().unwrap(), &S3Config::default(), folder.path()).unwrap();
        let objects = Objects::new(&state, "job", runtime.handle().clone(), &Stop::default(), Clock::system());
        let error = objects.put("log/1.json", "{}").unwrap_err();
        assert_eq!((error.kind(), error.retry_status()), (ErrorKind::NotFound, Retry::Never), "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("is a file")));
        assert!(!error.facts().iter().any(|(name, _)| *name == "attempts"), "{error}");
    }

    #[test]
    fn what_is_not_settled_is_there_and_may_go_before_it_is() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let state = Storage::open(folder.path().to_str().unwrap(), &S3Config::default(), folder.path()).unwrap();
        let objects = Objects::new(&state, "job", runtime.handle().clone(), &Stop::default(), Clock::system());
        let of_run = objects.unsettled();
        for path in ["commits/a.json", "carried/b.parquet", "carried/c.parquet", "gone/d.json"] {
            of_run.put(path, path).unwrap();
            assert_eq!(objects.get(path).unwrap().unwrap(), path);
        }
        objects.delete("gone/d.json").unwrap();
        of_run.clone().settle().unwrap();
        assert!(of_run.unsettled.as_ref().unwrap().lock().unwrap().is_empty(), "clones share what is not settled");
        objects.settle().unwrap();
    }

    #[test]
    fn what_a_killed_writer_left_half_written_goes_with_its_folder() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let state = Storage::open(folder.path().to_str().unwrap(), &S3Config::default(), folder.path()).unwrap();
        let objects = Objects::new(&state, "job", runtime.handle().clone(), &Stop::default(), Clock::system());
        objects.put("work/a/rows.arrow", "whole").unwrap();
        for half in ["work/a/rows.arrow#1", "work/a/b/c.json#12", "log/1.json#2"] {
            let file = folder.path().join("job").join(half);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "hal").unwrap();
        }

        let paths = |found: Vec<Listed>| -> Vec<String> { found.into_iter().map(|object| object.path).collect() };
        assert_eq!(paths(objects.list("work", None).unwrap()), ["work/a/rows.arrow"]);
        let all = ["log/1.json#2", "work/a/b/c.json#12", "work/a/rows.arrow#1"];
        assert_eq!(paths(objects.unfinished("").unwrap()), all);
        objects.delete_all("work").unwrap();
        assert!(!folder.path().join("job/work").exists());
        assert_eq!(paths(objects.unfinished("").unwrap()), all[..1]);
        objects.delete_unfinished(all[0]).unwrap();
        objects.delete_unfinished(all[0]).unwrap();
        assert_eq!(paths(objects.unfinished("").unwrap()), [""; 0]);
    }
}
