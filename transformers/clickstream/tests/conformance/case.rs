//! One case: an input file, how the reference's test runs it, and the comparison with its expected file.

use etl_sdk::Transformer;
use etl_sdk::testing::external::{data, or_skip, skip};
use etl_sdk::testing::{Outcome, Row, run_at, transform};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use transformer_clickstream::traffic_source::{AppRules, RuleSet};
use transformer_clickstream::{Clickstream, ClickstreamConfig};

/// 2024-08-30, when the reference was released.
pub const NOW: i64 = 1_724_976_000_000;

/// Inputs of cases which the data does not hold.
const ABSENT: [&str; 4] = [
    "S/gtm-server/server-all-with-ss.json",
    "S/gtm-server/server-user-login2.json",
    "S/gtm-server/server-user-props.json",
    "S/sensordata/sensors-web-ua.json",
];

/// The folder of the reference's data.
pub fn conformance() -> Option<PathBuf> {
    data("conformance")
}

/// Which traffic source rules the reference's tests give to an app.
#[derive(Clone, Copy, Debug)]
pub enum Rules {
    /// Its batch application: the rules of app1 to a few apps, the short v0 rules to all others.
    Batch,
    /// Its parsers: the v0 rules.
    Parser,
    /// None at all.
    None,
}

/// How a case is run.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    pub apps: &'a [&'a str],
    pub project: &'a str,
    pub rules: Rules,
    pub time_shift: bool,
    pub freshness_hours: u32,
    pub now: i64,
}

impl Setup<'_> {
    /// Runs records of the SDKs in both modes, and as one task and a task each.
    pub fn run(self, folder: PathBuf, records: &[Vec<u8>]) -> Case {
        let case = self.run_of("sdk", folder, records);
        // What is better by default shows in none of the reference's own cases.
        let default = self.outcome(("sdk", "default"), &case.folder, records, usize::MAX);
        assert_eq!(case.outcome.tables, default.tables, "rows do not depend on the mode");
        case
    }

    /// Runs records of a source as the reference does, once as one task and once as a task each.
    pub fn run_of(self, source: &str, folder: PathBuf, records: &[Vec<u8>]) -> Case {
        let of = (source, "reference");
        let outcome = self.outcome(of, &folder, records, usize::MAX);
        let single = self.outcome(of, &folder, records, 1);
        assert_eq!(outcome.tables, single.tables, "rows do not depend on tasks");
        Case { folder, outcome }
    }

    fn outcome(self, (source, compat): (&str, &str), folder: &Path, records: &[Vec<u8>], task: usize) -> Outcome {
        let config: ClickstreamConfig = serde_json::from_value(json!({
            "project_id": self.project, "app_ids": self.apps, "time_shift": self.time_shift,
            "freshness_hours": self.freshness_hours, "source": source, "compat": compat,
        }))
        .unwrap();
        let transformer: Arc<dyn Transformer> = Arc::new(Clickstream::new(config, self.rules(folder)).unwrap());
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        let outcome = transform(&transformer, &run_at("test-job", self.now), &records, task).unwrap();
        assert_eq!(outcome.ledger.unbalanced(), Vec::<&str>::new());
        outcome
    }

    fn rules(self, folder: &Path) -> RuleSet {
        let rules = |path: &str| {
            let read = |kind: &str| read(folder, &path.replace("{}", kind));
            (read("category"), read("channel"))
        };
        self.apps
            .iter()
            .filter_map(|app| {
                let known = ["uba-app", "testApp", "gtmTest", "app1"].contains(app);
                let (category, channel) = rules(match self.rules {
                    Rules::Batch if known => "S/rule_config/app1/traffic_source_{}_rule_v1.json",
                    Rules::Batch => "S/ts/traffic_source_{}_rule_v0.json",
                    Rules::Parser => "C/ts/traffic_source_{}_rule_v0.json",
                    Rules::None => return None,
                });
                Some(((*app).to_owned(), AppRules::parse(&category, &channel).unwrap()))
            })
            .collect()
    }
}

