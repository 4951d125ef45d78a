//! Events of Sensors Analytics.

use crate::reasons::{dead, filtered, zipped};
use crate::{NOW, assert_columns, request, run_lines};
use base64_simd::STANDARD;
use etl_sdk::testing::{Outcome, Row};
use serde_json::{Value, json};

fn run_data(data: &Value) -> Outcome {
    run_lines(json!({"source": "sensors"}), &[&request(&json!({"data": data}))])
}

/// An event with members over the usual ones; a member that is null takes the usual one away.
fn sensors(over: &Value) -> Value {
    let usual = json!({"event": "e", "distinct_id": "d", "time": NOW - 7, "properties": {}});
    crate::merged(usual, over)
}

fn run(events: &[Value]) -> Outcome {
    run_data(&json!(Value::from(events).to_string()))
}

fn row_of(over: Value) -> Row {
    crate::only(&run(&[sensors(&over)]), "event_v2")
}

fn escaped(base64: &str) -> String {
    base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

#[test]
fn every_form_of_a_payload_is_read() {
    let text = json!([sensors(&json!({}))]).to_string();
    for data in [
        text.clone(),
        format!("crc=1&gzip=1&data_list={}", escaped(&zipped(&text))),
        format!("data={}&ext=crc%3D1", escaped(&STANDARD.encode_to_string(&text))),
        sensors(&json!({})).to_string(),
    ] {
        assert_eq!(run_data(&json!(data)).tables["event_v2"].len(), 1, "{data}");
    }
    for data in [json!(""), json!(" "), json!("[]"), json!(format!("data={}", escaped(&zipped(" "))))] {
        assert_eq!(filtered(&run_data(&data), "payload"), [("empty_payload", 1)], "{data}");
    }
}

#[test]
fn payloads_that_cannot_be_read_have_a_reason() {
    let text = json!([sensors(&json!({}))]).to_string();
    for (data, reason) in [
        (Value::Null, "missing_data"),
        (json!("gzip=1"), "payload_no_form"),
        (json!("data=%"), "payload_not_base64"),
        (json!(format!("data={}", escaped(&STANDARD.encode_to_string("text")))), "payload_not_gzip"),
        (json!(format!("data={}", escaped(&zipped("text")))), "payload_not_json"),
        (json!(format!("data={}", escaped(&zipped(&" ".repeat(20_000))))), "payload_too_large"),
        (
            json!(format!("data={}", escaped(&STANDARD.encode_to_string(format!("[{}]", " ".repeat(20_000)))))),
            "payload_too_large",
        ),
        (json!(format!("{text},")), "payload_not_json"),
    ] {
        let outcome = run_data(&data);
        assert_eq!(dead(&outcome), ("payload", reason), "{data}");
        assert!(outcome.tables.values().all(Vec::is_empty));
    }
}

#[test]
fn one_bad_element_costs_itself() {
    let good = sensors(&json!({}));
    for (bad, step, reason) in [
        (json!(null), "validate", "not_an_object"),
        (json!("text"), "validate", "not_an_object"),
        (json!({"time": "soon"}), "validate", "wrong_type"),
        (json!({"event": {}}), "validate", "wrong_type"),
        (json!({"properties": []}), "validate", "wrong_type"),
        (json!({"properties": {"$screen_width": 3_000_000_000_i64}}), "validate", "wrong_type"),
        (json!({"properties": {"$is_first_time": "perhaps"}}), "validate", "wrong_type"),
        (json!({"identities": {"$identity_login_id": []}}), "validate", "wrong_type"),
        (json!({"event": "e"}), "parse", "missing_field"),
        (json!({"event": "e", "properties": null}), "parse", "missing_field"),
    ] {
        let outcome = run(&[bad.clone(), good.clone()]);
        assert_eq!(dead(&outcome), (step, reason), "{bad}");
        assert_eq!(outcome.rejects[0].address.as_ref().unwrap().index, Some(0));
        assert_eq!(outcome.tables["event_v2"][0]["event_id"], "r-1-d", "{bad}");
    }
    for event in [json!({"distinct_id": "d"}), json!({"event": "", "properties": {}})] {
        assert_eq!(filtered(&run(&[event]), "parse"), [("no_event_name", 1)]);
    }
}

#[test]
fn columns() {
    for (over, expected) in [
        (
            json!({}),
            json!({"event_id": "r-0-d", "event_time_msec": NOW, "event_value": null, "platform": "Web",
                "device_operating_system": null, "device_screen_width": 0, "device_screen_height": 0,
                "device_time_zone_offset_seconds": 0, "device_network_type": "CELLULAR", "user_engagement_time_msec": 0,
                "session_start_time_msec": NOW - 7, "session_id": null, "user_id": null, "user_pseudo_id": "d",
                "device_ua": {"string": "agent"}, "ua": "agent", "ip": "1.2.3.4", "app_version": null}),
        ),
        (json!({"distinct_id": null}), json!({"event_id": "r-0-null", "user_pseudo_id": null})),
        (json!({"time": null}), json!({"session_start_time_msec": null})),
        (json!({"anonymous_id": "a"}), json!({"user_id": "a"})),
        (json!({"anonymous_id": "a", "identities": {"$identity_login_id": "l"}}), json!({"user_id": "l"})),
        (json!({"properties": {"$wifi": true}}), json!({"device_network_type": "WIFI"})),
        (json!({"properties": {"$wifi": true, "$network_type": "5G"}}), json!({"device_network_type": "5G"})),
        (
            json!({"properties": {"$timezone_offset": -480, "$city": "Xi'an"}}),
            json!({"device_time_zone_offset_seconds": -480, "geo_country": "Xi'an"}),
        ),
        (json!({"properties": {"$event_duration": 1.9}}), json!({"user_engagement_time_msec": 1})),
        (
            json!({"properties": {"$url": "https://h.example/p?a=1", "$title": "C++%21"}}),
            json!({"page_view_page_url": "https://h.example/p?a=1", "page_view_page_title": "C  !",
                "page_view_hostname": null, "page_view_page_url_path": null, "page_view_page_url_query_parameters": null,
                "traffic_source_source": "Direct"}),
        ),
        (
            json!({"lib": {"$lib": "js", "$lib_version": "1", "$app_version": "2"}}),
            json!({"sdk_name": "js", "sdk_version": "1", "app_version": "2"}),
        ),
    ] {
        assert_columns(&row_of(over), &expected);
    }
}

#[test]
fn custom_parameters_of_event_properties_and_library() {
    let row = row_of(json!({
        "type": "track", "properties": {"$app_version": "p", "colour": ["red"], "$user_id": "known"},
        "lib": {"$lib_method": "code", "colour": "from the library"}, "identities": {"other": 1},
    }));
    let text: Value = serde_json::from_str(row["custom_parameters_json_str"].as_str().unwrap()).unwrap();
    assert_eq!(
        text,
        json!({"type": "track", "$app_version": "p", "colour": "from the library", "$lib_method": "code",
            "$identity_android_id": null, "$identity_login_id": null, "$time": NOW - 7, "$distinct_id": "d",
            "$anonymous_id": null})
    );
    assert_eq!(row["custom_parameters"]["$time"], json!({"value": (NOW - 7).to_string(), "type": "number"}));
    let row = row_of(json!({"time": null}));
    assert!(row["custom_parameters"].get("$time").is_none());
    assert!(row["custom_parameters"].get("$identity_login_id").is_none());
}

#[test]
fn first_visits_users_and_items() {
    let outcome = run(&[
        sensors(
            &json!({"properties": {"$is_first_time": true, "$screen_width": 5, "user_level": 3, "$x_user": "y", "colour": 1},
            "items": [{"$item_id": "i", "$price": 2, "size": "L"}, {"$item_name": "no id"}]}),
        ),
        sensors(&json!({"event": "login", "time": NOW, "properties": {}})),
    ]);
    let names: Vec<_> = outcome.tables["event_v2"]
        .iter()
        .map(|row| (row["event_id"].as_str().unwrap(), row["event_name"].as_str().unwrap()))
        .collect();
    assert_eq!(names, [("r-0-d", "e"), ("r-0-d-first-open", "_first_open"), ("r-1-d", "_profile_set")]);
    let user = crate::only(&outcome, "user_v2");
    let properties: Vec<_> = user["user_properties"].as_object().unwrap().keys().collect();
    assert_eq!(properties, ["$x_user", "user_level"], "an event without any replaces nothing");
    // Both events have the time of their request: the one processed last wins.
    assert_eq!(user["first_touch_time_msec"], NOW);
    let item = crate::only(&outcome, "item_v2");
    assert_columns(&item, &json!({"item_id": "i", "price": 2.0, "currency": null, "event_name": "e"}));
    assert_eq!(item["custom_parameters_json_str"], "{\"size\":\"L\"}");
    assert_eq!(outcome.tables["session"].len(), 0);
}

#[test]
fn ids_keep_their_digits() {
    let ids = ["123456789.1690000001", "123456789.1690000002"];
    let event = |id: &str| {
        format!(
            r#"{{"event":"e","distinct_id":{id},"anonymous_id":{id},"properties":{{"$device_id":{id}}},
            "items":[{{"$item_id":{id}}}]}}"#
        )
    };
    let outcome = run_data(&json!(format!("[{}]", ids.map(event).join(","))));
    for (table, column) in [
        ("event_v2", "user_pseudo_id"),
        ("event_v2", "user_id"),
        ("event_v2", "device_vendor_id"),
        ("item_v2", "item_id"),
        ("user_v2", "user_pseudo_id"),
    ] {
        let mut found: Vec<&str> = outcome.tables[table].iter().map(|row| row[column].as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, ids, "{table}.{column}");
    }
}

/// Keys in the order of the text.
fn order(row: &Row) -> Vec<String> {
    let text = row["custom_parameters_json_str"].as_str().unwrap();
    serde_json::from_str::<serde_json::Map<String, Value>>(text).unwrap().keys().cloned().collect()
}

#[test]
fn the_copy_of_a_map_of_12_or_24_keys_has_a_larger_table() {
    // Three come with each event: $time, $distinct_id and $anonymous_id.
    for (keys, differs) in [(11, false), (12, true), (13, false), (23, false), (24, true), (25, false)] {
        let own = (0..keys - 3).map(|key| (format!("k{key}"), json!(key)));
        let properties: serde_json::Map<String, Value> =
            own.chain([("$is_first_time".to_owned(), json!(true))]).collect();
        let outcome = run(&[sensors(&json!({"properties": properties}))]);
        let [main, copy] = outcome.tables["event_v2"].as_slice() else { panic!("a first open follows") };
        assert_eq!(copy["event_name"], "_first_open");
        let (main, copy) = (order(main), order(copy));
        assert_eq!((main.len(), main != copy), (keys, differs), "{main:?} {copy:?}");
    }
}
