//! Servers that answer what no store should: bodies without end, what they were told in the request, other hosts.

use crate::support::events::good;
use crate::support::{NOW, Run, Scene, WINDOW, files};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "a-secret-of-the-tests";
const TOKEN: &str = "to/ken+of/the=session==";

/// Answers each request with what `answer` makes of it, whole, and keeps the heads of all requests.
struct Hostile {
    endpoint: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Hostile {
    fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&heads), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || serve(&stream, &*answer, &seen));
            }
        });
        Self { endpoint, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(mut stream: &TcpStream, answer: &dyn Fn(&str) -> String, seen: &Mutex<Vec<String>>) {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
    seen.lock().unwrap().push(head.clone());
    let _ = stream.write_all(answer(&head).as_bytes());
}

fn with_body(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A run whose source, or source and state, are at the server.
fn run(server: &Hostile, state: bool) -> (Scene, Run) {
    let s3 = json!({"endpoint": server.endpoint});
    let scene = Scene::with(|job| {
        job["source"]["url"] = "s3://bucket/raw".into();
        job["source"]["s3"] = s3.clone();
        if state {
            job["state"] = json!({"url": "s3://bucket/state", "s3": s3});
        }
        job["limits"]["retry"] = json!({"attempts": 2});
    });
    let environment = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", TOKEN)];
    let arguments = ["run", "job.yaml", "--window", WINDOW, "--now", NOW, "--output", "json", "--progress", "none"];
    let run = scene.call_with(&arguments, &environment);
    (scene, run)
}

/// All that a run leaves and prints, and the part of it that is not a report.
fn left(scene: &Scene, run: &Run) -> (String, String) {
    let read =
        |name: &String| String::from_utf8_lossy(&std::fs::read(scene.path("out").join(name)).unwrap()).into_owned();
    let names = files(&scene.path("out"));
    let state: String = names.iter().filter(|name| !name.contains("/runs/")).map(read).collect();
    let reports: String = names.iter().filter(|name| name.contains("/runs/")).map(read).collect();
    assert!(state.contains("failed"), "the log has an entry: {names:?}");
    (format!("{}{}{reports}{state}", run.stdout, run.stderr), state)
}

#[test]
fn a_long_answer_is_cut_and_is_not_in_the_state() {
    for status in ["500 Internal Server Error", "403 Forbidden"] {
        let body = format!("<Error><Code>Odd</Code><Message>{}</Message></Error>", "long answer ".repeat(500_000));
        let server = Hostile::start(move |_| with_body(status, &body));
        let (scene, run) = run(&server, false);
        assert_eq!(run.code, 1, "{}", run.stderr);
        let (all, state) = left(&scene, &run);
        assert!(all.len() < 30_000, "{} bytes", all.len());
        assert!(!state.contains("long answer") && state.contains("Odd"), "{state}");
        let answer = run.report["error"]["answer"].as_str().unwrap();
        assert!(answer.contains("long answer") && answer.len() <= 2_100, "{}", answer.len());
        assert!(!run.report["error"]["message"].to_string().contains("long answer"));
    }
}

#[test]
fn an_answer_that_repeats_the_request_gives_no_credential_away() {
    for state in [false, true] {
        for form in 0..3 {
            let server = Hostile::start(move |head| {
                let body = match form {
                    0 => head.to_owned(),
                    1 => json!(head.lines().collect::<Vec<_>>()).to_string(),
                    _ => format!("<Error><Code>AccessDenied</Code><Message>{head}</Message></Error>"),
                };
                with_body("403 Forbidden", &body)
            });
            let (scene, run) = run(&server, state);
            assert_eq!(run.code, 1, "{}", run.stderr);
            let all = if state { format!("{}{}", run.stdout, run.stderr) } else { left(&scene, &run).0 };
            let head = server.heads().concat();
            let signature = head.split_once("Signature=").unwrap().1.split(['\r', ',']).next().unwrap().to_owned();
            assert!(head.contains(TOKEN) && head.contains(KEY) && signature.len() == 64);
            for secret in [KEY, SECRET, TOKEN, &signature] {
                assert!(!all.contains(secret), "{secret}: {all}");
            }
        }
    }
}

#[test]
fn a_redirect_to_another_host_is_not_followed() {
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let other = Hostile::start(|_| with_body("200 OK", "<ListBucketResult></ListBucketResult>"));
        let location = format!("{}/elsewhere?X-Amz-Security-Token=abc", other.endpoint);
        let server = Hostile::start(move |_| {
            format!("HTTP/1.1 {status}\r\nConnection: close\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
        });
        let (_, run) = run(&server, false);
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains("/elsewhere") && !run.stderr.contains("abc"), "{}", run.stderr);
        assert_eq!(server.heads().len(), 1);
        assert!(other.heads().is_empty(), "{:?}", other.heads());
    }
}

#[test]
fn what_is_no_listing_is_an_error_that_names_it() {
    for (body, named) in [
        ("<!DOCTYPE html><html><body>Welcome</body></html>", "a page of HTML"),
        ("<?xml version=\"1.0\"?><ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>", "a list of buckets"),
        ("<Other/>", "`Other`"),
        ("{\"items\": []}", "text that begins with"),
        ("", "empty"),
    ] {
        let server = Hostile::start(move |_| with_body("200 OK", body));
        let (_, run) = run(&server, false);
        assert_eq!((run.code, &run.report["error"]["kind"]), (2, &json!("config")), "{body}: {}", run.stderr);
        assert!(run.report["error"]["message"].as_str().unwrap().contains(named), "{}", run.stderr);
        assert!(run.report["error"]["hint"].as_str().unwrap().contains("job.yaml:"), "{}", run.stderr);
    }
}

#[test]
fn a_password_in_a_url_is_refused_and_not_printed() {
    let scene = Scene::new();
    scene.raw("a.log", good("a"));
    let endpoint = "http://somebody:hunter22@127.0.0.1:1";
    let set = format!("--set=source.s3.endpoint={endpoint}");
    let written = Scene::with(|job| job["source"]["s3"] = json!({"endpoint": endpoint}));
    for command in ["check", "plan", "run"] {
        let window: &[&str] = if command == "check" { &[] } else { &["--window", WINDOW] };
        let bucket = "--set=source.url=s3://bucket/raw";
        let calls = [
            scene.call(&[&[command, "job.yaml", "--output", "json", bucket, &set], window].concat()),
            written.call(&[&[command, "job.yaml", "--output", "json", bucket], window].concat()),
            scene.call_with(&[&[command, "job.yaml", bucket], window].concat(), &[("AWS_ENDPOINT_URL", endpoint)]),
            scene
                .call(&[&[command, "job.yaml", "--set=source.url=s3://somebody:hunter22@bucket/raw"], window].concat()),
        ];
        for run in calls {
            assert_eq!(run.code, 2, "{}", run.stderr);
            assert!(!run.stderr.contains("hunter22") && !run.stdout.contains("hunter22"), "{}", run.stderr);
        }
    }
}

#[test]
fn each_call_is_tried_as_often_as_the_job_says_and_no_more() {
    for (attempts, begin) in [(1, "GET /bucket?"), (3, "GET /bucket?")] {
        let server = Hostile::start(|_| with_body("503 Service Unavailable", "<Error><Code>SlowDown</Code></Error>"));
        let scene = Scene::with(|job| {
            job["source"] = json!({"url": "s3://bucket/raw", "s3": {"endpoint": server.endpoint, "anonymous": true}});
            job["source"]["layout"] = "flat".into();
            job["limits"]["retry"] = json!({"attempts": attempts});
        });
        let run = scene.run(&[]);
        let error = &run.report["error"];
        assert_eq!((run.code, &error["kind"]), (1, &json!("unavailable")), "{}", run.stderr);
        assert_eq!(error["facts"]["attempts"], attempts.to_string());
        let asked = server.heads().iter().filter(|head| head.starts_with(begin)).count();
        assert_eq!(asked, attempts, "{:?}", server.heads());
    }
}

#[test]
fn a_refused_connection_is_said_at_once_and_at_the_end_with_its_setting() {
    let scene = Scene::with(|job| {
        job["source"] = json!({"url": "s3://bucket/raw", "s3": {"endpoint": "http://127.0.0.1:1", "anonymous": true}});
        job["limits"]["retry"] = json!({"attempts": 3});
    });
    let run = scene.run(&[]);
    let error = &run.report["error"];
    assert_eq!((run.code, &error["kind"]), (1, &json!("unavailable")), "{}", run.stderr);
    let first = run.stderr.lines().find(|line| line.contains("now try")).unwrap_or_default();
    assert!(first.contains("connect to 127.0.0.1:1: connection refused; now try 2 of 3, giving up in"), "{first}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("connection refused, 3 tries in "), "{message}");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("source.s3.endpoint (job.yaml:"), "{hint}");

    let bucket = ["run", "job.yaml", "--window", WINDOW, "--now", NOW, "--set=source.s3={anonymous: true}"];
    let elsewhere = scene.call_with(&bucket, &[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")]);
    assert!(elsewhere.stderr.contains("check AWS_ENDPOINT_URL"), "{}", elsewhere.stderr);
}

#[test]
fn what_a_file_system_refuses_for_good_is_tried_once() {
    let long = "x".repeat(300);
    for (section, url, kind) in [
        ("sink", "file/out", "not_found"),
        ("state", "file/out", "not_found"),
        ("state", &*long, "config"),
        ("sink", &*long, "config"),
    ] {
        let scene = Scene::with(|job| job[section]["url"] = url.into());
        std::fs::write(scene.path("file"), "").unwrap();
        scene.raw("a.log", good("a"));
        let run = scene.run(&[]);
        let error = if run.report["error"].is_null() { &run.report } else { &run.report["error"] };
        assert_eq!(error["kind"], kind, "{section} {url}: {}{}", run.stdout, run.stderr);
        assert!(error["facts"]["attempts"].is_null() && error["hint"].is_string(), "{error}");
        assert!(!run.stderr.contains("now try"), "{}", run.stderr);
    }
}
