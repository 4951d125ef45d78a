//! What a comparison works with.

use crate::process::stop::Stop;
use crate::report::Progress;
use tokio::runtime::Handle;

/// What a comparison works with. All of it is the caller's.
#[derive(Clone, Copy, Debug)]
pub struct CompareResources<'a> {
    /// Where calls to the stores run.
    pub runtime: &'a Handle,
    /// Threads that read the sides: with two, both are read at the same time.
    pub threads: usize,
    /// Most bytes of a page of a Parquet file, which is read whole.
    pub page_bytes: usize,
    /// What is counted while it works.
    pub progress: &'a Progress,
    /// Ends the comparison early when it is set.
    pub stop: &'a Stop,
}
