//! Which objects belong to a window. The listing is done once; the run's plan keeps what it returns.

use super::folder;
use super::pages::Pages;
use super::prefixes::{hour_of, hours, prefixes};
use super::{Layout, Select, SourceConfig};
use crate::job::LimitsConfig;
use crate::stop::Stop;
use crate::storage::retry::{Backoff, unless_stalled};
use crate::storage::{Storage, StorageKind, store_error};
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::{Error, ErrorKind, ObjectRef, Result};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::aws::AmazonS3;
use object_store::path::Path as ObjectPath;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Listings under way at once.
const CONCURRENT_LISTINGS: usize = 8;

/// Reasons for leaving out an object of the window, as counted in [`Listing::skipped`].
pub mod skip {
    /// A part of the path below the source starts with `_` or `.`: placeholders and files still being written.
    pub const HIDDEN_NAME: &str = "hidden_name";
    /// Nothing in it.
    pub const ZERO_BYTES: &str = "zero_bytes";
    /// The name ends like none of `source.suffixes`.
    pub const SUFFIX: &str = "suffix";
    /// The path below the source does not name an hour as `source.layout` says.
    pub const OUTSIDE_LAYOUT: &str = "outside_layout";
    /// A file name that is not UTF-8 or holds control characters; a key with such, an empty part (`a//b`), `.` or `..`.
    pub const UNREADABLE_NAME: &str = "unreadable_name";
    /// A link to a folder, which may lead anywhere, also back to itself. Links to files are followed.
    pub const LINKED_FOLDER: &str = "linked_folder";
    /// A pipe, socket or device.
    pub const NOT_A_FILE: &str = "not_a_file";
    /// In an archive storage class; found when it is opened, see [`crate::source::Opened::Archived`].
    pub const ARCHIVED: &str = "archived";
}

/// An object of the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputObject {
    /// What addresses and errors call it.
    pub object: Arc<ObjectRef>,
    /// Its whole key in the store.
    pub path: ObjectPath,
    /// Stored bytes, before decompression.
    pub size: u64,
    /// When it was last modified: whole seconds in a bucket, finer in a folder.
    pub modified: DateTime<Utc>,
}

/// What a window holds.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The objects, sorted by key; [`ObjectRef::ordinal`] is the place in this list.
    pub objects: Vec<InputObject>,
    /// Objects of the window that are left out, and their bytes, by reason (see [`skip`]).
    pub skipped: BTreeMap<&'static str, (u64, u64)>,
    /// Objects that were listed and belong to other windows, and their bytes.
    pub outside: (u64, u64),
    /// Objects the store listed, all of the above.
    pub listed: u64,
    /// Prefixes that were listed.
    pub prefixes: u64,
}

/// An object as the store lists it.
pub(super) struct Found {
    pub path: ObjectPath,
    pub etag: Option<String>,
    pub size: u64,
    pub modified: DateTime<Utc>,
}

/// Lists the objects of a window.
///
/// - `select: modified` takes objects with `start <= modified < end`. Only prefixes of the hours from
///   `start - look_back` to one hour past `end` are listed; the hour ahead is for producers whose clock runs ahead.
/// - `select: path` takes objects whose path names an hour that starts in the window, which must be of whole hours.
///
/// Fails with `Limit` beyond `limits.objects`, with `NotFound` when the folder or bucket does not exist (a prefix
/// below it may be missing), and with what the store says.
pub async fn list(storage: &Storage, config: &SourceConfig, window: &Window, limits: &LimitsConfig) -> Result<Listing> {
    check(config, window)?;
    let hours = hours(window, config.select, config.look_back);
    let prefixes = prefixes(config.layout, &hours);
    let count = prefixes.len() as u64;
    let most = limits.objects.min(u64::from(u32::MAX));
    let selection =
        Arc::new(Selection { config: config.clone(), window: *window, hours, most, selected: AtomicU64::new(0) });
    let mut listing = match storage.kind() {
        StorageKind::Folder(root) => folder::list(root.clone(), prefixes, selection).await?,
        StorageKind::Bucket(store) => list_bucket(storage, store, prefixes, &selection).await?,
    };
    listing.prefixes = count;
    number(storage, &mut listing.objects);
    Ok(listing)
}

fn check(config: &SourceConfig, window: &Window) -> Result<()> {
    if config.select == Select::Modified {
        return Ok(());
    }
    if config.layout == Layout::Flat {
        return Err(Error::config("select objects by path")
            .with("source.layout", "flat")
            .hint("a flat layout has no time in its paths: use select: modified"));
    }
    if !window.is_hourly() {
        return Err(Error::new(ErrorKind::Usage, "select objects by path")
            .with("window", window)
            .hint("select: path needs a window of whole hours"));
    }
    Ok(())
}

async fn list_bucket(
    storage: &Storage,
    store: &AmazonS3,
    prefixes: Vec<String>,
    selection: &Arc<Selection>,
) -> Result<Listing> {
    stream::iter(prefixes)
        .map(|prefix| list_prefix(storage, store, prefix, selection))
        .buffer_unordered(CONCURRENT_LISTINGS)
        .try_fold(Listing::default(), |mut all, part| async move {
            all.merge(part);
            Ok(all)
        })
        .await
}

