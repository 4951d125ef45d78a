//! `iam-policy` against what the program calls: a recording proxy between it and the store sees every request, each must be
//! allowed by the printed policy, and nothing of the policy may be left over.

use crate::fault_proxy::{Asked, FaultProxy};
use crate::iam::{Need, allows, fits, needs, refused, texts};
use crate::support::events::{event, event_with, good, line};
use crate::support::servers::{CREDENTIALS, Server, venv};
use crate::support::{Run, Scene, project};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const LATER: &str = "2026-11-23T00:00:00Z";

/// A column more.
const GROWN: &str = r#"--set enrich=[{"sql":"grown.sql"}] "#;

/// A job whose places are in buckets, with a record of what is asked of them.
struct World {
    server: Server,
    proxy: FaultProxy,
    scene: Scene,
}

impl World {
    fn new(change: impl FnOnce(&mut Value)) -> Option<Self> {
        let server = Server::moto(&venv()?);
        let proxy = FaultProxy::start(&server.endpoint);
        let s3 = json!({"endpoint": proxy.endpoint});
        let scene = Scene::with(|job| {
            job["source"]["url"] = "s3://raw/in".into();
            job["source"]["s3"] = s3.clone();
            job["sink"] = json!({"url": "s3://tables/shop", "s3": s3});
            job["transformer"]["with"]["rules"] = "s3://config/rules".into();
            job["aws"] = json!({"endpoint": proxy.endpoint, "region": "us-east-1"});
            job["schedule"] = json!({"every": "1h", "start": "2026-11-20T05", "catch_up": 2});
            change(job);
        });
        for bucket in ["raw", "tables", "config", "state", "dead", "pipeline"] {
            server.make_bucket(bucket);
        }
        let rules = project().join("fixtures/clickstream/rules");
        server.s3(json!([["upload", "config", "rules/", rules]]));
        Some(Self { server, proxy, scene })
    }

    /// An object of the source.
    fn put(&self, hour: u32, name: &str, text: String) {
        let key = format!("in/year=2026/month=11/day=20/hour={hour:02}/{name}.log");
        self.server.s3(json!([["put", "raw", key, text]]));
    }

    /// Calls the program, which ends with one of these codes.
    #[track_caller]
    fn call(&self, command: &str, codes: &[i32]) -> Run {
        let arguments: Vec<&str> = command.split(' ').collect();
        let run = self.scene.call_with(&arguments, &CREDENTIALS);
        assert!(codes.contains(&run.code), "{command}: {}{}{}", run.code, run.stdout, run.stderr);
        run
    }

    fn policy(&self, purpose: &str) -> Vec<Value> {
        let account = ["--account", "123456789012"];
        let call = [&["iam-policy", "job.yaml", "--for", purpose, "--output", "json"], &account[..]].concat();
        let run = self.scene.call(&call);
        assert_eq!((run.code, &run.report["Version"]), (0, &json!("2012-10-17")), "{}", run.stderr);
        run.report["Statement"].as_array().unwrap().clone()
    }

    fn take_needs(&self) -> BTreeSet<Need> {
        let asked: BTreeSet<Asked> = self.proxy.take_asked().into_iter().collect();
        assert!(asked.iter().all(|asked| asked.status < 500), "{asked:#?}");
        asked.iter().flat_map(needs).collect()
    }
}

/// A line whose event is too long unless the job is told to take it.
fn long(id: &str) -> String {
    line(&[event_with(id, &[("app_title", "x".repeat(7_000).into())])])
}

