//! The arguments of `runs` and `sql`, for clap. Their comments are the help.

use super::options::{JobArgs, OutputArgs, at_least_one};
use crate::commands::{RunsRequest, SqlFormat, SqlRequest, SqlSource};
use crate::report::Status;
use crate::window::Window;
use clap::{Args, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;

pub const RUNS_EXAMPLES: &str = "\
Examples:
  etl-runner runs job.yaml
  etl-runner runs job.yaml --status failed --last 5
  etl-runner runs job.yaml --window 2026-11-20 --output json
  etl-runner runs job.yaml --show 2026-11-20T05/PT1H";

pub const SQL_EXAMPLES: &str = "\
Examples:
  etl-runner sql job.yaml --tables
  etl-runner sql job.yaml \"select window_start, status, rows from runs\"
  etl-runner sql job.yaml \"select reason, sum(count) from dead_letters group by 1\"
  etl-runner sql job.yaml \"select * from session\" --format csv > sessions.csv
  etl-runner sql job.yaml --file report.sql --output json

";

#[derive(Debug, Args)]
pub struct RunsArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Maximum number of runs to show.
    #[arg(long, value_name = "N", default_value = "20", value_parser = at_least_one)]
    last: NonZeroUsize,
    /// Only show runs with this status, such as failed.
    #[arg(long, value_name = "STATUS")]
    status: Option<Status>,
    /// Only show runs whose window overlaps this one.
    #[arg(long, value_name = "WINDOW")]
    window: Option<Window>,
    /// Show the full report of one run, named by its id, its report's name or its window.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["last", "status", "window"])]
    show: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct SqlArgs {
    #[command(flatten)]
    job: JobArgs,
    /// A single SQL query; `-` reads it from stdin.
    #[arg(value_name = "SQL", required_unless_present_any = ["from_file", "tables"])]
    sql: Option<String>,
    /// Read the query from a file.
    #[arg(long = "file", value_name = "SQL_FILE", id = "from_file", conflicts_with = "sql")]
    from_file: Option<PathBuf>,
    /// List the tables and their columns.
    #[arg(long, conflicts_with_all = ["sql", "from_file", "limit", "format"])]
    tables: bool,
    /// Maximum number of rows to print, 0 for all. Default: 1000 as text, all as JSON or CSV.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print the rows in this format instead of --output's.
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "output")]
    format: Option<SqlForm>,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SqlForm {
    /// Comma-separated values with a header row.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

impl RunsArgs {
    pub fn into_request(self) -> RunsRequest {
        RunsRequest {
            job: self.job.into_request(),
            last: self.last,
            status: self.status,
            window: self.window,
            show: self.show,
        }
    }
}

impl SqlArgs {
    pub fn into_request(self) -> SqlRequest {
        let source = match (self.sql, self.from_file) {
            (Some(sql), _) if sql == "-" => SqlSource::Stdin,
            (Some(sql), _) => SqlSource::Text(sql),
            (None, Some(file)) => SqlSource::File(file),
            (None, None) => SqlSource::Tables,
        };
        let format = self.format.map(|form| match form {
            SqlForm::Csv => SqlFormat::Csv,
            SqlForm::Jsonl => SqlFormat::JsonLines,
        });
        SqlRequest { job: self.job.into_request(), source, limit: self.limit, format }
    }
}
