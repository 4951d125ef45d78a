//! What file systems have in common.

/// What to do about a disk without room for files.
pub const DISK_FULL: &str = "free space there, and run the same command again";

/// Whether writing failed for want of space.
pub fn is_disk_full(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(kind, StorageFull | QuotaExceeded | FileTooLarge)
}

/// Longest part of a path, in bytes, on the file systems in use.
pub const MAX_PART_BYTES: usize = 255;
