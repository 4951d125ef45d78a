//! Announced: what was committed is visible, what it replaces is gone, and the targets know or are owed it.

use super::context::JobContext;
use crate::publish::first_error;
use etl_sdk::{Error, Result};

/// A commit that is published.
pub struct Announced {
    /// Announcements that are owed beside the first.
    pub warnings: Vec<String>,
    /// Why the first announcement that is owed failed, if one did.
    pub owed: Option<Error>,
}

/// Publishes a commit and announces it to its targets.
///
/// Fails when it cannot be published. An announcement that fails is owed.
pub fn announce(context: &JobContext<'_>, version: u64) -> Result<Announced> {
    let owed = context.publisher(|publisher| publisher.publish(version))?;
    let mut warnings = Vec::new();
    let owed = first_error(owed, &mut warnings).err();
    Ok(Announced { warnings, owed })
}
