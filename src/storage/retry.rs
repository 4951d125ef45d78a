//! What is tried again, how often, and for how long.
//!
//! | failure | tried again |
//! |---|---|
//! | `SlowDown`, 429, 503 | yes, with longer waits |
//! | other 5xx, `InternalError` in an answer | yes |
//! | a connection that is refused, reset or closed, a name that is not found | yes |
//! | no answer or no byte for `limits.retry.stall` | yes |
//! | an answer or an object that ends early, whatever its `Content-Length` says | yes, from the byte reached |
//! | a checksum of an upload that does not fit | yes |
//! | a failure that nothing is known of | yes |
//! | 4xx, wrong credentials, another version of the object (`If-Match`), what is not there | no |
//! | what a file system refuses: permissions, a full or read-only disk, a file in place of a folder | no |
//!
//! An error's [`Retry`] says which of these it is. There is one layer that tries again, never one around another: a
//! [`Backoff`] takes up a read at the byte it reached, a page of a listing, an object of the state and a part of an upload,
//! and those use a client that tries once ([`RetryConfig::of_single_client`]). Where nothing takes a failure up, as when a
//! query reads tables, the client repeats the request by itself.

use crate::process::notice;
use crate::process::stop::Stop;
use crate::text::{Span, one_line};
use backon::{BackoffBuilder, ExponentialBuilder};
use etl_sdk::{Error, ErrorKind, Result, Retry};
use object_store::{BackoffConfig, RetryConfig as ClientRetry};
use schemars::JsonSchema;
use serde::Deserialize;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

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

    /// For a client whose failures are taken up by a [`Backoff`].
    pub(super) fn of_single_client(self) -> ClientRetry {
        ClientRetry { max_retries: 0, ..self.of_client() }
    }

    /// The same for a client that tries single requests again by itself.
    pub(super) fn of_client(self) -> ClientRetry {
        ClientRetry {
            // The client draws each wait from between the first and three times the one before it.
            backoff: BackoffConfig { init_backoff: FIRST_WAIT, max_backoff: MAX_WAIT, base: 3.0 },
            max_retries: self.attempts.saturating_sub(1) as usize,
            retry_timeout: self.budget(),
        }
    }
}

fn seconds(span: Span) -> Duration {
    Duration::from_secs(u64::try_from(span.seconds).unwrap_or(0))
}

/// Shortest first wait.
const FIRST_WAIT: Duration = Duration::from_millis(125);

/// Shortest first wait when the store asks for fewer requests.
const FIRST_WAIT_THROTTLED: Duration = FIRST_WAIT.saturating_mul(4);

/// Time between two notices of calls that are tried again.
const BETWEEN_NOTICES: Duration = Duration::from_secs(10);

/// Longest of all waits.
const MAX_WAIT: Duration = Duration::from_secs(15);

type Waits = <ExponentialBuilder as BackoffBuilder>::Backoff;

/// Waits between attempts: each between a bound that doubles and twice that bound, so that many who failed together do
/// not come back together. It ends with the attempts, with the budget, or with the run.
#[derive(Debug)]
pub struct Backoff {
    retry: RetryConfig,
    stop: Stop,
    failed: u32,
    begun: Instant,
    waits: Waits,
    waits_throttled: Waits,
}

impl Backoff {
    /// Attempts and budget count from here.
    pub fn new(retry: &RetryConfig, stop: &Stop) -> Self {
        Self {
            retry: *retry,
            stop: stop.clone(),
            failed: 0,
            begun: Instant::now(),
            waits: waits(FIRST_WAIT).build(),
            waits_throttled: waits(FIRST_WAIT_THROTTLED).build(),
        }
    }

    /// There was progress: attempts and budget count from here.
    pub fn reset(&mut self) {
        *self = Self::new(&self.retry, &self.stop);
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
        // Both go on, so that the nth failure in a row waits as the nth, whatever those before it were.
        let (wait, throttled) = (self.waits.next(), self.waits_throttled.next());
        let wait = match failure.retry_status() {
            Retry::Never => return Err(failure),
            Retry::Later => wait,
            Retry::Throttled => throttled,
        };
        match wait.filter(|_| self.failed < self.retry.attempts) {
            Some(wait) if self.begun.elapsed() + wait < self.retry.budget() => {
                self.tell(&failure);
                Ok(wait)
            }
            _ => Err(self.spent(failure)),
        }
    }

    /// Says what failed before it is tried again: an outage must not look like slow work. Many calls fail at the same time,
    /// and one of them is enough.
    fn tell(&self, failure: &Error) {
        static LAST: Mutex<Option<Instant>> = Mutex::new(None);
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < BETWEEN_NOTICES) {
            return;
        }
        *last = Some(Instant::now());
        let left = self.retry.budget().saturating_sub(self.begun.elapsed()).as_secs();
        let (next, most) = (self.failed + 1, self.retry.attempts);
        notice::say(&one_line(&format!("{failure}; now try {next} of {most}, giving up in {left} s at the latest")));
    }

    /// Says what was tried, once: what gives up around this has nothing to add.
    fn spent(&self, failure: Error) -> Error {
        if failure.facts().iter().any(|(name, _)| *name == "attempts") {
            return failure;
        }
        let has_hint = failure.hint_text().is_some();
        let failure = failure.tried(self.failed, self.begun.elapsed().as_secs());
        if has_hint { failure } else { failure.hint(RUN_AGAIN) }
    }
}

