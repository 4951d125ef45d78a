use crate::component;
use crate::test_database::{self, Value as Mm};
use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use etl_sdk::testing::external::data;
use etl_sdk::{BuildContext, Enrichment, EnrichmentWorker, Error, ErrorKind, Output};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

fn build(options: Value) -> Result<Arc<dyn Enrichment>, Error> {
    component().build(options, &BuildContext::new("/"))
}

/// A database in the flat layout: an IPv4 one with every key, and a record of the country alone.
fn flat(name: &str, more: &Value) -> Arc<dyn Enrichment> {
    let city = Mm::map([
        ("city", "Oslo"),
        ("country_code", "NO"),
        ("latitude", "59.9"),
        ("longitude", "10.7"),
        ("postcode", ""),
        ("state1", "Oslo County"),
        ("state2", ""),
        ("timezone", "Europe/Oslo"),
    ]);
    let path = test_database::write(
        name,
        4,
        &[([81, 2, 69, 0], 24, city), ([2, 125, 160, 0], 20, Mm::map([("country_code", "FR")]))],
    );
    let mut options = json!({ "database": path });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let enrichment = build(options).unwrap();
    // It is mapped: the name is not needed any more.
    std::fs::remove_file(path).unwrap();
    enrichment
}

/// Rows with addresses, a number beside them, and `geo_country` filled before.
fn batch(addresses: &[Option<&str>], countries: &[Option<&str>]) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("number", DataType::Int64, true),
        Field::new("geo_country", DataType::Utf8, true),
        Field::new("ip", DataType::Utf8, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..addresses.len() as i64)),
        Arc::new(StringArray::from(countries.to_vec())),
        Arc::new(StringArray::from(addresses.to_vec())),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn worker(enrichment: &Arc<dyn Enrichment>, batch: &RecordBatch) -> Box<dyn EnrichmentWorker> {
    let run = etl_sdk::testing::run_at("test", 0);
    Arc::clone(enrichment).worker(&run, &batch.schema()).unwrap()
}

fn enrich(enrichment: &Arc<dyn Enrichment>, batch: RecordBatch) -> RecordBatch {
    let schema = enrichment.output_schema(&batch.schema()).unwrap();
    let filled = worker(enrichment, &batch).enrich(&"geo".into(), batch, &mut Output::default()).unwrap();
    assert_eq!(filled.schema(), schema, "the batch is as announced");
    filled
}

fn texts(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let array = batch.column_by_name(column).unwrap_or_else(|| panic!("column {column}"));
    etl_sdk::as_text(array).unwrap().iter().map(|text| text.map(str::to_owned)).collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| (!text.is_empty()).then(|| (*text).to_owned())).collect()
}

const ADDRESSES: [Option<&str>; 12] = [
    Some("81.2.69.142"),
    Some("81.2.69.142, 10.0.0.1"),
    None,
    Some(""),
    Some("10.1.1.1"),
    Some("2.125.160.216"),
    Some("[::ffff:81.2.69.142]:443"),
    Some("localhost"),
    Some("2001:218::1"),
    Some("9.9.9.9"),
    Some(" 81.2.69.1 "),
    Some("\u{0}\u{fffd}\u{1f600}"),
];

#[test]
fn the_flat_layout_fills_city_and_code_and_keeps_what_it_does_not_know() {
    let geo = flat("fill", &json!({ "output": { "region": "geo_region", "metro": "geo_metro" } }));
    let old = [Some("old"); 12];
    let filled = enrich(&geo, batch(&ADDRESSES, &old));
    let names: Vec<_> = filled.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["number", "geo_country", "ip", "geo_continent", "geo_city", "geo_region", "geo_metro"]);
    let countries = ["NO", "NO", "old", "old", "old", "FR", "NO", "old", "old", "old", "NO", "old"];
    assert_eq!(texts(&filled, "geo_country"), some(&countries));
    let cities = ["Oslo", "Oslo", "", "", "", "", "Oslo", "", "", "", "Oslo", ""];
    assert_eq!(texts(&filled, "geo_city"), some(&cities));
    assert_eq!(texts(&filled, "geo_region")[0].as_deref(), Some("Oslo County"));
    assert_eq!(filled.column_by_name("geo_continent").unwrap().null_count(), 12);
}

