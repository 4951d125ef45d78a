use super::files::{CommitFile, FOLDER, ManifestInput, ManifestObject, location_of};
use super::partitions::{Change, PartitionList};
use super::record::ManifestRecord;
use super::write::{paths, write_objects};
use super::*;
use crate::commit::{CommitDetail, TargetRecord};
use crate::output::sink::{TableSinkSpec, hive};
use crate::output::staging::memory::MemoryStore;
use crate::output::staging::{PartitionValue, PendingStore};
use crate::publish::{Replacing, Target};
use crate::storage::{S3Config, Storage};
use crate::text::ByteSize;
use etl_sdk::{PartitionBy, PartitionPart, TableSchema};
use std::path::Path;
use std::sync::Arc;

const SCHEMA: &str = r#"{"table":"TABLE","description":"","columns":[{"name":"app","type":"string"},
    {"name":"date","type":"date"},{"name":"time","type":"timestamp"},{"name":"id","type":"bigint"}]}"#;

const NAME: &str = "shop-20261120T000000Z-20261120T010000Z";

fn partition(app: Option<&str>, day: &str) -> Vec<PartitionValue> {
    let part = |name: &str, value: Option<&str>| PartitionValue::from((name.to_owned(), value.map(str::to_owned)));
    vec![part("partition_app", app), part("partition_day", Some(day))]
}

/// A file as the sink would name it.
struct Owned {
    table: &'static str,
    partition: Vec<PartitionValue>,
    path: String,
    bytes: u64,
}

fn owned(table: &'static str, app: Option<&str>, day: &str, number: usize, bytes: u64) -> Owned {
    let mut folder = String::new();
    for (name, value) in [("partition_app", app), ("partition_day", Some(day))] {
        hive::push_part(&mut folder, name, value).unwrap();
    }
    let path = format!("{table}/{folder}/{NAME}-00000-{number}.snappy.parquet");
    Owned { table, partition: partition(app, day), path, bytes }
}

impl Owned {
    fn file(&self) -> CommitFile<'_> {
        CommitFile { table: self.table, partition: &self.partition, path: &self.path, bytes: self.bytes, rows: 10 }
    }
}

fn input<'a>(added: &'a [Owned], removed: &'a [Owned]) -> ManifestInput<'a> {
    ManifestInput {
        name: NAME,
        location: "s3://acme/tables",
        added: added.iter().map(Owned::file).collect(),
        removed: removed.iter().map(Owned::file).collect(),
    }
}

fn rules(files: u32, bytes: u64) -> ManifestRules {
    let per = [("event_v2".to_owned(), vec!["partition_app".to_owned()])];
    ManifestRules { copy: true, partitions: true, per: per.into(), files, bytes }
}

fn objects(rules: &ManifestRules, input: &ManifestInput<'_>) -> Vec<(String, String)> {
    let mut objects = Vec::new();
    let mut write = |object: ManifestObject| {
        objects.push((object.path, String::from_utf8(object.bytes).unwrap()));
        Ok(())
    };
    write_objects(rules, input, &mut write).unwrap();
    objects
}

/// Paths and urls of the COPY manifests.
fn manifests(rules: &ManifestRules, input: &ManifestInput<'_>) -> Vec<(String, Vec<String>)> {
    let copies = objects(rules, input).into_iter().filter(|(path, _)| path.ends_with(".manifest"));
    copies
        .map(|(path, text)| {
            let body: serde_json::Value = serde_json::from_str(&text).unwrap();
            let urls = body["entries"].as_array().unwrap().iter();
            (path, urls.map(|entry| entry["url"].as_str().unwrap().to_owned()).collect())
        })
        .collect()
}

