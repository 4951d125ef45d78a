//! The cases of Google Tag Manager, server side: its parser, its converter and its transformer.
//!
//! The converter shows rows before they are completed: without the run's entries in `process_info`, and one user per
//! event instead of one per run.

use crate::case::{Case, NOW, Rules, Setup, assert_same, assert_same_output, conformance, is_there, lines, read};
use etl_sdk::testing::Row;
use serde_json::{Value, json};
use std::path::PathBuf;

const PROJECT: &str = "test_project_id_gtm_server";

/// Inputs and expected files of the batch application.
const BATCH: &str = "S/gtm-server/";

fn setup<'a>(app: &'a [&'a str], project: &'a str, rules: Rules) -> Setup<'a> {
    Setup { apps: app, project, rules, time_shift: true, freshness_hours: 72, now: NOW }
}

/// The folder of the data, if it holds all the files.
fn folder_with(paths: &[&str]) -> Option<PathBuf> {
    conformance().filter(|folder| paths.iter().all(|path| is_there(folder, path)))
}

/// The app and the records of a file.
fn records_of(folder: &std::path::Path, path: &str) -> (String, Vec<Vec<u8>>) {
    let records = lines(&read(folder, path));
    let first: Value = serde_json::from_slice(&records[0]).unwrap();
    (first["appId"].as_str().unwrap().to_owned(), records)
}

/// Runs a file as the tests of the batch application do.
fn run(input: &str, project: &str, expected: &[&str]) -> Option<Case> {
    let input = format!("{BATCH}{input}");
    let paths: Vec<&str> = std::iter::once(input.as_str()).chain(expected.iter().copied()).collect();
    let folder = folder_with(&paths)?;
    let (app, records) = records_of(&folder, &input);
    Some(setup(&[&app], project, Rules::Batch).run_of("gtm", folder, &records))
}

/// Runs the first line with a request id, and compares all its rows with those of the converter.
fn converts(input: &str, rid: &str, project: &str, expected: &str) {
    let (input, expected) = (format!("{BATCH}{input}"), format!("{BATCH}expected/{expected}"));
    let Some(folder) = folder_with(&[&input, &expected]) else { return };
    let (app, records) = records_of(&folder, &input);
    let is_it = |record: &&Vec<u8>| serde_json::from_slice::<Value>(record).unwrap()["rid"] == rid;
    let line = records.iter().find(is_it).unwrap().clone();
    let case = setup(&[&app], project, Rules::Batch).run_of("gtm", folder, &[line]);
    let expected = case.expected(&expected);
    assert_eq!(expected["rid"], rid);
    let rows = &expected["dataOut"];
    let events = rows["events"].as_array().unwrap();
    assert_eq!(case.rows("event_v2").len(), events.len());
    for (row, event) in case.rows("event_v2").iter().zip(events) {
        assert_same("event", &unfinished(row), event);
    }
    let items = rows["items"].as_array().unwrap();
    assert_eq!(case.rows("item_v2").len(), items.len());
    for (row, item) in case.rows("item_v2").iter().zip(items) {
        assert_same("item", &unfinished(row), item);
    }
    let mut user = rows["user"].clone();
    user.as_object_mut().unwrap().remove("event_name");
    assert_same("user", &unfinished(&case.rows("user_v2")[0]), &user);
}

/// A row as the converter has it.
fn unfinished(row: &Row) -> Row {
    let mut row = row.clone();
    let info = row["process_info"].as_object_mut().unwrap();
    info.remove("process_job_id");
    info.remove("process_time");
    if info.is_empty() {
        row.remove("process_info");
    }
    row
}

#[test]
fn convert_single() {
    converts("server-single.json", "7da14049fe2aca7ea98c9f4b2b3c6f4a", PROJECT, "test_convert_single_data_v2.json");
}

#[test]
fn convert_array() {
    converts("server-array.json", "4a31fde2533e11dd2b0e7800720f6f86", PROJECT, "test_convert_array_data_v2.json");
}

#[test]
fn convert_user() {
    converts("server-user.json", "43cc3b89d7dfccbc2c906eb125ea25db", PROJECT, "test_convert_user_data_v2.json");
}

#[test]
fn convert_user_properties() {
    let rid = "42cc3b89d7dfccbc2c906eb125ea25db";
    converts("server-user-props.json", rid, PROJECT, "test_convert_user_data_user_props_v2.json");
}

#[test]
fn convert_items() {
    converts("server-items.json", "25aefd4cb653fd0fcbac33e24fd3f0ba", PROJECT, "test_convert_items_data_v2.json");
}

#[test]
fn convert_without_js_client_id() {
    let (input, project) = ("test-convert-no-js-client-id.json", "gtm_server_demo_https");
    converts(input, "7aec82f779dc4d911c272e704aa5e68c", project, "test_convert_no_js_client_id_v2.json");
    let Some(case) = run(input, project, &[]) else { return };
    let ids: Vec<_> = case.rows("event_v2").iter().map(|row| row["event_id"].as_str().unwrap()).collect();
    let id = |end: &str| format!("7aec82f779dc4d911c272e704aa5e68c-0-{end}");
    assert_eq!(ids, ["1700462767-22", "null-22", "1700462767-x", "1700462767-22"].map(id));
    assert_eq!(case.rows("user_v2").len(), 1, "the last has no client id");
}

