//! Whether the reason code that was asked for is one.

use crate::engine::Pipeline;
use crate::job::Job;
use crate::registry::builtin;
use crate::text::suggest::did_you_mean;
use etl_sdk::{Error, ErrorKind, Result};
use std::collections::BTreeSet;

/// Refuses a reason code that neither a dead letter has nor the job can give. `seen` are those of dead letters.
///
/// A job that cannot be built, for want of a file perhaps, gives any.
pub fn check_reason(job: &Job, reason: Option<&str>, seen: BTreeSet<String>) -> Result<()> {
    let Some(reason) = reason.filter(|reason| !seen.contains(*reason)) else { return Ok(()) };
    match Pipeline::build(job, &builtin()) {
        Ok(pipeline) => check_reason_of(&pipeline, Some(reason), seen),
        Err(_) => Ok(()),
    }
}

/// As [`check_reason`], of a job that is built.
pub fn check_reason_of(pipeline: &Pipeline, reason: Option<&str>, seen: BTreeSet<String>) -> Result<()> {
    let Some(reason) = reason.filter(|reason| !seen.contains(*reason)) else { return Ok(()) };
    let known = seen.into_iter().chain(pipeline.reasons()).collect::<BTreeSet<_>>();
    if known.contains(reason) {
        return Ok(());
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let error = Error::new(ErrorKind::Usage, format!("unknown reason code `{}`", reason.escape_debug()));
    Err(error.hint(did_you_mean(reason, &known)))
}
