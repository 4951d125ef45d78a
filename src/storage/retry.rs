//! What is tried again, how often, and for how long.
//!
//! | class | what it is | tried again |
//! |---|---|---|
//! | throttled | `SlowDown`, 429, 503 | yes, with longer waits |
//! | server | other 5xx, `InternalError` in an answer | yes |
//! | connection | refused, reset, closed, a name that is not found | yes |
//! | stalled | no answer or no byte for `limits.retry.stall` | yes |
//! | truncated | an answer or an object that ends early, whatever its `Content-Length` says | yes, from the byte reached |
//! | damaged | a checksum of an upload that does not fit | yes |
//! | other | a failure without a name that may pass | yes |
//! | none | 4xx, wrong credentials, another version of the object (`If-Match`), what is not there | no |
//!
//! The store's client tries a request again by itself, up to `attempts` times; what surfaces from it is taken up by a
//! [`Backoff`]: a read at the byte it reached, a page of a listing, a part of an upload, and a task as a whole.

use super::error::StoreCause;
use crate::process::stop::Stop;
use crate::text::Span;
use etl_sdk::{Error, ErrorKind, Result};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::{BackoffConfig, RetryConfig as ClientRetry};
use parquet::errors::ParquetError;
use schemars::JsonSchema;
use serde::Deserialize;
use std::error::Error as StdError;
use std::future::Future;
use std::time::{Duration, Instant};
use std::{fmt, io};

/// How often and how long a failing call of a bucket is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryConfig {
    /// Attempts without any progress, the first one included; `1` never tries again. Default: `10`.
    pub attempts: u32,
    /// After this time without any progress no further attempt is made. Default: `2m`.
    pub budget: Span,
    /// A connection that gives no answer or no byte for this long is given up and counts as a failed attempt.
    /// Default: `30s`.
    pub stall: Span,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { attempts: 10, budget: Span { seconds: 120 }, stall: Span { seconds: 30 } }
    }
}

impl RetryConfig {
    /// Never tries again, for tests.
    #[cfg(test)]
    pub(crate) fn once() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    fn budget(self) -> Duration {
        seconds(self.budget)
    }

    /// See [`RetryConfig::stall`](#structfield.stall).
    pub fn stall_time(self) -> Duration {
        seconds(self.stall)
    }

    /// The same for the store's client, which tries single requests again.
    pub(super) fn of_client(self) -> ClientRetry {
        ClientRetry {
            // The client draws each wait from between the first and three times the one before it.
            backoff: BackoffConfig { init_backoff: FIRST_WAIT / 2, max_backoff: MOST_WAIT, base: 3.0 },
            max_retries: self.attempts.saturating_sub(1) as usize,
            retry_timeout: self.budget(),
        }
    }
}

fn seconds(span: Span) -> Duration {
    Duration::from_secs(u64::try_from(span.seconds).unwrap_or(0))
}

/// What kind of passing failure it is; see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The store asks for fewer requests.
    Throttled,
    /// The store fails inside.
    Server,
    /// There is no connection, or it breaks.
    Connection,
    /// There is a connection, and nothing comes.
    Stalled,
    /// Less came than should.
    Truncated,
    /// What arrived is not what was sent.
    Damaged,
    /// Nothing is known but that it may pass.
    Other,
}

impl Class {
    /// The longest first wait.
    fn first_wait(self) -> Duration {
        match self {
            Self::Throttled => 4 * FIRST_WAIT,
            _ => FIRST_WAIT,
        }
    }
}

/// A cause of ours, with its class; `None` for one that trying again does not mend.
#[derive(Debug)]
pub(crate) struct Cause {
    class: Option<Class>,
    text: String,
}

impl Cause {
    pub(crate) fn passing(class: Class, text: impl Into<String>) -> Self {
        Self { class: Some(class), text: text.into() }
    }

