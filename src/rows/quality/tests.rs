use super::check::RuleCounts;
use super::judge::judge;
use super::values::Scalar;
use super::*;
use crate::job::{Job, load};
use crate::limits::{DeadLetterLimits, LimitsConfig};
use crate::report::RuleResult;
use crate::rows::sort::Sorter;
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, MapBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use etl_sdk::{EpochMillis, ErrorKind, Output, Result, Run};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

const HOUR: i64 = 3_600_000_000;
/// 2026-11-20T05:00:00Z in microseconds.
const START: i64 = 1_795_150_800_000_000;
/// Its day.
const DAY: i32 = 20_777;

fn map() -> ArrayRef {
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for _ in 0..6 {
        map.append(true).unwrap();
    }
    Arc::new(map.finish())
}

/// Six rows: the third has nulls, the fourth empty text and NaN, the fifth stands apart, the sixth repeats the first.
fn batch() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(StringArray::from(vec![Some("a"), Some("b"), None, Some(""), Some("é\n\"x"), Some("a")]))),
        (
            "platform",
            Arc::new(StringArray::from(vec![Some("WEB"), Some("IOS"), None, Some(""), Some("TV"), Some("WEB")])),
        ),
        (
            "value",
            Arc::new(Float64Array::from(vec![
                Some(0.0),
                Some(5.5),
                None,
                Some(f64::NAN),
                Some(f64::INFINITY),
                Some(-0.0),
            ])),
        ),
        ("number", Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(0), Some(-7), Some(1)]))),
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), Some(true), None, Some(true), Some(false), Some(true)]))),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from(vec![
                    Some(START),
                    Some(START + HOUR),
                    None,
                    Some(START),
                    Some(i64::MAX),
                    Some(START),
                ])
                .with_timezone("UTC"),
            ),
        ),
        ("day", Arc::new(Date32Array::from(vec![Some(DAY), Some(DAY), None, Some(DAY), Some(0), Some(DAY)]))),
        ("tags", map()),
    ];
    let fields: Vec<_> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, column)| column).collect())
        .unwrap()
}

fn schema() -> SchemaRef {
    batch().schema()
}

fn target() -> Target {
    Target { table: "event".to_owned(), schema: schema(), written: true, row_bytes: 1 << 20 }
}

fn job(rules: &str) -> Result<Job> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.yaml");
    let text = format!("job: x\nsource: {{url: in}}\ntransformer: {{name: t}}\nsink: {{url: out}}\nquality:\n{rules}");
    std::fs::write(&path, text).unwrap();
    load(&path, &[], &|_| None)
}

fn checked(job: &Job, targets: &[Target]) -> Result<Vec<Arc<Rule>>> {
    build(&job.config.quality, targets, &|path, error| job.placed(path, error))
}

fn rules(rules: &str) -> Vec<Arc<Rule>> {
    let skipped = Target { table: "session".to_owned(), schema: schema(), written: false, row_bytes: 1 << 20 };
    checked(&job(rules).unwrap(), &[target(), skipped]).unwrap()
}

fn refusal(rule: &str) -> String {
    let skipped = Target { table: "session".to_owned(), schema: schema(), written: false, row_bytes: 1 << 20 };
    let error = job(&format!("  - {rule}\n")).and_then(|job| checked(&job, &[target(), skipped])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    let (_, text) = text.split_once("job.yaml:").unwrap();
    format!("{text} | {}", error.hint_text().unwrap_or_default())
}

struct Bench {
    /// Sorts run on it.
    _runtime: Runtime,
    sorter: Sorter,
}

impl Bench {
    fn new() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let sorter = Sorter::new(&LimitsConfig::default(), runtime.handle().clone()).unwrap();
        Self { _runtime: runtime, sorter }
    }

    fn checker(&self, rules: &[Arc<Rule>], examples: bool) -> TableChecker {
        let run = Run {
            id: "r".to_owned(),
            now: EpochMillis((START + 2 * HOUR) / 1_000),
            window_start: EpochMillis(START / 1_000),
            window_end: EpochMillis((START + HOUR) / 1_000),
        };
        TableChecker::new(&TableRules::of(rules, &target()).unwrap(), &run, &self.sorter, examples).unwrap()
    }

    /// Checks the batch whole and judges; also that a batch of each row gives the same.
    fn judge(&self, text: &str) -> (Vec<RuleResult>, RecordBatch, Output) {
        let rules = rules(text);
        let mut checker = self.checker(&rules, true);
        let mut out = Output::default();
        let kept = checker.check(batch(), &mut out).unwrap();
        let results = self.conclude(&rules, checker.take()).0;

        let mut single = self.checker(&rules, true);
        let mut findings = Findings::default();
        let mut other = Output::default();
        for row in 0..batch().num_rows() {
            single.check(batch().slice(row, 1), &mut other).unwrap();
            findings.merge(single.take());
        }
        assert_eq!(other.ledger, out.ledger);
        assert_eq!(other.rejects, out.rejects);
        let again = self.conclude(&rules, findings).0;
        let bare = |results: &[RuleResult]| -> Vec<_> {
            results.iter().map(|result| (result.rows, result.broken, result.passed)).collect()
        };
        assert_eq!(bare(&again), bare(&results));
        assert!(out.ledger.unbalanced().is_empty());
        (results, kept, out)
    }

    fn conclude(&self, rules: &[Arc<Rule>], findings: Findings) -> (Vec<RuleResult>, Result<()>, Vec<String>) {
        let history = |_: &str, runs: u32| [200, 220, 10_000][..runs as usize].to_vec();
        let of_table = |table: &str| if table == "event" { 100 } else { 0 };
        let verdict = conclude(rules, findings, &self.sorter, &of_table, &history).unwrap();
        (verdict.results, verdict.refusal.map_or(Ok(()), Err), verdict.warnings)
    }
}

