use super::*;
use crate::limits::LimitsConfig;
use crate::rows::sort::sorter::Sorter;
use arrow::array::{Date32Array, Decimal128Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema};
use arrow::row::{RowConverter, SortField};
use proptest::prelude::*;
use std::collections::BTreeMap;

const DECIMAL: DataType = DataType::Decimal128(10, 2);

/// Merges the rows of one batch by key. The result is sorted by key, ascending and nulls first, and is again a batch
/// of partial rows: merging what tasks have reduced gives what merging their rows would have given.
fn reduce(batch: &RecordBatch, merge: &Merge) -> Result<RecordBatch> {
    let fold = Fold::new(merge, batch.schema_ref())?;
    if batch.num_rows() == 0 {
        return Ok(batch.clone());
    }
    let keys = fold.key_columns(batch);
    let fields = keys.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let sortable = RowConverter::new(fields)?.convert_columns(&keys)?;
    let mut order: Vec<u32> = (0..batch.num_rows() as u32).collect();
    // The row's place makes the order total, which is what a stable sort would give.
    order.sort_unstable_by(|left, right| {
        sortable.row(*left as usize).cmp(&sortable.row(*right as usize)).then(left.cmp(right))
    });
    let mut groups = Vec::new();
    let mut start = 0;
    for index in 1..=order.len() {
        if index == order.len() || sortable.row(order[index] as usize) != sortable.row(order[start] as usize) {
            groups.push(start..index);
            start = index;
        }
    }
    fold.gather(batch, &groups, |index| order[index] as usize)
}

/// One row as the naive fold sees it.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    key: (Option<u8>, i64),
    text: Option<u8>,
    number: Option<i64>,
    instant: Option<i64>,
    day: Option<i32>,
    sum: Option<i64>,
    decimal: Option<i128>,
    count: Option<i64>,
    /// Two picks: the value and its order columns.
    picks: [Picked; 2],
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Picked {
    value: Option<u8>,
    first: Option<i64>,
    second: Option<i64>,
}

fn text(value: Option<u8>) -> Option<String> {
    value.map(|value| format!("{value:03}"))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn schema() -> SchemaRef {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("first_a", DataType::Int64, true),
        Field::new("app", DataType::Utf8, true),
        Field::new("value_a", DataType::Utf8, true),
        Field::new("text", DataType::Utf8, true),
        Field::new("user", DataType::Int64, true),
        Field::new("number", DataType::Int64, true),
        Field::new("instant", instant, true),
        Field::new("second_a", DataType::Int64, true),
        Field::new("day", DataType::Date32, true),
        Field::new("value_b", DataType::Utf8, true),
        Field::new("first_b", DataType::Int64, true),
        Field::new("second_b", DataType::Int64, true),
        Field::new("sum", DataType::Int64, true),
        Field::new("decimal", DECIMAL, true),
        Field::new("count", DataType::Int64, true),
    ]))
}

fn merge() -> Merge {
    let pick = |letter: &str| MergeRule::Pick {
        columns: vec![format!("value_{letter}")],
        order: vec![format!("first_{letter}"), format!("second_{letter}")],
    };
    let mut rules = vec![pick("a"), pick("b")];
    rules.extend(["text", "number", "instant", "day"].map(|name| MergeRule::Greatest(name.to_owned())));
    rules.extend(["sum", "decimal"].map(|name| MergeRule::Sum(name.to_owned())));
    rules.push(MergeRule::Count("count".to_owned()));
    Merge { key: names(&["app", "user"]), rules, carry: None }
}

