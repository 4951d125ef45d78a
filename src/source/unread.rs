//! What of one object was not read.

/// What of an object was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// All from this stored byte on.
    From(u64),
    /// So many stored bytes.
    Stored(u64),
    /// So many bytes after decompression.
    Plain(u64),
    /// The object ends too early, and nothing says by how much.
    Unknown,
}

/// Parts of an object that were not read, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    /// Reason code.
    pub reason: &'static str,
    /// For a person, of the first one.
    pub message: String,
    /// Dead letters that stand for it.
    pub letters: u64,
    /// How much it is.
    pub missing: Missing,
}
