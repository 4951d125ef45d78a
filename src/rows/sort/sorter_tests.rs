use super::*;
use crate::text::ByteSize;
use arrow::array::{Array, AsArray, MapBuilder, MapFieldNames, StringArray, StringBuilder, StructArray};
use etl_sdk::{ColumnType, ErrorKind};
use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

fn limits(mib: u64) -> LimitsConfig {
    LimitsConfig { memory: ByteSize::mib(mib), ..LimitsConfig::default() }
}

fn column(name: &str, column_type: &str) -> Field {
    Field::new(name, ColumnType::try_from(column_type.to_owned()).unwrap().data_type(), true)
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        column("key", "string"),
        column("number", "bigint"),
        column("map", "map<string,string>"),
        column("pair", "struct<left:string,right:bigint>"),
    ]))
}

/// Keys repeat every `keys` numbers and come in a scrambled order; some are null.
fn key(number: i64, keys: i64) -> Option<String> {
    let key = (number * 7_919) % keys;
    (key % 97 != 5).then(|| format!("user-{key:07}"))
}

fn wide(numbers: std::ops::Range<i64>, keys: i64) -> RecordBatch {
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut map = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for number in numbers.clone() {
        for entry in 0..number % 4 {
            map.keys().append_value(format!("property_{entry}"));
            map.values().append_value(format!("{number} {}", "x".repeat((number % 400) as usize)));
        }
        map.append(number % 11 != 0).unwrap();
    }
    let schema = schema();
    let DataType::Struct(members) = schema.field(3).data_type() else { panic!("a struct") };
    let left: StringArray = numbers.clone().map(|number| Some(format!("left of {number}"))).collect();
    let right: Int64Array = numbers.clone().map(Some).collect();
    let pair = StructArray::new(members.clone(), vec![Arc::new(left) as ArrayRef, Arc::new(right) as ArrayRef], None);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(numbers.clone().map(|number| key(number, keys)).collect::<StringArray>()),
        Arc::new(numbers.collect::<Int64Array>()),
        Arc::new(map.finish()),
        Arc::new(pair),
    ];
    RecordBatch::try_new(schema, columns).unwrap()
}

