//! One output of a job, on a folder or in a bucket, whose runs are killed, put to sleep and raced; and all that is left
//! of them.

use crate::support::servers::{CREDENTIALS, Server, venv};
use crate::support::{self, NOW, Scene, WINDOW, content, copy, events, files, project, send};
use flate2::read::MultiGzDecoder;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How a process ends that is killed: by SIGKILL.
pub const KILLED: Option<i32> = Some(9);

/// What the harnesses' worlds have in common: raw batches in many small tasks, good and bad, and a job over them.
pub fn stage() -> Scene {
    // What a SIGKILL leaves does not depend on the disk, and a run syncs often.
    let scene = Scene::in_memory(|job| {
        job["transformer"]["with"]["app_ids"] = json!(["shop", "news"]);
        job["limits"] = json!({"threads": 2, "task_bytes": "16KiB", "dead_letters": "100%"});
        job["state"] = json!({"lease": "2s"});
    });
    copy(&project().join("fixtures/clickstream/raw"), &scene.path("raw"));
    // What a first run read before the input was corrected: less of it, and one object that is gone since.
    for hour in ["hour=05", "hour=06"] {
        let below = format!("year=2026/month=11/day=20/{hour}");
        copy(&scene.path("raw").join(&below), &scene.path("raw-before").join(&below));
    }
    let gone = "year=2026/month=11/day=20/hour=05/00-gone.log";
    fs::write(scene.path("raw-before").join(gone), events::good("gone")).unwrap();
    scene
}

/// Where the output of a world is.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// A folder of the stage.
    Folder,
    /// A bucket of a server.
    Bucket(&'a Server, &'a str),
}

/// One output.
pub struct World<'a> {
    stage: &'a Scene,
    place: Place<'a>,
    name: String,
}

impl<'a> World<'a> {
    /// An output of its own; nothing is there yet.
    pub fn new(stage: &'a Scene, place: Place<'a>, name: &str) -> Self {
        Self { stage, place, name: name.replace(|c: char| !c.is_ascii_alphanumeric(), "-") }
    }

    fn url(&self) -> String {
        match self.place {
            Place::Folder => self.stage.path("worlds").join(&self.name).display().to_string(),
            Place::Bucket(_, bucket) => format!("s3://{bucket}/{}", self.name),
        }
    }

    /// The folder of an output that is in one.
    pub fn folder(&self) -> PathBuf {
        PathBuf::from(self.url())
    }

    /// Starts a command of the binary on the job, such as `run` or `state show`.
    pub fn start(&self, command: &str, more: &[&str], environment: &[(&str, &str)]) -> Process {
        let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let mut call = support::command(&self.stage.path(""));
        call.args(command.split(' ')).args(["job.yaml", "--output", "json"]);
        call.args(["--set", &format!("sink.url={}", self.url())]);
        if let Place::Bucket(server, _) = self.place {
            call.args(["--set", &format!("sink.s3.endpoint={}", server.endpoint), "--set", "sink.s3.path_style=true"]);
        }
        let child = call
            .args(more)
            .envs(CREDENTIALS)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::from(stdout.try_clone().unwrap()))
            .stderr(Stdio::from(stderr.try_clone().unwrap()))
            .spawn()
            .unwrap();
        Process { child, stdout, stderr }
    }

    /// Starts a run of a window.
    pub fn start_window(&self, window: &str, more: &[&str], environment: &[(&str, &str)]) -> Process {
        let fixed = ["--window", window, "--now", NOW, "--progress", "none"];
        self.start("run", &[&fixed[..], more].concat(), environment)
    }

    /// Starts a run of the whole day.
    pub fn start_run(&self, environment: &[(&str, &str)]) -> Process {
        self.start_window(WINDOW, &[], environment)
    }

    /// Runs the day as it was before the input was corrected.
    pub fn run_before(&self) {
        self.start_window(WINDOW, &["--set", "source.url=raw-before"], &[]).wait().done();
    }

    /// Starts giving up everything that is pending, however young.
    pub fn start_gc(&self, environment: &[(&str, &str)]) -> Process {
        self.start("gc", &["--apply", "--older-than", "0s"], environment)
    }

    /// What is visible, once everything that is pending is given up; and what is pending all the same.
    pub fn settle(&self) -> Output {
        self.start_gc(&[]).wait().done();
        self.look()
    }

    /// What is there now.
    pub fn look(&self) -> Output {
        let Place::Bucket(server, bucket) = self.place else {
            return Output::of(Path::new(&self.url()), &self.url(), Vec::new());
        };
        let copy = tempfile::tempdir().unwrap();
        let prefix = format!("{}/", self.name);
        let answers = server.s3(json!([["download", bucket, prefix, copy.path()], ["uploads", bucket]]));
        let uploads = answers[1].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned());
        let uploads = uploads.filter(|key| key.starts_with(&prefix)).map(|key| format!("upload {key}")).collect();
        Output::of(copy.path(), &self.url(), uploads)
    }
}

