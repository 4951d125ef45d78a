//! Cases of the whole batch application, without the columns its enrichments fill, and of its truncation.

use crate::PROJECT;
use crate::case::{Rules, Setup, assert_same, conformance, run};
use etl_sdk::Transformer;
use serde_json::Value;
use transformer_clickstream::java::truncate;
use transformer_clickstream::traffic_source::RuleSet;
use transformer_clickstream::{Clickstream, ClickstreamConfig};

/// Columns of an event that user-agent and ip-geo fill.
fn is_enriched(column: &str) -> bool {
    column.starts_with("device_ua") || column.starts_with("geo_") && column != "geo_locale"
}

#[test]
fn event_of_the_whole_run() {
    let Some(case) = run("S/original_data_with_user_profile_set2.json", &["uba-app"], PROJECT) else { return };
    let mut expected = case.expected("S/event_v2/expected/etl_runner_v3_event1.json");
    expected.as_object_mut().unwrap().retain(|column, _| !is_enriched(column));
    let mut event = case.rows("event_v2")[0].clone();
    event.retain(|column, _| !is_enriched(column) && !matches!(column.as_str(), "ua" | "ip"));
    assert_same("event", &event, &expected);
}

/// No expected file is there; the user is put together from the events by the rule.
#[test]
fn the_earliest_first_event_and_the_latest_profile_win() {
    let Some(case) = run("S/original_data_with_user_profile_set2.json", &["uba-app"], PROJECT) else { return };
    let user = case.row("user_v2", "user_pseudo_id", "uuid1-9844af32");
    let time = |event: &&etl_sdk::testing::Row| event["event_time_msec"].as_i64();
    let named = |names: &'static [&str]| {
        let of_user = case.rows("event_v2").iter().filter(|event| event["user_pseudo_id"] == user["user_pseudo_id"]);
        of_user.filter(move |event| names.contains(&event["event_name"].as_str().unwrap()))
    };
    assert!(named(&["_first_open"]).count() >= 3);
    let first = named(&["_first_open", "_first_visit", "_session_start", "_screen_view"]).min_by_key(time).unwrap();
    for (of_user, of_event) in [
        ("first_touch_time_msec", "user_first_touch_time_msec"),
        ("first_referrer", "page_view_page_referrer"),
        ("first_traffic_source", "traffic_source_source"),
        ("first_traffic_medium", "traffic_source_medium"),
        ("first_traffic_campaign", "traffic_source_campaign"),
        ("first_traffic_channel_group", "traffic_source_channel_group"),
        ("first_app_install_source", "app_install_source"),
    ] {
        assert_eq!(user.get(of_user), first.get(of_event), "{of_user}");
    }
    assert_eq!(user["process_info"]["first_event_name"], first["event_name"]);
    let latest = named(&["_profile_set"]).max_by_key(time);
    assert_eq!(user.contains_key("user_properties"), latest.is_some());
    if let Some(latest) = latest {
        assert_eq!(user["user_properties"]["_user_id"]["value"], latest["user_id"]);
    }
}

#[test]
fn counts_of_bad_and_empty_inputs() {
    for (input, events, items, users, reason) in [
        ("S/original_data_raw_json_error.json", 0, 0, 0, "not_an_object"),
        ("S/original_data_raw_text_error.json", 0, 0, 0, "payload_not_base64"),
        ("S/original_data_with_error.json", 0, 0, 0, "payload_not_base64"),
        ("S/original_data_with_empty_user.json", 1, 3, 1, ""),
    ] {
        let Some(case) = run(input, &["uba-app", "app1"], PROJECT) else { return };
        let counts = ["event_v2", "item_v2", "user_v2"].map(|table| case.rows(table).len());
        assert_eq!(counts, [events, items, users], "{input}: {:?}", case.outcome.rejects);
        let reasons: Vec<_> = case.outcome.rejects.iter().map(|reject| reject.reason.as_str()).collect();
        assert!(reasons.iter().all(|found| *found == reason), "{input}: {reasons:?}");
        assert_eq!(reasons.is_empty(), reason.is_empty(), "{input}");
    }
}

/// The input holds rows before truncation, the expected file after it.
#[test]
fn truncation_of_every_text_column() {
    let Some(folder) = conformance() else { return };
    let setup = Setup { apps: &["a"], project: "p", rules: Rules::None, time_shift: true, freshness_hours: 72, now: 0 };
    let case = setup.run(folder, &[]);
    let text = crate::case::read(&case.folder, "S/event_v2/max_len_input.json");
    let input: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let expected = case.expected("S/event_v2/expected/test_max_len_transform_v2.json");
    let config: ClickstreamConfig =
        serde_json::from_value(serde_json::json!({"project_id": "p", "app_ids": ["a"]})).unwrap();
    let transformer = Clickstream::new(config, RuleSet::default()).unwrap();
    let (mut compared, mut cut) = (0, 0);
    for column in &transformer.tables()[0].schema.columns {
        let (Some(max_bytes), Some(text)) = (column.max_bytes, input[&column.name].as_str()) else { continue };
        let Some(expected) = expected.get(&column.name) else { continue };
        assert_eq!(truncate(text, max_bytes), expected.as_str().unwrap(), "{}", column.name);
        compared += 1;
        cut += usize::from(text.len() > max_bytes);
    }
    assert!(compared >= 20 && cut >= 5, "{compared} compared, {cut} cut");
}
