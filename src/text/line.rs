//! Texts on one line.

/// Some causes (object stores, parsers) have line breaks in their text.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
