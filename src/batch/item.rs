//! A window to run.

use crate::schedule::DueReason;
use crate::window::Window;

/// A window to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The window.
    pub window: Window,
    /// Why it is run; none when a person named it.
    pub reason: Option<DueReason>,
    /// Run it although it is done.
    pub again: bool,
}
