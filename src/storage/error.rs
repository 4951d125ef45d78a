//! Errors of `object_store` and of the SDK in our words.

use super::answer::{Answer, READ_BYTES, fit, text_of};
use super::class::{Class, StoreCause, find_ours};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use etl_sdk::{Error, Retry};
use std::error::Error as StdError;

/// A store's error in our words. `operation` says what was being done; `uri` is the fact.
pub fn store_error(operation: &str, uri: &str, error: object_store::Error) -> Error {
    let cause = StoreCause::from(error);
    let class = cause.class.clone();
    of_class(class, operation, uri).source(cause)
}

/// An error of the SDK in our words.
pub fn sdk_error<E>(operation: &str, uri: &str, error: &SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let cause = find_ours(error).map_or_else(|| sdk_cause(error), StoreCause::of_ours);
    let class = cause.class.clone();
    of_class(class, operation, uri).source(cause)
}

/// An error of another service than S3 in our words. `fact` says what was spoken of.
pub fn service_error<E>(operation: &str, fact: (&'static str, &str), error: &SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let cause = find_ours(error).map_or_else(|| sdk_cause(error), StoreCause::of_ours);
    let class = cause.class.clone();
    let ours = Error::new(class.kind, operation).with(fact.0, fact.1).retry(class.retry);
    let ours = match (class.hint, error) {
        (Some(hint), _) => ours.hint(hint),
        (None, SdkError::DispatchFailure(_)) => ours.hint(NO_SERVICE),
        (None, _) => ours,
    };
    // Unlike a store's, what a service answers says what is wrong.
    match error.as_service_error().and_then(ProvideErrorMetadata::message) {
        Some(message) => ours.with("message", fit(message, true)).source(cause),
        None => ours.source(cause),
    }
}

/// What to look at when a service cannot be reached.
const NO_SERVICE: &str = "check aws.endpoint, aws.region and the network";

fn sdk_cause<E>(error: &SdkError<E>) -> StoreCause
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let response = error.raw_response();
    let body = response.and_then(|response| response.body().bytes()).map(|bytes| {
        let is_whole = bytes.len() <= READ_BYTES;
        fit(&String::from_utf8_lossy(&bytes[..bytes.len().min(READ_BYTES)]), is_whole)
    });
    let status = response.map(|response| response.status().as_u16());
    let answer = Answer { status, code: error.code(), body: body.as_deref() };
    let class = Class::of_answer(answer).unwrap_or_else(|| Class::passing(Retry::Later));
    StoreCause::new(class, answer, &text_of(error))
}