    pub(crate) fn lasting(text: impl Into<String>) -> Self {
        Self { class: None, text: text.into() }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Cause {}

/// Whether the same work may succeed when it is done again, and why it failed. Only failures of kind `Unavailable` do:
/// neither a refusal, nor a full disk, nor a stop.
pub fn retryable(error: &Error) -> Option<Class> {
    if error.kind() != ErrorKind::Unavailable {
        return None;
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(store) = error.downcast_ref::<StoreCause>() {
            return store.class();
        }
        if let Some(ours) = error.downcast_ref::<Cause>() {
            return ours.class;
        }
        cause = inner(error);
    }
    Some(Class::Other)
}

/// The cause of an error, past wrappers that hide it.
fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return io.get_ref().map(|inner| inner as &(dyn StdError + 'static));
    }
    if let Some(ParquetError::External(inner)) = error.downcast_ref::<ParquetError>() {
        return Some(inner.as_ref());
    }
    error.source()
}

/// The class of a store's error by what it is and by the text of its answer.
pub(super) fn class_of(error: &object_store::Error, text: &str, code: Option<&str>) -> Option<Class> {
    if !matches!(error, object_store::Error::Generic { .. }) {
        return None;
    }
    match code {
        Some("SlowDown" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequests") => {
            return Some(Class::Throttled);
        }
        Some("InternalError" | "ServiceUnavailable") => return Some(Class::Server),
        Some("RequestTimeout") => return Some(Class::Stalled),
        Some("BadDigest" | "XAmzContentSHA256Mismatch" | "InvalidDigest") => return Some(Class::Damaged),
        Some("IncompleteBody") => return Some(Class::Truncated),
        _ => {}
    }
    if let Some((_, status)) = text.split_once("status code: ") {
        return match status.as_bytes().get(..3)? {
            b"429" | b"503" => Some(Class::Throttled),
            b"408" => Some(Class::Stalled),
            [b'5', ..] => Some(Class::Server),
            _ => None,
        };
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return Some(match http.kind() {
                HttpErrorKind::Timeout => Class::Stalled,
                _ => Class::Connection,
            });
        }
        cause = error.source();
    }
    // An answer that breaks off reads as one that makes no sense.
    Some(if text.contains("invalid") { Class::Truncated } else { Class::Other })
}

/// Longest first wait; the longest of the nth is twice that of the one before it.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Longest of all waits.
const MOST_WAIT: Duration = Duration::from_secs(15);

/// Waits between attempts: each between nothing and a bound that doubles, so that many who failed together do not come
/// back together. It ends with the attempts, with the budget, or with the run.
#[derive(Debug)]
pub struct Backoff {
    retry: RetryConfig,
    stop: Stop,
    failed: u32,
    begun: Instant,
}

impl Backoff {
    /// Attempts and budget count from here.
    pub fn new(retry: &RetryConfig, stop: &Stop) -> Self {
        Self { retry: *retry, stop: stop.clone(), failed: 0, begun: Instant::now() }
    }

    /// There was progress: attempts and budget count from here.
    pub fn reset(&mut self) {
        self.failed = 0;
        self.begun = Instant::now();
    }

    /// Waits until the next attempt, on the runtime. Fails with `failure` when there is none: it does not pass, or
    /// attempts or budget are used up, which it then says; with the reason of a stop when there is one.
    pub async fn wait(&mut self, failure: Error) -> Result<()> {
        let time = self.next(failure)?;
        self.stop
            .unless(async {
                tokio::time::sleep(time).await;
                Ok(())
            })
            .await
    }

    /// As [`Backoff::wait`], on a plain thread.
    pub fn wait_here(&mut self, failure: Error) -> Result<()> {
        let time = self.next(failure)?;
        self.stop.sleep(time)
    }

