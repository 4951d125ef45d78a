//! `etl-generate`: raw clickstream batches for benchmarks and tests, from a seed.

use clap::Parser;
use etl_bench::calendar::parse_instant;
use etl_bench::generate::{Settings, generate};
use etl_sdk::{Error, Result};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Writes raw clickstream batches made from a seed and prints what is in them as JSON.
#[derive(Parser)]
#[command(name = "etl-generate", version)]
struct Arguments {
    /// Folder to write to; `year=…/month=…/day=…/hour=…/` are made in it.
    out: PathBuf,
    /// Events, damaged ones included.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Objects [default: of about 30 MB of lines each].
    #[arg(long)]
    objects: Option<u64>,
    /// Users [default: one per 45 events].
    #[arg(long)]
    users: Option<u64>,
    /// Everything depends on it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Share of damaged events, and of damaged requests added to the good ones.
    #[arg(long, default_value = "0.5%", value_parser = share)]
    bad: f64,
    /// Day of the events, UTC.
    #[arg(long, default_value = "2026-11-20")]
    day: String,
    /// Files are modified at or after this instant [default: the day's start].
    #[arg(long, requires = "modified_end")]
    modified_start: Option<String>,
    /// Files are modified before this instant [default: the day's end].
    #[arg(long, requires = "modified_start")]
    modified_end: Option<String>,
    /// Threads; they do not change the result.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
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

fn run(arguments: &Arguments) -> Result<()> {
    let modified = match (&arguments.modified_start, &arguments.modified_end) {
        (Some(start), Some(end)) => Some((parse_instant(start)?, parse_instant(end)?)),
        _ => None,
    };
    if modified.is_some_and(|(start, end)| start >= end) {
        return Err(Error::config("read the arguments").hint("--modified-start lies before --modified-end"));
    }
    let settings = Settings {
        objects: arguments.objects,
        users: arguments.users,
        seed: arguments.seed,
        bad: arguments.bad,
        day: parse_instant(&arguments.day)?,
        modified,
        threads: arguments.threads,
        ..Settings::new(arguments.events, &arguments.out)
    };
    let totals = generate(&settings)?;
    writeln!(std::io::stdout(), "{:#}", totals.to_json())
        .map_err(|error| Error::internal("print the totals").source(error))
}

/// `0.5%` or `0.005`.
fn share(text: &str) -> Result<f64, String> {
    let (digits, part) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    let value: f64 = digits.trim().parse().map_err(|_| format!("`{text}` is no share; write 0.5%"))?;
    if (0.0..=0.5 * part).contains(&value) { Ok(value / part) } else { Err("a share from 0% to 50%".to_owned()) }
}
