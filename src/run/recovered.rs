//! Before a run: what earlier runs committed and did not publish is published.

use super::context::JobContext;
use crate::commit::{CommitDetail, CommitState};
use crate::text::one_line;
use crate::window::Window;
use etl_sdk::{Error, Result};

/// What earlier runs had left to publish.
pub struct Recovery {
    /// What a person should know of it.
    pub warnings: Vec<String>,
    /// The commit of a run of this very window that was cut off between its commit and its end: then all that was asked
    /// for is done.
    pub own: Option<u64>,
}

/// Publishes what earlier runs committed. The caller holds the lease of `window`.
pub fn recover(context: &JobContext<'_>, window: Window) -> Result<Recovery> {
    let recovered = context.recover(Some(window))?;
    let mut warnings = Vec::new();
    for (version, failed, error) in recovered.failed {
        let error = one_line(&error.to_string());
        warnings.push(format!("commit {version} of window {failed} is still to be published: {error}"));
    }
    for (version, other) in recovered.published.iter().filter(|(_, other)| *other != window) {
        warnings.push(format!("published commit {version} of window {other}, which its run had left behind"));
    }
    let known = context.stores.log.refresh()?.window(&window);
    // A replay of dead letters that was cut off is not the run that is asked for.
    let is_run = |version| known.commits.iter().any(|commit| commit.version == version && commit.amendment == 0);
    let own = recovered.published.iter().rev().find(|(version, other)| *other == window && is_run(*version));
    Ok(Recovery { warnings, own: own.map(|(version, _)| *version) })
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
