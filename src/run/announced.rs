//! Announced: what was committed is visible, what it replaces is gone, and the targets know.

use super::context::JobContext;
use etl_sdk::Result;

/// A commit that is published.
pub struct Announced;

/// Publishes a commit.
pub fn announce(context: &JobContext<'_>, version: u64) -> Result<Announced> {
    context.publisher(|publisher| publisher.publish(version))?;
    Ok(Announced)
}
