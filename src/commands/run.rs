//! `run`: one job over one window.

use super::{Outcome, RunRequest};
use crate::cli::Printer;
use etl_sdk::{Error, Result};

/// Runs the job and prints the report.
pub fn run(request: &RunRequest, _printer: &Printer) -> Result<Outcome> {
    Err(Error::internal("not built yet").with("command", "run").with("job", request.job_file.display()))
}
