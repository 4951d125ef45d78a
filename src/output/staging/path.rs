//! Paths under a url that files may have.

use crate::storage::disk::MAX_PART_BYTES;
use etl_sdk::{Error, Result};

/// Refuses a path that is not plainly below the sink's url. Paths are made by the runner, but a commit record is read
/// back from a place that others can write to.
pub fn check_path(path: &str) -> Result<()> {
    let wrong = |what: &str| Err(Error::internal("check a file's path").with("path", path).with("problem", what));
    for part in path.split('/') {
        match part {
            "" => return wrong("an empty part"),
            "." | ".." => return wrong("a part that leaves the folder"),
            _ if part.len() > MAX_PART_BYTES => return wrong("a part of more than 255 bytes"),
            _ if part.chars().any(|c| c.is_ascii_control() || c == '\\') => {
                return wrong("a control character or backslash");
            }
            _ => {}
        }
    }
    Ok(())
}
