use super::*;
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::io::Read;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("etl-bench-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push((path.clone(), std::fs::read(path).unwrap())) }
        }
    }
    found.sort();
    found
}

/// The elements of a line's payload, or `None` when the line is damaged.
fn elements(line: &[u8]) -> Option<Vec<Value>> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let data = line.get("data")?.as_str()?;
    if data.starts_with('[') {
        return serde_json::from_str(data).ok();
    }
    let packed = base64_simd::STANDARD.decode_to_vec(data).ok()?;
    let mut text = String::new();
    MultiGzDecoder::new(packed.as_slice()).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[test]
fn bytes_depend_on_the_seed_and_not_on_threads() {
    let make = |name: &str, seed, threads| {
        let folder = folder(name);
        let settings = Settings { seed, threads, objects: Some(3), ..Settings::new(600, &folder) };
        let totals = generate(&settings).unwrap();
        let files: Vec<_> = files(&folder)
            .into_iter()
            .map(|(path, bytes)| (path.strip_prefix(&folder).unwrap().to_owned(), bytes))
            .collect();
        std::fs::remove_dir_all(&folder).unwrap();
        (totals, files)
    };
    let one = make("one", 4, 1);
    assert_eq!(one.1.len(), 3);
    assert!(one == make("two", 4, 2));
    assert!(one.1 != make("three", 5, 2).1);
}

#[test]
fn totals_are_what_the_objects_hold() {
    let folder = folder("totals");
    let settings = Settings { bad: 0.05, objects: Some(2), ..Settings::new(4_000, &folder) };
    let totals = generate(&settings).unwrap();
    let (mut lines, mut events, mut raw, mut damaged_lines) = (0, 0, 0, 0);
    let (mut payloads, mut days) = (0, std::collections::BTreeSet::new());
    for (path, bytes) in files(&folder) {
        let mut text = Vec::new();
        MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
        raw += text.len() as u64;
        let modified = std::fs::metadata(path).unwrap().modified().unwrap();
        let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
        assert!((settings.day..settings.day + DAY_MSEC).contains(&modified));
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            lines += 1;
            let Some(elements) = elements(line) else {
                damaged_lines += 1;
                continue;
            };
            payloads += 1;
            assert!((1..=10).contains(&elements.len()));
            for event in &elements {
                let app = event["app_id"].as_str();
                if app.is_some_and(|app| APPS.contains(&app)) {
                    days.extend(event["timestamp"].as_i64().map(civil));
                }
            }
            events += elements.len() as u64;
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!((lines, events, raw), (totals.requests, 4_000, totals.bytes_raw));
    let dead_lines: u64 = totals.requests - payloads;
    assert_eq!(damaged_lines, dead_lines);
    let dead: u64 = totals.dead.values().sum();
    let filtered: u64 = totals.filtered.values().sum();
    assert_eq!(totals.good_events(), 4_000 - filtered - (dead - dead_lines));
    assert!(totals.dead.len() >= 10 && totals.filtered.len() == 3, "{totals:?}");
    assert!(days.len() >= 3, "{days:?}");
    let average = totals.bytes_raw / totals.events;
    assert!((1_000..1_300).contains(&average), "{average} bytes an event");
}