#[test]
fn a_manifest_is_exactly_what_copy_reads() {
    let files = [owned("event_v2", Some("shop"), "20", 0, 8_912_078), owned("event_v2", Some("shop"), "20", 1, 5)];
    let objects = objects(&rules(50, 1 << 32), &input(&files, &[]));
    let folder = "s3://acme/tables/event_v2/partition_app=shop/partition_day=20";
    assert_eq!(objects[0].0, format!("_manifests/event_v2/shop/{NAME}-00000.manifest"));
    assert_eq!(
        objects[0].1,
        format!(
            r#"{{"entries":[{{"url":"{folder}/{NAME}-00000-1.snappy.parquet","mandatory":true,"meta":{{"content_length":5}}}},{{"url":"{folder}/{NAME}-00000-0.snappy.parquet","mandatory":true,"meta":{{"content_length":8912078}}}}]}}"#
        )
    );
    assert_eq!(objects[1].0, format!("_manifests/{NAME}.partitions.json"));
    assert_eq!(objects.len(), 2);
}

#[test]
fn files_and_bytes_limit_a_manifest_and_days_come_one_after_the_other() {
    let sizes = [("21", 10), ("20", 30), ("20", 10), ("20", 20), ("22", 100), ("21", 10)];
    let files: Vec<Owned> = sizes
        .iter()
        .enumerate()
        .map(|(number, (day, bytes))| owned("event_v2", Some("shop"), day, number, *bytes))
        .collect();
    let numbers = |most_files, most_bytes| -> Vec<Vec<usize>> {
        let place = |url: &String| files.iter().position(|file| url.ends_with(&file.path)).unwrap();
        let found = manifests(&rules(most_files, most_bytes), &input(&files, &[]));
        for (number, (path, _)) in found.iter().enumerate() {
            assert_eq!(path, &format!("_manifests/event_v2/shop/{NAME}-{number:05}.manifest"));
        }
        found.iter().map(|(_, urls)| urls.iter().map(place).collect()).collect()
    };
    assert_eq!(numbers(50, 1_000), [[2, 3, 1, 0, 5, 4]]);
    assert_eq!(numbers(4, 1_000), [&[2, 3, 1, 0][..], &[5, 4]]);
    assert_eq!(numbers(50, 60), [&[2, 3, 1][..], &[0, 5], &[4]], "60 fits, and a larger file stands alone");
    assert_eq!(numbers(50, 0).len(), 6);
    assert_eq!(numbers(0, 1_000).len(), 6, "a limit of none is one");
}

#[test]
fn each_table_and_app_has_its_own() {
    let files = [
        owned("event_v2", Some("web"), "20", 0, 1),
        owned("session", Some("web"), "20", 0, 1),
        owned("event_v2", Some("app"), "21", 0, 1),
        owned("session", Some("app"), "20", 0, 1),
        owned("event_v2", Some("web"), "21", 0, 1),
        owned("event_v2", None, "20", 0, 1),
    ];
    let input = input(&files, &[]);
    let expected = [
        ("event_v2/__HIVE_DEFAULT_PARTITION__", 1),
        ("event_v2/app", 1),
        ("event_v2/web", 2),
        // A table that has no such column has one group.
        ("session", 2),
    ];
    let found = manifests(&rules(50, 1_000), &input);
    let counts: Vec<(String, usize)> = found.iter().map(|(path, urls)| (path.clone(), urls.len())).collect();
    let expected: Vec<(String, usize)> =
        expected.iter().map(|(folder, files)| (format!("_manifests/{folder}/{NAME}-00000.manifest"), *files)).collect();
    assert_eq!(counts, expected);
    let all: Vec<String> = objects(&rules(50, 1_000), &input).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths(&rules(50, 1_000), &input), all);
}

