//! Events of Google Tag Manager, server side.

use crate::reasons::{dead, filtered};
use crate::{NOW, assert_columns, request, run_lines};
use etl_sdk::testing::{Outcome, Row};
use serde_json::{Value, json};

/// Runs a payload as it is.
fn run_data(data: &Value) -> Outcome {
    run_lines(json!({"source": "gtm"}), &[&request(&json!({"data": data}))])
}

/// An event with members over the usual ones; a member that is null takes the usual one away.
fn gtm(over: &Value) -> Value {
    let usual = json!({"event_name": "e", "client_id": "c", "ga_session_id": "s", "ga_session_number": 1});
    crate::merged(usual, over)
}

fn run(events: &[Value]) -> Outcome {
    run_data(&json!(Value::from(events).to_string()))
}

fn row_of(over: Value) -> Row {
    crate::only(&run(&[gtm(&over)]), "event_v2")
}

#[test]
fn ids_names_and_times() {
    for (over, expected) in [
        (json!({}), json!({"event_id": "r-0-s-1", "event_name": "e", "event_time_msec": NOW})),
        (json!({"ga_session_id": null, "ga_session_number": null}), json!({"event_id": "r-0-null-x"})),
        (json!({"ga_session_number": "7"}), json!({"event_id": "r-0-s-7", "session_number": 7})),
        (json!({"ga_session_number": 1.5}), json!({"event_id": "r-0-s-x", "session_number": null})),
        (json!({"ga_session_number": {}}), json!({"event_id": "r-0-s-x"})),
        (json!({"ga_session_id": 5}), json!({"event_id": "r-0-5-1", "session_id": "5"})),
        (json!({"event_name": "page_view"}), json!({"event_name": "_page_view"})),
        (json!({"event_name": "login"}), json!({"event_name": "_profile_set"})),
        (json!({"event_name": "click"}), json!({"event_name": "_click"})),
        (json!({"event_name": true}), json!({"event_name": "true"})),
    ] {
        assert_columns(&row_of(over), &expected);
    }
    let line = request(&json!({"rid": null, "data": json!([gtm(&json!({}))]).to_string()}));
    let outcome = run_lines(json!({"source": "gtm"}), &[&line]);
    assert_eq!(outcome.tables["event_v2"][0]["event_id"], "null-0-s-1");
}

#[test]
fn values_and_their_currency() {
    for (over, value, currency) in [
        (json!({}), json!(0.0), Value::Null),
        (json!({"value": "2.5", "currency": "EUR"}), json!(2.5), json!("EUR")),
        (json!({"currency": "EUR"}), json!(0.0), json!("EUR")),
    ] {
        assert_columns(&row_of(over), &json!({"event_value": value, "event_value_currency": currency}));
    }
}

#[test]
fn screens() {
    for (text, width, height) in [
        (json!("1920x1080"), json!(1920), json!(1080)),
        (json!("1x2x3"), Value::Null, Value::Null),
        (json!("1920"), Value::Null, Value::Null),
        (json!("1920x"), Value::Null, Value::Null),
        (json!(""), Value::Null, Value::Null),
    ] {
        let row = row_of(json!({"screen_resolution": text}));
        assert_columns(&row, &json!({"device_screen_width": width, "device_screen_height": height}));
    }
    for text in ["axb", "x5", "1920 x 1080", "99999999999x1"] {
        let outcome = run(&[gtm(&json!({"screen_resolution": text}))]);
        assert_eq!(dead(&outcome), ("parse", "wrong_type"), "{text}");
    }
}

