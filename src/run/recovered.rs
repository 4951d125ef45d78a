//! Before a run: what earlier runs committed and left behind is published and announced.

use super::context::JobContext;
use crate::commit::{CommitDetail, CommitState};
use crate::publish::{CommitId, Owed, left_behind};
use crate::window::Window;
use etl_sdk::{Error, Result};

/// What earlier runs had left to publish and to announce.
pub struct Recovery {
    /// What a person should know of it, beside what `own` is.
    pub warnings: Vec<String>,
    /// A run of this very window that was cut off between its commit and its end and is finished now. If it had the plan
    /// of the run that is asked for, all is done.
    pub own: Option<FinishedRun>,
}

/// A run that was cut off between its commit and its end, and was brought to it.
pub struct FinishedRun {
    /// Its commit.
    pub commit: CommitId,
    /// Why an announcement of it is still owed, if one is.
    pub owed: Option<Owed>,
}

impl Recovery {
    /// What a person should know of it, when the run of the window that was cut off is not the one that is asked for.
    pub fn warnings(&self) -> Vec<String> {
        let own = self.own.iter().flat_map(FinishedRun::warnings);
        self.warnings.iter().cloned().chain(own).collect()
    }

    /// The run that is asked for has another plan than the one that was cut off: it is still to be done.
    pub fn go_on(&mut self) {
        self.warnings = self.warnings();
        if self.own.take().is_some() {
            self.warnings.push(
                "the job, the program or the input is another one than that of the published run: the window is run again"
                    .to_owned(),
            );
        }
    }
}

impl FinishedRun {
    fn warnings(&self) -> Vec<String> {
        std::iter::once(left_behind(&self.commit)).chain(self.owed.as_ref().map(ToString::to_string)).collect()
    }
}

/// Publishes and announces what earlier runs committed. The caller holds the lease of `window`.
///
/// A run that was published before, and whose announcements fail again, is not taken for finished: its rows may be asked
/// for once more while a target is down.
pub fn recover(context: &JobContext<'_>, window: Window) -> Result<Recovery> {
    let recovered = context.recover(Some(window))?;
    let mut warnings: Vec<String> = recovered.failed.iter().map(ToString::to_string).collect();
    let known = context.stores.log.refresh()?.window(&window);
    // A replay of dead letters that was cut off is not the run that is asked for.
    let is_run = |version| known.commits.iter().any(|commit| commit.version == version && commit.amendment == 0);
    let is_owed = |commit: &CommitId| recovered.owed.iter().any(|owed| owed.commit == *commit);
    let announced = recovered.announced.iter().map(|of| of.commit).filter(|commit| !is_owed(commit));
    let mut finished = recovered.published.iter().copied().chain(announced);
    let own = finished.find(|commit| commit.window == window && is_run(commit.version));
    let is_own = |commit: &CommitId| own == Some(*commit);
    warnings.extend(recovered.published.iter().filter(|commit| !is_own(commit)).map(left_behind));
    warnings.extend(recovered.announced.iter().filter(|of| !is_own(&of.commit)).map(ToString::to_string));
    let (of_own, others): (Vec<Owed>, Vec<Owed>) = recovered.owed.into_iter().partition(|owed| is_own(&owed.commit));
    warnings.extend(others.iter().map(ToString::to_string));
    let mut of_own = of_own.into_iter();
    let own = own.map(|commit| FinishedRun { commit, owed: of_own.next() });
    warnings.extend(of_own.map(|owed| owed.to_string()));
    Ok(Recovery { warnings, own })
}

/// What an earlier run of the window committed.
pub struct EarlierCommit {
    /// As the log has it.
    pub state: CommitState,
    /// In full.
    pub detail: CommitDetail,
}

impl EarlierCommit {
    /// Whether it was made of the plan whose list of input has this path.
    pub fn is_of(&self, inputs: &str) -> bool {
        self.detail.inputs == inputs
    }

    /// Reads a commit that counts for its window.
    pub fn read(context: &JobContext<'_>, window: &Window, version: u64) -> Result<Self> {
        let known = context.stores.log.refresh()?.window(window);
        let Some(state) = known.commits.into_iter().find(|commit| commit.version == version) else {
            return Err(Error::internal("find the commit that was just published").with("version", version));
        };
        let detail = CommitDetail::read(context.objects(), &state.detail, &state.detail_hash)?;
        Ok(Self { state, detail })
    }
}
