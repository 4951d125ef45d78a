//! The reference's behaviour, and what is better by default.

use crate::compat::Compat;
use crate::traffic_source::RuleSet;
use crate::{Clickstream, ClickstreamConfig};
use etl_sdk::Transformer;
use etl_sdk::testing::{Outcome, run_at, transform};
use serde_json::{Value, json};
use std::sync::Arc;

const NOW: i64 = 1_700_000_000_000;

fn run(source: &str, reference: bool, data: &Value) -> Outcome {
    let options = json!({"project_id": "p", "app_ids": ["a"], "source": source});
    let mut config: ClickstreamConfig = serde_json::from_value(options).unwrap();
    config.compat = if reference { Compat::Reference } else { Compat::Default };
    let transformer: Arc<dyn Transformer> = Arc::new(Clickstream::new(config, RuleSet::default()).unwrap());
    let line = json!({"appId": "a", "ingest_time": NOW, "rid": "r", "data": data}).to_string();
    let outcome = transform(&transformer, &run_at("job", NOW), &[line.as_bytes()], 1).unwrap();
    assert_eq!(outcome.ledger.unbalanced(), Vec::<&str>::new());
    outcome
}

/// Events kept, and reasons of dead letters.
fn found(outcome: &Outcome) -> (usize, Vec<&str>) {
    (outcome.tables["event_v2"].len(), outcome.rejects.iter().map(|reject| reject.reason.as_str()).collect())
}

#[test]
fn a_bad_element_takes_its_request_with_it_in_the_reference() {
    let good = json!({"event_name": "e", "client_id": "c"});
    for (bad, kept, reason) in [
        (json!({"event_name": []}), 1, "wrong_type"),
        (json!(null), 1, "not_an_object"),
        (json!({"event_name": "e", "screen_resolution": "axb"}), 1, "wrong_type"),
    ] {
        let data = json!([good, bad]);
        assert_eq!(found(&run("gtm", false, &data)), (kept, vec![reason]), "{bad}");
        let outcome = run("gtm", true, &data);
        assert_eq!(found(&outcome), (0, vec!["bad_element"]), "{bad}");
        assert!(outcome.rejects[0].message.starts_with("element 1: "), "{}", outcome.rejects[0].message);
        assert_eq!(outcome.rejects[0].address.as_ref().unwrap().index, None, "it is the whole request");
        assert!(outcome.tables.values().all(Vec::is_empty));
    }
    // What has no name is not converted, so that nothing in it can fail then.
    let nameless = json!([good, {"screen_resolution": "axb"}]);
    assert_eq!(found(&run("gtm", true, &nameless)), (1, vec![]));
    let absent = json!([{"event": "e"}, {"event": "e", "properties": {}}]);
    assert_eq!(found(&run("sensors", true, &absent)), (0, vec!["bad_element"]));
    assert_eq!(found(&run("sensors", false, &absent)), (1, vec!["missing_field"]));
}

#[test]
fn a_user_without_an_age_or_a_brand_that_is_null_is_fatal_in_the_reference() {
    for over in [
        json!({"x-ga-mp2-user_properties": {"username": "n"}}),
        json!({"x-ga-mp2-user_properties": {"age": "forty"}}),
        json!({"client_hints": {"brands": [null]}}),
        json!({"client_hints": {"full_version_list": [{"brand": "b"}, null]}}),
    ] {
        let mut event = json!({"event_name": "e", "client_id": "c"});
        event.as_object_mut().unwrap().append(&mut over.as_object().unwrap().clone());
        assert_eq!(found(&run("gtm", false, &event)), (1, vec![]), "{over}");
        assert_eq!(found(&run("gtm", true, &event)), (0, vec!["bad_element"]), "{over}");
    }
    let aged = json!({"event_name": "e", "client_id": "c", "x-ga-mp2-user_properties": {"age": "40"}});
    assert_eq!(found(&run("gtm", true, &aged)), (1, vec![]));
}

#[test]
fn an_unreadable_payload_of_sensors_leaves_no_dead_letter_in_the_reference() {
    for (data, reason) in
        [("gzip=1", "payload_no_form"), ("data=!", "payload_not_base64"), ("{\"a\"", "payload_not_json")]
    {
        assert_eq!(found(&run("sensors", false, &json!(data))), (0, vec![reason]), "{data}");
        let outcome = run("sensors", true, &json!(data));
        assert_eq!(found(&outcome), (0, vec![]), "{data}");
        assert_eq!(outcome.ledger.get("payload").unwrap().filtered.get(reason), Some(&1), "counted all the same");
    }
    assert_eq!(found(&run("gtm", true, &json!("{\"a\""))), (0, vec!["payload_not_json"]));
}

#[test]
fn a_missing_time_of_sensors_is_1970_in_the_reference() {
    let event = json!({"event": "e", "distinct_id": "d", "properties": {}});
    for (reference, start, touch) in [(false, Value::Null, NOW), (true, json!(0), 0)] {
        let outcome = run("sensors", reference, &event);
        let start_column = outcome.tables["event_v2"][0].get("session_start_time_msec").unwrap_or(&Value::Null);
        assert_eq!(start_column, &start);
        assert_eq!(outcome.tables["user_v2"][0]["first_touch_time_msec"], touch);
    }
}
