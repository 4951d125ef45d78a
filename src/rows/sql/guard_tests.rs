use super::*;
use crate::rows::sql::SqlStep;
use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
use arrow::datatypes::Int64Type;
use datafusion::execution::SessionStateBuilder;
use etl_sdk::{Enrichment, Output};
use serde_json::Value;
use std::fmt::Write as _;

/// What a row may become here.
const BOUND: u64 = 100_000;

/// Rows with a small number, one with `large`, and again one with a small number.
fn rows(large: i64) -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a,b", "c,d", "e,f"]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![2, large, 3]));
    RecordBatch::try_from_iter([("name", names), ("number", numbers)]).unwrap()
}

/// The numbers of the rows that are kept, and the messages of the others.
fn enrich(expression: &str, batch: RecordBatch) -> (Vec<i64>, Vec<String>) {
    let sql = format!("SELECT *, {expression} AS made FROM t");
    let step = Arc::new(SqlStep::new("s.sql", "t", &sql, &Value::Null, BOUND).unwrap());
    let schema = batch.schema();
    step.output_schema(&schema).unwrap_or_else(|error| panic!("{expression}: {error}"));
    let mut worker = step.worker(&etl_sdk::testing::run_at("r", 0), &schema).unwrap();
    let mut out = Output::default();
    let made = worker.enrich(&"s".into(), batch, &mut out).unwrap();
    let kept = made.column(1).as_primitive::<Int64Type>().values().to_vec();
    (kept, out.rejects.into_iter().map(|reject| reject.message).collect())
}

#[test]
fn a_row_whose_result_would_be_huge_fails_alone() {
    for expression in [
        "lpad(name, number)",
        "lpad(name, number, 'xy')",
        "rpad(name, number)",
        "rpad(name, number, name)",
        "repeat(name, number)",
        "repeat('x', number)",
        "array_repeat(name, number)",
        "array_repeat('', number)",
        "array_repeat(NULL, number)",
        "array_repeat(make_array(name, name), number)",
        "list_repeat(1, number)",
        "array_resize(make_array(name), number)",
        "array_resize(make_array(1), number, 7)",
        "list_resize(make_array(name), number, name)",
        "range(number)",
        "range(0, number)",
        "generate_series(1, number, 1)",
        "generate_series(-number, number)",
        "generate_series(DATE '2000-01-01', arrow_cast(arrow_cast(least(number, 1000000), 'Int32'), 'Date32'), INTERVAL '1 day')",
        "range(to_timestamp(0), to_timestamp(least(number, 100000000)), INTERVAL '1 second')",
        "concat(name, repeat(name, number))",
        "name || repeat(name, number)",
        "replace(repeat('a', least(number, 50000)), 'a', 'bcd')",
        "replace(repeat('a', least(number, 50000)), '', 'bcd')",
        "regexp_replace(repeat('a', least(number, 50000)), '.', 'bcd', 'g')",
        "regexp_replace(repeat('a', least(number, 50000)), '(.+)', '$1$1$1')",
        "array_to_string(array_repeat(1, least(number, 9000)), repeat('-', 20))",
        "array_to_string(array_repeat(1, least(number, 9000)), repeat('-', least(number, 20)))",
        "array_replace_all(array_repeat(1, least(number, 9000)), 1, 2)",
        "concat_ws(repeat('-', least(number, 50000)), name, name, name, name)",
        "encode(arrow_cast(repeat(name, least(number, 30000)), 'Binary'), 'hex')",
        "CASE WHEN number > 5 THEN lpad(name, number) END",
        "coalesce(NULL, lpad(name, number))",
        "[rpad(name, number)]",
        "overlay(repeat('x', least(number, 90000)) PLACING repeat('y', least(number, 90000)) FROM 2)",
    ] {
        for large in [200_000, 9_223_372_036_854_775_003] {
            let (kept, messages) = enrich(expression, rows(large));
            assert_eq!(kept, [2, 3], "{expression}: {messages:?}");
            let message = messages[0].as_str();
            assert!(message.ends_with("most=100000 setting=limits.sql_row_bytes"), "{expression}: {message}");
        }
        let (kept, messages) = enrich(expression, rows(4));
        assert_eq!((kept, messages.len()), (vec![2, 4, 3], 0), "{expression}: {messages:?}");
    }
}

