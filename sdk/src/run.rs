//! What a transformer may know of the run it works in.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EpochMillis(pub i64);

impl EpochMillis {
    /// The instant in microseconds, as columns of the type `timestamp` have it.
    pub fn micros(self) -> i64 {
        self.0.saturating_mul(1_000)
    }
}

impl fmt::Display for EpochMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The run's constants. Nothing on the row path reads a clock or the environment; it asks the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Name of the run, the same for the same job and window: `clickstream-20261120T000000Z-20261120T010000Z`.
    pub id: String,
    /// The run's instant: the only "now" there is.
    pub now: EpochMillis,
    /// Start of the window, inclusive.
    pub window_start: EpochMillis,
    /// End of the window, exclusive.
    pub window_end: EpochMillis,
}
