use super::*;
use crate::rows::sql::plan::Stage;
use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Int64Array, MapBuilder, MapFieldNames, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{ColumnarValue, Volatility};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::{col, create_udf};
use etl_sdk::ColumnType;
use serde_json::json;

fn schema() -> SchemaRef {
    let map = ColumnType::try_from("map<string,string>".to_owned()).unwrap().data_type();
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("number", DataType::Int64, true),
        Field::new("map", map, true),
    ]))
}

fn rows(numbers: impl IntoIterator<Item = i64>) -> RecordBatch {
    let numbers: Vec<i64> = numbers.into_iter().collect();
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut map = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for number in &numbers {
        map.keys().append_value("n");
        map.values().append_value(number.to_string());
        map.append(true).unwrap();
    }
    let text = |number: &i64| if number % 10 == 7 { "seven".to_owned() } else { number.to_string() };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(numbers.iter().map(text))),
        Arc::new(Int64Array::from(numbers.clone())),
        Arc::new(map.finish()),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn step(sql: &str, parameters: &Value) -> Result<Arc<SqlStep>> {
    SqlStep::new("sql/step.sql", "event", sql, parameters, 1 << 20).map(Arc::new)
}

fn run_of() -> Run {
    etl_sdk::testing::run_at("r", 0)
}

fn enrich(sql: &str, parameters: &Value, batches: &[RecordBatch]) -> (RecordBatch, Output) {
    let step = step(sql, parameters).unwrap();
    let output = step.output_schema(&schema()).unwrap();
    let mut worker = step.worker(&run_of(), &schema()).unwrap();
    let mut out = Output::default();
    let enriched: Vec<_> =
        batches.iter().map(|batch| worker.enrich(&"enrich".into(), batch.clone(), &mut out).unwrap()).collect();
    (concat_batches(&output, &enriched).unwrap(), out)
}

fn failure(sql: &str, parameters: &Value) -> String {
    step(sql, parameters).and_then(|step| step.output_schema(&schema())).unwrap_err().to_string()
}

fn numbers(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().iter().collect()
}

#[test]
fn columns_are_added_behind_the_tables_own() {
    let sql = "WITH wide AS (SELECT *, number * 2 AS twice FROM event)
        SELECT upper(name) AS loud, twice, e.map['n'] AS entry, e.number, e.name, e.map,
               to_timestamp(number) AS at, arrow_cast(name, 'Utf8View') AS view
        FROM wide AS e";
    let (batch, out) = enrich(sql, &Value::Null, &[rows([1, 17])]);
    let names: Vec<&str> = batch.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["name", "number", "map", "loud", "twice", "entry", "at", "view"]);
    assert_eq!(batch.project(&[0, 1, 2]).unwrap(), rows([1, 17]));
    assert_eq!(batch.column(3).as_string::<i32>().value(1), "SEVEN");
    assert_eq!(numbers(&batch, "twice"), [Some(2), Some(34)]);
    assert_eq!(batch.column(5).as_string::<i32>().value(1), "17");
    assert_eq!(batch.column(6).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    assert_eq!(batch.column(7).as_string::<i32>().value(0), "1");
    assert!(out.ledger.get("enrich").is_none() && out.rejects.is_empty());
}

#[test]
fn columns_are_filled_in_their_place_and_type() {
    let sql = "SELECT * REPLACE (CAST(number AS INT) + 1 AS number, arrow_cast(name, 'Utf8View') AS name) FROM event";
    let (batch, _) = enrich(sql, &Value::Null, &[rows([1, 2])]);
    assert_eq!(batch.schema(), schema());
    assert_eq!(numbers(&batch, "number"), [Some(2), Some(3)]);
    assert_eq!(batch.column(0), rows([1, 2]).column(0));
}

#[test]
fn filtered_rows_are_counted_and_parameters_are_bound() {
    let sql = "SELECT *, $label AS label, $share AS share, CAST($none AS VARCHAR) AS none
        FROM event WHERE number > $least AND $on";
    let parameters = json!({"label": "x'y", "share": 0.5, "none": null, "least": 3, "on": true});
    let (batch, out) = enrich(sql, &parameters, &[rows(0..5), rows(0..2), rows([]), rows([9])]);
    assert_eq!(numbers(&batch, "number"), [Some(4), Some(9)]);
    assert_eq!(batch.column_by_name("label").unwrap().as_string::<i32>().value(0), "x'y");
    assert_eq!(batch.column_by_name("none").unwrap().null_count(), 2);
    assert_eq!(out.ledger.get("enrich").unwrap().filtered["sql"], 6);
    let (none, out) = enrich("SELECT * FROM event WHERE 1 = 2", &Value::Null, &[rows(0..5)]);
    assert_eq!((none.num_rows(), out.ledger.get("enrich").unwrap().filtered["sql"]), (0, 5));
}