/// Waits from `first` to [`MAX_WAIT`].
fn waits(first: Duration) -> ExponentialBuilder {
    // The jitter adds up to as much again.
    ExponentialBuilder::new().with_min_delay(first).with_max_delay(MAX_WAIT / 2).without_max_times().with_jitter()
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
            .source(format!("nothing came for {}", retry.stall))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::stop::{Signal, StopReason};

    fn passing() -> Error {
        Error::new(ErrorKind::Unavailable, "get").source("broken")
    }

    fn throttled() -> Error {
        passing().retry(Retry::Throttled)
    }

    type Failing = fn() -> Error;

    /// The waits of failures in a row.
    fn in_a_row(failures: &[Failing], seed: u64) -> Vec<Duration> {
        let retry = RetryConfig { attempts: 1_000, budget: Span { seconds: 86_400 }, ..RetryConfig::default() };
        let mut backoff = Backoff::new(&retry, &Stop::default());
        backoff.waits = waits(FIRST_WAIT).with_jitter_seed(seed).build();
        backoff.waits_throttled = waits(FIRST_WAIT_THROTTLED).with_jitter_seed(seed).build();
        failures.iter().map(|failure| backoff.next(failure()).unwrap()).collect()
    }

    #[test]
    fn attempts_end_and_say_so_once() {
        let retry = RetryConfig { attempts: 3, ..RetryConfig::default() };
        let mut calls = 0;
        let failing = |calls: &mut u32| {
            *calls += 1;
            Err::<(), Error>(passing())
        };
        let error = persist_here(&retry, &Stop::default(), || failing(&mut calls)).unwrap_err();
        assert_eq!(calls, 3);
        assert_eq!(error.facts().iter().filter(|(name, value)| *name == "attempts" && value == "3").count(), 1);
        assert!(error.hint_text().is_some_and(|hint| hint.contains("run the same command again")));
        let outer = Backoff::new(&RetryConfig::once(), &Stop::default()).next(error).unwrap_err();
        assert_eq!(outer.facts().iter().filter(|(name, _)| *name == "attempts").count(), 1, "{outer}");
    }

    #[test]
    fn the_budget_ends_the_attempts_and_progress_starts_it_again() {
        let retry = RetryConfig { attempts: 1_000, budget: Span { seconds: 60 }, ..RetryConfig::default() };
        let mut backoff = Backoff::new(&retry, &Stop::default());
        let long_ago = Instant::now().checked_sub(Duration::from_secs(61)).unwrap();
        backoff.begun = long_ago;
        assert!(backoff.next(passing()).is_err());
        backoff.begun = long_ago;
        backoff.reset();
        assert!(backoff.next(passing()).is_ok_and(|wait| wait <= 2 * FIRST_WAIT));
    }

    #[test]
    fn one_layer_tries_again() {
        let config = RetryConfig { attempts: 4, budget: Span { seconds: 5 }, ..RetryConfig::default() };
        let patient = config.of_client();
        assert_eq!((patient.max_retries, patient.retry_timeout), (3, Duration::from_secs(5)));
        assert_eq!(config.of_single_client().max_retries, 0);
    }

    #[test]
    fn what_does_not_pass_is_not_tried_again() {
        let mut calls = 0;
        let refused = || passing().retry(Retry::Never);
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
        let thread = std::thread::spawn(move || persist_here(&retry, &waiting, || Err::<(), Error>(passing())));
        stop.set(StopReason::Signal(Signal::Interrupt));
        assert_eq!(thread.join().unwrap().unwrap_err().kind(), ErrorKind::Stopped);
    }

    #[test]
    fn waits_double_up_to_a_bound_and_are_longer_when_throttled() {
        for seed in 0..50 {
            let passing = in_a_row(&[passing as Failing; 40], seed);
            for (index, wait) in passing.iter().enumerate() {
                let least = (FIRST_WAIT * (1 << index.min(10))).min(MAX_WAIT / 2);
                assert!((least..=2 * least).contains(wait), "{index} {wait:?}");
            }
            let slow = in_a_row(&[throttled as Failing; 40], seed);
            assert!(slow[0] >= FIRST_WAIT_THROTTLED && slow.iter().all(|wait| *wait <= MAX_WAIT), "{slow:?}");
        }
        assert_eq!(in_a_row(&[passing, throttled], 7)[1], in_a_row(&[throttled, throttled], 7)[1]);
        assert_ne!(in_a_row(&[passing], 1), in_a_row(&[passing], 2));
    }
}
