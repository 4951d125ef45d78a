//! `compare` through the real binary: equal outputs in other forms, each cause, and sides that cannot be read.

mod digits;
mod elsewhere;

use crate::support::{Run, call};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::json::ReaderBuilder;
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A folder in which outputs are made and compared.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// Writes JSON lines; compressed when the name says so.
    fn lines(&self, name: &str, rows: &[Value]) {
        let text = text_of(rows);
        let mut file = File::create(self.path(name)).unwrap();
        if Path::new(name).extension().is_some_and(|ending| ending == "gz") {
            let mut encoder = GzEncoder::new(file, Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap();
        } else {
            file.write_all(text.as_bytes()).unwrap();
        }
    }

    /// Writes Parquet with columns of the given types.
    fn parquet(&self, name: &str, columns: &[(&str, DataType)], rows: &[Value]) {
        let fields: Vec<Field> = columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let mut decoder = ReaderBuilder::new(Arc::clone(&schema)).build_decoder().unwrap();
        decoder.serialize(rows).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(self.path(name)).unwrap(), schema, None).unwrap();
        if let Some(batch) = decoder.flush().unwrap() {
            writer.write(&batch).unwrap();
        }
        writer.close().unwrap();
    }

    fn compare(&self, arguments: &[&str]) -> Run {
        call(self.0.path(), &[&["compare", "--quiet"], arguments].concat(), &[])
    }

    /// The report of `left` and `right` by `id`, with more options.
    #[track_caller]
    fn report(&self, more: &[&str]) -> Value {
        let run = self.compare(&[&["left", "right", "--key", "id", "--output", "json"], more].concat());
        let expected = match run.report["status"].as_str() {
            Some("equal") => 0,
            Some("different") => 1,
            _ => panic!("{}{}", run.stdout, run.stderr),
        };
        assert_eq!((run.code, run.stderr.as_str()), (expected, ""), "{}", run.stdout);
        run.report
    }
}

/// Rows as JSON lines.
fn text_of(rows: &[Value]) -> String {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    lines.join("\n")
}

const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

fn properties() -> DataType {
    let value = vec![Field::new("value", DataType::Utf8, true), Field::new("type", DataType::Utf8, true)];
    let entries =
        vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Struct(value.into()), true)];
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries.into()), false)), false)
}

/// Columns of a table with a bit of everything.
fn columns() -> Vec<(&'static str, DataType)> {
    vec![
        ("id", DataType::Utf8),
        ("at", MICROS),
        ("day", DataType::Date32),
        ("count", DataType::Int64),
        ("price", DataType::Float64),
        ("seen", DataType::Boolean),
        ("properties", properties()),
        ("tags", DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)))),
        ("nothing", DataType::Utf8),
    ]
}

fn row(number: u32) -> Value {
    json!({
        "id": format!("e{number:04}"),
        "at": format!("2026-11-20T05:{:02}:{:02}.250Z", number / 60 % 60, number % 60),
        "day": "2026-11-20",
        "count": number,
        "price": f64::from(number) / 8.0,
        "seen": number.is_multiple_of(2),
        "properties": {"a": {"value": format!("v{number}"), "type": null}, "b": {"value": "2", "type": "int"}},
        "tags": ["x", number.to_string()],
    })
}

fn rows(numbers: impl IntoIterator<Item = u32>) -> Vec<Value> {
    numbers.into_iter().map(row).collect()
}

/// The causes of the one column that differs, and how many rows it differs in.
#[track_caller]
fn causes(report: &Value, column: &str) -> (u64, Vec<String>) {
    let columns = report["columns"].as_array().unwrap();
    assert_eq!(columns.len(), 1, "{columns:#?}");
    assert_eq!(columns[0]["column"], column);
    let causes = columns[0]["causes"].as_array().unwrap();
    let names = causes.iter().map(|cause| cause["cause"].as_str().unwrap().to_owned()).collect();
    (columns[0]["rows"].as_u64().unwrap(), names)
}

