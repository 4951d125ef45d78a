//! Told: the job's listeners hear how a run begins and ends. Nothing of it changes how the run ends.

use super::context::JobContext;
use super::plan::{RunPlan, run_of};
use super::recovered::EarlierCommit;
use super::report::earlier_report;
use crate::commit::{FailureState, FailureStatus, lease};
use crate::listen::{Happening, Outcome, Unfinished, What};
use crate::publish::{CommitId, Recovered};
use crate::report::{ErrorReport, RunReport, Status};
use crate::text::{instant_exact, instant_millis};
use crate::window::Window;
use chrono::TimeDelta;
use etl_sdk::{EpochMillis, Result};

impl JobContext<'_> {
    /// A run holds its window and begins. Gives what a person should know.
    pub(super) fn tell_started(&self, plan: &RunPlan) -> Vec<String> {
        let job = &self.job.config.job;
        let report = || RunReport {
            status: Status::default(),
            started_at: Some(instant_millis(self.objects().clock().now())),
            ..RunReport::new(run_of(job, &plan.window, plan.now_msec).id, job, plan.window, plan.now_msec)
        };
        let Some(mut happening) = self.listeners.happening(What::Started, report) else { return Vec::new() };
        let length = TimeDelta::from_std(self.job.config.state.lease_length()).unwrap_or_default();
        happening.lease_expires_at = happening.at.checked_add_signed(length);
        self.tell(happening)
    }

    /// A run has ended; its report is kept at `path`. Gives what a person should know.
    pub(super) fn tell_ended(&self, report: &RunReport, path: Option<&str>) -> Vec<String> {
        let ended = What::Ended(report.status.into());
        let Some(mut happening) = self.listeners.happening(ended, || report.clone()) else { return Vec::new() };
        happening.report_uri = path.map(|path| self.objects().uri_of(path));
        happening.watermark = self.stores.log.refresh().ok().and_then(|state| state.watermark);
        self.tell(happening)
    }

    /// A window is left out: another process has done it meanwhile. Gives what a person should know.
    pub fn tell_skipped(&self, window: Window, now: EpochMillis) -> Vec<String> {
        let job = &self.job.config.job;
        let report = || RunReport::new(run_of(job, &window, now).id, job, window, now);
        let happening = self.listeners.happening(What::Ended(Outcome::Skipped), report);
        happening.map_or_else(Vec::new, |happening| self.tell(happening))
    }

    /// Objects have arrived in a window that is done.
    pub fn tell_late(&self, window: Window, now: EpochMillis, objects: u64, bytes: u64) -> Vec<String> {
        let job = &self.job.config.job;
        let report = || RunReport::new(run_of(job, &window, now).id, job, window, now);
        let happening = self.listeners.happening(What::LateData { objects, bytes }, report);
        happening.map_or_else(Vec::new, |happening| self.tell(happening))
    }

    /// Tells listeners what earlier commands have left untold.
    pub fn settle_listeners(&self) {
        self.listeners.settle(self.objects(), &|started| self.unfinished(started).unwrap_or(Unfinished::Running));
    }

    /// How a run ended whose process did not tell it, as the log has it.
    fn unfinished(&self, started: &Happening) -> Result<Unfinished> {
        let RunReport { window, .. } = &started.report;
        let window = Window::parse(&format!("{}/{}", window.start, window.end))?;
        let live = lease::live(self.objects(), self.stores.log.runner())?;
        if live.iter().any(|holder| holder.window == window) {
            return Ok(Unfinished::Running);
        }
        let state = self.stores.log.refresh()?;
        let known = state.window(&window);
        let ended = |what: Outcome, at, report| {
            let what = What::Ended(what);
            Ok(Unfinished::Ended(Box::new(Happening { what, at, report, lease_expires_at: None, ..started.clone() })))
        };
        let commit = known.commits.iter().find(|commit| commit.amendment == 0 && commit.at >= started.at);
        if let Some(commit) = commit {
            if state.unpublished.contains_key(&commit.version) {
                return Ok(Unfinished::Running);
            }
            let report = self.report_of(&EarlierCommit::read(self, &window, commit.version)?);
            return ended(report.status.into(), commit.at, report);
        }
        let failure = known.last_failure.as_ref().filter(|failure| failure.at >= started.at);
        let (outcome, at, kind, message) = match failure {
            Some(FailureState { at, status, kind, message }) => {
                (outcome(*status), *at, kind.as_str(), message.as_str())
            }
            None => (Outcome::Failed, self.objects().clock().now(), "killed", "its process was killed or lost"),
        };
        let error = ErrorReport { kind: kind.to_owned(), message: message.to_owned(), ..ErrorReport::default() };
        let ended_at = Some(instant_millis(at));
        ended(outcome, at, RunReport { error: Some(error), ended_at, ..started.report.clone() })
    }

    /// Commits that their runs had left behind are at their end now. Whoever asked for `own` tells of it itself.
    pub(super) fn tell_recovered(&self, recovered: &Recovered, own: Option<Window>) -> Vec<String> {
        if self.listeners.is_empty() {
            return Vec::new();
        }
        let is_owed = |commit: &CommitId| recovered.owed.iter().any(|owed| owed.commit == *commit);
        let mut finished: Vec<CommitId> = recovered.published.clone();
        finished.extend(recovered.announced.iter().map(|announced| announced.commit));
        finished.dedup();
        let told = finished.iter().filter(|commit| Some(commit.window) != own && !is_owed(commit));
        told.filter_map(|commit| EarlierCommit::read(self, &commit.window, commit.version).ok())
            .filter(is_of_run)
            .flat_map(|earlier| self.tell_ended(&self.report_of(&earlier), None))
            .collect()
    }

    /// What is known of a commit without its run.
    fn report_of(&self, earlier: &EarlierCommit) -> RunReport {
        let (job, window) = (&self.job.config.job, earlier.detail.window);
        let status = match &earlier.state {
            state if !state.owed.is_empty() => Status::Partly,
            state if state.counts.objects == 0 => Status::Empty,
            _ => Status::Done,
        };
        let report = RunReport {
            status,
            ended_at: Some(instant_exact(self.objects().clock().now())),
            ..RunReport::new(run_of(job, &window, earlier.detail.now_msec).id, job, window, earlier.detail.now_msec)
        };
        earlier_report(report, self, earlier)
    }

    fn tell(&self, happening: Happening) -> Vec<String> {
        let runner = self.stores.log.runner();
        let owner = format!("{}:{}:{}", runner.host, runner.pid, runner.id);
        self.listeners.tell(&Happening { owner, ..happening }, self.objects())
    }
}

fn outcome(status: FailureStatus) -> Outcome {
    match status {
        FailureStatus::Failed => Outcome::Failed,
        FailureStatus::Refused => Outcome::Refused,
        FailureStatus::Stopped => Outcome::Stopped,
    }
}

/// Whether it is the commit of a run: replays, compactions and what is forgotten are none.
fn is_of_run(earlier: &EarlierCommit) -> bool {
    let EarlierCommit { state, detail } = earlier;
    state.amendment == 0 && !detail.forgets && detail.compacts.is_empty()
}
