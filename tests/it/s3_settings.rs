//! What the `s3` sections say of buckets is said with every request that it is about, and each request is counted.

use crate::fault_proxy::{Fault, FaultProxy, Seen, Weather, When};
use crate::support::events::{event, good, line};
use crate::support::servers::{CREDENTIALS, Server, venv};
use crate::support::{Run, Scene, files};
use etl_runner::process::clock::Clock;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const OWNER: &str = "123456789012";
/// When all windows of the day are closed.
const NOW: &str = "2026-11-21T02:00:00Z";
const HOUR: [&str; 2] = ["--window", "2026-11-20T05/2026-11-20T06"];
const DAY: [&str; 6] = ["--from", "2026-11-20", "--to", "2026-11-21", "--every", "1h"];

/// Under which [`deep`] is a dead letter.
const SHALLOW: [&str; 2] = ["--set", "transformer.with.depth=6"];

fn deep(id: &str) -> String {
    let mut event = event(id, 0);
    event["attributes"]["deep"] = json!({"a": {"b": {"c": {"d": {"e": 1}}}}});
    line(&[event])
}

/// A bucket behind a proxy, and a job over it.
struct Bench<'a> {
    server: &'a Server,
    proxy: FaultProxy,
    bucket: &'static str,
    scene: Scene,
}

impl<'a> Bench<'a> {
    /// A job whose sections for S3 are `s3`, with an hour of input.
    fn new(server: &'a Server, bucket: &'static str, s3: Value) -> Self {
        let proxy = FaultProxy::start(&server.endpoint);
        let mut s3 = s3;
        s3["endpoint"] = proxy.endpoint.clone().into();
        let scene = Scene::with(|job| {
            job["source"]["url"] = format!("s3://{bucket}/raw").into();
            job["source"]["s3"] = s3.clone();
            job["sink"] = json!({"url": format!("s3://{bucket}/out"), "s3": s3, "compression": "zstd"});
            job["schedule"] = json!({"every": "1h", "start": "2026-11-20", "catch_up": 100});
        });
        server.make_bucket(bucket);
        let bench = Self { server, proxy, bucket, scene };
        bench.raw("05", "a", &format!("{}\n{}\nnot json\n", good("a"), deep("b")));
        bench
    }

    fn raw(&self, hour: &str, name: &str, text: &str) {
        let key = format!("raw/year=2026/month=11/day=20/hour={hour}/{name}.log");
        self.server.s3(json!([["put", self.bucket, key, text]]));
    }

    #[track_caller]
    fn call(&self, arguments: &[&str]) -> Run {
        let run = self.scene.call_with(&[arguments, &["--output", "json"]].concat(), &CREDENTIALS);
        assert_eq!(run.code, 0, "{arguments:?}: {}{}", run.stdout, run.stderr);
        run
    }

    #[track_caller]
    fn run(&self, more: &[&str]) -> Run {
        self.call(&[&["run", "job.yaml", "--now", NOW, "--progress", "none"], &HOUR[..], more].concat())
    }

    /// Everything that writes: a backfill, late input, a run again, a replay, a compaction, and what is left is removed.
    fn everything(&self) {
        self.raw("06", "a", &good("c"));
        self.raw("07", "a", &good("d"));
        let backfill = ["backfill", "job.yaml", "--now", NOW, "--progress", "none", "--parallel", "2"];
        self.call(&[&backfill[..], &DAY, &SHALLOW].concat());
        self.raw("05", "b", &good("e"));
        self.run(&SHALLOW);
        let replay = ["dead-letters", "replay", "job.yaml", "--all", "--progress", "none"];
        let replayed = self.call(&replay).report;
        assert_eq!(replayed["replay"]["windows"][0]["rows"]["event_v2"], 1, "{replayed}");
        self.call(&["compact", "job.yaml", "--now", "2026-11-24T00:00:00Z"]);
        let left = "out/event_v2/partition_app=shop/test-20261120T050000Z-20261120T060000Z.r7-00000-0.snappy.parquet";
        self.server.s3(json!([["begin", self.bucket, left]]));
        let later = (Clock::system().now() + chrono::TimeDelta::days(2)).to_rfc3339();
        let removed = self.call(&["gc", "job.yaml", "--apply", "--now", &later]).report;
        assert!(removed["gc"]["removed"]["pieces"].as_u64().unwrap() > 0, "{removed}");
        assert_eq!(self.server.s3(json!([["uploads", self.bucket]])), [json!([])]);
        self.call(&["sql", "job.yaml", "SELECT count(*) AS rows FROM event_v2"]);
    }

