//! Before a run: what earlier runs committed and left behind is published and announced.

use super::context::JobContext;
use crate::commit::{CommitDetail, CommitState};
use crate::publish::{CommitId, left_behind};
use crate::window::Window;
use etl_sdk::{Error, Result};

/// What earlier runs had left to publish and to announce.
pub struct Recovery {
    /// What a person should know of it.
    pub warnings: Vec<String>,
    /// A run of this very window that was cut off between its commit and its end and is finished now: then all that was
    /// asked for is done.
    pub own: Option<FinishedRun>,
}

/// A run that was cut off between its commit and its end, and was brought to it.
pub struct FinishedRun {
    /// Version of its commit.
    pub version: u64,
    /// Why an announcement of it is still owed, if one is.
    pub owed: Option<Error>,
}

/// Publishes and announces what earlier runs committed. The caller holds the lease of `window`.
///
/// A run that was published before, and whose announcements fail again, is not taken for finished: its rows may be asked
/// for once more while a target is down.
pub fn recover(context: &JobContext<'_>, window: Window) -> Result<Recovery> {
    let recovered = context.recover(Some(window))?;
    let mut warnings: Vec<String> = recovered.failed.iter().map(ToString::to_string).collect();
    warnings.extend(recovered.owed.iter().map(ToString::to_string));
    for commit in recovered.published.iter().filter(|commit| commit.window != window) {
        warnings.push(left_behind(commit));
    }
    warnings.extend(recovered.announced.iter().filter(|of| of.commit.window != window).map(ToString::to_string));
    let known = context.stores.log.refresh()?.window(&window);
    // A replay of dead letters that was cut off is not the run that is asked for.
    let is_run = |version| known.commits.iter().any(|commit| commit.version == version && commit.amendment == 0);
    let is_owed = |commit: &CommitId| recovered.owed.iter().any(|owed| owed.commit == *commit);
    let announced = recovered.announced.iter().map(|of| of.commit).filter(|commit| !is_owed(commit));
    let mut finished = recovered.published.iter().copied().chain(announced);
    let own = finished.find(|commit| commit.window == window && is_run(commit.version)).map(|own| FinishedRun {
        version: own.version,
        owed: recovered.owed.into_iter().find(|owed| owed.commit == own).map(|owed| owed.error),
    });
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
