//! What must hold for any input: rows do not depend on how records are grouped, and no damage makes the transformer
//! panic, lose a row or give two answers. The inputs are those of `payloads`, damaged with a fixed seed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "properties/third_party.rs"]
mod third_party;

use base64_simd::STANDARD;
use etl_sdk::Transformer;
use etl_sdk::testing::{Outcome, run_at, transform, transform_elements};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;
use transformer_clickstream::traffic_source::{AppRules, RuleSet};
use transformer_clickstream::{Clickstream, ClickstreamConfig};

const NOW: i64 = 1_700_000_000_000;

/// A linear congruential generator: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Requests of the app `tags` come from Google Tag Manager, those of `senses` from Sensors Analytics.
fn transformer() -> Arc<dyn Transformer> {
    let category = r#"[{"url":"google.com","source":"Google","category":"Search","params":["q"]}]"#;
    let channel = r#"[{"id":"r","channel":"Organic Search",
        "condition":{"op::and":[{"field":"traffic_source_category","op":"eq","value":"Search"}]}}]"#;
    let rules: RuleSet =
        ["shop", "tags"].map(|app| (app.to_owned(), AppRules::parse(category, channel).unwrap())).into_iter().collect();
    let config: ClickstreamConfig = serde_json::from_value(
        json!({"project_id": "p", "app_ids": ["shop", "blog"], "time_shift": true, "depth": 40, "payload_bytes": 100_000,
            "source": {"apps": {"tags": "gtm", "senses": "sensors"}}}),
    )
    .unwrap();
    Arc::new(Clickstream::new(config, rules).unwrap())
}

fn run(records: &[Vec<u8>], per_task: usize) -> Outcome {
    let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    transform(&transformer(), &run_at("r", NOW), &records, per_task).unwrap()
}

fn event(random: &mut Random, number: usize) -> Value {
    let name = random.of(&["_session_start", "_page_view", "_profile_set", "_first_open", "_screen_view", "click", ""]);
    let time = NOW - random.below(50) as i64 * 1_000;
    let user = random.below(6);
    json!({
        "event_id": format!("e{number}"), "app_id": random.of(&["shop", "blog", "other"]), "timestamp": time,
        "event_type": name, "unique_id": format!("u{user}"), "platform": random.of(&["Android", "Web", "iOS"]),
        "event_value": random.of(&[json!(1.10), json!("2.5"), Value::Null]), "screen_height": 800,
        "user": {"_user_id": {"value": format!("id{}", random.below(3)), "set_timestamp": time},
            "_user_age": {"value": 20 + user}, "plan": {"value": random.below(9), "set_timestamp": time}},
        "attributes": {
            "_session_id": format!("s{}", random.below(3)), "_session_number": 1, "_engagement_time_msec": 5,
            "_page_url": format!("https://shop.example/p?x={}&gclid=g%20{}", random.below(4), random.below(2)),
            "_page_referrer": random.of(&["https://www.google.com/?q=shoes", "https://shop.example/", "no url"]),
            "_traffic_source_source": random.of(&[json!("Direct"), json!("news"), json!(""), Value::Null]),
            "color": ["red", 1.50, {"deep": [true]}],
        },
        "items": [{"id": format!("i{}", random.below(3)), "price": 1.5, "size": "L"}, {"item_id": ""}],
        "extra": "中文😀\u{1}\"\\",
    })
}

fn zipped(text: &str) -> String {
    let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
    writer.write_all(text.as_bytes()).unwrap();
    STANDARD.encode_to_string(writer.finish().unwrap())
}

/// Requests in every encoding.
fn payloads(random: &mut Random, count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|request| {
            let events: Vec<Value> = (0..random.below(4)).map(|place| event(random, request * 10 + place)).collect();
            let text = Value::Array(events.clone()).to_string();
            let data = match random.below(4) {
                0 => Value::Array(events),
                1 => Value::Array(events.iter().map(|event| json!(event.to_string())).collect()),
                2 => json!(zipped(&text)),
                _ => json!(text),
            };
            let line = json!({
                "appId": "shop", "ingest_time": NOW, "rid": format!("r{request}"), "ua": "agent", "ip": "1.2.3.4",
                "uri": format!("/collect?event_bundle_sequence_id={request}&upload_timestamp={}", NOW - 1_000_000),
                "data": data,
            });
            line.to_string().into_bytes()
        })
        .collect()
}

