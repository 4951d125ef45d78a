//! Request lines and payloads of the clickstream transformer.
//!
//! Input: one byte that says what the rest is (a line; the payload's text, as it is or packed; the bytes under its
//! Base64; the elements of an array), and the rest.
//!
//! Holds: the ledger balances, each step reads what the one before kept, and tables hold as many rows as their steps
//! kept; every dead letter is counted, has a reason, and the address of its line; an array of n elements that
//! serde_json can read is n elements here; a worker that has done something else before gives the same rows.
#![no_main]

use arrow::array::RecordBatch;
use base64_simd::STANDARD;
use etl_sdk::{EpochMillis, ObjectRef, Output, RawRecord, Run, Transformer, TransformerWorker};
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use transformer_clickstream::traffic_source::RuleSet;
use transformer_clickstream::{Clickstream, ClickstreamConfig};

/// 2026-11-20T05:00:00Z, in milliseconds.
const START: i64 = 1_795_150_800_000;
/// Small, so that the fuzzer reaches it.
const PAYLOAD_BYTES: usize = 64 << 10;
/// A good line, so that the worker under test has something left over from before.
const OTHER: &str = r#"[{"event_type":"_page_view","event_id":"other","app_id":"shop","timestamp":1795150800000,"user":{"_user_id":{"value":"someone","set_timestamp":1}},"items":[{"id":"1","name":"x"}],"attributes":{"_session_id":"s","_page_url":"https://www.shop.example/?utm_source=a"}}]"#;

thread_local! {
    static TRANSFORMER: Arc<Clickstream> = Arc::new(clickstream());
    /// One worker for all inputs.
    static WORN: RefCell<Box<dyn TransformerWorker>> = RefCell::new(worker());
}

fn clickstream() -> Clickstream {
    let options = json!({
        "project_id": "fuzz", "app_ids": ["shop", "news", "a/b"], "depth": 16, "payload_bytes": PAYLOAD_BYTES,
    });
    let config: ClickstreamConfig = serde_json::from_value(options).expect("options");
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/clickstream/rules");
    Clickstream::new(config, RuleSet::load(&rules).expect("the rules of the fixtures")).expect("a transformer")
}

fn worker() -> Box<dyn TransformerWorker> {
    let run = Run {
        id: "fuzz".to_owned(),
        now: EpochMillis(START + 3_600_000),
        window_start: EpochMillis(START),
        window_end: EpochMillis(START + 3_600_000),
    };
    TRANSFORMER.with(|transformer| Arc::clone(transformer).worker(&run)).expect("a worker")
}

fuzz_target!(|input: &[u8]| {
    let [choice, rest @ ..] = input else { return };
    let text = String::from_utf8_lossy(rest);
    let (line, payload) = match choice % 6 {
        0 => (rest.to_vec(), None),
        1 => (line(&text), Some(text.into_owned())),
        2 => (line(&STANDARD.encode_to_string(gzip(rest))), None),
        3 => (line(&STANDARD.encode_to_string(rest)), None),
        4 => (line(&format!("[{text}]")), Some(format!("[{text}]"))),
        _ => (line(&STANDARD.encode_to_string(gzip(format!("[{text}]").as_bytes()))), None),
    };
    let out = transform(&mut *worker(), 0, &line);
    balances(&out);
    every_reject_has_its_place(&out, &line);
    if let Some(elements) = payload.as_deref().and_then(elements) {
        let payload = out.ledger.get("payload").expect("the first step");
        let too_deep = payload.dead.contains_key("payload_not_json");
        let expected = if elements == 0 { 0 } else { elements };
        assert!(too_deep || payload.kept == expected, "{elements} elements: {payload:?}");
    }
    let again = WORN.with(|worn| {
        let mut worn = worn.borrow_mut();
        transform(&mut **worn, 1, &self::line(OTHER));
        transform(&mut **worn, 0, &line)
    });
    assert_eq!(out.ledger, again.ledger, "counts of a worker that is new and of one that is not");
    assert_eq!(out.rejects, again.rejects);
    same_rows(&out.batches, &again.batches);
});

fn line(payload: &str) -> Vec<u8> {
    let line = json!({"appId": "shop", "data": payload, "ingest_time": START + 60_000, "ip": "192.0.2.10",
        "rid": "1", "uri": "/collect?appId=shop&event_bundle_sequence_id=7", "ua": "x"});
    line.to_string().into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// Elements of a text that serde_json reads as an array.
fn elements(payload: &str) -> Option<u64> {
    let elements: Vec<&RawValue> = serde_json::from_str(payload).ok()?;
    Some(elements.len() as u64)
}

/// `ordinal` is the object's place in the run.
fn transform(worker: &mut dyn TransformerWorker, ordinal: u32, line: &[u8]) -> Output {
    let object = Arc::new(ObjectRef { uri: "/raw/a".to_owned(), etag: None, ordinal });
    let mut out = Output::default();
    let record = RawRecord { object: &object, offset: 7, index: None, bytes: line, only: None };
    worker.transform(&record, &mut out).expect("a bad record is no error");
    worker.finish_task(&mut out).expect("a bad record is no error");
    out
}

fn balances(out: &Output) {
    assert!(out.ledger.unbalanced().is_empty(), "{:?}", out.ledger);
    let step = |name: &str| out.ledger.get(name).cloned().unwrap_or_default();
    TRANSFORMER.with(|transformer| {
        assert_eq!(step(&transformer.chain()[0]).read, 1);
        for pair in transformer.chain().windows(2) {
            assert_eq!(step(&pair[1]).read, step(&pair[0]).kept, "{pair:?} {:?}", out.ledger);
        }
    });
    for (table, name) in ["parse", "items", "users", "sessions"].iter().enumerate() {
        let rows: usize = out.batches.iter().filter(|(of, _)| *of == table).map(|(_, batch)| batch.num_rows()).sum();
        assert_eq!(rows as u64, step(name).kept, "rows of {name}: {:?}", out.ledger);
    }
    let dead: u64 = out.ledger.steps().map(|(_, counts)| counts.dead_total()).sum();
    assert_eq!(dead, out.rejects.len() as u64);
}

fn every_reject_has_its_place(out: &Output, line: &[u8]) {
    for reject in &out.rejects {
        let address = reject.address.as_ref().expect("a line has an address");
        assert_eq!((address.offset, address.length), (7, line.len() as u64));
        assert!(!reject.reason.is_empty() && !reject.message.is_empty(), "{reject:?}");
        assert!(reject.raw.len() <= line.len().max(PAYLOAD_BYTES * 3), "{}", reject.raw.len());
    }
}

fn same_rows(left: &[(usize, RecordBatch)], right: &[(usize, RecordBatch)]) {
    assert_eq!(left.len(), right.len());
    for ((table, left), (_, right)) in left.iter().zip(right) {
        for (field, (left, right)) in left.schema().fields().iter().zip(left.columns().iter().zip(right.columns())) {
            assert!(left.to_data() == right.to_data(), "table {table}, column {}", field.name());
        }
    }
}