/// Collects `rows` rows in batches of `step`, over `collectors` collectors, each on a thread.
fn collect(sorter: &Sorter, rows: i64, step: i64, collectors: i64, keys: i64) -> Vec<RowCollector> {
    let share = rows / collectors;
    std::thread::scope(|scope| {
        let threads = (0..collectors).map(|index| {
            scope.spawn(move || {
                let mut collector = sorter.collector(&schema());
                let mut from = index * share;
                let end = from + share;
                while from < end {
                    let to = (from + step).min(end);
                    collector.push(wide(from..to, keys)).unwrap();
                    from = to;
                }
                collector
            })
        });
        let threads = threads.collect::<Vec<_>>();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Checks that all rows come out whole, by key and then by number.
fn check(in_order: SortedRows, rows: i64, keys: i64) {
    let mut last: Option<(Option<String>, i64)> = None;
    let mut seen = 0;
    for batch in in_order {
        let batch = batch.unwrap();
        assert_eq!(batch.schema(), schema());
        assert!(batch_size(&batch) < 4 << 20, "{} bytes", batch_size(&batch));
        let (key_column, numbers) =
            (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<arrow::datatypes::Int64Type>());
        for row in 0..batch.num_rows() {
            let number = numbers.value(row);
            let found = key_column.is_valid(row).then(|| key_column.value(row).to_owned());
            assert_eq!(found, key(number, keys));
            let pair = (found, number);
            assert!(last.as_ref() < Some(&pair), "{last:?} before {pair:?}");
            last = Some(pair);
            if seen % 501 == 0 {
                assert_eq!(batch.slice(row, 1), wide(number..number + 1, keys), "row {number}");
            }
            seen += 1;
        }
    }
    assert_eq!(seen, rows);
}

#[test]
fn wide_rows_beyond_the_pool_spill_and_come_out_in_order() {
    let runtime = runtime();
    for (mib, rows) in [(8, 25_000), (32, 90_000)] {
        let sorter = Sorter::new(&limits(mib), runtime.handle().clone()).unwrap();
        let collectors = collect(&sorter, rows, 8_192, 2, 20_011);
        let (collected, bytes) = (sorter.spilled_bytes(), collectors.iter().map(RowCollector::bytes).sum::<u64>());
        assert!(bytes > mib << 20, "{bytes} bytes are no test for {mib} MiB");
        assert!(collected > 0);
        let in_order = sorter.sorted(collectors, &["key".to_owned()]).unwrap();
        check(in_order, rows, 20_011);
        assert!(sorter.spilled_bytes() > collected, "the sort spilled");
    }
}

#[test]
fn narrow_rows_whose_keys_are_most_of_them_spill_and_come_out_in_order() {
    let runtime = runtime();
    let sorter = Sorter::new(&limits(8), runtime.handle().clone()).unwrap();
    let schema: SchemaRef = Arc::new(Schema::new(vec![column("key", "string")]));
    let mut collector = sorter.collector(&schema);
    let (rows, step) = (400_000, 8_000);
    for from in (0..rows).step_by(step) {
        let keys = (from..from + step).map(|number| Some(format!("{:024}", (number * 7_919) % rows)));
        collector
            .push(RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(keys.collect::<StringArray>())]).unwrap())
            .unwrap();
    }
    let collected = sorter.spilled_bytes();
    let mut next = 0;
    for batch in sorter.sorted(vec![collector], &["key".to_owned()]).unwrap() {
        for key in batch.unwrap().column(0).as_string::<i32>().iter().flatten() {
            assert_eq!(key.parse::<usize>().unwrap(), next);
            next += 1;
        }
    }
    assert_eq!(next, rows);
    assert!(sorter.spilled_bytes() > collected, "the sort spilled");
}

#[test]
fn one_huge_batch_and_many_tiny_ones_sort_alike() {
    let runtime = runtime();
    for (step, collectors) in [(30_000, 1), (7, 3), (30_000, 3)] {
        let sorter = Sorter::new(&limits(8), runtime.handle().clone()).unwrap();
        let collectors = collect(&sorter, 30_000, step, collectors, 11);
        check(sorter.sorted(collectors, &["key".to_owned()]).unwrap(), 30_000, 11);
    }
}

#[test]
fn rows_of_any_size_are_sorted_in_batches_that_are_bounded_in_bytes() {
    let runtime = runtime();
    let sorter = Sorter::new(&limits(16), runtime.handle().clone()).unwrap();
    let schema: SchemaRef = Arc::new(Schema::new(vec![column("key", "string"), column("text", "string")]));
    let bytes = |number: usize| match number {
        number if number % 400 == 7 => 20 << 20,
        number if number % 40 == 3 => 300 << 10,
        number => number % 1_000,
    };
    let (rows, mut collector) = (2_000, sorter.collector(&schema));
    for number in 0..rows {
        let key: ArrayRef = Arc::new(StringArray::from(vec![format!("{:06}", (number * 7_919) % rows)]));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(bytes(number))]));
        collector.push(RecordBatch::try_new(Arc::clone(&schema), vec![key, text]).unwrap()).unwrap();
    }
    // What a task keeps for a later run is the same rows, in pieces.
    let (mut restored, mut pieces) = (sorter.collector(&schema), 0);
    let size = (collector.rows(), collector.bytes());
    let keep = |kept: Vec<u8>, stretches: Vec<u64>| {
        pieces += 1;
        restored.restore(&kept, &stretches, if pieces == 1 { size } else { (0, 0) })
    };
    collector.keep(keep).unwrap();
    drop(collector);
    let mut seen = 0;
    for batch in sorter.sorted(vec![restored], &["key".to_owned()]).unwrap() {
        let batch = batch.unwrap();
        assert!(batch.num_rows() == 1 || batch_size(&batch) < 4 << 20, "{} bytes", batch_size(&batch));
        let (keys, texts) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        for row in 0..batch.num_rows() {
            let number = (0..rows).find(|number| (number * 7_919) % rows == seen).unwrap();
            assert_eq!(keys.value(row), format!("{seen:06}"));
            assert_eq!(texts.value(row).len(), bytes(number), "row {number}");
            seen += 1;
        }
    }
    assert_eq!(seen, rows);
}

