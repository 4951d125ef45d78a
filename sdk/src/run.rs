//! What a transformer may know of the run it works in.

/// The run's constants. Nothing on the row path reads a clock or the environment; it asks the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Name of the run, the same for the same job and window: `clickstream-20261120T000000Z-20261120T010000Z`.
    pub id: String,
    /// The run's instant in epoch milliseconds, UTC: the only "now" there is.
    pub now_msec: i64,
    /// Start of the window in epoch milliseconds, inclusive.
    pub window_start_msec: i64,
    /// End of the window in epoch milliseconds, exclusive.
    pub window_end_msec: i64,
}