#[test]
fn order_files_folders_and_formats_do_not_matter() {
    let bench = Bench::new();
    bench.parquet("left/part-0.parquet", &columns(), &rows(0..700));
    bench.parquet("left/part-1.parquet", &columns(), &rows(700..2_000));
    bench.parquet("left/_temporary/part-9.parquet", &columns(), &rows(0..5));
    bench.lines("left/.hidden.json", &[json!({"id": "no"})]);
    fs::write(bench.path("left/_SUCCESS"), "").unwrap();
    bench.lines("right/b.json.gz", &rows((0..1_000).rev()));
    bench.lines("right/a.json", &rows((1_000..2_000).rev()));
    let report = bench.report(&[]);
    assert_eq!(report["status"], "equal", "{report:#}");
    assert_eq!(report["matched"], json!({"rows": 2_000, "different": 0}));
    assert_eq!((&report["left"]["files"], &report["left"]["format"]), (&json!(2), &json!("parquet")));
    assert_eq!((&report["right"]["rows"], &report["right"]["format"]), (&json!(2_000), &json!("json")));
    assert_eq!((&report["types"], &report["compared_columns"]), (&json!([]), &json!(8)));
    // One file against a folder, and either side first.
    let run = bench.compare(&["right", "left", "--key", "id"]);
    assert_eq!((run.code, run.stdout.starts_with("equal  ")), (0, true), "{}", run.stdout);
    assert!(run.stdout.contains("matched  2,000 rows: 2,000 equal, 0 different in 0 of 8 columns"), "{}", run.stdout);
    let run = bench.compare(&["left/part-0.parquet", "left/part-0.parquet", "--key", "id,at"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    // Little memory: the rows spill.
    let report = bench.report(&["--memory", "32MiB"]);
    assert_eq!(report["status"], "equal", "{report:#}");
}

#[test]
fn folders_name_value_are_columns() {
    let bench = Bench::new();
    let columns = [("id", DataType::Utf8)];
    for app in ["a%2Fb", "__HIVE_DEFAULT_PARTITION__"] {
        let id = [json!({"id": app})];
        bench.parquet(&format!("left/app={app}/_month=07/x.parquet"), &columns, &id);
    }
    bench.parquet(
        "right/all.parquet",
        &[("id", DataType::Utf8), ("app", DataType::Utf8), ("_month", DataType::Int32)],
        &[
            json!({"id": "a%2Fb", "app": "a/b", "_month": 7}),
            json!({"id": "__HIVE_DEFAULT_PARTITION__", "app": null, "_month": 7}),
        ],
    );
    let report = bench.report(&[]);
    assert_eq!(report["status"], "equal", "{report:#}");
    let types = json!([
        {"column": "_month", "left": "folder", "right": "int", "compared_as": "numbers"},
        {"column": "app", "left": "folder", "right": "string", "compared_as": "texts"},
    ]);
    assert_eq!(report["types"], types);
    assert_eq!(bench.compare(&["left", "right", "--key", "app,_month"]).code, 0);
}

#[test]
fn what_is_on_one_side_alone_is_told() {
    let bench = Bench::new();
    let left: Vec<(&str, DataType)> = [columns(), vec![("more", DataType::Int32)]].concat();
    bench.parquet("left/x.parquet", &left, &rows(0..10));
    bench.parquet("right/x.parquet", &columns()[..8], &rows(4..12));
    let report = bench.report(&["--examples", "2"]);
    assert_eq!(report["left"]["only"], json!({"rows": 4, "examples": [{"id": "e0000"}, {"id": "e0001"}]}));
    assert_eq!(report["right"]["only"], json!({"rows": 2, "examples": [{"id": "e0010"}, {"id": "e0011"}]}));
    let only = json!([{"column": "more", "type": "int"}, {"column": "nothing", "type": "string"}]);
    assert_eq!(report["left"]["only_columns"], only);
    assert_eq!((&report["right"]["only_columns"], &report["columns"]), (&json!([]), &json!([])));
    let report = bench.report(&["--ignore", "more,nothing", "--ignore", "unknown"]);
    assert_eq!(
        (&report["left"]["only_columns"], &report["ignored"]),
        (&json!([]), &json!(["more", "nothing", "unknown"]))
    );
    assert_eq!(report["notes"], json!(["no side has the column `unknown` that is to be ignored"]));
    assert_eq!(report["status"], "different");
}

#[test]
fn columns_that_json_lines_never_name_are_null() {
    let bench = Bench::new();
    bench.parquet("left/x.parquet", &columns(), &rows(0..3));
    bench.lines("right/x.json", &rows(0..3));
    assert_eq!(bench.report(&[])["status"], "equal");
    let mut changed = rows(0..3);
    for row in &mut changed {
        row.as_object_mut().unwrap().remove("day");
        row["new"] = json!(1);
    }
    bench.lines("right/x.json", &changed);
    let report = bench.report(&[]);
    assert_eq!(report["left"]["only_columns"], json!([{"column": "day", "type": "date"}]));
    assert_eq!(report["right"]["only_columns"], json!([{"column": "new", "type": "JSON integer"}]));
    assert_eq!(report["columns"], json!([]));
}

#[test]
fn duplicates_are_paired_with_their_equals_first() {
    let bench = Bench::new();
    let row = |id: &str, value: &str| json!({"id": id, "value": value});
    bench.lines("left/x.json", &[row("a", "1"), row("a", "2"), row("a", "3"), row("b", "x"), row("c", "z")]);
    bench.lines("right/x.json", &[row("a", "3"), row("a", "2x"), row("b", "x"), row("b", "x"), row("c", "z")]);
    let report = bench.report(&[]);
    // 3 and 3 are equal; of 1 and 2 the first meets 2x, and the other is left over.
    assert_eq!(report["matched"], json!({"rows": 4, "different": 1}));
    assert_eq!(report["left"]["only"], json!({"rows": 1, "examples": [{"id": "a"}]}));
    assert_eq!(report["right"]["only"], json!({"rows": 1, "examples": [{"id": "b"}]}));
    assert_eq!(report["left"]["duplicates"], json!({"keys": 1, "rows": 3, "examples": [{"id": "a"}]}));
    assert_eq!(report["right"]["duplicates"], json!({"keys": 2, "rows": 4, "examples": [{"id": "a"}, {"id": "b"}]}));
    let example = &report["columns"][0]["examples"][0];
    assert_eq!((&example["left"], &example["right"]), (&json!("1"), &json!("2x")));
    let text = bench.compare(&["left", "right", "--key", "id"]).stdout;
    assert!(text.contains("duplicate keys right  2 with 4 rows, such as a; b"), "{text}");
    // Thousands of one key, over many batches.
    let many =
        |skip: u32| (0..5_000).filter(move |number| *number != skip).map(|number| json!({"id": "a", "n": number}));
    bench.lines("left/x.json", &many(7).collect::<Vec<_>>());
    bench.lines("right/x.json", &many(8).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>());
    let report = bench.report(&[]);
    assert_eq!(report["matched"], json!({"rows": 4_999, "different": 1}));
    assert_eq!((&report["left"]["only"]["rows"], &report["right"]["only"]["rows"]), (&json!(0), &json!(0)));
}

#[test]
fn the_latest_row_of_a_key_is_compared() {
    let bench = Bench::new();
    let row = |id: &str, version: u32, value: &str| json!({"id": id, "version": version, "value": value});
    bench.lines("left/x.json", &[row("a", 10, "new"), row("a", 9, "old"), row("b", 1, "x")]);
    bench.lines("right/x.json", &[row("a", 10, "new"), row("a", 2, "other"), row("a", 1, "first"), row("b", 1, "x")]);
    let report = bench.report(&["--latest", "version"]);
    assert_eq!(report["status"], "equal", "{report:#}");
    assert_eq!((&report["left"]["superseded_rows"], &report["right"]["superseded_rows"]), (&json!(1), &json!(2)));
    assert_eq!((&report["matched"]["rows"], &report["latest"]), (&json!(2), &json!(["version"])));
    assert_eq!(bench.report(&[])["status"], "different");
    let run = bench.compare(&["left", "right", "--key", "id", "--latest", "vrsion"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("--latest") && run.stderr.contains("did you mean `version`?"), "{}", run.stderr);
}

#[test]
fn each_cause_is_told() {
    let hours = |offset: i64| {
        let at = |row: i64| format!("2026-11-20T{:02}:{:02}:00.000Z", 5 + offset, row);
        (0..4).map(at).collect::<Vec<String>>()
    };
    let same = |text: &str| vec![text.to_owned(); 4];
    let instants = Some(MICROS);
    for (kind, left, right, cause) in [
        (None, same("a long title"), same("a long ti"), "truncation"),
        (instants.clone(), hours(0), hours(8), "time_zone"),
        (None, hours(0), hours(8), "time_zone"),
        (instants.clone(), same("2026-11-20T05:00:00.250Z"), same("2026-11-20T05:00:00Z"), "sub_second"),
        (None, same(""), Vec::new(), "null_vs_empty"),
        (None, same("x"), Vec::new(), "missing"),
        (None, same("1.0"), same("1"), "number_format"),
        (None, same("1e3"), same("1000.0"), "number_format"),
        (None, same(r#"{"a":1,"b":[2]}"#), same(r#"{"b":[2], "a":1}"#), "key_order"),
        (None, same("Google"), same("google"), "case"),
        (None, same("a  b "), same("a b"), "white_space"),
        (None, same("a b/c"), same("a%20b%2Fc"), "url_encoding"),
        (None, same("2026-11-20T05:00:00Z"), same("2026-11-20 05:00:00.0"), "time_format"),
        (None, same("one"), same("two"), "unknown"),
    ] {
        let bench = Bench::new();
        let table = |values: Vec<String>| -> Vec<Value> {
            (0..4).map(|id| json!({"id": id, "value": values.get(id)})).collect()
        };
        let columns = [("id", DataType::Int64), ("value", kind.unwrap_or(DataType::Utf8))];
        bench.parquet("left/x.parquet", &columns, &table(left));
        bench.parquet("right/x.parquet", &columns, &table(right));
        let report = bench.report(&[]);
        assert_eq!(causes(&report, "value"), (4, vec![cause.to_owned()]));
        assert_eq!(report["columns"][0]["share"], 1.0);
        assert_eq!(report["columns"][0]["examples"].as_array().unwrap().len(), 3);
        if cause == "time_zone" && columns[1].1 == MICROS {
            assert_eq!(report["columns"][0]["causes"][0]["offsets"], json!(["+08:00"]));
            assert_eq!(report["columns"][0]["examples"][0]["right"], "2026-11-20T13:00:00Z");
        }
    }
}

#[test]
fn nested_values_name_the_members_that_differ() {
    let bench = Bench::new();
    let info = |time: &str, id: &str| json!({"process_time": time, "id": id, "more": {"deep": 1}});
    let left = [json!({"id": 1, "info": info("1", "a")}), json!({"id": 2, "info": info("2", "b")})];
    let right = [json!({"id": 1, "info": info("5", "A")}), json!({"id": 2, "info": info("6", "b")})];
    bench.lines("left/x.json", &left);
    bench.lines("right/x.json", &right);
    let report = bench.report(&[]);
    let members = json!([{"path": "process_time", "rows": 2}, {"path": "id", "rows": 1}]);
    assert_eq!(report["columns"][0]["members"], members);
    let report = bench.report(&["--ignore", "info.process_time"]);
    assert_eq!(causes(&report, "info"), (1, vec!["case".to_owned()]));
    assert_eq!(bench.report(&["--ignore", "info.process_time,info.id"])["status"], "equal");
    assert_eq!(bench.report(&["--ignore", "info"])["status"], "equal");
}

#[test]
fn tolerances_are_for_instants_and_doubles() {
    let bench = Bench::new();
    let table = |at: &str, price: f64, count: u32| {
        [json!({"id": 1, "at": at, "price": price, "count": count, "map": {"p": price}})]
    };
    let map = DataType::Struct(vec![Field::new("p", DataType::Float64, true)].into());
    let columns = [
        ("id", DataType::Int64),
        ("at", MICROS),
        ("price", DataType::Float64),
        ("count", DataType::Int64),
        ("map", map),
    ];
    bench.parquet("left/x.parquet", &columns, &table("2026-11-20T05:00:00.900Z", 0.3, 5));
    bench.parquet("right/x.parquet", &columns, &table("2026-11-20T05:00:01.100Z", 0.1 + 0.2, 5));
    let differing = |more: &[&str]| bench.report(more)["columns"].as_array().unwrap().len();
    assert_eq!(differing(&[]), 3);
    assert_eq!(differing(&["--time-tolerance", "200ms"]), 2);
    assert_eq!(differing(&["--time-tolerance", "199ms"]), 3);
    assert_eq!(differing(&["--number-tolerance", "1e-9"]), 1);
    assert_eq!(differing(&["--number-tolerance", "1e-9", "--time-tolerance", "1s"]), 0);
}

#[test]
fn types_that_differ_are_compared_all_the_same() {
    let bench = Bench::new();
    let rows = [
        json!({"id": 1, "at": "2026-11-20T05:00:00.250Z", "day": "2026-11-20", "count": 7, "json": {"a": 1}, "text": "x"}),
    ];
    let nested = DataType::Struct(vec![Field::new("a", DataType::Int64, true)].into());
    let left = [
        ("id", DataType::Int32),
        ("at", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))),
        ("day", DataType::Date32),
        ("count", DataType::Int64),
        ("json", nested),
        ("text", DataType::Utf8),
    ];
    bench.parquet("left/x.parquet", &left, &rows);
    let right = [
        ("id", DataType::Int64),
        ("at", DataType::Timestamp(TimeUnit::Nanosecond, None)),
        ("day", DataType::Utf8),
        ("count", DataType::Float64),
        ("json", DataType::Utf8),
        ("text", DataType::LargeUtf8),
    ];
    let mut row = rows[0].clone();
    row["json"] = json!(r#"{ "a": 1.0 }"#);
    bench.parquet("right/x.parquet", &right, &[row]);
    let report = bench.report(&[]);
    assert_eq!(report["status"], "equal", "{report:#}");
    let types: Vec<(&str, &str)> = report["types"]
        .as_array()
        .unwrap()
        .iter()
        .map(|types| (types["column"].as_str().unwrap(), types["compared_as"].as_str().unwrap()))
        .collect();
    assert_eq!(
        types,
        [("id", "integers"), ("at", "instants"), ("count", "numbers"), ("day", "dates"), ("json", "JSON")]
    );
    // As JSON lines with instants as Spark writes them.
    let written = json!({"id": 1, "at": "2026-11-20T06:00:00.250+01:00", "day": "2026-11-20", "count": 7, "json": {"a": 1}, "text": "x"});
    fs::remove_file(bench.path("right/x.parquet")).unwrap();
    bench.lines("right/x.json", &[written]);
    let report = bench.report(&[]);
    assert_eq!((&report["status"], &report["types"]), (&json!("equal"), &json!([])), "{report:#}");
}

#[test]
fn sides_that_cannot_be_read_are_named() {
    let bench = Bench::new();
    bench.parquet("left/x.parquet", &columns(), &rows(0..3));
    fs::create_dir(bench.path("empty")).unwrap();
    fs::write(bench.path("hidden/_SUCCESS"), "x").unwrap();
    fs::write(bench.path("corrupt/x.parquet"), "PAR1 and nothing that follows PAR1").unwrap();
    let whole = fs::read(bench.path("left/x.parquet")).unwrap();
    let mut broken = whole.clone();
    broken[4..200].fill(0xff);
    fs::write(bench.path("broken/x.parquet"), broken).unwrap();
    fs::write(bench.path("cut/x.parquet"), &whole[..whole.len() / 2]).unwrap();
    fs::write(bench.path("text/x.json"), "{\"id\":\"a\"}\nnot JSON\n").unwrap();
    fs::write(bench.path("list/x.json"), "[1]\n").unwrap();
    fs::write(bench.path("deep/x.json"), format!("{{\"id\":{}\n", "[".repeat(100_000))).unwrap();
    fs::write(bench.path("binary/x.json"), b"{\"id\":\"\xff\"}\n").unwrap();
    fs::write(bench.path("gzip/x.json.gz"), [&[0x1f, 0x8b, 8][..], &[0; 40]].concat()).unwrap();
    bench.lines("tables/event/x.json", &[json!({"id": 1})]);
    bench.lines("tables/user/dt=1/x.json", &[json!({"id": 1})]);
    for (right, code, messages) in [
        ("nowhere", 2, &["nothing in=", "/nowhere", "side=right", "no such file"][..]),
        ("empty", 2, &["nothing in=", "/empty"]),
        ("hidden", 2, &["nothing in=", "hidden or empty=1"]),
        ("corrupt", 2, &["read a Parquet file", "/corrupt/x.parquet"]),
        ("broken", 2, &["read a Parquet file", "/broken/x.parquet"]),
        ("cut", 2, &["read a Parquet file", "/cut/x.parquet"]),
        ("text", 2, &["read JSON lines", "/text/x.json", "offset=11", "one JSON object"]),
        ("list", 2, &["read JSON lines", "/list/x.json", "offset=0"]),
        ("deep", 2, &["/deep/x.json", "nested deeper"]),
        ("binary", 2, &["/binary/x.json", "not_utf8"]),
        ("gzip", 2, &["/gzip/x.json.gz"]),
        ("tables", 2, &["/tables", "event, user", "one table at a time"]),
        ("ftp://x/y", 2, &["ftp://x/y"]),
    ] {
        let run = bench.compare(&["left", right, "--key", "id", "--output", "json"]);
        assert_eq!(run.code, code, "{right}: {}", run.stderr);
        for message in messages {
            assert!(run.stderr.contains(message), "{right}: {message}: {}", run.stderr);
        }
        assert!(run.report["error"]["message"].is_string() && run.report["status"].is_null(), "{}", run.stdout);
    }
    let run = bench.compare(&["left", "left", "--key", "idd"]);
    assert_eq!(run.code, 2);
    for message in ["missing column=idd", "side=left", "/left", "did you mean `id`? columns there: at, count, day, id"]
    {
        assert!(run.stderr.contains(message), "{message}: {}", run.stderr);
    }
    for (wrong, option) in [
        (&[][..], "--key"),
        (&["--key", ""], "--key"),
        (&["--key", "id", "--memory", "1MiB"], "--memory"),
        (&["--key", "id", "--memory", "x"], "--memory"),
        (&["--key", "id", "--number-tolerance", "2"], "--number-tolerance"),
        (&["--key", "id", "--time-tolerance", "soon"], "--time-tolerance"),
        (&["--key", "id", "--latest", "properties"], "--latest"),
    ] {
        let run = bench.compare(&[&["left", "left"], wrong].concat());
        assert_eq!(run.code, 2, "{wrong:?}: {}", run.stderr);
        assert!(run.stderr.contains(option), "{wrong:?}: {}", run.stderr);
    }
}

#[test]
fn a_side_without_rows_is_a_finding() {
    let bench = Bench::new();
    bench.parquet("left/x.parquet", &columns(), &rows(0..3));
    bench.parquet("right/x.parquet", &columns(), &[]);
    let report = bench.report(&[]);
    assert_eq!(report["left"]["only"]["rows"], 3);
    assert!(report["notes"][0].as_str().unwrap().contains("no rows in"), "{report:#}");
    fs::remove_file(bench.path("right/x.parquet")).unwrap();
    fs::write(bench.path("right/x.json"), "\n\n").unwrap();
    let report = bench.report(&[]);
    assert_eq!((&report["left"]["only"]["rows"], &report["right"]["rows"]), (&json!(3), &json!(0)), "{report:#}");
    fs::write(bench.path("left/x.json"), "\n").unwrap();
    fs::remove_file(bench.path("left/x.parquet")).unwrap();
    assert_eq!(bench.report(&[])["status"], "equal");
}
