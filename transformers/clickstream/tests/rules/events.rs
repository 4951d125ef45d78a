//! Columns of events and items.

use crate::{NOW, assert_columns, event, only, request, row_of, run, run_lines};
use serde_json::{Value, json};

#[test]
fn texts_take_numbers_as_they_are_sent_and_in_the_reference_as_javas_text_of_them() {
    let text = r#"{"event_id":1,"app_id":"shop","timestamp":1700000000000,"event_type":true,"app_version":1.0,
        "app_title":1.10,"brand":1e10,"model":-0,"make":12345678901234567890,"carrier":1e400,"locale":null,
        "platform":false,"os_version":""}"#;
    let row = only(&run(json!({}), &[Value::String(text.to_owned())]), "event_v2");
    assert_columns(
        &row,
        &json!({
            "event_id": "1", "event_name": "true", "app_version": "1.0", "app_title": "1.10",
            "device_mobile_brand_name": "1e10", "device_mobile_model_name": "-0",
            "device_manufacturer": "12345678901234567890", "device_carrier": "1e400", "geo_locale": null,
            "platform": "false", "device_operating_system_version": "",
        }),
    );
    let row = only(&run(json!({"compat": "reference"}), &[Value::String(text.to_owned())]), "event_v2");
    assert_columns(
        &row,
        &json!({
            "event_id": "1", "event_name": "true", "app_version": "1.0", "app_title": "1.1",
            "device_mobile_brand_name": "1.0E10", "device_mobile_model_name": "0",
            "device_manufacturer": "12345678901234567890", "device_carrier": "Infinity", "geo_locale": null,
            "platform": "false", "device_operating_system_version": "",
        }),
    );
}

#[test]
fn platform_is_web_unless_sent_and_names_the_system_of_three() {
    for (sent, platform, system) in [
        (Value::Null, json!("Web"), Value::Null),
        (json!("Web"), json!("Web"), Value::Null),
        (json!("ANDROID"), json!("ANDROID"), json!("ANDROID")),
        (json!("iOS"), json!("iOS"), json!("iOS")),
        (json!("WeChatMP"), json!("WeChatMP"), json!("WeChatMP")),
        (json!(""), json!(""), Value::Null),
    ] {
        let row = row_of("event_v2", json!({"platform": sent}));
        assert_columns(&row, &json!({"platform": platform, "device_operating_system": system}));
    }
}

#[test]
fn a_value_has_a_currency() {
    for (over, value, currency) in [
        (json!({"event_value": 1}), json!(1.0), json!("USD")),
        (json!({"event_value": "2.5", "currency": "EUR"}), json!(2.5), json!("EUR")),
        (json!({"event_value_in_usd": 3, "event_value_currency": ""}), json!(3.0), json!("")),
        (json!({"event_value": 0}), json!(0.0), json!("USD")),
        (json!({"event_value": ""}), Value::Null, Value::Null),
        (json!({"event_value_currency": "EUR"}), Value::Null, Value::Null),
    ] {
        let row = row_of("event_v2", over.clone());
        assert_eq!(row.get("event_value").unwrap_or(&Value::Null), &value, "{over}");
        assert_eq!(row.get("event_value_currency").unwrap_or(&Value::Null), &currency, "{over}");
    }
}

#[test]
fn without_attributes_there_is_no_host_and_no_traffic_source() {
    let absent = row_of("event_v2", json!({"host_name": "h.example"}));
    let columns = ["page_view_hostname", "traffic_source_source", "traffic_source_channel_group", "session_id"];
    assert!(columns.iter().all(|column| !absent.contains_key(*column)), "{absent:?}");
    assert!(!absent.contains_key("custom_parameters") && !absent.contains_key("custom_parameters_json_str"));
    let empty = row_of("event_v2", json!({"host_name": "h.example", "attributes": {}}));
    assert_columns(&empty, &json!({"page_view_hostname": "h.example", "traffic_source_source": "Direct"}));
}