#[test]
fn convert_session_start() {
    let expected = ["1", "2"].map(|part| format!("{BATCH}expected/test_convert_session_start{part}_v2.json"));
    let expected = expected.each_ref().map(String::as_str);
    let Some(case) = run("test-convert-session-start.json", "sessionStartAppId", &expected) else { return };
    assert_eq!(case.rows("event_v2").len(), 2);
    for (row, path) in case.rows("event_v2").iter().zip(expected) {
        assert_same(path, &unfinished(row), &case.expected(path));
    }
}

#[test]
fn convert_first_visit() {
    let Some(case) = run("test-convert-fv-session.json", PROJECT, &[]) else { return };
    assert_eq!(case.outcome.ledger.get("payload").unwrap().kept, 5);
    let extra = case.rows("event_v2").iter().filter(|row| row["event_name"] == "_first_open");
    assert!(extra.clone().all(|row| row["event_id"].as_str().unwrap().ends_with("-first-open")));
    assert_eq!((case.rows("event_v2").len(), extra.count()), (7, 2));
}

#[test]
fn convert_corrupt() {
    let Some(case) = run("test-convert-corrupt-v2.json", PROJECT, &[]) else { return };
    assert!(case.outcome.tables.values().all(Vec::is_empty));
    let reasons: Vec<_> =
        case.outcome.rejects.iter().map(|reject| (reject.step.as_str(), reject.reason.as_str())).collect();
    assert_eq!(reasons, [("payload", "payload_not_json")]);
}

#[test]
fn transform_invalid_data() {
    let Some(case) = run("server-invalid-data.json", PROJECT, &[]) else { return };
    assert!(case.outcome.tables.values().all(Vec::is_empty));
    assert_eq!(case.outcome.ledger.get("payload").unwrap().read, 5);
}

#[test]
fn transform_all() {
    let expected =
        ["event", "event_post", "item", "user"].map(|of| format!("{BATCH}expected/test_transform_data_{of}_v2.json"));
    let expected = expected.each_ref().map(String::as_str);
    let Some(case) = run("server-all.json", PROJECT, &expected) else { return };
    let [event, event_post, item, user] = expected;
    let row = case.row("event_v2", "event_id", "4a31fde2533e11dd2b0e7800720f6f86-0-1695260713-2");
    case.expect(row, event);
    let mut post = row.clone();
    post.remove("ua");
    post.remove("ip");
    case.expect(&post, event_post);
    case.expect(case.row("item_v2", "item_id", "CTF-28015231-16005642"), item);
    let id = "rzKifeYdYvmoWzeYcdcv9CyGY9NAPpL4vm7QxoxTPnM=.1690769179";
    case.expect(case.row("user_v2", "user_pseudo_id", id), user);
}

#[test]
fn transform_brand() {
    let expected = format!("{BATCH}expected/test_transform_data_brand_v2.json");
    let Some(case) = run("server-brand.json", PROJECT, &[&expected]) else { return };
    case.expect(&case.rows("event_v2")[0], &expected);
}

#[test]
fn transform_user_login() {
    let expected = format!("{BATCH}expected/test_transform_data_user_login_v2.json");
    let Some(case) = run("server-user-login.json", PROJECT, &[&expected]) else { return };
    case.expect(&case.rows("user_v2")[0], &expected);
}

#[test]
fn transform_user_login2() {
    let expected = format!("{BATCH}expected/test_transform_data_user_login2_v2.json");
    let Some(case) = run("server-user-login2.json", PROJECT, &[&expected]) else { return };
    case.expect(case.row("user_v2", "user_pseudo_id", "X-login-1690769179"), &expected);
}

#[test]
fn transform_session_start() {
    let expected = format!("{BATCH}expected/test_transform_data_session_start_v2.json");
    let Some(case) = run("server-session-start.json", PROJECT, &[&expected]) else { return };
    let id = "55384aaeda62c5b20a462076ec59f3f5-0-1704867229-9-session-start";
    case.expect(case.row("event_v2", "event_id", id), &expected);
}

#[test]
fn transform_session() {
    let expected = format!("{BATCH}expected/test_transform_data_session.json");
    let Some(case) = run("test-convert-session-start.json", PROJECT, &[&expected]) else { return };
    assert_eq!(case.rows("session").len(), 1);
    case.expect(&case.rows("session")[0], &expected);
}

#[test]
fn whole_run_of_the_batch_application() {
    let files = [("event_v2", "event_v2"), ("session", "session"), ("item_v2", "item_v2"), ("user_v2", "user_v2")]
        .map(|(table, name)| (table, format!("{BATCH}expected/test_GTM_server_runner_v2_{name}.json")));
    let expected = files.each_ref().map(|(_, path)| path.as_str());
    let Some(case) = run("server-all-with-ss.json", PROJECT, &expected) else { return };
    for (table, path) in &files {
        let expected = case.expected(path);
        let key = if *table == "session" { "session_id" } else { "user_pseudo_id" };
        let key = if *table == "event_v2" { "event_id" } else { key };
        let row = case.row(table, key, expected[key].as_str().unwrap());
        assert_same_output(path, row, &expected);
    }
}

