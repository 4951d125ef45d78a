//! What both test binaries share: a folder with raw batches and a job, the run, and its tables read back.

pub mod events;
pub mod servers;

use arrow::json::LineDelimitedWriter;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use tempfile::TempDir;

/// The tables of the clickstream transformer.
pub const TABLES: [&str; 4] = ["event_v2", "item_v2", "user_v2", "session"];

/// The window of all batches that a test does not place in time itself, and an instant after it.
pub const WINDOW: &str = "2026-11-20";
pub const NOW: &str = "2026-11-21T00:00:00Z";

/// The hour of that window that [`Scene::raw`] writes to.
pub const HOUR: &str = "year=2026/month=11/day=20/hour=05";

/// The project's folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A temporary folder with `raw/`, `job.yaml` and, after a run, `out/`.
pub struct Scene {
    folder: TempDir,
}

impl Scene {
    /// A folder with the job of [`job`].
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A folder with the job of [`job`] after `change`.
    pub fn with(change: impl FnOnce(&mut Value)) -> Self {
        Self::fill(tempfile::tempdir().unwrap(), change)
    }

    /// The same on a file system in memory, where there is one.
    pub fn in_memory(change: impl FnOnce(&mut Value)) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self::fill(folder.unwrap(), change)
    }

    fn fill(folder: TempDir, change: impl FnOnce(&mut Value)) -> Self {
        let scene = Self { folder };
        let mut job = job();
        change(&mut job);
        // JSON is YAML.
        fs::write(scene.path("job.yaml"), serde_json::to_string_pretty(&job).unwrap()).unwrap();
        fs::create_dir(scene.path("raw")).unwrap();
        scene
    }

    /// A path below the folder.
    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Writes a batch into the hour [`HOUR`].
    pub fn raw(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        self.raw_at(HOUR, name, bytes)
    }

    /// Writes a batch into a folder below `raw/`.
    pub fn raw_at(&self, folder: &str, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path("raw").join(folder).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Runs the job over [`WINDOW`].
    pub fn run(&self, more: &[&str]) -> Run {
        self.run_window(&["--window", WINDOW], more)
    }

    /// Runs the job over another window.
    pub fn run_window(&self, window: &[&str], more: &[&str]) -> Run {
        let mut arguments = vec!["run", "job.yaml", "--output", "json", "--progress", "none"];
        arguments.extend(window);
        if !more.contains(&"--now") {
            arguments.extend(["--now", NOW]);
        }
        arguments.extend(more);
        self.call(&arguments)
    }

    /// Calls the binary in the folder.
    pub fn call(&self, arguments: &[&str]) -> Run {
        self.call_with(arguments, &[])
    }

    /// The same with something in the environment.
    pub fn call_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        call(self.folder.path(), arguments, environment)
    }

    /// The rows of all tables as sorted texts.
    pub fn content(&self) -> BTreeMap<&'static str, Vec<String>> {
        content(&self.path("out"))
    }
}

/// A job over `raw/` into `out/` that reads plain clickstream lines of the app `shop` and enriches nothing.
pub fn job() -> Value {
    json!({
        "job": "test",
        "source": {"url": "raw", "layout": "hive-hourly", "select": "path", "framing": "lines"},
        "transformer": {
            "name": "clickstream",
            "with": {"project_id": "test", "app_ids": ["shop"], "freshness_hours": 72, "traffic_source": false},
        },
        "sink": {"url": "out"},
        "limits": {"threads": 2, "dead_letters": "100%"},
    })
}

/// How a call of the binary ended.
pub struct Run {
    /// Exit code; -1 after a signal.
    pub code: i32,
    /// What stdout holds, when that is JSON.
    pub report: Value,
    pub stdout: String,
    pub stderr: String,
}

/// The binary: the one built with the tests, or the one that `ETL_RUNNER` names.
pub fn binary() -> PathBuf {
    std::env::var_os("ETL_RUNNER").map_or_else(|| env!("CARGO_BIN_EXE_etl-runner").into(), PathBuf::from)
}

/// The binary in a folder, with nothing in its environment.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(binary());
    command.current_dir(folder).env_clear();
    command
}

/// Calls the binary in a folder, with nothing in the environment but `environment`.
pub fn call(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    let output = command(folder).args(arguments).envs(environment.iter().copied()).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let report = serde_json::from_str(&stdout).unwrap_or_default();
    assert!(!stderr.contains("panicked"), "{stderr}");
    Run { code: output.status.code().unwrap_or(-1), report, stdout, stderr }
}

impl Run {
    /// Asserts that the run is done and that every step accounts for its rows, by the numbers and not by what the
    /// report says of them.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.balanced()
    }

    /// Asserts that every step accounts for its rows.
    #[track_caller]
    pub fn balanced(self) -> Self {
        let steps = self.report["steps"].as_array().unwrap();
        assert!(!steps.is_empty());
        for step in steps {
            let count = |name: &str| step[name].as_u64().unwrap();
            let sum = |name: &str| step[name].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
            assert_eq!(count("read") + count("added"), count("kept") + sum("filtered") + sum("dead"), "{step}");
        }
        self
    }
}

/// All files below a folder that a reader sees, as sorted paths below it. Names with `_` or `.` are hidden.
pub fn visible_files(folder: &Path) -> Vec<String> {
    files(folder).into_iter().filter(|path| !path.split('/').any(|part| part.starts_with(['_', '.']))).collect()
}

/// All files below a folder, as sorted paths below it; none when it does not exist.
pub fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The rows of a table's Parquet files below `folder`, each with its partition's path as `partition`.
pub fn rows(folder: &Path) -> Vec<Value> {
    let mut rows = Vec::new();
    for name in visible_files(folder) {
        let partition = name.rsplit_once('/').map_or("", |(partition, _)| partition);
        let file = File::open(folder.join(&name)).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        for batch in reader {
            let mut writer = LineDelimitedWriter::new(Vec::new());
            writer.write(&batch.unwrap()).unwrap();
            writer.finish().unwrap();
            for line in writer.into_inner().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let mut row: Value = serde_json::from_slice(line).unwrap();
                row["partition"] = partition.into();
                rows.push(row);
            }
        }
    }
    rows
}

/// The rows of all tables below `out` as sorted texts.
pub fn content(out: &Path) -> BTreeMap<&'static str, Vec<String>> {
    TABLES.into_iter().map(|table| (table, texts(rows(&out.join(table))))).collect()
}

/// Rows as sorted texts.
pub fn texts(rows: Vec<Value>) -> Vec<String> {
    let mut texts: Vec<String> = rows.into_iter().map(|row| row.to_string()).collect();
    texts.sort();
    texts
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    for name in files(from) {
        let target = to.join(&name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(&name), target).unwrap();
    }
}

/// Sends a signal to a process.
pub fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

/// Whether the long form of the harnesses is asked for.
pub fn is_long() -> bool {
    std::env::var_os("ETL_LONG").is_some_and(|value| value == "1")
}

/// What is to hold, with its name.
pub type Case<'a> = (String, Box<dyn FnOnce() + 'a>);

/// Runs all cases, goes on after a failure, and fails with the names of those that failed.
#[track_caller]
pub fn all(cases: Vec<Case<'_>>) {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let count = cases.len();
    let mut failed = Vec::new();
    for (name, case) in cases {
        if catch_unwind(AssertUnwindSafe(case)).is_err() {
            eprintln!("FAILED: {name}");
            failed.push(name);
        }
    }
    eprintln!("{} of {count} cases hold", count - failed.len());
    assert!(failed.is_empty(), "{failed:#?}");
}
