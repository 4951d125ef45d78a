//! The one error type of the workspace: a kind, what was being done, the facts, at most one hint, whether to try again,
//! and the source.

use std::error::Error as StdError;
use std::fmt;
use std::io;

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
    /// The process was asked to end before the work was done.
    Stopped,
    /// What the program keeps for itself, such as its log, is damaged or gone: a person must look at it.
    Damaged,
    /// A promise of the program does not hold; always a defect.
    Internal,
}

/// Whether the same call may succeed when it is made again.
///
/// It is set once, where a failure of a library becomes an [`Error`], and inherited by the errors that wrap it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It fails again: a refusal, a full disk, a wrong setting, a request to stop.
    Never,
    /// It may succeed: a broken connection, a server that fails inside.
    Later,
    /// It may succeed, but the other side asks for fewer requests: wait longer.
    Throttled,
}

impl Retry {
    /// What is known of a failure of the operating system. Waiting does not change permissions, quotas or names.
    pub fn of_io(kind: io::ErrorKind) -> Self {
        use io::ErrorKind as Kind;
        match kind {
            Kind::NotFound
            | Kind::AlreadyExists
            | Kind::PermissionDenied
            | Kind::ReadOnlyFilesystem
            | Kind::NotADirectory
            | Kind::IsADirectory
            | Kind::InvalidFilename
            | Kind::StorageFull
            | Kind::QuotaExceeded
            | Kind::FileTooLarge
            | Kind::Unsupported => Self::Never,
            _ => Self::Later,
        }
    }
}

/// Where in a file that a person wrote something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePlace {
    /// The file as it was named.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// Characters of it; 0 for what has no end of its own, such as a section.
    pub length: usize,
    /// The whole line.
    pub text: String,
}

/// What is known of a mistake in a file; apart, since few errors are such.
#[derive(Debug, Default)]
struct InFile {
    place: Option<SourcePlace>,
    others: Vec<Error>,
}

/// A failure, with its facts in the order they were added.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    retry: Retry,
    operation: String,
    facts: Vec<(&'static str, String)>,
    hint: Option<String>,
    in_file: Option<Box<InFile>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of anything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// `operation` is a short phrase, lower case and without a full stop: `read the job file`.
    ///
    /// Only failures of kind [`ErrorKind::Unavailable`] are worth another try, unless [`Error::retry`] says otherwise.
    pub fn new(kind: ErrorKind, operation: impl Into<String>) -> Self {
        let retry = if kind == ErrorKind::Unavailable { Retry::Later } else { Retry::Never };
        Self { kind, retry, operation: operation.into(), facts: Vec::new(), hint: None, in_file: None, source: None }
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

    /// Says where in a file it is.
    #[must_use]
    pub fn at(mut self, place: SourcePlace) -> Self {
        self.in_file.get_or_insert_default().place = Some(place);
        self
    }

    /// Fails with the first error, if there is one, which brings the others with it.
    pub fn all(errors: Vec<Self>) -> Result<()> {
        let mut errors = errors.into_iter();
        match errors.next() {
            None => Ok(()),
            Some(mut first) => {
                first.in_file.get_or_insert_default().others.extend(errors);
                Err(first)
            }
        }
    }

    /// The error alone, and those that it brought with it.
    pub fn split(mut self) -> Vec<Self> {
        let others = self.in_file.as_mut().map(|file| std::mem::take(&mut file.others)).unwrap_or_default();
        std::iter::once(self).chain(others).collect()
    }

    /// Says whether to try again, where that is known.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Says how often it was tried and for how long: as the facts `attempts` and `seconds`, and at the end of the text.
    #[must_use]
    pub fn tried(mut self, attempts: u32, seconds: u64) -> Self {
        self.facts.retain(|(name, _)| !TRIES.contains(name));
        self.with(TRIES[0], attempts).with(TRIES[1], seconds)
    }

    /// Keeps the error that caused this one. An error that may pass takes over what its cause says about trying again.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        if self.retry != Retry::Never {
            self.retry = retry_of(&*source).unwrap_or(self.retry);
        }
        self.source = Some(source);
        self
    }

    /// What the caller must know of it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may succeed when it is made again.
    pub fn retry_status(&self) -> Retry {
        self.retry
    }

    /// The error of ours that `error` is, or that an [`io::Error`] was made from, as readers and writers do.
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        error.downcast_ref().or_else(|| error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref())
    }

    /// The way out, if one is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Where in a file it is, as far as it or a cause of ours knows.
    pub fn place(&self) -> Option<&SourcePlace> {
        let of_cause = || StdError::source(self)?.downcast_ref::<Self>()?.place();
        self.in_file.as_ref().and_then(|file| file.place.as_ref()).or_else(of_cause)
    }

    /// Errors that were found beside it.
    pub fn others(&self) -> &[Self] {
        self.in_file.as_ref().map_or(&[], |file| file.others.as_slice())
    }

    /// The facts, in the order they were added.
    pub fn facts(&self) -> &[(&'static str, String)] {
        &self.facts
    }
}

