//! The cases of the reference's parsers. They have no filters, and print values their own way: instants in epoch
//! milliseconds, custom parameters and user properties as plain JSON.

use crate::case::{Case, NOW, Rules, Setup, assert_same, conformance, lines, read};
use etl_sdk::testing::Row;
use serde_json::{Value, json};

/// More hours than there are since 1970: no event is stale.
const ALL_HOURS: u32 = 1_000_000;

const SETUP: Setup<'_> = Setup {
    apps: &["uba-app", "testApp1", "app1"],
    project: "test_project_id",
    rules: Rules::Parser,
    time_shift: false,
    freshness_hours: ALL_HOURS,
    now: NOW,
};

/// Runs the first line of a file. A payload that is one object, which the parsers take and the batch application does
/// not, is put into an array.
fn run(setup: Setup<'_>, input: &str) -> Option<Case> {
    let folder = conformance()?;
    let text = lines(&read(&folder, input)).swap_remove(0);
    let mut line: Value = serde_json::from_slice(&text).unwrap();
    let data = line["data"].as_str().unwrap().to_owned();
    if data.starts_with('{') {
        line["data"] = json!(format!("[{data}]"));
    }
    Some(setup.run(folder, &[line.to_string().into_bytes()]))
}

/// Runs one event as the reference's tests give it to the parser.
fn run_event(setup: Setup<'_>, event: &Value, ingest_time: i64, upload_time: i64) -> Option<Case> {
    let line = json!({
        "appId": "test", "ingest_time": ingest_time, "upload_timestamp": upload_time, "ua": "test", "ip": "9.9.9.9",
        "rid": "test_rid", "uri": "test_uri", "data": [event],
    });
    Some(setup.run(conformance()?, &[line.to_string().into_bytes()]))
}

fn event_of(input: &str) -> Option<Value> {
    Some(serde_json::from_str(&read(&conformance()?, input)).unwrap())
}

/// Our row in the parsers' words.
fn in_parser_words(row: &Row) -> Row {
    let mut row = row.clone();
    for (columns, json) in
        [("custom_parameters", "custom_parameters_json_str"), ("user_properties", "user_properties_json_str")]
    {
        row.remove(columns);
        if let Some(Value::String(text)) = row.remove(json) {
            row.insert(columns.to_owned(), serde_json::from_str(&text).unwrap());
        }
    }
    for column in ["ua", "ip"] {
        row.remove(column);
    }
    if let Some(Value::Object(info)) = row.get_mut("process_info") {
        info.remove("process_job_id");
    }
    row
}

/// The expected file in our words, as far as they are ours in both: instants, dates, and no custom parameters.
fn in_our_words(mut expected: Value) -> Value {
    let row = expected.as_object_mut().unwrap();
    for (column, length) in [("event_timestamp", 19), ("first_visit_date", 10)] {
        if let Some(msec) = row.get(column).and_then(Value::as_i64) {
            row.insert(column.to_owned(), json!(printed(msec)[..length]));
        }
    }
    if row.get("custom_parameters").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
        row.remove("custom_parameters");
    }
    expected
}

