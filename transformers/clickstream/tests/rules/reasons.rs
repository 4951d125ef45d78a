//! Every reason code a record, an element or an item is left out with.

use crate::{HOUR, NOW, event, request, run, run_lines};
use base64_simd::STANDARD;
use etl_sdk::testing::Outcome;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;

pub fn zipped(text: &str) -> String {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(text.as_bytes()).unwrap();
    STANDARD.encode_to_string(writer.finish().unwrap())
}

/// The step and reason of the only dead letter.
pub fn dead(outcome: &Outcome) -> (&str, &str) {
    let [reject] = outcome.rejects.as_slice() else { panic!("{:?}", outcome.rejects) };
    assert!(!reject.message.is_empty());
    assert_eq!(outcome.ledger.get(&reject.step).unwrap().dead.get(&reject.reason), Some(&1));
    (&reject.step, &reject.reason)
}

pub fn filtered<'a>(outcome: &'a Outcome, step: &str) -> Vec<(&'a str, u64)> {
    assert!(outcome.rejects.is_empty(), "{:?}", outcome.rejects);
    outcome.ledger.get(step).unwrap().filtered.iter().map(|(reason, count)| (reason.as_ref(), *count)).collect()
}

#[test]
fn lines_that_are_no_requests() {
    for (line, reason) in [
        ("nonsense", "not_json"),
        ("{\"appId\":\"shop\"", "not_json"),
        ("", "not_json"),
        ("\"abc\"", "not_an_object"),
        ("[]", "not_an_object"),
    ] {
        let outcome = run_lines(json!({}), &[line.as_bytes()]);
        assert_eq!(dead(&outcome), ("payload", reason), "{line}");
        assert_eq!(outcome.rejects[0].raw, line.as_bytes());
    }
    let deep = format!("{{\"appId\":\"shop\",\"data\":{}{}}}", "[".repeat(31), "]".repeat(31));
    assert_eq!(dead(&run_lines(json!({}), &[deep.as_bytes()])), ("payload", "not_json"));
}

#[test]
fn requests_without_what_they_need() {
    let data = json!([event(json!({}))]);
    for (over, reason) in [
        (json!({}), "missing_data"),
        (json!({"data": data, "appId": null}), "missing_app_id"),
        (json!({"data": data, "appId": ""}), "missing_app_id"),
        (json!({"data": data, "ingest_time": null}), "missing_ingest_time"),
        (json!({"data": data, "ingest_time": "1"}), "missing_ingest_time"),
        (json!({"data": data, "ingest_time": 1.0}), "missing_ingest_time"),
    ] {
        assert_eq!(dead(&run_lines(json!({}), &[&request(&over)])), ("payload", reason), "{over}");
    }
}

#[test]
fn payloads_that_cannot_be_read() {
    let one = event(json!({})).to_string();
    for (data, reason) in [
        (json!(""), "payload_not_gzip"),
        (json!("not base64"), "payload_not_base64"),
        (json!(one), "payload_not_base64"),
        (json!({"a": 1}), "payload_not_base64"),
        (json!(true), "payload_not_gzip"),
        (json!(STANDARD.encode_to_string("plain")), "payload_not_gzip"),
        (json!(zipped(&one)), "payload_not_an_array"),
        (json!(zipped(&format!("[{one}"))), "payload_not_json"),
        (json!(zipped(&"[".repeat(20_000))), "payload_too_large"),
        (json!(format!("[{one}]]")), "payload_not_json"),
        (json!("[\"a\u{1}b\"]"), "payload_not_json"),
        (json!("[1,]"), "payload_not_json"),
    ] {
        let outcome = run_lines(json!({}), &[&request(&json!({"data": data}))]);
        assert_eq!(dead(&outcome), ("payload", reason), "{data}");
    }
    for data in [json!("[]"), json!([]), json!(zipped(" [] "))] {
        let outcome = run_lines(json!({}), &[&request(&json!({"data": data}))]);
        assert_eq!(filtered(&outcome, "payload"), [("empty_payload", 1)], "{data}");
    }
}

#[test]
fn payloads_of_every_form_are_read() {
    let one = event(json!({}));
    let text = json!([one]).to_string();
    let broken = text.replace(',', ",\r\n");
    for data in [
        json!(text),
        json!([one]),
        json!([one.to_string()]),
        json!(format!("  {text}\n")),
        json!(zipped(&text)),
        json!(zipped(&broken)),
        json!(zipped(&text).trim_end_matches('=')),
        json!(text.replace('"', "'")),
    ] {
        let outcome = run_lines(json!({}), &[&request(&json!({"data": data}))]);
        assert_eq!(outcome.tables["event_v2"].len(), 1, "{data} {:?}", outcome.rejects);
    }
}