#[test]
fn names_of_apps_neither_leave_the_folder_nor_meet() {
    let longest = "x".repeat(241);
    let apps = [
        "..",
        ".",
        "../..",
        "/",
        "a/b",
        "a%2Fb",
        "a\\b",
        "_x",
        "%5Fx",
        ".x",
        "%2Ex",
        "__HIVE_DEFAULT_PARTITION_",
        "a b",
        "a\nb",
        "a\u{85}b",
        "ü",
        "A",
        "a",
        "",
        &longest,
    ];
    let files: Vec<Owned> = apps.iter().map(|app| owned("event_v2", Some(app), "20", 0, 1)).collect();
    let rules = ManifestRules { partitions: false, ..rules(50, 1_000) };
    let mut paths = paths(&rules, &input(&files, &[]));
    for path in &paths {
        let parts: Vec<&str> = path.split('/').collect();
        assert_eq!((parts.len(), parts[0], parts[1]), (4, FOLDER, "event_v2"), "{path}");
        assert!(!parts[2].is_empty() && !parts[2].starts_with('.'), "{path}");
        crate::output::staging::path::check_path(path).unwrap();
        object_store::path::Path::parse(path).unwrap();
    }
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), apps.len());
}

#[test]
fn nothing_is_written_of_nothing_and_of_what_is_turned_off() {
    assert_eq!(objects(&rules(50, 1_000), &input(&[], &[])), []);
    let files = [owned("event_v2", Some("shop"), "20", 0, 1)];
    let endings = |copy, partitions| -> Vec<String> {
        let rules = ManifestRules { copy, partitions, ..rules(50, 1_000) };
        let made = objects(&rules, &input(&files, &[]));
        assert_eq!(paths(&rules, &input(&files, &[])), made.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>());
        made.iter().map(|(path, _)| path.rsplit_once('.').unwrap().1.to_owned()).collect()
    };
    assert_eq!(endings(true, false), ["manifest"]);
    assert_eq!(endings(false, true), ["json"]);
    assert_eq!(endings(false, false), [""; 0]);
    assert_eq!(paths(&rules(50, 1_000), &input(&[], &[])), [""; 0]);
}

#[test]
fn the_partition_list_says_what_came_and_what_went() {
    let added = [
        owned("event_v2", Some("A/b"), "20", 0, 7),
        owned("event_v2", Some("A/b"), "20", 1, 8),
        owned("event_v2", None, "21", 0, 9),
    ];
    let removed = [owned("event_v2", Some("A/b"), "20", 7, 1), owned("session", Some("gone"), "20", 0, 1)];
    let objects = objects(&ManifestRules { copy: false, ..rules(50, 1_000) }, &input(&added, &removed));
    let list: serde_json::Value = serde_json::from_str(&objects[0].1).unwrap();
    let expected = serde_json::json!({
        "version": 1,
        "run": NAME,
        "tables": [
            {"table": "event_v2", "partitions": [
                {
                    "values": [{"name": "partition_app", "value": "A/b"}, {"name": "partition_day", "value": "20"}],
                    "location": "s3://acme/tables/event_v2/partition_app=A%2Fb/partition_day=20/",
                    "change": "replaced", "files": 2, "rows": 20, "bytes": 15, "removed_files": 1,
                },
                {
                    "values": [{"name": "partition_app", "value": null}, {"name": "partition_day", "value": "21"}],
                    "location": "s3://acme/tables/event_v2/partition_app=__HIVE_DEFAULT_PARTITION__/partition_day=21/",
                    "change": "added", "files": 1, "rows": 10, "bytes": 9, "removed_files": 0,
                },
            ]},
            {"table": "session", "partitions": [
                {
                    "values": [{"name": "partition_app", "value": "gone"}, {"name": "partition_day", "value": "20"}],
                    "location": "s3://acme/tables/session/partition_app=gone/partition_day=20/",
                    "change": "removed", "files": 0, "rows": 0, "bytes": 0, "removed_files": 1,
                },
            ]},
        ],
    });
    assert_eq!(list, expected);
    let read: PartitionList = serde_json::from_value(expected).unwrap();
    assert_eq!(read.tables[1].partitions[0].change, Change::Removed);
}

