//! What S3 answered: read from the text of an error, cut, and cleaned of credentials.
//!
//! `object_store` keeps the type that has the status and the body of an answer private (`client::retry::RetryError`),
//! and a listing's errors have no variant of their own: the text is all there is. Nothing else looks at a text.

use crate::text::redact;
use std::error::Error as StdError;
use std::fmt::Write;

/// What is read of an answer that is a failure; the rest stays on the wire.
pub(super) const READ_BYTES: usize = 64 << 10;

/// What is kept of it.
const KEPT_BYTES: usize = 2 << 10;

/// Longest error code; AWS has none of more than 50 letters.
const MAX_CODE: usize = 64;

/// The parts of an answer, as far as there was one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    /// The HTTP status.
    pub(super) status: Option<u16>,
    /// The code in the body's `<Error>`.
    pub(super) code: Option<&'a str>,
    /// All of the body.
    pub(super) body: Option<&'a str>,
}

impl<'a> Answer<'a> {
    /// Reads what [`text_of`] returns.
    pub(super) fn read(text: &'a str) -> Self {
        let of_status = text.split_once("status code: ").map(|(_, rest)| rest);
        let status = of_status.and_then(|rest| rest.get(..3)?.parse().ok());
        let code = text.split_once("<Code>").and_then(|(_, rest)| Some(rest.split_once("</Code>")?.0));
        let is_code = |code: &&str| code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let body = of_status.filter(|_| status.is_some()).and_then(|rest| Some(rest.split_once(": ")?.1));
        let body = body.or_else(|| Some(text.split_once("error response: ")?.1));
        Self { status, code: code.filter(is_code), body: body.filter(|body| !body.trim().is_empty()) }
    }

    /// One line without anything of the body but the code; `None` when nothing was answered.
    pub(super) fn summary(self) -> Option<String> {
        let status = self.status.map(|status| match reason(status) {
            Some(reason) => format!("{status} {reason}"),
            None => status.to_string(),
        });
        Some(match (status, self.code) {
            (Some(status), Some(code)) => format!("the store answered {status}, {code}"),
            (Some(status), None) => format!("the store answered {status}"),
            (None, Some(code)) => format!("the store answered {code}"),
            (None, None) => return None,
        })
    }
}

fn reason(status: u16) -> Option<&'static str> {
    reqwest::StatusCode::from_u16(status).ok()?.canonical_reason()
}

/// A body as it is kept: cleaned, and no longer than [`KEPT_BYTES`]. `is_whole` says that nothing of it was left on the
/// wire.
pub(super) fn fit(body: &str, is_whole: bool) -> String {
    // The last word may be half a secret, which nobody would know any more.
    let whole_words = match body.rfind([' ', '\n', '<', '"', '&']) {
        _ if is_whole => body,
        Some(end) => &body[..end],
        None => "",
    };
    cut(&redact(whole_words), KEPT_BYTES)
}

/// No more of a text than `most` bytes; it ends with `…` when it was longer.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(most)])
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
    fn status_code_and_body_are_found_where_they_are() {
        let read = |text| {
            let answer = Answer::read(text);
            (answer.status, answer.code, answer.body.is_some())
        };
        let whole =
            "Server returned non-2xx status code: 503 Service Unavailable: <Error><Code>SlowDown</Code></Error>";
        assert_eq!(read(whole), (Some(503), Some("SlowDown"), true));
        // A successful answer whose body is an error, as of a multipart upload that was not completed.
        let ok = "Server returned error response: <Error><Code>InternalError</Code></Error>";
        assert_eq!(read(ok), (None, Some("InternalError"), true));
        assert_eq!(read("status code: 403 Forbidden: "), (Some(403), None, false));
        for none in ["", "connection refused", "status code: ", "status code: 4ü", "<Code>cut", "<Code>a b</Code>"] {
            assert_eq!(read(none), (None, None, false), "{none}");
        }
    }

    #[test]
    fn a_summary_has_nothing_of_the_body_but_the_code() {
        let summary = |text| Answer::read(text).summary();
        let refused = "status code: 403 Forbidden: <Error><Code>AccessDenied</Code><Message>no</Message></Error>";
        assert_eq!(summary(refused).unwrap(), "the store answered 403 Forbidden, AccessDenied");
        assert_eq!(summary("status code: 599 <unknown status code>: x").unwrap(), "the store answered 599");
        assert_eq!(summary("connection reset"), None);
    }

    #[test]
    fn what_is_kept_is_short_and_ends_with_a_whole_word() {
        let long = format!("<a>{}</a>", "x".repeat(5 << 20));
        assert!(fit(&long, true).len() < KEPT_BYTES + 8);
        assert_eq!(fit("<a>one</a> <b>half-of-a-secr", false), "<a>one</a> ");
        assert_eq!(fit("", true), "");
        assert_eq!(cut("ééé", 3), "é…");
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