    /// What the server says of each object of the output.
    fn heads(&self) -> BTreeMap<String, Value> {
        serde_json::from_value(self.server.s3(json!([["head", self.bucket, "out/"]])).remove(0)).unwrap()
    }
}

/// As S3 names what a request asks for.
fn operation(seen: &Seen) -> &'static str {
    let query = seen.path.split_once('?').map_or("", |(_, query)| query);
    let has = |name: &str| query.split('&').any(|part| part.split('=').next() == Some(name));
    match seen.method.as_str() {
        "GET" if has("list-type") => "ListObjectsV2",
        "GET" if has("uploads") => "ListMultipartUploads",
        "GET" if has("uploadId") => "ListParts",
        "GET" => "GetObject",
        "HEAD" => "HeadObject",
        "PUT" if has("partNumber") => "UploadPart",
        "PUT" => "PutObject",
        "POST" if has("uploads") => "CreateMultipartUpload",
        "POST" if has("uploadId") => "CompleteMultipartUpload",
        "POST" => "DeleteObjects",
        "DELETE" if has("uploadId") => "AbortMultipartUpload",
        other => panic!("{other} {}", seen.path),
    }
}

/// A header that makes objects be kept in some way, as a request has it.
fn said<'s>(seen: &'s Seen, name: &str) -> Option<&'s str> {
    seen.headers.get(name).map(String::as_str)
}

/// Each of the headers that S3 wants to be signed is signed.
#[track_caller]
fn is_signed(seen: &Seen) {
    let authorization = &seen.headers["authorization"];
    let signed = authorization.split_once("SignedHeaders=").unwrap().1.split(',').next().unwrap();
    let signed: BTreeSet<&str> = signed.split(';').collect();
    for name in seen.headers.keys().filter(|name| name.starts_with("x-amz-")) {
        assert!(signed.contains(name.as_str()), "{name} is not signed: {seen:?}");
    }
}

#[track_caller]
fn each_request_says_it(requests: &[Seen], bucket: &str, key: &str) {
    let mut operations = BTreeSet::new();
    for seen in requests {
        is_signed(seen);
        assert_eq!(said(seen, "x-amz-expected-bucket-owner"), Some(OWNER), "{seen:?}");
        assert_eq!(said(seen, "x-amz-request-payer"), Some("requester"), "{seen:?}");
        let operation = operation(seen);
        operations.insert(operation);
        let makes = ["PutObject", "CreateMultipartUpload"].contains(&operation);
        let encryption = [
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption-aws-kms-key-id", key),
            ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
        ];
        for (name, value) in encryption {
            assert_eq!(said(seen, name), makes.then_some(value), "{name} {seen:?}");
        }
        let is_upload = operation == "CreateMultipartUpload";
        assert_eq!(said(seen, "x-amz-storage-class"), is_upload.then_some("STANDARD_IA"), "{seen:?}");
        if is_upload {
            assert!(!seen.path.starts_with(&format!("/{bucket}/out/_state/")), "{seen:?}");
        }
    }
    let all = [
        "AbortMultipartUpload",
        "CompleteMultipartUpload",
        "CreateMultipartUpload",
        "DeleteObjects",
        "GetObject",
        "HeadObject",
        "ListMultipartUploads",
        "ListObjectsV2",
        "ListParts",
        "PutObject",
        "UploadPart",
    ];
    assert_eq!(operations.into_iter().collect::<Vec<_>>(), all);
    let creates = |seen: &&Seen| said(seen, "if-none-match") == Some("*");
    assert!(requests.iter().any(|seen| creates(&seen) && seen.path.contains("/log/")), "entries are only created");
}

