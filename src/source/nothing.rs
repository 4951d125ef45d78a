//! Whether there is anything at all below a source.

use super::config::{IfEmpty, Layout, SourceConfig};
use super::folder::failed;
use super::prefixes::hour_of;
use super::select::Listing;
use crate::process::stop::Stop;
use crate::storage::retry::persist;
use crate::storage::{OddKeys, RetryConfig, Storage, StorageKind, store_error};
use etl_sdk::{Error, ErrorKind, Result};
use object_store::aws::AmazonS3;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use std::path::Path;
use std::time::Duration;

/// What a person should know of a listing; of one that has seen nothing, whether there is anything in other windows.
///
/// Fails as [`Nothing::below`].
pub async fn warnings(storage: &Storage, config: &SourceConfig, listing: &Listing) -> Result<Vec<String>> {
    let mut warnings = listing.warnings(storage.url());
    if listing.listed == 0 {
        warnings.extend(Nothing::below(storage, config).await?.map(|nothing| nothing.to_string()));
    }
    Ok(warnings)
}

/// Keys that are asked for with a call.
const KEYS: usize = 100;

/// Entries of a folder tree that are looked at.
const ENTRIES: usize = 100_000;

/// How long a command that needs no input waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// That there is nothing below a source which any window could take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nothing {
    url: String,
    layout: Layout,
    /// The first object that there is all the same, and that does not fit the layout or cannot be read.
    other: Option<String>,
}

impl Nothing {
    /// Looks below a source, with a call or two; `None` when there is something that fits.
    ///
    /// Fails with what the store says, and with `NotFound` for `source.if_empty: fail`.
    pub async fn below(storage: &Storage, config: &SourceConfig) -> Result<Option<Self>> {
        Self::find(storage, config, storage.retry()).await
    }

    async fn find(storage: &Storage, config: &SourceConfig, retry: &RetryConfig) -> Result<Option<Self>> {
        if storage.has_something() {
            return Ok(None);
        }
        let seen = match storage.kind() {
            StorageKind::Folder(root) => look_into_folder(root, config.layout)?,
            StorageKind::Bucket(bucket) => {
                let look = || look_into_bucket(storage, bucket.store_once(), config.layout);
                persist(retry, &Stop::default(), look).await?
            }
        };
        if seen.fits {
            storage.note_something();
            return Ok(None);
        }
        let url = format!("{}/", storage.url().trim_end_matches('/'));
        let nothing = Self { url, layout: config.layout, other: seen.other };
        match config.if_empty {
            IfEmpty::Warn => Ok(Some(nothing)),
            IfEmpty::Fail => Err(Error::new(ErrorKind::NotFound, "look for input")
                .with("url", &nothing.url)
                .source(nothing.what())
                .hint("is the prefix of source.url right? source.if_empty: warn makes it a warning")),
        }
    }

    fn what(&self) -> String {
        let url = &self.url;
        match (&self.other, self.layout) {
            (None, _) => format!("nothing below {url}"),
            (Some(other), Layout::Flat) => format!("nothing below {url} can be read, such as {other:?}"),
            (Some(other), layout) => {
                let form = if layout == Layout::HiveHourly {
                    "year=…/month=…/day=…/hour=…/"
                } else {
                    "yyyy/mm/dd/hh/"
                };
                format!("nothing below {url} lies under {form}, such as {other:?}")
            }
        }
    }

    /// As [`Self::below`], for commands that do not need the input: what cannot be looked into in a few seconds is a
    /// warning too.
    pub async fn warning(storage: &Storage, config: &SourceConfig) -> Result<Option<String>> {
        let cannot = |why: &str| {
            Ok(Some(format!("the source could not be looked into, so nobody knows whether its url is right: {why}")))
        };
        // One try: why it failed is worth more than another.
        let retry = RetryConfig { attempts: 1, ..*storage.retry() };
        match tokio::time::timeout(PATIENCE, Self::find(storage, config, &retry)).await {
            Ok(Ok(nothing)) => Ok(nothing.map(|nothing| nothing.to_string())),
            Ok(Err(error)) if config.if_empty == IfEmpty::Fail && error.kind() == ErrorKind::NotFound => Err(error),
            Ok(Err(error)) => cannot(&error.to_string()),
            Err(_) => cannot(&format!("{} did not answer in {} s", storage.url(), PATIENCE.as_secs())),
        }
    }
}

