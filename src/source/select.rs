//! Which of the listed objects belong to a window.

use super::config::{Layout, Select, SourceConfig};
use super::prefixes::hour_of;
use super::strays::{StrayFinder, Strays};
use crate::text::count;
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::{Error, ErrorKind, ObjectRef, Result};
use object_store::path::Path as ObjectPath;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::mem::size_of;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a listing of many windows may take in memory.
const MAX_COLLECTED: u64 = 64 << 20;

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
    /// A file name that is not UTF-8 or holds control characters; a key with such, an empty part (`a//b`), `.` or `..`, or
    /// a slash at an end.
    pub const UNREADABLE_NAME: &str = "unreadable_name";
    /// A link to a folder, which may lead anywhere, also back to itself. Links to files are followed.
    pub const LINKED_FOLDER: &str = "linked_folder";
    /// A pipe, socket or device.
    pub const NOT_A_FILE: &str = "not_a_file";
    /// The hour of its path is further from its time than windows look; see [`super::Strays`].
    pub const OUTSIDE_HOURS: &str = "outside_hours";
    /// In an archive storage class; found when it is opened, see [`crate::source::open::Opened::Archived`].
    pub const ARCHIVED: &str = "archived";
}

/// Unreadable keys that are kept, of all that are counted.
const MAX_UNREADABLE: usize = 3;

/// An object of the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputObject {
    /// What addresses and errors call it.
    pub object: Arc<ObjectRef>,
    /// Its whole key in the store.
    #[serde(with = "key")]
    pub path: ObjectPath,
    /// Stored bytes, before decompression.
    pub size: u64,
    /// When it was last modified: whole seconds in a bucket, finer in a folder.
    pub modified: DateTime<Utc>,
}

/// A key as text.
mod key {
    use object_store::path::Path;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(path.as_ref())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Path, D::Error> {
        Path::parse(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
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
    /// Those of them, and of the ones left out, that no window takes.
    pub strays: Strays,
    /// Keys that cannot be read; the first few.
    pub unreadable: Vec<String>,
    /// Objects the store listed, all of the above.
    pub listed: u64,
    /// Prefixes that were listed.
    pub prefixes: u64,
}

/// An object as the store lists it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub path: ObjectPath,
    pub etag: Option<String>,
    pub size: u64,
    pub modified: DateTime<Utc>,
}

/// What decides whether an object belongs to the window.
pub(super) struct Selection {
    pub(super) config: SourceConfig,
    pub(super) window: Window,
    pub(super) hours: Range<i64>,
    pub(super) strays: StrayFinder,
    pub(super) most: u64,
    /// Over all listings under way, so that together they hold no more than the limit.
    pub(super) selected: AtomicU64,
    /// Set for a listing of many windows: takes everything, to be sorted out later.
    pub(super) collected: Option<Arc<Collected>>,
}

/// Takes whatever is listed.
#[derive(Debug, Default)]
pub(super) struct Collected {
    found: Mutex<Vec<(String, Found)>>,
    bytes: AtomicU64,
}

impl Collected {
    /// Keeps an object, if there is room. `false` when there is none.
    fn take(&self, key: &str, found: Found) -> bool {
        let names = key.len() + found.path.as_ref().len() + found.etag.as_ref().map_or(0, String::len);
        let bytes = (names + size_of::<(String, Found)>()) as u64;
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_COLLECTED {
            return false;
        }
        self.found.lock().unwrap_or_else(PoisonError::into_inner).push((key.to_owned(), found));
        true
    }

    /// All that was kept; `None` when there was no room for something.
    pub(super) fn all(&self) -> Option<Vec<(String, Found)>> {
        let found = std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner));
        (self.bytes.load(Ordering::Relaxed) <= MAX_COLLECTED).then_some(found)
    }
}

impl Selection {
    pub(super) fn new(config: &SourceConfig, window: Window, hours: Range<i64>, most: u64) -> Self {
        let (strays, selected) = (StrayFinder::new(config, &window), AtomicU64::new(0));
        Self { config: config.clone(), window, hours, strays, most, selected, collected: None }
    }

    /// Puts an object where it belongs. `key` is its path below the source.
    pub(super) fn sort_out(&self, key: &str, found: Found, listing: &mut Listing) -> Result<()> {
        match &self.collected {
            None => self.sort_out_known(key, &found, listing),
            Some(collected) if collected.take(key, found) => Ok(()),
            Some(_) => Err(self.too_many()),
        }
    }

