//! Where credentials come from, through the real binary: profiles against a server that checks signatures, and the
//! roles of containers, instances and web identities against a stand-in.
//!
//! The stand-in answers as the documentation of AWS says; it shows that the chain reaches each source and that what it
//! finds signs the requests, and not that AWS itself would accept them.

use crate::support::events::good;
use crate::support::servers::{KEY, SECRET, Server, venv};
use crate::support::{HOUR, NOW, Run, Scene, WINDOW, call};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

/// What the stand-in gives out.
const ROLE_KEY: &str = "key-of-the-role";
const ROLE_TOKEN: &str = "token-of-the-session";

/// No test may wait for the address of a real instance.
const NO_INSTANCE: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

#[test]
fn a_profile_signs_the_requests_of_both_clients() {
    let Some(venv) = venv() else { return };
    let server = Server::seaweedfs(&venv);
    let object = format!("raw/{HOUR}/a.log");
    server.s3(json!([["bucket", "profiles"], ["put", "profiles", object, good("a"), "STANDARD"]]));
    let scene = in_bucket(&server, "profiles");
    let calls = scene.path("calls");
    let process = scene.path("process.sh");
    let answer = json!({"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET});
    let script = format!("#!/bin/sh\necho called >> '{}'\necho '{answer}'\n", calls.display());
    write_script(&process, &script);
    let config = format!(
        "[profile keys]\nregion = us-east-1\n\n[profile process]\ncredential_process = {}\n\n[profile wrong]\n",
        process.display()
    );
    fs::write(scene.path("config"), config).unwrap();
    let keys =
        |name: &str, secret: &str| format!("[{name}]\naws_access_key_id = {KEY}\naws_secret_access_key = {secret}\n\n");
    fs::write(scene.path("credentials"), keys("keys", SECRET) + &keys("wrong", "another-secret")).unwrap();

    run_as(&scene, "keys", &["--window", WINDOW]).done();
    // The uploads that gc looks for are listed by the other client.
    let gc = call_as(&scene, "keys", &["gc", "job.yaml"]);
    assert_eq!(gc.code, 0, "{}", gc.stderr);

    assert!(!calls.exists());
    run_as(&scene, "process", &["--window", WINDOW]).done();
    assert_eq!(fs::read_to_string(&calls).unwrap(), "called\n", "source, sink, state and dead letters ask once");

    let refused = run_as(&scene, "wrong", &["--window", WINDOW]);
    assert_eq!((refused.code, &refused.report["error"]["kind"]), (1, &json!("permission")), "{}", refused.stderr);
    assert!(!refused.stderr.contains("another-secret") && !refused.stdout.contains("another-secret"));

    let missing = run_as(&scene, "no-such-profile", &["--window", WINDOW]);
    assert_eq!((missing.code, &missing.report["error"]["kind"]), (1, &json!("permission")), "{}", missing.stderr);
    assert!(missing.stderr.contains("profile `no-such-profile`"), "{}", missing.stderr);
}

/// A scene whose source and sink are in a bucket.
fn in_bucket(server: &Server, bucket: &str) -> Scene {
    let s3 = json!({"endpoint": server.endpoint, "path_style": true});
    Scene::with(|job| {
        job["source"]["url"] = format!("s3://{bucket}/raw").into();
        job["source"]["s3"] = s3.clone();
        job["sink"] = json!({"url": format!("s3://{bucket}/out"), "s3": s3});
    })
}

fn write_script(path: &Path, text: &str) {
    let mut file = File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o755)).unwrap();
}

fn run_as(scene: &Scene, profile: &str, window: &[&str]) -> Run {
    let arguments = [&["run", "job.yaml", "--output", "json", "--progress", "none", "--now", NOW], window].concat();
    call_as(scene, profile, &arguments)
}

/// Calls the binary with a profile of the scene's files alone.
fn call_as(scene: &Scene, profile: &str, arguments: &[&str]) -> Run {
    let file = |name: &str| scene.path(name).display().to_string();
    let (config, credentials) = (file("config"), file("credentials"));
    let environment = [
        ("AWS_PROFILE", profile),
        ("AWS_CONFIG_FILE", &config),
        ("AWS_SHARED_CREDENTIALS_FILE", &credentials),
        // For the script of the external process.
        ("PATH", "/usr/bin:/bin"),
        NO_INSTANCE,
    ];
    call(&scene.path(""), arguments, &environment)
}

#[test]
fn the_role_of_a_container() {
    let aws = StandIn::start(200);
    let uri = format!("{}/credentials", aws.endpoint);
    let run = aws.run(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "may-i"),
        NO_INSTANCE,
    ]);
    aws.is_signed_by_the_role(&run);
    let asked = aws.requests("/credentials");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), Some("may-i"));
}

#[test]
fn a_web_identity() {
    let aws = StandIn::start(200);
    let token = aws.scene.path("token");
    fs::write(&token, "proof-of-identity").unwrap();
    let run = aws.run(&[
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/etl"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ENDPOINT_URL_STS", &aws.endpoint),
        NO_INSTANCE,
    ]);
    aws.is_signed_by_the_role(&run);
    let asked = aws.requests("/");
    assert_eq!(asked.len(), 1);
    assert!(asked[0].body.contains("AssumeRoleWithWebIdentity") && asked[0].body.contains("proof-of-identity"));
}

#[test]
fn the_role_of_an_instance() {
    let aws = StandIn::start(200);
    let run = aws.run(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &aws.endpoint)]);
    aws.is_signed_by_the_role(&run);
}