#[test]
fn a_bad_row_is_rejected_and_its_neighbours_are_kept() {
    let sql = "SELECT *, 100 / (number - 3) AS share, CAST(name AS BIGINT) AS parsed FROM event WHERE number <> 5";
    let (batch, out) = enrich(sql, &Value::Null, &[rows(0..20)]);
    // 3 divides by zero; 7 and 17 have a name that is no number; 5 is left out.
    let kept: Vec<_> = (0..20).filter(|number| ![3, 5, 7, 17].contains(number)).map(Some).collect();
    assert_eq!(numbers(&batch, "number"), kept);
    assert_eq!(numbers(&batch, "parsed"), kept);
    let counts = out.ledger.get("enrich").unwrap();
    assert_eq!((counts.filtered["sql"], counts.dead["sql_failed"]), (1, 3));
    let raw: Vec<&str> = out.rejects.iter().map(|reject| std::str::from_utf8(&reject.raw).unwrap()).collect();
    assert_eq!(raw[1], "{\"name\":\"seven\",\"number\":7,\"map\":{\"n\":\"7\"}}\n");
    assert!(out.rejects[0].message.to_lowercase().contains("divide by zero"), "{}", out.rejects[0].message);
    assert!(out.rejects.iter().all(|reject| reject.step == "enrich" && reject.address.is_none()));
}

#[test]
fn a_value_its_column_cannot_hold_fails_the_row() {
    let sql = "SELECT * REPLACE (CASE number WHEN 2 THEN arrow_cast('18446744073709551615', 'UInt64')
        ELSE arrow_cast(number, 'UInt64') END AS number) FROM event";
    let (batch, out) = enrich(sql, &Value::Null, &[rows([0, 1, 2])]);
    assert_eq!(numbers(&batch, "number"), [Some(0), Some(1)]);
    assert_eq!(out.ledger.get("enrich").unwrap().dead["sql_failed"], 1);
}

#[test]
fn rows_do_not_depend_on_how_they_are_cut() {
    let sql = "SELECT *, CASE WHEN number % 3 <> 0 THEN 6 / (number % 3) END AS part, 60 / (number % 11) AS share
        FROM event WHERE number % 5 <> 0 AND 10 / (number % 5) > 2 OR CAST(name AS INT) % 2 = 1";
    let whole = enrich(sql, &Value::Null, &[rows(0..300)]);
    assert!(!whole.1.rejects.is_empty() && whole.0.num_rows() > 50);
    for size in [1, 2, 7, 100] {
        let batches: Vec<_> = (0..300).step_by(size).map(|at| rows(at..(at + size as i64).min(300))).collect();
        let cut = enrich(sql, &Value::Null, &batches);
        assert_eq!(cut.0, whole.0, "batches of {size}");
        assert_eq!(cut.1.ledger, whole.1.ledger, "batches of {size}");
        assert_eq!(cut.1.rejects, whole.1.rejects, "batches of {size}");
    }
}

