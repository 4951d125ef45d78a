//! Which objects belong to a window. The listing is done once; the run's plan keeps what it returns.

use super::config::{Layout, Select, SourceConfig};
use super::folder;
use super::pages::Pages;
use super::prefixes::{hour_of, hours, prefixes};
use super::select::{Found, InputObject, Listing, Selection};
use crate::limits::LimitsConfig;
use crate::process::stop::Stop;
use crate::storage::retry::{Backoff, unless_stalled};
use crate::storage::{Storage, StorageKind, store_error};
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, ObjectRef, Result};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::aws::AmazonS3;
use object_store::path::Path as ObjectPath;
use std::sync::Arc;

/// Listings under way at once.
const CONCURRENT_LISTINGS: usize = 8;

/// Lists the objects of a window.
///
/// - `select: modified` takes objects with `start <= modified < end`. Only prefixes of the hours from
///   `start - look_back` to `end + look_ahead` are listed.
/// - `select: path` takes objects whose path names an hour that starts in the window, which must be of whole hours.
///
/// Fails with `Limit` beyond `limits.objects`, with `NotFound` when the folder or bucket does not exist (a prefix
/// below it may be missing), and with what the store says.
pub async fn list(storage: &Storage, config: &SourceConfig, window: &Window, limits: &LimitsConfig) -> Result<Listing> {
    check_window(config, window)?;
    let hours = hours(window, config);
    let prefixes = prefixes(config.layout, &hours);
    let count = prefixes.len() as u64;
    let most = limits.objects.min(u64::from(u32::MAX));
    let selection = Selection::new(config, *window, hours, most);
    let mut listing = list_prefixes(storage, prefixes, &Arc::new(selection)).await?;
    listing.prefixes = count;
    if listing.listed > 0 {
        storage.note_something();
    }
    number(storage, &mut listing.objects);
    Ok(listing)
}

/// Lists what is below these prefixes of the source.
pub(super) async fn list_prefixes(
    storage: &Storage,
    prefixes: Vec<String>,
    selection: &Arc<Selection>,
) -> Result<Listing> {
    match storage.kind() {
        StorageKind::Folder(root) => folder::list(root.clone(), prefixes, Arc::clone(selection)).await,
        StorageKind::Bucket(bucket) => list_bucket(storage, bucket.store_once(), prefixes, selection).await,
    }
}

/// Checks that the objects of a window can be told: with `select: path`, windows are of whole hours.
pub fn check_window(config: &SourceConfig, window: &Window) -> Result<()> {
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
        let root = format!("{}/", storage.prefix());
        for odd in page.odd {
            let key = odd.key.strip_prefix(root.trim_start_matches('/')).unwrap_or(&odd.key);
            selection.sort_out_odd(key, odd.size, odd.modified, &mut listing);
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

/// When the hour begins that an object's path names, in seconds since 1970; `None` when its layout has none.
pub fn hour_of_object(storage: &Storage, config: &SourceConfig, object: &InputObject) -> Option<i64> {
    let hour = hour_of(config.layout, below(storage.prefix(), &object.path))?;
    Some(config.path_time_zone.begin_of(hour))
}

/// Gives the objects their index in the plan, which does not depend on the order of the listing.
pub(super) fn number(storage: &Storage, objects: &mut [InputObject]) {
    objects.sort_by(|left, right| left.path.as_ref().cmp(right.path.as_ref()));
    for (index, input) in objects.iter_mut().enumerate() {
        let etag = input.object.etag.clone();
        input.object = Arc::new(ObjectRef { uri: storage.uri_of(&input.path), etag, ordinal: index as u32 });
    }
}