/// Broken rows and examples of one rule that warns.
fn broken(rule: &str) -> (u64, Vec<String>) {
    let (mut results, kept, _) = Bench::new().judge(&format!("  - {{{rule}, action: warn}}\n"));
    let result = results.remove(0);
    assert_eq!((kept.num_rows(), result.passed), (6, result.broken == 0));
    (result.broken, result.examples)
}

#[test]
fn complete_wants_neither_null_nor_empty_text_nor_nan() {
    assert_eq!(
        broken("complete: [id]"),
        (2, vec!["id=\"\"".to_owned(), "id=null".to_owned()].into_iter().rev().collect())
    );
    assert_eq!(broken("complete: [value]"), (2, vec!["value=null".to_owned(), "value=NaN".to_owned()]));
    assert_eq!(broken("complete: [number]"), (1, vec!["number=null".to_owned()]));
    assert_eq!(broken("complete: [at, day, flag]"), (1, vec!["at=null, day=null, flag=null".to_owned()]));
    assert_eq!(broken("complete: [number, id]").0, 2, "a row that misses both is one row");
}

#[test]
fn values_in_a_set_are_compared_by_their_type_and_nulls_pass() {
    assert_eq!(
        broken("column: platform, in: [WEB, IOS]"),
        (2, vec!["platform=\"\"".to_owned(), "platform=TV".to_owned()])
    );
    assert_eq!(broken("column: number, in: [0, 1, 2]"), (1, vec!["number=-7".to_owned()]));
    assert_eq!(broken("column: flag, in: [true]"), (1, vec!["flag=false".to_owned()]));
    // The two zeros are one number; NaN and infinity are none of the list.
    assert_eq!(broken("column: value, in: [0, 5.5]").0, 2);
}

#[test]
fn ranges_include_their_ends_and_refuse_nan() {
    assert_eq!(
        broken("column: value, range: {min: 0, max: 5.5}"),
        (2, vec!["value=NaN".to_owned(), "value=inf".to_owned()])
    );
    assert_eq!(broken("column: value, range: {min: -1}").0, 1, "NaN is within no range");
    assert_eq!(broken("column: number, range: {min: 0.5, max: 2}").0, 2);
    assert_eq!(broken("column: at, range: {max: \"2026-11-20T06:00:00Z\"}"), (1, vec!["at=?".to_owned()]));
    assert_eq!(broken("column: at, range: {min: \"2026-11-20T06:00:00+01:00\", max: 2026-11-21}").0, 1);
    assert_eq!(
        broken("column: day, range: {min: 2026-11-20, max: 2026-11-20}"),
        (1, vec!["day=1970-01-01".to_owned()])
    );
}

#[test]
fn a_condition_is_broken_by_false_by_null_and_by_what_cannot_be_evaluated() {
    assert_eq!(broken("sql: number >= 0"), (2, vec!["number=null".to_owned(), "number=-7".to_owned()]));
    assert_eq!(
        broken("sql: 10 / number > 0"),
        (3, ["number=null", "number=0", "number=-7"].map(str::to_owned).to_vec())
    );
    assert_eq!(broken("sql: event.at < $now and at >= $window_start and at <= $window_end").0, 2);
    // Three are before it, one is null, and one is too far away for the nanoseconds of a SQL literal.
    assert_eq!(broken("sql: \"at >= TIMESTAMP '2026-11-20T06:00:00Z'\"").0, 5);
    assert_eq!(broken("sql: \"1 = 1\"").0, 0);
    assert_eq!(broken("sql: id is null or length(id) > 0").0, 1);
}

