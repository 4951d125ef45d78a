//! What a store's failure means: what the caller must know of it, what the user can do, and whether to try again.

use super::answer::{Answer, fit, text_of};
use super::disk::meaning_of;
use etl_sdk::{Error, ErrorKind, Retry};
use object_store::client::{HttpError, HttpErrorKind};
use std::error::Error as StdError;
use std::{fmt, io};

/// What a failure means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) kind: ErrorKind,
    pub(super) retry: Retry,
    pub(super) hint: Option<String>,
}

const MAY_NOT: &str = "the credentials in use may not do this; see the policy of the role or of AWS_PROFILE";
const NOT_ACCEPTED: &str = "the credentials in use are not accepted; see AWS_ACCESS_KEY_ID, AWS_PROFILE or the role";
const NO_CONNECTION: &str =
    "check s3.endpoint and the network; if both are right, run the same command again; finished tasks are kept";
const NO_BUCKET: &str = "there is no such bucket there; check the url, s3.endpoint and s3.path_style";
const NOT_THERE: &str = "check the url; a bucket must exist, a prefix may be empty";

impl Class {
    /// A failure that the same call runs into again.
    fn lasting(kind: ErrorKind, hint: impl Into<Option<&'static str>>) -> Self {
        Self { kind, retry: Retry::Never, hint: hint.into().map(str::to_owned) }
    }

    /// A failure that may pass by itself.
    pub(super) fn passing(retry: Retry) -> Self {
        Self { kind: ErrorKind::Unavailable, retry, hint: None }
    }

    /// What an error of ours says.
    pub(super) fn of_ours(error: &Error) -> Self {
        Self { kind: error.kind(), retry: error.retry_status(), hint: error.hint_text().map(str::to_owned) }
    }

    /// What the code of an answer means; `None` for one that means nothing to us.
    fn of_code(code: &str) -> Option<Self> {
        Some(match code {
            "NoSuchBucket" => Self::lasting(ErrorKind::NotFound, NO_BUCKET),
            "AccessDenied" | "AccessDeniedException" | "AllAccessDisabled" | "AccountProblem" => {
                Self::lasting(ErrorKind::Permission, MAY_NOT)
            }
            "SignatureDoesNotMatch"
            | "InvalidSignatureException"
            | "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidToken"
            | "RequestTimeTooSkewed" => Self::lasting(ErrorKind::Permission, NOT_ACCEPTED),
            "SlowDown"
            | "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "TooManyRequests"
            | "TooManyRequestsException" => Self::passing(Retry::Throttled),
            "EntityNotFoundException" | "ResourceNotFoundException" => Self::lasting(ErrorKind::NotFound, None),
            "InternalError"
            | "InternalFailure"
            | "InternalServerError"
            | "InternalServiceException"
            | "OperationTimeoutException"
            | "ResourceNotReadyException"
            | "ConcurrentModificationException"
            | "ServiceUnavailable"
            | "RequestTimeout"
            | "BadDigest"
            | "XAmzContentSHA256Mismatch"
            | "InvalidDigest"
            | "IncompleteBody" => Self::passing(Retry::Later),
            _ => return None,
        })
    }

    fn of_status(status: u16) -> Self {
        match status {
            403 => Self::lasting(ErrorKind::Permission, MAY_NOT),
            429 | 503 => Self::passing(Retry::Throttled),
            408 | 500.. => Self::passing(Retry::Later),
            _ => Self::lasting(ErrorKind::Unavailable, None),
        }
    }

    /// What an answer means; `None` when there was none.
    pub(super) fn of_answer(answer: Answer<'_>) -> Option<Self> {
        answer.code.and_then(Self::of_code).or_else(|| answer.status.map(Self::of_status))
    }

    fn of_store(error: &object_store::Error, answer: Answer<'_>) -> Self {
        use object_store::Error as E;
        match error {
            E::Generic { .. } => Self::of_answer(answer).unwrap_or_else(|| Self::of_causes(error)),
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
                let known = answer.code.and_then(Self::of_code).filter(|known| known.retry == Retry::Never);
                known.unwrap_or_else(|| Self::lasting(ErrorKind::Permission, MAY_NOT))
            }
            E::NotFound { .. } if answer.code == Some("NoSuchBucket") => Self::lasting(ErrorKind::NotFound, NO_BUCKET),
            E::NotFound { .. } => Self::lasting(ErrorKind::NotFound, NOT_THERE),
            E::InvalidPath { .. } => Self::lasting(ErrorKind::Config, None),
            _ => Self::lasting(ErrorKind::Unavailable, None),
        }
    }

    /// What failed before there was an answer: the connection, or the file system.
    fn of_causes(error: &(dyn StdError + 'static)) -> Self {
        // The connection comes first: its causes are of the operating system too, and all of those may pass.
        if let Some(http) = causes_of(error).find_map(|cause| cause.downcast_ref::<HttpError>()) {
            let hint = (http.kind() == HttpErrorKind::Connect).then(|| NO_CONNECTION.to_owned());
            return Self { hint, ..Self::passing(Retry::Later) };
        }
        match causes_of(error).find_map(|cause| cause.downcast_ref::<io::Error>()) {
            Some(io) => {
                let (kind, hint) = meaning_of(io.kind());
                Self { kind, retry: Retry::of_io(io.kind()), hint: hint.map(str::to_owned) }
            }
            None => Self::passing(Retry::Later),
        }
    }
}

/// A store's error in a few words: what it answered is kept beside them, and is not part of the text.
#[derive(Debug)]
pub(super) struct StoreCause {
    pub(super) class: Class,
    text: String,
    answer: Option<String>,
}

impl StoreCause {
    /// An error of ours, found inside a call of a library: credentials, connections and listings are looked at by us.
    pub(super) fn of_ours(error: &Error) -> Self {
        Self { class: Class::of_ours(error), text: error.to_string(), answer: None }
    }

    /// What an answer says; `text` is for a failure without one.
    pub(super) fn new(class: Class, answer: Answer<'_>, text: &str) -> Self {
        let text = answer.summary().unwrap_or_else(|| fit(text, true));
        Self { class, text, answer: answer.body.map(|body| fit(body, true)) }
    }
}

impl From<object_store::Error> for StoreCause {
    fn from(error: object_store::Error) -> Self {
        if let Some(ours) = find_ours(&error) {
            return Self::of_ours(ours);
        }
        let text = text_of(&error);
        let answer = Answer::read(&text);
        Self::new(Class::of_store(&error, answer), answer, &text)
    }
}

/// What a store answered to the call that failed, cut and cleaned; for reports, and not to be kept in the state.
pub fn answer_of(error: &Error) -> Option<&str> {
    causes_of(error).find_map(|cause| cause.downcast_ref::<StoreCause>()).and_then(|cause| cause.answer.as_deref())
}

/// The error of ours that is the cause of a library's.
pub(super) fn find_ours<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    causes_of(error).find_map(Error::find)
}

/// An error, its cause, the cause of that, and so on.
pub(super) fn causes_of<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

impl fmt::Display for StoreCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Without a source: the text has what is to be said of all causes.
impl StdError for StoreCause {}
