//! Foreseen: what a run would find and do, told from the log and the listing. Nothing is written.

use super::admitted::{admit, closing};
use super::compared::{Compared, compare, covered, refuse_to_empty};
use super::context::JobContext;
use super::lease::held;
use super::listed::Listed;
use super::plan::RunPlan;
use crate::commit::lease::{self, Holder};
use crate::commit::{CommitState, JobState};
use crate::report::{CommitReport, Effect, HeldReport, ReplacedCommits};
use crate::text::instant;
use crate::window::Window;
use etl_sdk::{Error, Result};

/// What a run would find and do.
pub struct Foreseen {
    /// How they differ from those of earlier runs; nothing for a run that would be refused.
    pub compared: Option<Compared>,
    /// Committed windows that it would replace beside its own.
    pub covered: Vec<Window>,
    /// What it would do to what is there.
    pub effect: Effect,
    /// Why it would be refused.
    pub refusal: Option<Error>,
}

/// Finds what a run would find, up to the reading of its objects.
///
/// Fails when that cannot be told. That the run would be refused is no failure.
pub fn foresee(context: &JobContext<'_>, plan: &RunPlan, listed: &Listed) -> Result<Foreseen> {
    let state = context.stores.log.refresh()?;
    let holders = lease::live(context.objects(), context.stores.log.runner())?;
    let holder = holders.into_iter().find(|holder| holder.window == plan.window);
    let (covered, refusal) = match refuse(context, plan, &state, holder.as_ref(), listed) {
        Ok(covered) => (covered, None),
        Err(refusal) => (Vec::new(), Some(refusal)),
    };
    let compared = match refusal {
        None => Some(compare(context, &state, &plan.window, &covered, listed)?),
        Some(_) => None,
    };
    let closing = closing(context, plan.now_msec);
    let effect = Effect {
        done: state.window(&plan.window).is_committed() && !state.is_provisional(&plan.window),
        replaces: replaced(&state, &plan.window, &covered),
        held: holder.as_ref().map(held_by),
        open_until: closing.is_open(&plan.window).then(|| instant(closing.closes_at(&plan.window))),
        refused: refusal.as_ref().map(Into::into),
        ..left_to_do(&state)
    };
    Ok(Foreseen { compared, covered, effect, refusal })
}

/// What a run is refused for before it reads an object, in the order in which it would be. Gives the windows that it covers.
fn refuse(
    context: &JobContext<'_>,
    plan: &RunPlan,
    state: &JobState,
    holder: Option<&Holder>,
    listed: &Listed,
) -> Result<Vec<Window>> {
    admit(context, plan)?;
    if let Some(holder) = holder.filter(|_| plan.wait.is_zero()) {
        return Err(held(plan.window, Some(holder)));
    }
    let covered = covered(state, plan)?;
    refuse_to_empty(state, plan, &covered, listed)?;
    Ok(covered)
}

/// What any run of the job does first for those that died.
pub fn left_to_do(state: &JobState) -> Effect {
    let publishes_first = state.unpublished.iter().map(|(commit, unpublished)| CommitReport {
        commit: *commit,
        window: unpublished.window.to_string(),
        targets: Vec::new(),
    });
    let announces_first = state.owing().map(|(window, commit)| CommitReport {
        commit: commit.version,
        window: window.to_string(),
        targets: commit.owed.iter().cloned().collect(),
    });
    Effect {
        publishes_first: publishes_first.collect(),
        announces_first: announces_first.collect(),
        ..Effect::default()
    }
}

/// The commits of a window, and of those that it covers, which go when it is run again.
pub fn replaced(state: &JobState, window: &Window, covered: &[Window]) -> Vec<ReplacedCommits> {
    let mut replaced = Vec::new();
    for of in std::iter::once(window).chain(covered) {
        let known = state.window(of);
        let sum = |count: &dyn Fn(&CommitState) -> u64| known.commits.iter().map(count).sum::<u64>();
        let Some(last) = known.commits.last() else { continue };
        replaced.push(ReplacedCommits {
            window: of.to_string(),
            own: of == window,
            revision: last.revision,
            replays: last.amendment,
            files: sum(&|commit| commit.counts.files),
            rows: sum(&|commit| commit.counts.rows.values().sum()),
            dead_letters: sum(&|commit| commit.counts.dead_letters),
            provisional: known.is_provisional(),
        });
    }
    replaced
}

/// Who holds a window, for reports.
pub fn held_by(holder: &Holder) -> HeldReport {
    HeldReport {
        host: holder.by.host.clone(),
        pid: holder.by.pid,
        since: instant(holder.since),
        until: instant(holder.until),
    }
}
