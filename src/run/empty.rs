//! Windows without input that follow each other, decided together: one entry of the log, one report.

use super::context::JobContext;
use super::phases::Phases;
use super::plan::run_of;
use super::report::keep;
use crate::commit::{CommitDetail, Condition, EmptyWindows, Event, token};
use crate::report::{EmptyReport, Progress, RunReport, Status};
use crate::window::Window;
use etl_sdk::{EpochMillis, Error, ErrorKind, Result};

/// Windows of one length that follow each other, in which nothing was listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmptyPlan {
    /// From the start of the first to the end of the last.
    pub span: Window,
    /// Length of each in seconds.
    pub seconds: i64,
    /// Version of the log from which on nobody may have decided over one of them.
    pub base: u64,
    /// The run's instant.
    pub now_msec: EpochMillis,
}

/// Decides that the windows are empty. Gives the report that they share, and why it could not be kept if that is so; `None`
/// when somebody else has decided over one of them, and nothing was done.
///
/// `warnings` are what the report is to say beforehand.
pub fn commit_empty(
    context: &JobContext<'_>,
    plan: &EmptyPlan,
    warnings: &[String],
) -> Result<Option<(RunReport, Option<Error>)>> {
    let phases = Phases::new(Progress::default(), context.objects().clock());
    let job = &context.job.config.job;
    let run = run_of(job, &plan.span, plan.now_msec);
    let detail = CommitDetail {
        sink: context.places.sink.url().to_owned(),
        dead_letter_url: context.places.dead_letters.url().to_owned(),
        ..CommitDetail::new(&run.id, plan.span, plan.now_msec)
    };
    let objects = context.objects();
    let (path, detail_hash) = detail.keep(objects, &token())?;
    failpoint!("empty.before_entry");
    let event = Event::Empty(Box::new(EmptyWindows {
        span: plan.span,
        seconds: plan.seconds,
        job: job.clone(),
        detail: path.clone(),
        detail_hash,
    }));
    let condition = Condition { window: Some((plan.span, plan.base)), ..Condition::default() };
    match context.stores.log.commit(event, &condition) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::Held => {
            let _ = objects.delete(&path);
            return Ok(None);
        }
        // The entry may be there all the same: then the detail must stay.
        Err(error) => return Err(error),
    }
    failpoint!("empty.after_entry");
    let windows = (plan.span.end - plan.span.start).num_seconds() / plan.seconds.max(1);
    let times = phases.finish();
    let report = RunReport {
        status: Status::Empty,
        empty: Some(EmptyReport { windows: windows.unsigned_abs(), seconds: plan.seconds.unsigned_abs() }),
        warnings: warnings.to_vec(),
        ..times.reported(RunReport::new(run.id, job, plan.span, plan.now_msec))
    };
    let kept = keep(context, &report);
    let untold = context.tell_ended(&report, kept.as_deref().ok());
    let report = RunReport { warnings: [report.warnings, untold].concat(), ..report };
    Ok(Some((report, kept.err())))
}