#[test]
fn elements_that_are_no_events() {
    for element in [json!(null), json!(1), json!(true), json!("text"), json!("[]"), json!([{}]), json!("[{}]")] {
        let outcome = run(json!({}), &[element.clone(), event(json!({}))]);
        assert_eq!(dead(&outcome), ("validate", "not_an_object"), "{element}");
        assert_eq!(outcome.rejects[0].address.as_ref().unwrap().index, Some(0));
        assert_eq!(outcome.tables["event_v2"].len(), 1, "its neighbour is kept");
    }
    for (over, step, reason) in [
        (json!({"event_id": null}), "validate", "missing_field"),
        (json!({"timestamp": "1"}), "validate", "wrong_type"),
        (json!({"screen_width": 1.0}), "validate", "wrong_type"),
        (json!({"attributes": "text"}), "parse", "wrong_type"),
        (json!({"event_type": {}}), "parse", "wrong_type"),
        (json!({"items": [1]}), "parse", "bad_item"),
        (json!({"items": [{"id": "i", "name": {}}]}), "parse", "bad_item"),
        (json!({"timestamp": -70_000_000_000_000_i64, "event_type": "_first_open"}), "parse", "timestamp_out_of_range"),
    ] {
        let outcome = run(json!({}), &[event(over.clone())]);
        assert_eq!(dead(&outcome), (step, reason), "{over}");
        assert!(outcome.tables.values().all(Vec::is_empty), "{over}");
    }
}

#[test]
fn what_only_the_reference_gives_up() {
    for (over, reason) in [
        (json!({"user": {"_user_age": {"value": "old"}}}), "bad_user_property"),
        (json!({"attributes": {"_page_url": "https://h/?utm_source="}}), "empty_parameter"),
        (json!({"attributes": {"_page_referrer": "https://h/?fbclid="}}), "empty_parameter"),
        (json!({"attributes": {"_page_referrer": "https://"}}), "referrer_without_host"),
        (json!({"app_id": "plain", "attributes": {"_utm_source": "s"}}), "no_rules"),
    ] {
        let outcome = run(json!({"compat": "reference"}), &[event(over.clone())]);
        assert_eq!(dead(&outcome), ("parse", reason), "{over}");
        assert!(outcome.tables.values().all(Vec::is_empty), "{over}");
        let outcome = run(json!({}), &[event(over.clone())]);
        assert_eq!(outcome.tables["event_v2"].len(), 1, "{over}");
    }
    for over in [
        json!({"attributes": {"_utm_source": "s", "_page_url": "https://h/?utm_source="}}),
        json!({"app_id": "plain", "attributes": {"_page_url": "https://h/?utm_source="}}),
        json!({"app_id": "plain", "attributes": {"_utm_source": ""}}),
        json!({"attributes": {"_utm_source": "s", "_page_referrer": "https://h/?gclid="}}),
    ] {
        let outcome = run(json!({"compat": "reference"}), &[event(over.clone())]);
        assert_eq!(outcome.tables["event_v2"].len(), 1, "{over}");
    }
}

#[test]
fn what_the_reference_loses_is_counted() {
    let reference = |over: Value| run_lines(json!({"compat": "reference"}), &[&request(&over)]);
    let one = event(json!({})).to_string();
    for data in [json!(one), json!(zipped(&one)), json!(zipped(&format!("[{one}"))), json!("[1,]"), json!("a\\b")] {
        assert_eq!(filtered(&reference(json!({"data": data})), "payload"), [("vanishes_in_reference", 1)], "{data}");
    }
    for (data, reason) in [("not base64", "payload_not_base64"), ("", "payload_not_gzip")] {
        assert_eq!(dead(&reference(json!({"data": data}))), ("payload", reason));
    }
    // Only what the checks and filters before would have kept is lost for want of an app.
    let data = json!([event(json!({})), event(json!({"event_id": null})), event(json!({"app_id": "other"}))]);
    let outcome = reference(json!({"data": data, "appId": null}));
    assert_eq!(dead(&outcome), ("validate", "missing_field"));
    let filtered = &outcome.ledger.get("filter").unwrap().filtered;
    assert_eq!((filtered["vanishes_in_reference"], filtered["other_app"]), (1, 1));
    for data in [format!("[{one}] ]"), zipped(&format!("[{one}] text"))] {
        assert_eq!(
            reference(json!({"data": data})).tables["event_v2"].len(),
            1,
            "what follows the array is passed over"
        );
    }
}