#[test]
fn batch_size_and_order_do_not_change_the_rows() {
    let geo = flat("sizes", &json!({ "cache_entries": 2 }));
    let whole = batch(&ADDRESSES, &[None; 12]);
    let expected = texts(&enrich(&geo, whole.clone()), "geo_country");
    for size in [1, 7, 12] {
        let mut worker = worker(&geo, &whole);
        let mut rows = Vec::new();
        for start in (0..12).step_by(size) {
            let part = whole.slice(start, size.min(12 - start));
            rows.extend(texts(&worker.enrich(&"geo".into(), part, &mut Output::default()).unwrap(), "geo_country"));
        }
        assert_eq!(rows, expected, "batches of {size}");
    }
}

#[test]
fn a_repeated_address_is_looked_up_once_and_a_huge_one_never() {
    let geo = flat("cache", &json!({}));
    let huge = "1".repeat(65_536);
    let addresses =
        [Some("81.2.69.142"), Some("81.2.69.142"), Some("2.125.160.216"), Some("81.2.69.142"), Some(&*huge)];
    let batch = batch(&addresses, &[None; 5]);
    let mut worker = worker(&geo, &batch);
    let filled = worker.enrich(&"geo".into(), batch, &mut Output::default()).unwrap();
    assert_eq!(texts(&filled, "geo_country"), some(&["NO", "NO", "FR", "NO", ""]));
    let stats = &worker.caches()[0];
    assert_eq!(
        (stats.name.as_ref(), stats.hits, stats.misses),
        ("ip-geo", 1, 2),
        "the second row is the previous one's"
    );
}

#[test]
fn a_column_can_be_left_out() {
    let geo = flat("less", &json!({ "output": { "continent": null, "country": "place", "city": null } }));
    let filled = enrich(&geo, batch(&ADDRESSES[..1], &[None]));
    assert_eq!(filled.num_columns(), 4);
    assert_eq!(texts(&filled, "place"), some(&["NO"]));
}

#[test]
fn facts_name_the_data() {
    let facts = flat("facts", &json!({})).facts();
    let fact = |name: &str| facts.iter().find(|fact| fact.name == name).unwrap().value.clone();
    assert_eq!(fact("database type"), "test places");
    assert_eq!(fact("build date"), "2025-11-20T00:00:00Z");
    assert_eq!(fact("ip version"), "4");
}

#[test]
fn values_of_unexpected_types_are_missing_values() {
    let record = Mm::Map(vec![
        ("continent".into(), Mm::Number16(7)),
        ("country".into(), Mm::Map(vec![("names".into(), Mm::List(vec![Mm::Number64(1)]))])),
        ("city".into(), Mm::Map(vec![("names".into(), Mm::map([("de", "Wien"), ("en", "Vienna")]))])),
        ("subdivisions".into(), Mm::List(Vec::new())),
        ("location".into(), Mm::Text("48.2,16.3".into())),
    ]);
    let path = test_database::write("types", 4, &[([81, 2, 69, 0], 24, record)]);
    let geo = build(json!({ "database": path })).unwrap();
    std::fs::remove_file(path).unwrap();
    let filled = enrich(&geo, batch(&ADDRESSES[..1], &[Some("old")]));
    assert_eq!(texts(&filled, "geo_city"), some(&["Vienna"]));
    assert_eq!(texts(&filled, "geo_country"), some(&["old"]));
}

#[test]
fn a_missing_or_broken_database_is_named() {
    let path = std::env::temp_dir().join(format!("ip-geo-broken-{}.mmdb", std::process::id()));
    std::fs::write(&path, b"no database").unwrap();
    for file in [path.clone(), PathBuf::from("/nowhere/places.mmdb")] {
        let error = build(json!({ "database": file })).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        assert!(error.hint_text().is_some());
    }
    std::fs::remove_file(path).unwrap();
    let error = build(json!({})).err().unwrap();
    assert!(error.to_string().contains("database"), "{error}");
}

