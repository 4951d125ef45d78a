//! Tasks: bounded groups of input objects, done or done again as a whole.

use crate::source::InputObject;
use serde::{Deserialize, Serialize};

/// Decompressed bytes per stored byte that are assumed of compressed objects, before one is read.
const ASSUMED_EXPANSION: u64 = 8;

/// Tasks a window is split into at least, as long as they stay this large: enough for all cores of a small machine.
const MIN_TASKS: u64 = 8;
const MIN_TASK_BYTES: u64 = 32 << 20;

/// Input objects that one worker reads one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Number among the tasks of the run, part of file names.
    pub number: usize,
    /// The objects, in the order of their keys.
    pub objects: Vec<InputObject>,
}

/// Groups objects, in their order, into tasks of at most `task_bytes` estimated decompressed bytes; a larger object is a
/// task of its own. The grouping depends on the objects alone, so that a window gives the same files on any machine.
pub fn pack(objects: Vec<InputObject>, task_bytes: u64) -> Vec<Task> {
    let total: u64 = objects.iter().map(estimated_bytes).sum();
    let target = (total / MIN_TASKS).clamp(MIN_TASK_BYTES.min(task_bytes), task_bytes);
    let mut tasks: Vec<Task> = Vec::new();
    let mut filled = u64::MAX;
    for object in objects {
        let bytes = estimated_bytes(&object);
        match tasks.last_mut() {
            Some(task) if filled.saturating_add(bytes) <= target => {
                filled += bytes;
                task.objects.push(object);
            }
            _ => {
                filled = bytes;
                tasks.push(Task { number: tasks.len(), objects: vec![object] });
            }
        }
    }
    tasks
}

/// Decompressed size of an object as far as its name tells.
pub fn estimated_bytes(object: &InputObject) -> u64 {
    let name = object.path.filename().unwrap_or_default();
    let plain = [".json", ".jsonl", ".ndjson", ".log", ".txt"].iter().any(|ending| name.ends_with(ending));
    if plain { object.size } else { object.size.saturating_mul(ASSUMED_EXPANSION) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etl_sdk::ObjectRef;
    use std::sync::Arc;

    fn objects(sizes: &[u64]) -> Vec<InputObject> {
        let object = |(ordinal, size): (usize, &u64)| InputObject {
            object: Arc::new(ObjectRef { uri: format!("/{ordinal}"), etag: None, ordinal: ordinal as u32 }),
            path: format!("{ordinal}.json").into(),
            size: *size,
            modified: chrono::DateTime::UNIX_EPOCH,
        };
        sizes.iter().enumerate().map(object).collect()
    }

    #[test]
    fn tasks_keep_the_order_and_the_bound() {
        let mib = 1 << 20;
        let input = objects(&[100 * mib, 100 * mib, 100 * mib, 900 * mib, 1, 1]);
        let tasks = pack(input.clone(), 256 * mib);
        let sizes: Vec<Vec<u32>> =
            tasks.iter().map(|task| task.objects.iter().map(|object| object.object.ordinal).collect()).collect();
        assert_eq!(sizes, [vec![0], vec![1], vec![2], vec![3], vec![4, 5]]);
        assert_eq!(tasks.into_iter().flat_map(|task| task.objects).collect::<Vec<_>>(), input);
        assert_eq!(pack(objects(&[1; 1000]), 256 * mib).len(), 1);
        assert!(pack(Vec::new(), mib).is_empty());
    }
}
