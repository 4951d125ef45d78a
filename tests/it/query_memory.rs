//! A query over many large reports holds a few of them.

use crate::process::alone;
use crate::support::Scene;
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};
use std::fs;

#[test]
fn two_thousand_large_reports_take_the_memory_of_a_few() {
    // The system tells the peak of all children of a process.
    alone("query_memory::peaks_of_queries", &[]);
}

#[test]
#[ignore = "the test before it runs it in a process of its own"]
fn peaks_of_queries() {
    const REPORTS: u64 = 2_000;
    const FILES: u64 = 700;
    let scene = Scene::new();
    let folder = scene.path("out/_state/test/runs");
    fs::create_dir_all(&folder).unwrap();
    let file = |number: u64| {
        json!({"table": "event_v2", "path": format!("event_v2/partition_app=shop/partition_day=20/{number:040}.parquet"),
            "partition": "partition_app=shop/partition_day=20", "rows": 1, "bytes": 1000})
    };
    let files: Vec<Value> = (0..FILES).map(file).collect();
    let report = json!({"schema_version": 1, "run_id": "test-x", "job": "test", "status": "done", "files": files});
    let text = report.to_string();
    let first = folder.join("0000.json");
    fs::write(&first, &text).unwrap();
    // Many names of one file: the disk holds one, the query reads two thousand.
    let ask = |from: u64, to: u64| {
        for number in from..to {
            fs::hard_link(&first, folder.join(format!("{number:04}.json"))).unwrap();
        }
        let sql = "SELECT count(path) AS n, sum(rows) AS rows FROM files";
        let run = scene.call(&["sql", "job.yaml", sql, "--output", "json"]);
        assert_eq!(run.report, json!([{"n": to * FILES, "rows": to * FILES}]), "{}", run.stderr);
        // Kibibytes on Linux.
        u64::try_from(getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss()).unwrap() * 1024
    };
    // Most of the memory is the program itself.
    let few = ask(1, 100);
    let many = ask(100, REPORTS);
    let all = text.len() as u64 * REPORTS;
    assert!(many - few < all / 4, "{few} bytes of memory for 100 reports, {many} for {REPORTS} of {all} bytes");
}