    fn next(&mut self, failure: Error) -> Result<Duration> {
        self.stop.check()?;
        self.failed += 1;
        let Some(class) = retryable(&failure) else { return Err(failure) };
        let most = class.first_wait().saturating_mul(1 << (self.failed - 1).min(16)).min(MOST_WAIT);
        let wait = most.mul_f64(fastrand::f64());
        if self.failed >= self.retry.attempts || self.begun.elapsed() + wait >= self.retry.budget() {
            return Err(self.spent(failure));
        }
        Ok(wait)
    }

    /// Says what was tried, once: what gives up around this has nothing to add.
    fn spent(&self, failure: Error) -> Error {
        if failure.facts().iter().any(|(name, _)| *name == "attempts") {
            return failure;
        }
        let has_hint = failure.hint_text().is_some();
        let failure = failure.with("attempts", self.failed).with("seconds", self.begun.elapsed().as_secs());
        if has_hint { failure } else { failure.hint(RUN_AGAIN) }
    }
}

/// What to do about an outage.
const RUN_AGAIN: &str = "run the same command again; finished tasks are kept";

/// Does a call until it succeeds or its failures do not pass; see [`Backoff::wait`].
pub async fn persist<T, F>(retry: &RetryConfig, stop: &Stop, mut call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut backoff = Backoff::new(retry, stop);
    loop {
        match call().await {
            Ok(done) => return Ok(done),
            Err(failure) => backoff.wait(failure).await?,
        }
    }
}

/// As [`persist`], on a plain thread.
pub fn persist_here<T>(retry: &RetryConfig, stop: &Stop, mut call: impl FnMut() -> Result<T>) -> Result<T> {
    let mut backoff = Backoff::new(retry, stop);
    loop {
        match call() {
            Ok(done) => return Ok(done),
            Err(failure) => backoff.wait_here(failure)?,
        }
    }
}

/// Gives up waiting after `limits.retry.stall`; `uri` is the fact.
pub(crate) async fn unless_stalled<T>(
    retry: &RetryConfig,
    operation: &str,
    uri: &str,
    call: impl Future<Output = T>,
) -> Result<T> {
    tokio::time::timeout(retry.stall_time(), call).await.map_err(|_| {
        Error::new(ErrorKind::Unavailable, operation)
            .with("uri", uri)
            .source(Cause::passing(Class::Stalled, format!("nothing came for {}", retry.stall)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::stop::{Signal, StopReason};
    use crate::storage::error::store_error;

    fn answer(status: &str, code: &str) -> Error {
        let body = format!("Server returned non-2xx status code: {status}: <Error><Code>{code}</Code></Error>");
        store_error("list", "s3://b", object_store::Error::Generic { store: "S3", source: body.into() })
    }

    fn transport(kind: HttpErrorKind) -> Error {
        let source = HttpError::new(kind, io::Error::other("broken"));
        store_error("get", "s3://b", object_store::Error::Generic { store: "S3", source: Box::new(source) })
    }

    #[test]
    fn the_answer_decides_the_class() {
        for (status, code, class) in [
            ("503 Service Unavailable", "SlowDown", Some(Class::Throttled)),
            ("429 Too Many Requests", "Whatever", Some(Class::Throttled)),
            ("500 Internal Server Error", "InternalError", Some(Class::Server)),
            ("502 Bad Gateway", "", Some(Class::Server)),
            ("400 Bad Request", "RequestTimeout", Some(Class::Stalled)),
            ("400 Bad Request", "BadDigest", Some(Class::Damaged)),
            ("400 Bad Request", "InvalidRequest", None),
            ("403 Forbidden", "SignatureDoesNotMatch", None),
            ("404 Not Found", "NoSuchBucket", None),
        ] {
            assert_eq!(retryable(&answer(status, code)), class, "{status} {code}");
        }
        assert_eq!(retryable(&transport(HttpErrorKind::Timeout)), Some(Class::Stalled));
        assert_eq!(retryable(&transport(HttpErrorKind::Interrupted)), Some(Class::Connection));
        let precondition = object_store::Error::Precondition { path: "a".into(), source: "412".into() };
        assert_eq!(retryable(&store_error("get", "s3://b/a", precondition)), None);
        assert_eq!(retryable(&StopReason::Signal(Signal::Terminate).error()), None);
        assert_eq!(retryable(&Error::new(ErrorKind::Limit, "write").source(answer("503 x", "SlowDown"))), None);
    }

    #[test]
    fn the_class_is_found_behind_what_wraps_it() {
        let io = io::Error::other(answer("503 Service Unavailable", "SlowDown"));
        let parquet = Error::new(ErrorKind::Unavailable, "encode rows").source(ParquetError::from(io));
        assert_eq!(retryable(&parquet), Some(Class::Throttled));
        let lasting = Error::new(ErrorKind::Unavailable, "read").source(Cause::lasting("it changed"));
        assert_eq!(retryable(&Error::new(ErrorKind::Unavailable, "task").source(io::Error::other(lasting))), None);
    }

    #[test]
    fn attempts_end_and_say_so_once() {
        let retry = RetryConfig { attempts: 3, ..RetryConfig::default() };
        let mut calls = 0;
        let failing = |calls: &mut u32| {
            *calls += 1;
            Err::<(), Error>(transport(HttpErrorKind::Connect))
        };
        let error = persist_here(&retry, &Stop::default(), || failing(&mut calls)).unwrap_err();
        assert_eq!(calls, 3);
        assert_eq!(error.facts().iter().filter(|(name, value)| *name == "attempts" && value == "3").count(), 1);
        assert!(error.hint_text().is_some_and(|hint| hint.contains("run the same command again")));
        let outer = Backoff::new(&RetryConfig::once(), &Stop::default()).next(error).unwrap_err();
        assert_eq!(outer.facts().iter().filter(|(name, _)| *name == "attempts").count(), 1, "{outer}");
    }

    #[test]
    fn what_does_not_pass_is_not_tried_again() {
        let mut calls = 0;
        let refused = || answer("403 Forbidden", "AccessDenied");
        let result = persist_here(&RetryConfig::default(), &Stop::default(), || {
            calls += 1;
            Err::<(), Error>(refused())
        });
        assert_eq!((calls, result.unwrap_err().to_string()), (1, refused().to_string()));
    }

    #[test]
    fn a_stop_ends_the_waiting() {
        let stop = Stop::default();
        let retry = RetryConfig { attempts: 1_000, budget: Span { seconds: 3_600 }, ..RetryConfig::default() };
        let waiting = stop.clone();
        let thread = std::thread::spawn(move || {
            persist_here(&retry, &waiting, || Err::<(), Error>(transport(HttpErrorKind::Connect)))
        });
        stop.set(StopReason::Signal(Signal::Interrupt));
        assert_eq!(thread.join().unwrap().unwrap_err().kind(), ErrorKind::Stopped);
    }

    #[test]
    fn waits_grow_up_to_a_bound_and_progress_starts_anew() {
        let retry = RetryConfig { attempts: 1_000, budget: Span { seconds: 86_400 }, ..RetryConfig::default() };
        let mut backoff = Backoff::new(&retry, &Stop::default());
        let mut longest = |failure: fn() -> Error, times: u32| {
            (0..200)
                .map(|_| {
                    backoff.reset();
                    let waits = (0..times).map(|_| backoff.next(failure()).unwrap());
                    waits.last().unwrap()
                })
                .max()
                .unwrap()
        };
        let reset = || transport(HttpErrorKind::Interrupted);
        let throttled = || answer("503 Service Unavailable", "SlowDown");
        let (first, fourth, late) = (longest(reset, 1), longest(reset, 4), longest(reset, 40));
        assert!(first <= FIRST_WAIT && fourth > FIRST_WAIT && fourth <= 8 * FIRST_WAIT && late <= MOST_WAIT);
        assert!(longest(throttled, 1) > FIRST_WAIT);
    }
}