fn batch(rows: &[Row]) -> RecordBatch {
    let number = |of: &dyn Fn(&Row) -> Option<i64>| Arc::new(rows.iter().map(of).collect::<Int64Array>()) as ArrayRef;
    let string = |of: &dyn Fn(&Row) -> Option<u8>| {
        Arc::new(rows.iter().map(|row| text(of(row))).collect::<StringArray>()) as ArrayRef
    };
    let columns = vec![
        number(&|row| row.picks[0].first),
        string(&|row| row.key.0),
        string(&|row| row.picks[0].value),
        string(&|row| row.text),
        number(&|row| Some(row.key.1)),
        number(&|row| row.number),
        Arc::new(rows.iter().map(|row| row.instant).collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        number(&|row| row.picks[0].second),
        Arc::new(rows.iter().map(|row| row.day).collect::<Date32Array>()),
        string(&|row| row.picks[1].value),
        number(&|row| row.picks[1].first),
        number(&|row| row.picks[1].second),
        number(&|row| row.sum),
        Arc::new(rows.iter().map(|row| row.decimal).collect::<Decimal128Array>().with_data_type(DECIMAL)),
        number(&|row| row.count),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

/// The rules once more, a row at a time.
fn naive(rows: &[Row]) -> Vec<Row> {
    let mut merged: BTreeMap<(Option<u8>, i64), Row> = BTreeMap::new();
    for row in rows {
        let empty = Row {
            key: row.key,
            text: None,
            number: None,
            instant: None,
            day: None,
            sum: None,
            decimal: None,
            count: Some(0),
            picks: [Picked::default(), Picked::default()],
        };
        let kept = merged.entry(row.key).or_insert(empty);
        kept.text = kept.text.max(row.text);
        kept.number = kept.number.max(row.number);
        kept.instant = kept.instant.max(row.instant);
        kept.day = kept.day.max(row.day);
        kept.sum = kept.sum.map_or(row.sum, |sum| Some(sum + row.sum.unwrap_or(0)));
        kept.decimal = kept.decimal.map_or(row.decimal, |sum| Some(sum + row.decimal.unwrap_or(0)));
        kept.count = kept.count.map(|count| count + row.count.unwrap_or(1));
        for (kept, new) in kept.picks.iter_mut().zip(&row.picks) {
            let order = |pick: &Picked| (pick.first, pick.second);
            if new.first.is_some() && (kept.first.is_none() || order(new) <= order(kept)) {
                *kept = new.clone();
            }
        }
    }
    merged.into_values().collect()
}

fn any_row() -> impl Strategy<Value = Row> {
    let small = || proptest::option::weighted(0.8, -3i64..3);
    let pick =
        || (any::<Option<u8>>(), small(), small()).prop_map(|(value, first, second)| Picked { value, first, second });
    let key = (proptest::option::weighted(0.8, 0u8..3), 0i64..4);
    let greatest = (proptest::option::of(0u8..9), small(), small(), proptest::option::of(-2i32..2));
    let totals = (small(), proptest::option::of(-5_i128..5), proptest::option::of(0i64..3));
    (key, greatest, totals, pick(), pick()).prop_map(
        |(key, (text, number, instant, day), (sum, decimal, count), a, b)| Row {
            key,
            text,
            number,
            instant,
            day,
            sum,
            decimal,
            count,
            picks: [a, b],
        },
    )
}

/// Cuts rows into batches after the given numbers of rows, over and over; zeros make empty batches.
fn split(rows: &[Row], sizes: &[usize]) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    let mut rest = rows;
    for size in sizes.iter().cycle().take(4 * rows.len() * sizes.len()) {
        let (now, later) = rest.split_at((*size).min(rest.len()));
        batches.push(batch(now));
        rest = later;
    }
    batches.push(batch(rest));
    batches
}

fn merged(batches: Vec<RecordBatch>) -> RecordBatch {
    let merged: Vec<_> = merge_sorted(batches.into_iter().map(Ok), &merge(), &schema()).collect::<Result<_>>().unwrap();
    assert!(merged.iter().all(|batch| batch.num_rows() > 0));
    concat_batches(&schema(), &merged).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merging_is_the_naive_fold_however_rows_are_cut(
        rows in proptest::collection::vec(any_row(), 0..60),
        sizes in proptest::collection::vec(0usize..7, 1..5),
    ) {
        let expected = batch(&naive(&rows));
        let mut sorted = rows.clone();
        sorted.sort_by_key(|row| row.key);
        prop_assert_eq!(&merged(split(&sorted, &sizes)), &expected);
        prop_assert_eq!(&reduce(&batch(&rows), &merge()).unwrap(), &expected);
    }

    #[test]
    fn merging_reduced_parts_is_merging_all(
        rows in proptest::collection::vec(any_row(), 1..60),
        sizes in proptest::collection::vec(1usize..9, 1..5),
    ) {
        let parts: Vec<_> = split(&rows, &sizes).iter().map(|part| reduce(part, &merge()).unwrap()).collect();
        let together = concat_batches(&schema(), &parts).unwrap();
        prop_assert_eq!(reduce(&together, &merge()).unwrap(), batch(&naive(&rows)));
    }
}

#[test]
fn reduced_tasks_sorted_and_merged_give_one_row_per_key() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let sorter = Sorter::new(&LimitsConfig::default(), runtime.handle().clone()).unwrap();
    // Every row of a key has the same order: the last row in the order of the tasks must win.
    let row = |number: i64| Row {
        key: (Some((number % 2) as u8), number % 500),
        text: Some((number % 251) as u8),
        number: Some(number),
        instant: None,
        day: None,
        sum: Some(number),
        decimal: Some(i128::from(number)),
        count: None,
        picks: [
            Picked { value: Some((number % 256) as u8), first: Some(7), second: None },
            Picked { value: Some((number % 256) as u8), first: None, second: Some(1) },
        ],
    };
    let rows: Vec<Row> = (0..10_000).map(row).collect();
    let collectors = rows.chunks(2_500).map(|task| {
        let mut collector = sorter.collector(&schema());
        for part in task.chunks(700) {
            collector.push(reduce(&batch(part), &merge()).unwrap()).unwrap();
        }
        collector
    });
    let in_order = sorter.sorted(collectors.collect(), &merge().key).unwrap();
    let merged: Vec<_> = merge_sorted(in_order, &merge(), &schema()).collect::<Result<_>>().unwrap();
    assert_eq!(concat_batches(&schema(), &merged).unwrap(), batch(&naive(&rows)));
}

#[test]
fn one_key_over_many_batches_is_one_row() {
    let row = |number: i64| Row {
        key: (None, 1),
        text: None,
        number: Some(number),
        instant: None,
        day: None,
        sum: Some(number),
        decimal: None,
        count: None,
        picks: [Picked { value: None, first: Some(-number), second: None }, Picked::default()],
    };
    let batches = (0..100).map(|number| batch(&vec![row(number); 50])).collect();
    let merged = merged(batches);
    let sum = Some(50 * (0..100).sum::<i64>());
    assert_eq!(merged, batch(&[Row { sum, count: Some(5_000), ..row(99) }]));
}

#[test]
fn an_error_of_the_rows_ends_the_merge() {
    let rows = [Err(Error::internal("read")), Ok(batch(&[]))];
    let found: Vec<_> = merge_sorted(rows.into_iter(), &merge(), &schema()).collect();
    assert_eq!(found.len(), 1);
    assert!(found[0].is_err());
}

fn pick(order: &[&str], columns: &[&str]) -> MergeRule {
    MergeRule::Pick { columns: names(columns), order: names(order) }
}

#[test]
fn a_total_that_does_not_fit_is_an_error() {
    let row = Row {
        key: (None, 1),
        text: None,
        number: None,
        instant: None,
        day: None,
        sum: None,
        decimal: None,
        count: None,
        picks: [Picked::default(), Picked::default()],
    };
    let greatest_decimal = 10_i128.pow(10) - 1;
    let cases = [
        ("sum", Row { sum: Some(i64::MAX), ..row.clone() }, Row { sum: Some(1), ..row.clone() }),
        ("count", Row { count: Some(i64::MAX), ..row.clone() }, row.clone()),
        ("decimal", Row { decimal: Some(greatest_decimal), ..row.clone() }, Row { decimal: Some(1), ..row.clone() }),
    ];
    for (column, left, right) in cases {
        for rows in [vec![batch(&[left.clone(), right.clone()])], vec![batch(&[left]), batch(&[right])]] {
            let merged: Result<Vec<_>> = merge_sorted(rows.into_iter().map(Ok), &merge(), &schema()).collect();
            let error = merged.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Limit);
            assert!(error.to_string().contains(&format!("column={column} ")), "{error}");
        }
    }
}