#[test]
fn keys_come_once_among_all_tasks() {
    assert_eq!(broken("unique: [id]"), (1, vec!["id=a".to_owned()]));
    // Zero and minus zero are equal, so the first and the last row are.
    assert_eq!(broken("unique: [id, value, number, flag, at, day]").0, 1);
    assert_eq!(broken("unique: [platform, id]").1, ["platform=WEB, id=a"]);
    let bench = Bench::new();
    let rules = rules("  - {unique: [id], action: stop}\n  - {unique: [number], action: warn}\n");
    let mut findings = Findings::default();
    for _ in 0..3 {
        let mut checker = bench.checker(&rules, true);
        checker.check(batch(), &mut Output::default()).unwrap();
        findings.merge(checker.take());
    }
    assert_eq!(findings.keys.len(), 3);
    assert_eq!(findings.keys[0].rows(), 10, "rows with a null have no key");
    let (results, refused, warnings) = bench.conclude(&rules, findings);
    // Fifteen keys of four different texts, and of four different numbers.
    assert_eq!((results[0].rows, results[0].broken), (15, 11));
    assert_eq!((results[1].rows, results[1].broken, results[1].examples.len()), (15, 11, 3));
    assert!(warnings[0].contains("11 of 15 rows (73.33%) repeat a key of a row before"), "{warnings:?}");
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gate);
    assert!(error.to_string().contains("rule=event_unique_id table=event observed=\"11 of 15 rows"), "{error}");
}

#[test]
fn keys_of_two_texts_are_not_mistaken_for_each_other() {
    let text = |values: [&str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("a", text(["x", "xy"])), ("b", text(["yz", "z"]))]).unwrap();
    let keys = super::keys::keys_of(0, &batch, &[0, 1], false).unwrap();
    let keys = keys.column(1);
    assert_ne!(keys.slice(0, 1).to_data(), keys.slice(1, 1).to_data());
}

#[test]
fn dead_letters_leave_with_the_first_rule_they_break() {
    let (results, kept, out) = Bench::new().judge(
        "  - {name: known, column: platform, in: [WEB, IOS], action: dead_letter}\n  \
           - {name: positive, sql: number > 0, action: dead_letter}\n  \
           - {name: whole, complete: [id], action: stop}\n",
    );
    assert_eq!(kept.num_rows(), 3);
    let counts = out.ledger.get("quality event").unwrap();
    assert_eq!((counts.read, counts.kept), (6, 3));
    assert_eq!((counts.dead["quality_known"], counts.dead["quality_positive"]), (2, 1));
    let found: Vec<_> = results.iter().map(|result| (result.rows, result.broken, result.passed)).collect();
    // Each rule that removes rows sees them all, those that judge the rest see what is left.
    assert_eq!(found, [(6, 2, false), (6, 3, false), (3, 0, true)]);
    assert_eq!(results[0].observed, "2 of 6 rows (33.33%) break it and are dead letters");
    let reject = &out.rejects[2];
    assert_eq!((&*reject.step, &*reject.reason), ("quality event", "quality_known"));
    assert_eq!(reject.message, "the row of event breaks the quality rule known: platform=TV");
    let raw: serde_json::Value = serde_json::from_slice(&reject.raw).unwrap();
    assert_eq!((raw["id"].as_str(), raw["number"].as_i64()), (Some("é\n\"x"), Some(-7)));
}

#[test]
fn no_value_is_kept_when_no_bytes_are() {
    let bench = Bench::new();
    let rules = rules(
        "  - {column: platform, in: [WEB], action: dead_letter}\n  - {complete: [id], action: warn}\n  - {unique: [id], action: warn}\n",
    );
    let mut checker = bench.checker(&rules, false);
    let mut out = Output::default();
    checker.check(batch(), &mut out).unwrap();
    assert_eq!(out.rejects[0].message, "the row of event breaks the quality rule event_in_platform");
    let (results, ..) = bench.conclude(&rules, checker.take());
    assert!(results.iter().any(|result| result.broken > 0) && results.iter().all(|result| result.examples.is_empty()));
}