#[test]
fn page_columns() {
    let attributes = json!({
        "_page_url": "https://shop.example/a%20b?x=1&x&y=&z=p%2Bq", "_page_title": "C++ 100%25", "_page_referrer": "a%zz+",
        "_latest_referrer": "https://news.example/n", "_entrances": "1", "_engagement_time_msec": 7,
        "_previous_timestamp": NOW - 5,
    });
    let event_of_page = event(json!({"event_type": "_page_view", "attributes": attributes}));
    let reference = only(&run(json!({"compat": "reference"}), std::slice::from_ref(&event_of_page)), "event_v2");
    assert_columns(
        &reference,
        &json!({"page_view_page_url_query_parameters": {"x": "1,null", "y": "null", "z": "p q"}}),
    );
    let row = only(&run(json!({}), &[event_of_page]), "event_v2");
    assert_columns(
        &row,
        &json!({
            "page_view_page_url": "https://shop.example/a b?x=1&x&y=&z=p+q", "page_view_page_title": "C   100%",
            "page_view_page_url_path": "/a b", "page_view_hostname": "shop.example",
            "page_view_page_url_query_parameters": {"x": "1", "y": "", "z": "p+q"},
            "page_view_page_referrer": "a%zz+", "page_view_latest_referrer_host": "news.example",
            "page_view_entrances": true, "screen_view_entrances": true, "page_view_engagement_time_msec": 7,
            "page_view_previous_time_msec": NOW - 5, "screen_view_engagement_time_msec": null,
            "user_engagement_time_msec": null, "scroll_engagement_time_msec": null,
        }),
    );
    let row = row_of("event_v2", json!({"attributes": {"_page_url": "https://h.example"}, "host_name": "given"}));
    assert_columns(
        &row,
        &json!({"page_view_page_url_path": "", "page_view_hostname": "given", "page_view_page_url_query_parameters": null}),
    );
}

#[test]
fn times_of_engagement_belong_to_events_by_name() {
    for (name, column) in [
        ("_screen_view", "screen_view_engagement_time_msec"),
        ("_page_view", "page_view_engagement_time_msec"),
        ("_user_engagement", "user_engagement_time_msec"),
        ("_scroll", "scroll_engagement_time_msec"),
    ] {
        let row = row_of("event_v2", json!({"event_type": name, "attributes": {"_engagement_time_msec": "9"}}));
        let filled: Vec<_> = row.keys().filter(|column| column.ends_with("engagement_time_msec")).collect();
        assert_eq!(filled, [column]);
    }
    let first = json!({"_is_first_time": true});
    let row = row_of("event_v2", json!({"event_type": "_app_start", "attributes": first}));
    assert_eq!(row["app_start_is_first_time"], true);
    assert!(!row_of("event_v2", json!({"attributes": first})).contains_key("app_start_is_first_time"));
}

#[test]
fn what_does_not_fit_a_tolerant_column_is_null() {
    let row = row_of(
        "event_v2",
        json!({"screen_height": 2_147_483_648_i64, "screen_width": -5, "zone_offset": -1_999, "attributes": {
            "_session_number": "x", "_session_duration": 1.0, "_session_start_time_msec": {"a": 1}, "_entrances": [],
            "_outbound": "no", "_page_title": "kept"}}),
    );
    assert_columns(
        &row,
        &json!({
            "device_screen_height": null, "device_screen_width": -5, "device_time_zone_offset_seconds": -1,
            "session_number": null, "session_duration": null, "session_start_time_msec": null,
            "page_view_entrances": null, "outbound_link": false, "page_view_page_title": "kept",
        }),
    );
}