#[test]
fn a_negative_or_missing_size_is_nothing() {
    for expression in [
        "lpad(name, -number)",
        "repeat(name, -number)",
        "rpad(name, -number, 'x')",
        "repeat(name, NULL)",
        "range(number, 0, 1)",
        "lpad(arrow_cast(NULL, 'Utf8'), number)",
        "lpad(name, arrow_cast(NULL, 'Int64'))",
    ] {
        let (kept, messages) = enrich(expression, rows(i64::MAX));
        assert_eq!((kept.len(), messages.len()), (3, 0), "{expression}: {messages:?}");
    }
}

#[test]
fn doubling_again_and_again_ends_at_the_bound() {
    for double in [
        "concat(v, v)",
        "v || v",
        "concat_ws('', v, v)",
        "replace(v, 'a', 'aa')",
        "regexp_replace(v, 'a', 'aa', 'g')",
        "overlay(v placing v from 1 for 0)",
        "encode(arrow_cast(v, 'Binary'), 'hex')",
        "array_to_string(make_array(v, v), '')",
    ] {
        let mut from = "WITH t0 AS (SELECT *, 'a' || name AS v FROM t)".to_owned();
        for step in 0..60 {
            let _ = write!(from, ", t{} AS (SELECT name, number, {double} AS v FROM t{step})", step + 1);
        }
        from.push_str(" SELECT * FROM t60");
        let step = SqlStep::new("s.sql", "t", &from, &Value::Null, BOUND).unwrap();
        let schema = rows(1).schema();
        let mut worker = Arc::new(step).worker(&etl_sdk::testing::run_at("r", 0), &schema).unwrap();
        let mut out = Output::default();
        worker.enrich(&"s".into(), rows(1), &mut out).unwrap();
        assert_eq!(out.rejects.len(), 3, "{double}");
        assert!(out.rejects[0].message.contains("limits.sql_row_bytes"), "{}", out.rejects[0].message);
    }
}

#[test]
fn many_rows_that_are_each_within_the_bound_come_in_parts() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![30_000; 100]));
    let names: ArrayRef = Arc::new(StringArray::from(vec!["x"; 100]));
    let batch = RecordBatch::try_from_iter([("name", names), ("number", numbers)]).unwrap();
    for expression in ["repeat(name, number)", "repeat('x', 30000)", "CASE WHEN number > 1 THEN repeat('x', 30000) END"]
    {
        let sql = format!("SELECT *, {expression} AS made FROM t");
        let step = Arc::new(SqlStep::new("s.sql", "t", &sql, &Value::Null, BOUND).unwrap());
        let mut worker = step.worker(&etl_sdk::testing::run_at("r", 0), &batch.schema()).unwrap();
        let mut parts = Vec::new();
        let give = &mut |rows: RecordBatch, _: &mut Output| {
            parts.push(rows.num_rows());
            Ok(())
        };
        worker.enrich_in_parts(&"s".into(), batch.clone(), &mut Output::default(), give).unwrap();
        assert_eq!(parts.iter().sum::<usize>(), 100, "{expression}");
        assert!(parts.iter().all(|rows| *rows <= 3), "{expression}: {parts:?}");
    }
}

#[test]
fn columns_of_a_row_are_bounded_together() {
    let three = "repeat(name, number) AS a, repeat(name, number + 1) AS b, rpad(name, number * 8)";
    let (kept, messages) = enrich(three, rows(9_000));
    assert_eq!(kept, [2, 3], "{messages:?}");
    assert!(messages[0].contains("of=the SELECT"), "{messages:?}");
}

