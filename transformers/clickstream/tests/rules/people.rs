//! Users and sessions.

use crate::{NOW, assert_columns, event, only, row_of, run};
use etl_sdk::testing::Row;
use serde_json::{Value, json};

fn user(events: &[Value]) -> Row {
    only(&run(json!({}), events), "user_v2")
}

fn session(events: &[Value]) -> Row {
    only(&run(json!({}), events), "session")
}

fn of(name: &str, age: i64, over: Value) -> Value {
    let mut event = event(over);
    event["event_type"] = json!(name);
    event["timestamp"] = json!(NOW - age);
    event
}

#[test]
fn only_some_events_say_what_came_first() {
    for (name, counts) in [
        ("_first_open", true),
        ("_first_visit", true),
        ("_session_start", true),
        ("_screen_view", true),
        ("_page_view", false),
        ("_profile_set", false),
        ("_app_start", false),
    ] {
        let row = user(&[of(name, 0, json!({"attributes": {"_page_referrer": "r", "_app_install_source": "store"}}))]);
        let value = |value: &str| if counts { json!(value) } else { Value::Null };
        assert_columns(&row, &json!({"first_referrer": value("r"), "first_app_install_source": value("store")}));
        assert_eq!(row["process_info"].get("first_event_name"), counts.then(|| json!(name)).as_ref(), "{name}");
    }
}

#[test]
fn the_first_event_is_taken_whole_nulls_included() {
    let touch = json!({"_user_first_touch_timestamp": {"value": NOW}});
    let row = user(&[
        of("_screen_view", 5, json!({"attributes": {"_page_referrer": "later"}, "user": touch})),
        of("_first_open", 9, json!({})),
        of("_page_view", 50, json!({"attributes": {"_page_referrer": "does not count"}})),
    ]);
    assert_columns(
        &row,
        &json!({"first_referrer": null, "first_touch_time_msec": null, "first_visit_date": null,
            "event_timestamp": "2023-11-14T22:13:19.995Z"}),
    );
    let row = user(&[of("_first_open", 0, json!({"user": touch}))]);
    assert_columns(&row, &json!({"first_touch_time_msec": NOW, "first_visit_date": "2023-11-14"}));
}

#[test]
fn on_a_tie_the_event_processed_last_wins() {
    let first = |referrer: &str| of("_first_open", 3, json!({"attributes": {"_page_referrer": referrer}}));
    assert_eq!(user(&[first("a"), first("b")])["first_referrer"], "b");
    let profile = |plan: &str| of("_profile_set", 3, json!({"user": {"plan": {"value": plan}}}));
    let row = user(&[profile("a"), profile("b")]);
    assert_eq!(row["user_properties"]["plan"]["value"], "b");
    let start =
        |number: i64| of("_session_start", 3, json!({"attributes": {"_session_id": "s", "_session_number": number}}));
    assert_eq!(session(&[start(1), start(2)])["session_number"], 2);
}

#[test]
fn properties_are_those_of_the_latest_profile_as_a_whole() {
    let row = user(&[
        of("_profile_set", 1, json!({"user": {"plan": {"value": "b", "set_timestamp": 5}}})),
        of("_profile_set", 9, json!({"user": {"plan": {"value": "a"}, "old": 1}})),
        of("_profile_set", 0, json!({"user": {}})),
        of("_profile_set", 0, json!({})),
        of("click", 0, json!({"user": {"plan": {"value": "c"}}})),
        of("_user_profile_set", 0, json!({"user": {"plan": {"value": "d"}}})),
    ]);
    assert_columns(
        &row,
        &json!({"user_properties": {"plan": {"value": "b", "type": "string", "set_time_msec": 5}},
            "user_properties_json_str": "{\"plan\":{\"set_time_msec\":5,\"value\":\"b\"}}"}),
    );
    assert_eq!(row["process_info"]["latest_event_name"], "_profile_set");
}

