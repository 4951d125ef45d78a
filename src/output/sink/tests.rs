use super::*;
use crate::limits::LimitsConfig;
use crate::output::staging::memory::MemoryStore;
use crate::output::staging::{PartitionValue, WrittenFile, pending_store};
use crate::process::stop::Stop;
use crate::rows::sort::Sorter;
use crate::storage::{S3Config, Storage};
use arrow::array::{ArrayRef, AsArray, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int64Type, SchemaRef};
use bytes::Bytes;
use etl_sdk::{Output, PartitionBy, PartitionPart, TableSchema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const DAY: i64 = 86_400_000_000;
/// 2026-11-20.
const TODAY: i64 = 20_777 * DAY;

struct Bench {
    store: MemoryStore,
    config: SinkConfig,
    partition_by: Vec<PartitionBy>,
    runtime: tokio::runtime::Runtime,
}

struct Row {
    app: Option<String>,
    time: Option<i64>,
    id: i64,
}

fn row(app: &str, time: i64, id: i64) -> Row {
    Row { app: Some(app.to_owned()), time: Some(time), id }
}

fn schema() -> TableSchema {
    TableSchema::parse(
        r#"{"table":"event","description":"","columns":[
            {"name":"app_id","type":"string","transient":true},
            {"name":"event_timestamp","type":"timestamp"},
            {"name":"id","type":"bigint"},
            {"name":"name","type":"string"},
            {"name":"day","type":"date"}]}"#,
    )
    .unwrap()
}

fn by(name: &str, column: &str, part: PartitionPart) -> PartitionBy {
    PartitionBy { name: name.to_owned(), column: column.to_owned(), part }
}

fn batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.app.clone()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.time).collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        Arc::new(rows.iter().map(|row| row.id).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| (row.id % 3 != 0).then(|| format!("name {}", row.id))).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.time.map(|time| time.div_euclid(DAY) as i32)).collect::<Date32Array>()),
    ];
    RecordBatch::try_new(schema().working_schema(), columns).unwrap()
}

