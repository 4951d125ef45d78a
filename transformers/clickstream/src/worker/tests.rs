use super::*;
use crate::config::ClickstreamConfig;
use crate::tables::{EVENT, SESSION, USER};
use crate::traffic_source::RuleSet;
use crate::writer::BATCH_ROWS;
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
