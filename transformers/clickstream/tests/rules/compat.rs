//! The examples of `docs/compatibility.md`, each run in both modes.

use crate::{event, request};
use etl_sdk::testing::{Outcome, run_at, transform};
use etl_sdk::{BuildContext, Transformer};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use transformer_clickstream::component;

const DOCUMENT: &str = include_str!("../../../../docs/compatibility.md");
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/clickstream/rules");

/// The JSON examples with the headings they stand under.
fn examples() -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    for section in DOCUMENT.split("\n### ").skip(1) {
        let heading = section.lines().next().unwrap();
        for block in section.split("```json\n").skip(1) {
            let text = block.split("\n```").next().unwrap();
            let example = serde_json::from_str(text).unwrap_or_else(|error| panic!("{heading}: {error}"));
            found.push((heading, example));
        }
    }
    found
}

fn run(example: &Value, compat: &str) -> Outcome {
    let mut options = json!({"project_id": "p", "app_ids": ["shop", "plain"], "rules": RULES, "compat": compat});
    if let Some(more) = example["options"].as_object() {
        options.as_object_mut().unwrap().extend(more.clone());
    }
    let transformer: Arc<dyn Transformer> = component().build(options, &BuildContext::new("/")).unwrap();
    let over = example.get("event").cloned().unwrap_or_else(|| json!({}));
    let mut members = json!({"data": [event(over)]});
    if let Some(more) = example["request"].as_object() {
        members.as_object_mut().unwrap().extend(more.clone());
    }
    let outcome = transform(&transformer, &run_at("job", crate::NOW), &[&request(&members)], 1).unwrap();
    assert_eq!(outcome.ledger.unbalanced(), Vec::<&str>::new());
    outcome
}

/// What came out, in the words and columns of the example.
fn shown(outcome: &Outcome, expected: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = Map::new();
    for reject in &outcome.rejects {
        shown.insert("dead_letter".to_owned(), json!(format!("{}/{}", reject.step, reject.reason)));
    }
    for step in ["payload", "filter", "parse"] {
        for reason in outcome.ledger.get(step).into_iter().flat_map(|step| step.filtered.keys()) {
            shown.insert("filtered".to_owned(), json!(format!("{step}/{reason}")));
        }
    }
    for (table, columns) in expected.iter().filter(|(_, columns)| columns.is_object()) {
        let row = outcome.tables[table].first().unwrap_or_else(|| panic!("no row of {table}"));
        let pick = |column: &String| (column.clone(), plain(row.get(column).unwrap_or(&Value::Null)));
        shown.insert(table.clone(), columns.as_object().unwrap().keys().map(pick).collect());
    }
    shown
}

/// Without members that are null.
fn plain(value: &Value) -> Value {
    let Some(members) = value.as_object() else { return value.clone() };
    members.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), plain(value))).collect()
}

#[test]
fn the_document_shows_what_comes_out() {
    let mut run_examples = 0;
    for (heading, example) in examples() {
        if example.get("user_agent").or(example.get("ip")).is_some() {
            // Run by the tests of the steps user-agent and ip-geo.
            continue;
        }
        for compat in ["default", "reference"] {
            let expected = example[compat].as_object().unwrap_or_else(|| panic!("{heading}: no {compat}"));
            let shown = shown(&run(&example, compat), expected);
            assert_eq!(Value::Object(shown), Value::Object(expected.clone()), "{heading}: {compat}");
        }
        assert_ne!(example["default"], example["reference"], "{heading}: no difference");
        run_examples += 1;
    }
    assert!(run_examples >= 14, "{run_examples}");
}
