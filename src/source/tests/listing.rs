//! Selection in a local folder, with times set on the files.

use super::*;
use crate::process::stop::Stop;
use crate::source::open::Opened;
use crate::source::{Listing, Stretch, list, open, skip};
use crate::storage::Storage;
use crate::window::Window;
use chrono::{DateTime, TimeDelta, Utc};
use etl_sdk::ErrorKind;
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

const HOUR: &str = "year=2026/month=11/day=20/hour=";

fn window(text: &str) -> Window {
    Window::parse(text).unwrap()
}

fn put(root: &Path, key: &str, bytes: &[u8], modified: &str) {
    let path = root.join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    let modified: DateTime<Utc> = modified.parse().unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(SystemTime::from(modified)).unwrap();
}

fn storage(root: &Path) -> Storage {
    Storage::open(root.to_str().unwrap(), &S3Config::default(), Path::new("/")).unwrap()
}

fn try_list(root: &Path, config: &SourceConfig, window: &Window, limits: &LimitsConfig) -> Result<Listing> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(list(&storage(root), config, window, limits))
}

fn names(root: &Path, config: &SourceConfig, window: &Window) -> Vec<String> {
    let listing = try_list(root, config, window, &LimitsConfig::default()).unwrap();
    let root = format!("{}/", root.display());
    listing.objects.iter().map(|input| input.object.uri.strip_prefix(&root).unwrap().to_owned()).collect()
}

#[test]
fn a_late_object_is_found_under_an_earlier_prefix_and_an_early_one_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(root, "year=2026/month=11/day=19/hour=22/late", b"1", "2026-11-20T00:30:00Z");
    put(root, "year=2026/month=11/day=19/hour=21/too-late", b"1", "2026-11-20T00:30:00Z");
    put(root, &format!("{HOUR}01/ahead"), b"1", "2026-11-20T00:59:59.999Z");
    put(root, &format!("{HOUR}00/next"), b"1", "2026-11-20T01:00:00Z");
    put(root, &format!("{HOUR}00/first"), b"1", "2026-11-20T00:00:00Z");
    let found = names(root, &hourly(), &window("2026-11-20T00"));
    assert_eq!(
        found,
        ["year=2026/month=11/day=19/hour=22/late", &format!("{HOUR}00/first"), &format!("{HOUR}01/ahead")]
    );
    let by_path = SourceConfig { select: Select::Path, ..hourly() };
    assert_eq!(names(root, &by_path, &window("2026-11-20T00")), [format!("{HOUR}00/first"), format!("{HOUR}00/next")]);
    let error = try_list(root, &by_path, &window("2026-11-20T00:30/PT1H"), &LimitsConfig::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
}

/// Puts 60 objects from `start` on, up to 70 minutes late, and some with parts of a second. `content` gives name and bytes.
fn put_late(root: &Path, start: DateTime<Utc>, content: impl Fn(i64) -> (String, &'static [u8])) {
    for number in 0..60 {
        let modified = start + TimeDelta::milliseconds(number * 437_251);
        let hour = (modified - TimeDelta::minutes(number % 70)).max(start).format("%H");
        let (name, bytes) = content(number);
        put(root, &format!("{HOUR}{hour}/{name}"), bytes, &modified.to_rfc3339());
    }
}

#[test]
fn windows_that_follow_each_other_take_each_object_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let start: DateTime<Utc> = "2026-11-20T00:00:00Z".parse().unwrap();
    put_late(root, start, |number| (number.to_string(), b"1"));
    let mut found = Vec::new();
    let mut begin = start;
    for minutes in [1, 59, 90, 7, 203, 60, 60, 120] {
        let end = begin + TimeDelta::minutes(minutes);
        found.extend(names(root, &hourly(), &Window::new(begin, end).unwrap()));
        begin = end;
    }
    found.sort();
    let mut whole = names(root, &hourly(), &Window::new(start, begin).unwrap());
    whole.sort();
    assert_eq!(whole.len(), 60);
    assert_eq!(found, whole);
}

#[test]
fn what_is_left_out_is_counted_by_reason() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let at = "2026-11-20T00:10:00Z";
    for (key, bytes) in [
        ("00/a.gz", "12"),
        ("00/_.json", "123"),
        ("00/.tmp/a.gz", "1"),
        ("00/b.gz", ""),
        ("00/c.csv", "1234"),
        ("00/other.gz", "1"),
    ] {
        put(root, &format!("{HOUR}{key}"), bytes.as_bytes(), at);
    }
    put(root, &format!("{HOUR}00/other.gz"), b"1", "2026-11-20T03:00:00Z");
    std::os::unix::fs::symlink(root, root.join(format!("{HOUR}00/loop"))).unwrap();
    std::os::unix::fs::symlink("nowhere", root.join(format!("{HOUR}00/broken.gz"))).unwrap();
    let config = SourceConfig { suffixes: vec![".gz".into()], ..hourly() };
    let listing = try_list(root, &config, &window("2026-11-20T00"), &LimitsConfig::default()).unwrap();
    assert_eq!(listing.objects.len(), 1);
    assert_eq!(listing.outside, (1, 1));
    let skipped: Vec<_> = listing.skipped.into_iter().collect();
    assert_eq!(
        skipped,
        [
            (skip::HIDDEN_NAME, (2, 3)),
            (skip::LINKED_FOLDER, (1, 0)),
            (skip::SUFFIX, (1, 4)),
            (skip::ZERO_BYTES, (1, 0))
        ]
    );
}