fn kept(bucket_key: bool) -> Value {
    json!({
        "encryption": {"kms_key": "", "bucket_key": bucket_key},
        "storage_class": "STANDARD_IA",
        "requester_pays": true,
        "expected_bucket_owner": OWNER,
    })
}

fn key_of(kms: &Server) -> String {
    kms.s3(json!([["kms_key"]])).remove(0).as_str().unwrap().to_owned()
}

#[test]
fn every_request_says_how_objects_are_kept_and_who_pays() {
    let Some(venv) = venv() else { return };
    let moto = Server::moto(&venv);
    let key = key_of(&moto);
    let mut s3 = kept(true);
    s3["encryption"]["kms_key"] = key.clone().into();
    let bench = Bench::new(&moto, "kept", s3);
    bench.everything();
    each_request_says_it(&bench.proxy.take_seen(), "kept", &key);
    let heads = bench.heads();
    assert!(heads.keys().any(|object| object.contains("/_manifests/")), "{:?}", heads.keys());
    for (object, head) in heads {
        assert_eq!(head["encryption"], "aws:kms", "{object}");
        assert!(head["key"].as_str().unwrap().contains(&key), "{object} {head}");
        let is_state = object.starts_with("out/_state/");
        assert_eq!(head["class"], if is_state { Value::Null } else { json!("STANDARD_IA") }, "{object}");
    }
}

/// The objects below a prefix whose bytes are on the server's disk as they were sent, by the ends of their names. The server
/// compresses what it can, so only those of bytes that cannot be are found at all.
fn found_on_disk(bench: &Bench<'_>) -> BTreeSet<String> {
    let data = bench.server.folder.path().join("data");
    let disk: Vec<u8> = files(&data).iter().flat_map(|file| fs::read(data.join(file)).unwrap()).collect();
    let folder = tempfile::tempdir().unwrap();
    bench.server.s3(json!([["download", bench.bucket, "out/", folder.path()]]));
    let kind = |name: &str| name.rsplit('.').next().unwrap().to_owned();
    let is_there = |name: &&String| {
        let bytes = fs::read(folder.path().join(name)).unwrap();
        let middle = &bytes[bytes.len() / 2..];
        middle.len() >= 64 && memchr::memmem::find(&disk, &middle[..64]).is_some()
    };
    let all = files(folder.path());
    assert!(all.len() > 20, "{all:?}");
    // What others hold may be the name of an object, which is kept elsewhere too.
    let compressed = all.iter().filter(|name| ["gz", "parquet", "zst"].contains(&&*kind(name)));
    compressed.filter(is_there).map(|name| kind(name)).collect()
}

#[test]
fn what_a_server_keeps_is_encrypted_with_the_key_and_its_signatures_hold() {
    let Some(venv) = venv() else { return };
    let kms = Server::moto(&venv);
    let provider = json!({"type": "aws", "region": "us-east-1", "endpoint": kms.endpoint});
    let settings = json!({"kms": {"default_provider": "aws", "providers": {"aws": provider}}});
    let server = Server::seaweedfs_with(&venv, &settings);
    let mut s3 = kept(false);
    s3["encryption"]["kms_key"] = key_of(&kms).into();
    for (bucket, s3) in [("kms", s3), ("own", json!({"encryption": "s3"})), ("plain", json!({}))] {
        let bench = Bench::new(&server, bucket, s3);
        // Enough that cannot be compressed further.
        let mut random = fastrand::Rng::with_seed(7);
        let mut large = event("large", 0);
        large["attributes"]["note"] = (0..400_000).map(|_| random.alphanumeric()).collect::<String>().into();
        bench.raw("08", "a", &line(&[large]));
        bench.everything();
        let encryption: BTreeSet<String> = bench.heads().values().map(|head| head["encryption"].to_string()).collect();
        let (expected, found) = match bucket {
            "kms" => ("\"aws:kms\"", vec![]),
            "own" => ("\"AES256\"", vec![]),
            _ => ("null", vec!["gz", "parquet", "zst"]),
        };
        assert_eq!(encryption.into_iter().collect::<Vec<_>>(), [expected]);
        assert_eq!(found_on_disk(&bench).into_iter().collect::<Vec<_>>(), found, "{bucket}");
    }
}

