//! The cases of Sensors Analytics: its parser and its transformer.

use crate::case::{Case, NOW, Rules, Setup, assert_same_output, conformance, is_there, lines, read};
use serde_json::{Value, json};

/// Runs a file. `None` when it, or an expected file, is absent.
fn run(input: &str, expected: &[&str], rules: Rules) -> Option<Case> {
    let folder = conformance()?;
    let here = std::iter::once(input).chain(expected.iter().copied()).all(|path| is_there(&folder, path));
    if !here {
        return None;
    }
    let records = lines(&read(&folder, input));
    let apps = ["sensorTest", "uba-app"];
    let setup =
        Setup { apps: &apps, project: "test_project_id", rules, time_shift: true, freshness_hours: 72, now: NOW };
    Some(setup.run_of("sensors", folder, &records))
}

fn counts(case: &Case) -> [usize; 4] {
    ["event_v2", "user_v2", "item_v2", "session"].map(|table| case.rows(table).len())
}

#[test]
fn transform_web_sdk_data() {
    let Some(case) = run("S/sensordata/web_sdk_data.json", &[], Rules::Batch) else { return };
    assert_eq!(counts(&case), [15, 2, 0, 0], "{:?}", case.outcome.rejects);
}

#[test]
fn whole_run_of_the_batch_application() {
    let expected = "S/sensordata/expected/test_sensors_data_runner.json";
    let Some(case) = run("S/sensordata/sensors-web-ua.json", &[expected], Rules::Batch) else { return };
    assert_eq!(case.rows("event_v2").len(), 4);
    let event = case.expected(expected);
    assert_same_output(expected, case.row("event_v2", "event_id", event["event_id"].as_str().unwrap()), &event);
}

#[test]
fn parse_gzip_of_a_form() {
    let expected = "C/sensors-data/expected/test_sensors_data_parseLineToDBRow_event.json";
    let Some(case) = run("C/sensors-data/gzip-raw-data.json", &[expected], Rules::Parser) else { return };
    assert_eq!(counts(&case), [7, 1, 0, 0]);
    case.expect_parsed(&case.rows("event_v2")[0], expected);
}

#[test]
fn parse_gzip_of_the_web_sdk() {
    let expected = "C/sensors-data/expected/test_sensors_data_parseLineToDBRow_web_event.json";
    let Some(case) = run("C/sensors-data/web-sdk-data.json", &[expected], Rules::Parser) else { return };
    assert_eq!(counts(&case), [7, 1, 0, 0]);
    case.expect_parsed(&case.rows("event_v2")[0], expected);
}

#[test]
fn parse_user() {
    let expected = "C/sensors-data/expected/test_sensors_parseLineToDBRow_user.json";
    let Some(case) = run("C/sensors-data/unzip-data2.json", &[expected], Rules::Parser) else { return };
    assert_eq!(counts(&case), [7, 1, 0, 0]);
    let mut user = case.rows("user_v2")[0].clone();
    user.remove("process_info");
    user.remove("app_id");
    case.expect_parsed(&user, expected);
}

#[test]
fn parse_base64_without_gzip() {
    let Some(case) = run("C/sensors-data/web-non-gzip-data.json", &[], Rules::Parser) else { return };
    assert_eq!(counts(&case), [1, 1, 0, 0]);
    let event = &case.rows("event_v2")[0];
    assert_eq!(event["event_name"], "product_exposure");
    assert_eq!(event["page_view_page_title"], "Retail Demo Store");
}

#[test]
fn parse_plain_json() {
    let Some(case) = run("C/sensors-data/unzip-data.json", &[], Rules::Parser) else { return };
    assert_eq!(counts(&case), [1, 1, 0, 0]);
    assert_eq!(case.rows("event_v2")[0]["user_id"], "130xxxx1234");
}

#[test]
fn parse_items() {
    let Some(case) = run("C/sensors-data/unzip-item-data.json", &[], Rules::Parser) else { return };
    assert_eq!(counts(&case), [1, 1, 1, 0]);
    assert_eq!(case.rows("item_v2")[0]["item_id"], "123456");
    assert_eq!(case.rows("item_v2")[0]["price"], 0.0);
}

#[test]
fn parse_empty_data() {
    let Some(case) = run("C/sensors-data/sensors-web-data-empty.json", &[], Rules::Parser) else { return };
    assert_eq!(counts(&case), [0; 4]);
}

/// The expected file shows the members of the parsed event; here they are found where they go.
#[test]
fn members_of_an_event() {
    let path = "C/sensors-data/expected/test_sensors_data_ingestDataToEvent.json";
    let Some(case) = run("C/sensors-data/track-signup-data.json", &[path], Rules::Parser) else { return };
    let names: Vec<_> = case.rows("event_v2").iter().map(|row| row["event_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ViewProduct", "_first_open"]);
    let expected = case.expected(path);
    let row = &case.rows("event_v2")[0];
    let custom: Value = serde_json::from_str(row["custom_parameters_json_str"].as_str().unwrap()).unwrap();
    for (pointer, column) in [
        ("/time", "session_start_time_msec"),
        ("/distinct_id", "user_pseudo_id"),
        ("/identities/$identity_login_id", "user_id"),
        ("/event", "event_name"),
        ("/properties/$city", "geo_country"),
        ("/properties/$url", "page_view_page_url"),
        ("/properties/$title", "page_view_page_title"),
        ("/properties/$os", "device_operating_system"),
        ("/properties/$os_version", "device_operating_system_version"),
        ("/properties/$manufacturer", "device_manufacturer"),
        ("/properties/$model", "device_mobile_model_name"),
        ("/properties/$brand", "device_mobile_brand_name"),
        ("/properties/$screen_width", "device_screen_width"),
        ("/properties/$screen_height", "device_screen_height"),
        ("/properties/$carrier", "device_carrier"),
        ("/properties/$timezone_offset", "device_time_zone_offset_seconds"),
        ("/properties/$app_name", "app_title"),
        ("/properties/$device_id", "device_vendor_id"),
        ("/properties/$event_duration", "user_engagement_time_msec"),
        ("/properties/$referrer", "page_view_page_referrer"),
        ("/properties/$referrer_title", "page_view_page_referrer_title"),
        ("/properties/$browser_language", "device_system_language"),
    ] {
        assert_eq!(row.get(column).unwrap_or(&Value::Null), expected.pointer(pointer).unwrap(), "{column}");
    }
    let unknown = [
        "item_price",
        "$province",
        "product_id",
        "product_classify",
        "$app_id",
        "$ip",
        "product_price",
        "$user_agent",
        "product_name",
        "$is_login_id",
        "$app_version",
    ];
    for key in unknown {
        assert_eq!(custom[key], expected["properties"][key], "{key}");
    }
    for key in ["time_free", "project", "type"] {
        assert_eq!(custom[key], expected[key], "{key}");
    }
    assert_eq!(row["device_network_type"], json!("WIFI"));
}
