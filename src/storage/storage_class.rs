//! Storage classes of S3.

use crate::text::suggest::{list_names, nearest};
use serde::{Deserialize, Deserializer};

/// Those whose objects can be read at any time.
const READABLE: [&str; 6] =
    ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "REDUCED_REDUNDANCY"];

/// Those whose objects must be restored before they are read.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// Refuses at the edge what would fail at the first write, and what could not be read again.
pub(super) fn storage_class<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let class: Option<String> = Option::deserialize(deserializer)?;
    match class.as_deref().map(check) {
        Some(Err(wrong)) => Err(serde::de::Error::custom(wrong)),
        _ => Ok(class),
    }
}

fn check(class: &str) -> Result<(), String> {
    if READABLE.contains(&class) {
        return Ok(());
    }
    if ARCHIVES.contains(&class) {
        return Err(format!(
            "objects of `{class}` cannot be read without a restore, and compact, replay and queries read what a run wrote; \
             write GLACIER_IR"
        ));
    }
    // Names are compared in lower case.
    let lower = READABLE.map(str::to_lowercase);
    let near = nearest(class, &lower.each_ref().map(String::as_str)).map(str::to_uppercase);
    let meant = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    Err(format!("`{class}` is no storage class; {meant}known: {}", list_names(&READABLE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_known_and_can_be_read() {
        assert!(READABLE.iter().all(|class| check(class).is_ok()));
        for near in ["STANDRAD_IA", "standard_ia", "STANDARD-IA"] {
            assert!(check(near).unwrap_err().contains("did you mean `STANDARD_IA`? known: STANDARD, "), "{near}");
        }
        assert!(check("GLACIER").unwrap_err().contains("GLACIER_IR") && check("DEEP_ARCHIVE").is_err());
    }
}
