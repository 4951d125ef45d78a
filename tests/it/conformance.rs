//! The reference's cases of its whole program, run through ours.

use crate::support::{Scene, WINDOW, copy, visible_files};
use etl_sdk::testing::external::data;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// A job as the reference's tests run theirs: with time shift, and the short rules for the app.
fn scene(folder: &Path, app: &str, change: impl FnOnce(&mut Value)) -> Scene {
    let scene = Scene::with(|job| {
        job["transformer"]["with"] = json!({
            "project_id": "test_project_id_01", "app_ids": [app], "time_shift": true, "rules": "rules", "compat": "reference",
        });
        job["enrich"] = json!([
            {"name": "user-agent", "with": {
                "engine": "uap", "compat": "reference", "regexes": folder.join("uap/reference/regexes.yaml")}},
        ]);
        change(job);
    });
    let rules = scene.path("rules").join(app);
    fs::create_dir_all(&rules).unwrap();
    for kind in ["category", "channel"] {
        let from = folder.join(format!("S/ts/traffic_source_{kind}_rule_v0.json"));
        fs::copy(from, rules.join(format!("traffic_source_{kind}_rule_v1.json"))).unwrap();
    }
    scene
}

/// Without nulls, and without what depends on the run or on a database of places that cannot be passed on.
fn normalised(value: &Value) -> Value {
    let Some(members) = value.as_object() else { return value.clone() };
    let of_run = ["process_time", "process_job_id", "input_file_name", "created_time", "event_timestamp"];
    let kept = members.iter().filter(|(key, value)| {
        let place = key.starts_with("geo_") && *key != "geo_locale";
        !value.is_null() && !place && !of_run.contains(&key.as_str())
    });
    kept.map(|(key, value)| (key.clone(), normalised(value))).collect()
}

#[test]
fn the_first_event_of_a_whole_run() {
    let Some(folder) = data("conformance") else { return };
    let scene = scene(&folder, "uba-app", |job| job["sink"]["format"] = "json".into());
    scene.raw("batch.json", fs::read(folder.join("S/original_data_with_user_profile_set2.json")).unwrap());
    scene.run(&[]).done();
    let files = visible_files(&scene.path("out"));
    for table in ["event_v2", "item_v2", "user_v2", "session"] {
        let day = format!("{table}/partition_app=uba-app/partition_year=2023/partition_month=04/partition_day=24/");
        assert!(files.iter().any(|file| file.starts_with(&day)), "{table}: {files:?}");
    }
    let name = files.iter().find(|file| file.starts_with("event_v2/")).unwrap();
    let text = fs::read_to_string(scene.path("out").join(name)).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = expected_row(&folder);
    let row = rows.iter().find(|row| row["event_id"] == expected["event_id"]).unwrap();
    let (row, expected) = (normalised(row), normalised(&expected));
    for (column, value) in expected.as_object().unwrap() {
        assert_eq!(row.get(column), Some(value), "{column}");
    }
    assert_eq!(row.as_object().unwrap().len(), expected.as_object().unwrap().len(), "{row:#}");

    // As a person would compare the two: the expected file is one row of its table.
    let of_event: Vec<&str> =
        text.lines().filter(|line| line.contains(expected["event_id"].as_str().unwrap())).collect();
    fs::write(scene.path("ours.json"), of_event.join("\n")).unwrap();
    fs::write(scene.path("expected.json"), expected_row(&folder).to_string()).unwrap();
    let ignored = "created_time,process_info.process_time,process_info.process_job_id,process_info.input_file_name,\
                   geo_continent,geo_country,geo_city";
    let compared = scene.call(&[
        "compare",
        "ours.json",
        "expected.json",
        "--key",
        "event_id",
        "--ignore",
        ignored,
        "--time-tolerance",
        "1s",
    ]);
    assert_eq!(compared.code, 0, "{}{}", compared.stdout, compared.stderr);
}

/// The expected event as a line of JSON.
fn expected_row(folder: &Path) -> Value {
    let path = folder.join("S/event_v2/expected/etl_runner_v3_event1.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn columns_of_the_parquet_files() {
    let Some(folder) = data("conformance") else { return };
    let scene = scene(&folder, "app1", |_| {});
    scene.raw("batch.json", fs::read(folder.join("S/original_data_with_app1.json")).unwrap());
    scene.run(&[]).done();
    for table in ["event_v2", "item_v2", "user_v2", "session"] {
        let root = scene.path("out").join(table);
        let name = visible_files(&root).remove(0);
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(root.join(name)).unwrap()).unwrap();
        let ours: Vec<String> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
        let path = format!("S/event_v2/expected/{table}_parquet_schema.json");
        let expected: Value = serde_json::from_str(&fs::read_to_string(folder.join(path)).unwrap()).unwrap();
        let expected = expected["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap());
        let expected: Vec<&str> = expected.filter(|name| !name.starts_with("partition_")).collect();
        assert_eq!(ours, expected, "{table}");
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            assert_eq!(batch.column_by_name("created_time").unwrap().null_count(), 0, "{table}");
        }
    }
}

/// The reference reads days of folders, with or without a look at the files' times.
#[test]
fn selection_of_days_and_by_time() {
    let Some(folder) = data("conformance") else { return };
    let read = |day: &str, modified: u64| {
        let scene = scene(&folder, "uba-app", |job| {
            job["source"]["layout"] = "flat".into();
            job["source"]["select"] = "modified".into();
        });
        let data = folder.join("S/partition_data/year=2022/month=11");
        copy(&data.join(day), &scene.path("raw"));
        for name in visible_files(&scene.path("raw")) {
            let file = File::options().write(true).open(scene.path("raw").join(name)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(modified)).unwrap();
        }
        let run = scene.run(&["--allow-empty"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let steps = run.report["steps"].as_array().cloned().unwrap_or_default();
        let lines = steps.iter().find(|step| step["name"] == "source").map_or(0, |step| step["read"].as_u64().unwrap());
        (lines, run.dead("not_an_object"))
    };
    let in_window = 1_795_152_600; // 2026-11-20T05:30:00Z
    assert_eq!(WINDOW, "2026-11-20");
    assert_eq!(read("", in_window), (9, 1));
    assert_eq!(read("day=09", in_window), (2, 0));
    assert_eq!(read("day=11", in_window), (1, 1), "a line that is no object is a dead letter");
    assert_eq!(read("day=09", in_window - 86_400), (0, 0), "none was changed in the window");
}