#[test]
fn rows_do_not_depend_on_how_records_are_grouped() {
    for seed in 0..4 {
        let records = payloads(&mut Random(seed), 120);
        let whole = run(&records, usize::MAX);
        assert!(whole.tables.values().all(|rows| !rows.is_empty()), "every table has rows");
        assert!(whole.ledger.unbalanced().is_empty());
        for per_task in [1, 3, 50] {
            let parts = run(&records, per_task);
            assert_eq!(parts.tables, whole.tables, "seed {seed}, {per_task} records a task");
            assert_eq!(parts.rejects, whole.rejects);
            // How many partial rows of users and sessions there are is not the same; all else is.
            for step in ["payload", "validate", "filter", "parse", "items"] {
                assert_eq!(parts.ledger.get(step), whole.ledger.get(step), "{step}");
            }
            assert!(parts.ledger.unbalanced().is_empty());
        }
    }
}

#[test]
fn rows_of_third_parties_do_not_depend_on_how_records_are_grouped() {
    for seed in 0..4 {
        let records = third_party::payloads(&mut Random(seed), 120);
        let whole = run(&records, usize::MAX);
        assert!(whole.tables.values().all(|rows| !rows.is_empty()), "every table has rows");
        assert_eq!(whole.ledger.unbalanced(), Vec::<&str>::new());
        assert!(whole.ledger.get("parse").unwrap().added > 0, "there are extra events");
        for per_task in [1, 3, 50] {
            let parts = run(&records, per_task);
            assert_same(&parts, &whole, &format!("seed {seed}, {per_task} records a task"));
            assert_eq!(parts.rejects, whole.rejects);
            for step in ["payload", "validate", "filter", "parse", "items"] {
                assert_eq!(parts.ledger.get(step), whole.ledger.get(step), "{step}");
            }
            assert!(parts.ledger.unbalanced().is_empty());
        }
    }
}

#[test]
fn damage_to_third_parties_is_accounted_for() {
    let mut random = Random(11);
    let good = third_party::payloads(&mut random, 40);
    let (mut rows, mut rejects) = (0, 0);
    for round in 0..40 {
        let records: Vec<Vec<u8>> = good.iter().map(|record| third_party::damaged(record, &mut random)).collect();
        let whole = run(&records, usize::MAX);
        assert_eq!(whole.ledger.unbalanced(), Vec::<&str>::new(), "round {round}");
        let parts = run(&records, 7);
        assert_same(&parts, &whole, &format!("round {round}"));
        assert_eq!(parts.rejects, whole.rejects, "round {round}");
        assert!(whole.rejects.iter().all(|reject| reject.address.is_some() && !reject.message.is_empty()));
        rows += whole.tables["event_v2"].len();
        rejects += whole.rejects.len();
    }
    assert!(rows > 300 && rejects > 300, "the damage spares some and hits some: {rows} rows, {rejects} rejects");
}

#[test]
fn the_elements_of_third_parties_one_by_one_are_the_record_at_once() {
    let tag = |id: usize| match id {
        2 => json!("no event"),
        4 => json!({"client_id": "no name"}),
        _ => json!({"event_name": "page_view", "client_id": format!("c{id}"), "ga_session_id": format!("s{id}"),
            "items": [{"item_id": "i"}], "x-ga-system_properties": {"fv": "1", "ss": "1"}}),
    };
    let sense = |id: usize| match id {
        2 => json!([]),
        4 => json!({"distinct_id": "no name"}),
        _ => json!({"event": "page_view", "distinct_id": format!("d{id}"), "items": [{"$item_id": "i"}],
            "properties": {"$is_first_time": true, "user": id}}),
    };
    let (transformer, run) = (transformer(), run_at("r", NOW));
    for (app, rows_of_each, element) in [("tags", 3, &tag as &dyn Fn(usize) -> Value), ("senses", 2, &sense)] {
        let events: Vec<Value> = (0..6).map(element).collect();
        let line =
            json!({"appId": app, "ingest_time": NOW, "rid": "r", "data": Value::from(events).to_string()}).to_string();
        let whole = transform(&transformer, &run, &[line.as_bytes()], 1).unwrap();
        assert_eq!((whole.tables["event_v2"].len(), whole.rejects.len()), (4 * rows_of_each, 1), "{app}");
        for parts in
            [vec![vec![0, 1, 2, 3, 4, 5]], vec![vec![1, 2, 5], vec![0, 3, 4]], (0..6).map(|e| vec![e]).collect()]
        {
            assert_parts_are(&whole, line.as_bytes(), &parts);
        }
        assert_nothing_at(line.as_bytes(), 6);
    }
}

