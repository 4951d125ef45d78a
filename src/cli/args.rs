//! The arguments, for clap. Their comments are the help.

use super::compare::CompareArgs;
use super::dead_letters::DeadLettersArgs;
use super::explain::ExplainArgs;
use super::windows::{
    BACKFILL_EXAMPLES, BackfillArgs, RETRY_EXAMPLES, RetryArgs, STATE_EXAMPLES, STATUS_EXAMPLES, StateArgs, StatusArgs,
};
use super::{compare, dead_letters, explain, usage};
use crate::commands::{CheckRequest, GcRequest, PlanRequest, RunRequest, RunsRequest, SqlFormat, SqlRequest};
use crate::screen::{Color, OutputFormat, Printer, ProgressStyle};
use clap::{Args, Parser, Subcommand, ValueEnum};
use etl_sdk::Result;
use std::num::NonZeroUsize;
use std::path::PathBuf;

pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  done; also a window without objects
  1  failed, nothing published
  2  the command line or the job file is wrong
  3  a gate refused to publish, such as limits.dead_letters
  4  another run holds the window
  5  partly done
  6  stopped by a signal";

const EXAMPLES: &str = "\
Examples:
  etl-runner run jobs/quickstart.yaml --window 2026-11-20
  etl-runner --window 2026-11-20T00:00Z/2026-11-20T01:00Z --job jobs/clickstream.yaml
  etl-runner check jobs/clickstream.yaml
  etl-runner explain source

";

const RUN_EXAMPLES: &str = "\
Examples:
  etl-runner run job.yaml --window 2026-11-20T05/PT1H
  etl-runner run job.yaml --last 1h --output json
  etl-runner run job.yaml                   # goes on where the job's `schedule` is
  etl-runner run job.yaml --window 2026-11-20 --set sink.url=/tmp/out --dry-run

";

const PLAN_EXAMPLES: &str = "\
Examples:
  etl-runner plan job.yaml --window 2026-11-20T05/PT1H
  etl-runner plan job.yaml --last 1h --output json
  etl-runner plan job.yaml                  # which windows the schedule would take, and why

";

const CHECK_EXAMPLES: &str = "\
Examples:
  etl-runner check job.yaml
  etl-runner check job.yaml --set source.url=s3://raw/clickstream --output json

";

const RECOVER_EXAMPLES: &str = "\
Examples:
  etl-runner recover job.yaml
  etl-runner recover job.yaml --output json

";

const GC_EXAMPLES: &str = "\
Examples:
  etl-runner gc job.yaml
  etl-runner gc job.yaml --older-than 7d --output json
  etl-runner gc job.yaml --apply

";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  etl-runner schema > job.schema.json";

const RUNS_EXAMPLES: &str = "\
Examples:
  etl-runner runs job.yaml
  etl-runner runs job.yaml --status failed --last 5
  etl-runner runs job.yaml --window 2026-11-20 --output json
  etl-runner runs job.yaml --show 2026-11-20T05/PT1H";

const SQL_EXAMPLES: &str = "\
Examples:
  etl-runner sql job.yaml --tables
  etl-runner sql job.yaml \"select window_start, status, rows from runs\"
  etl-runner sql job.yaml \"select reason, sum(count) from dead_letters group by 1\"
  etl-runner sql job.yaml \"select * from session\" --format csv > sessions.csv
  etl-runner sql job.yaml --file report.sql --output json

";