#[test]
fn a_table_without_partitions_is_one_partition() {
    let files = [Owned { table: "t", partition: Vec::new(), path: format!("t/{NAME}-00000-0.json"), bytes: 3 }];
    let objects = objects(&rules(50, 1_000), &input(&files, &[]));
    assert_eq!(objects[0].0, format!("_manifests/t/{NAME}-00000.manifest"));
    assert!(
        objects[1].1.contains(r#""values":[],"location":"s3://acme/tables/t/","change":"added""#),
        "{}",
        objects[1].1
    );
}

#[test]
fn the_order_of_the_files_is_no_matter_and_many_are_no_trouble() {
    let apps: Vec<String> = (0..100).map(|number| format!("app{number:02}")).collect();
    let mut files: Vec<Owned> = (0..100_000)
        .map(|number| owned("event_v2", Some(&apps[number % 100]), &format!("{:02}", number / 100 % 30), number, 1_000))
        .collect();
    let found = objects(&rules(50, 1 << 32), &input(&files, &[]));
    // 1,000 files of each of 100 apps, 50 a manifest.
    assert_eq!(found.len(), 100 * 20 + 1);
    let entries: usize = found.iter().map(|(_, text)| text.matches("content_length").count()).sum();
    assert_eq!(entries, files.len());
    files.reverse();
    assert!(objects(&rules(50, 1 << 32), &input(&files, &[])) == found);
}

#[test]
fn locations_are_urls_of_the_sink() {
    let open = |url: &str| Storage::open(url, &S3Config::default(), Path::new("/data")).unwrap();
    assert_eq!(location_of(open("out dir/%20").url()), "file:///data/out dir/%20");
    assert_eq!(location_of(open("s3://acme/tables/").url()), "s3://acme/tables");
}

#[test]
fn rules_come_from_the_job_and_the_tables() {
    let by = |name: &str, column: &str, part| PartitionBy { name: name.to_owned(), column: column.to_owned(), part };
    let spec = |table: &str, partition_by: &[PartitionBy]| {
        let schema = TableSchema::parse(&SCHEMA.replace("TABLE", table)).unwrap();
        let input = schema.working_schema();
        TableSinkSpec::new(&schema, input, partition_by).unwrap()
    };
    let app = by("partition_app", "app", PartitionPart::Value);
    let date = by("day", "date", PartitionPart::Value);
    let year = by("year", "time", PartitionPart::Year);
    let tables = [
        spec("a", &[year.clone(), date, app.clone()]),
        spec("b", std::slice::from_ref(&year)),
        spec("c", &[app, year]),
    ];
    let rules = |per: Option<&[&str]>| {
        let per = per.map(|columns| columns.iter().map(|column| (*column).to_owned()).collect());
        crate::targets::manifests::rules(&ManifestConfig { per, ..ManifestConfig::default() }, &tables)
    };
    let columns = |per| rules(per).unwrap().per.into_values().collect::<Vec<_>>();
    assert_eq!(columns(None), [vec!["partition_app"], vec![], vec!["partition_app"]], "a date is no app");
    assert_eq!(columns(Some(&[])), [[""; 0]; 3]);
    assert_eq!(
        columns(Some(&["year", "partition_app"])),
        [vec!["year", "partition_app"], vec!["year"], vec!["year", "partition_app"]]
    );
    let error = rules(Some(&["partition_ap"])).unwrap_err();
    assert!(error.to_string().contains("partition_ap"), "{error}");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("partition_app")), "{error}");
    let defaults = rules(None).unwrap();
    assert_eq!((defaults.files, ByteSize(defaults.bytes).to_string()), (50, "4GiB".to_owned()));
    let text = serde_json::to_string(&defaults).unwrap();
    assert_eq!(serde_json::from_str::<ManifestRules>(&text).unwrap(), defaults);
}