/// All that writes: new windows, late data, a refused run that is taken up, replays, merges, and what clears away.
fn write(world: &World) {
    let short = "--set limits.record_bytes=4000 --progress none --output json";
    for hour in 5..8 {
        world.put(
            hour,
            "a",
            [good(&format!("h{hour}")), long(&format!("long{hour}")), "no event".to_owned()].join("\n"),
        );
    }
    world.call(&format!("run job.yaml --now 2026-11-20T07:05:00Z {short}"), &[0]);
    world.put(6, "late", good("late"));
    world.call(&format!("run job.yaml --now 2026-11-20T08:05:00Z {short}"), &[0]);
    world.call("dead-letters replay job.yaml --window 2026-11-20T05/PT1H --progress none", &[0]);
    world.call("dead-letters drop job.yaml --window 2026-11-20T06/PT1H --reason not_json --yes", &[0]);
    // Its tasks leave uploads, which the next run takes up; those of the run after it nobody does.
    world.put(8, "a", ["no event".to_owned(), line(&[event("h8", 3 * 3_600_000)])].join("\n"));
    let eighth = format!("run job.yaml --window 2026-11-20T08/PT1H --now {LATER} {short}");
    world.call(&format!("{eighth} --set limits.dead_letters=0"), &[3]);
    world.call(&eighth, &[0]);
    world.put(9, "a", ["no event".to_owned(), line(&[event("h9", 4 * 3_600_000)])].join("\n"));
    let ninth = format!("run job.yaml --window 2026-11-20T09/PT1H --now {LATER} {short}");
    world.call(&format!("{ninth} --set limits.dead_letters=0"), &[3]);
    // A run that was killed while it wrote a dead letter, where those have a bucket.
    let killed = "letters/job=test/dt=2026-11-20/run=test-20261120T100000Z-20261120T110000Z/part-00000.json.gz";
    world.server.s3(json!([["begin", "dead", killed]]));
    world.call(&format!("gc job.yaml --apply --older-than 0s --now {LATER}"), &[0]);
    world.call(&ninth, &[0]);
    world.call(&format!("backfill job.yaml --from 2026-11-20 --to 2026-11-21 --every 1h --now {LATER} {short}"), &[0]);
    world.call(&format!("compact job.yaml --now {LATER}"), &[0]);
    world.call("recover job.yaml", &[0]);
    world.call("state set job.yaml --watermark 2026-11-21", &[0]);
    world.call(&format!("forget job.yaml --window 2026-11-20 --apply --now {LATER}"), &[0]);
    // A column more, in a partition that is there.
    std::fs::write(world.scene.path("grown.sql"), "SELECT *, 'x' AS label FROM event_v2").unwrap();
    for grown in ["", GROWN] {
        world.call(&format!("run job.yaml --window 2026-11-20T05/PT1H --now {LATER} {grown}{short}"), &[0]);
    }
    // A dead letter that somebody has removed is one that is not found, and not one that is forbidden.
    let is_letter = |(_, key): &&(String, String)| key.contains("/run=test-20261120T05");
    let letters: Vec<Value> =
        keys(world).iter().filter(is_letter).map(|(bucket, key)| json!(["remove", bucket, key])).collect();
    assert!(!letters.is_empty());
    world.server.s3(letters.into());
    world.call("dead-letters replay job.yaml --window 2026-11-20T05/PT1H --progress none", &[1]);
    lose_a_commit(world, &format!("run job.yaml --window 2026-11-20T06/PT1H --now {LATER} {GROWN}{short}"));
}

/// All keys of the places that are written, with their buckets.
fn keys(world: &World) -> BTreeSet<(String, String)> {
    let buckets = ["tables", "state", "dead"];
    let calls: Vec<Value> = buckets.iter().map(|bucket| json!(["keys", bucket, ""])).collect();
    let found: Vec<Vec<String>> = serde_json::from_value(world.server.s3(calls.into()).into()).unwrap();
    let of_bucket = |(bucket, keys): (&str, Vec<String>)| {
        keys.into_iter().map(move |key| (bucket.to_owned(), key)).collect::<Vec<_>>()
    };
    buckets.into_iter().zip(found).flat_map(of_bucket).collect()
}

