mod conformance;

use crate::{columns, component};
use arrow::array::{Array, ArrayRef, Int64Array, MapArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use etl_sdk::{BuildContext, Enrichment, EnrichmentWorker, Error, ErrorKind, Output};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1";
const DESKTOP: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/116.0.0.0 Safari/537.36";
const BOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

fn build(options: Value) -> Result<Arc<dyn Enrichment>, Error> {
    component().build(options, &BuildContext::new("/"))
}

fn batch(texts: &[Option<&str>]) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("number", DataType::Int64, true),
        Field::new("device_ua_os", DataType::Utf8, true),
        Field::new("ua", DataType::Utf8, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..texts.len() as i64)),
        Arc::new(StringArray::from(vec![Some("old"); texts.len()])),
        Arc::new(StringArray::from(texts.to_vec())),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn worker(enrichment: &Arc<dyn Enrichment>, batch: &RecordBatch) -> Box<dyn EnrichmentWorker> {
    let run = etl_sdk::testing::run_at("test", 0);
    Arc::clone(enrichment).worker(&run, &batch.schema()).unwrap()
}

fn enrich(enrichment: &Arc<dyn Enrichment>, batch: RecordBatch) -> RecordBatch {
    let schema = enrichment.output_schema(&batch.schema()).unwrap();
    let filled = worker(enrichment, &batch).enrich(&"ua".into(), batch, &mut Output::default()).unwrap();
    assert_eq!(filled.schema(), schema, "the batch is as announced");
    filled
}

/// Rows as JSON objects of the `device_ua` columns, as far as the batch has them.
fn rows(batch: &RecordBatch) -> Vec<Map<String, Value>> {
    let schema = batch.schema();
    let mut rows = vec![Map::new(); batch.num_rows()];
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if !field.name().starts_with("device_ua") {
            continue;
        }
        for (row, object) in rows.iter_mut().enumerate() {
            let value = match column.as_any().downcast_ref::<MapArray>() {
                _ if column.is_null(row) => Value::Null,
                Some(map) => entries(map, row),
                None => etl_sdk::as_text(column).unwrap().value(row).into(),
            };
            object.insert(field.name().clone(), value);
        }
    }
    rows
}

fn entries(map: &MapArray, row: usize) -> Value {
    let entries = map.value(row);
    let keys = etl_sdk::as_text(entries.column(0)).unwrap();
    let values = etl_sdk::as_text(entries.column(1)).unwrap();
    keys.iter().zip(values).map(|(key, value)| (key.unwrap().to_owned(), json!(value))).collect::<Map<_, _>>().into()
}

fn mixed(long: &str) -> [Option<&str>; 12] {
    [
        Some(PHONE),
        Some(PHONE),
        None,
        Some(""),
        Some(BOT),
        Some(DESKTOP),
        Some(PHONE),
        Some(long),
        Some(" "),
        Some("\u{0}\u{7f}\u{fffd}\u{1f600}\"\\\n"),
        Some("-"),
        None,
    ]
}

/// 64 KB whose cut falls into a character of several bytes.
fn long_text() -> String {
    format!("Mozilla/5.0 (X11; Linux x86_64) {}{}", "a", "é".repeat(32_768))
}

#[test]
fn both_engines_fill_all_columns_at_the_right_places() {
    for engine in ["woothee", "uap"] {
        let long = long_text();
        let filled = enrich(&build(json!({ "engine": engine })).unwrap(), batch(&mixed(&long)));
        let schema = filled.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let expected = [
            "number",
            "device_ua_os",
            "ua",
            "device_ua_browser",
            "device_ua_browser_version",
            "device_ua_os_version",
            "device_ua_device",
            "device_ua_device_category",
            "device_ua",
        ];
        assert_eq!(names, expected, "{engine}");
        assert_eq!(*filled.column(8).data_type(), columns::map_type());

        let rows = rows(&filled);
        for nothing in [2, 3, 11] {
            assert!(rows[nothing].values().all(Value::is_null), "{engine}: {:?}", rows[nothing]);
        }
        assert_eq!(rows[0], rows[1]);
        assert_eq!(rows[0], rows[6]);
        let categories = rows.iter().map(|row| row["device_ua_device_category"].as_str());
        assert_eq!(categories.filter(|category| *category == Some("Bot")).count(), 1, "{engine}");
        assert_eq!(rows[0]["device_ua_device_category"], "Mobile", "{engine}");
        assert_eq!(rows[0]["device_ua_os"], "iOS", "{engine}: the old value is overwritten");
        assert_eq!(rows[7]["device_ua"]["string"], long, "{engine}: the whole text is kept");
        assert_eq!(rows[9]["device_ua"]["string"], "\u{0}\u{7f}\u{fffd}\u{1f600}\"\\\n", "{engine}");
    }
}

