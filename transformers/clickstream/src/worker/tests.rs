use super::*;
use crate::config::ClickstreamConfig;
use crate::rows::{BATCH_BYTES, BATCH_ROWS};
use crate::tables::{EVENT, SESSION, USER};
use crate::traffic_source::RuleSet;
use etl_sdk::ObjectRef;
use etl_sdk::testing::run_at;
use serde_json::json;

const NOW: i64 = 1_700_000_000_000;

fn worker(max_held: usize) -> ClickstreamWorker {
    let config = serde_json::from_value::<ClickstreamConfig>(json!({"project_id": "p", "app_ids": ["a"]})).unwrap();
    let settings = Arc::new(Settings::new(config, RuleSet::default()).unwrap());
    assert_eq!(settings.tables.len(), 4);
    let mut worker = ClickstreamWorker::new(&settings, &run_at("r", NOW)).unwrap();
    worker.tables.users.held.hold(max_held);
    worker.tables.sessions.held.hold(max_held);
    worker
}

fn request(user: usize) -> String {
    let event = json!([{"event_id": "e", "app_id": "a", "timestamp": NOW, "event_type": "_session_start",
        "unique_id": format!("u{user}"), "attributes": {"_session_id": "s"}}]);
    json!({"appId": "a", "ingest_time": NOW, "data": event.to_string()}).to_string()
}

/// Rows of the table in each batch that came out.
fn batches(out: &Output, table: usize) -> Vec<usize> {
    out.batches.iter().filter(|(of, _)| *of == table).map(|(_, batch)| batch.num_rows()).collect()
}

#[test]
fn full_users_and_sessions_are_written_and_begun_again() {
    let object = Arc::new(ObjectRef { uri: "memory://x".to_owned(), etag: None, ordinal: 3 });
    let mut worker = worker(2);
    let mut out = Output::default();
    for user in [0, 1, 0, 1, 2, 0] {
        let line = request(user);
        let record = RawRecord { object: &object, offset: 0, index: None, bytes: line.as_bytes(), only: None };
        worker.transform(&record, &mut out).unwrap();
    }
    // Two users fill it: 0 1 | 0 1 | 2 0 |
    assert_eq!((batches(&out, USER), batches(&out, SESSION)), (vec![2, 2, 2], vec![2, 2, 2]));
    assert!(batches(&out, EVENT).is_empty(), "events wait for a full batch");
    worker.finish_task(&mut out).unwrap();
    assert_eq!((batches(&out, USER).len(), batches(&out, EVENT)), (3, vec![6]));
    assert_eq!(out.ledger.unbalanced(), Vec::<&str>::new());
    assert_eq!(out.ledger.get("users").unwrap().kept, 6);
}

#[test]
fn a_batch_is_handed_over_when_it_is_full() {
    let object = Arc::new(ObjectRef { uri: "memory://x".to_owned(), etag: None, ordinal: 0 });
    let mut worker = worker(usize::MAX);
    let mut out = Output::default();
    let line = request(0);
    for _ in 0..=BATCH_ROWS {
        let record = RawRecord { object: &object, offset: 0, index: None, bytes: line.as_bytes(), only: None };
        worker.transform(&record, &mut out).unwrap();
    }
    assert_eq!(batches(&out, EVENT), [BATCH_ROWS]);
    worker.finish_task(&mut out).unwrap();
    assert_eq!((batches(&out, EVENT), batches(&out, USER)), (vec![BATCH_ROWS, 1], vec![1]));
}

/// A request with `events` events, each with an attribute of `bytes` bytes, from a client of `ua`.
fn large_request(events: usize, bytes: usize, ua: &str) -> String {
    let event = |number: usize| {
        json!({"event_id": format!("e{number}"), "app_id": "a", "timestamp": NOW, "event_type": "_profile_set",
            "unique_id": format!("u{number}"), "attributes": {"text": "x".repeat(bytes)},
            "user": {"text": {"value": "y".repeat(bytes), "set_timestamp": NOW}}})
    };
    let data = serde_json::Value::Array((0..events).map(event).collect());
    json!({"appId": "a", "ingest_time": NOW, "ua": ua, "data": data.to_string()}).to_string()
}

/// Counts what it takes, and keeps nothing.
#[derive(Debug, Default)]
struct Counted {
    largest: usize,
    rows: [usize; 4],
}

#[derive(Debug)]
struct Counting(Arc<std::sync::Mutex<Counted>>);

impl etl_sdk::Drain for Counting {
    fn drain(&mut self, out: &mut Output) -> Result<()> {
        let mut counted = self.0.lock().unwrap();
        for (table, batch) in std::mem::take(&mut out.batches) {
            counted.rows[table] += batch.num_rows();
            counted.largest = counted.largest.max(batch.get_array_memory_size());
        }
        Ok(())
    }
}

#[test]
fn batches_are_bounded_in_bytes_however_long_rows_are() {
    let object = Arc::new(ObjectRef { uri: "memory://x".to_owned(), etag: None, ordinal: 0 });
    let counted = Arc::new(std::sync::Mutex::new(Counted::default()));
    let mut out = Output::drained(Box::new(Counting(Arc::clone(&counted))));
    let mut worker = worker(usize::MAX);
    let ua = "u".repeat(1 << 20);
    // Long values, then one long value that every event of its request repeats.
    for (requests, events, bytes, ua) in [(40, 1, 2 << 20, "ua"), (1, 300, 10, ua.as_str())] {
        for _ in 0..requests {
            let line = large_request(events, bytes, ua);
            let record = RawRecord { object: &object, offset: 0, index: None, bytes: line.as_bytes(), only: None };
            worker.transform(&record, &mut out).unwrap();
        }
    }
    assert!(out.batches.is_empty() && out.check().is_ok());
    worker.finish_task(&mut out).unwrap();
    let counted = counted.lock().unwrap();
    assert_eq!(counted.rows[EVENT], 340);
    assert!(counted.rows[USER] >= 300, "{counted:?}");
    // Buffers grow by doubling, and the row that fills a batch is in it.
    assert!(counted.largest < 3 * BATCH_BYTES + (8 << 20), "{counted:?}");
}
