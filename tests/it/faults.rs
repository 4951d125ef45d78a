//! Runs over a bucket in bad weather: each ends right, or fails with nothing to be seen and the next one ends right.
//!
//! `ETL_LONG=1` takes more seeds, both servers and larger input.

use crate::fault_proxy::{Fault, FaultProxy, Weather, When};
use crate::support::servers::{CREDENTIALS, Server, venv};
use crate::support::{NOW, Run, Scene, TABLES, WINDOW, call, command, content, is_long, project, send};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

/// A server with the quickstart's input behind a proxy, and what an undisturbed run makes of it.
struct Bench {
    server: Server,
    proxy: FaultProxy,
    scene: Scene,
    expected: BTreeMap<&'static str, Vec<String>>,
    steps: Value,
}

impl Bench {
    fn new(server: Server) -> Self {
        server.s3(json!([
            ["bucket", "weather"],
            ["upload", "weather", "raw/", project().join("fixtures/clickstream/raw")]
        ]));
        let proxy = FaultProxy::start(&server.endpoint);
        let mut bench = Self { server, proxy, scene: Scene::new(), expected: BTreeMap::new(), steps: Value::Null };
        let run = bench.run("calm", &[]).done();
        bench.steps = run.report["steps"].clone();
        bench.expected = bench.tables("calm");
        assert!(bench.expected.values().all(|rows| !rows.is_empty()));
        bench
    }

    /// The arguments of a run from the bucket to `out`, both through the proxy.
    fn arguments(&self, out: &str, more: &[&str]) -> Vec<String> {
        let mut arguments: Vec<String> =
            ["run", "jobs/quickstart.yaml", "--window", WINDOW, "--now", NOW, "--output", "json", "--progress", "none"]
                .map(str::to_owned)
                .into();
        for (section, url) in [("source", "s3://weather/raw".to_owned()), ("sink", format!("s3://weather/{out}"))] {
            arguments.push(format!("--set={section}.url={url}"));
            arguments.push(format!("--set={section}.s3.endpoint={}", self.proxy.endpoint));
            arguments.push(format!("--set={section}.s3.path_style=true"));
        }
        arguments.push("--set=limits.retry.stall=1s".to_owned());
        arguments.push("--set=limits.threads=2".to_owned());
        arguments.extend(more.iter().map(|text| (*text).to_owned()));
        arguments
    }

    fn run(&self, out: &str, more: &[&str]) -> Run {
        let arguments = self.arguments(out, more);
        call(project(), &arguments.iter().map(String::as_str).collect::<Vec<_>>(), &CREDENTIALS)
    }

    /// The rows of `out`, read past the proxy.
    fn tables(&self, out: &str) -> BTreeMap<&'static str, Vec<String>> {
        let folder = self.scene.path(out);
        let _ = std::fs::remove_dir_all(&folder);
        self.server.s3(json!([["download", "weather", format!("{out}/"), folder]]));
        content(&folder)
    }

    fn visible(&self, out: &str) -> Vec<String> {
        let keys: Vec<String> =
            serde_json::from_value(self.server.s3(json!([["keys", "weather", format!("{out}/")]])).remove(0)).unwrap();
        let is_table = |key: &String| TABLES.iter().any(|table| key.starts_with(&format!("{out}/{table}/")));
        keys.into_iter().filter(is_table).collect()
    }

    /// Runs in `weather`, and without it after a failure. Returns the first run.
    fn through(&self, name: &str, weather: Weather, more: &[&str]) -> Run {
        self.proxy.set(weather);
        let run = self.run(name, more);
        let hits = self.proxy.hits();
        eprintln!("{name}: {hits} faults, exit code {}", run.code);
        assert!(hits > 0, "{name}: the weather was calm");
        match run.code {
            0 => self.is_right(name, &run),
            1 => {
                assert_eq!(self.visible(name), [""; 0], "{name}: {}", run.stderr);
                assert_eq!(run.report["status"], "failed", "{name}");
            }
            code => panic!("{name}: exit code {code}: {}", run.stderr),
        }
        self.proxy.set(Weather::calm());
        // What is right already is only done again where there is time for it.
        if run.code != 0 || is_long() {
            let next = self.run(name, &[]).done();
            self.is_right(name, &next);
        }
        run
    }

    fn is_right(&self, name: &str, run: &Run) {
        assert_eq!(run.report["steps"], self.steps, "{name}");
        assert!(self.tables(name) == self.expected, "{name}: other rows than in calm weather");
    }
}

