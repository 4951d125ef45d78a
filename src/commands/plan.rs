//! `plan`: what a run would do.

use super::{Outcome, PlanRequest};
use crate::cli::Printer;
use etl_sdk::{Error, Result};

/// Prints what a run would read and write.
pub fn run(request: &PlanRequest, _printer: &Printer) -> Result<Outcome> {
    Err(Error::internal("not built yet").with("command", "plan").with("job", request.job_file.display()))
}
