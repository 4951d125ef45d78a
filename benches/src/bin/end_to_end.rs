//! `etl-bench`: the release binary over generated events, beside the floors of the same data and rows.

use clap::{Args, Parser, Subcommand, ValueEnum};
use etl_bench::end_to_end::Outcome;
use etl_bench::floors::{self, Floor};
use etl_bench::generate::{Settings, generate};
use etl_bench::measure::{Taken, run_child};
use etl_sdk::{Error, Result};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The project's folder, where the job and the fixtures are.
const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// After the generated day, so that only the events made to be so lie in the future.
const NOW: &str = "2026-11-21T06:00:00Z";
const WINDOW: &str = "2026-11-20";
/// Part of the cache folder's name; grows when the generator changes what it writes.
const DATA_VERSION: u32 = 2;

/// Runs etl-runner over generated events and measures, in the same run, what inflating, parsing and encoding them
/// takes alone.
#[derive(Parser)]
#[command(name = "etl-bench", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    bench: Bench,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Args)]
struct Bench {
    /// Events to generate, or to take from the cache.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Also run over this many events and compare time and memory.
    #[arg(long)]
    compare: Option<u64>,
    /// The program [default: `etl-runner` beside this one].
    #[arg(long)]
    binary: Option<PathBuf>,
    /// The job file [default: jobs/bench.yaml of the project].
    #[arg(long)]
    job: Option<PathBuf>,
    /// A `MaxMind` format database [default: GeoLite2-City-Test.mmdb of the conformance data, else the fixtures'].
    #[arg(long, env = "ETL_GEO_DATABASE")]
    geo_database: Option<PathBuf>,
    /// Worker threads of the program.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Runs of the program and of each floor; the one with the least CPU time counts.
    #[arg(long, default_value_t = 1)]
    repeat: u32,
    /// Folder for generated events and outputs [default: `$ETL_CACHE` or `~/.cache/etl-runner`, with `bench`].
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Leave the floors out.
    #[arg(long)]
    no_floors: bool,
    /// Form of the figures.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Text,
    Json,
}

