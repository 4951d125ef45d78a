//! The reference's own inputs and expected rows; see [`etl_sdk::testing::external::data`] for where they are.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test")]

mod case;
mod cases;
mod gtm;
mod parser;
mod runner;
mod sensors;

use case::{NOW, Rules, Setup, assert_same, conformance, run};
use etl_sdk::testing::{Row, run_at};
use etl_sdk::{Transformer, testing};
use serde_json::{Value, json};
use std::sync::Arc;
use transformer_clickstream::Clickstream;
use transformer_clickstream::traffic_source::RuleSet;

const PROJECT: &str = "test_project_id_01";

#[test]
fn event() {
    let Some(case) = run("S/original_data_with_items.json", &["uba-app"], PROJECT) else { return };
    case.expect(&case.rows("event_v2")[0], "S/event_v2/expected/transform_v3_event.json");
}

#[test]
fn items() {
    let Some(case) = run("S/original_data_with_items.json", &["uba-app"], PROJECT) else { return };
    assert_eq!(case.rows("item_v2").len(), 3);
    case.expect(case.row("item_v2", "item_id", "item_id034394ldmf3"), "S/event_v2/expected/transform_v3_item.json");
}

#[test]
fn gzip_payload() {
    let Some(case) = run("S/original_data.json", &["uba-app"], PROJECT) else { return };
    assert_eq!(case.rows("event_v2").len(), 2);
    case.expect(&case.rows("event_v2")[0], "S/event_v2/expected/transform_v3_gzip_event.json");
}

#[test]
fn user_profile_set() {
    let Some(case) = run("S/original_data_with_user_profile_set.json", &["uba-app"], PROJECT) else { return };
    case.expect(case.row("user_v2", "user_pseudo_id", "uuid1-231jdf"), "S/event_v2/expected/transform_v3_user.json");
}

#[test]
fn user_first_open() {
    let Some(case) = run("S/original_data_with_first_open.json", &["uba-app"], PROJECT) else { return };
    let user = case.row("user_v2", "user_pseudo_id", "uuid1_first_open1");
    case.expect(user, "S/event_v2/expected/transform_v3_user_first_open.json");
}

#[test]
fn traffic_source() {
    let Some(case) = run("S/original_data_with_traffic_source_v2.json", &["uba-app"], PROJECT) else { return };
    let event = case.row("event_v2", "event_id", "event_id_xxx1_web_session_start");
    case.expect(event, "S/event_v2/expected/transform_v3_traffic_source_event.json");
}

#[test]
fn traffic_source_of_a_user() {
    let Some(case) = run("S/original_data_with_traffic_source_v2.json", &["uba-app"], PROJECT) else { return };
    let user = case.row("user_v2", "user_pseudo_id", "unique_id_web_1");
    case.expect(user, "S/event_v2/expected/transform_v3_traffic_source_user.json");
}

#[test]
fn longest_texts() {
    let Some(case) = run("S/original_data_nozip_item_max_len.json", &["maxLenTestItemUser"], PROJECT) else { return };
    case.expect(&case.rows("event_v2")[0], "S/event_v2/expected/transform_v3_event_max_len2.json");
}

