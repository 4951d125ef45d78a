//! What file systems refuse, and their limits.

use etl_sdk::{Error, ErrorKind};
use std::io;

/// Longest part of a path, in bytes, on the file systems in use.
pub const MAX_PART_BYTES: usize = 255;

/// What to do about a disk without room for files.
pub(crate) const DISK_FULL: &str = "free space there, and run the same command again";

/// What to do about a folder that is refused.
const NOT_ALLOWED: &str = "this process may not do that there; check the owner, the mode and the mount of the folder";

/// What to do where a file is to be and a folder is.
const IS_A_FOLDER: &str = "a folder stands in the place of a file; move it away, or name another url";

/// What to do about a name that a file system does not take.
const BAD_NAME: &str =
    "the file system takes no name as long or with such characters; name a shorter folder in the url";

/// Whether writing failed for want of space.
pub(crate) fn is_disk_full(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(kind, StorageFull | QuotaExceeded | FileTooLarge)
}

/// What a failure of the file system means to the caller, and the way out where there is one.
pub(crate) fn meaning_of(kind: io::ErrorKind) -> (ErrorKind, Option<&'static str>) {
    match kind {
        kind if is_disk_full(kind) => (ErrorKind::Limit, Some(DISK_FULL)),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::Permission, Some(NOT_ALLOWED))
        }
        io::ErrorKind::NotFound => (ErrorKind::NotFound, None),
        io::ErrorKind::NotADirectory => (ErrorKind::NotFound, Some("a part of the path is a file, not a folder")),
        io::ErrorKind::IsADirectory => (ErrorKind::Config, Some(IS_A_FOLDER)),
        io::ErrorKind::InvalidFilename => (ErrorKind::Config, Some(BAD_NAME)),
        _ => (ErrorKind::Unavailable, None),
    }
}

/// A failure of the file system in our words. When the [`io::Error`] was made from an error of ours, kind and hint are
/// those: they decide whether the work is done again.
pub(crate) fn disk_error(operation: &str, path: &str, error: io::Error) -> Error {
    let ours = Error::find(&error).map(|ours| (ours.kind(), ours.hint_text().map(str::to_owned)));
    let (kind, hint) = ours.unwrap_or_else(|| {
        let (kind, hint) = meaning_of(error.kind());
        (kind, hint.map(str::to_owned))
    });
    let failure = Error::new(kind, operation).with("path", path).source(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etl_sdk::Retry;

    #[test]
    fn what_does_not_pass_has_a_kind_of_its_own() {
        for (io, kind) in [
            (io::ErrorKind::PermissionDenied, ErrorKind::Permission),
            (io::ErrorKind::ReadOnlyFilesystem, ErrorKind::Permission),
            (io::ErrorKind::StorageFull, ErrorKind::Limit),
            (io::ErrorKind::QuotaExceeded, ErrorKind::Limit),
            (io::ErrorKind::FileTooLarge, ErrorKind::Limit),
            (io::ErrorKind::NotADirectory, ErrorKind::NotFound),
            (io::ErrorKind::IsADirectory, ErrorKind::Config),
            (io::ErrorKind::InvalidFilename, ErrorKind::Config),
            (io::ErrorKind::NotFound, ErrorKind::NotFound),
        ] {
            let error = disk_error("write", "a", io.into());
            assert_eq!((error.kind(), error.retry_status()), (kind, Retry::Never), "{io}");
            assert_eq!(error.hint_text().is_none(), io == io::ErrorKind::NotFound, "{io}");
        }
        let passing = disk_error("write", "a", io::ErrorKind::ResourceBusy.into());
        assert_eq!((passing.kind(), passing.retry_status()), (ErrorKind::Unavailable, Retry::Later));
    }

    #[test]
    fn an_error_of_ours_keeps_its_kind_and_hint() {
        let ours = Error::new(ErrorKind::Unavailable, "send a part").retry(Retry::Throttled).hint("wait");
        let error = disk_error("write", "a", io::Error::other(ours));
        assert_eq!(
            (error.kind(), error.retry_status(), error.hint_text()),
            (ErrorKind::Unavailable, Retry::Throttled, Some("wait"))
        );
    }
}
