//! Telling targets of commits.

use super::recovered::{Announced, CommitId, Owed};
use super::target::{Target, find};
use crate::commit::{CommitDetail, CommitLog, Event, TargetRecord};
use crate::process::stop::Stop;
use crate::storage::RetryConfig;
use crate::storage::retry::persist_here;
use etl_sdk::{Error, ErrorKind, Result};
use std::collections::BTreeSet;

/// What became of the announcements of a commit.
#[derive(Default)]
pub(super) struct Announcements {
    pub(super) made: Vec<Announced>,
    pub(super) owed: Vec<Owed>,
}

/// Tells the targets of a job.
#[derive(Clone, Copy)]
pub struct Announcer<'a> {
    /// The job's targets, in the order in which they are told of a commit.
    pub targets: &'a [Box<dyn Target>],
    /// How often a call of a target is tried again.
    pub retry: &'a RetryConfig,
    /// Ends the waiting between tries.
    pub stop: &'a Stop,
}

impl Announcer<'_> {
    /// Announces a commit to its targets, in the order of the job's list, except those that `done` names.
    ///
    /// Fails only when the log does, or when the run is told to end.
    pub(super) fn announce(
        &self,
        log: &CommitLog,
        commit: CommitId,
        detail: &CommitDetail,
        done: &BTreeSet<String>,
    ) -> Result<Announcements> {
        let mut announcements = Announcements::default();
        let owed = |target: &str, error| Owed { commit, target: target.to_owned(), error };
        for target in self.targets.iter().filter(|target| !done.contains(target.name())) {
            let Some(record) = detail.targets.get(target.name()) else { continue };
            match self.announce_to(log, target.as_ref(), commit, detail, record) {
                Ok(true) => announcements.made.push(note(log, commit, target.name())?),
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::Stopped => return Err(error),
                Err(error) => announcements.owed.push(owed(target.name(), explained(error, commit, target.name()))),
            }
        }
        let is_gone = |name: &&String| !done.contains(*name) && find(self.targets, name).is_none();
        announcements.owed.extend(detail.targets.keys().filter(is_gone).map(|name| owed(name, gone(commit, name))));
        Ok(announcements)
    }

    /// `false` when a later commit has replaced it, and nothing is to be announced any more.
    fn announce_to(
        &self,
        log: &CommitLog,
        target: &dyn Target,
        commit: CommitId,
        detail: &CommitDetail,
        record: &TargetRecord,
    ) -> Result<bool> {
        failpoint!("publish.before_announcement");
        let is_live = persist_here(self.retry, self.stop, || {
            // Another runner may have replaced it by now, and taken back what was announced of it.
            let is_live = log.refresh()?.is_live(&commit.window, commit.version);
            if is_live { target.announce(detail, record).map(|()| true) } else { Ok(false) }
        })?;
        failpoint!("publish.announced");
        Ok(is_live)
    }

    /// Takes back what was announced of the commits that a commit replaces. All targets are asked; the first failure is the
    /// result.
    pub(super) fn retract(&self, detail: &CommitDetail) -> Result<()> {
        let retract = |target: &dyn Target, record: &TargetRecord| {
            failpoint!("publish.before_retraction");
            persist_here(self.retry, self.stop, || target.retract(detail, record)).map_err(|error| {
                Error::new(error.kind(), "take back what was announced of replaced commits")
                    .with("target", target.name())
                    .source(error)
            })
        };
        let mut result = Ok(());
        for target in self.targets {
            if let Some(record) = detail.targets.get(target.name()) {
                result = result.and(retract(target.as_ref(), record));
            }
        }
        result
    }
}

fn note(log: &CommitLog, commit: CommitId, target: &str) -> Result<Announced> {
    let CommitId { version, window } = commit;
    log.append(Event::Announced { commit: version, window, target: target.to_owned() })?;
    failpoint!("publish.after_announcement");
    Ok(Announced { commit, target: target.to_owned() })
}

fn explained(error: Error, commit: CommitId, target: &str) -> Error {
    Error::new(error.kind(), "announce a commit")
        .with("target", target)
        .with("window", commit.window)
        .source(error)
        .hint(
            "the window's rows are published; `etl-runner recover JOB`, or the next command of the job, tries it again",
        )
}

fn gone(commit: CommitId, target: &str) -> Error {
    Error::config("announce a commit").with("target", target).with("window", commit.window).hint(
        "the job file does not have this target any more: bring it back, or run the window again, which replaces what is \
         owed",
    )
}
