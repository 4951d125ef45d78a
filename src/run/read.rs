//! Read: the window's tasks, done or taken as an earlier run registered them.

use super::listed::Listed;
use crate::commit::{TaskResult, Work};
use crate::engine::context::RunContext;
use crate::engine::dispatch::Dispatch;
use crate::engine::read::{Tasks, read_all};
use etl_sdk::Result;
use std::collections::BTreeMap;

/// The window's input, read.
pub struct Read {
    /// Tasks that were finished before.
    pub resumed: u64,
    /// What all tasks left behind.
    pub tasks: Tasks,
}

/// Reads the window's objects and registers what comes of them with `work`. `finished` are the results that are registered
/// already.
pub fn read(
    run: &RunContext<'_>,
    dispatch: &dyn Dispatch,
    listed: &Listed,
    work: &Work,
    finished: BTreeMap<u64, TaskResult>,
) -> Result<Read> {
    let resumed = finished.len() as u64;
    let tasks = read_all(run, dispatch, &listed.tasks, Some(work), finished)?;
    Ok(Read { resumed, tasks })
}

/// Reads the window's objects for a run that registers nothing.
pub fn read_unregistered(run: &RunContext<'_>, dispatch: &dyn Dispatch, listed: &Listed) -> Result<Read> {
    let tasks = read_all(run, dispatch, &listed.tasks, None, BTreeMap::new())?;
    Ok(Read { resumed: 0, tasks })
}