/// Runs the first line of a file as the parser's tests do.
fn parse(input: &str, expected: &[&str]) -> Option<Case> {
    let paths: Vec<&str> = std::iter::once(input).chain(expected.iter().copied()).collect();
    let folder = folder_with(&paths)?;
    let (app, mut records) = records_of(&folder, input);
    records.truncate(1);
    Some(setup(&[&app], "test_project_id", Rules::Parser).run_of("gtm", folder, &records))
}

#[test]
fn parse_event_and_user() {
    let expected = [
        "C/gtm-server/expected/test_gtm_parseLineToDBRow_event.json",
        "C/gtm-server/expected/test_gtm_parseLineToDBRow_user.json",
    ];
    let Some(case) = parse("C/gtm-server/server-session-start.json", &expected) else { return };
    case.expect_parsed(&case.rows("event_v2")[0], expected[0]);
    let mut user = case.rows("user_v2")[0].clone();
    user.remove("process_info");
    user.remove("app_id");
    case.expect_parsed(&user, expected[1]);
}

#[test]
fn parse_item() {
    let expected = "C/gtm-server/expected/test_gtm_parseLineToDBRow_item.json";
    let Some(case) = parse("C/gtm-server/server-items.json", &[expected]) else { return };
    let mut item = case.rows("item_v2")[0].clone();
    item.remove("process_info");
    item.remove("app_id");
    case.expect_parsed(&item, expected);
}

/// The file of the input is not there: it is put together from what is expected.
#[test]
fn parse_user_login() {
    let path = "C/gtm-server/expected/test_gtm_parseLineToDBRow_user_login.json";
    let Some(folder) = folder_with(&[path]) else { return };
    let expected: Value = serde_json::from_str(&read(&folder, path)).unwrap();
    let mut properties = Row::new();
    for (name, property) in expected["user_properties"].as_object().unwrap() {
        let name = if name == "user_id" { "_user_id" } else { name };
        properties.insert(name.to_owned(), property["value"].clone());
    }
    let event = json!({
        "event_name": "login", "client_id": expected["user_pseudo_id"], "user_id": expected["user_id"],
        "x-ga-mp2-user_properties": properties,
        "x-sst-system_properties": {"request_start_time_ms": expected["first_touch_time_msec"]},
    });
    let line = json!({"appId": "a", "ingest_time": expected["event_timestamp"], "rid": "r", "data": event.to_string()});
    let case = setup(&["a"], "p", Rules::Parser).run_of("gtm", folder, &[line.to_string().into_bytes()]);
    let mut user = case.rows("user_v2")[0].clone();
    user.remove("process_info");
    user.remove("app_id");
    case.expect_parsed(&user, path);
}

/// The expected file shows the members of the parsed event; here they are found where they go.
#[test]
fn members_of_an_event() {
    let path = "C/gtm-server/expected/test_gtm_ingestDataToEvent.json";
    let Some(case) = parse("C/gtm-server/server-single.json", &[path]) else { return };
    let expected = case.expected(path);
    let row = &case.rows("event_v2")[0];
    let custom: Value = serde_json::from_str(row["custom_parameters_json_str"].as_str().unwrap()).unwrap();
    let columns = [
        ("client_id", "user_pseudo_id"),
        ("engagement_time_msec", "user_engagement_time_msec"),
        ("ga_session_id", "session_id"),
        ("ga_session_number", "session_number"),
        ("ip_override", "ip"),
        ("language", "device_system_language"),
        ("page_location", "page_view_page_url"),
        ("page_referrer", "page_view_page_referrer"),
        ("page_title", "page_view_page_title"),
        ("user_agent", "ua"),
        ("user_id", "user_id"),
        ("value", "event_value"),
        ("currency", "event_value_currency"),
    ];
    for (member, value) in expected.as_object().unwrap() {
        let column = columns.iter().find(|(known, _)| known == member);
        let ours = match column {
            Some((_, column)) => row.get(*column).unwrap_or(&Value::Null),
            None if member == "event_name" => &json!("page_view"),
            None => custom.get(member).unwrap_or(&Value::Null),
        };
        assert_eq!(ours, value, "{member}");
    }
    assert_eq!(row["event_name"], "_page_view");
}

/// The expected file shows the fields of the request line.
#[test]
fn fields_of_a_request() {
    let path = "C/gtm-server/expected/test_gtm_ingestLineToRow.json";
    let Some(case) = parse("C/gtm-server/server-single.json", &[path]) else { return };
    let expected = case.expected(path);
    let row = &case.rows("event_v2")[0];
    assert_eq!(row["ingest_time_msec"], expected["ingest_time"]);
    assert_eq!(row["app_id"], expected["appId"]);
    assert_eq!(row["process_info"]["rid"], expected["rid"]);
}