#[test]
fn what_is_not_row_by_row_is_refused() {
    let cases = [
        ("SELECT count(*) AS n FROM event", "aggregate"),
        ("SELECT name FROM event GROUP BY name", "GROUP BY"),
        ("SELECT *, row_number() OVER (ORDER BY number) AS n FROM event", "window"),
        ("SELECT a.* FROM event a JOIN event b ON a.name = b.name", "a join"),
        ("SELECT a.* FROM event a, event b", "a join"),
        ("SELECT * FROM event ORDER BY number", "ORDER BY"),
        ("SELECT * FROM (SELECT * FROM event ORDER BY number) AS e", "ORDER BY"),
        ("SELECT * FROM event LIMIT 5", "LIMIT"),
        ("SELECT * FROM event OFFSET 5", "OFFSET"),
        ("SELECT DISTINCT * FROM event", "DISTINCT"),
        ("SELECT * FROM event UNION ALL SELECT * FROM event", "UNION"),
        ("SELECT * FROM event WHERE number IN (SELECT number FROM event)", "subquery"),
        ("SELECT * FROM event WHERE EXISTS (SELECT 1 FROM event)", "subquery"),
        ("SELECT *, (SELECT max(number) FROM event) AS m FROM event", "subquery"),
        ("SELECT *, unnest(make_array(1, 2)) AS n FROM event", "unnest"),
        ("SELECT *, now() AS n FROM event", "now()"),
        ("SELECT *, current_timestamp AS n FROM event", "now()"),
        ("SELECT *, current_date AS n FROM event", "current_date()"),
        ("SELECT *, current_time AS n FROM event", "current_time()"),
        ("SELECT * FROM event WHERE random() < 0.5", "random()"),
        ("SELECT *, uuid() AS n FROM event", "uuid()"),
        ("SELECT 1 AS name", "without the table"),
        ("VALUES (1)", "without the table"),
        ("SELECT * FROM generate_series(1, 3)", "generate_series"),
        ("SELECT * FROM other", "other"),
        ("CREATE TABLE t AS SELECT * FROM event", "not a SELECT"),
        ("COPY event TO '/tmp/x.csv'", "not a SELECT"),
        ("EXPLAIN SELECT * FROM event", "not a SELECT"),
        ("SELECT * FROM event; SELECT * FROM event", "single SQL statement"),
        ("", "No SQL statements"),
    ];
    for (sql, expected) in cases {
        let message = failure(sql, &Value::Null);
        assert!(message.contains(expected) && message.contains("file=sql/step.sql"), "{sql}: {message}");
    }
}

#[test]
fn columns_and_parameters_are_named() {
    let cases = [
        ("SELECT name,\n  numbr FROM event", json!(null), "line=2 column=3 unknown column=numbr"),
        ("SELECT name,\n  numbr FROM event", json!(null), "numbr"),
        ("SELECT *\n FORM event", json!(null), "Line: 2"),
        ("SELECT name, number FROM event", json!(null), "missing column=map"),
        ("SELECT * REPLACE (name AS number) FROM event", json!(null), "column=number type=Utf8 declared=Int64"),
        ("SELECT *, number AS name FROM event", json!(null), "name"),
        ("SELECT *, nofunction(name) AS n FROM event", json!(null), "nofunction"),
        ("SELECT * FROM event WHERE number > $least", json!({}), "missing parameter=least"),
        ("SELECT * FROM event", json!({"least": 1}), "unused parameter=least"),
        ("SELECT * FROM event WHERE number > $least", json!({"least": [1]}), "parameter=least"),
        ("SELECT * FROM event", json!([1]), "read the parameters"),
    ];
    for (sql, parameters, expected) in cases {
        let message = failure(sql, &parameters);
        assert!(message.contains(expected) && message.contains("file=sql/step.sql"), "{sql}: {message}");
    }
}

/// A function that panics at one number.
fn unlucky() -> Arc<dyn PhysicalExpr> {
    let function = create_udf(
        "unlucky",
        vec![DataType::Int64],
        DataType::Boolean,
        Volatility::Immutable,
        Arc::new(|arguments| {
            let ColumnarValue::Array(numbers) = &arguments[0] else { panic!("no rows") };
            assert!(!numbers.as_primitive::<Int64Type>().values().contains(&7), "seven is unlucky");
            Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(vec![true; numbers.len()]))))
        }),
    );
    let schema = DFSchema::try_from(schema()).unwrap();
    let state = SessionStateBuilder::new().build();
    state.create_physical_expr(function.call(vec![col("number")]), &schema).unwrap()
}

#[test]
fn a_panic_of_a_function_fails_its_row_alone() {
    let mut plan = step("SELECT * FROM event", &Value::Null).unwrap().plan(&schema()).unwrap();
    plan.stages.insert(0, Stage::Filter(unlucky()));
    let mut out = Output::default();
    let mut worker = SqlWorker { plan, file: "s.sql".to_owned() };
    let made = worker.enrich(&"s".into(), rows([1, 7, 3, 4, 7, 6]), &mut out).unwrap();
    assert_eq!(numbers(&made, "number"), [1, 3, 4, 6].map(Some));
    assert_eq!(out.rejects.len(), 2);
    for reject in out.rejects {
        assert!(reject.message.contains("panicked: seven is unlucky"), "{}", reject.message);
    }
}