#[test]
fn batch_size_does_not_change_the_rows() {
    let long = long_text();
    let whole = batch(&mixed(&long));
    for engine in ["woothee", "uap"] {
        let enrichment = build(json!({ "engine": engine, "cache_entries": 2 })).unwrap();
        let expected = rows(&enrich(&enrichment, whole.clone()));
        for size in [1, 7] {
            let mut worker = worker(&enrichment, &whole);
            let mut found = Vec::new();
            for start in (0..whole.num_rows()).step_by(size) {
                let part = whole.slice(start, size.min(whole.num_rows() - start));
                found.extend(rows(&worker.enrich(&"ua".into(), part, &mut Output::default()).unwrap()));
            }
            assert_eq!(found, expected, "{engine}, batches of {size}");
        }
    }
}

#[test]
fn a_batch_without_rows_passes() {
    let filled = enrich(&build(Value::Null).unwrap(), batch(&[]));
    assert_eq!((filled.num_rows(), filled.num_columns()), (0, 9));
}

#[test]
fn a_repeated_text_is_parsed_once() {
    let batch = batch(&[Some(PHONE), Some(PHONE), Some(DESKTOP), Some(PHONE), None]);
    let enrichment = build(Value::Null).unwrap();
    let mut worker = worker(&enrichment, &batch);
    worker.enrich(&"ua".into(), batch, &mut Output::default()).unwrap();
    let stats = &worker.caches()[0];
    assert_eq!(
        (stats.name.as_ref(), stats.hits, stats.misses),
        ("user-agent", 1, 2),
        "the second row is the previous one's"
    );
}

#[test]
fn mangled_user_agents_never_panic() {
    let uap = build(json!({ "engine": "uap" })).unwrap();
    let woothee = build(Value::Null).unwrap();
    let mut texts = Vec::new();
    // A fixed sequence (a linear congruential generator) cuts, repeats and replaces pieces of real texts.
    let mut state = 1_u64;
    let mut next = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let pieces = [
        "Windows ", "(", ";", "/", "Mac OS X", "iPhone", "\u{212a}", "é", "\u{0}", "DoCoMo/", "KDDI-", "Opera", "{",
        "$1",
    ];
    for _ in 0..300 {
        let mut text = [PHONE, DESKTOP, BOT][next(3)].to_owned();
        for _ in 0..3 {
            let place = text.floor_char_boundary(next(text.len() + 1));
            let end = text.floor_char_boundary((place + next(20)).min(text.len()));
            text.replace_range(place..end, pieces[next(pieces.len())]);
        }
        texts.push(text);
    }
    let batch = batch(&texts.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>());
    for enrichment in [uap, woothee] {
        let rows = rows(&enrich(&enrichment, batch.clone()));
        assert!(rows.iter().all(|row| row["device_ua_device_category"].is_string()));
    }
}

#[test]
fn columns_can_be_renamed_and_left_out() {
    let output = json!({
        "browser": "agent", "browser_version": null, "os": null, "os_version": null, "device": null,
        "device_category": null, "map": null,
    });
    let enrichment = build(json!({ "output": output })).unwrap();
    let filled = enrich(&enrichment, batch(&[Some(DESKTOP)]));
    assert_eq!(filled.num_columns(), 4);
    assert_eq!(etl_sdk::as_text(filled.column(3)).unwrap().value(0), "Chrome");
    assert_eq!(etl_sdk::as_text(filled.column(1)).unwrap().value(0), "old");
}

#[test]
fn wrong_options_are_named() {
    let error = |options: Value| build(options).err().unwrap();
    assert!(error(json!({ "engin": "uap" })).to_string().contains("engin"));
    assert!(error(json!({ "engine": "yauaa" })).to_string().contains("key=engine"));
    assert!(error(json!({ "regexes": "x.yaml" })).to_string().contains("key=regexes"));
    let missing = error(json!({ "engine": "uap", "regexes": "nowhere/regexes.yaml" }));
    assert_eq!(missing.kind(), ErrorKind::Config);
    assert!(missing.to_string().contains("/nowhere/regexes.yaml"), "{missing}");

    let path = std::env::temp_dir().join(format!("user-agent-broken-{}.yaml", std::process::id()));
    for text in ["user_agent_parsers: 1", "user_agent_parsers: [{regex: '('}]\nos_parsers: []\ndevice_parsers: []"] {
        std::fs::write(&path, text).unwrap();
        let broken = error(json!({ "engine": "uap", "regexes": path }));
        assert!(broken.to_string().contains("user-agent-broken"), "{broken}");
        assert!(broken.hint_text().is_some());
    }
    std::fs::remove_file(path).unwrap();

    let no_input = build(json!({ "input": "agent" })).unwrap();
    assert!(no_input.output_schema(&batch(&[]).schema()).unwrap_err().to_string().contains("column=agent"));
}

#[test]
fn the_schema_of_the_options_is_closed_and_has_the_defaults() {
    let schema = component().options_schema();
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["properties"]["engine"]["default"], json!("woothee"));
    assert_eq!(schema["properties"]["output"]["default"]["map"], json!("device_ua"));
    assert_eq!(schema["properties"]["cache_entries"]["default"], json!(16_384));
}

#[test]
fn facts_name_the_rules() {
    assert!(build(Value::Null).unwrap().facts().iter().any(|fact| fact.value == "woothee"));
    let facts = build(json!({ "engine": "uap" })).unwrap().facts();
    assert!(facts.iter().any(|fact| fact.value == "uap-core 0.18.0 (e3c5e63)"), "{facts:?}");
}
