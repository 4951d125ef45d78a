use crate::component;
use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use etl_sdk::{BuildContext, EnrichmentWorker, Output};
use serde_json::{Value, json};
use std::sync::Arc;

fn batch(categories: &[Option<&str>]) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("number", DataType::Int64, true),
        Field::new("device_ua_device_category", DataType::Utf8, true),
    ]);
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..categories.len() as i64));
    let texts: ArrayRef = Arc::new(StringArray::from(categories.to_vec()));
    RecordBatch::try_new(Arc::new(schema), vec![numbers, texts]).unwrap()
}

fn worker(options: Value, batch: &RecordBatch) -> Box<dyn EnrichmentWorker> {
    let filter = component().build(options, &BuildContext::new(".")).unwrap();
    assert_eq!(filter.output_schema(&batch.schema()).unwrap(), batch.schema());
    let run = etl_sdk::testing::run_at("test", 0);
    filter.worker(&run, &batch.schema()).unwrap()
}

fn numbers(batch: &RecordBatch) -> Vec<i64> {
    batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec()
}

const MIXED: [Option<&str>; 7] =
    [Some("Bot"), None, Some("Mobile"), Some("bot"), Some("Bot"), Some(""), Some("Botanic")];

#[test]
fn bots_go_and_nulls_stay() {
    let batch = batch(&MIXED);
    let mut out = Output::default();
    let kept = worker(Value::Null, &batch).enrich(&"bots".into(), batch, &mut out).unwrap();
    assert_eq!(numbers(&kept), [1, 2, 3, 5, 6]);
    assert_eq!(out.ledger.get("bots").unwrap().filtered[crate::REASON], 2);
}

#[test]
fn batch_size_does_not_change_the_rows() {
    let whole = batch(&MIXED);
    for size in [1, 3, 7] {
        let mut worker = worker(Value::Null, &whole);
        let mut out = Output::default();
        let mut kept = Vec::new();
        for start in (0..7).step_by(size) {
            // A slice has an offset, which the filter must honour.
            let part = whole.slice(start, size.min(7 - start));
            kept.extend(numbers(&worker.enrich(&"bots".into(), part, &mut out).unwrap()));
        }
        assert_eq!(kept, [1, 2, 3, 5, 6], "batches of {size}");
        assert_eq!(out.ledger.get("bots").unwrap().filtered_total(), 2, "batches of {size}");
    }
}

#[test]
fn a_batch_without_bots_is_handed_on_as_it_is() {
    let batch = batch(&[Some("PC"), None]);
    let mut out = Output::default();
    let kept = worker(Value::Null, &batch).enrich(&"bots".into(), batch.clone(), &mut out).unwrap();
    assert!(Arc::ptr_eq(kept.column(1), batch.column(1)), "the same arrays, not copies");
    assert!(out.ledger.get("bots").is_none());
}

#[test]
fn column_and_value_can_be_set() {
    let batch = batch(&MIXED);
    let mut out = Output::default();
    let options = json!({"column": "device_ua_device_category", "value": "Mobile"});
    let kept = worker(options, &batch).enrich(&"phones".into(), batch, &mut out).unwrap();
    assert_eq!(numbers(&kept), [0, 1, 3, 4, 5, 6]);
}

#[test]
fn a_table_without_the_column_is_refused() {
    let filter = component().build(json!({"column": "nope"}), &BuildContext::default()).unwrap();
    let error = filter.output_schema(&batch(&[]).schema()).unwrap_err();
    assert!(error.to_string().contains("column=nope"), "{error}");
    assert!(error.hint_text().is_some());
}

#[test]
fn an_unknown_option_is_named() {
    let error = component().build(json!({"colum": "x"}), &BuildContext::default()).err().unwrap();
    assert!(error.to_string().contains("colum"), "{error}");
    let schema = component().options_schema();
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["properties"]["value"]["default"], json!("Bot"));
}