#[test]
fn a_database_cut_short_fails_the_run_or_the_build_and_never_panics() {
    let Some(folder) = data("conformance").map(|data| data.join("geo")) else { return };
    let whole = std::fs::read(folder.join("GeoLite2-City-Test.mmdb")).unwrap();
    let path = std::env::temp_dir().join(format!("ip-geo-damaged-{}.mmdb", std::process::id()));
    let mut failures = 0;
    for damage in (0..whole.len() - 400).step_by(997) {
        let mut bytes = whole.clone();
        bytes[damage..damage + 300].fill(0xff);
        std::fs::write(&path, bytes).unwrap();
        match build(json!({ "database": path })) {
            Ok(geo) => {
                let batch = batch(&ADDRESSES, &[None; 12]);
                failures +=
                    usize::from(worker(&geo, &batch).enrich(&"geo".into(), batch, &mut Output::default()).is_err());
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Config);
                failures += 1;
            }
        }
        std::fs::remove_file(&path).unwrap();
    }
    assert!(failures > 0, "no damage was noticed");
}

#[test]
fn nested_city_databases() {
    let Some(folder) = data("conformance").map(|data| data.join("geo")) else { return };
    for file in ["GeoLite2-City-Test.mmdb", "GeoIP2-City-Test.mmdb"] {
        let output = json!({ "region": "geo_region", "metro": "geo_metro" });
        let geo = build(json!({ "database": folder.join(file), "output": output })).unwrap();
        let addresses = [Some("81.2.69.142"), Some("::ffff:81.2.69.142"), Some("2001:218::1"), Some("216.160.83.56")];
        let filled = enrich(&geo, batch(&addresses, &[None; 4]));
        let continents = ["Europe", "Europe", "Asia", "North America"];
        assert_eq!(texts(&filled, "geo_continent"), some(&continents), "{file}");
        let countries = ["United Kingdom", "United Kingdom", "Japan", "United States"];
        assert_eq!(texts(&filled, "geo_country"), some(&countries), "{file}");
        assert_eq!(texts(&filled, "geo_city"), some(&["London", "London", "", "Milton"]), "{file}");
        assert_eq!(texts(&filled, "geo_region"), some(&["England", "England", "", "Washington"]), "{file}");
        assert_eq!(texts(&filled, "geo_metro"), some(&["", "", "", "819"]), "{file}");
        let facts = geo.facts();
        assert!(facts.iter().any(|fact| fact.value == file.replace("-Test.mmdb", "")), "{facts:?}");
    }
}

#[test]
fn a_country_database_fills_what_it_has_and_one_of_networks_is_refused() {
    let Some(folder) = data("conformance").map(|data| data.join("geo")) else { return };
    let geo = build(json!({ "database": folder.join("GeoLite2-Country-Test.mmdb") })).unwrap();
    let filled = enrich(&geo, batch(&[Some("81.2.69.142"), Some("10.0.0.1")], &[Some("old"), Some("old")]));
    assert_eq!(texts(&filled, "geo_country"), some(&["United Kingdom", "old"]));
    assert_eq!(texts(&filled, "geo_city"), some(&["", ""]));

    let error = build(json!({ "database": folder.join("GeoLite2-ASN-Test.mmdb") })).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("GeoLite2-ASN"), "{error}");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("city")));
}

/// The examples of `docs/compatibility.md` that are about this step.
#[test]
fn the_document_shows_what_comes_out() {
    let document = include_str!("../../../docs/compatibility.md");
    let blocks = document.split("```json\n").skip(1).map(|block| block.split("\n```").next().unwrap());
    let examples = blocks.map(|block| serde_json::from_str::<Value>(block).unwrap());
    let mut run = 0;
    for example in examples.filter(|example| example.get("ip").is_some()) {
        let rows = example["ip"].as_object().unwrap();
        for (index, compat) in ["default", "reference"].into_iter().enumerate() {
            let geo = flat(&format!("document-{run}-{compat}"), &json!({ "compat": compat }));
            for (address, cities) in rows {
                let filled = enrich(&geo, batch(&[Some(address)], &[None]));
                let city = texts(&filled, "geo_city")[0].clone();
                assert_eq!(json!(city), cities[index], "{compat}: {address}");
            }
        }
        assert!(rows.values().all(|cities| cities[0] != cities[1]), "no difference");
        run += 1;
    }
    assert_eq!(run, 1);
}

#[test]
fn the_schema_of_the_options_is_closed_and_has_the_defaults() {
    let schema = component().options_schema();
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["required"], json!(["database"]));
    assert_eq!(schema["properties"]["input"]["default"], json!("ip"));
    assert_eq!(schema["properties"]["output"]["default"]["country"], json!("geo_country"));
    assert!(build(json!({ "database": "x.mmdb", "databse": 1 })).err().unwrap().to_string().contains("databse"));
}