#[test]
fn shares_and_row_counts_are_judged() {
    let verdict = |rule: &str| {
        let (mut results, ..) =
            Bench::new().judge(&format!("  - {{{rule}, action: warn}}\n  - {{sql: 1 = 1, action: warn}}\n"));
        let result = results.remove(0);
        (result.passed, result.observed)
    };
    let verdict_of = |rule: &str| verdict(rule).0;
    // Five of six rows have a number.
    assert!(verdict_of("complete: [number], at_least: 83%"));
    assert_eq!(
        verdict("complete: [number], at_least: 84%"),
        (false, "1 of 6 rows (16.67%) breaks it; 84% must be good".to_owned())
    );
    assert_eq!(verdict("rows: {min: 101}"), (false, "100 rows; at least 101 expected".to_owned()));
    assert!(verdict_of("rows: {min: 100, max: 100}") && !verdict_of("rows: {max: 99}"));
    let text = "100 rows; within 50% of 210 expected, the mean of the last 2 runs";
    assert_eq!(verdict("rows: {against_last: 2, within: 50%}"), (false, text.to_owned()));
    assert!(verdict_of("rows: {against_last: 1, within: 50%}"));
}

#[test]
fn without_an_earlier_run_there_is_nothing_to_compare_with() {
    let rules = rules("  - {rows: {against_last: 7, within: 10%}, action: stop}\n");
    let results = judge(&rules, &QualityCounts::default(), &|_| 5, &|_, _| Vec::new());
    assert!(results[0].passed);
    assert_eq!(results[0].observed, "5 rows; no run before to compare with");
}

#[test]
fn counts_are_the_same_in_any_order_and_after_reading_them_back() {
    let counts = |broken: u64, examples: &[&str]| QualityCounts {
        rules: [(
            "r".to_owned(),
            RuleCounts { rows: 10, broken, examples: examples.iter().map(|text| (*text).to_owned()).collect() },
        )]
        .into(),
    };
    let parts = [counts(2, &["x=3", "x=1"]), counts(0, &[]), counts(3, &["x=2", "x=4", "x=1"])];
    let sum = |order: [usize; 3]| {
        let mut sum = QualityCounts::default();
        for part in order {
            let json = serde_json::to_string(&parts[part]).unwrap();
            sum.merge(&serde_json::from_str(&json).unwrap());
        }
        sum
    };
    let mut expected = counts(5, &["x=1", "x=2", "x=3"]);
    expected.rules.get_mut("r").unwrap().rows = 30;
    assert_eq!(sum([0, 1, 2]), expected);
    assert_eq!(sum([2, 0, 1]), expected);
}

#[test]
fn names_are_derived_and_unique() {
    let rules = rules(
        "  - {complete: [id, at], action: warn}\n  - {complete: [id, at], action: stop}\n  \
           - {sql: number > 0, action: warn}\n  - {sql: number > 1, action: warn, enabled: false}\n  \
           - {name: event_sql_2, sql: number > 2, action: warn}\n  - {sql: number > 3, action: warn}\n",
    );
    let names: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["event_complete_id_at", "event_complete_id_at_2", "event_sql", "event_sql_2", "event_sql_3"]);
    assert!(rules.iter().zip(0..).all(|(rule, number)| rule.number == number));
}

