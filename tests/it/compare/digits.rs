//! Values that lose digits or signs on the way: they are compared as they are written.

use super::Bench;
use crate::support::{Run, call};
use arrow::datatypes::DataType;
use etl_sdk::testing::external::data;
use serde_json::{Value, json};
use std::fs;

/// Compares the two sides of a case.
fn case(name: &str, key: &str) -> Option<Run> {
    let folder = data("cases")?.join(name);
    Some(call(&folder, &["compare", "--quiet", "l", "r", "--key", key, "--output", "json"], &[]))
}

/// Writes both sides as they are, since a number that is parsed has lost its digits.
fn texts(left: &[&str], right: &[&str]) -> Bench {
    let bench = Bench::new();
    fs::write(bench.path("left/a.json"), left.join("\n")).unwrap();
    fs::write(bench.path("right/a.json"), right.join("\n")).unwrap();
    bench
}

#[test]
fn integers_beyond_64_bits_are_two_keys() {
    let Some(run) = case("04a-compare-u64-keys-merge", "id") else { return };
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert_eq!(run.report["matched"], json!({"rows": 2, "different": 2}), "{}", run.stdout);
    for side in ["left", "right"] {
        assert_eq!(run.report[side]["duplicates"]["keys"], 0, "{}", run.stdout);
    }
}

#[test]
fn zero_has_no_sign_in_a_key() {
    let Some(run) = case("19-compare-negative-zero-key", "id") else { return };
    assert_eq!((run.code, &run.report["matched"]["rows"]), (0, &json!(1)), "{}", run.stdout);
}

#[test]
fn folders_are_read_as_other_programs_escape_them() {
    let Some(run) = case("05-compare-partition-not-utf8-decoded", "city,id") else { return };
    assert_eq!((run.code, &run.report["matched"]["rows"]), (0, &json!(1)), "{}", run.stdout);
}

#[test]
fn digits_count_also_beyond_doubles_beside_decimals_and_inside_of_nested_values() {
    for (left, right) in [
        ("9007199254740993", "9007199254740992"),
        ("18446744073709551617", "18446744073709551618"),
        ("123456789012345678901234567890", "123456789012345678901234567891"),
        ("0.12345678901234567891", "0.12345678901234567892"),
        ("{\"n\":18446744073709551617}", "{\"n\":18446744073709551618}"),
        ("[9007199254740993]", "[9007199254740992]"),
    ] {
        let rows = |value: &str| [format!(r#"{{"id":1,"v":{value}}}"#), r#"{"id":2,"v":null}"#.to_owned()];
        let (one, other) = (rows(left), rows(right));
        let bench = texts(&one.each_ref().map(String::as_str), &other.each_ref().map(String::as_str));
        assert_eq!(bench.report(&[])["matched"], json!({"rows": 2, "different": 1}), "{left}");
        let same = texts(&one.each_ref().map(String::as_str), &one.each_ref().map(String::as_str));
        assert_eq!(same.report(&[])["status"], "equal", "{left}");
    }
    let mixed = |id: &str| [format!(r#"{{"id":{id},"v":1}}"#), r#"{"id":2.5,"v":2}"#.to_owned()];
    let (one, other) = (mixed("9007199254740993"), mixed("9007199254740992"));
    let bench = texts(&one.each_ref().map(String::as_str), &other.each_ref().map(String::as_str));
    let report = bench.report(&[]);
    assert_eq!((&report["left"]["only"]["rows"], &report["matched"]["rows"]), (&json!(1), &json!(1)), "{report}");
}

#[test]
fn parquet_integers_keep_their_digits_beside_decimals_of_json() {
    let bench = Bench::new();
    let rows = |value: i64| [json!({"id": 1, "v": value}), json!({"id": 2, "v": 4})];
    bench.parquet("left/a.parquet", &[("id", DataType::Int64), ("v", DataType::Int64)], &rows(9_007_199_254_740_993));
    let text = |value: &str| format!("{{\"id\":1,\"v\":{value}}}\n{{\"id\":2,\"v\":4.0}}");
    for (value, different) in [("9007199254740993", 0), ("9007199254740992", 1), ("9007199254740993.5", 1)] {
        fs::write(bench.path("right/a.json"), text(value)).unwrap();
        assert_eq!(bench.report(&[])["matched"]["different"], different, "{value}");
    }
}

#[test]
fn doubles_of_parquet_are_doubles_in_json() {
    let bench = Bench::new();
    let types = [("id", DataType::Int64), ("v", DataType::Float64)];
    bench.parquet("left/a.parquet", &types, &[json!({"id": 1, "v": 0.1}), json!({"id": 2, "v": -0.0})]);
    fs::write(bench.path("right/a.json"), "{\"id\":1,\"v\":0.1000000000000000055}\n{\"id\":2,\"v\":0}").unwrap();
    assert_eq!(bench.report(&[])["status"], "equal");
}

#[test]
fn folders_of_whole_numbers_are_numbers() {
    let row = [json!({"id": 1})];
    let months = |left: &[&str], right: &[&str]| {
        let bench = Bench::new();
        for (side, folders) in [("left", left), ("right", right)] {
            for folder in folders {
                bench.lines(&format!("{side}/{folder}/a.json"), &row);
            }
        }
        bench.compare(&["left", "right", "--key", "month,id", "--output", "json"]).report
    };
    let report = months(&["month=01", "month=11"], &["month=1", "month=11"]);
    assert_eq!((report["status"].as_str(), &report["matched"]["rows"]), (Some("equal"), &json!(2)), "{report}");
    let report = months(&["month=01", "month=1"], &["month=1", "month=01"]);
    assert_eq!(report["status"], "equal", "{report}");
    assert_eq!(report["left"]["duplicates"]["keys"], 0, "two ways on one side are two values: {report}");
    let report = months(&["month=01"], &["month=x1"]);
    assert_eq!(report["status"], "different", "{report}");
    let report = months(&["month=%E6%9C%88 %5B1%5D"], &["month=月 [1]"]);
    assert_eq!(report["status"], "equal", "{report}");
}

#[test]
fn entries_left_out_and_the_word_null_are_causes() {
    let bench = Bench::new();
    let long = "n".repeat(90);
    let row = |json: Value, term: &str| [json!({"id": 1, "json": json, "term": term})];
    bench.lines("left/a.json", &row(json!("{\"size\":\"M\"}"), ""));
    bench.lines("right/a.json", &row(json!(format!("{{\"note\":\"{long}")), "null"));
    let report = bench.report(&[]);
    let causes: Vec<_> = report["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| (column["column"].clone(), column["causes"][0]["cause"].clone()))
        .collect();
    assert_eq!(causes, [(json!("json"), json!("entries_left_out")), (json!("term"), json!("null_vs_empty"))]);
}
