//! The reference's own inputs and expected rows, transformer level (the data is found at `$ETL_CONFORMANCE`, else
//! beside the project; see `docs/testing.md`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test")]

use etl_sdk::testing::{Outcome, Row, run_at, transform};
use etl_sdk::{Transformer, testing};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use transformer_clickstream::traffic_source::{AppRules, RuleSet};
use transformer_clickstream::{Clickstream, ClickstreamConfig};

/// 2024-08-30, when the reference was released.
const NOW: i64 = 1_724_976_000_000;

fn conformance() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder =
        std::env::var_os("ETL_CONFORMANCE").map_or_else(|| root.join("../../../shared/conformance"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no conformance data at {}; set ETL_CONFORMANCE", folder.display());
    None
}

struct Case {
    folder: PathBuf,
    outcome: Outcome,
}

/// Runs one input file as the reference's tests do: time shift on, 72 hours of freshness. `None` when the data is absent.
fn run(input: &str, apps: &[&str], project: &str) -> Option<Case> {
    let folder = conformance()?;
    let read =
        |path: &str| std::fs::read_to_string(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let config: ClickstreamConfig =
        serde_json::from_value(json!({"project_id": project, "app_ids": apps, "time_shift": true})).unwrap();
    // The reference's tests give rules to these apps, and fall back to the short v0 rules for all others.
    let v1 = (
        read("S/rule_config/app1/traffic_source_category_rule_v1.json"),
        read("S/rule_config/app1/traffic_source_channel_rule_v1.json"),
    );
    let v0 = (read("S/ts/traffic_source_category_rule_v0.json"), read("S/ts/traffic_source_channel_rule_v0.json"));
    let rules: RuleSet = apps
        .iter()
        .map(|app| {
            let known = ["uba-app", "testApp", "gtmTest", "app1"].contains(app);
            let (category, channel) = if known { &v1 } else { &v0 };
            ((*app).to_owned(), AppRules::parse(category, channel).unwrap())
        })
        .collect();
    let transformer: Arc<dyn Transformer> = Arc::new(Clickstream::new(config, rules).unwrap());
    let text = read(input);
    let records: Vec<&[u8]> = text.lines().filter(|line| !line.trim().is_empty()).map(str::as_bytes).collect();
    let outcome = transform(&transformer, &run_at("test-job", NOW), &records, usize::MAX).unwrap();
    assert_eq!(outcome.ledger.unbalanced(), Vec::<&str>::new());
    let halves = transform(&transformer, &run_at("test-job", NOW), &records, 1).unwrap();
    assert_eq!(outcome.tables, halves.tables, "rows do not depend on tasks");
    Some(Case { folder, outcome })
}

impl Case {
    fn rows(&self, table: &str) -> &[Row] {
        &self.outcome.tables[table]
    }

    fn row(&self, table: &str, column: &str, value: &str) -> &Row {
        let rows = self.rows(table);
        rows.iter().find(|row| row.get(column).and_then(Value::as_str) == Some(value)).unwrap_or_else(|| {
            panic!("no {table} row with {column}={value} among {} rows; {:#?}", rows.len(), self.outcome.rejects)
        })
    }

    /// Compares every column that the expected row has, and that no other column has a value.
    fn expect(&self, row: &Row, expected: &str) {
        let text = std::fs::read_to_string(self.folder.join(expected)).unwrap();
        assert_same(expected, row, &serde_json::from_str(&text).unwrap());
    }
}

/// Compares all columns but those that only help to merge rows.
fn assert_same(name: &str, row: &Row, expected: &Value) {
    let expected = normalised(expected);
    let mut ours = normalised(&Value::Object(row.clone()));
    let helpers = [
        "sequence",
        "rank",
        "time",
        "first_event_name",
        "first_time",
        "first_sequence",
        "latest_event_name",
        "latest_time",
        "latest_sequence",
    ];
    for column in helpers {
        ours.as_object_mut().unwrap().remove(column);
    }
    let (ours, expected) = (ours.as_object().unwrap(), expected.as_object().unwrap());
    let mut columns: Vec<_> = ours.keys().chain(expected.keys()).collect();
    columns.sort_unstable();
    columns.dedup();
    let different: Vec<_> = columns
        .into_iter()
        .filter(|key| ours.get(*key) != expected.get(*key))
        .map(|key| format!("{key}: ours {:?}, expected {:?}", ours.get(key), expected.get(key)))
        .collect();
    assert!(different.is_empty(), "{name}:\n{}", different.join("\n"));
}

/// The normalisation of spec 10: times without milliseconds, no nulls, no process time, created time or file name.
fn normalised(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(key, value)| {
                    !value.is_null() && !matches!(key.as_str(), "process_time" | "created_time" | "input_file_name")
                })
                .map(|(key, value)| match (key.as_str(), value) {
                    ("event_timestamp", Value::String(time)) => (key.clone(), json!(time.replace('T', " ")[..19])),
                    _ => (key.clone(), normalised(value)),
                })
                .collect(),
        ),
        Value::Array(elements) => Value::Array(elements.iter().map(normalised).collect()),
        other => other.clone(),
    }
}

const PROJECT: &str = "test_project_id_01";

#[test]
fn items() {
    let Some(case) = run("S/original_data_with_items.json", &["uba-app"], PROJECT) else { return };
    case.expect(&case.rows("event_v2")[0], "S/event_v2/expected/transform_v3_event.json");
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
    let user = case.row("user_v2", "user_pseudo_id", "unique_id_web_1");
    case.expect(user, "S/event_v2/expected/transform_v3_traffic_source_user.json");
}

#[test]
fn longest_texts() {
    let Some(case) = run("S/original_data_nozip_item_max_len.json", &["maxLenTestItemUser"], PROJECT) else { return };
    case.expect(&case.rows("event_v2")[0], "S/event_v2/expected/transform_v3_event_max_len2.json");
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
    let config = json!({"project_id": "p", "app_ids": ["blog"], "traffic_source": false});
    let transformer: Arc<dyn Transformer> =
        Arc::new(Clickstream::new(serde_json::from_value(config).unwrap(), RuleSet::default()).unwrap());
    let records: Vec<&[u8]> = requests.iter().map(Vec::as_slice).collect();
    let outcome = transform(&transformer, &run_at("test-job", NOW), &records, usize::MAX).unwrap();
    assert_eq!(outcome.tables["event_v2"].len(), records.len());
    let case = Case { folder, outcome };
    let session = case.row("session", "session_id", "16852f55-20240516-195001418");
    case.expect(session, "S/event_v2/expected/test_extract_session_from_event.json");
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

#[test]
fn counts_of_the_cleaner() {
    for (input, app, events) in [
        ("S/empty_latest_referrer.json", "shop", 88),
        ("S/original_data_null.json", "uba-app", 0),
        ("S/original_data_with_error.json", "uba-app", 0),
        ("S/original_data_with_future_time.json", "test-clean-future", 1),
        ("S/original_data_event_name_not_filtered.json", "app_id1", 3),
    ] {
        let Some(case) = run(input, &[app], PROJECT) else { return };
        assert_eq!(case.rows("event_v2").len(), events, "{input}: {:#?}", case.outcome.rejects);
        let records = case.outcome.ledger.get("payload").unwrap().read;
        assert!(records > 0, "{input}");
    }
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