/// `2023-04-24 06:51:49`, counted day by day from 1970.
fn printed(msec: i64) -> String {
    let (mut day, seconds) = (msec / 86_400_000, msec / 1_000 % 86_400);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while day >= 365 + i64::from(leap(year)) {
        day -= 365 + i64::from(leap(year));
        year += 1;
    }
    let days = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= days[month] {
        day -= days[month];
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{:02}-{:02} {hour:02}:{minute:02}:{second:02}", month + 1, day + 1)
}

impl Case {
    /// Compares a row with what a parser printed.
    pub fn expect_parsed(&self, row: &Row, expected: &str) {
        assert_same(expected, &in_parser_words(row), &in_our_words(self.expected(expected)));
    }
}

#[test]
fn upload_time_without_time_shift() {
    let Some(case) = run(SETUP, "C/original_data_nozip_upload_time.json") else { return };
    case.expect_parsed(&case.rows("event_v2")[0], "C/expected/test_parse_line_to_db_row_event_v2.json");
    case.expect_parsed(&case.rows("event_v2")[0], "C/expected/test_parse_line_to_db_row_disable_time_shift.json");
}

/// The expected file is not there; what moves and what does not is known from the rule.
#[test]
fn upload_time_in_the_uri_with_time_shift() {
    let input = "C/original_data_nozip_uri_upload.json";
    let Some(still) = run(SETUP, input) else { return };
    let Some(moved) = run(Setup { time_shift: true, ..SETUP }, input) else { return };
    let (still, moved) = (&still.rows("event_v2")[0], &moved.rows("event_v2")[0]);
    assert_eq!(still["process_info"].get("upload_time"), None, "the uri is not looked at");
    assert_eq!(moved["process_info"]["upload_time"], "2023-04-24T09:38:29.403Z");
    let reason = "ingestTimestamp is 11600000 millis ahead of uploadTimestamp, isFutureEvent: false";
    assert_eq!(moved["process_info"]["event_timestamp_adjusted_reason"], reason);
    let different = moved.keys().filter(|column| still.get(*column) != moved.get(*column));
    let moving = [
        "event_timestamp",
        "event_time_msec",
        "user_first_touch_time_msec",
        "page_view_previous_time_msec",
        "session_start_time_msec",
        "process_info",
    ];
    let mut different: Vec<_> = different.map(String::as_str).collect();
    different.sort_by_key(|column| moving.iter().position(|moves| moves == column));
    assert_eq!(different, moving);
    for column in &moving[1..5] {
        assert_eq!(moved[*column].as_i64().unwrap() - still[*column].as_i64().unwrap(), 11_600_000, "{column}");
    }
}

#[test]
fn zipped() {
    let Some(case) = run(SETUP, "C/original_data.json") else { return };
    case.expect_parsed(&case.rows("event_v2")[0], "C/expected/test_parse_line_to_db_row_zip_event_v2.json");
}

#[test]
fn page_url() {
    let Some(case) = run(SETUP, "C/original_data_page_url.json") else { return };
    case.expect_parsed(&case.rows("event_v2")[0], "C/expected/test_parse_line_to_db_row_event.json");
}

#[test]
fn page_url_of_the_web() {
    let Some(case) = run(SETUP, "C/original_data_page_url_web.json") else { return };
    case.expect_parsed(&case.rows("event_v2")[0], "C/expected/test_parse_line_to_db_row_event_web.json");
}

#[test]
fn item() {
    let Some(case) = run(SETUP, "C/original_data_with_items.json") else { return };
    let mut item = case.row("item_v2", "item_id", "item_id1").clone();
    // The parsers give it no process_info, and the app id only to place it.
    item.remove("process_info");
    item.remove("app_id");
    case.expect_parsed(&item, "C/expected/test_parse_line_to_db_row_item.json");
}

/// The parsers give what one event says of its user. Sent as the first event and as the one that sets properties, the
/// merged user is the same.
#[test]
fn user() {
    let Some(folder) = conformance() else { return };
    let mut line: Value = serde_json::from_str(&read(&folder, "C/original_data_page_url.json")).unwrap();
    let event: Value = serde_json::from_str(line["data"].as_str().unwrap()).unwrap();
    let named = |name: &str| {
        let mut event = event.clone();
        event["event_type"] = json!(name);
        event
    };
    line["data"] = json!([named("_first_open"), named("_profile_set")]);
    let case = SETUP.run(folder, &[line.to_string().into_bytes()]);
    let mut user = case.rows("user_v2")[0].clone();
    user.remove("process_info");
    user.remove("app_id");
    case.expect_parsed(&user, "C/expected/test_parse_line_to_db_row_user.json");
}

#[test]
fn screen_view_engagement_time() {
    let Some(event) = event_of("C/screen_view_engagement_time.json") else { return };
    let Some(case) = run_event(SETUP, &event, 1_715_429_920_333, 1_715_429_920_343) else { return };
    case.expect_parsed(&case.rows("event_v2")[0], "C/expected/test_screen_view_engagement_time.json");
}

#[test]
fn future_event_time() {
    let Some(mut event) = event_of("C/data_future_event_time.json") else { return };
    let time = NOW + 30 * 60 * 1_000;
    event["timestamp"] = json!(time);
    event["user"]["_user_first_touch_timestamp"] = json!({"value": time, "set_timestamp": time});
    event["attributes"]["_session_start_timestamp"] = json!(time + 10);
    let Some(case) = run_event(SETUP, &event, time + 10, time + 20) else { return };
    let row = &case.rows("event_v2")[0];
    assert_eq!(row["process_info"]["event_timestamp_adjusted"], "true");
    assert_eq!(
        row["process_info"]["event_timestamp_adjusted_reason"],
        "ingestTimestamp is -10 millis ahead of uploadTimestamp, isFutureEvent: true|eventTimestamp is in the future, \
         set to ingestTimestamp"
    );
    assert_eq!(row["event_time_msec"], time + 10);
    assert_eq!(row["user_first_touch_time_msec"], time + 10);
    assert_eq!(row["session_start_time_msec"], time + 20);
}

/// The expected file shows the fields of the parsed event; here they are found in the columns they go to.
#[test]
fn fields_of_an_event() {
    let Some(event) = event_of("C/event_deser_input.json") else { return };
    let Some(case) = run_event(SETUP, &event, 1_682_319_109_447, 1_682_319_109_447) else { return };
    let expected = case.expected("C/expected/test_parse_data.json");
    let row = in_parser_words(&case.rows("event_v2")[0]);
    for (field, column) in [
        ("/event_id", "event_id"),
        ("/app_id", "app_id"),
        ("/unique_id", "user_pseudo_id"),
        ("/device_id", "device_vendor_id"),
        ("/device_unique_id", "device_advertising_id"),
        ("/event_type", "event_name"),
        ("/timestamp", "event_time_msec"),
        ("/platform", "platform"),
        ("/os_version", "device_operating_system_version"),
        ("/make", "device_manufacturer"),
        ("/brand", "device_mobile_brand_name"),
        ("/model", "device_mobile_model_name"),
        ("/carrier", "device_carrier"),
        ("/network_type", "device_network_type"),
        ("/screen_height", "device_screen_height"),
        ("/screen_width", "device_screen_width"),
        ("/viewport_height", "device_viewport_height"),
        ("/viewport_width", "device_viewport_width"),
        ("/locale", "geo_locale"),
        ("/system_language", "device_system_language"),
        ("/host_name", "page_view_hostname"),
        ("/app_version", "app_version"),
        ("/app_package_name", "app_package_id"),
        ("/app_title", "app_title"),
        ("/event_value", "event_value"),
        ("/sdk_version", "sdk_version"),
        ("/sdk_name", "sdk_name"),
        ("/user/_user_id/value", "user_id"),
        ("/user/_user_first_touch_timestamp/value", "user_first_touch_time_msec"),
        ("/attributes/_entrances", "page_view_entrances"),
        ("/attributes/_previous_timestamp", "page_view_previous_time_msec"),
        ("/attributes/_engagement_time_msec", "page_view_engagement_time_msec"),
        ("/attributes/_page_referrer", "page_view_page_referrer"),
        ("/attributes/_page_title", "page_view_page_title"),
        ("/attributes/_page_url", "page_view_page_url"),
        ("/attributes/_latest_referrer", "page_view_latest_referrer"),
        ("/attributes/_latest_referrer_host", "page_view_latest_referrer_host"),
        ("/attributes/_session_id", "session_id"),
        ("/attributes/_session_start_time_msec", "session_start_time_msec"),
        ("/attributes/_session_duration", "session_duration"),
        ("/attributes/_session_number", "session_number"),
        ("/attributes/_traffic_source_source", "traffic_source_source"),
        ("/attributes/_traffic_source_medium", "traffic_source_medium"),
        ("/attributes/_traffic_source_campaign", "traffic_source_campaign"),
    ] {
        let field = expected.pointer(field).unwrap_or_else(|| panic!("no {field}"));
        assert_eq!(row.get(column).unwrap_or(&Value::Null), field, "{column}");
    }
    let items = expected["items"].as_array().unwrap();
    assert_eq!(case.rows("item_v2").len(), items.len());
    for item in items {
        let row = case.row("item_v2", "item_id", item["item_id"].as_str().unwrap());
        for (field, value) in item.as_object().unwrap() {
            let column = if field == "item_name" { "name" } else { field };
            assert_eq!(row.get(column).unwrap_or(&Value::Null), value, "{column}");
        }
    }
}
