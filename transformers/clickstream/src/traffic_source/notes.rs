//! What a resolution tells of its steps, for somebody who wants to know why.

use serde::Serialize;

/// Hears what each step does. `()` hears nothing, and then nothing is put into words.
pub trait Witness {
    /// Takes a note; `note` is only called by a witness that keeps it.
    fn note(&mut self, note: impl FnOnce() -> Note);
}

impl Witness for () {
    fn note(&mut self, _: impl FnOnce() -> Note) {}
}

impl Witness for Vec<Note> {
    fn note(&mut self, note: impl FnOnce() -> Note) {
        self.push(note());
    }
}

/// One step: what it decided and why, or why it decided nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What kind of step, such as `category-rule`.
    pub step: &'static str,
    /// Columns it filled or emptied, without `traffic_source_`. Empty for a step that was skipped or only looks.
    pub decided: Vec<&'static str>,
    /// What it did and why, as a clause.
    pub why: String,
}

impl Note {
    /// A step that decides columns.
    pub fn new(step: &'static str, decided: &[&'static str], why: impl Into<String>) -> Self {
        Self { step, decided: decided.to_vec(), why: why.into() }
    }
}
