//! Planned: the dead letters of the window, and how the replay is called.

use super::letters::LetterHistory;
use crate::commit::{JobState, WindowState};
use crate::run::context::JobContext;
use crate::run::plan::run_of;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result, Run};

/// A replay that knows its window.
pub struct Planned {
    /// Version of the log that it rests on.
    pub base: u64,
    /// The dead letters of the window.
    pub letters: LetterHistory,
    /// The run as transformers know it, with the instant of the window's run: what a replay adds is what that would have
    /// made of it.
    pub run: Run,
    /// Stem of its files' names.
    pub name: String,
    /// Revision of the window that it adds to.
    pub revision: u32,
    /// Its number among the replays that add to it.
    pub amendment: u32,
    /// Path of the list of the run's input objects.
    pub inputs: String,
}

/// Finds what there is to replay.
pub fn plan(context: &JobContext<'_>, window: &Window) -> Result<Planned> {
    let state = context.stores.log.refresh()?;
    let (base, known) = (state.version, committed(&state, window)?);
    drop(state);
    let letters = LetterHistory::read(context.objects(), &known)?;
    let first = letters.commits.first().ok_or_else(|| Error::internal("read the commits of a committed window"))?;
    let amendment = known.next_amendment();
    Ok(Planned {
        base,
        run: run_of(&context.job.config.job, window, first.detail.now_msec),
        name: format!("{}.a{amendment}", first.state.name),
        revision: first.state.revision,
        amendment,
        inputs: first.detail.inputs.clone(),
        letters,
    })
}

/// What is known of a window that is committed and published.
pub fn committed(state: &JobState, window: &Window) -> Result<WindowState> {
    let known = state.window(window);
    if !known.is_committed() {
        return Err(Error::new(ErrorKind::Usage, "the window was never committed")
            .with("window", window)
            .hint("run it first; `etl-runner dead-letters list JOB` names the windows that have dead letters"));
    }
    if state.is_done(window) {
        return Ok(known);
    }
    Err(Error::new(ErrorKind::Unavailable, "the window's last commit is not published yet")
        .with("window", window)
        .hint("`etl-runner recover JOB` goes on with it"))
}