fn benches() -> Vec<Bench> {
    let Some(venv) = venv() else { return Vec::new() };
    let mut benches = vec![Bench::new(Server::seaweedfs(&venv))];
    if is_long() {
        benches.push(Bench::new(Server::moto(&venv)));
    }
    benches
}

#[test]
fn a_run_takes_single_faults_and_bursts() {
    for bench in benches() {
        let seeds = if is_long() { 20 } else { 1 };
        for fault in Fault::ALL {
            for seed in 0..seeds {
                let share = if is_long() { 0.05 } else { 0.1 };
                let name = format!("rate-{fault:?}-{seed}").to_lowercase();
                let run = bench.through(&name, Weather::new(fault, When::Rate(share, seed)), &[]);
                assert_eq!(run.code, 0, "{name}: {}", run.stderr);
            }
            let name = format!("burst-{fault:?}").to_lowercase();
            let burst = When::Burst { every: 40, length: 4 };
            let run = bench.through(&name, Weather::new(fault, burst), &[]);
            assert_eq!(run.code, 0, "{name}: {}", run.stderr);
        }
    }
}

/// Reading an object of the input.
fn is_read(method: &str, path: &str) -> bool {
    method == "GET" && path.contains("/raw/")
}

fn is_upload(method: &str, _: &str) -> bool {
    method == "PUT"
}

fn is_listing(method: &str, path: &str) -> bool {
    method == "GET" && path.contains("list-type=2")
}

#[test]
fn an_outage_fails_the_run_and_says_what_was_tried() {
    for bench in benches() {
        let short = ["--set=limits.retry.attempts=3", "--set=limits.retry.budget=5s"];
        for (place, only) in [("list", is_listing as fn(&str, &str) -> bool), ("read", is_read), ("upload", is_upload)]
        {
            for fault in [Fault::SlowDown, Fault::ResetBefore, Fault::CutAndConsistent] {
                // Reads of cut objects get on, and answers to uploads have no body to cut.
                if fault == Fault::CutAndConsistent && place != "list" {
                    continue;
                }
                let name = format!("outage-{place}-{fault:?}").to_lowercase();
                let run = bench.through(&name, Weather { only, ..Weather::new(fault, When::Always) }, &short);
                assert_eq!(
                    (run.code, &run.report["error"]["kind"]),
                    (1, &json!("unavailable")),
                    "{name}: {}",
                    run.stderr
                );
                let error = &run.report["error"];
                assert!(error["facts"]["attempts"].is_string(), "{name}: {error}");
                assert!(error["hint"].as_str().unwrap().contains("run the same command again"), "{name}: {error}");
            }
        }
    }
}

#[test]
fn objects_that_are_always_cut_are_read_whole() {
    for bench in benches() {
        let weather = Weather { only: is_read, ..Weather::new(Fault::CutAndConsistent, When::Always) };
        assert_eq!(bench.through("always-cut", weather, &[]).code, 0);
    }
}

#[test]
fn a_signal_ends_a_run_that_waits_for_the_store() {
    for bench in benches() {
        for (place, only) in [("list", is_listing as fn(&str, &str) -> bool), ("read", is_read), ("upload", is_upload)]
        {
            let weather = Weather { only, stall: Duration::from_mins(2), ..Weather::new(Fault::Stall, When::Always) };
            bench.proxy.set(weather);
            let name = format!("signal-{place}");
            let mut child = command(project())
                .args(bench.arguments(&name, &["--set=limits.retry.stall=2m"]))
                .envs(CREDENTIALS)
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            bench.proxy.wait_for_a_hit();
            send(&child, Signal::SIGTERM);
            let mut report = String::new();
            child.stdout.take().unwrap().read_to_string(&mut report).unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(6), "{name}");
            // A process that had to be ended by force prints none.
            let report: Value = serde_json::from_str(&report).unwrap();
            assert_eq!(report["status"], "stopped", "{name}: {report}");
            assert_eq!(bench.visible(&name), [""; 0], "{name}");
            bench.proxy.set(Weather::calm());
            let next = bench.run(&name, &[]).done();
            bench.is_right(&name, &next);
        }
    }
}