async fn list_prefix(storage: &Storage, store: &AmazonS3, prefix: String, selection: &Selection) -> Result<Listing> {
    let whole = join(storage.prefix(), &prefix)?;
    let mut listing = Listing::default();
    let mut pages = Pages::new(store, &whole);
    let (operation, uri) = ("list the source", storage.uri_of(&whole));
    // Whoever lists drops this when it is stopped.
    let mut backoff = Backoff::new(storage.retry(), &Stop::default());
    loop {
        let page = unless_stalled(storage.retry(), operation, &uri, pages.next()).await;
        let page = match page.and_then(|page| page.map_err(|error| store_error(operation, &uri, error))) {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(failure) => {
                backoff.wait(failure).await?;
                continue;
            }
        };
        backoff.reset();
        for meta in page.objects {
            let key = below(storage.prefix(), &meta.location).to_owned();
            let found = Found { path: meta.location, etag: meta.e_tag, size: meta.size, modified: meta.last_modified };
            selection.sort_out(&key, found, &mut listing)?;
        }
        for _ in 0..page.unreadable {
            // The store tells neither its time nor its size, so it is counted in each window that lists its prefix.
            listing.listed += 1;
            listing.skip(skip::UNREADABLE_NAME, 0);
        }
    }
    Ok(listing)
}

fn join(prefix: &ObjectPath, rest: &str) -> Result<ObjectPath> {
    let whole = format!("{prefix}/{rest}");
    ObjectPath::parse(whole.trim_matches('/'))
        .map_err(|error| Error::config("read the source's prefix").with("prefix", whole).source(error))
}

/// The part of a key below the source's prefix.
fn below<'a>(prefix: &ObjectPath, path: &'a ObjectPath) -> &'a str {
    path.as_ref().strip_prefix(prefix.as_ref()).unwrap_or(path.as_ref()).trim_start_matches('/')
}

/// The hour since 1970 that an object's path names; `None` when its layout has none.
pub fn hour_of_object(storage: &Storage, layout: Layout, object: &InputObject) -> Option<i64> {
    hour_of(layout, below(storage.prefix(), &object.path))
}

/// Gives the objects their place in the plan, which does not depend on the order of the listing.
fn number(storage: &Storage, objects: &mut [InputObject]) {
    objects.sort_by(|left, right| left.path.as_ref().cmp(right.path.as_ref()));
    for (place, input) in objects.iter_mut().enumerate() {
        let etag = input.object.etag.clone();
        input.object = Arc::new(ObjectRef { uri: storage.uri_of(&input.path), etag, ordinal: place as u32 });
    }
}

/// What decides whether an object belongs to the window.
pub(super) struct Selection {
    config: SourceConfig,
    window: Window,
    hours: Range<i64>,
    most: u64,
    /// Over all listings under way, so that together they hold no more than the limit.
    selected: AtomicU64,
}

impl Selection {
    /// Puts an object where it belongs. `key` is its path below the source.
    pub(super) fn sort_out(&self, key: &str, found: Found, listing: &mut Listing) -> Result<()> {
        listing.listed += 1;
        let reason = match self.decide(key, &found) {
            Decision::Take => {
                if self.selected.fetch_add(1, Ordering::Relaxed) >= self.most {
                    return Err(self.too_many());
                }
                let object = Arc::new(ObjectRef { uri: String::new(), etag: found.etag, ordinal: 0 });
                let (size, modified) = (found.size, found.modified);
                listing.objects.push(InputObject { object, path: found.path, size, modified });
                return Ok(());
            }
            Decision::Outside => {
                listing.outside.0 += 1;
                listing.outside.1 += found.size;
                return Ok(());
            }
            Decision::Skip(reason) => reason,
        };
        listing.skip(reason, found.size);
        Ok(())
    }

    fn decide(&self, key: &str, found: &Found) -> Decision {
        // The window comes first, so that each object is counted in the window it belongs to and in no other.
        if self.config.select == Select::Modified && !self.window.contains(found.modified) {
            return Decision::Outside;
        }
        if self.config.layout != Layout::Flat {
            match hour_of(self.config.layout, key) {
                None if is_hidden(key) => return Decision::Skip(skip::HIDDEN_NAME),
                None => return Decision::Skip(skip::OUTSIDE_LAYOUT),
                Some(hour) if !self.hours.contains(&hour) => return Decision::Outside,
                Some(_) => {}
            }
        }
        if is_hidden(key) {
            return Decision::Skip(skip::HIDDEN_NAME);
        }
        if found.size == 0 {
            return Decision::Skip(skip::ZERO_BYTES);
        }
        let suffixes = &self.config.suffixes;
        if !suffixes.is_empty() && !suffixes.iter().any(|suffix| key.ends_with(suffix.as_str())) {
            return Decision::Skip(skip::SUFFIX);
        }
        Decision::Take
    }

    fn too_many(&self) -> Error {
        Error::new(ErrorKind::Limit, "list the source")
            .with("window", self.window)
            .with("objects", format!("more than {}", self.most))
            .with("limits.objects", self.most)
            .hint("take a shorter window or raise limits.objects")
    }
}

enum Decision {
    Take,
    Outside,
    Skip(&'static str),
}

fn is_hidden(key: &str) -> bool {
    key.split('/').any(|part| part.starts_with(['_', '.']))
}

impl Listing {
    /// Counts an object that is left out.
    pub fn skip(&mut self, reason: &'static str, bytes: u64) {
        let (count, sum) = self.skipped.entry(reason).or_default();
        *count += 1;
        *sum += bytes;
    }

    fn merge(&mut self, other: Self) {
        self.objects.extend(other.objects);
        for (reason, (count, bytes)) in other.skipped {
            let (all, sum) = self.skipped.entry(reason).or_default();
            *all += count;
            *sum += bytes;
        }
        self.outside.0 += other.outside.0;
        self.outside.1 += other.outside.1;
        self.listed += other.listed;
    }
}