#[test]
fn devices_and_places() {
    let hints = json!({"platform": "\"mac OS\"", "platform_version": "13", "mobile": true, "model": "m",
        "brands": [null, {"brand": "B"}], "full_version_list": [{"brand": "a"}, {"brand": "Edge", "version": "1.2"}]});
    assert_columns(
        &row_of(json!({"client_hints": hints, "user_agent": "UA", "ip_override": "192.0.2.1"})),
        &json!({"platform": "macOS", "device_operating_system": "\"mac OS\"", "device_operating_system_version": "13",
            "device_mobile_brand_name": null, "device_mobile_model_name": "m", "device_ua_browser": "Edge",
            "device_ua_browser_version": "1.2", "device_ua_os": "\"mac OS\"", "device_ua_os_version": "13",
            "device_ua": {"string": "UA"}, "ua": "UA", "ip": "192.0.2.1"}),
    );
    for (over, expected) in [
        (json!({"client_hints": {"mobile": true}}), json!({"platform": "Mobile", "device_operating_system": null})),
        (
            json!({"client_hints": {"brands": [], "model": "m"}}),
            json!({"platform": "Web", "device_mobile_model_name": null}),
        ),
        (json!({}), json!({"platform": "Web", "device_ua": null, "ua": null, "ip": null, "geo_country": null})),
        (
            json!({"event_location": {"country": "US"}, "x-ga-ur": "US-TX"}),
            json!({"geo_country": "US", "geo_region": "US-TX"}),
        ),
        (
            json!({"event_location": {}, "x-sst-system_properties": {"uc": "SG"}}),
            json!({"geo_country": null, "geo_region": null}),
        ),
        (json!({"x-sst-system_properties": {"uc": "SG"}}), json!({"geo_country": "SG", "geo_region": null})),
    ] {
        assert_columns(&row_of(over), &expected);
    }
}

#[test]
fn extra_events_are_counted_as_added() {
    for (fv, extra) in
        [(json!("1"), true), (json!(1), true), (json!(""), true), (json!("0"), false), (json!("False"), false)]
    {
        let outcome = run(&[gtm(&json!({"x-ga-system_properties": {"fv": fv}, "items": [{"item_id": "i"}]}))]);
        let rows = &outcome.tables["event_v2"];
        assert_eq!(rows.len(), 1 + usize::from(extra), "{fv}");
        let parse = outcome.ledger.get("parse").unwrap();
        assert_eq!((parse.read, parse.added, parse.kept), (1, u64::from(extra), rows.len() as u64));
        assert_eq!(outcome.tables["item_v2"].len(), 1, "items belong to the main event");
        assert_eq!(outcome.ledger.get("users").unwrap().added, 1, "and so does the user");
    }
    let start = |over: Value| crate::merged(gtm(&json!({"x-ga-system_properties": {"fv": "1", "ss": "1"}})), &over);
    let outcome = run(&[start(json!({"screen_resolution": "3x4"}))]);
    let rows: Vec<_> = outcome.tables["event_v2"]
        .iter()
        .map(|row| {
            (row["event_name"].as_str().unwrap(), row["event_id"].as_str().unwrap(), row.get("device_screen_width"))
        })
        .collect();
    let expected = [
        ("e", "r-0-s-1", Some(&json!(3))),
        ("_first_open", "r-0-s-1-first-open", None),
        ("_session_start", "r-0-s-1-session-start", None),
    ];
    assert_eq!(rows, expected);
    let session = crate::only(&outcome, "session");
    assert_eq!(session["process_info"]["event_name"], "_session_start");
    assert_eq!((&session["process_info"]["rid"], &session["session_number"]), (&json!("r"), &json!(1)));
    assert_eq!(run(&[start(json!({"ga_session_id": null}))]).tables["session"].len(), 0);
}

