//! What tests look at after a run: the numbers of its report, its rows, its dead letters and its files.

use crate::support::{Run, Scene, files, rows};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

impl Run {
    /// Rows of a table, as the report counts them.
    pub fn table_rows(&self, table: &str) -> u64 {
        let tables = self.report["tables"].as_array().unwrap();
        tables.iter().find(|found| found["name"] == table).map_or(0, |found| found["rows"].as_u64().unwrap())
    }

    /// Dead letters with a reason.
    pub fn dead(&self, reason: &str) -> u64 {
        self.report["dead_letters"]["by_reason"][reason].as_u64().unwrap_or(0)
    }

    /// All dead letters by reason.
    pub fn dead_letters(&self) -> &Value {
        &self.report["dead_letters"]["by_reason"]
    }

    /// Rows that a step leaves out for a reason.
    pub fn filtered(&self, step: &str, reason: &str) -> u64 {
        let steps = self.report["steps"].as_array().unwrap();
        let step = steps.iter().find(|found| found["name"] == step).unwrap();
        step["filtered"][reason].as_u64().unwrap_or(0)
    }
}

impl Scene {
    /// The rows of a table in `out/`; see [`rows`].
    pub fn rows(&self, table: &str) -> Vec<Value> {
        rows(&self.path("out").join(table))
    }

    /// The ids of the events in `out/`, sorted.
    pub fn event_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> =
            self.rows("event_v2").iter().map(|row| row["event_id"].as_str().unwrap_or_default().to_owned()).collect();
        ids.sort();
        ids
    }
}

/// The dead letters that a run has written, from the files its report names.
pub fn dead_letter_lines(report: &Value) -> Vec<Value> {
    let mut lines = Vec::new();
    for path in report["dead_letters"]["files"].as_array().unwrap() {
        let file = File::open(path.as_str().unwrap()).unwrap();
        for line in BufReader::new(MultiGzDecoder::new(file)).lines() {
            lines.push(serde_json::from_str(&line.unwrap()).unwrap());
        }
    }
    lines
}

/// Every file below `out` with its bytes' hash, without the state, and without manifests: those name the folder.
pub fn fingerprints(out: &Path) -> BTreeMap<String, u64> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let fingerprint = |name: &String| {
        let mut hasher = DefaultHasher::new();
        fs::read(out.join(name)).unwrap().hash(&mut hasher);
        hasher.finish()
    };
    let names = files(out).into_iter().filter(|name| !name.starts_with("_state/") && !name.starts_with("_manifests/"));
    names.map(|name| (name.clone(), fingerprint(&name))).collect()
}