/// A detail as it was written when manifests had fields of their own.
const FORM_1: &str = r#"{"format":1,"name":"shop-20261120T000000Z-20261120T010000Z.r1",
    "window":"2026-11-20T00:00:00Z/2026-11-20T01:00:00Z","now_msec":1795136460000,"program":"0.1.0",
    "inputs":"inputs/x.json.zst","sink":"/data/out","dead_letter_url":"/data/out/_dead_letters",
    "files":[{"table":"event_v2","partition":[["partition_app","shop"],["partition_day",null]],
        "pending":{"path":"event_v2/partition_app=shop/x-0.snappy.parquet","bytes":5,
            "staged":{"hidden":{"path":"event_v2/.x"}}},"rows":1}],
    "dead_letters":[],
    "replaces":{"files":[{"table":"event_v2","partition":[["partition_app","shop"]],"path":"event_v2/old.parquet"}],
        "dead_letters":[],"manifests":["_manifests/event_v2/shop/old-00000.manifest"]},
    "manifests":{"copy":true,"partitions":false,"per":{"event_v2":["partition_app"]},"files":50,"bytes":4294967296},
    "replayed_objects":[["s3://raw/errors/a",null],["s3://raw/errors/b","\"etag\""]],
    "ledger":{"steps":[]}}"#;

fn record_of(detail: &CommitDetail) -> ManifestRecord {
    detail.targets["manifests"].read().unwrap()
}

#[test]
fn a_detail_of_the_form_before_has_the_record_of_its_manifests() {
    let detail = CommitDetail::parse(FORM_1.as_bytes()).unwrap();
    assert_eq!(detail.format, CommitDetail::FORMAT);
    let record = record_of(&detail);
    assert_eq!(record.replaced, ["_manifests/event_v2/shop/old-00000.manifest"]);
    assert_eq!(record.rules, ManifestRules { partitions: false, ..rules(50, 1 << 32) });
    let again = serde_json::to_string(&detail).unwrap();
    assert_eq!(CommitDetail::parse(again.as_bytes()).unwrap(), detail);
    let pairs = r#""replayed_objects":[["s3://raw/errors/a",null],["s3://raw/errors/b","\"etag\""]]"#;
    assert!(again.contains(pairs), "{again}");

    let mut older: serde_json::Value = serde_json::from_str(FORM_1).unwrap();
    older.as_object_mut().unwrap().remove("manifests");
    let older = CommitDetail::parse(older.to_string().as_bytes()).unwrap();
    assert_eq!(record_of(&older).rules, ManifestRules::default(), "older than manifests: nothing is announced");

    let newer = FORM_1.replace(r#""format":1"#, r#""format":4"#);
    let error = CommitDetail::parse(newer.as_bytes()).unwrap_err();
    assert!(error.hint_text().is_some_and(|hint| hint.contains("newer version")), "{error}");
}

#[test]
fn a_commit_takes_back_what_those_it_replaces_announced_and_were_to_take_back() {
    let store: Arc<dyn PendingStore> = Arc::new(MemoryStore::default());
    let target = Manifests::new(store, ManifestRules::default());
    let old = CommitDetail::parse(FORM_1.as_bytes()).unwrap();
    let record = |replaced: &[&CommitDetail], unpublished: &[&CommitDetail]| {
        let details = |of: &[&CommitDetail]| of.iter().map(|detail| (*detail).clone()).collect();
        let replacing = Replacing { replaced: details(replaced), unpublished: details(unpublished) };
        target.record(&replacing).unwrap().map(|record: TargetRecord| record.read::<ManifestRecord>().unwrap().replaced)
    };
    let announced = "_manifests/event_v2/shop/shop-20261120T000000Z-20261120T010000Z.r1-00000.manifest";
    assert_eq!(record(&[], &[]), None, "turned off, and nothing is replaced");
    assert_eq!(record(&[&old], &[]).unwrap(), [announced]);
    assert_eq!(record(&[&old], &[&old]).unwrap(), [announced, "_manifests/event_v2/shop/old-00000.manifest"]);
}