/// As `assert_eq` of the tables, but an error shows the first row that differs alone.
fn assert_same(left: &Outcome, right: &Outcome, of: &str) {
    for (table, rows) in &left.tables {
        assert_eq!(rows.len(), right.tables[table].len(), "{of}: {table}");
        for (row, other) in rows.iter().zip(&right.tables[table]) {
            assert_eq!(row, other, "{of}: {table}");
        }
    }
}

/// What a value is replaced by: every kind of JSON value, and texts that are almost something else.
const VALUES: [&str; 22] = [
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "1e400",
    "-0",
    "9223372036854775807",
    "-9223372036854775808",
    "12345678901234567890123",
    "\"\"",
    "\"null\"",
    "\"1\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"https://a://b\"",
    "\"?&=%\"",
    "{}",
    "[]",
    "[[[[[[]]]]]]",
    "{\"value\":null}",
    "{\"value\":{},\"set_timestamp\":\"x\"}",
];

/// Replaces one value somewhere in the tree, or gives its key to another.
fn swap_a_value(value: &mut Value, random: &mut Random) {
    let children = match &*value {
        Value::Object(members) => members.len(),
        Value::Array(elements) => elements.len(),
        _ => 0,
    };
    if children == 0 || random.below(4) == 0 {
        // 1e400 is no number to serde_json, and text to the reference.
        *value = serde_json::from_str(VALUES[random.below(VALUES.len())]).unwrap_or_else(|_| json!("Infinity"));
        return;
    }
    let place = random.below(children);
    match value {
        Value::Object(members) => {
            if let Some(member) = members.values_mut().nth(place) {
                swap_a_value(member, random);
            }
        }
        Value::Array(elements) => swap_a_value(&mut elements[place], random),
        _ => {}
    }
}

/// Flips bits (0), cuts the record (1), or puts a value where something else was (2).
fn damage(bytes: &mut Vec<u8>, kind: usize, random: &mut Random) {
    match kind {
        0 => {
            for _ in 0..=random.below(4) {
                let place = random.below(bytes.len());
                bytes[place] ^= 1 << random.below(8);
            }
        }
        1 => bytes.truncate(random.below(bytes.len())),
        _ => {
            let value = random.of(&VALUES).as_bytes();
            let place = random.below(bytes.len());
            let end = (place + random.below(12)).min(bytes.len());
            bytes.splice(place..end, value.iter().copied());
        }
    }
}

fn damaged(record: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = record.to_vec();
    let kind = random.below(5);
    if kind <= 2 {
        damage(&mut bytes, kind, random);
    } else {
        // Types are swapped in the events themselves, behind every encoding.
        let mut line: Value = serde_json::from_slice(record).unwrap();
        let mut events = json!([event(random, 0), event(random, 1)]);
        for _ in 0..=random.below(3) {
            swap_a_value(&mut events, random);
        }
        let text = events.to_string();
        line["data"] = if random.below(2) == 0 { json!(zipped(&text)) } else { json!(text) };
        if random.below(4) == 0 {
            swap_a_value(&mut line, random);
        }
        bytes = line.to_string().into_bytes();
    }
    bytes
}

#[test]
fn no_damage_unbalances_the_ledger_or_gives_two_answers() {
    let mut random = Random(2_026);
    let (mut rows, mut rejects) = (0, 0);
    for round in 0..12 {
        let records: Vec<_> = payloads(&mut random, 150).iter().map(|record| damaged(record, &mut random)).collect();
        let outcome = run(&records, usize::MAX);
        assert_eq!(outcome.ledger.unbalanced(), Vec::<&str>::new(), "round {round}");
        assert_eq!(outcome.ledger.get("payload").unwrap().read, records.len() as u64);
        let again = run(&records, 7);
        assert_eq!(outcome.tables, again.tables, "round {round}");
        assert_eq!(outcome.rejects, again.rejects, "round {round}");
        rows += outcome.tables["event_v2"].len();
        rejects += outcome.rejects.len();
    }
    assert!(rows > 300 && rejects > 300, "the damage spares some and hits some: {rows} rows, {rejects} rejects");
}

