//! Servers of S3 and other services on loopback, from the Python packages that `scripts/test` installs.

use etl_sdk::testing::external::or_skip;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

/// The credentials that both servers know; moto takes any.
pub const KEY: &str = "tester";
pub const SECRET: &str = "a-secret-of-the-tests";

/// The same as the environment of a process.
pub const CREDENTIALS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];

/// The folder with the Python packages; see [`or_skip`] for where there is none.
pub fn venv() -> Option<PathBuf> {
    let venv = std::env::var_os("ETL_VENV")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache/etl-runner/venv")));
    let programs = ["moto_server", "weed", "ministack"];
    let found = venv.filter(|venv| programs.iter().all(|name| venv.join("bin").join(name).exists()));
    or_skip(found, "a Python environment with moto_server, weed and ministack, as scripts/test makes it,", "ETL_VENV")
}

/// A server that is killed when it is dropped.
pub struct Server {
    child: Child,
    venv: PathBuf,
    pub endpoint: String,
    /// With what it keeps.
    pub folder: TempDir,
    client: Mutex<Option<PythonClient>>,
    services: Mutex<Option<PythonClient>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // weed takes many seconds to end in good order, and nothing of it is to be kept.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// moto: takes any credentials, knows storage classes.
    pub fn moto(venv: &Path) -> Self {
        let [port] = free_ports();
        let mut command = Command::new(venv.join("bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        Self::start(venv, command, port, "/moto-api/")
    }

    /// ministack: `DynamoDB` and others, with real state.
    pub fn ministack(venv: &Path) -> Self {
        let [port] = free_ports();
        let mut command = Command::new(venv.join("bin/ministack"));
        command.env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1").env("IOT_MTLS_ENABLED", "0");
        Self::start(venv, command, port, "/_ministack/health")
    }

    /// `SeaweedFS`: checks signatures.
    pub fn seaweedfs(venv: &Path) -> Self {
        Self::seaweedfs_with(venv, &json!({}))
    }

    /// The same with settings of its own, such as a KMS to encrypt with.
    pub fn seaweedfs_with(venv: &Path, settings: &Value) -> Self {
        let [master, volume, filer, s3] = free_ports();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut settings = settings.clone();
        settings["identities"] = json!([{
            "name": "tests",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }]);
        fs::write(path("settings.json"), settings.to_string()).unwrap();
        fs::create_dir(path("data")).unwrap();
        let mut command = Command::new(venv.join("bin/weed"));
        command
            .args(["server", "-filer", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"])
            .args(["-volume.preStopSeconds=0", "-master.volumeSizeLimitMB=64", "-volume.max=100"])
            .args(["-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0"])
            .arg(format!("-master.port={master}"))
            .arg(format!("-volume.port={volume}"))
            .arg(format!("-filer.port={filer}"))
            .arg(format!("-s3.port={s3}"))
            .arg(format!("-dir={}", path("data")))
            .arg(format!("-filer.localSocket={}", path("filer.sock")))
            .arg(format!("-s3.localSocket={}", path("s3.sock")))
            .arg(format!("-s3.config={}", path("settings.json")))
            // Those for the KMS; the server knows them as its own too.
            .envs(CREDENTIALS)
            // With which it encrypts where it is asked for keys of its own.
            .env("WEED_S3_SSE_KEK", "5".repeat(64))
            .env("HOME", folder.path())
            .current_dir(folder.path());
        let mut server = Self::start(venv, command, s3, "/");
        server.folder = folder;
        server
    }

    /// Starts a server, and waits until it answers `ready`.
    pub fn start(venv: &Path, mut command: Command, port: u16, ready: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let endpoint = format!("http://127.0.0.1:{port}");
        let mut server = Self {
            child,
            venv: venv.to_owned(),
            endpoint,
            folder,
            client: Mutex::default(),
            services: Mutex::default(),
        };
        for _ in 0..600 {
            if answers(port, ready) {
                return server;
            }
            if server.child.try_wait().unwrap().is_some() {
                break;
            }
            sleep(Duration::from_millis(100));
        }
        let log = fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
        panic!("no answer at {}, which has ended or took longer than a minute:\n{log}", server.endpoint);
    }

    /// Does calls of `s3.py` and returns their answers.
    pub fn s3(&self, calls: Value) -> Vec<Value> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.get_or_insert_with(|| PythonClient::start("s3.py", &self.venv, &self.endpoint)).call(&calls)
    }

    /// Does calls of `aws.py` and returns their answers.
    pub fn aws(&self, calls: Value) -> Vec<Value> {
        let mut client = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        client.get_or_insert_with(|| PythonClient::start("aws.py", &self.venv, &self.endpoint)).call(&calls)
    }

    /// Does one of them.
    pub fn ask(&self, service: &str, method: &str, arguments: Value) -> Value {
        self.aws(json!([[service, method, arguments]])).remove(0)
    }

    /// Makes a bucket. A server that has just started may not be able to at once.
    pub fn make_bucket(&self, name: &str) {
        self.s3(json!([["bucket", name]]));
    }
}

/// A process of `s3.py` or `aws.py`, which ends when its input does.
struct PythonClient {
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PythonClient {
    fn start(script: &str, venv: &Path, endpoint: &str) -> Self {
        let mut child = Command::new(venv.join("bin/python"))
            .arg(super::project().join("tests/support").join(script))
            .args([endpoint, KEY, SECRET])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (asked, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, asked, answers: BufReader::new(answers) }
    }

    fn call(&mut self, calls: &Value) -> Vec<Value> {
        writeln!(self.asked, "{calls}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{calls}: {error}: {answer}"))
    }
}

impl Drop for PythonClient {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ports that are free now. `SeaweedFS` takes the port 10,000 above each of its own too.
///
/// All of them are below those that the system gives to outgoing connections: none is taken between now and its use.
pub fn free_ports<const N: usize>() -> [u16; N] {
    // Tests side by side ask for other ones, in this process as in others.
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        *port = loop {
            let asked = ASKED.fetch_add(1, Ordering::Relaxed);
            let candidate = 10_000 + ((std::process::id().wrapping_mul(16).wrapping_add(asked)) % 10_000) as u16;
            let free = |port: u16| TcpListener::bind(("127.0.0.1", port));
            if let (Ok(low), Ok(high)) = (free(candidate), free(candidate + 10_000)) {
                held.push((low, high));
                break candidate;
            }
        };
    }
    ports
}

/// Whether an HTTP server answers anything but a failure of its own.
fn answers(port: u16, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    let mut head = [0; 12];
    stream.write_all(request.as_bytes()).is_ok() && stream.read_exact(&mut head).is_ok() && head[9] != b'5'
}