/// Parts of a run that need a process of their own.
#[derive(Subcommand)]
enum Part {
    /// Runs a program and prints what it took.
    #[command(hide = true)]
    Child {
        program: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measures one floor.
    #[command(hide = true)]
    Floor { name: String, folder: PathBuf },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.part {
        None => bench(&arguments.bench),
        Some(Part::Child { program, arguments }) => child(&program, &arguments),
        Some(Part::Floor { name, folder }) => {
            floor(&name, &folder).and_then(|floor| print(&floor.to_json().to_string()))
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            if let Some(hint) = error.hint_text() {
                let _ = writeln!(std::io::stderr(), "hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn bench(settings: &Bench) -> Result<()> {
    let first = measure(settings, settings.events, !settings.no_floors)?;
    let second = settings.compare.map(|events| measure(settings, events, false)).transpose()?;
    match (settings.output, &second) {
        (Form::Json, None) => print(&format!("{:#}", first.to_json())),
        (Form::Json, Some(second)) => print(&format!("{:#}", json!([first.to_json(), second.to_json()]))),
        (Form::Text, None) => print(&first.to_text()),
        (Form::Text, Some(second)) => print(&format!(
            "{}\n{}\npeak memory of the second is {:.2} times the first's, CPU time {:.2} times\n",
            first.to_text(),
            second.to_text(),
            second.run.peak_bytes as f64 / first.run.peak_bytes as f64,
            second.run.cpu_seconds / first.run.cpu_seconds,
        )),
    }
}

fn measure(settings: &Bench, events: u64, with_floors: bool) -> Result<Outcome> {
    let folder = cache_folder(settings)?.join(format!("events-{events}-v{DATA_VERSION}"));
    let (raw, output) = (folder.join("raw"), folder.join("output"));
    let data = data(events, &folder, &raw)?;
    let mut notes = Vec::new();
    let geo = geo_database(settings, &mut notes);
    let (run, report) = run(settings, &raw, &output, &geo)?;
    let mut measured = Vec::new();
    if with_floors {
        for (name, folder) in [("inflate", &raw), ("parse", &raw), ("encode", &output)] {
            measured.push((name, own_process_floor(settings, name, folder)?));
        }
    }
    check_rows(&data, &report, &mut notes);
    Ok(Outcome { data, run, report, floors: measured, notes })
}

/// Generates the events unless the folder has them; the totals are written last.
fn data(events: u64, folder: &Path, raw: &Path) -> Result<Value> {
    let totals_path = folder.join("totals.json");
    if let Some(totals) = fs::read(&totals_path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        return Ok(totals);
    }
    say(&format!("generating {events} events in {}", raw.display()));
    remove(raw)?;
    let totals = generate(&Settings::new(events, raw))?.to_json();
    fs::write(&totals_path, totals.to_string())
        .map_err(|error| Error::config("keep the totals").with("path", totals_path.display()).source(error))?;
    Ok(totals)
}

fn run(settings: &Bench, raw: &Path, output: &Path, geo: &Path) -> Result<(Taken, Value)> {
    let binary = match &settings.binary {
        Some(binary) => binary.clone(),
        None => this_program()?.with_file_name("etl-runner"),
    };
    let job = settings.job.clone().unwrap_or_else(|| Path::new(PROJECT).join("jobs/bench.yaml"));
    let mut arguments = vec!["child".to_owned(), "--".to_owned(), binary.display().to_string()];
    arguments.extend(["run", &job.display().to_string(), "--window", WINDOW, "--now", NOW].map(str::to_owned));
    arguments.extend(["--output".to_owned(), "json".to_owned()]);
    for (key, value) in [
        ("source.url", raw.display().to_string()),
        ("sink.url", output.display().to_string()),
        ("limits.threads", settings.threads.to_string()),
    ] {
        arguments.extend(["--set".to_owned(), format!("{key}={value}")]);
    }
    let mut best: Option<(Taken, Value)> = None;
    for _ in 0..settings.repeat.max(1) {
        remove(output)?;
        let text = own_process(&arguments, Some(geo))?;
        let wrong =
            || Error::internal("read what a run took").with("answer", text.chars().take(200).collect::<String>());
        let answer: Value = serde_json::from_str(&text).map_err(|error| wrong().source(error))?;
        let taken = answer.get("taken").and_then(Taken::from_json).ok_or_else(wrong)?;
        if best.as_ref().is_none_or(|(least, _)| taken.cpu_seconds < least.cpu_seconds) {
            best = Some((taken, answer.get("output").cloned().unwrap_or_default()));
        }
    }
    best.ok_or_else(|| Error::internal("run the program: no run"))
}

fn own_process_floor(settings: &Bench, name: &str, folder: &Path) -> Result<Floor> {
    let arguments = ["floor".to_owned(), name.to_owned(), folder.display().to_string()];
    let mut best: Option<Floor> = None;
    for _ in 0..settings.repeat.max(1) {
        let text = own_process(&arguments, None)?;
        let floor = serde_json::from_str(&text).ok().as_ref().and_then(Floor::from_json);
        let floor = floor.ok_or_else(|| Error::internal("read a floor").with("floor", name))?;
        if best.is_none_or(|least| floor.cpu_seconds < least.cpu_seconds) {
            best = Some(floor);
        }
    }
    best.ok_or_else(|| Error::internal("measure a floor: no pass"))
}

/// Runs this program again, with the job's geo database in the environment, and returns its standard output.
fn own_process(arguments: &[String], geo: Option<&Path>) -> Result<String> {
    let output = std::process::Command::new(this_program()?)
        .args(arguments)
        .envs(geo.map(|path| ("ETL_GEO_DATABASE", path)))
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| Error::internal("start a part of the benchmark").source(error))?;
    if !output.status.success() {
        return Err(Error::config("run a part of the benchmark").with("part", arguments.join(" ")));
    }
    String::from_utf8(output.stdout).map_err(|error| Error::internal("read a part's answer").source(error))
}

fn child(program: &str, arguments: &[String]) -> Result<()> {
    let (output, taken, code) = run_child(program, arguments)?;
    if code != Some(0) {
        let code = code.map_or("signal".to_owned(), |code| code.to_string());
        return Err(Error::config("run the program").with("program", program).with("exit_code", code));
    }
    let output: Value = serde_json::from_slice(&output).unwrap_or_default();
    print(&json!({"taken": taken.to_json(), "output": output}).to_string())
}

fn floor(name: &str, folder: &Path) -> Result<Floor> {
    match name {
        "inflate" => floors::inflate(folder),
        "parse" => floors::parse(folder),
        "encode" => floors::encode(folder),
        _ => Err(Error::config("measure a floor").with("name", name).hint("write inflate, parse or encode")),
    }
}

/// The events table must hold what the generator meant to be good, less the crawlers'.
fn check_rows(data: &Value, report: &Value, notes: &mut Vec<String>) {
    let expected = |name: &str| data.pointer(&format!("/expected/{name}")).and_then(Value::as_u64).unwrap_or(0);
    let tables = report.get("tables").and_then(Value::as_array);
    let rows = tables.into_iter().flatten().find(|table| table["name"] == "event_v2").map(|table| &table["rows"]);
    let (good, bots) = (expected("good_events"), expected("bot_events"));
    match rows.and_then(Value::as_u64) {
        Some(rows) if rows == good - bots => {}
        Some(rows) => {
            notes.push(format!("event_v2 has {rows} rows; {good} good events less {bots} of crawlers were generated"));
        }
        None => notes.push("the run's report names no rows of event_v2".to_owned()),
    }
}

fn geo_database(settings: &Bench, notes: &mut Vec<String>) -> PathBuf {
    let conformance = std::env::var_os("ETL_CONFORMANCE")
        .map_or_else(|| Path::new(PROJECT).join("../shared/conformance"), PathBuf::from)
        .join("geo/GeoLite2-City-Test.mmdb");
    if let Some(path) = &settings.geo_database {
        return path.clone();
    }
    if conformance.exists() {
        return conformance;
    }
    notes.push("addresses are looked up in the fixtures' database, which knows few of them".to_owned());
    Path::new(PROJECT).join("fixtures/geo/places.mmdb")
}

fn cache_folder(settings: &Bench) -> Result<PathBuf> {
    if let Some(folder) = &settings.cache {
        return Ok(folder.clone());
    }
    if let Some(folder) = std::env::var_os("ETL_CACHE") {
        return Ok(Path::new(&folder).join("bench"));
    }
    let home = std::env::var_os("HOME").ok_or_else(|| Error::config("find the cache folder").hint("give --cache"))?;
    Ok(Path::new(&home).join(".cache/etl-runner/bench"))
}

fn this_program() -> Result<PathBuf> {
    std::env::current_exe().map_err(|error| Error::internal("find this program").source(error))
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .map_err(|error| Error::config("empty a folder").with("path", folder.display()).source(error))?;
    }
    fs::create_dir_all(folder)
        .map_err(|error| Error::config("make a folder").with("path", folder.display()).source(error))
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn print(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").map_err(|error| Error::internal("print").source(error))
}