/// What a cause says about trying again; `None` for a library's own error, which is judged where it becomes ours.
fn retry_of(cause: &(dyn StdError + 'static)) -> Option<Retry> {
    match (Error::find(cause), cause.downcast_ref::<io::Error>()) {
        (Some(ours), _) => Some(ours.retry),
        (None, Some(io)) => Some(Retry::of_io(io.kind())),
        (None, None) => None,
    }
}

/// The facts of [`Error::tried`], which its text says in words.
const TRIES: [&str; 2] = ["attempts", "seconds"];

/// One line: the operation, the facts as `name=value`, then the chain of causes after colons. A cause that the one before
/// it has quoted is left out.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.operation)?;
        for (name, value) in &self.facts {
            if !TRIES.contains(name) {
                write!(f, " {name}={value}")?;
            }
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
        let said = |wanted: &str| self.facts.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
        match (said(TRIES[0]), said(TRIES[1])) {
            (Some("1"), Some(seconds)) => write!(f, ", 1 try in {seconds} s"),
            (Some(attempts), Some(seconds)) => write!(f, ", {attempts} tries in {seconds} s"),
            _ => Ok(()),
        }
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
    fn the_kind_says_whether_to_try_again_unless_the_cause_knows_better() {
        let unavailable = || Error::new(ErrorKind::Unavailable, "read");
        assert_eq!(unavailable().retry_status(), Retry::Later);
        assert_eq!(unavailable().source("it changed").retry_status(), Retry::Later);
        assert_eq!(Error::new(ErrorKind::Limit, "write").source(unavailable()).retry_status(), Retry::Never);
        for status in [Retry::Never, Retry::Later, Retry::Throttled] {
            let cause = || unavailable().retry(status);
            assert_eq!(unavailable().source(cause()).retry_status(), status);
            assert_eq!(unavailable().source(io::Error::other(cause())).retry_status(), status);
            assert_eq!(unavailable().retry(Retry::Never).source(cause()).retry_status(), Retry::Never);
        }
    }

    #[test]
    fn what_the_operating_system_refuses_is_not_tried_again() {
        let status = |kind: io::ErrorKind| {
            Error::new(ErrorKind::Unavailable, "write").source(io::Error::from(kind)).retry_status()
        };
        for kind in [
            io::ErrorKind::NotFound,
            io::ErrorKind::AlreadyExists,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::ReadOnlyFilesystem,
            io::ErrorKind::NotADirectory,
            io::ErrorKind::IsADirectory,
            io::ErrorKind::InvalidFilename,
            io::ErrorKind::StorageFull,
            io::ErrorKind::QuotaExceeded,
            io::ErrorKind::FileTooLarge,
            io::ErrorKind::Unsupported,
        ] {
            assert_eq!(status(kind), Retry::Never, "{kind}");
        }
        for kind in [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::TimedOut,
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::Interrupted,
            io::ErrorKind::ResourceBusy,
            io::ErrorKind::StaleNetworkFileHandle,
            io::ErrorKind::Other,
        ] {
            assert_eq!(status(kind), Retry::Later, "{kind}");
        }
    }

    #[test]
    fn what_was_tried_is_said_at_the_end() {
        let error = Error::new(ErrorKind::Unavailable, "list").with("uri", "s3://b").source("refused").tried(7, 147);
        assert_eq!(error.to_string(), "list uri=s3://b: refused, 7 tries in 147 s");
        assert!(
            error.facts().contains(&("attempts", "7".to_owned()))
                && error.facts().contains(&("seconds", "147".to_owned()))
        );
        let outer = Error::new(ErrorKind::Unavailable, "run").source(error);
        assert_eq!(outer.to_string(), "run: list uri=s3://b: refused, 7 tries in 147 s");
    }

    #[test]
    fn each_cause_is_said_once() {
        let error = Error::config("open the file").with("file", "x").source(Quoting(io::Error::other("no such file")));
        assert_eq!(error.to_string(), "open the file file=x: i/o error: no such file");
        let outer = Error::internal("build the job").source(error);
        assert_eq!(outer.to_string(), "build the job: open the file file=x: i/o error: no such file");
    }
}