#[test]
fn a_row_larger_than_the_memory_names_the_setting() {
    let runtime = runtime();
    let sorter = Sorter::new(&limits(8), runtime.handle().clone()).unwrap();
    let schema: SchemaRef = Arc::new(Schema::new(vec![column("key", "string")]));
    let mut collector = sorter.collector(&schema);
    let huge: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(9 << 20), "y".repeat(9 << 20)]));
    collector.push(RecordBatch::try_new(schema, vec![huge]).unwrap()).unwrap();
    let failed = sorter.sorted(vec![collector], &["key".to_owned()]).unwrap().find_map(Result::err).unwrap();
    assert_eq!(failed.kind(), ErrorKind::Limit, "{failed}");
    assert!(failed.to_string().contains("setting=limits.memory"), "{failed}");
}

#[test]
fn nothing_stays_in_the_spill_folder_and_a_dropped_sort_ends() {
    let runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    let limits = LimitsConfig { spill_folder: Some(folder.path().to_owned()), ..limits(8) };
    let sorter = Sorter::new(&limits, runtime.handle().clone()).unwrap();
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    let collectors = collect(&sorter, 60_000, 5_000, 1, 3_001);
    assert_eq!(files(), 0, "collected rows have no name");
    let mut in_order = sorter.sorted(collectors, &["key".to_owned()]).unwrap();
    assert_eq!(in_order.next().unwrap().unwrap().schema(), schema());
    assert_eq!(files(), 0, "spilled runs have no name");
    drop(in_order);
    assert!(sorter.collected.file.lock().unwrap().upgrade().is_none(), "the collectors' file is closed");
    assert_eq!(sorter.collected.held.load(Ordering::Relaxed), 0);
    // The runtime waits for what still runs on it: this hangs unless the sort was ended.
    drop(runtime);
}

#[test]
fn what_cannot_be_sorted_is_refused() {
    let runtime = runtime();
    let handle = runtime.handle().clone();
    let small = Sorter::new(&LimitsConfig { memory: ByteSize::mib(1), ..limits(8) }, handle.clone()).unwrap_err();
    assert!(small.to_string().contains("limits.memory"), "{small}");
    let missing = LimitsConfig { spill_folder: Some("/no/such/folder".into()), ..limits(8) };
    let missing = Sorter::new(&missing, handle.clone()).unwrap_err();
    assert!(missing.to_string().contains("limits.spill_folder"), "{missing}");

    let sorter = Sorter::new(&limits(8), handle).unwrap();
    assert_eq!(sorter.sorted(Vec::new(), &["key".to_owned()]).unwrap().count(), 0);
    let empty = sorter.sorted(vec![sorter.collector(&schema())], &["key".to_owned()]).unwrap();
    assert_eq!(empty.count(), 0);
    let unknown = sorter.sorted(vec![sorter.collector(&schema())], &["kee".to_owned()]).unwrap_err();
    assert!(unknown.to_string().contains("kee"), "{unknown}");
    let other: SchemaRef = Arc::new(Schema::new(vec![column("key", "bigint")]));
    assert!(sorter.collector(&other).push(wide(0..1, 1)).is_err());
    assert!(sorter.sorted(vec![sorter.collector(&other), sorter.collector(&schema())], &[]).is_err());
}
