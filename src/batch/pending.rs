//! Which of the windows that were asked for are still to be run.

use super::item::Item;
use super::result::{ResultStatus, WindowResult};
use crate::commit::JobState;
use crate::schedule::{Coverage, coverage};
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};

/// Windows to run, and those that are done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PendingWindows {
    /// To run, in the order in which they were given.
    pub items: Vec<Item>,
    /// Done before.
    pub skipped: Vec<WindowResult>,
}

/// The windows that are left to run: not those that are done, unless `again`. What is provisional is not done.
///
/// Fails with kind `Usage` when one of them would replace a part of a committed window, or, without `supersede`, a whole one.
pub fn pending(
    state: &JobState,
    windows: impl IntoIterator<Item = Window>,
    again: bool,
    supersede: bool,
) -> Result<PendingWindows> {
    const LENGTHS: &str = "take --every as long as those that `etl-runner status` shows";
    let mut pending = PendingWindows::default();
    for window in windows {
        let item = Item { window, reason: None, again };
        let overlaps = |other: Window| {
            Error::new(ErrorKind::Usage, "a window overlaps others that are committed; their rows would be there twice")
                .with("window", window)
                .with("overlaps", other)
        };
        match coverage(state, &window) {
            Coverage::Nothing => pending.items.push(item),
            Coverage::Itself if state.is_provisional(&window) => pending.items.push(item),
            Coverage::Whole if let Some(other) = provisional_in(state, &window) => {
                if !supersede {
                    return Err(Error::new(ErrorKind::Usage, "a window lies in one that was run before it closed")
                        .with("window", window)
                        .with("provisional", other)
                        .hint("`etl-runner retry JOB` runs the provisional windows again; then go on"));
                }
                pending.items.push(Item { again: true, ..item });
            }
            Coverage::Itself if again => pending.items.push(item),
            Coverage::Itself => pending.skipped.push(WindowResult::of(&item, ResultStatus::Skipped)),
            Coverage::Whole if !again => pending.skipped.push(WindowResult::of(&item, ResultStatus::Skipped)),
            Coverage::Whole | Coverage::Part(_) if supersede => pending.items.push(Item { again: true, ..item }),
            Coverage::Part(other) => {
                return Err(overlaps(other).hint(format!("{LENGTHS}, or replace them with --supersede")));
            }
            Coverage::Whole => {
                let other = state.window_at(window.start).unwrap_or(window);
                return Err(overlaps(other).hint(LENGTHS));
            }
        }
    }
    Ok(pending)
}

/// A provisional window that has an instant of a window that others have all of.
fn provisional_in(state: &JobState, window: &Window) -> Option<Window> {
    let mut cursor = window.start;
    while cursor < window.end {
        let committed = state.window_at(cursor)?;
        if state.is_provisional(&committed) {
            return Some(committed);
        }
        cursor = committed.end;
    }
    None
}