#[test]
fn one_bad_element_costs_itself() {
    let good = gtm(&json!({}));
    for (bad, step, reason) in [
        (json!(null), "validate", "not_an_object"),
        (json!(5), "validate", "not_an_object"),
        (json!(good.to_string()), "validate", "not_an_object"),
        (json!([good]), "validate", "not_an_object"),
        (json!({"event_name": []}), "validate", "wrong_type"),
        (json!({"event_name": "e", "value": "much"}), "validate", "wrong_type"),
        (json!({"engagement_time_msec": {}}), "validate", "wrong_type"),
        (json!({"items": {}}), "validate", "wrong_type"),
        (json!({"items": [5]}), "validate", "wrong_type"),
        (json!({"items": [{"price": []}]}), "validate", "wrong_type"),
        (json!({"client_hints": "chrome"}), "validate", "wrong_type"),
        (json!({"client_hints": {"brands": ["chrome"]}}), "validate", "wrong_type"),
        (json!({"x-sst-system_properties": {"consent": {"isUpdate": "perhaps"}}}), "validate", "wrong_type"),
        (json!({"event_name": "e", "screen_resolution": "axb"}), "parse", "wrong_type"),
    ] {
        let outcome = run(&[good.clone(), bad.clone(), good.clone()]);
        assert_eq!(dead(&outcome), (step, reason), "{bad}");
        assert_eq!(outcome.rejects[0].address.as_ref().unwrap().index, Some(1));
        if !bad.is_string() {
            assert_eq!(serde_json::from_slice::<Value>(&outcome.rejects[0].raw).unwrap(), bad);
        }
        let ids: Vec<_> = outcome.tables["event_v2"].iter().map(|row| &row["event_id"]).collect();
        assert_eq!(ids, ["r-0-s-1", "r-2-s-1"], "{bad}");
    }
    let message = &run(&[gtm(&json!({"client_hints": {"brands": [{"brand": {}}]}}))]).rejects[0].message;
    assert_eq!(message, "`client_hints.brands.brand`: an array or object instead of text");
}

#[test]
fn payloads() {
    let one = gtm(&json!({}));
    for data in [json!(one.to_string()), one.clone(), json!([one]), json!(format!(" [{one}]\n"))] {
        assert_eq!(run_data(&data).tables["event_v2"].len(), 1, "{data}");
    }
    for data in [json!(""), json!("  "), json!("[]")] {
        assert_eq!(filtered(&run_data(&data), "payload"), [("empty_payload", 1)], "{data}");
    }
    for (data, reason) in [
        (json!("nonsense"), "payload_not_json"),
        (json!(format!("{one}{one}")), "payload_not_json"),
        (json!(format!("[{one},")), "payload_not_json"),
        (Value::Null, "missing_data"),
    ] {
        let outcome = run_data(&data);
        assert_eq!(dead(&outcome), ("payload", reason), "{data}");
        assert!(outcome.tables.values().all(Vec::is_empty));
    }
    assert_eq!(dead(&run_data(&json!("5"))), ("validate", "not_an_object"));
    let deep = format!("[{one},{{\"a\":{}{}}}]", "[".repeat(40), "]".repeat(40));
    let outcome = run_data(&json!(deep));
    assert_eq!((dead(&outcome), outcome.tables["event_v2"].len()), (("validate", "too_deep"), 1));
    for event in [json!({"client_id": "c"}), json!({"event_name": ""}), json!({"event_name": null})] {
        assert_eq!(filtered(&run(&[event]), "parse"), [("no_event_name", 1)]);
    }
}