/// What a reader of an output finds, without what tells one attempt from another.
#[derive(Debug, PartialEq)]
pub struct Output {
    /// Content by path: a hash for Parquet, text for all else. Revisions are taken out of names.
    pub files: BTreeMap<String, String>,
    /// Rows by table, as sorted texts.
    pub rows: BTreeMap<&'static str, Vec<String>>,
    /// Hidden files, uploads, registered work and leases.
    pub pending: Vec<String>,
}

impl Output {
    fn of(folder: &Path, url: &str, uploads: Vec<String>) -> Self {
        let (mut visible, mut pending) = (BTreeMap::new(), uploads);
        for path in files(folder) {
            let is_left_over = path.split('/').any(|part| part.starts_with('.') || matches!(part, "work" | "leases"));
            if is_left_over {
                pending.push(path);
            } else if !path.starts_with("_state/") {
                let text = read(&folder.join(&path), url);
                let name = without_revisions(&path);
                assert_eq!(visible.insert(name, text), None, "two revisions of {path}");
            }
        }
        Self { files: visible, rows: content(folder), pending }
    }

    /// Asserts that this is the undisturbed output and nothing else.
    #[track_caller]
    pub fn assert_is(&self, expected: &Self) {
        let lacks = |from: &Self, others: &Self| -> Vec<String> {
            others.files.keys().filter(|path| !from.files.contains_key(*path)).cloned().collect()
        };
        let (missing, extra) = (lacks(self, expected), lacks(expected, self));
        assert!(missing.is_empty() && extra.is_empty(), "missing {missing:#?}\nextra {extra:#?}");
        for (table, rows) in &expected.rows {
            assert_eq!(self.rows[table].len(), rows.len(), "rows of {table}");
            assert!(self.rows[table] == *rows, "content of {table}");
        }
        for (path, text) in &expected.files {
            assert_eq!(&self.files[path], text, "{path}");
        }
        assert_eq!(self.pending, Vec::<String>::new(), "left over");
    }

    /// Asserts that the output is worth comparing with: rows of every table in several files, and dead letters.
    #[track_caller]
    pub fn assert_is_rich(&self) {
        assert!(self.rows.values().all(|rows| !rows.is_empty()), "rows of each table");
        let dead_letters = self.files.keys().filter(|path| path.starts_with("_dead_letters/")).count();
        let tasks = self.files.keys().filter(|path| path.starts_with("event_v2/")).count();
        assert!(tasks > 3 && dead_letters > 1, "several tasks: {:?}", self.files.keys());
        assert_eq!(self.pending, Vec::<String>::new(), "an undisturbed run leaves nothing");
    }
}

/// A file's content: equal for equal output, wherever it is and whatever revision it belongs to.
fn read(path: &Path, url: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let name = path.to_str().unwrap();
    if name.ends_with(".parquet") {
        let mut hasher = DefaultHasher::new();
        fs::read(path).unwrap().hash(&mut hasher);
        return format!("{:016x}", hasher.finish());
    }
    let mut text = String::new();
    let mut file = File::open(path).unwrap();
    if path.extension().is_some_and(|ending| ending == "gz") {
        MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        file.read_to_string(&mut text).unwrap();
    }
    let text = without_revisions(&text.replace(url, "SINK"));
    if name.ends_with(".partitions.json") { without_changes(&text) } else { text }
}

/// Takes out of a list of partitions what it says of the run before: a revision that replaces says so.
fn without_changes(list: &str) -> String {
    let mut list: Value = serde_json::from_str(list).unwrap();
    for table in list["tables"].as_array_mut().unwrap() {
        let partitions = table["partitions"].as_array_mut().unwrap();
        partitions.retain(|partition| partition["files"] != 0);
        for partition in partitions.iter_mut().map(|partition| partition.as_object_mut().unwrap()) {
            assert!(partition.remove("change").is_some() && partition.remove("removed_files").is_some());
        }
    }
    list.to_string()
}