#[test]
fn properties_of_every_form() {
    for (sent, value, kind, set_time, json_str) in [
        (
            r#""_user_id":{"value":7,"set_timestamp":"3"}"#,
            json!("7"),
            "string",
            json!(3),
            r#"{"set_time_msec":3,"value":"7"}"#,
        ),
        (r#""_user_id":{"set_timestamp":3}"#, Value::Null, "string", json!(3), r#"{"set_time_msec":3,"value":null}"#),
        (
            r#""_user_name":{"value":null}"#,
            Value::Null,
            "string",
            Value::Null,
            r#"{"set_time_msec":null,"value":null}"#,
        ),
        (r#""_user_age":{"value":"20"}"#, json!("20"), "number", Value::Null, r#"{"set_time_msec":null,"value":20}"#),
        (
            r#""x":{"value":1.10,"set_timestamp":3.9}"#,
            json!("1.1"),
            "number",
            json!(3),
            r#"{"set_time_msec":3,"value":1.1}"#,
        ),
        (
            r#""x":{"value":true,"set_timestamp":"3"}"#,
            json!("true"),
            "boolean",
            Value::Null,
            r#"{"set_time_msec":null,"value":true}"#,
        ),
        (
            r#""x":{"value":null,"set_timestamp":3}"#,
            json!(r#"{"value":null,"set_timestamp":3}"#),
            "object",
            Value::Null,
            r#"{"set_time_msec":null,"value":{"value":null,"set_timestamp":3}}"#,
        ),
        (r#""x":[1]"#, json!("[1]"), "object", Value::Null, r#"{"set_time_msec":null,"value":[1]}"#),
        (r#""x":null"#, json!("null"), "object", Value::Null, r#"{"set_time_msec":null,"value":null}"#),
        (
            r#""x":12345678901234567890"#,
            json!("12345678901234567890"),
            "number",
            Value::Null,
            r#"{"set_time_msec":null,"value":12345678901234567890}"#,
        ),
    ] {
        let text = format!(
            r#"{{"event_id":"e","app_id":"shop","timestamp":{NOW},"event_type":"_profile_set","unique_id":"u","user":{{{sent}}}}}"#
        );
        let row = user(&[Value::String(text)]);
        let properties = row["user_properties"].as_object().unwrap();
        let (name, property) = properties.iter().next().unwrap();
        assert_eq!(property.get("value").unwrap_or(&Value::Null), &value, "{sent}");
        assert_eq!(property["type"], kind, "{sent}");
        assert_eq!(property.get("set_time_msec").unwrap_or(&Value::Null), &set_time, "{sent}");
        assert_eq!(row["user_properties_json_str"], format!("{{\"{name}\":{json_str}}}"), "{sent}");
    }
}

#[test]
fn the_user_id_is_the_greatest_text() {
    let with = |id: Value| of("click", 0, json!({"user": {"_user_id": {"value": id}}}));
    let row = user(&[with(json!("9")), with(Value::Null), with(json!("10")), of("click", 0, json!({}))]);
    assert_eq!(row["user_id"], "9");
    assert!(!user(&[of("click", 0, json!({}))]).contains_key("user_id"));
}

#[test]
fn an_event_without_a_user_makes_a_session_but_no_user() {
    let outcome =
        run(json!({}), &[of("_page_view", 0, json!({"unique_id": null, "attributes": {"_session_id": "s"}}))]);
    assert!(outcome.tables["user_v2"].is_empty());
    assert!(!only(&outcome, "session").contains_key("user_pseudo_id"));
    assert!(!only(&outcome, "event_v2").contains_key("user_pseudo_id"));
}

#[test]
fn a_session_is_told_by_its_first_known_source() {
    let visit = |source: Value, age: i64| {
        of(
            "_page_view",
            age,
            json!({"app_id": "plain", "attributes": {"_session_id": "s", "_traffic_source_source": source}}),
        )
    };
    for (events, source) in [
        (vec![visit(json!("Direct"), 9), visit(json!("b"), 5), visit(json!("c"), 1)], json!("b")),
        (vec![visit(Value::Null, 9), visit(json!("c"), 1)], json!("c")),
        (vec![visit(Value::Null, 9), visit(json!("Direct"), 1)], Value::Null),
        // An empty source is neither null nor Direct.
        (vec![visit(json!(""), 9), visit(json!("c"), 10)], json!("c")),
        (vec![visit(json!(""), 9), visit(json!("c"), 1)], json!("")),
        (vec![visit(json!("direct"), 9), visit(json!("c"), 1)], json!("direct")),
    ] {
        assert_eq!(session(&events).get("session_source").unwrap_or(&Value::Null), &source);
    }
}

#[test]
fn only_some_events_make_a_session() {
    for (name, counts) in [
        ("_session_start", 1),
        ("_page_view", 1),
        ("_user_engagement", 1),
        ("_screen_view", 1),
        ("_app_end", 1),
        ("_scroll", 0),
        ("_app_start", 0),
    ] {
        let outcome = run(json!({}), &[of(name, 0, json!({"attributes": {"_session_id": "s"}}))]);
        assert_eq!(outcome.tables["session"].len(), counts, "{name}");
    }
    let empty = run(json!({}), &[of("_page_view", 0, json!({"attributes": {"_session_id": ""}}))]);
    assert_eq!(empty.tables["session"].len(), 1, "an empty id is one");
    let row = session(&[of("_page_view", 0, json!({"attributes": {"_session_id": "s"}}))]);
    let info: Vec<_> = row["process_info"].as_object().unwrap().iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(
        info,
        ["event_name", "rid", "ingest_time", "input_file_name", "source_ip", "process_job_id", "process_time"]
    );
}

#[test]
fn texts_are_cut_in_users_and_sessions_too() {
    let long = "é".repeat(40_000);
    let attributes = json!({"_session_id": long, "_page_referrer": long, "_traffic_source_source": long,
        "_traffic_source_content": long, "_traffic_source_clid": long, "_app_install_channel": long});
    let one = of(
        "_session_start",
        0,
        json!({"app_id": "plain", "unique_id": long, "attributes": attributes,
        "user": {"_user_id": {"value": long}}}),
    );
    let outcome = run(json!({}), std::slice::from_ref(&one));
    let length = |row: &Row, column: &str| row[column].as_str().unwrap().len();
    let session = only(&outcome, "session");
    for (column, bytes) in [
        ("user_pseudo_id", 254),
        ("session_id", 254),
        ("user_id", 254),
        ("session_source", 254),
        ("session_content", 2_048),
        ("session_clid", 2_048),
    ] {
        assert_eq!(length(&session, column), bytes, "{column}");
    }
    let user = only(&outcome, "user_v2");
    for (column, bytes) in [
        ("user_pseudo_id", 254),
        ("user_id", 254),
        ("first_referrer", 65_534),
        ("first_traffic_source", 254),
        ("first_traffic_content", 2_048),
        ("first_app_install_source", 254),
    ] {
        assert_eq!(length(&user, column), bytes, "{column}");
    }
    let whole = run(json!({"truncate": false}), &[one]);
    assert!(["event_v2", "user_v2", "session"].iter().all(|table| length(&only(&whole, table), "user_id") == 80_000));
    assert_eq!(length(&row_of("event_v2", json!({"app_title": long})), "app_title"), 254);
}