#[test]
fn typed_objects_are_written_with_their_defaults() {
    let row = row_of(json!({
        "x-sst-system_properties": {"zz": [1.10], "tft": "12", "consent": {"other": 1, "consentGrantedState": {"ad_storage": 1}}},
        "x-ga-mp2-user_properties": {"age": "x", "more": null},
        "event_location": {"region": "CA", "city": "dropped"},
    }));
    let custom = &row["custom_parameters"];
    for (key, json) in [
        (
            "x-sst-system_properties",
            r#"{"uc":null,"ngs":null,"gse":null,"gcd":null,"tft":12,"consent":{"consentGrantedState":{"ad_storage":true,"analytics_storage":false,"ad_user_data":false,"ad_personalization":false},"isUpdate":false,"updateType":null},"request_start_time_ms":null,"zz":[1.1]}"#,
        ),
        (
            "x-ga-mp2-user_properties",
            r#"{"_user_id":null,"username":null,"email":null,"firstName":null,"lastName":null,"gender":null,"age":null,"persona":null,"more":null}"#,
        ),
        ("event_location", r#"{"region":"CA","country":null}"#),
    ] {
        assert_eq!(custom[key], json!({"value": json, "type": "object"}), "{key}");
    }
    assert_eq!(custom["user_agent"], json!({"type": "string"}), "always there");
    let text: Value = serde_json::from_str(row["custom_parameters_json_str"].as_str().unwrap()).unwrap();
    assert_eq!(text["ip_override"], Value::Null);
    assert!(text.as_object().unwrap().contains_key("ip_override"));
}

#[test]
fn users_take_first_values_of_any_event_and_properties_of_any() {
    let properties = |value: &str| json!({"username": value, "plan": 5});
    let line = |rid: &str, time: i64, over: Value| {
        request(&json!({"rid": rid, "ingest_time": time, "data": json!([gtm(&over)]).to_string()}))
    };
    let lines = [
        line(
            "b",
            NOW,
            json!({"page_referrer": "later", "x-ga-mp2-user_properties": properties("old"), "user_id": "b"}),
        ),
        line(
            "a",
            NOW - 5,
            json!({"page_referrer": "first%20one", "x-sst-system_properties": {"request_start_time_ms": 0}}),
        ),
        line("c", NOW + 5, json!({"x-ga-mp2-user_properties": properties("new"), "user_id": "a"})),
        line("d", NOW + 9, json!({"event_name": "login"})),
    ];
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let user = crate::only(&run_lines(json!({"source": "gtm"}), &lines), "user_v2");
    assert_columns(
        &user,
        &json!({"first_referrer": "first one", "first_touch_time_msec": NOW - 5, "user_id": "b", "first_app_install_source": null}),
    );
    assert_eq!(user["user_properties"]["username"], json!({"value": "new", "type": "string"}));
    assert_eq!(user["user_properties"]["plan"], json!({"value": "5", "type": "number"}));
    assert_eq!(user["user_properties"]["age"], json!({"type": "number"}), "missing, and the event is kept");
    let info: Vec<_> = user["process_info"].as_object().unwrap().keys().collect();
    assert_eq!(info, ["process_job_id", "process_time"]);
    assert_eq!(run(&[gtm(&json!({"client_id": null}))]).tables["user_v2"].len(), 0);
}

#[test]
fn items_have_the_event_s_currency_and_everything_else_is_custom() {
    let items = json!([{"item_id": "i", "item_name": "n", "brand": "b", "item_list_name": "gone"}, {"item_id": ""}, null,
        {"item_id": 7, "price": "1.5"}]);
    let outcome = run(&[gtm(&json!({"items": items, "currency": "EUR"}))]);
    assert_eq!(filtered(&outcome, "items"), [("no_item_id", 2)]);
    let rows = &outcome.tables["item_v2"];
    assert_columns(
        &rows[0],
        &json!({"item_id": "7", "price": 1.5, "currency": "EUR", "custom_parameters": null, "quantity": null}),
    );
    assert_columns(
        &rows[1],
        &json!({"item_id": "i", "name": "n", "price": 0.0, "brand": null, "custom_parameters_json_str": "{\"brand\":\"b\"}"}),
    );
}

#[test]
fn traffic_sources_need_rules() {
    let over = json!({"page_location": "https://a.example/p?x=1&utm_source=", "page_referrer": "https://www.google.com/?q=shoes"});
    let row = row_of(over.clone());
    assert_columns(
        &row,
        &json!({"traffic_source_source": "Google", "traffic_source_channel_group": "Organic Search",
            "page_view_hostname": "a.example", "page_view_page_url_path": "/p",
            "page_view_page_url_query_parameters": {"x": "1", "utm_source": ""}}),
    );
    let line = |app: &str| request(&json!({"appId": app, "data": json!([gtm(&over)]).to_string()}));
    for (app, options) in
        [("plain", json!({"source": "gtm"})), ("shop", json!({"source": "gtm", "traffic_source": false}))]
    {
        let outcome = run_lines(options, &[&line(app)]);
        let columns = outcome.tables["event_v2"][0].keys().filter(|column| column.starts_with("traffic_source"));
        assert_eq!(columns.count(), 0, "{app}");
    }
}

fn run_as(compat: &str, data: &str) -> Outcome {
    run_lines(json!({"source": "gtm", "compat": compat}), &[&request(&json!({"data": data}))])
}

#[test]
fn ids_keep_their_digits() {
    let ids = ["123456789.1690000001", "123456789.1690000002"];
    let event = |id: &str| {
        format!(
            r#"{{"event_name":"page_view","client_id":{id},"user_id":{id},"ga_session_id":{id},"ga_session_number":1,
            "items":[{{"item_id":{id},"price":1.50}}],"client_hints":{{"platform_version":15.10}}}}"#
        )
    };
    let outcome = run_as("default", &format!("[{}]", ids.map(event).join(",")));
    for (table, column) in [
        ("event_v2", "user_pseudo_id"),
        ("event_v2", "user_id"),
        ("event_v2", "session_id"),
        ("item_v2", "item_id"),
        ("user_v2", "user_pseudo_id"),
        ("session", "session_id"),
    ] {
        let mut found: Vec<&str> = outcome.tables[table].iter().map(|row| row[column].as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, ids, "{table}.{column}");
    }
    let row = &outcome.tables["event_v2"][0];
    assert_eq!(row["event_id"], format!("r-0-{}-1", ids[0]));
    assert_eq!(row["custom_parameters"]["client_id"]["value"], ids[0]);
    assert_eq!(row["device_operating_system_version"], "15.10");
    let row = &run_as("reference", &event(ids[0])).tables["event_v2"][0];
    assert_columns(row, &json!({"user_pseudo_id": "1.23456789169E8", "device_operating_system_version": "15.1"}));
}