#[test]
fn custom_parameters_keep_their_types() {
    let text = r#"{"event_id":"e","app_id":"shop","timestamp":1700000000000,"event_type":"click","a":1.10,"b":"x","n":null,
        "attributes":{"a":12345678901234567890,"b\u0032":true,"_channel":"c","o":{"k":[1.0,null]},"i":1e400}}"#;
    let row = only(&run(json!({}), &[Value::String(text.to_owned())]), "event_v2");
    assert_columns(
        &row,
        &json!({"custom_parameters": {
            "a": {"value": "12345678901234567890", "type": "number"}, "b": {"value": "x", "type": "string"},
            "n": {"value": "null", "type": "object"}, "b2": {"value": "true", "type": "boolean"},
            "_channel": {"value": "c", "type": "string"}, "o": {"value": "{\"k\":[1.0,null]}", "type": "object"},
            "i": {"value": "Infinity", "type": "string"},
        }}),
    );
    let json_str: Value = serde_json::from_str(row["custom_parameters_json_str"].as_str().unwrap()).unwrap();
    assert_eq!(json_str["a"], 12_345_678_901_234_567_000_f64, "through a double");
    assert_eq!((&json_str["n"], &json_str["i"]), (&Value::Null, &json!("Infinity")));
    assert_eq!(json_str["o"], json!({"k": [1.0, null]}));
}

#[test]
fn items_have_aliases_and_one_row_per_id() {
    let items = json!([
        {"id": "a", "name": "first", "price": "1.5", "quantity": "many", "color": "red"},
        {"item_id": "a", "item_name": "second", "price": 2, "brand": true},
        {"id": "b", "note": "é".repeat(200), "size": 7},
    ]);
    let event = event(json!({"items": items, "user": {"_user_id": {"value": "me"}}}));
    let outcome = run(json!({}), std::slice::from_ref(&event));
    let rows = &outcome.tables["item_v2"];
    assert_eq!(rows.len(), 2);
    let row = |id: &str| rows.iter().find(|row| row["item_id"] == id).unwrap();
    assert_columns(
        row("a"),
        &json!({"name": "first", "price": 1.5, "quantity": null, "brand": null, "user_id": "me", "user_pseudo_id": "u",
            "custom_parameters_json_str": "{\"color\":\"red\"}", "platform": "Web", "event_name": "click",
            "custom_parameters": {"color": {"value": "red", "type": "string"}}}),
    );
    assert_eq!(row("b")["custom_parameters_json_str"], "{\"size\":7}", "the entry that does not fit is left out");
    // Cut in the middle, it is no JSON any more.
    let reference = run(json!({"compat": "reference"}), &[event]);
    let cut = reference.tables["item_v2"].iter().find(|row| row["item_id"] == "b").unwrap();
    assert_eq!(cut["custom_parameters_json_str"].as_str().unwrap().len(), 255);
    assert_eq!(row("b")["custom_parameters"]["note"]["value"].as_str().unwrap().len(), 400, "maps are never cut");
    let info: Vec<_> = row("a")["process_info"].as_object().unwrap().keys().collect();
    assert_eq!(info, ["process_job_id", "process_time"]);
}

#[test]
fn fields_of_a_request_that_are_no_text_count_as_their_json() {
    let line = request(&json!({
        "appId": 5, "ua": {"a": [1]}, "ip": 7, "rid": true, "uri": "/c?event_bundle_sequence_id=x", "data": [event(json!({}))],
    }));
    let row = only(&run_lines(json!({}), &[&line]), "event_v2");
    assert_columns(&row, &json!({"ua": "{\"a\":[1]}", "ip": "7", "event_bundle_sequence_id": null}));
    assert_columns(
        &row,
        &json!({"device_ua": {"string": "{\"a\":[1]}"}, "process_info": {
            "rid": "true", "source_ip": "7", "input_file_name": "memory://records", "process_job_id": "job",
            "ingest_time": "2023-11-14T22:13:20Z", "process_time": "2023-11-14T22:13:20Z"}}),
    );
    let line = request(&json!({"ua": null, "ip": null, "rid": null, "uri": null, "data": [event(json!({}))]}));
    let row = only(&run_lines(json!({}), &[&line]), "event_v2");
    assert_columns(&row, &json!({"ua": null, "ip": null, "device_ua": {"string": "null"}}));
}