/// Takes `.r1` and the like out of names.
fn without_revisions(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(".r") {
        let behind = rest[place + 2..].trim_start_matches(|c: char| c.is_ascii_digit());
        let is_revision = behind.len() < rest.len() - place - 2 && !behind.starts_with(char::is_alphanumeric);
        kept.push_str(&rest[..if is_revision { place } else { place + 2 }]);
        rest = if is_revision { behind } else { &rest[place + 2..] };
    }
    kept + rest
}

/// A process of the binary.
pub struct Process {
    child: Child,
    stdout: File,
    stderr: File,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    /// Waits for its end. Two minutes are taken for a hang.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > Duration::from_mins(2) {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("no end after two minutes\n{}", text(&mut self.stderr));
            }
            sleep(Duration::from_millis(5));
        };
        let (stdout, stderr) = (text(&mut self.stdout), text(&mut self.stderr));
        assert!(!stderr.contains("panicked"), "{stderr}");
        Ended { code: status.code(), signal: status.signal(), stdout, stderr }
    }

    /// Kills it after a while; it may have ended before.
    pub fn kill_after(mut self, delay: Duration) -> Ended {
        sleep(delay);
        let _ = self.child.kill();
        self.wait()
    }

    /// Waits until it is put to sleep. Gives `false` when it ended instead.
    pub fn sleeps(&mut self) -> bool {
        let stat = PathBuf::from(format!("/proc/{}/stat", self.child.id()));
        for _ in 0..24_000 {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            // "pid (name) state …"
            let text = fs::read_to_string(&stat).unwrap_or_default();
            if text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')) {
                return true;
            }
            sleep(Duration::from_millis(5));
        }
        panic!("neither asleep nor ended after two minutes\n{}", text(&mut self.stderr));
    }

    /// Wakes it up.
    pub fn wake(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Sends it a signal; one that sleeps hears of it when it wakes up.
    pub fn signal(&self, signal: Signal) {
        send(&self.child, signal);
    }
}

impl Ended {
    /// Asserts exit code 0.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!((self.code, self.signal), (Some(0), None), "{}\n{}", self.stderr, self.stdout);
        self
    }

    /// Asserts that it was done, or gave way to another runner.
    #[track_caller]
    pub fn done_or_held(self) -> Self {
        assert!(matches!(self.code, Some(0 | 4)), "{:?}: {}\n{}", self.code, self.stderr, self.stdout);
        self
    }
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The points that a run passes, in the order of their first hits, with the number of hits.
pub fn points(run: impl FnOnce(&[(&str, &str)]) -> Process) -> Vec<(String, u64)> {
    let list = tempfile::NamedTempFile::new().unwrap();
    run(&[("ETL_FAILPOINT_LIST", list.path().to_str().unwrap())]).wait().done();
    let mut points: Vec<(String, u64)> = Vec::new();
    for name in fs::read_to_string(list.path()).unwrap().lines() {
        match points.iter_mut().find(|(known, _)| known == name) {
            Some((_, hits)) => *hits += 1,
            None => points.push((name.to_owned(), 1)),
        }
    }
    assert!(!points.is_empty(), "no point: the binary is built without the feature `failpoints`");
    points
}

/// Does `test` in a bucket of a server of its own; skips it when there is no server.
pub fn in_a_bucket(start: impl FnOnce(&Path) -> Server, test: impl FnOnce(Place<'_>)) {
    const BUCKET: &str = "worlds";
    let Some(venv) = venv() else { return };
    let server = start(&venv);
    server.make_bucket(BUCKET);
    test(Place::Bucket(&server, BUCKET));
}

/// An output with what a killed run left behind.
pub fn left_behind<'a>(stage: &'a Scene, place: Place<'a>, name: &str) -> World<'a> {
    let world = World::new(stage, place, name);
    let crashed = world.start_run(&[("ETL_FAILPOINT", "run.merged")]).wait();
    assert_eq!(crashed.signal, KILLED, "{crashed:?}");
    world
}

/// The points that a `gc` passes which clears that away.
pub fn points_of_gc(stage: &Scene, place: Place<'_>) -> Vec<String> {
    let world = left_behind(stage, place, "points of gc");
    points(|environment| world.start_gc(environment)).into_iter().map(|(name, _)| name).collect()
}

/// A number for each run of the tests, printed so that a failure can be repeated with `ETL_SEED`.
pub fn seed() -> u64 {
    let seed = std::env::var("ETL_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    eprintln!("ETL_SEED={seed}");
    seed
}