/// Text of a file of the reference's data.
pub fn read(folder: &Path, path: &str) -> String {
    std::fs::read_to_string(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether a file of the reference's data is there. A test that wants one of [`ABSENT`] is skipped, whatever else has to
/// be there.
pub fn is_there(folder: &Path, path: &str) -> bool {
    let is_file = folder.join(path).is_file();
    if ABSENT.contains(&path) {
        assert!(!is_file, "{path} has come: it is absent no more");
        skip(&format!("{path} is not in the data"));
        return false;
    }
    or_skip(is_file.then_some(()), path, "ETL_CONFORMANCE").is_some()
}

/// The lines of a file as records.
pub fn lines(text: &str) -> Vec<Vec<u8>> {
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| line.as_bytes().to_vec()).collect()
}

/// Runs one input file as the tests of the batch application do. `None` when the data is absent.
pub fn run(input: &str, apps: &[&str], project: &str) -> Option<Case> {
    let folder = conformance()?;
    let records = lines(&read(&folder, input));
    let setup = Setup { apps, project, rules: Rules::Batch, time_shift: true, freshness_hours: 72, now: NOW };
    Some(setup.run(folder, &records))
}

/// What came out.
pub struct Case {
    pub folder: PathBuf,
    /// With `compat: reference`, as the expected files are.
    pub outcome: Outcome,
}

impl Case {
    /// Rows of a table.
    pub fn rows(&self, table: &str) -> &[Row] {
        &self.outcome.tables[table]
    }

    /// The row whose column has the value.
    pub fn row(&self, table: &str, column: &str, value: &str) -> &Row {
        let rows = self.rows(table);
        rows.iter().find(|row| row.get(column).and_then(Value::as_str) == Some(value)).unwrap_or_else(|| {
            panic!("no {table} row with {column}={value} among {} rows; {:#?}", rows.len(), self.outcome.rejects)
        })
    }

    /// An expected file.
    pub fn expected(&self, path: &str) -> Value {
        serde_json::from_str(&read(&self.folder, path)).unwrap()
    }

    /// Compares every column that the expected row has, and that no other column has a value.
    pub fn expect(&self, row: &Row, expected: &str) {
        assert_same(expected, row, &self.expected(expected));
    }
}

/// Compares a row with one of the whole batch application's output, without what its enrichments and partitions add.
pub fn assert_same_output(name: &str, row: &Row, expected: &Value) {
    let added = |column: &str| {
        column.starts_with("device_ua")
            || column.starts_with("geo_") && column != "geo_locale"
            || column.starts_with("partition_")
            || matches!(column, "ua" | "ip" | "app_id")
    };
    let (mut ours, mut expected) = (row.clone(), expected.clone());
    ours.retain(|column, _| !added(column));
    expected.as_object_mut().unwrap().retain(|column, _| !added(column));
    assert_same(name, &ours, &expected);
}

/// Compares all columns but those that only help to merge rows.
pub fn assert_same(name: &str, row: &Row, expected: &Value) {
    let expected = normalised(expected);
    let mut ours = normalised(&Value::Object(row.clone()));
    let helpers = [
        "sequence",
        "rank",
        "window",
        "time",
        "first_event_name",
        "first_time",
        "first_window",
        "first_sequence",
        "latest_event_name",
        "latest_time",
        "latest_window",
        "latest_sequence",
    ];
    for column in helpers {
        ours.as_object_mut().unwrap().remove(column);
    }
    let (ours, expected) = (ours.as_object().unwrap(), expected.as_object().unwrap());
    let mut columns: Vec<_> = ours.keys().chain(expected.keys()).collect();
    columns.sort_unstable();
    columns.dedup();
    let different: Vec<_> = columns
        .into_iter()
        .filter(|key| ours.get(*key) != expected.get(*key))
        .map(|key| format!("{key}: ours {:?}, expected {:?}", ours.get(key), expected.get(key)))
        .collect();
    assert!(different.is_empty(), "{name}:\n{}", different.join("\n"));
}

/// What is compared: times without milliseconds, no nulls, no process time, created time or file name.
pub fn normalised(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(key, value)| {
                    !value.is_null() && !matches!(key.as_str(), "process_time" | "created_time" | "input_file_name")
                })
                .map(|(key, value)| match (key.as_str(), value) {
                    ("event_timestamp", Value::String(time)) => (key.clone(), json!(time.replace('T', " ")[..19])),
                    _ => (key.clone(), normalised(value)),
                })
                .collect(),
        ),
        Value::Array(elements) => Value::Array(elements.iter().map(normalised).collect()),
        other => other.clone(),
    }
}
