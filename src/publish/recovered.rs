//! What became of commits, and what is left to do.

use crate::text::one_line;
use crate::window::Window;
use etl_sdk::{Error, Result};
use std::fmt;

/// A commit, as people know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitId {
    /// Its place in the log.
    pub version: u64,
    /// Its window.
    pub window: Window,
}

/// An announcement that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The commit.
    pub commit: CommitId,
    /// Name of the target.
    pub target: String,
}

/// An announcement that is still to be made.
#[derive(Debug)]
pub struct Owed {
    /// The commit.
    pub commit: CommitId,
    /// Name of the target.
    pub target: String,
    /// Why it could not be made.
    pub error: Error,
}

/// A commit that could not be published.
#[derive(Debug)]
pub struct Unpublishable {
    /// The commit.
    pub commit: CommitId,
    /// Why.
    pub error: Error,
}

/// What a recovery did.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Commits that are published now, oldest first.
    pub published: Vec<CommitId>,
    /// Commits that could not be published.
    pub failed: Vec<Unpublishable>,
    /// Announcements that commits owed which were published before.
    pub announced: Vec<Announced>,
    /// Announcements that are still owed.
    pub owed: Vec<Owed>,
}

/// The note on a commit that was published on behalf of its run.
pub fn left_behind(commit: &CommitId) -> String {
    format!("published {commit}, which its run had left behind")
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "commit {} of window {}", self.version, self.window)
    }
}

impl fmt::Display for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "announced {} to target {}, which its run had left behind", self.commit, self.target)
    }
}

impl fmt::Display for Owed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = one_line(&self.error.to_string());
        write!(f, "{} is still to be announced to target {}: {error}", self.commit, self.target)
    }
}

impl fmt::Display for Unpublishable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is still to be published: {}", self.commit, one_line(&self.error.to_string()))
    }
}

/// The first error of what is owed, if anything is. The others become warnings.
pub fn first_error(owed: Vec<Owed>, warnings: &mut Vec<String>) -> Result<()> {
    let mut owed = owed.into_iter();
    let first = owed.next();
    warnings.extend(owed.map(|owed| owed.to_string()));
    first.map_or(Ok(()), |owed| Err(owed.error))
}