    /// Puts an object where it belongs that was listed for other windows too.
    pub(super) fn sort_out_known(&self, key: &str, found: &Found, listing: &mut Listing) -> Result<()> {
        listing.listed += 1;
        self.look_for_stray(key, found, listing);
        let reason = match self.decide(key, found.size, found.modified) {
            Decision::Take => {
                if self.selected.fetch_add(1, Ordering::Relaxed) >= self.most {
                    return Err(self.too_many());
                }
                let object = Arc::new(ObjectRef { uri: String::new(), etag: found.etag.clone(), ordinal: 0 });
                let Found { path, size, modified, .. } = found;
                listing.objects.push(InputObject { object, path: path.clone(), size: *size, modified: *modified });
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

    /// The same for an object that cannot be read for its key.
    pub(super) fn sort_out_odd(&self, key: &str, size: u64, modified: DateTime<Utc>, listing: &mut Listing) {
        listing.listed += 1;
        match self.decide(key, size, modified) {
            Decision::Take => listing.skip_unreadable(key, size),
            // The name may be what it is left out for.
            Decision::Skip(skip::OUTSIDE_LAYOUT) if size > 0 => listing.skip_unreadable(key, size),
            Decision::Skip(reason) => listing.skip(reason, size),
            Decision::Outside => {
                listing.outside.0 += 1;
                listing.outside.1 += size;
            }
        }
    }

    fn decide(&self, key: &str, size: u64, modified: DateTime<Utc>) -> Decision {
        // The window comes first, so that each object is counted in the window it belongs to and in no other.
        if self.config.select == Select::Modified && !self.window.contains(modified) {
            return Decision::Outside;
        }
        if self.config.layout != Layout::Flat {
            match hour_of(self.config.layout, key) {
                None if is_hidden(key) => return Decision::Skip(skip::HIDDEN_NAME),
                None => return Decision::Skip(skip::OUTSIDE_LAYOUT),
                Some(hour) if !self.is_wanted(hour) => {
                    return match self.config.select {
                        Select::Modified => Decision::Skip(skip::OUTSIDE_HOURS),
                        Select::Path => Decision::Outside,
                    };
                }
                Some(_) => {}
            }
        }
        if is_hidden(key) {
            return Decision::Skip(skip::HIDDEN_NAME);
        }
        if size == 0 {
            return Decision::Skip(skip::ZERO_BYTES);
        }
        if !self.has_suffix(key) {
            return Decision::Skip(skip::SUFFIX);
        }
        Decision::Take
    }

    /// Whether objects of a path's hour are in the window, as far as that decides.
    fn is_wanted(&self, hour: i64) -> bool {
        match self.config.select {
            Select::Modified => self.hours.contains(&hour),
            Select::Path => {
                let begin = self.config.path_time_zone.begin_of(hour);
                (self.window.start.timestamp()..self.window.end.timestamp()).contains(&begin)
            }
        }
    }

    fn look_for_stray(&self, key: &str, found: &Found, listing: &mut Listing) {
        let Some(hour) = hour_of(self.config.layout, key) else { return };
        if found.size == 0 || is_hidden(key) || !self.has_suffix(key) {
            return;
        }
        if let Some(missed) = self.strays.missed(hour, found.modified) {
            self.strays.count((key, hour, found.modified), &missed, &mut listing.strays);
        }
    }

    fn has_suffix(&self, key: &str) -> bool {
        let suffixes = &self.config.suffixes;
        suffixes.is_empty() || suffixes.iter().any(|suffix| key.ends_with(suffix.as_str()))
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
    key.split('/').any(|part| part.starts_with(['_', '.']) && !matches!(part, "." | ".."))
}

impl Listing {
    /// Counts an object that is left out.
    pub fn skip(&mut self, reason: &'static str, bytes: u64) {
        let (count, sum) = self.skipped.entry(reason).or_default();
        *count += 1;
        *sum += bytes;
    }

    /// Counts one whose key cannot be read.
    pub(super) fn skip_unreadable(&mut self, key: &str, bytes: u64) {
        self.skip(skip::UNREADABLE_NAME, bytes);
        if self.unreadable.len() < MAX_UNREADABLE {
            self.unreadable.push(key.to_owned());
        }
    }

    /// What a person should know of what is left out. `url` is the source's.
    pub fn warnings(&self, url: &str) -> Vec<String> {
        let unreadable = self.unreadable.first().map(|first| {
            let objects = self.skipped.get(skip::UNREADABLE_NAME).map_or(0, |(objects, _)| *objects);
            let objects = if objects == 1 { "1 object is".to_owned() } else { format!("{} objects are", count(objects)) };
            format!(
                "{objects} not read for the name, such as {first:?} below {url}: a key that can be read has no empty part, no \
                 `.` or `..`, no control character and no slash at an end"
            )
        });
        unreadable.into_iter().chain(self.strays.warning(url)).collect()
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.objects.extend(other.objects);
        for (reason, (count, bytes)) in other.skipped {
            let (all, sum) = self.skipped.entry(reason).or_default();
            *all += count;
            *sum += bytes;
        }
        self.outside.0 += other.outside.0;
        self.outside.1 += other.outside.1;
        self.listed += other.listed;
        self.strays.merge(other.strays);
        self.unreadable.extend(other.unreadable);
        self.unreadable.sort_unstable();
        self.unreadable.truncate(MAX_UNREADABLE);
    }
}