/// An address that is cut is another one; the reference cuts it.
#[test]
fn a_long_list_of_addresses_is_whole_for_the_step_that_reads_it() {
    let list = format!("{}203.0.113.200", "10.0.0.1, ".repeat(25));
    let line = request(&json!({"ip": list, "data": [event(json!({}))]}));
    for (compat, expected) in [("default", list.as_str()), ("reference", &list[..255])] {
        let row = only(&run_lines(json!({"compat": compat}), &[&line]), "event_v2");
        assert_eq!(row["ip"], expected, "{compat}");
    }
}

#[test]
fn only_known_names_move_into_the_future_and_back() {
    let line = request(&json!({
        "uri": format!("/c?upload_timestamp={}", NOW - 1_000), "data": [event(json!({
            "timestamp": NOW + 500, "event_type": "_first_open", "attributes": {"_session_start_time_msec": NOW}}))],
    }));
    let row = only(&run_lines(json!({}), &[&line]), "event_v2");
    assert_columns(&row, &json!({"event_time_msec": NOW, "session_start_time_msec": NOW - 500}));
    assert_columns(
        &Value::as_object(&row["process_info"]).unwrap().clone(),
        &json!({"upload_time": "2023-11-14T22:13:19Z", "event_timestamp_adjusted": "true",
            "event_timestamp_adjusted_from": (NOW + 500).to_string(), "event_timestamp_adjusted_to": NOW.to_string(),
            "event_timestamp_adjusted_reason": "ingestTimestamp is 1000 millis ahead of uploadTimestamp, isFutureEvent: \
                true|eventTimestamp is in the future, set to ingestTimestamp"}),
    );
}

#[test]
fn which_traffic_source_is_taken() {
    let google = "https://www.google.com/?q=shoes";
    for (app, attributes, expected) in [
        // Nothing supplied: the urls decide all ten.
        (
            "shop",
            json!({"_page_url": "https://shop.example/", "_page_referrer": google, "_traffic_source_medium": "m"}),
            json!({"source": "Google", "medium": "(Organic)", "term": "shoes", "category": "Search",
                "channel_group": "Organic Search"}),
        ),
        // A source is supplied: only group and category are worked out, from swapped arguments.
        (
            "shop",
            json!({"_traffic_source_source": "news", "_utm_medium": "m", "_traffic_source_category": "mine"}),
            json!({"source": "news", "medium": "m", "category": "Referral", "channel_group": "Unassigned"}),
        ),
        // Everything supplied: it is kept.
        (
            "shop",
            json!({"_utm_source": "s", "_traffic_source_category": "c", "_traffic_source_channel_group": "g"}),
            json!({"source": "s", "category": "c", "channel_group": "g"}),
        ),
        // An empty source is a source, and stops everything.
        (
            "shop",
            json!({"_traffic_source_source": "", "_utm_source": "s", "_page_referrer": google}),
            json!({"source": "", "category": null, "channel_group": null, "medium": null}),
        ),
        // Without rules the client's values stay.
        (
            "plain",
            json!({"_utm_source": "s", "_gclid": "g\"1", "_page_referrer": google}),
            json!({"source": "s", "clid": "{\"type\":\"gclid\",\"value\":\"g\"1\"}", "category": null}),
        ),
        (
            "plain",
            json!({"_utm_campaign": "c", "_page_referrer": google}),
            json!({"source": null, "campaign": "c", "channel_group": null}),
        ),
        // A parameter that is there but empty is absent.
        (
            "shop",
            json!({"_page_url": "https://shop.example/?utm_source=&gclid="}),
            json!({"source": "Direct", "campaign": "Direct", "medium": "None", "channel_group": "Direct"}),
        ),
    ] {
        let row = row_of("event_v2", json!({"app_id": app, "attributes": attributes}));
        for (part, value) in expected.as_object().unwrap() {
            let column = format!("traffic_source_{part}");
            assert_eq!(row.get(&column).unwrap_or(&Value::Null), value, "{column} of {attributes}");
        }
    }
    let supplied = json!({"_traffic_source_source": "news", "_page_referrer": google});
    let outcome = run(json!({"traffic_source": false}), &[event(json!({"attributes": supplied}))]);
    assert_columns(
        &only(&outcome, "event_v2"),
        &json!({"traffic_source_source": "news", "traffic_source_category": null}),
    );
}

