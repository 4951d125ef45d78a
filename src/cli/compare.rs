//! The arguments of `compare`. Their comments are the help.

use super::options::{ScreenArgs, usage};
use crate::compare::CompareRequest;
use crate::storage::S3Config;
use crate::text::{ByteSize, Span};
use clap::Args;
use etl_sdk::Result;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  etl-runner compare out/event_v2 s3://spark/event_v2 --key event_id
  etl-runner compare old.parquet new.json.gz --key id --ignore created_at,process_info.process_time
  etl-runner compare a/session b/session --key session_id,user_pseudo_id --latest process_time
  etl-runner compare a b --key id --time-tolerance 1s --number-tolerance 1e-9 --output json

LEFT and RIGHT are each a Parquet or JSON Lines file, or a folder or s3:// prefix with such files of
one table; folders named name=value below it become columns. Rows with the same key are paired when
they are equal, the rest in the order of their values. Credentials for s3:// come from the
environment, as do AWS_ENDPOINT_URL and AWS_REGION.

Exit codes:
  0  equal
  1  different; also on failure, such as an unavailable store: --output json then has `error`
  2  the command line is invalid, a side has no files, or a file cannot be parsed
  6  stopped by a signal";

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// File, folder or s3:// prefix to compare.
    #[arg(value_name = "LEFT")]
    left: String,
    /// File, folder or s3:// prefix to compare it with.
    #[arg(value_name = "RIGHT")]
    right: String,
    /// Columns that identify a row.
    #[arg(long, value_name = "COLUMN", required = true, value_delimiter = ',')]
    key: Vec<String>,
    /// Of rows with the same key, only compare the one with the greatest values in these columns.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    latest: Vec<String>,
    /// Ignore columns, or entries of maps and structs such as `process_info.process_time`; may be repeated.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Treat timestamps as equal if they differ by at most this much, such as 1s or 500ms.
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = nanos)]
    time_tolerance: u64,
    /// Treat doubles as equal if they differ by at most this share of the greater one, such as 1e-9.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    number_tolerance: f64,
    /// Maximum number of examples per difference.
    #[arg(long, value_name = "N", default_value = "3")]
    examples: usize,
    /// Memory for sorting both sides; beyond it, rows are spilled to disk.
    #[arg(long, value_name = "SIZE", default_value = "512MiB")]
    memory: ByteSize,
    /// Folder for spilled rows. Default: the system's temporary folder.
    #[arg(long, value_name = "FOLDER")]
    spill_folder: Option<PathBuf>,
    /// Endpoint of an S3-compatible server, with the bucket in the path unless its host name begins with it.
    #[arg(long, value_name = "URL")]
    s3_endpoint: Option<String>,
    /// Region of the s3:// buckets.
    #[arg(long, value_name = "REGION")]
    s3_region: Option<String>,
    /// Do not sign requests, for public buckets.
    #[arg(long)]
    s3_anonymous: bool,
    #[command(flatten)]
    pub screen: ScreenArgs,
}

impl CompareArgs {
    pub fn into_request(self) -> CompareRequest {
        CompareRequest {
            left: self.left,
            right: self.right,
            key: self.key,
            latest: self.latest,
            ignore: self.ignore,
            time_tolerance_nanos: self.time_tolerance,
            number_tolerance: self.number_tolerance,
            examples: self.examples,
            memory: self.memory,
            spill_folder: self.spill_folder,
            s3: S3Config {
                endpoint: self.s3_endpoint,
                region: self.s3_region,
                anonymous: self.s3_anonymous,
                ..S3Config::default()
            },
        }
    }
}

/// `500ms`, `20us`, or whole seconds as in a job file.
fn nanos(text: &str) -> Result<u64> {
    let parts = [("ms", 1_000_000), ("us", 1_000), ("ns", 1)];
    let small =
        parts.into_iter().find_map(|(unit, nanos)| Some((text.strip_suffix(unit)?.parse::<u64>().ok()?, nanos)));
    let number = match small {
        Some((number, nanos)) => number.checked_mul(nanos),
        None => text.parse::<Span>().ok().and_then(|span| span.seconds.unsigned_abs().checked_mul(1_000_000_000)),
    };
    number.ok_or_else(|| usage("read a tolerance", "write it as 1s, 500ms or 2m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerances_are_spans() {
        for (text, expected) in [("1s", 1_000_000_000), ("500ms", 500_000_000), ("2m", 120_000_000_000), ("0s", 0)] {
            assert_eq!(nanos(text).ok(), Some(expected), "{text}");
        }
        for text in ["", "1", "-1s", "1.5s", "x"] {
            assert!(nanos(text).is_err(), "{text}");
        }
    }
}