/// A commit whose entries and a file of which are lost: whether its files are there is asked of the store.
fn lose_a_commit(world: &World, run: &str) {
    let before = keys(world);
    world.call(run, &[0]);
    let new: Vec<_> = keys(world).difference(&before).cloned().collect();
    world.call(&run.replace("T06/", "T07/"), &[0]);
    let lost = new.iter().filter(|(_, key)| key.contains("/log/") || key.contains("/event_v2/"));
    let calls: Vec<Value> = lost.map(|(bucket, key)| json!(["remove", bucket, key])).collect();
    assert!(calls.len() > 1, "{new:?}");
    world.server.s3(calls.into());
    world.call("recover job.yaml --log --apply", &[5]);
}

/// All that only reads.
fn read(world: &World) {
    for command in [
        "check job.yaml",
        "plan job.yaml --window 2026-11-20T05/PT1H --now 2026-11-23T00:00:00Z",
        "plan job.yaml --now 2026-11-20T09:05:00Z",
        "status job.yaml --now 2026-11-20T09:05:00Z",
        "state show job.yaml",
        "runs job.yaml",
        "dead-letters list job.yaml",
        "dead-letters show job.yaml --window 2026-11-20T05/PT1H",
        "recover job.yaml --log",
        "ddl athena job.yaml",
    ] {
        world.call(command, &[0, 1]);
    }
    let queries =
        ["SELECT count(event_id) FROM event_v2", "SELECT rows FROM runs", "SELECT count(*) FROM dead_letters"];
    for query in queries {
        let run = world.scene.call_with(&["sql", "job.yaml", query], &CREDENTIALS);
        assert_eq!(run.code, 0, "{query}: {}", run.stderr);
    }
}

/// Asserts that all is allowed, and that every action and resource of every statement is there for something.
#[track_caller]
fn is_exact(statements: &[Value], needed: &BTreeSet<Need>) {
    assert_eq!(refused(statements, needed), Vec::<&Need>::new());
    for (index, statement) in statements.iter().enumerate().filter(|(_, one)| one["Effect"] == "Allow") {
        let others = [&statements[..index], &statements[index + 1..]].concat();
        assert_ne!(refused(&others, needed), Vec::<&Need>::new(), "{statement} is not needed");
        for action in texts(&statement["Action"]) {
            for resource in texts(&statement["Resource"]) {
                let mut alone = statement.clone();
                (alone["Action"], alone["Resource"]) = (json!([action]), json!([resource]));
                assert!(needed.iter().any(|need| fits(&alone, need)), "{action} on {resource} is not needed");
            }
        }
    }
}

#[test]
fn nothing_is_refused_and_nothing_is_left_over_with_all_in_one_place() {
    let catalog = json!({"glue": {"database": "shop", "table_prefix": "web_"}});
    let Some(world) = World::new(|job| job["catalog"] = catalog) else { return };
    write(&world);
    is_exact(&world.policy("run"), &world.take_needs());
    read(&world);
    is_exact(&world.policy("read"), &world.take_needs());
    for command in ["catalog plan job.yaml", "catalog repair job.yaml --apply"] {
        world.call(format!("{command} {GROWN}").trim_end(), &[0]);
    }
    assert_eq!(refused(&world.policy("catalog"), &world.take_needs()), Vec::<&Need>::new());
}

#[test]
fn nothing_is_refused_and_nothing_is_left_over_with_a_bucket_each() {
    let apart = |job: &mut Value| {
        job["state"] = json!({"url": "s3://state", "job_latest": "s3://pipeline/job-info/job-latest.json"});
        job["dead_letter"] = json!({"url": "s3://dead/letters"});
    };
    let Some(world) = World::new(apart) else { return };
    write(&world);
    let policy = world.policy("run");
    is_exact(&policy, &world.take_needs());
    // Neighbours in the same buckets are none of its business.
    for (bucket, key) in [("state", "other/log/1.json"), ("dead", "letters/job=other/x"), ("tables", "shop2/x")] {
        for action in ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"] {
            assert!(!allows(&policy, &Need::of_object(action, bucket, key)), "{action} {bucket}/{key}");
        }
    }
    for (bucket, prefix) in [("state", Some("other/")), ("tables", None), ("raw", Some("")), ("raw", Some("in"))] {
        assert!(!allows(&policy, &Need::of_listing(bucket, prefix)), "{bucket} {prefix:?}");
    }
    assert!(!allows(&policy, &Need::of_object("s3:PutObject", "raw", "in/x")));
    read(&world);
    is_exact(&world.policy("read"), &world.take_needs());
}