/// Requests of the reports by operation, with what `of` says of each.
fn counted(reports: &[Value], of: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for report in reports {
        let mut by_place = 0;
        for operation in report["s3"]["operations"].as_array().unwrap() {
            let number = operation[of].as_u64().unwrap();
            by_place += number;
            *sums.entry(operation["operation"].as_str().unwrap().to_owned()).or_insert(0) += number;
        }
        assert_eq!(report["s3"][of], by_place, "{report}");
    }
    sums
}

/// The same of what the proxy saw.
fn seen(requests: &[Seen], of: fn(&Seen) -> u64) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for seen in requests {
        *sums.entry(operation(seen).to_owned()).or_insert(0) += of(seen);
    }
    sums
}

/// Operations of which a command does nothing beside its runs.
const OF_RUNS: [&str; 3] = ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"];

#[test]
fn requests_are_counted_for_the_run_that_makes_them() {
    let Some(venv) = venv() else { return };
    let moto = Server::moto(&venv);
    let bench = Bench::new(&moto, "counted", json!({}));
    let run = bench.run(&[]);
    let requests = bench.proxy.take_seen();
    let report = std::slice::from_ref(&run.report);
    let (own, all) = (counted(report, "requests"), seen(&requests, |_| 1));
    let (sent, seen_sent) = (counted(report, "bytes_sent"), seen(&requests, |seen| seen.length));
    for operation in OF_RUNS {
        assert_eq!((own[operation], sent[operation]), (all[operation], seen_sent[operation]), "{operation}");
    }
    assert!(own.iter().all(|(operation, count)| *count <= all[operation]), "{own:?} {all:?}");
    // The report itself and the lease's end come after it was made.
    assert!(own.values().sum::<u64>() + 10 >= all.values().sum::<u64>(), "{own:?} {all:?}");
    let source = run.report["s3"]["operations"].as_array().unwrap().iter();
    let source = source.clone().find(|found| found["place"] == "source" && found["operation"] == "GetObject").unwrap();
    assert_eq!(source["bytes_received"], run.report["bytes"]["compressed"], "one object, read once");
    let screen = bench.scene.call_with(&["runs", "job.yaml", "--show", HOUR[1]], &CREDENTIALS).stdout;
    let line = screen.lines().find(|line| line.starts_with("s3 requests")).unwrap_or_else(|| panic!("{screen}"));
    assert!(line.contains("PutObject") && line.contains("GetObject"), "{line}");
    let sql = bench.call(&["sql", "job.yaml", "SELECT s3_requests, s3_bytes_sent FROM runs"]).report;
    assert_eq!(sql[0]["s3_requests"], run.report["s3"]["requests"]);

    // Windows side by side have their own.
    for hour in ["06", "07", "08", "09"] {
        bench.raw(hour, "a", &good(hour));
    }
    bench.proxy.take_seen();
    let backfill = ["backfill", "job.yaml", "--now", NOW, "--progress", "none", "--parallel", "3"];
    bench.call(&[&backfill[..], &DAY].concat());
    let requests = bench.proxy.take_seen();
    let is_new = |run: &Value| run["status"] == "done" && run["window"]["start"] != "2026-11-20T05:00:00Z";
    let listed = bench.call(&["runs", "job.yaml"]).report;
    let names: Vec<String> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter(|run| is_new(run))
        .map(|run| run["report"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names.len(), 4, "{listed}");
    let reports: Vec<Value> =
        names.iter().map(|name| bench.call(&["runs", "job.yaml", "--show", name]).report).collect();
    let (own, all) = (counted(&reports, "requests"), seen(&requests, |_| 1));
    let (sent, seen_sent) = (counted(&reports, "bytes_sent"), seen(&requests, |seen| seen.length));
    for operation in OF_RUNS {
        assert_eq!((own[operation], sent[operation]), (all[operation], seen_sent[operation]), "{operation}");
    }
    for report in &reports {
        let parts = report["s3"]["operations"].as_array().unwrap().iter();
        let read: u64 = parts
            .clone()
            .filter(|part| part["place"] == "source" && part["operation"] == "GetObject")
            .map(|part| part["bytes_received"].as_u64().unwrap())
            .sum();
        assert_eq!(read, report["bytes"]["compressed"].as_u64().unwrap(), "{report}");
    }
}

#[test]
fn failed_attempts_are_counted_as_such() {
    let Some(venv) = venv() else { return };
    let moto = Server::moto(&venv);
    let bench = Bench::new(&moto, "failing", json!({}));
    for fault in [Fault::SlowDown, Fault::ResetBefore] {
        let only = |method: &str, path: &str| method == "PUT" && path.contains("partNumber");
        let weather = Weather { only, ..Weather::new(fault, When::Burst { every: 4, length: 2 }) };
        bench.proxy.set(weather);
        let run = bench.run(&[]);
        let hits = bench.proxy.hits();
        assert!(hits > 0);
        assert_eq!(
            counted(std::slice::from_ref(&run.report), "failed")["UploadPart"],
            hits,
            "{fault:?} {}",
            run.report["s3"]
        );
        bench.proxy.set(Weather::calm());
        bench.raw("05", &format!("{fault:?}"), &good("x"));
    }
}

#[test]
fn a_run_over_folders_counts_nothing() {
    let scene = Scene::new();
    scene.raw("a.log", good("a"));
    let run = scene.run(&[]).done();
    assert!(run.report.get("s3").is_none(), "{}", run.report);
}

#[test]
fn what_cannot_be_is_refused_with_the_setting() {
    let refused = |section: &str, s3: Value| {
        let scene = Scene::with(|job| {
            job[section]["url"] = "s3://bucket/below".into();
            job[section]["s3"] = s3;
        });
        let run = scene.call(&["check", "job.yaml"]);
        assert_eq!(run.code, 2, "{}{}", run.stdout, run.stderr);
        run.stderr
    };
    for (section, s3, parts) in [
        ("sink", json!({"encryption": {"bucket_key": true}}), ["`sink.s3.encryption.kms_key` is missing", "job.yaml:"]),
        ("sink", json!({"encryption": "kms"}), ["`sink.s3.encryption` cannot be `kms`", "s3"]),
        ("sink", json!({"encryption": {"kms_key": "etl"}}), ["`sink.s3.encryption`", "alias/NAME"]),
        ("sink", json!({"storage_class": "STANDRAD_IA"}), ["`sink.s3.storage_class`", "did you mean `STANDARD_IA`"]),
        ("dead_letter", json!({"storage_class": "DEEP_ARCHIVE"}), ["`dead_letter.s3.storage_class`", "GLACIER_IR"]),
        ("state", json!({"storage_class": "STANDARD_IA"}), ["storage class", "small and short-lived"]),
        ("source", json!({"expected_bucket_owner": "1234"}), ["`source.s3.expected_bucket_owner`", "12 digits"]),
        ("source", json!({"requester_pays": true, "anonymous": true}), ["`source.s3.requester_pays`", "anonymous"]),
    ] {
        let stderr = refused(section, s3);
        for part in parts {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
    }
}
