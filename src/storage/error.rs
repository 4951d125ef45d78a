//! Errors of a store in our words.

use super::retry::{Class, class_of};
use etl_sdk::{Error, ErrorKind};
use std::error::Error as StdError;
use std::fmt::{self, Write};

/// A store's error in our words. `operation` says what was being done; `uri` is the fact.
pub fn store_error(operation: &str, uri: &str, error: object_store::Error) -> Error {
    let cause = StoreCause::new(error);
    let (kind, hint) = match (&cause.error, cause.code().and_then(kind_of_code)) {
        (_, Some(known)) => known,
        (object_store::Error::NotFound { .. }, _) => {
            (ErrorKind::NotFound, Some("check the url; a bucket must exist, a prefix may be empty"))
        }
        (object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }, _) => {
            (ErrorKind::Permission, Some(MAY_NOT))
        }
        (object_store::Error::InvalidPath { .. }, _) => (ErrorKind::Config, None),
        (_, _) if cause.text.contains("403 Forbidden") => (ErrorKind::Permission, Some(MAY_NOT)),
        _ => (ErrorKind::Unavailable, None),
    };
    let ours = Error::new(kind, operation).with("uri", uri).source(cause);
    match hint {
        Some(hint) => ours.hint(hint),
        None => ours,
    }
}

/// What a code in S3's answer means, and what to do about it; `None` for a code that means nothing to us.
pub(super) fn kind_of_code(code: &str) -> Option<(ErrorKind, Option<&'static str>)> {
    Some(match code {
        "NoSuchBucket" => (ErrorKind::NotFound, Some("there is no such bucket there; check the url and s3.endpoint")),
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => (ErrorKind::Permission, Some(MAY_NOT)),
        "SignatureDoesNotMatch" | "InvalidAccessKeyId" | "ExpiredToken" | "InvalidToken" | "RequestTimeTooSkewed" => (
            ErrorKind::Permission,
            Some("the store does not accept the credentials in use; see AWS_ACCESS_KEY_ID or the task role"),
        ),
        _ => return None,
    })
}

const MAY_NOT: &str = "the credentials in use may not do this; see the task role or AWS_PROFILE";

/// A store's error that prints each of its causes once: those of `object_store` repeat the text of their causes.
#[derive(Debug)]
pub(super) struct StoreCause {
    error: object_store::Error,
    text: String,
}

impl StoreCause {
    fn new(error: object_store::Error) -> Self {
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
        Self { error, text }
    }

    /// What kind of passing failure it is; `None` for one that does not pass.
    pub(super) fn class(&self) -> Option<Class> {
        class_of(&self.error, &self.text, self.code())
    }

    /// The code in S3's answer. A listing's errors have no kind of their own: this is all there is to tell them apart.
    fn code(&self) -> Option<&str> {
        let (_, rest) = self.text.split_once("<Code>")?;
        Some(rest.split_once("</Code>")?.0)
    }
}

impl fmt::Display for StoreCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Without a source: the text has all causes.
impl StdError for StoreCause {}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, code: &str) -> object_store::Error {
        let body = format!("Server returned non-2xx status code: {status}: <Error><Code>{code}</Code></Error>");
        object_store::Error::Generic { store: "S3", source: body.into() }
    }

    #[test]
    fn the_code_of_the_answer_decides_the_kind() {
        for (status, code, kind, hint) in [
            ("404 Not Found", "NoSuchBucket", ErrorKind::NotFound, "bucket"),
            ("403 Forbidden", "SignatureDoesNotMatch", ErrorKind::Permission, "credentials"),
            ("403 Forbidden", "SomethingNew", ErrorKind::Permission, "credentials"),
            ("400 Bad Request", "ExpiredToken", ErrorKind::Permission, "credentials"),
        ] {
            let error = store_error("list", "s3://b", answer(status, code));
            assert_eq!(error.kind(), kind, "{code}");
            assert!(error.hint_text().is_some_and(|text| text.contains(hint)), "{code}");
        }
        let error = store_error("list", "s3://b", answer("503 Service Unavailable", "SlowDown"));
        assert_eq!((error.kind(), error.hint_text()), (ErrorKind::Unavailable, None));
    }

    #[test]
    fn each_cause_is_printed_once() {
        let error = store_error("list", "s3://b", answer("503 Service Unavailable", "SlowDown"));
        let text = error.to_string();
        assert!(text.starts_with("list uri=s3://b: Generic S3 error: "), "{text}");
        assert_eq!(text.matches("SlowDown").count(), 1, "{text}");
    }
}