/// Turns the raw JSON batches of a time window into partitioned Parquet tables, and accounts for every record.
#[derive(Debug, Parser)]
#[command(
    name = "etl-runner",
    version,
    override_usage = "etl-runner <COMMAND>\n       etl-runner --window <WINDOW> --job <FILE> [OPTIONS]",
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = [EXAMPLES, EXIT_CODES].concat()
)]
pub(super) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The job file; the same as `run FILE`.
    #[arg(long, value_name = "FILE")]
    job: Option<PathBuf>,
    #[command(flatten)]
    run: RunOptions,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a job over one window, or over those that its schedule says.
    #[command(after_help = [RUN_EXAMPLES, EXIT_CODES].concat())]
    Run(RunArgs),
    /// Show what a run would read and write.
    #[command(after_help = [PLAN_EXAMPLES, EXIT_CODES].concat())]
    Plan(PlanArgs),
    /// Run a job over many windows of the past.
    #[command(after_help = BACKFILL_EXAMPLES)]
    Backfill(BackfillArgs),
    /// Show which windows are done, missing, failed or running.
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Run failed windows again.
    #[command(after_help = [RETRY_EXAMPLES, EXIT_CODES].concat())]
    Retry(RetryArgs),
    /// Show, set, export or import the watermark.
    #[command(after_help = STATE_EXAMPLES)]
    State(StateArgs),
    /// Show the runs of a job, the newest first, or the whole report of one.
    #[command(after_help = RUNS_EXAMPLES)]
    Runs(RunsArgs),
    /// Ask the tables of a job in SQL: its runs, their ledgers, files and dead letters, and what they wrote.
    #[command(after_help = [SQL_EXAMPLES, EXIT_CODES].concat())]
    Sql(SqlArgs),
    /// Compare two outputs by key, column by column, and explain how they differ.
    #[command(after_help = compare::EXAMPLES)]
    Compare(CompareArgs),
    /// Look at dead letters, replay or drop them.
    #[command(after_help = dead_letters::EXAMPLES)]
    DeadLetters(DeadLettersArgs),
    /// Check a job file and all that it names, offline.
    #[command(after_help = [CHECK_EXAMPLES, EXIT_CODES].concat())]
    Check(CheckArgs),
    /// Publish what killed runs have committed, as every command that writes does first.
    #[command(after_help = [RECOVER_EXAMPLES, EXIT_CODES].concat())]
    Recover(CheckArgs),
    /// Show what stopped and killed runs left behind, and remove it with --apply.
    #[command(after_help = [GC_EXAMPLES, EXIT_CODES].concat())]
    Gc(GcArgs),
    /// List the transformers and enrichments that a job may name.
    #[command(after_help = "Examples:\n  etl-runner list\n  etl-runner list --output json")]
    List(ListArgs),
    /// Explain a transformer, an enrichment, or a section or key of the job file.
    #[command(after_help = explain::EXAMPLES)]
    Explain(ExplainArgs),
    /// Print the JSON Schema of the job file.
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaArgs),
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The job file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    options: RunOptions,
}

#[derive(Debug, Args)]
pub(super) struct RunOptions {
    #[command(flatten)]
    window: WindowArgs,
    /// Do everything except publish.
    #[arg(long)]
    dry_run: bool,
    /// Wait this long for another run of the window instead of ending with exit code 4, such as 10m.
    #[arg(long, value_name = "SPAN")]
    wait: Option<String>,
    /// Replace the window's rows by nothing when its input is gone.
    #[arg(long)]
    allow_empty: bool,
    /// Also replace the rows of committed windows that this one covers.
    #[arg(long)]
    supersede: bool,
    #[command(flatten)]
    screen: ScreenArgs,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The job file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    window: WindowArgs,
    #[command(flatten)]
    screen: ScreenArgs,
}

#[derive(Debug, Args)]
struct WindowArgs {
    /// The window, [start, end) in UTC: START/END, a day, or START/LENGTH such as 2026-11-20T05/PT1H.
    #[arg(long, value_name = "WINDOW", conflicts_with = "last")]
    window: Option<String>,
    /// The last whole span before the run's instant: 1h is the last full hour, in UTC.
    #[arg(long, value_name = "SPAN")]
    last: Option<String>,
    #[command(flatten)]
    set: SetArgs,
    /// The run's instant instead of the clock's, such as 2026-11-20T01:05:00Z.
    #[arg(long, value_name = "INSTANT")]
    now: Option<String>,
    /// Worker threads; overrides limits.threads.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct ScreenArgs {
    #[command(flatten)]
    pub(super) output: OutputArgs,
    /// How progress is shown on stderr.
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub(super) progress: ProgressStyle,
    /// Say nothing on stderr but errors.
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct OutputArgs {
    /// What stdout gets: text for people, or one JSON value alone.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: OutputFormat,
    /// When to use colours; auto asks the terminal and `NO_COLOR`.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
}

#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// Override a key of the job file, such as limits.threads=2; paths start from the job file's folder; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) overrides: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The job file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct GcArgs {
    /// The job file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Leave alone what was written to within this span.
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    older_than: String,
    /// Remove what is shown.
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    set: SetArgs,
    /// The instant that ages are counted from, such as 2026-11-20T01:05:00Z.
    #[arg(long, value_name = "INSTANT")]
    now: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    /// The job file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Most runs to show.
    #[arg(long, value_name = "N", default_value = "20")]
    last: NonZeroUsize,
    /// Only runs that ended so, such as failed.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only runs whose window overlaps this one, written as for `run`.
    #[arg(long, value_name = "WINDOW")]
    window: Option<String>,
    /// The whole report of one run: its id, the name of its report, or its window.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["last", "status", "window"])]
    show: Option<String>,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct SqlArgs {
    /// The job file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// One question in SQL; `-` reads it from stdin.
    #[arg(value_name = "SQL", required_unless_present_any = ["from_file", "tables"])]
    sql: Option<String>,
    /// Read the SQL from a file.
    #[arg(long = "file", value_name = "SQL_FILE", id = "from_file", conflicts_with = "sql")]
    from_file: Option<PathBuf>,
    /// Show the tables and their columns instead.
    #[arg(long, conflicts_with_all = ["sql", "from_file", "limit", "format"])]
    tables: bool,
    /// Most rows to print, 0 for all. Default: 1000 as text, all as JSON or CSV.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print the rows in this form instead of --output's.
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "output")]
    format: Option<SqlForm>,
    /// Override a key of the job file, such as limits.memory=2GiB; paths start from the job file's folder; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SqlForm {
    /// Comma separated, with a heading.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    #[command(flatten)]
    output: OutputArgs,
}