#[test]
fn a_warehouse_reads_what_manifests_name_and_nothing_else() {
    let Some(world) = World::new(|_| {}) else { return };
    world.put(5, "a", good("a"));
    world.call(&format!("run job.yaml --window 2026-11-20T05/PT1H --now {LATER} --progress none"), &[0]);
    let keys: Vec<String> = serde_json::from_value(world.server.s3(json!([["keys", "tables", ""]])).remove(0)).unwrap();
    let manifests: Vec<&String> = keys.iter().filter(|key| key.ends_with(".manifest")).collect();
    assert!(!manifests.is_empty(), "{keys:?}");
    let policy = world.policy("load");
    let reads = |key: &str| allows(&policy, &Need::of_object("s3:GetObject", "tables", key));
    for key in &keys {
        let is_apart = key.starts_with("shop/_state/") || key.starts_with("shop/_dead_letters/");
        assert_eq!(reads(key), !is_apart, "{key}");
        assert!(!allows(&policy, &Need::of_object("s3:PutObject", "tables", key)), "{key}");
    }
    assert!(allows(&policy, &Need::of_listing("tables", Some("shop/event_v2/"))));
    assert!(!reads("shop/_dead_letters/x") && !reads("other/x"));
}

#[test]
fn local_places_and_public_buckets_take_none_and_a_role_is_assumed() {
    let scene = Scene::new();
    let call = |more: &[&str]| scene.call(&[&["iam-policy", "job.yaml"], more].concat());
    let nothing = call(&[]);
    assert_eq!(nothing.code, 2, "{}", nothing.stdout);
    assert!(
        nothing.stderr.contains("uses nothing of AWS") && nothing.stderr.contains("sink.url"),
        "{}",
        nothing.stderr
    );

    let public = ["--set=source.url=s3://public/in", "--set=source.s3.anonymous=true", "--set=sink.url=s3://cn/t"];
    let text = call(&[&public[..], &["--partition", "aws-cn"]].concat());
    let folder = scene.path("").display().to_string();
    insta::assert_snapshot!(text.stdout.replace(&folder, "FOLDER/"), @"
    policy: job test, for run, 3 statements

    FindOutput: find tables and manifests
      allow s3:ListBucket
      on    arn:aws-cn:s3:::cn
      if    StringLike s3:prefix t/*

    KeepOutput: write, read and replace tables, manifests and what is kept below them
      allow s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload, s3:ListMultipartUploadParts
      on    arn:aws-cn:s3:::cn/t/*

    FindUploads: resume or clear away what a killed run left
      allow s3:ListBucketMultipartUploads
      on    arn:aws-cn:s3:::cn

    no statement for source: s3://public/in is read without credentials
    ");
    assert!(!text.stdout.contains("public/in/*"));

    let role = "--set=aws.role={arn: 'arn:aws:iam::123456789012:role/etl'}";
    let assume = call(&["--set=sink.url=s3://t", role, "--for", "assume", "--output", "json"]);
    let statement = &assume.report["Statement"][0];
    assert_eq!(
        (&statement["Action"], &statement["Resource"]),
        (&json!(["sts:AssumeRole"]), &json!(["arn:aws:iam::123456789012:role/etl"])),
        "{}",
        assume.stderr
    );
    let run = call(&["--set=sink.url=s3://t", role]);
    assert!(run.stdout.contains("belongs to the role arn:aws:iam::123456789012:role/etl"), "{}", run.stdout);
    let none = call(&["--set=sink.url=s3://t", "--for", "assume"]);
    assert!(none.code == 2 && none.stderr.contains("aws.role"), "{}", none.stderr);
}