#[test]
fn wrong_rules_are_refused_where_they_were_written() {
    for (rule, message) in [
        ("{action: warn}", "6: a quality rule asks nothing"),
        ("{sql: \"true\", unique: [id], action: warn}", "6: a quality rule has `unique` and `sql`"),
        ("{table: evnt, sql: \"true\", action: warn}", "6: unknown table `evnt` | did you mean `event`?"),
        ("{table: session, sql: \"true\", action: warn}", "6: the job does not write the table `session`"),
        ("{complete: [platfrom], action: warn}", "6: unknown column `platfrom` table=event | did you mean `platform`?"),
        (
            "{column: nubmer, range: {min: 1}, action: warn}",
            "6: unknown column `nubmer` table=event | did you mean `number`?",
        ),
        ("{complete: [], action: warn}", "6: `complete` names no column"),
        ("{complete: [tags], action: warn}", "6: a rule cannot judge the column `tags` table=event type=Map"),
        ("{unique: [id, tags], action: warn}", "6: a rule cannot judge the column `tags`"),
        ("{column: tags, in: [1], action: warn}", "6: a rule cannot judge the column `tags`"),
        ("{unique: [id], action: dead_letter}", "6: a rule with `unique` cannot have the action `dead_letter`"),
        ("{rows: {min: 1}, action: dead_letter}", "6: a rule with `rows` cannot have the action `dead_letter`"),
        ("{complete: [id], at_least: 5%, action: dead_letter}", "6: `at_least` goes with the actions"),
        ("{rows: {min: 1}, at_least: 5%, action: warn}", "6: `at_least` does not go with `rows`"),
        ("{rows: {}, action: warn}", "6: `rows` has no bound"),
        ("{rows: {against_last: 7}, action: warn}", "6: `rows.against_last` needs `within`"),
        ("{rows: {min: 5, max: 4}, action: warn}", "6: `rows.min` is greater than `rows.max`"),
        ("{rows: {min: 5, against_last: 7, within: 5%}, action: warn}", "6: `rows` has min or max and against_last"),
        ("{in: [a], action: warn}", "6: a rule with `in` needs a `column`"),
        ("{sql: \"true\", column: id, action: warn}", "6: a rule with `sql` has no `column`"),
        ("{column: number, in: [a], action: warn}", "6: `in` holds a value that is no whole number"),
        (
            "{column: id, in: [5], action: warn}",
            "6: `in` holds a value that is no text, as the column has value=5 | put it",
        ),
        ("{column: at, in: [5], action: warn}", "6: `in` does not go with dates and instants"),
        ("{column: id, range: {min: 5}, action: warn}", "6: `range` goes with numbers, dates and instants"),
        ("{column: at, range: {min: soon}, action: warn}", "6: a bound of `range` is not an instant"),
        ("{column: number, range: {min: 5, max: 4}, action: warn}", "6: no value is within `range`"),
        ("{column: number, range: {}, action: warn}", "6: `range` has no bound"),
        ("{name: Not-good, sql: \"true\", action: warn}", "6: a quality rule cannot have the name `Not-good`"),
        ("{sql: nubmer > 1, action: warn}", "unknown column=nubmer | did you mean `number`?"),
        ("{sql: number, action: warn}", "6: plan the condition sql=number type=Int64"),
        ("{sql: number > 1 order by id, action: warn}", "6: plan the condition sql=number > 1 order by id"),
        ("{sql: at < now(), action: warn}", "refused=now()"),
        ("{sql: count(*) > 1, action: warn}", "refused=count() | a step sees one row"),
        ("{sql: at < $nwo, action: warn}", "unknown parameter=nwo | did you mean `now`?"),
    ] {
        let text = refusal(rule);
        assert!(text.contains(message), "{rule}: {text}");
    }
    let twice =
        job("  - {name: a, sql: \"true\", action: warn}\n  - {name: a, sql: \"true\", action: warn}\n").unwrap();
    assert!(checked(&twice, &[target()]).unwrap_err().to_string().contains("two quality rules have the name `a`"));
}

#[test]
fn a_limit_by_reason_names_the_reason() {
    let dead = [("not_json".to_owned(), 10), ("stale".to_owned(), 1)].into();
    let toll = Toll { read: 100, dead, lost: BTreeMap::new() };
    let check = |limits: &str| check_dead_letters(&serde_json::from_str(limits).unwrap(), &toll);
    check("\"11%\"").unwrap();
    check("11").unwrap();
    check(r#"{"all": "11%", "reasons": {"not_json": "10%", "never_seen": 0}}"#).unwrap();
    let error = check(r#"{"all": "10%", "reasons": {"not_json": 9}}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "refuse to publish: too many dead letters dead_letters=11 read=100 limits.dead_letters=10%"
    );
    let error = check(r#"{"all": "50%", "reasons": {"not_json": 9}}"#).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gate);
    assert!(error.to_string().ends_with("dead_letters=10 read=100 limits.dead_letters.reasons=9 reason=not_json"));
    // Without a limit over all reasons the default holds.
    let error = check(r#"{"reasons": {"not_json": "10%"}}"#).unwrap_err();
    assert!(error.to_string().ends_with("dead_letters=11 read=100 limits.dead_letters=5%"), "{error}");
    let lossy = Toll { lost: [("truncated_object".to_owned(), 4)].into(), ..toll.clone() };
    let error = check_dead_letters(&DeadLetterLimits::default(), &lossy).unwrap_err().to_string();
    assert!(error.ends_with("dead_letters=11 read=100 probably_lost=4 limits.dead_letters=5%"), "{error}");
}

#[test]
fn columns_that_steps_add_are_judged_by_their_own_types() {
    let other = Field::new("x", DataType::Timestamp(TimeUnit::Second, None), true);
    assert!(Scalar::of(other.data_type()).is_none(), "only the type that tables have");
    assert_eq!(Scalar::of(&DataType::Int16), Some(Scalar::Whole));
    assert_eq!(Scalar::of(&DataType::UInt64), None);
}