#[test]
fn missing_credentials_are_reported_with_the_section_and_the_ways_to_give_them() {
    let aws = StandIn::start(403);
    // On a network that is no instance's, a proxy may answer in place of the metadata address.
    for environment in [NO_INSTANCE, ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*aws.endpoint)] {
        let run = aws.run(&[environment]);
        let error = &run.report["error"];
        assert_eq!((run.code, &error["kind"]), (1, &json!("permission")), "{}", run.stderr);
        let hint = error["hint"].as_str().unwrap();
        assert!(hint.contains("AWS_ACCESS_KEY_ID") && hint.contains("AWS_PROFILE"), "{hint}");
        assert!(hint.contains("source.s3.anonymous"), "{hint}");
        assert!(run.stderr.contains("section=source.s3") && run.stderr.contains("profile `default`"), "{}", run.stderr);
        assert!(error["facts"]["attempts"].is_null(), "tried once: {error}");
    }
    assert!(aws.requests("/bucket").is_empty());
}

#[test]
fn a_public_bucket_is_read_without_credentials() {
    let aws = StandIn::start(403);
    let run = aws.run_with(&["--set=source.s3.anonymous=true"], &[NO_INSTANCE]);
    assert_eq!((run.code, &run.report["status"]), (0, &json!("empty")), "{}", run.stderr);
    let listed = aws.requests("/bucket");
    assert!(!listed.is_empty() && listed.iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn an_endpoint_without_a_scheme_is_refused_at_its_line() {
    let scene = Scene::with(|job| {
        job["source"] = json!({"url": "s3://bucket/raw", "s3": {"endpoint": "127.0.0.1:5977"}});
    });
    let check = call(&scene.path(""), &["check", "job.yaml"], &[]);
    assert_eq!(check.code, 2, "{}", check.stderr);
    assert!(check.stderr.contains("http://") && check.stderr.contains("job.yaml:"), "{}", check.stderr);
}

/// One request to the stand-in.
#[derive(Clone)]
struct Request {
    path: String,
    headers: Vec<String>,
    body: String,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|header| {
            let (found, value) = header.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A bucket without objects, STS, and the addresses where containers and instances find their credentials.
struct StandIn {
    endpoint: String,
    scene: Scene,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl StandIn {
    /// `metadata` is the status of the instance's metadata address.
    fn start(metadata: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || serve(&stream, metadata, &seen));
            }
        });
        let s3 = json!({"endpoint": endpoint, "path_style": true});
        let scene = Scene::with(|job| {
            job["source"]["url"] = "s3://bucket/raw".into();
            job["source"]["s3"] = s3;
        });
        Self { endpoint, scene, requests }
    }

    fn run(&self, environment: &[(&str, &str)]) -> Run {
        self.run_with(&[], environment)
    }

    fn run_with(&self, more: &[&str], environment: &[(&str, &str)]) -> Run {
        let run = ["run", "job.yaml", "--output", "json", "--progress", "none", "--window", WINDOW, "--now", NOW];
        call(&self.scene.path(""), &[&run, more].concat(), environment)
    }

    /// Requests to a path, without its query.
    fn requests(&self, path: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|request| request.path.split('?').next() == Some(path)).cloned().collect()
    }

    #[track_caller]
    fn is_signed_by_the_role(&self, run: &Run) {
        assert_eq!((run.code, &run.report["status"]), (0, &json!("empty")), "{}", run.stderr);
        let listed = self.requests("/bucket");
        assert!(!listed.is_empty());
        for request in listed {
            assert!(request.header("authorization").unwrap().contains(&format!("Credential={ROLE_KEY}/")));
            assert_eq!(request.header("x-amz-security-token"), Some(ROLE_TOKEN));
        }
    }
}

fn serve(mut stream: &TcpStream, metadata: u16, seen: &Mutex<Vec<Request>>) {
    let Some(request) = read(stream) else { return };
    let (status, more, body) = answer(&request, metadata);
    seen.lock().unwrap().push(request);
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Whatever\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n");
    let _ = stream.write_all((head + &body).as_bytes());
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    let mut request = Request { path, headers: lines.split_off(1), body: String::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).ok()?;
    Some(request)
}

/// Status, more headers and body.
fn answer(request: &Request, metadata: u16) -> (u16, &'static str, String) {
    const EXPIRATION: &str = "2099-01-01T00:00:00Z";
    let role: Value = json!({
        "Code": "Success",
        "Type": "AWS-HMAC",
        "LastUpdated": "2026-11-20T00:00:00Z",
        "AccessKeyId": ROLE_KEY,
        "SecretAccessKey": "secret-of-the-role",
        "Token": ROLE_TOKEN,
        "Expiration": EXPIRATION,
    });
    match request.path.split('?').next().unwrap() {
        "/credentials" => (200, "", role.to_string()),
        "/latest/api/token" => (metadata, "x-aws-ec2-metadata-token-ttl-seconds: 300\r\n", "session".to_owned()),
        "/latest/meta-data/iam/security-credentials/" => (metadata, "", "etl".to_owned()),
        "/latest/meta-data/iam/security-credentials/etl" => (metadata, "", role.to_string()),
        "/" => {
            let credentials = format!(
                "<AccessKeyId>{ROLE_KEY}</AccessKeyId><SecretAccessKey>secret-of-the-role</SecretAccessKey>\
                 <SessionToken>{ROLE_TOKEN}</SessionToken><Expiration>{EXPIRATION}</Expiration>"
            );
            let body = format!(
                "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <AssumeRoleWithWebIdentityResult><Credentials>{credentials}</Credentials>\
                 </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            );
            (200, "Content-Type: text/xml\r\n", body)
        }
        _ => (200, "", "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>".to_owned()),
    }
}
