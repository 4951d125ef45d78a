//! The one error type of the workspace: a kind, what was being done, the facts, at most one hint, and the source.

use std::error::Error as StdError;
use std::fmt;

/// What went wrong, as far as the caller must know to choose an exit code or to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The command line cannot be understood.
    Usage,
    /// The job file, or a file it names, is wrong.
    Config,
    /// Something that was named does not exist.
    NotFound,
    /// The store or service refused us.
    Permission,
    /// The store or service does not answer; the same call may succeed later.
    Unavailable,
    /// A limit of the job (memory, open files, spill) was reached.
    Limit,
    /// A gate of the job refused to publish.
    Gate,
    /// Another run holds the window.
    Held,
    /// The process was told to end before the work was done.
    Stopped,
    /// A promise of the program does not hold; always a defect.
    Internal,
}

/// A failure, with its facts in the order they were added.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    operation: String,
    facts: Vec<(&'static str, String)>,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of anything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// `operation` is a short phrase, lower case and without a full stop: `read the job file`.
    pub fn new(kind: ErrorKind, operation: impl Into<String>) -> Self {
        Self { kind, operation: operation.into(), facts: Vec::new(), hint: None, source: None }
    }

    /// A wrong job file or a wrong file named by it.
    pub fn config(operation: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, operation)
    }

    /// A defect of the program.
    pub fn internal(operation: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, operation)
    }

    /// Adds a fact: the file, offset, table, column or setting at fault.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.facts.push((name, value.to_string()));
        self
    }

    /// Sets the one hint: what the reader can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the caller must know of it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The way out, if one is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The facts, in the order they were added.
    pub fn facts(&self) -> &[(&'static str, String)] {
        &self.facts
    }
}

/// One line: the operation, the facts as `name=value`, then the chain of causes after colons. A cause that the one before
/// it has quoted is left out.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.operation)?;
        for (name, value) in &self.facts {
            write!(f, " {name}={value}")?;
        }
        let mut cause = self.source.as_deref().map(|source| source as &dyn StdError);
        let mut said = String::new();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            // Our own errors print their whole chain themselves.
            cause = if error.is::<Self>() { None } else { error.source() };
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::internal("build a record batch").source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug)]
    struct Quoting(io::Error);

    impl fmt::Display for Quoting {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "i/o error: {}", self.0)
        }
    }

    impl StdError for Quoting {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn each_cause_is_said_once() {
        let error = Error::config("open the file").with("file", "x").source(Quoting(io::Error::other("no such file")));
        assert_eq!(error.to_string(), "open the file file=x: i/o error: no such file");
        let outer = Error::internal("build the job").source(error);
        assert_eq!(outer.to_string(), "build the job: open the file file=x: i/o error: no such file");
    }
}