#[test]
fn what_follows_the_json_is_passed_over_in_the_reference() {
    let event = gtm(&json!({})).to_string();
    for data in [format!("[{event}] x"), format!("{event} x"), format!("[{event}]]")] {
        assert_eq!(run_as("reference", &data).tables["event_v2"].len(), 1, "{data}");
        assert_eq!(dead(&run_as("default", &data)), ("payload", "payload_not_json"), "{data}");
    }
}

#[test]
fn long_parameters_of_items_are_cut_in_the_reference_and_left_out_whole_by_default() {
    let note = "n".repeat(300);
    let event = gtm(&json!({"items": [{"item_id": "i1", "note": note, "size": "M"}]})).to_string();
    for (compat, text) in
        [("default", "{\"size\":\"M\"}".to_owned()), ("reference", format!("{{\"note\":\"{}", "n".repeat(255 - 9)))]
    {
        let outcome = run_as(compat, &event);
        let row = crate::only(&outcome, "item_v2");
        assert_eq!(row["custom_parameters_json_str"], text, "{compat}");
        assert_eq!(row["custom_parameters"]["note"]["value"], note);
    }
}

#[test]
fn long_parameters_of_events_are_never_cut_in_the_middle_by_default() {
    let long = "n".repeat(9_000);
    let members: serde_json::Map<String, Value> = (0..9).map(|key| (format!("k{key}"), json!(long))).collect();
    let event = gtm(&Value::Object(members)).to_string();
    let options = |compat: &str| json!({"source": "gtm", "compat": compat, "payload_bytes": 200_000});
    let row = |compat: &str| {
        let outcome = run_lines(options(compat), &[&request(&json!({"data": event}))]);
        crate::only(&outcome, "event_v2")
    };
    let text = row("default")["custom_parameters_json_str"].as_str().unwrap().to_owned();
    let kept: Value = serde_json::from_str(&text).unwrap();
    assert!(text.len() <= 65_535 && text.len() > 60_000, "{}", text.len());
    assert_eq!(kept["client_id"], "c", "small ones behind a large one are kept");
    let cut = row("reference")["custom_parameters_json_str"].as_str().unwrap().to_owned();
    assert_eq!(cut.len(), 65_535);
    assert!(serde_json::from_str::<Value>(&cut).is_err());
}

#[test]
fn each_value_of_a_repeated_key_must_fit_in_the_reference() {
    for members in [
        r#""client_id":[],"client_id":"c""#,
        r#""value":"x","value":1,"client_id":"c""#,
        r#""client_hints":{"mobile":"x"},"client_hints":null,"client_id":"c""#,
        r#""items":[{"price":"x","price":1}],"client_id":"c""#,
        r#""items":[{"price":"x"}],"items":[],"client_id":"c""#,
    ] {
        let event = format!(r#"{{"event_name":"e",{members}}}"#);
        assert_eq!(dead(&run_as("reference", &event)), ("payload", "bad_element"), "{members}");
        assert_eq!(crate::only(&run_as("default", &event), "event_v2")["user_pseudo_id"], "c", "{members}");
    }
}