/// What a client sends for two ids that a double cannot tell apart.
const NEAR: [&str; 2] = ["123456789.1690000001", "123456789.1690000002"];

#[test]
fn ids_keep_their_digits_whatever_their_type() {
    for (near, java) in [
        (NEAR, "1.23456789169E8"),
        (["1690000001.0123456789", "1690000001.01234567891"], "1.6900000010123458E9"),
        (["1e21", "1.0e21"], "1.0E21"),
        (["18446744073709551617", "18446744073709551618"], ""),
    ] {
        for compat in ["default", "reference"] {
            let ids = near.map(|id| {
                let text = format!(
                    r#"{{"event_id":{id},"app_id":"shop","timestamp":{NOW},"event_type":"_session_start","unique_id":{id},
                    "device_id":{id},"user":{{"_user_id":{{"value":{id}}}}},"attributes":{{"_session_id":{id}}},
                    "items":[{{"id":{id},"quantity":1.50}}],"amount":1.50}}"#
                );
                let outcome = run(json!({"compat": compat}), &[Value::String(text)]);
                let event = only(&outcome, "event_v2");
                let id = event["user_pseudo_id"].clone();
                for column in ["event_id", "device_vendor_id", "user_id", "session_id"] {
                    assert_eq!(event[column], id, "{column}");
                }
                assert_eq!(event["custom_parameters"]["amount"]["value"], "1.5", "a number of the client's own");
                assert_eq!(only(&outcome, "item_v2")["item_id"], id);
                assert_eq!(only(&outcome, "user_v2")["user_id"], id);
                assert_eq!(only(&outcome, "session")["session_id"], id);
                id
            });
            let expected = if compat == "default" || java.is_empty() { near } else { [java; 2] };
            assert_eq!(ids, expected.map(|id| json!(id)), "{compat}");
        }
    }
}

#[test]
fn users_with_ids_that_a_double_cannot_tell_apart_are_two() {
    let event = |id: &str| {
        let text =
            format!(r#"{{"event_id":"e","app_id":"shop","timestamp":{NOW},"event_type":"click","unique_id":{id}}}"#);
        Value::String(text)
    };
    let outcome = run(json!({}), &NEAR.map(event));
    let mut users: Vec<&str> =
        outcome.tables["user_v2"].iter().map(|user| user["user_pseudo_id"].as_str().unwrap()).collect();
    users.sort_unstable();
    assert_eq!(users, NEAR);
}

#[test]
fn the_line_keeps_the_digits_of_its_ids() {
    let line = format!(
        r#"{{"appId":12.50,"rid":1.690000001e9,"ip":"1.2.3.4","ingest_time":{NOW},"data":"[{}]"}}"#,
        event(json!({})).to_string().replace('"', "\\\"")
    );
    for (compat, rid) in [("default", "1.690000001e9"), ("reference", "1.690000001E9")] {
        let outcome = run_lines(json!({"compat": compat}), &[line.as_bytes()]);
        assert_eq!(only(&outcome, "event_v2")["process_info"]["rid"], rid);
    }
}

#[test]
fn whole_numbers_beyond_64_bits_keep_their_digits_in_json() {
    let text = format!(
        r#"{{"event_id":"e","app_id":"shop","timestamp":{NOW},"event_type":"click","order":18446744073709551617}}"#
    );
    for (compat, number) in [("default", "18446744073709551617"), ("reference", "1.8446744073709552E19")] {
        let row = only(&run(json!({"compat": compat}), &[Value::String(text.clone())]), "event_v2");
        assert_eq!(row["custom_parameters_json_str"], format!("{{\"order\":{number}}}"));
        assert_eq!(row["custom_parameters"]["order"]["value"], "18446744073709551617");
    }
}

#[test]
fn half_a_pair_in_a_url_begins_no_query() {
    let text = format!(
        r#"{{"event_id":"e","app_id":"shop","timestamp":{NOW},"event_type":"c","attributes":{{
            "_page_url":"https://shop.example/a\ud800b\ud83d\ude00\\ud8?x=1\udfff2&utm_source=s\uD800","_page_title":"t\ud800"}}}}"#
    );
    for (compat, half) in [("default", "\u{fffd}"), ("reference", "?")] {
        let row = only(&run(json!({"compat": compat}), &[Value::String(text.clone())]), "event_v2");
        let (path, source) = (format!("/a{half}b\u{1f600}"), format!("s{half}"));
        assert_eq!(row["page_view_page_title"], "t?", "{compat}");
        assert_eq!(row["page_view_page_url_query_parameters"], json!({"x": format!("1{half}2"), "utm_source": source}));
        assert_eq!(row["traffic_source_source"], source);
        assert!(row["page_view_page_url_path"].as_str().unwrap().starts_with(&path), "{compat}");
    }
}

