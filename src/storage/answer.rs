//! What S3 answered, read from the text of an error.
//!
//! `object_store` keeps the type that has the status and the body of an answer private (`client::retry::RetryError`),
//! and a listing's errors have no variant of their own: the text is all there is. Nothing else looks at a text.

use std::error::Error as StdError;
use std::fmt::Write;

/// The status and the error code of an answer, as far as there was one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    /// The HTTP status.
    pub(super) status: Option<u16>,
    /// The code in the body's `<Error>`.
    pub(super) code: Option<&'a str>,
}

impl<'a> Answer<'a> {
    /// Reads what [`text_of`] returns.
    pub(super) fn read(text: &'a str) -> Self {
        let status = text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)?.parse().ok());
        let code = text.split_once("<Code>").and_then(|(_, rest)| Some(rest.split_once("</Code>")?.0));
        Self { status, code }
    }
}

/// An error and its causes in one line, each text once: those of `object_store` repeat the text of their causes.
pub(super) fn text_of(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {more}");
        }
        cause = error.source();
    }
    text
}

/// Whether an object is in an archive storage class: it is refused with `403 InvalidObjectState`.
pub(crate) fn is_archived(error: &object_store::Error) -> bool {
    Answer::read(&text_of(error)).code == Some("InvalidObjectState")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn status_and_code_are_found_where_they_are() {
        let read = |text| {
            let answer = Answer::read(text);
            (answer.status, answer.code)
        };
        let whole =
            "Server returned non-2xx status code: 503 Service Unavailable: <Error><Code>SlowDown</Code></Error>";
        assert_eq!(read(whole), (Some(503), Some("SlowDown")));
        // A successful answer whose body is an error, as of a multipart upload that was not completed.
        let ok = "Server returned error response: <Error><Code>InternalError</Code></Error>";
        assert_eq!(read(ok), (None, Some("InternalError")));
        assert_eq!(read("status code: 403 Forbidden: "), (Some(403), None));
        for none in ["", "connection refused", "status code: ", "status code: 4ü", "<Code>cut"] {
            assert_eq!(read(none), (None, None), "{none}");
        }
    }

    #[test]
    fn each_cause_is_in_the_text_once() {
        let error = object_store::Error::Generic { store: "S3", source: Box::new(io::Error::other("broken")) };
        assert_eq!(text_of(&error), "Generic S3 error: broken");
    }

    #[test]
    fn an_archived_object_is_known_by_its_code() {
        let refused = |code: &str| object_store::Error::PermissionDenied {
            path: "a".into(),
            source: format!("<Error><Code>{code}</Code></Error>").into(),
        };
        assert!(is_archived(&refused("InvalidObjectState")));
        assert!(!is_archived(&refused("AccessDenied")));
    }
}
