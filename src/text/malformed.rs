//! Texts that are not the value they should be.

use std::error::Error;
use std::fmt;

/// A text that is not the value it should be, and how such a value is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    text: String,
    problem: &'static str,
    hint: &'static str,
}

impl Malformed {
    /// `problem` goes on from the text: `is not a size`. `hint` says what to write.
    pub fn new(text: &str, problem: &'static str, hint: &'static str) -> Self {
        Self { text: text.to_owned(), problem, hint }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}; {}", self.text, self.problem, self.hint)
    }
}

impl Error for Malformed {}