#[test]
fn types_of_a_huge_fixed_size_are_refused() {
    for expression in [
        "arrow_cast(make_array(1), 'FixedSizeList(2000000000, Int64)')",
        "arrow_cast(name, 'FixedSizeBinary(2000000000)')",
        "arrow_try_cast(name, 'FixedSizeBinary(2000000000)')",
        "CAST(make_array(1) AS BIGINT[2000000000])",
    ] {
        let sql = format!("SELECT *, {expression} AS made FROM t");
        let step = SqlStep::new("s.sql", "t", &sql, &Value::Null, BOUND).unwrap();
        let refused = step.output_schema(&rows(1).schema()).unwrap_err().to_string();
        assert!(refused.contains("takes its full size"), "{expression}: {refused}");
    }
}

/// Functions that make no more of a row than it has, but for a small factor. A version of the engine that adds one asks
/// for it to be looked at.
#[rustfmt::skip]
const BOUNDED: &[&str] = &[
    "arrow_cast", "arrow_try_cast",
    "abs", "acos", "acosh", "array_add", "array_any_value", "array_avg", "array_compact", "array_dims",
    "array_distance", "array_distinct", "array_element", "array_except", "array_has", "array_has_all",
    "array_has_any", "array_intersect", "array_length", "array_max", "array_min", "array_ndims", "array_normalize",
    "array_pop_back", "array_pop_front", "array_position", "array_positions", "array_product", "array_remove",
    "array_remove_all", "array_remove_n", "array_reverse", "array_scale", "array_slice", "array_sort",
    "array_subtract", "array_sum", "arrow_field", "arrow_metadata", "arrow_typeof", "ascii", "asin", "asinh", "atan",
    "atan2", "atanh", "bit_length", "btrim", "cardinality", "cast_to_type", "cbrt", "ceil", "character_length", "chr",
    "coalesce", "contains", "cos", "cosh", "cosine_distance", "cot", "current_date", "current_time", "date_bin",
    "date_part", "date_trunc", "decode", "degrees", "digest", "empty", "ends_with", "exp", "factorial",
    "file_row_index", "find_in_set", "flatten", "floor", "from_unixtime", "gcd", "get_field", "greatest", "initcap",
    "inner_product", "input_file_name", "isnan", "iszero", "lcm", "least", "left", "levenshtein", "ln", "log",
    "log10", "log2", "lower", "ltrim", "make_date", "make_time", "map_entries", "map_extract", "map_keys",
    "map_values", "md5", "named_struct", "nanvl", "now", "nullif", "nvl", "nvl2", "octet_length", "pi", "power",
    "radians", "random", "regexp_count", "regexp_instr", "regexp_like", "regexp_match", "reverse", "right", "round",
    "rtrim", "sha224", "sha256", "sha384", "sha512", "signum", "sin", "sinh", "split_part", "sqrt", "starts_with",
    "strpos", "struct", "substr", "substr_index", "tan", "tanh", "to_date", "to_hex", "to_local_time", "to_time",
    "to_timestamp", "to_timestamp_micros", "to_timestamp_millis", "to_timestamp_nanos", "to_timestamp_seconds",
    "to_unixtime", "trunc", "try_cast_to_type", "union_extract", "union_tag", "upper", "uuid", "version",
    "with_metadata",
];

#[test]
fn each_function_of_the_engine_is_known_to_be_bounded_or_guarded() {
    let state = SessionStateBuilder::new().with_default_features().build();
    let mut unknown: Vec<&str> = state
        .scalar_functions()
        .iter()
        .filter(|(name, function)| **name == function.name() && Growth::of(name).is_none())
        .map(|(name, _)| name.as_str())
        .filter(|name| !BOUNDED.contains(name))
        .collect();
    unknown.sort_unstable();
    assert!(unknown.is_empty(), "{unknown:?}");
}