fn of_class(class: Class, operation: &str, uri: &str) -> Error {
    let ours = Error::new(class.kind, operation).with("uri", uri).retry(class.retry);
    match class.hint {
        Some(hint) => ours.hint(hint),
        None => ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etl_sdk::ErrorKind;
    use object_store::client::{HttpError, HttpErrorKind};
    use std::io;

    fn generic(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        store_error("list", "s3://b", object_store::Error::Generic { store: "S3", source: source.into() })
    }

    fn answer(status: &str, code: &str) -> Error {
        generic(format!("Server returned non-2xx status code: {status}: <Error><Code>{code}</Code></Error>"))
    }

    #[test]
    fn the_answer_decides_the_kind_and_the_hint() {
        for (status, code, kind, hint) in [
            ("404 Not Found", "NoSuchBucket", ErrorKind::NotFound, "bucket"),
            ("403 Forbidden", "SignatureDoesNotMatch", ErrorKind::Permission, "credentials"),
            ("403 Forbidden", "SomethingNew", ErrorKind::Permission, "credentials"),
            ("400 Bad Request", "ExpiredToken", ErrorKind::Permission, "credentials"),
        ] {
            let error = answer(status, code);
            assert_eq!(error.kind(), kind, "{code}");
            assert!(error.hint_text().is_some_and(|text| text.contains(hint)), "{code}");
        }
        let error = answer("503 Service Unavailable", "SlowDown");
        assert_eq!((error.kind(), error.hint_text()), (ErrorKind::Unavailable, None));
    }

    #[test]
    fn the_answer_decides_whether_to_try_again() {
        for (status, code, retry) in [
            ("503 Service Unavailable", "SlowDown", Retry::Throttled),
            ("429 Too Many Requests", "Whatever", Retry::Throttled),
            ("500 Internal Server Error", "InternalError", Retry::Later),
            ("502 Bad Gateway", "", Retry::Later),
            ("400 Bad Request", "RequestTimeout", Retry::Later),
            ("400 Bad Request", "BadDigest", Retry::Later),
            ("400 Bad Request", "InvalidRequest", Retry::Never),
            ("403 Forbidden", "SignatureDoesNotMatch", Retry::Never),
            ("404 Not Found", "NoSuchBucket", Retry::Never),
        ] {
            assert_eq!(answer(status, code).retry_status(), retry, "{status} {code}");
        }
        for kind in [HttpErrorKind::Timeout, HttpErrorKind::Connect, HttpErrorKind::Interrupted] {
            // What the operating system says of a connection is not what it says of a file.
            let refused = io::Error::from(io::ErrorKind::PermissionDenied);
            let error = generic(HttpError::new(kind, refused));
            assert_eq!((error.kind(), error.retry_status()), (ErrorKind::Unavailable, Retry::Later), "{kind:?}");
            let names_endpoint = error.hint_text().is_some_and(|hint| hint.contains("s3.endpoint"));
            assert_eq!(names_endpoint, kind == HttpErrorKind::Connect, "{kind:?}");
        }
        let precondition = object_store::Error::Precondition { path: "a".into(), source: "412".into() };
        assert_eq!(store_error("get", "s3://b/a", precondition).retry_status(), Retry::Never);
    }

    #[test]
    fn a_file_system_is_asked_again_only_where_that_helps() {
        for (io, kind, retry) in [
            (io::ErrorKind::PermissionDenied, ErrorKind::Permission, Retry::Never),
            (io::ErrorKind::ReadOnlyFilesystem, ErrorKind::Permission, Retry::Never),
            (io::ErrorKind::StorageFull, ErrorKind::Limit, Retry::Never),
            (io::ErrorKind::QuotaExceeded, ErrorKind::Limit, Retry::Never),
            (io::ErrorKind::FileTooLarge, ErrorKind::Limit, Retry::Never),
            (io::ErrorKind::NotADirectory, ErrorKind::NotFound, Retry::Never),
            (io::ErrorKind::IsADirectory, ErrorKind::Config, Retry::Never),
            (io::ErrorKind::InvalidFilename, ErrorKind::Config, Retry::Never),
            (io::ErrorKind::Interrupted, ErrorKind::Unavailable, Retry::Later),
            (io::ErrorKind::StaleNetworkFileHandle, ErrorKind::Unavailable, Retry::Later),
        ] {
            let error = generic(io::Error::from(io));
            assert_eq!((error.kind(), error.retry_status()), (kind, retry), "{io}");
        }
    }

    #[test]
    fn an_error_of_ours_inside_the_store_is_reported_as_it_is() {
        let ours = Error::new(ErrorKind::Permission, "find credentials").hint("set AWS_PROFILE");
        let error = generic(ours);
        assert_eq!((error.kind(), error.retry_status()), (ErrorKind::Permission, Retry::Never));
        assert_eq!(error.hint_text(), Some("set AWS_PROFILE"));
        assert_eq!(error.to_string(), "list uri=s3://b: find credentials");
    }

    #[test]
    fn an_answer_is_said_in_few_words() {
        let text = answer("503 Service Unavailable", "SlowDown").to_string();
        assert_eq!(text, "list uri=s3://b: the store answered 503 Service Unavailable, SlowDown");
    }
}