#[test]
fn each_value_of_a_repeated_key_must_fit_in_the_reference() {
    for (members, table, column, value) in [
        (r#""attributes":5,"attributes":{"_session_id":"s"}"#, "event_v2", "session_id", "s"),
        (r#""user":[],"user":{"_user_id":{"value":"u"}}"#, "event_v2", "user_id", "u"),
        (r#""user":{"_user_id":5},"user":{"_user_id":{"value":"u"}}"#, "event_v2", "user_id", "u"),
        (r#""user":{"_user_id":{"value":[],"value":"u"}}"#, "event_v2", "user_id", "u"),
        (r#""user":{"_user_id":{"set_timestamp":"x","set_timestamp":1,"value":"u"}}"#, "event_v2", "user_id", "u"),
        (r#""items":{},"items":[{"id":"i"}]"#, "item_v2", "item_id", "i"),
        (r#""items":[{"id":[],"item_id":"i"}]"#, "item_v2", "item_id", "i"),
    ] {
        let text = format!(r#"{{"event_id":"e","app_id":"shop","timestamp":{NOW},"event_type":"c",{members}}}"#);
        let run = |compat: &str| run(json!({"compat": compat}), &[Value::String(text.clone())]);
        let outcome = run("reference");
        assert_eq!((outcome.rejects.len(), outcome.tables["event_v2"].len()), (1, 0), "{members}");
        if column == "user_id" && members.contains("[]") || column == "session_id" || table == "item_v2" {
            continue;
        }
        assert_eq!(only(&run("default"), table)[column], value, "{members}");
    }
}

/// Names that are declared for one field fill it in turn, in either order, null included.
#[test]
fn of_a_key_and_its_alias_the_last_in_the_text_counts() {
    for (item, id, name) in [
        (r#"{"id":"i","item_id":"j","name":"n","item_name":"m"}"#, "j", json!("m")),
        (r#"{"item_id":"j","id":"i","item_name":"m","name":"n"}"#, "i", json!("n")),
        (r#"{"item_id":null,"id":"i","name":"n","item_name":null}"#, "i", Value::Null),
    ] {
        let text = format!(
            r#"{{"event_id":"e","app_id":"shop","timestamp":{NOW},"event_type":"c","unique_id":"u","items":[{item}]}}"#
        );
        for compat in ["default", "reference"] {
            let row = only(&run(json!({"compat": compat}), &[Value::String(text.clone())]), "item_v2");
            assert_columns(&row, &json!({"item_id": id, "name": name, "custom_parameters": null}));
        }
    }
}

#[test]
fn what_a_key_said_before_is_gone() {
    for compat in ["default", "reference"] {
        let text = format!(
            r#"{{"event_id":"e","app_id":"shop","timestamp":{NOW},"event_type":"c","user":{{"_user_id":{{"value":"u"}}}},
            "attributes":{{"_session_id":"s","own":1}},"attributes":null,"user":null}}"#
        );
        let row = only(&run(json!({"compat": compat}), &[Value::String(text)]), "event_v2");
        assert_columns(&row, &json!({"session_id": null, "custom_parameters": null, "user_id": null}));
    }
}