impl std::fmt::Display for Nothing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: is the prefix right? (source.if_empty: fail makes it an error)", self.what())
    }
}

/// What was seen below a source.
#[derive(Default)]
struct Seen {
    /// Something fits, or there is too much to look at all of it.
    fits: bool,
    other: Option<String>,
}

impl Seen {
    fn see(&mut self, key: &str, layout: Layout) {
        self.fits |= layout == Layout::Flat || hour_of(layout, key).is_some();
        self.other.get_or_insert_with(|| key.to_owned());
    }
}

async fn look_into_bucket(storage: &Storage, store: &AmazonS3, layout: Layout) -> Result<Seen> {
    // What the first part of a path begins with that names a time.
    let begin = match layout {
        Layout::HiveHourly => "year=",
        Layout::FirehoseHourly => "2",
        Layout::Flat => "",
    };
    let mut seen = look_at_keys(storage, store, layout, begin).await?;
    if !seen.fits && layout != Layout::Flat {
        seen = Seen { fits: false, ..look_at_keys(storage, store, layout, "").await? };
    }
    Ok(seen)
}

async fn look_at_keys(storage: &Storage, store: &AmazonS3, layout: Layout, begin: &str) -> Result<Seen> {
    let root = Some(format!("{}/", storage.prefix())).filter(|prefix| prefix != "/").unwrap_or_default();
    let prefix = Some(format!("{root}{begin}")).filter(|prefix| !prefix.is_empty());
    let odd_keys = OddKeys::default();
    let mut options = PaginatedListOptions { max_keys: Some(KEYS), ..PaginatedListOptions::default() };
    options.extensions.insert(odd_keys.clone());
    let page = store.list_paginated(prefix.as_deref(), options).await;
    let page = page.map_err(|error| store_error("look for input", storage.url(), error))?;
    // There are too many of them to look at all.
    let mut seen = Seen { fits: page.page_token.is_some(), other: None };
    for meta in &page.result.objects {
        seen.see(meta.location.as_ref().strip_prefix(&root).unwrap_or(meta.location.as_ref()), layout);
    }
    // What consoles make for a folder is nothing.
    if let Some(odd) = odd_keys.take().into_iter().find(|odd| odd.size > 0) {
        seen.other.get_or_insert(odd.key);
    }
    Ok(seen)
}

fn look_into_folder(root: &Path, layout: Layout) -> Result<Seen> {
    let mut folders = vec![root.to_owned()];
    let (mut seen, mut entries_seen) = (Seen::default(), 0);
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if folder == root => return Err(failed(root, error)),
            Err(_) => continue,
            Ok(entries) => entries,
        };
        for entry in entries.flatten() {
            entries_seen += 1;
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if let Some(key) = path.strip_prefix(root).ok().and_then(Path::to_str) {
                seen.see(key, layout);
            }
            if seen.fits || entries_seen > ENTRIES {
                return Ok(Seen { fits: true, ..seen });
            }
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::super::tests::hourly;
    use super::*;
    use crate::storage::S3Config;

    #[test]
    fn a_source_without_any_object_is_told_from_an_empty_window() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let open = |path: &Path| Storage::open(path.to_str().unwrap(), &S3Config::default(), Path::new("/")).unwrap();
        let storage = open(folder.path());
        let below = |storage: &Storage, config: &SourceConfig| runtime.block_on(Nothing::below(storage, config));
        let nothing = below(&storage, &hourly()).unwrap().unwrap().to_string();
        assert!(nothing.starts_with(&format!("nothing below {}/: is the prefix right?", folder.path().display())));
        let strict = SourceConfig { if_empty: IfEmpty::Fail, ..hourly() };
        assert_eq!(below(&storage, &strict).unwrap_err().kind(), ErrorKind::NotFound);
        std::fs::write(folder.path().join("a/b/c"), "").unwrap();
        let other = below(&storage, &hourly()).unwrap().unwrap().to_string();
        assert!(other.contains("lies under year=") && other.contains("a/b/c"), "{other}");
        let flat = SourceConfig { layout: Layout::Flat, ..strict };
        assert_eq!(below(&storage, &flat).unwrap(), None);
        let missing = open(&folder.path().join("missing"));
        assert_eq!(below(&missing, &hourly()).unwrap_err().kind(), ErrorKind::NotFound);
        let warning = runtime.block_on(Nothing::warning(&missing, &hourly())).unwrap().unwrap();
        assert!(warning.contains("could not be looked into"), "{warning}");
    }
}