#[test]
fn longest_texts_of_an_item() {
    let Some(case) = run("S/original_data_nozip_item_max_len.json", &["maxLenTestItemUser"], PROJECT) else { return };
    let expected =
        std::fs::read_to_string(case.folder.join("S/event_v2/expected/transform_v3_item_max_len.json")).unwrap();
    let id = serde_json::from_str::<Value>(&expected).unwrap()["item_id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 255);
    case.expect(case.row("item_v2", "item_id", &id), "S/event_v2/expected/transform_v3_item_max_len.json");
}

#[test]
fn converted_row() {
    let Some(case) = run("S/original_data_nozip_upload_time.json", &["testApp1"], "projectId1") else { return };
    let text = std::fs::read_to_string(case.folder.join("S/expected/test_convert_data_v3.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    // The file shows rows between parsing and writing: without the columns that come later.
    assert_eq!(case.rows("event_v2").len(), 5);
    let mut event = case.rows("event_v2")[0].clone();
    event["process_info"].as_object_mut().unwrap().remove("process_job_id");
    let of_event = |row: &&Row| row["event_id"] == event["event_id"] && row["item_id"] == "item_id1";
    let mut item = case.rows("item_v2").iter().find(of_event).unwrap().clone();
    item.remove("process_info");
    assert_same("event", &event, &expected["dataOut"]["events"][0]);
    assert_same("item", &item, &expected["dataOut"]["items"][0]);
}

/// The input holds rows of the event table; they go in as the requests that would have made them.
#[test]
fn session_extraction() {
    let Some(folder) = conformance() else { return };
    let text = std::fs::read_to_string(folder.join("S/event_v2/event_v2_session_dataset.json")).unwrap();
    let requests: Vec<Vec<u8>> = text.lines().filter(|line| !line.trim().is_empty()).map(request_of).collect();
    let setup =
        Setup { apps: &["blog"], project: "p", rules: Rules::None, time_shift: false, freshness_hours: 72, now: NOW };
    let case = setup.run(folder, &requests);
    assert_eq!(case.rows("event_v2").len(), requests.len());
    let mut session = case.row("session", "session_id", "16852f55-20240516-195001418").clone();
    // The reference's rows have no `process_info` that a session could take over.
    session["process_info"].as_object_mut().unwrap().retain(|key, _| key != "ingest_time" && key != "input_file_name");
    case.expect(&session, "S/event_v2/expected/test_extract_session_from_event.json");
}

fn request_of(event_row: &str) -> Vec<u8> {
    let row: Row = serde_json::from_str(event_row).unwrap();
    let number = |column: &str| row[column].as_str().unwrap().parse::<i64>().unwrap();
    let mut attributes = Row::new();
    attributes.insert("_session_id".to_owned(), row["session_id"].clone());
    for part in [
        "source",
        "medium",
        "campaign",
        "content",
        "term",
        "campaign_id",
        "clid_platform",
        "clid",
        "channel_group",
        "category",
    ] {
        if let Some(value) = row.get(&format!("traffic_source_{part}")) {
            attributes.insert(format!("_traffic_source_{part}"), value.clone());
        }
    }
    let event = json!([{
        "event_id": row["event_id"], "event_type": row["event_name"], "timestamp": number("event_time_msec"),
        "app_id": row["app_id"], "unique_id": row["user_pseudo_id"], "user": {"_user_id": {"value": row["user_id"]}},
        "attributes": attributes,
    }]);
    let request = json!({"appId": "blog", "ingest_time": number("ingest_time_msec"), "data": event.to_string()});
    request.to_string().into_bytes()
}

/// Asserts how many events an input has.
fn expect_events(input: &str, app: &str, events: usize) {
    let Some(case) = run(input, &[app], PROJECT) else { return };
    assert_eq!(case.rows("event_v2").len(), events, "{input}: {:#?}", case.outcome.rejects);
    assert!(case.outcome.ledger.get("payload").unwrap().read > 0, "{input}");
}

#[test]
fn empty_latest_referrer() {
    expect_events("S/empty_latest_referrer.json", "shop", 88);
}

/// The reference makes one corrupt record of it; here it is one dead letter.
#[test]
fn null_data() {
    expect_events("S/original_data_null.json", "uba-app", 0);
    let Some(case) = run("S/original_data_null.json", &["uba-app"], PROJECT) else { return };
    assert_eq!(case.outcome.rejects.len() as u64, case.outcome.ledger.get("payload").unwrap().read);
}

#[test]
fn bad_base64() {
    expect_events("S/original_data_with_error.json", "uba-app", 0);
}

#[test]
fn future_time() {
    expect_events("S/original_data_with_future_time.json", "test-clean-future", 1);
}

#[test]
fn event_name_not_filtered() {
    expect_events("S/original_data_event_name_not_filtered.json", "app_id1", 3);
}

#[test]
fn schemas() {
    let Some(case) = run("S/original_data_with_items.json", &["uba-app"], PROJECT) else { return };
    let config = serde_json::from_value(json!({"project_id": "p", "app_ids": ["a"]})).unwrap();
    let transformer = Clickstream::new(config, RuleSet::default()).unwrap();
    for table in transformer.tables() {
        let name = &table.schema.table;
        let path = case.folder.join(format!("S/event_v2/expected/{name}_parquet_schema.json"));
        let expected: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let expected: Vec<_> = expected["fields"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|field| !field["name"].as_str().unwrap().starts_with("partition_"))
            .map(|field| (field["name"].as_str().unwrap().to_owned(), spark_type(&field["type"])))
            .collect();
        let ours: Vec<_> = table
            .schema
            .columns
            .iter()
            .filter(|column| !column.transient)
            .map(|column| (column.name.clone(), column.column_type.to_string()))
            .collect();
        assert_eq!(ours, expected, "{name}");
    }
}

/// A Spark schema's type in the catalog's words.
fn spark_type(spark: &Value) -> String {
    match spark {
        Value::String(name) => match name.as_str() {
            "long" => "bigint",
            "integer" => "int",
            other => other,
        }
        .to_owned(),
        spark if spark["type"] == "map" => format!("map<string,{}>", spark_type(&spark["valueType"])),
        spark => {
            let members: Vec<_> = spark["fields"]
                .as_array()
                .unwrap()
                .iter()
                .map(|field| format!("{}:{}", field["name"].as_str().unwrap(), spark_type(&field["type"])))
                .collect();
            format!("struct<{}>", members.join(","))
        }
    }
}

#[test]
fn rows_helper_reads_empty_batches() {
    let config = serde_json::from_value(json!({"project_id": "p", "app_ids": ["a"]})).unwrap();
    let transformer: Arc<dyn Transformer> = Arc::new(Clickstream::new(config, RuleSet::default()).unwrap());
    let outcome = testing::transform(&transformer, &run_at("r", NOW), &[b"nonsense"], 1).unwrap();
    assert!(outcome.tables.values().all(Vec::is_empty));
    assert_eq!(outcome.rejects[0].reason, "not_json");
}