#[test]
fn names_with_blanks_percents_and_other_scripts_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("raw 100% é");
    for name in ["a b.json", "100%.json", "%20.json", "日本.json", "q?#&.json", "new\nline"] {
        put(&root, name, name.as_bytes(), "2026-11-20T00:10:00Z");
    }
    let listing = try_list(&root, &config(Framing::Lines), &window("2026-11-20"), &LimitsConfig::default()).unwrap();
    assert_eq!(listing.skipped.into_iter().collect::<Vec<_>>(), [(skip::UNREADABLE_NAME, (1, 8))]);
    assert_eq!(listing.objects.len(), 5);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (index, input) in listing.objects.iter().enumerate() {
        assert_eq!(input.object.ordinal, index as u32);
        let Opened::Reader(mut reader) =
            open(&storage(&root), input, runtime.handle(), &Stop::default()).unwrap().wait().unwrap()
        else {
            panic!("archived");
        };
        let mut name = String::new();
        reader.read_to_string(&mut name).unwrap();
        assert!(input.object.uri.ends_with(&format!("/{name}")), "{} {name}", input.object.uri);
    }
}

#[test]
fn the_listing_is_bounded_and_a_missing_folder_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..4 {
        put(folder.path(), &number.to_string(), b"1", "2026-11-20T00:10:00Z");
    }
    let (flat, day) = (config(Framing::Lines), window("2026-11-20"));
    let limits = |objects| LimitsConfig { objects, ..LimitsConfig::default() };
    assert_eq!(try_list(folder.path(), &flat, &day, &limits(4)).unwrap().objects.len(), 4);
    let error = try_list(folder.path(), &flat, &day, &limits(3)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("limits.objects=3"), "{error}");
    let error = try_list(&folder.path().join("missing"), &flat, &day, &limits(3)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(try_list(folder.path(), &hourly(), &day, &limits(3)).unwrap().objects.is_empty());
}

/// What a listing says, to be compared.
fn told(listing: &Listing) -> String {
    format!("{listing:?}")
}

#[test]
fn a_listing_of_many_windows_gives_each_what_its_own_gives() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let start: DateTime<Utc> = "2026-11-20T00:00:00Z".parse().unwrap();
    put_late(root, start, |number| match number % 6 {
        0 => (format!("_{number}"), b"1"),
        1 => (number.to_string(), b""),
        _ => (format!("deeper/{number}"), b"1"),
    });
    put(root, "year=2026/month=11/day=20/beside", b"1", "2026-11-20T03:10:00Z");
    put(root, "year=2026/month=11/day=20/hour=23", b"1", "2026-11-20T03:10:00Z");
    let (storage, limits) = (storage(root), LimitsConfig::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let by_path = SourceConfig { select: Select::Path, ..hourly() };
    for (config, minutes) in [(hourly(), 20), (hourly(), 600), (by_path, 120), (config(Framing::Lines), 60)] {
        let span = Window::new(start, start + TimeDelta::hours(20)).unwrap();
        let stretch = runtime.block_on(Stretch::list(&storage, &config, span, &limits)).unwrap().unwrap();
        let mut begin = start;
        while begin < span.end {
            let one = Window::new(begin, begin + TimeDelta::minutes(minutes)).unwrap();
            let own = try_list(root, &config, &one, &limits).unwrap();
            assert!(stretch.serves(&one));
            assert_eq!(told(&stretch.of(&storage, &one).unwrap()), told(&own), "{config:?} {one}");
            begin = one.end;
        }
        assert!(!stretch.serves(&window("2026-11-20T19/PT2H")), "it does not reach beyond its end");
        let two = LimitsConfig { objects: 2, ..LimitsConfig::default() };
        let stretch = runtime.block_on(Stretch::list(&storage, &config, span, &two)).unwrap().unwrap();
        assert_eq!(stretch.of(&storage, &span).unwrap_err().kind(), ErrorKind::Limit, "each window has its bound");
    }
    // A folder that is left out has no time: only the listing of a window can tell that it is left out of it.
    put(root, &format!("{HOUR}03/_temporary/a"), b"1", "2026-11-20T03:10:00Z");
    let day = runtime.block_on(Stretch::list(&storage, &hourly(), window("2026-11-20"), &limits)).unwrap();
    assert!(day.is_none(), "{day:?}");
}
