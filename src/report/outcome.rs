//! How a command ended.

use etl_sdk::ErrorKind;

/// How a command ended, when it did not fail with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All was done; there may have been nothing to do.
    Done,
    /// Two outputs were compared, and they differ.
    Different,
    /// Something is done and something is not; the report says what.
    Partly,
    /// Stopped by an error of this kind, which the printed report already has.
    Stopped(ErrorKind),
}