#[test]
fn doubles_have_no_sum() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("key", DataType::Int64, true),
        Field::new("value", DataType::Float64, true),
    ]));
    let merge = Merge { key: names(&["key"]), rules: vec![MergeRule::Sum("value".to_owned())], carry: None };
    let error = check_merge(&merge, &schema).unwrap_err();
    assert!(error.to_string().contains("column=value type=Float64"), "{error}");
}

#[test]
fn a_column_that_no_rule_or_two_decide_over_is_named() {
    type Change = fn(&mut Merge);
    let cases: [(Change, &str); 11] = [
        (|merge| drop(merge.rules.pop()), "column=count"),
        (|merge| merge.rules.push(MergeRule::Greatest("app".into())), "column=app in=key and in=rule 9"),
        (|merge| merge.rules.push(pick(&["first_a"], &[])), "column=first_a in=rule 0 and in=rule 9"),
        (|merge| merge.rules[0] = pick(&["first_a"], &["unknown"]), "missing column=unknown"),
        (|merge| merge.rules[0] = pick(&["value_a"], &[]), "column=value_a type=Utf8"),
        (|merge| merge.rules[0] = pick(&[], &["value_a"]), "columns=value_a"),
        (|merge| merge.rules[2] = MergeRule::Sum("text".into()), "column=text type=Utf8"),
        (|merge| merge.rules[5] = MergeRule::Count("day".into()), "column=day type=Date32"),
        (
            |merge| merge.carry = Some(Carry::Rows { met: "instant".into(), stamp: "instant".into(), days: 1 }),
            "column=sum",
        ),
        (|merge| merge.key.clear(), "merge rows by key"),
        (|merge| merge.key.push("app".into()), "column=app in=key and in=key"),
    ];
    for (change, expected) in cases {
        let mut wrong = merge();
        change(&mut wrong);
        let error = check_merge(&wrong, &schema()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error} has no {expected}");
        if wrong.carry.is_none() {
            let mut rows = merge_sorted(std::iter::empty(), &wrong, &schema());
            assert!(rows.next().unwrap().is_err());
            assert!(rows.next().is_none());
        }
    }
}