#[test]
fn a_bad_record_costs_no_neighbour() {
    let mut random = Random(7);
    let good = payloads(&mut random, 60);
    let alone = run(&good, usize::MAX);
    let mut mixed = Vec::new();
    for record in &good {
        mixed.push(record[..record.len() / 2].to_vec());
        mixed.push(record.clone());
        mixed.push(b"\xff\xfe{".to_vec());
    }
    let mixed = run(&mixed, 4);
    // Helper columns that order rows count the events before; bad records have none.
    assert_eq!(mixed.tables, alone.tables);
    assert_eq!(mixed.rejects.len(), alone.rejects.len() + 120);
}

#[test]
fn the_elements_one_by_one_are_the_record_at_once() {
    let element = |id: usize| match id {
        2 => json!("no event"),
        5 => json!({"event_type": "_page_view", "event_id": "late", "app_id": "other", "timestamp": NOW}),
        _ => json!({"event_type": "_page_view", "event_id": format!("e{id}"), "app_id": "shop", "timestamp": NOW,
            "unique_id": format!("u{id}"), "items": [{"id": "i"}], "attributes": {"_session_id": format!("s{id}")}}),
    };
    let events: Vec<Value> = (0..8).map(element).collect();
    let line = json!({"appId": "shop", "ingest_time": NOW, "data": Value::from(events).to_string()}).to_string();
    let (transformer, run) = (transformer(), run_at("r", NOW));
    let whole = transform(&transformer, &run, &[line.as_bytes()], 1).unwrap();
    assert_eq!((whole.tables["event_v2"].len(), whole.rejects.len()), (6, 1));
    for parts in [
        vec![vec![0, 1, 2, 3, 4, 5, 6, 7]],
        vec![vec![1, 2, 5], vec![0, 3, 4, 6, 7]],
        (0..8).map(|e| vec![e]).collect(),
    ] {
        assert_parts_are(&whole, line.as_bytes(), &parts);
    }
    assert_nothing_at(line.as_bytes(), 8);
}

/// Asserts that the elements of a record, taken in parts, are what it gives as a whole; element 2 is the one that is none.
fn assert_parts_are(whole: &Outcome, line: &[u8], parts: &[Vec<u32>]) {
    let (transformer, run) = (transformer(), run_at("r", NOW));
    let mut rows: Vec<String> = Vec::new();
    let mut rejects = Vec::new();
    for only in parts {
        let part = transform_elements(&transformer, &run, line, only).unwrap();
        assert_eq!(part.ledger.unbalanced(), Vec::<&str>::new());
        rows.extend(all_rows(&part));
        rejects.extend(part.rejects);
    }
    rows.sort();
    let line = String::from_utf8_lossy(line);
    assert_eq!((rows, rejects.len()), (all_rows(whole), 1), "{parts:?} of {line}");
    assert_eq!(rejects[0].address.as_ref().unwrap().index, Some(2));
}

/// Asserts that an element that a record does not have gives nothing.
fn assert_nothing_at(line: &[u8], place: u32) {
    let none = transform_elements(&transformer(), &run_at("r", NOW), line, &[place]).unwrap();
    assert_eq!(none.ledger.unbalanced(), Vec::<&str>::new());
    assert_eq!(all_rows(&none), Vec::<String>::new());
}

/// The rows of all tables as sorted texts, without the numbers that only break ties.
fn all_rows(outcome: &Outcome) -> Vec<String> {
    let row = |(table, row): (&String, &etl_sdk::testing::Row)| {
        let mut row = row.clone();
        row.retain(|column, _| !column.ends_with("sequence"));
        format!("{table} {}", Value::Object(row))
    };
    let mut rows: Vec<String> =
        outcome.tables.iter().flat_map(|(table, rows)| rows.iter().map(move |row| (table, row))).map(row).collect();
    rows.sort();
    rows
}
