//! What must be the same for the results of a stopped run to be of use to the next one.

use crate::job::Job;
use crate::source::InputObject;
use etl_sdk::EpochMillis;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Sections that do not change what a task makes.
const OUTSIDE: [&str; 9] = ["state", "schedule", "manifest", "aws", "catalog", "load", "notify", "status", "metrics"];

/// Limits that do not change what a task makes either.
const RESOURCES: [&str; 7] =
    ["dead_letters", "memory", "memory_total", "threads", "spill_folder", "listeners", "retry"];

/// Maximum number of files of a folder that a job names, such as one of rules.
const MAX_FILES: usize = 10_000;

/// A hash over the job as it takes effect, the files it names, and the program.
pub fn of_job(job: &Job) -> String {
    let mut value = job.effective();
    if let Some(sections) = value.as_object_mut() {
        sections.retain(|name, _| !OUTSIDE.contains(&name.as_str()));
        if let Some(limits) = sections.get_mut("limits").and_then(Value::as_object_mut) {
            limits.retain(|name, _| !RESOURCES.contains(&name.as_str()));
        }
        for rule in sections.get_mut("quality").and_then(Value::as_array_mut).into_iter().flatten() {
            drop_verdict(rule);
        }
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(value.to_string().as_bytes());
    for section in ["transformer", "enrich"] {
        if let Some(section) = value.get(section) {
            hash_named_files(&mut hasher, job, section);
        }
    }
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    if let Ok(program) = std::env::current_exe() {
        hash_path(&mut hasher, &program, &mut 0);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// Leaves of a quality rule what tasks do for it. What the end of the run decides may change: a run that a rule refused
/// goes on from its tasks when that rule only warns.
fn drop_verdict(rule: &mut Value) {
    let Some(keys) = rule.as_object_mut() else { return };
    keys.remove("at_least");
    if keys.get("action").and_then(Value::as_str) != Some("dead_letter") {
        keys.remove("action");
    }
    // Not the rule itself: its index counts.
    if keys.contains_key("rows") {
        keys.insert("rows".to_owned(), Value::Null);
    }
}

/// The name of a plan: the same for the same job, input and names of files.
pub fn of_plan<'a>(
    job: &str,
    name: &str,
    now_msec: Option<EpochMillis>,
    objects: impl Iterator<Item = &'a InputObject>,
) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(job.as_bytes());
    part(name.as_bytes());
    part(&now_msec.map(|now| now.0.to_le_bytes()).unwrap_or_default());
    for object in objects {
        part(object.object.uri.as_bytes());
        part(object.object.etag.as_deref().unwrap_or_default().as_bytes());
        part(&object.size.to_le_bytes());
        part(&object.modified.timestamp_micros().to_le_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// Any text of a component's options may be the name of a file: a database, rules, SQL.
fn hash_named_files(hasher: &mut blake3::Hasher, job: &Job, value: &Value) {
    match value {
        Value::String(text) if !text.is_empty() => {
            if text.starts_with("s3://") {
                // What cannot be read fails the build, which comes before any task.
                hasher.update(job.prefix_reader().stamp(text).unwrap_or_default().as_bytes());
                return;
            }
            hash_path(hasher, &job.context().resolve(Path::new(text)), &mut 0);
        }
        Value::Array(values) => values.iter().for_each(|value| hash_named_files(hasher, job, value)),
        Value::Object(values) => values.values().for_each(|value| hash_named_files(hasher, job, value)),
        _ => {}
    }
}

/// Size and time tell files apart; reading a database of a hundred megabytes at each start would not pay.
fn hash_path(hasher: &mut blake3::Hasher, path: &Path, seen: &mut usize) {
    let Ok(metadata) = fs::metadata(path) else { return };
    *seen += 1;
    if *seen > MAX_FILES {
        return;
    }
    hasher.update(path.as_os_str().as_encoded_bytes());
    if metadata.is_dir() {
        let mut entries: Vec<_> =
            fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort_unstable();
        for entry in &entries {
            hash_path(hasher, entry, seen);
        }
        return;
    }
    hasher.update(&metadata.len().to_le_bytes());
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    hasher.update(&modified.as_nanos().to_le_bytes());
}
