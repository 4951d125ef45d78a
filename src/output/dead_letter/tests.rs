use super::*;
use crate::output::staging::memory::MemoryStore;
use etl_sdk::{Address, EpochMillis, ObjectRef, Reject, Run};
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use std::io::Read;
use std::sync::Arc;

fn spec(raw_bytes: u64) -> DeadLetterSpec {
    let run = Run {
        id: "shop-20261120T000000Z-20261120T010000Z".to_owned(),
        now: EpochMillis(1_763_600_461_007),
        window_start: EpochMillis(1_763_596_800_000),
        window_end: EpochMillis(1_763_600_400_000),
    };
    DeadLetterSpec { job: "shop".to_owned(), name: run.id.clone(), run, task: 7, raw_bytes }
}

fn reject(raw: &[u8]) -> Reject {
    let object = ObjectRef { uri: "s3://raw/a.gz".to_owned(), etag: Some("\"e\"".to_owned()), ordinal: 0 };
    let address = Address { object: Arc::new(object), offset: 10, length: 20, index: Some(3) };
    Reject {
        address: Some(address),
        step: "payload".into(),
        reason: "bad_json".into(),
        message: "a comma is missing".to_owned(),
        raw: raw.to_vec(),
        truncated: false,
    }
}

fn lines(raw_bytes: u64, rejects: &[Reject]) -> (String, Vec<u8>, Vec<Value>) {
    let store = MemoryStore::default();
    let mut writer = DeadLetterWriter::new(Arc::new(store.clone()), spec(raw_bytes)).unwrap();
    for reject in rejects {
        writer.write(reject).unwrap();
    }
    assert_eq!(writer.written(), rejects.len() as u64);
    let file = writer.finish().unwrap().unwrap();
    let bytes = store.read(&file);
    let mut text = String::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    (file.path, bytes, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn a_dead_letter_has_its_address_its_reason_and_its_bytes() {
    let without_address = Reject { address: None, ..reject(b"") };
    let rejects = [reject(b"{\"a\":\0\n\"\xc3\xa9"), reject(b"\xff\xfe"), without_address];
    let (path, bytes, lines) = lines(1 << 20, &rejects);
    assert_eq!(path, "job=shop/dt=2025-11-20/run=shop-20261120T000000Z-20261120T010000Z/part-00007.json.gz");
    let common = json!({
        "reason_code": "bad_json", "reason": "a comma is missing", "step": "payload", "truncated": false,
        "job": "shop", "run": "shop-20261120T000000Z-20261120T010000Z", "first_seen": "2025-11-20T01:01:01.007Z",
    });
    let with = |more: Value| {
        let mut line = common.as_object().unwrap().clone();
        line.extend(more.as_object().unwrap().clone());
        Value::Object(line)
    };
    let address =
        json!({"source_uri": "s3://raw/a.gz", "etag": "\"e\"", "byte_offset": 10, "length": 20, "record_index": 3});
    let mut text = address.clone();
    text["raw"] = json!("{\"a\":\0\n\"é");
    let mut binary = address;
    binary["raw"] = json!("//4=");
    binary["raw_encoding"] = json!("base64");
    assert_eq!(lines, [with(text), with(binary), with(json!({}))]);
    assert_eq!(bytes[4..8], [0; 4], "no time in the header");
    assert_eq!(self::lines(1 << 20, &rejects).1, bytes, "the same bytes again");
}

#[test]
fn raw_bytes_are_cut_between_characters() {
    let cut = |raw_bytes, raw: &[u8]| {
        let (_, _, lines) = lines(raw_bytes, &[reject(raw)]);
        (lines[0].get("raw").cloned(), lines[0]["truncated"].clone(), lines[0].get("raw_encoding").is_some())
    };
    assert_eq!(cut(4, b"abcdef"), (Some(json!("abcd")), json!(true), false));
    assert_eq!(cut(2, "aé".as_bytes()), (Some(json!("a")), json!(true), false));
    assert_eq!(cut(3, "aé".as_bytes()), (Some(json!("aé")), json!(false), false));
    assert_eq!(cut(0, b"abc"), (None, json!(true), false));
    assert_eq!(cut(9, b"a\xc3"), (Some(json!("YcM=")), json!(false), true), "nothing was cut: it is not text");
}

#[test]
fn no_dead_letters_make_no_file() {
    let store = MemoryStore::default();
    let writer = DeadLetterWriter::new(Arc::new(store.clone()), spec(10)).unwrap();
    assert_eq!(writer.finish().unwrap(), None);
    let mut writer = DeadLetterWriter::new(Arc::new(store.clone()), spec(10)).unwrap();
    writer.write(&reject(b"x")).unwrap();
    drop(writer);
    assert_eq!((store.hidden(), store.most_open()), (0, 1));
}
