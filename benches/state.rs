//! What state across runs costs: a window of a million events, without state and with many users carried from before.
//!
//! usage: cargo bench --bench state -- [USERS] [FOLDER]
//!
//! USERS, by default 10,000,000, are carried beside those of an earlier window of the same devices. FOLDER is made, and
//! holds events, outputs and state; by default it is `out/bench-state`. Needs `etl-generate`:
//! `cargo build --release -p etl-bench`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends when something is wrong")]

use arrow::array::{
    ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, SchemaRef};
use etl_runner::commit::carried::{CarriedState, Piece, PieceWriter, key_hashes, part_bits, stem};
use etl_runner::commit::{CommitLog, Event, Objects, Runner};
use etl_runner::process::clock::Clock;
use etl_runner::process::stop::Stop;
use etl_runner::storage::{S3Config, Storage};
use etl_runner::window::Window;
use etl_sdk::TableSchema;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");
const BINARY: &str = env!("CARGO_BIN_EXE_etl-runner");
const DAYS: [&str; 2] = ["2026-11-19", "2026-11-20"];
/// Users of the generated events.
const DEVICES: &str = "100000";
/// Rows of one batch of made-up users.
const BATCH: u64 = 8_192;

fn main() {
    // Cargo passes `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let users: u64 = arguments.next().map_or(10_000_000, |users| users.parse().unwrap());
    let folder = arguments.next().map_or_else(|| Path::new(PROJECT).join("out/bench-state"), PathBuf::from);
    if let Some("write") = arguments.next().as_deref() {
        return carry(&folder.join("carried"), users);
    }
    let raw = folder.join("raw");
    if !raw.exists() {
        for (day, events) in DAYS.into_iter().zip(["600000", "1000000"]) {
            let generate = Path::new(BINARY).with_file_name("etl-generate");
            let done =
                Command::new(generate).arg(&raw).args(["--events", events, "--users", DEVICES, "--day", day]).output();
            assert!(done.unwrap().status.success());
        }
    }
    let alone = run(&folder, "alone", DAYS[1], &["transformer.with.user_days=0", "transformer.with.session_days=0"]);
    run(&folder, "carried", DAYS[0], &[]);
    let begun = Instant::now();
    // In a process of its own: a child's peak of memory begins with its parent's.
    let mut write = Command::new(std::env::current_exe().unwrap());
    let written = write.arg(users.to_string()).arg(&folder).arg("write").status();
    assert!(written.unwrap().success());
    println!("{users} users written in {:.1} s", begun.elapsed().as_secs_f64());
    let carried = run(&folder, "carried", DAYS[1], &[]);
    println!("CPU with state: {:.2} times that without; peak {:.2} times", carried.0 / alone.0, carried.1 / alone.1);
}

/// Runs a day and prints what it took. Gives CPU seconds and the peak of memory in MiB.
fn run(folder: &Path, output: &str, day: &str, settings: &[&str]) -> (f64, f64) {
    let output = folder.join(output);
    if day == DAYS[0] || !settings.is_empty() {
        let _ = std::fs::remove_dir_all(&output);
    }
    let mut command = Command::new(BINARY);
    command.current_dir(PROJECT).args(["run", "jobs/bench.yaml", "--window", day, "--now", "2026-11-21T06:00:00Z"]);
    command.args(["--output", "json", "--progress", "none"]);
    for setting in [format!("source.url={}", folder.join("raw").display()), format!("sink.url={}", output.display())]
        .into_iter()
        .chain(settings.iter().map(|setting| (*setting).to_owned()))
    {
        command.args(["--set", &setting]);
    }
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let number = |name: &str| report[name].as_f64().unwrap();
    let (cpu, peak) = (number("cpu_seconds"), number("peak_memory_bytes") / f64::from(1 << 20));
    println!("{day} {}: {cpu:.2} CPU s, {:.1} s, peak {peak:.0} MiB", output.display(), number("elapsed_seconds"));
    (cpu, peak)
}

/// Adds made-up users to what is carried.
fn carry(output: &Path, users: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let storage = Storage::open(output.join("_state").to_str().unwrap(), &S3Config::default(), output).unwrap();
    let objects = Objects::new(&storage, "bench", runtime.handle().clone(), &Stop::default(), Clock::system());
    let log = CommitLog::new(objects.clone(), Runner::this());
    let (_, kept) = log.refresh().unwrap().carried.clone().unwrap();
    let mut state = CarriedState::read(&objects, &kept).unwrap();

    let text = std::fs::read_to_string(Path::new(PROJECT).join("schemas/clickstream/user_v2.json")).unwrap();
    let schema = TableSchema::parse(&text).unwrap().working_schema();
    let window = Window::parse("2026-11-18").unwrap();
    let stem = stem(&format!("bench-{}", window.id()), "0123456789abcdef");
    let mut writer = PieceWriter::new(&objects, &stem, &schema, part_bits(users));
    let key = ["app_id", "user_pseudo_id"].map(|name| schema.index_of(name).unwrap());
    let mut from = 0;
    while from < users {
        let batch = batch(&schema, from, users.min(from + BATCH));
        writer.write(&batch, &key_hashes(&batch, &key).unwrap()).unwrap();
        from += BATCH;
    }
    let (rows, parts) = writer.finish().unwrap();
    let run = Some(format!("bench-{}", window.id()));
    state.tables.get_mut("user_v2").unwrap().push(Piece {
        run,
        level: 0,
        window,
        stamp: 0,
        rows,
        parts,
        made_of: None,
    });
    let carried = state.keep(&objects, &stem).unwrap();
    log.append(Event::Rebuilt { carried, reason: "benchmark".to_owned() }).unwrap();
}

/// Users `from..to`, with a value in every column but the maps.
fn batch(schema: &SchemaRef, from: u64, to: u64) -> RecordBatch {
    let rows = (to - from) as usize;
    let numbers = || (from..to).map(|user| 1_795_000_000_000 + user as i64);
    let column = |name: &str, data_type: &DataType| -> ArrayRef {
        match data_type {
            DataType::Utf8 if name == "app_id" => Arc::new(StringArray::from(vec!["shop"; rows])),
            DataType::Utf8 => {
                Arc::new((from..to).map(|user| Some(format!("{name}-{user:012}"))).collect::<StringArray>())
            }
            DataType::Int64 => Arc::new(numbers().collect::<Int64Array>()),
            DataType::Date32 => Arc::new(Date32Array::from_value(20_000, rows)),
            DataType::Timestamp(..) => {
                let instants: TimestampMicrosecondArray = numbers().map(|msec| Some(msec * 1_000)).collect();
                Arc::new(instants.with_data_type(data_type.clone()))
            }
            other => new_null_array(other, rows),
        }
    };
    let columns = schema.fields().iter().map(|field| column(field.name(), field.data_type())).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
}
