//! Processor time and memory of a section of work or of a child process.

use etl_sdk::{Error, Result};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::Instant;

/// What a finished child process took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Taken {
    /// Seconds on the clock.
    pub wall_seconds: f64,
    /// Processor seconds, user and system, over all threads.
    pub cpu_seconds: f64,
    /// Greatest resident memory in bytes.
    pub peak_bytes: u64,
}

impl Taken {
    /// As an object with the members `wall_seconds`, `cpu_seconds` and `peak_bytes`.
    pub fn to_json(self) -> Value {
        json!({"wall_seconds": self.wall_seconds, "cpu_seconds": self.cpu_seconds, "peak_bytes": self.peak_bytes})
    }

    /// Reads what [`Taken::to_json`] wrote.
    pub fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            wall_seconds: value.get("wall_seconds")?.as_f64()?,
            cpu_seconds: value.get("cpu_seconds")?.as_f64()?,
            peak_bytes: value.get("peak_bytes")?.as_u64()?,
        })
    }
}

/// Processor seconds, user and system, of the calling thread so far.
pub fn thread_cpu_seconds() -> Result<f64> {
    usage(UsageWho::RUSAGE_THREAD).map(|usage| seconds(&usage))
}

/// Runs a program to its end and returns its standard output and what it took.
///
/// The kernel keeps one peak for all children of a process, and a child starts with its parent's peak. So the caller
/// is a small process of its own that runs this once; see the hidden `child` subcommand of `etl-bench`.
pub fn run_child(program: &str, arguments: &[String]) -> Result<(Vec<u8>, Taken, Option<i32>)> {
    let before = seconds(&usage(UsageWho::RUSAGE_CHILDREN)?);
    let start = Instant::now();
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Error::config("start a program").with("program", program).source(error))?;
    let wall_seconds = start.elapsed().as_secs_f64();
    let after = usage(UsageWho::RUSAGE_CHILDREN)?;
    let taken = Taken {
        wall_seconds,
        cpu_seconds: seconds(&after) - before,
        // Linux counts in KiB.
        peak_bytes: after.max_rss().max(0) as u64 * 1024,
    };
    Ok((output.stdout, taken, output.status.code()))
}

/// Adds up the processor time of sections of one thread; what lies between the sections is not counted.
#[derive(Debug, Default)]
pub struct Stopwatch {
    seconds: f64,
}

impl Stopwatch {
    /// Runs `work` and adds its processor time.
    pub fn time<T>(&mut self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = thread_cpu_seconds()?;
        let value = work()?;
        self.seconds += thread_cpu_seconds()? - before;
        Ok(value)
    }

    /// Processor seconds so far.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

fn usage(who: UsageWho) -> Result<Usage> {
    getrusage(who).map_err(|error| Error::internal("ask for the processor time").source(error))
}

fn seconds(usage: &Usage) -> f64 {
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_measured_and_its_output_kept() {
        let (output, taken, code) = run_child("sh", &["-c".to_owned(), "echo hello; exit 3".to_owned()]).unwrap();
        assert_eq!((output.as_slice(), code), (b"hello\n".as_slice(), Some(3)));
        assert!(taken.peak_bytes > 0);
        assert_eq!(Taken::from_json(&taken.to_json()), Some(taken));
    }

    #[test]
    fn only_timed_sections_count() {
        let mut watch = Stopwatch::default();
        assert_eq!(watch.time(|| Ok(5)).unwrap(), 5);
        let counted = watch.seconds();
        let mut sum = 0u64;
        for number in 0..2_000_000u64 {
            sum = std::hint::black_box(sum.wrapping_add(number));
        }
        assert_eq!(watch.seconds().to_bits(), counted.to_bits(), "{sum}");
    }
}