impl Bench {
    fn new(more: &str) -> Self {
        let config = serde_json::from_str(&format!(r#"{{"url": "out"{more}}}"#)).unwrap();
        let partition_by = vec![
            by("partition_app", "app_id", PartitionPart::Value),
            by("partition_year", "event_timestamp", PartitionPart::Year),
            by("partition_month", "event_timestamp", PartitionPart::Month),
            by("partition_day", "event_timestamp", PartitionPart::Day),
        ];
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { store: MemoryStore::default(), config, partition_by, runtime }
    }

    fn sink(&self) -> TableSink {
        let spec = TableSinkSpec::new(&schema(), schema().working_schema(), &self.partition_by).unwrap();
        let sorter = Sorter::new(&LimitsConfig::default(), self.runtime.handle().clone()).unwrap();
        TableSink::new(spec, &self.config, Arc::new(self.store.clone()), "run-00001".to_owned(), sorter).unwrap()
    }

    fn write(&self, rows: &[Row], batch_rows: usize) -> (Vec<WrittenFile>, Output) {
        let (mut sink, mut out) = (self.sink(), Output::default());
        let all = batch(rows);
        for start in (0..rows.len()).step_by(batch_rows) {
            sink.write(all.slice(start, batch_rows.min(rows.len() - start)), &mut out).unwrap();
        }
        assert!(out.ledger.unbalanced().is_empty());
        (sink.finish().unwrap(), out)
    }

    fn ids(&self, file: &WrittenFile) -> Vec<i64> {
        let rows = self.read(file);
        assert_eq!(rows.num_rows() as u64, file.rows);
        rows.column_by_name("id").unwrap().as_primitive::<Int64Type>().values().to_vec()
    }

    fn read(&self, file: &WrittenFile) -> RecordBatch {
        let bytes = self.store.read(&file.pending);
        assert_eq!(bytes.len() as u64, file.pending.bytes);
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap();
        let schema: SchemaRef = Arc::clone(reader.schema());
        concat_batches(&schema, &reader.build().unwrap().collect::<Result<Vec<_>, _>>().unwrap()).unwrap()
    }
}

fn folder(file: &WrittenFile) -> &str {
    file.pending.path.strip_prefix("event/").unwrap().rsplit_once('/').unwrap().0
}

#[test]
fn rows_come_back_per_partition_in_their_order() {
    let bench = Bench::new("");
    let rows: Vec<Row> =
        (0..5_000).map(|id| row(["shop", "blog", "wiki"][(id % 7 % 3) as usize], TODAY + id % 2 * DAY, id)).collect();
    let (files, out) = bench.write(&rows, 999);
    assert_eq!(files.len(), 6);
    assert_eq!(
        files[0].pending.path,
        "event/partition_app=blog/partition_year=2026/partition_month=11/partition_day=20/run-00001-0.snappy.parquet"
    );
    let value = |name: &str, value: &str| PartitionValue { name: name.to_owned(), value: Some(value.to_owned()) };
    assert_eq!(
        files[0].partition,
        [
            value("partition_app", "blog"),
            value("partition_year", "2026"),
            value("partition_month", "11"),
            value("partition_day", "20")
        ]
    );
    for file in &files {
        let (app, day) = (file.partition[0].value.as_deref(), file.partition[3].value.as_deref());
        let expected: Vec<Row> = rows
            .iter()
            .filter(|row| {
                row.app.as_deref() == app && (20 + (row.time.unwrap() - TODAY) / DAY).to_string() == day.unwrap()
            })
            .map(|one| row(one.app.as_deref().unwrap(), one.time.unwrap(), one.id))
            .collect();
        let read = bench.read(file);
        assert_eq!(read.schema().fields(), schema().output_schema().fields());
        assert_eq!(read.columns(), &batch(&expected).columns()[1..]);
    }
    let counts = out.ledger.get(STEP).unwrap();
    assert_eq!((counts.read, counts.kept), (5_000, 5_000));
}

#[test]
fn one_partition_is_one_file() {
    let bench = Bench::new(r#", "compression": "zstd""#);
    let rows: Vec<Row> = (0..3_000).map(|id| row("shop", TODAY, id)).collect();
    let (files, _) = bench.write(&rows, 2_000);
    assert_eq!(files.len(), 1);
    assert!(files[0].pending.path.ends_with("/run-00001-0.zstd.parquet"));
    assert_eq!(bench.ids(&files[0]), (0..3_000).collect::<Vec<_>>());
}

#[test]
fn ten_thousand_partitions_need_eight_writers() {
    let bench = Bench::new(r#", "max_open_writers": 8"#);
    let rows: Vec<Row> = (0..20_000).map(|id| row(&format!("app-{}", id * 7 % 10_000), TODAY, id)).collect();
    let (files, _) = bench.write(&rows, 4_096);
    assert_eq!(files.len(), 10_000);
    assert!(bench.store.most_open() <= 9, "{} writers", bench.store.most_open());
    let mut seen = Vec::new();
    for file in &files {
        let ids = bench.ids(file);
        let app = file.partition[0].value.as_deref().unwrap();
        assert_eq!(ids.len(), 2, "{app}");
        assert!(ids[0] < ids[1], "{app}");
        assert!(ids.iter().all(|id| format!("app-{}", id * 7 % 10_000) == app));
        seen.extend(ids);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..20_000).collect::<Vec<_>>());
}

#[test]
fn poisoned_names_stay_in_their_folder_and_long_ones_are_dead_letters() {
    let bench = Bench::new(r#", "max_open_writers": 3"#);
    let (long, just) = ("x".repeat(300), "é".repeat(120));
    let apps = [
        "a/b",
        "..",
        ".",
        "a=b",
        "a\nb",
        "50%",
        "naïve ☃",
        &long,
        "",
        "../../etc",
        "\u{0}",
        &just,
        "//",
        "__HIVE_DEFAULT_PARTITION__",
    ];
    let mut rows: Vec<Row> = apps.iter().enumerate().map(|(id, app)| row(app, TODAY, id as i64)).collect();
    rows.push(Row { app: None, time: None, id: 99 });
    let (files, out) = bench.write(&rows, 4);
    let by_folder: BTreeMap<_, _> =
        files.iter().map(|file| (folder(file).split('/').next().unwrap().to_owned(), bench.ids(file))).collect();
    let day = "/partition_year=2026/partition_month=11/partition_day=20";
    for (app, id) in [
        ("a%2Fb", 0),
        ("..", 1),
        (".", 2),
        ("a%3Db", 3),
        ("a%0Ab", 4),
        ("50%25", 5),
        ("naïve ☃", 6),
        ("..%2F..%2Fetc", 9),
        ("%00", 10),
        (just.as_str(), 11),
        ("%2F%2F", 12),
    ] {
        assert_eq!(by_folder.get(&format!("partition_app={app}")), Some(&vec![id]), "{app}");
        assert!(files.iter().any(|file| folder(file) == format!("partition_app={app}{day}")));
    }
    let none = "__HIVE_DEFAULT_PARTITION__";
    let without_app: Vec<_> = files.iter().filter(|file| file.partition[0].value.is_none()).collect();
    assert_eq!(without_app.len(), 2);
    assert_eq!(bench.ids(without_app[0]), [8, 13], "an empty value is no value");
    assert_eq!(bench.ids(without_app[1]), [99]);
    assert_eq!(
        folder(without_app[1]),
        format!("partition_app={none}/partition_year={none}/partition_month={none}/partition_day={none}")
    );
    assert_eq!(files.iter().find(|file| bench.ids(file) == [4]).unwrap().partition[0].value.as_deref(), Some("a\nb"));

    assert_eq!(out.rejects.len(), 1);
    assert_eq!(out.rejects[0].reason, "partition_value_too_long");
    let raw: serde_json::Value = serde_json::from_slice(&out.rejects[0].raw).unwrap();
    assert_eq!((&raw["app_id"], &raw["id"]), (&long.into(), &7.into()));
    assert_eq!(out.ledger.get(STEP).unwrap().dead_total(), 1);
}

#[test]
fn times_without_a_four_digit_year_are_dead_letters() {
    let bench = Bench::new("");
    let year_zero = -719_528 * DAY;
    let end = 2_932_897 * DAY;
    let times = [year_zero, year_zero - 1, end - 1, end, i64::MAX, i64::MIN, -1, 0];
    let rows: Vec<Row> = times.iter().enumerate().map(|(id, time)| row("a", *time, id as i64)).collect();
    let (files, out) = bench.write(&rows, 100);
    let folders: Vec<_> = files.iter().map(|file| (folder(file).replace("partition_", ""), bench.ids(file))).collect();
    assert_eq!(
        folders,
        [
            ("app=a/year=0000/month=01/day=01".to_owned(), vec![0]),
            ("app=a/year=1969/month=12/day=31".to_owned(), vec![6]),
            ("app=a/year=1970/month=01/day=01".to_owned(), vec![7]),
            ("app=a/year=9999/month=12/day=31".to_owned(), vec![2]),
        ]
    );
    let dead = &out.ledger.get(STEP).unwrap().dead;
    assert_eq!(dead.get("partition_time_out_of_range"), Some(&4));
    assert!(
        String::from_utf8_lossy(&out.rejects[2].raw).contains(&i64::MIN.to_string()[1..]) || out.rejects.len() == 4
    );
}

#[test]
fn hours_dates_and_coarse_parts_make_their_folders() {
    let mut bench = Bench::new("");
    bench.partition_by = vec![
        by("date", "event_timestamp", PartitionPart::Date),
        by("hour", "event_timestamp", PartitionPart::Hour),
        by("day", "day", PartitionPart::Value),
    ];
    let rows = [row("a", TODAY + 5 * DAY / 24, 1), row("b", TODAY + 6 * DAY / 24 - 1, 2), row("b", TODAY - 1, 3)];
    let (files, _) = bench.write(&rows, 2);
    let folders: Vec<_> = files.iter().map(|file| (folder(file), bench.ids(file))).collect();
    assert_eq!(
        folders,
        [("date=2026-11-19/hour=23/day=2026-11-19", vec![3]), ("date=2026-11-20/hour=05/day=2026-11-20", vec![1, 2])]
    );
    assert!(bench.read(&files[0]).column_by_name("day").is_none(), "a partition column is not in the file");

    bench.partition_by = vec![by("year", "event_timestamp", PartitionPart::Year)];
    let (files, _) = bench.write(&rows, 1);
    assert_eq!(
        files.iter().map(|file| (folder(file), bench.ids(file))).collect::<Vec<_>>(),
        [("year=2026", vec![1, 2, 3])]
    );

    bench.partition_by.clear();
    let (files, _) = bench.write(&rows, 1);
    assert_eq!(files[0].pending.path, "event/run-00001-0.snappy.parquet");
    assert_eq!(bench.ids(&files[0]), [1, 2, 3]);
}

#[test]
fn wrong_partition_columns_are_refused() {
    for (partition_by, hint) in [
        (vec![by("a", "nothing", PartitionPart::Value)], "known: app_id, event_timestamp, id, name, day"),
        (vec![by("a", "app_id", PartitionPart::Year)], "everything else has value"),
        (vec![by("a", "day", PartitionPart::Hour)], "everything else has value"),
        (vec![by("a", "event_timestamp", PartitionPart::Value)], "everything else has value"),
        (vec![by("a", "id", PartitionPart::Value), by("a", "id", PartitionPart::Value)], "a name of its own"),
    ] {
        let error = TableSinkSpec::new(&schema(), schema().working_schema(), &partition_by).unwrap_err();
        assert!(error.hint_text().unwrap().contains(hint), "{error}");
    }
}

#[test]
fn a_large_partition_becomes_several_files() {
    let bench = Bench::new(r#", "target_file_size": "16KiB""#);
    let rows: Vec<Row> = (0..20_000).map(|id| row("shop", TODAY + id, id)).collect();
    let (files, _) = bench.write(&rows, 8_192);
    assert!(files.len() > 3, "{} files", files.len());
    let mut numbered: Vec<_> = files.iter().collect();
    numbered.sort_by_key(|file| bench.ids(file)[0]);
    let mut next = 0;
    for (number, file) in numbered.into_iter().enumerate() {
        assert!(file.pending.path.ends_with(&format!("/run-00001-{number}.snappy.parquet")));
        let ids = bench.ids(file);
        assert_eq!(ids[0], next);
        next = ids[ids.len() - 1] + 1;
        assert!(file.pending.bytes < 48 << 10);
    }
    assert_eq!(next, 20_000);
}

#[test]
fn row_groups_end_when_the_budget_is_spent() {
    let bench = Bench::new(r#", "row_group_bytes": "256KiB", "row_group_rows": 50000"#);
    let rows: Vec<Row> = (0..60_000).map(|id| row(["a", "b"][(id % 2) as usize], TODAY + id, id * 1_000_003)).collect();
    let (mut sink, mut out) = (bench.sink(), Output::default());
    let all = batch(&rows);
    for start in (0..rows.len()).step_by(5_000) {
        sink.write(all.slice(start, 5_000), &mut out).unwrap();
        assert!(sink.memory() < 768 << 10, "{} bytes", sink.memory());
    }
    let files = sink.finish().unwrap();
    assert_eq!(files.len(), 2);
    for file in &files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bench.store.read(&file.pending))).unwrap();
        assert!(reader.metadata().num_row_groups() > 2);
        assert_eq!(bench.ids(file).len(), 30_000);
    }
}

#[test]
fn what_is_dropped_leaves_nothing() {
    let bench = Bench::new(r#", "target_file_size": "16KiB""#);
    let rows: Vec<Row> = (0..60_000).map(|id| row("shop", TODAY + id, id)).collect();
    let mut sink = bench.sink();
    sink.write(batch(&rows), &mut Output::default()).unwrap();
    assert!(bench.store.hidden() > 8);
    drop(sink);
    assert_eq!(bench.store.hidden(), 0);
}

#[test]
fn json_lines_take_every_time() {
    let mut bench = Bench::new(r#", "format": "json""#);
    bench.partition_by = vec![by("partition_app", "app_id", PartitionPart::Value)];
    let rows =
        [row("a", TODAY + 1_500_000, 1), row("a", i64::MAX, 3), Row { app: Some("a".to_owned()), time: None, id: 4 }];
    let (files, _) = bench.write(&rows, 2);
    assert_eq!(files[0].pending.path, "event/partition_app=a/run-00001-0.json");
    assert_eq!(
        String::from_utf8(bench.store.read(&files[0].pending)).unwrap(),
        format!(
            "{{\"event_timestamp\":\"2026-11-20T00:00:01.500Z\",\"id\":1,\"name\":\"name 1\",\"day\":\"2026-11-20\"}}\n\
             {{\"event_timestamp\":{},\"id\":3,\"day\":106751991}}\n{{\"id\":4,\"name\":\"name 4\"}}\n",
            i64::MAX
        )
    );
}

#[test]
fn a_folder_takes_every_name_once_it_is_published() {
    let bench = Bench::new(r#", "max_open_writers": 2"#);
    let out = tempfile::tempdir().unwrap();
    let storage = Storage::open(out.path().to_str().unwrap(), &S3Config::default(), out.path()).unwrap();
    let store = pending_store(&storage, bench.runtime.handle().clone(), &Stop::default());
    let spec = TableSinkSpec::new(&schema(), schema().working_schema(), &bench.partition_by[..1]).unwrap();
    let sorter = Sorter::new(&LimitsConfig::default(), bench.runtime.handle().clone()).unwrap();
    let mut sink = TableSink::new(spec, &bench.config, Arc::clone(&store), "run".to_owned(), sorter).unwrap();
    let apps = ["..", "../up", "a\u{0}b", "line\nend", "naïve ☃", "\"quoted\" \\ `", ""];
    let rows: Vec<Row> = apps.iter().enumerate().map(|(id, app)| row(app, TODAY, id as i64)).collect();
    sink.write(batch(&rows), &mut Output::default()).unwrap();
    let files = sink.finish().unwrap();
    assert!(!out.path().join("event").exists());
    for file in &files {
        store.publish(&file.pending).unwrap();
    }
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 1, "the table's folder alone");
    let mut folders: Vec<_> = std::fs::read_dir(out.path().join("event"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let values =
        ["%22quoted%22 %5C `", "..", "..%2Fup", "__HIVE_DEFAULT_PARTITION__", "a%00b", "line%0Aend", "naïve ☃"];
    assert_eq!(folders, values.map(|value| format!("partition_app={value}")));
    for file in &files {
        let published = out.path().join(&file.pending.path);
        assert_eq!(std::fs::metadata(published).unwrap().len(), file.pending.bytes);
    }
}

#[test]
fn another_schema_is_refused() {
    let bench = Bench::new("");
    let other = batch(&[row("a", 0, 1)]).project(&[0, 1]).unwrap();
    assert!(bench.sink().write(other, &mut Output::default()).is_err());
}

fn files_of(bench: &Bench, rows: &[Row], batch_rows: usize) -> Vec<(String, Vec<u8>)> {
    let (files, _) = bench.write(rows, batch_rows);
    files.iter().map(|file| (file.pending.path.clone(), bench.store.read(&file.pending))).collect()
}

fn mixed_rows(count: i64) -> Vec<Row> {
    let app = |id: i64| ["a", "a", "b", "c", "d", "e", "a"][(id / 3 % 7) as usize];
    (0..count).map(|id| row(app(id), TODAY + id % 5 / 4 * DAY, id * 7_919)).collect()
}

#[test]
fn bytes_do_not_depend_on_batches_when_files_are_cut() {
    let bench = Bench::new(r#", "max_open_writers": 3, "target_file_size": "12KiB""#);
    let rows = mixed_rows(12_000);
    let whole = files_of(&bench, &rows, 8_192);
    assert!(whole.len() > 12, "{} files", whole.len());
    for batch_rows in [1, 7, 1_000] {
        assert!(files_of(&bench, &rows, batch_rows) == whole, "batches of {batch_rows} rows");
    }
}

#[test]
fn bytes_do_not_depend_on_batches_when_row_groups_are_cut() {
    let bench = Bench::new(r#", "max_open_writers": 3, "row_group_bytes": "384KiB""#);
    let rows = mixed_rows(24_000);
    let whole = files_of(&bench, &rows, 8_192);
    let row_groups = |bytes: &[u8]| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(bytes)).unwrap();
        reader.metadata().num_row_groups()
    };
    assert!(whole.iter().any(|(_, bytes)| row_groups(bytes) > 2));
    for batch_rows in [1, 7, 1_000] {
        assert!(files_of(&bench, &rows, batch_rows) == whole, "batches of {batch_rows} rows");
    }
}

#[test]
fn rows_too_wide_to_wait_are_encoded_early_and_all_come_back() {
    let bench = Bench::new(r#", "row_group_bytes": "64KiB""#);
    let rows: Vec<Row> = (0..3_000).map(|id| row(&format!("{:0>200}", id % 3), TODAY, id)).collect();
    let (mut sink, mut out) = (bench.sink(), Output::default());
    let all = batch(&rows);
    for start in (0..rows.len()).step_by(100) {
        sink.write(all.slice(start, 100), &mut out).unwrap();
        assert!(sink.memory() < 128 << 10, "{} bytes", sink.memory());
    }
    let files = sink.finish().unwrap();
    assert_eq!(files.iter().map(|file| bench.ids(file).len()).collect::<Vec<_>>(), [1_000; 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_row_comes_back_once(
        values in proptest::collection::vec((0u8..12, -3i64..3), 1..400),
        batch_rows in 1usize..150,
        open in 1usize..6,
    ) {
        let bench = Bench::new(&format!(r#", "max_open_writers": {open}"#));
        let rows: Vec<Row> = values
            .iter()
            .enumerate()
            .map(|(id, (app, day))| row(&format!("{app}/="), TODAY + day * DAY, id as i64))
            .collect();
        let (files, _) = bench.write(&rows, batch_rows);
        let mut expected: BTreeMap<(u8, i64), Vec<i64>> = BTreeMap::new();
        for (id, key) in values.iter().enumerate() {
            expected.entry(*key).or_default().push(id as i64);
        }
        let mut written: Vec<_> = files.iter().map(|file| bench.ids(file)).collect();
        written.sort();
        let mut expected: Vec<_> = expected.into_values().collect();
        expected.sort();
        prop_assert_eq!(written, expected);
    }
}
