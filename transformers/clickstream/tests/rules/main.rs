//! The transformer's rules one by one, each with an input made for it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value, reason = "a test")]

mod compat;
mod events;
mod gtm;
mod people;
mod reasons;
mod sensors;
mod sources;

use etl_sdk::Transformer;
use etl_sdk::testing::{Outcome, Row, run_at, transform};
use serde_json::{Value, json};
use std::sync::Arc;
use transformer_clickstream::traffic_source::{AppRules, RuleSet};
use transformer_clickstream::{Clickstream, ClickstreamConfig};

/// 2023-11-14T22:13:20Z
const NOW: i64 = 1_700_000_000_000;
const HOUR: i64 = 3_600_000;

/// Runs records as they are.
fn run_lines(options: Value, lines: &[&[u8]]) -> Outcome {
    run_lines_at(NOW, options, lines)
}

/// Runs records at an instant.
fn run_lines_at(now: i64, options: Value, lines: &[&[u8]]) -> Outcome {
    let mut config =
        json!({"project_id": "p", "app_ids": ["shop", "plain", " "], "depth": 30, "payload_bytes": 10_000});
    config.as_object_mut().unwrap().append(&mut options.as_object().unwrap().clone());
    let category = r#"[{"url":"google.com","source":"Google","category":"Search","params":["q"]},
        {"url":"news.example","source":"news","category":"Referral"}]"#;
    let channel = r#"[{"id":"search","channel":"Organic Search",
        "condition":{"op::and":[{"field":"traffic_source_category","op":"eq","value":"Search"}]}}]"#;
    let rules: RuleSet = [("shop".to_owned(), AppRules::parse(category, channel).unwrap())].into_iter().collect();
    let config: ClickstreamConfig = serde_json::from_value(config).unwrap();
    let transformer: Arc<dyn Transformer> = Arc::new(Clickstream::new(config, rules).unwrap());
    let outcome = transform(&transformer, &run_at("job", now), lines, usize::MAX).unwrap();
    assert_eq!(outcome.ledger.unbalanced(), Vec::<&str>::new());
    outcome
}

/// A request with members over the usual ones; a member that is null takes the usual one away.
fn request(over: &Value) -> Vec<u8> {
    let usual = json!({"appId": "shop", "ingest_time": NOW, "rid": "r", "ua": "agent", "ip": "1.2.3.4", "uri": "/c"});
    merged(usual, over).to_string().into_bytes()
}

/// An event with members over the usual ones.
fn event(over: Value) -> Value {
    let usual = json!({"event_id": "e", "app_id": "shop", "timestamp": NOW, "event_type": "click", "unique_id": "u"});
    merged(usual, &over)
}

fn merged(mut usual: Value, over: &Value) -> Value {
    for (key, value) in over.as_object().unwrap() {
        if value.is_null() {
            usual.as_object_mut().unwrap().remove(key);
        } else {
            usual[key] = value.clone();
        }
    }
    usual
}

/// Runs events of one request.
fn run(options: Value, events: &[Value]) -> Outcome {
    run_lines(options, &[&request(&json!({"data": events}))])
}

/// The only row of a table that one event gives.
fn row_of(table: &str, over: Value) -> Row {
    only(&run(json!({}), &[event(over)]), table)
}

fn only(outcome: &Outcome, table: &str) -> Row {
    let rows = &outcome.tables[table];
    assert_eq!(rows.len(), 1, "{table}: {:?} {:?}", outcome.rejects, outcome.ledger);
    rows[0].clone()
}

/// The first column of a row that is not as expected; a null stands for no value.
fn assert_columns(row: &Row, expected: &Value) {
    for (column, value) in expected.as_object().unwrap() {
        assert_eq!(row.get(column).unwrap_or(&Value::Null), value, "{column}");
    }
}