#[test]
fn events_that_are_stale_in_the_future_or_of_another_app() {
    let old = NOW - 72 * HOUR;
    for (over, reason) in [
        (json!({"timestamp": old}), None),
        (json!({"timestamp": old - 1}), Some("stale")),
        (json!({"timestamp": NOW + 1}), Some("in_the_future")),
        (json!({"timestamp": old - 1, "event_type": "_first_open"}), None),
        (json!({"timestamp": old - 1, "event_type": "_first_visit"}), None),
        (json!({"timestamp": NOW + 1, "event_type": "_profile_set"}), None),
        (json!({"timestamp": old - 1, "event_type": "_user_profile_set"}), Some("stale")),
        // The alias makes the name, but the rule reads event_type alone.
        (json!({"timestamp": old - 1, "event_type": null, "event_name": "_first_open"}), Some("stale")),
        (json!({"app_id": "other"}), Some("other_app")),
        (json!({"app_id": "Shop"}), Some("other_app")),
        (json!({"app_id": " "}), Some("other_app")),
        (json!({"app_id": {"a": 1}}), Some("other_app")),
        (json!({"timestamp": old - 1, "app_id": "other"}), Some("stale")),
    ] {
        let outcome = run(json!({}), &[event(over.clone())]);
        let reasons: Vec<_> = reason.map(|reason| (reason, 1)).into_iter().collect();
        assert_eq!(filtered(&outcome, "filter"), reasons, "{over}");
    }
}

/// The age is that of the raw timestamp against the time of the request, whatever the shift makes of it.
#[test]
fn freshness_is_judged_before_the_time_shift() {
    let line = request(&json!({
        "client_timestamp": NOW - 100 * HOUR, "data": [event(json!({"timestamp": NOW - 100 * HOUR}))],
    }));
    let outcome = run_lines(json!({"time_shift": true}), &[&line]);
    assert_eq!(filtered(&outcome, "filter"), [("stale", 1)]);
    let late = request(&json!({"ingest_time": NOW - 72 * HOUR, "data": [event(json!({"timestamp": NOW}))]}));
    assert_eq!(run_lines(json!({}), &[&late]).tables["event_v2"].len(), 1, "younger than its request");
}

#[test]
fn events_without_a_name_and_items_without_an_id() {
    let whole = r#""event_id":"e","app_id":"shop","timestamp":1700000000000"#;
    for name in
        ["", r#","event_type":"""#, r#","event_type":"a","event_name":"""#, r#","event_type":"a","event_name":null"#]
    {
        let outcome = run(json!({}), &[Value::String(format!("{{{whole}{name}}}"))]);
        assert_eq!(filtered(&outcome, "parse"), [("no_event_name", 1)], "{name}");
        assert!(outcome.tables.values().all(Vec::is_empty));
    }
    let items = json!([{"name": "no id"}, {"id": ""}, {"id": null}, {"item_id": 5}]);
    let outcome = run(json!({}), &[event(json!({"items": items}))]);
    assert_eq!(filtered(&outcome, "items"), [("no_item_id", 3)]);
    assert_eq!(outcome.tables["item_v2"][0]["item_id"], "5");
}

#[test]
fn users_and_sessions_met_again() {
    let one = event(json!({"event_type": "_session_start", "attributes": {"_session_id": "s"}}));
    let outcome = run(json!({}), &[one.clone(), one.clone(), one]);
    assert_eq!(filtered(&outcome, "users"), [("same_user", 2)]);
    assert_eq!(filtered(&outcome, "sessions"), [("same_session", 2)]);
}

#[test]
fn a_payload_or_event_with_too_many_parts_is_refused_whole() {
    let many = format!("[{}1]", "1,".repeat(50_000));
    let outcome = run_lines(json!({}), &[&request(&json!({"data": many}))]);
    assert_eq!(dead(&outcome), ("payload", "too_many_events"));
    let items = Value::from(vec![json!({}); 50_001]);
    let outcome = run(json!({"payload_bytes": 1_000_000}), &[event(json!({"items": items}))]);
    assert_eq!(dead(&outcome), ("parse", "bad_item"));
}