impl Cli {
    /// The subcommand; options without one are those of `run`.
    pub fn into_command(self) -> Result<Command> {
        match (self.command, self.job) {
            (Some(command), _) => Ok(command),
            (None, Some(file)) => Ok(Command::Run(RunArgs { file, options: self.run })),
            (None, None) => Err(usage("no job file", "write `etl-runner run FILE`, or `--job FILE`")),
        }
    }
}

impl Command {
    pub fn printer(&self) -> Printer {
        let screen = match self {
            Self::Run(run) => run.options.screen,
            Self::Plan(plan) => plan.screen,
            Self::Compare(compare) => compare.screen,
            Self::DeadLetters(letters) => letters.command.screen(),
            Self::Backfill(backfill) => backfill.screen,
            Self::Retry(retry) => retry.screen,
            Self::Status(status) => ScreenArgs { output: status.output, ..ScreenArgs::default() },
            Self::State(state) => ScreenArgs { output: state.output(), ..ScreenArgs::default() },
            Self::Explain(explain) => ScreenArgs { output: explain.output(), ..ScreenArgs::default() },
            Self::Runs(RunsArgs { output, .. })
            | Self::Sql(SqlArgs { output, .. })
            | Self::Check(CheckArgs { output, .. })
            | Self::Recover(CheckArgs { output, .. })
            | Self::Gc(GcArgs { output, .. })
            | Self::List(ListArgs { output })
            | Self::Schema(SchemaArgs { output }) => ScreenArgs { output: *output, ..ScreenArgs::default() },
        };
        Printer::new(screen.output.output, screen.output.color, screen.progress, screen.quiet)
    }
}

impl RunArgs {
    pub fn into_request(self) -> RunRequest {
        let window = self.options.window;
        RunRequest {
            job_file: self.file,
            window: window.window,
            last: window.last,
            overrides: window.set.overrides,
            now: window.now,
            dry_run: self.options.dry_run,
            wait: self.options.wait,
            allow_empty: self.options.allow_empty,
            supersede: self.options.supersede,
            threads: window.threads.map(NonZeroUsize::get),
        }
    }
}

impl PlanArgs {
    pub fn into_request(self) -> PlanRequest {
        PlanRequest {
            job_file: self.file,
            window: self.window.window,
            last: self.window.last,
            overrides: self.window.set.overrides,
            now: self.window.now,
            threads: self.window.threads.map(NonZeroUsize::get),
        }
    }
}

impl GcArgs {
    pub fn into_request(self) -> GcRequest {
        GcRequest {
            job_file: self.file,
            older_than: self.older_than,
            apply: self.apply,
            overrides: self.set.overrides,
            now: self.now,
        }
    }
}

impl CheckArgs {
    pub fn into_request(self) -> CheckRequest {
        CheckRequest { job_file: self.file, overrides: self.set.overrides }
    }
}

impl RunsArgs {
    pub fn into_request(self) -> RunsRequest {
        RunsRequest {
            job_file: self.file,
            last: self.last.get(),
            status: self.status,
            window: self.window,
            show: self.show,
            overrides: self.set.overrides,
        }
    }
}

impl SqlArgs {
    pub fn into_request(self) -> SqlRequest {
        SqlRequest {
            job_file: self.file,
            sql: self.sql,
            file: self.from_file,
            tables: self.tables,
            limit: self.limit,
            format: self.format.map(|form| match form {
                SqlForm::Csv => SqlFormat::Csv,
                SqlForm::Jsonl => SqlFormat::JsonLines,
            }),
            overrides: self.overrides,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn request(arguments: &[&str]) -> RunRequest {
        match Cli::try_parse_from(arguments).unwrap().into_command().unwrap() {
            Command::Run(run) => run.into_request(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_without_a_subcommand_are_a_run() {
        let long =
            request(&["etl-runner", "run", "j.yaml", "--window", "2026-11-20", "--set", "a=b", "--threads", "2"]);
        let short =
            request(&["etl-runner", "--window", "2026-11-20", "--job", "j.yaml", "--set", "a=b", "--threads", "2"]);
        assert_eq!(long, short);
        assert_eq!(long.job_file, PathBuf::from("j.yaml"));
        assert_eq!(long.threads, Some(2));
    }

    #[test]
    fn window_and_last_exclude_each_other() {
        assert!(Cli::try_parse_from(["etl-runner", "run", "j", "--window", "2026-11-20", "--last", "1h"]).is_err());
        assert!(Cli::try_parse_from(["etl-runner", "--window", "2026-11-20"]).unwrap().into_command().is_err());
    }
}
