//! Admitted: a window that may be run as it was asked for. Nothing is read or written before that is clear.

use super::context::JobContext;
use super::plan::RunPlan;
use crate::schedule::Closing;
use crate::source;
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::{EpochMillis, Result};

/// A window that may be run.
pub struct Admitted {
    /// When it closes, if it is open: what the run commits is provisional then.
    pub open_until: Option<DateTime<Utc>>,
}

/// Checks a window against the clock and the job.
///
/// Fails with kind `Usage` when it is open, unless the plan allows that, and when it is not of whole hours and has to be.
pub fn admit(context: &JobContext<'_>, plan: &RunPlan) -> Result<Admitted> {
    source::check_window(&context.job.config.source, &plan.window)?;
    let closing = closing(context, plan.now_msec);
    if !plan.allow_open {
        closing.refuse_open(
            &plan.window,
            "run it once it is closed; or add --allow-open, and its rows are provisional until it is run again then",
        )?;
    }
    Ok(Admitted { open_until: closing.is_open(&plan.window).then(|| closing.closes_at(&plan.window)) })
}

/// When windows of the job close, at a run's instant.
pub fn closing(context: &JobContext<'_>, now: EpochMillis) -> Closing {
    let now = DateTime::from_timestamp_millis(now.0).unwrap_or_default();
    Closing::of(context.job.config.schedule.as_ref(), now)
}

/// What a person should know of a window that is run too early.
pub fn provisional(window: &Window, open_until: DateTime<Utc>) -> String {
    format!(
        "the window is open until {}: its rows are provisional, and `etl-runner retry JOB --window {window}`, a backfill or \
         the schedule runs it again once it is closed",
        crate::text::instant(open_until)
    )
}
