//! Ending early in good order: one token that everything which can wait looks at.
//!
//! A run holds a [`Stop`]. Signals set the one of the process, and with it those of all its runs ([`Stop::child`]); a
//! run's own is also set when its lease is lost or one of its workers fails. Loops ask [`Stop::check`], waits go
//! through [`Stop::unless`] or [`Stop::sleep`]. Cleaning up after that has [`GIVING_UP`] or [`SETTLING`], counted from
//! the moment the token was set, and when all of it takes longer than [`LAST_MOMENT`] the process ends anyway: the
//! commit protocol holds at whatever instant that is.

use etl_sdk::{Error, ErrorKind, Result};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Time for giving up uploads and hidden files, from when the token is set. What is left then, `gc` removes.
pub const GIVING_UP: Duration = Duration::from_secs(3);

/// Time for what should not be left half way when the token is set, such as a publish that has begun and the report.
pub const SETTLING: Duration = Duration::from_secs(7);

/// A process that was asked to end is gone after this, whatever it waits for.
pub const LAST_MOMENT: Duration = Duration::from_millis(9_500);

/// The exit code of a run that was stopped by a signal.
pub const STOPPED_CODE: u8 = 6;

/// A signal that asks the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `SIGTERM`, which schedulers send.
    Terminate,
    /// `SIGINT`, which Ctrl-C sends.
    Interrupt,
}

impl Signal {
    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::Terminate => 15,
            Self::Interrupt => 2,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        })
    }
}

/// Why work is to end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The process was asked to.
    Signal(Signal),
    /// The process is about to take more memory than it may; numbers in bytes.
    Memory {
        /// Resident memory when it was noticed.
        used: u64,
        /// What the process may take.
        limit: u64,
    },
    /// Another run holds the window now.
    LeaseLost,
    /// Another worker of the run failed; its error says why.
    WorkerFailed,
}

impl StopReason {
    /// The reason as an error: `Stopped`, `Limit` or `Held`.
    pub fn error(self) -> Error {
        match self {
            Self::Signal(signal) => Error::new(ErrorKind::Stopped, format!("stopped by {signal}"))
                .hint("run the same command again; finished tasks are kept"),
            Self::Memory { used, limit } => Error::new(ErrorKind::Limit, "stop before the memory is used up")
                .with("used", used)
                .with("limit", limit)
                .with("setting", "limits.memory_total")
                .hint("raise limits.memory_total, or what the container may take; or lower limits.threads, then limits.memory"),
            Self::LeaseLost => Error::new(ErrorKind::Held, "stopped: another run holds the window now"),
            Self::WorkerFailed => Error::new(ErrorKind::Stopped, "stopped").with("cause", "another worker"),
        }
    }
}

/// Tells everything that works for a run, or for the whole process, to end. Clones are the same token.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Token>);

/// The library's token wakes what waits, here and in all children. It does not know why it was cancelled, and asking
/// whether it is takes a lock of its own: the reasons stand beside it, and asking for them is a load each.
#[derive(Debug, Default)]
struct Token {
    cancelled: CancellationToken,
    /// Why and since when; set before the token is cancelled.
    reason: OnceLock<(StopReason, Instant)>,
    parent: Option<Stop>,
}

impl Stop {
    /// A token that is set with this one, and alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(Arc::new(Token {
            cancelled: self.0.cancelled.child_token(),
            reason: OnceLock::new(),
            parent: Some(self.clone()),
        }))
    }

    /// Whether work is to end. Asked once per record, so it is no more than a load for each generation.
    pub fn is_set(&self) -> bool {
        self.0.reason.get().is_some() || self.0.parent.as_ref().is_some_and(Self::is_set)
    }

    /// Sets the token. The first reason stays; returns whether this is the one.
    pub fn set(&self, reason: StopReason) -> bool {
        let first = !self.is_set() && self.0.reason.set((reason, Instant::now())).is_ok();
        self.0.cancelled.cancel();
        first
    }

    /// Why work is to end, if it is.
    pub fn reason(&self) -> Option<StopReason> {
        self.since().map(|(reason, _)| reason)
    }

    /// The reason that came first, of this token or of those it is a child of.
    fn since(&self) -> Option<(StopReason, Instant)> {
        let own = self.0.reason.get().copied();
        let inherited = self.0.parent.as_ref().and_then(Self::since);
        match (own, inherited) {
            (Some(own), Some(inherited)) => Some(if inherited.1 < own.1 { inherited } else { own }),
            (own, inherited) => own.or(inherited),
        }
    }

    /// Fails with the reason when work is to end.
    pub fn check(&self) -> Result<()> {
        if !self.is_set() {
            return Ok(());
        }
        self.reason().map_or(Ok(()), |reason| Err(reason.error()))
    }

    /// The reason in place of a failure that only followed from it; any other failure stays as it is.
    #[must_use]
    pub fn explain(&self, failure: Error) -> Error {
        match self.reason() {
            None | Some(StopReason::WorkerFailed) => failure,
            Some(reason) => {
                let stopped = reason.error();
                // Of the same kind it is the reason already, only behind what it ended.
                if stopped.kind() == failure.kind() { stopped } else { stopped.source(failure) }
            }
        }
    }

    /// Waits until the token is set. Needs no runtime.
    pub async fn stopped(&self) -> StopReason {
        self.0.cancelled.cancelled().await;
        match self.reason() {
            Some(reason) => reason,
            // Cannot be: the reason is set before the token is cancelled.
            None => std::future::pending().await,
        }
    }

    /// Does `call` unless the token is set or gets set; then fails with the reason. Needs no runtime.
    pub async fn unless<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            reason = self.stopped() => Err(reason.error()),
            result = call => result,
        }
    }

    /// Does `call`, and gives it up when it has not ended `grace` after the token was set. Needs a runtime with time.
    pub async fn unless_past<T>(&self, grace: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
        let past = async {
            let reason = self.stopped().await;
            let left = self.since().map_or(Duration::ZERO, |(_, at)| grace.saturating_sub(at.elapsed()));
            tokio::time::sleep(left).await;
            reason
        };
        tokio::select! {
            reason = past => Err(reason.error()),
            result = call => result,
        }
    }

    /// Sleeps on a plain thread; fails with the reason as soon as the token is set.
    pub fn sleep(&self, time: Duration) -> Result<()> {
        let until = Instant::now().checked_add(time);
        loop {
            self.check()?;
            let left = until.map_or(SLICE, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(SLICE));
        }
    }
}

/// `SIGXFSZ`: a file grows beyond the limit of the process.
const FILE_TOO_LARGE: i32 = 25;

/// How often a sleeping thread looks at the token.
const SLICE: Duration = Duration::from_millis(50);

/// Sets `stop` at the first `SIGTERM` or `SIGINT`, and calls `report`. A second signal ends the process at once with
/// 128 and its number; so does [`LAST_MOMENT`] after the first, with [`STOPPED_CODE`].
///
/// To be called once in a process: there is no way back to what signals did before.
pub fn stop_on_signals(stop: &Stop, report: impl FnOnce(Signal) + Send + 'static) -> Result<()> {
    let failed = |error: std::io::Error| Error::internal("listen for signals").source(error);
    // A thread and runtime of its own: the run's may be busy sorting.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        // Its default is to end the process: with a handler, whatever it does, the write fails and says why.
        let _handled = signal(SignalKind::from_raw(FILE_TOO_LARGE)).map_err(failed)?;
        (signal(SignalKind::terminate()).map_err(failed)?, signal(SignalKind::interrupt()).map_err(failed)?)
    };
    let stop = stop.clone();
    let listen = move || {
        runtime.block_on(async move {
            let mut next = async || {
                tokio::select! {
                    Some(()) = terminate.recv() => Signal::Terminate,
                    Some(()) = interrupt.recv() => Signal::Interrupt,
                    else => std::future::pending().await,
                }
            };
            let first = next().await;
            stop.set(StopReason::Signal(first));
            report(first);
            match tokio::time::timeout(LAST_MOMENT, next()).await {
                Ok(second) => std::process::exit(128 + i32::from(second.number())),
                Err(_) => std::process::exit(i32::from(STOPPED_CODE)),
            }
        });
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(listen).map(|_| ()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }

    #[test]
    fn the_first_reason_stays_and_reaches_the_children() {
        let process = Stop::default();
        let (early, other) = (process.child(), process.child());
        assert!(process.check().is_ok());
        assert!(other.set(StopReason::WorkerFailed));
        assert!(!process.is_set() && !early.is_set());
        assert!(process.set(StopReason::Signal(Signal::Terminate)));
        assert!(!process.set(StopReason::Signal(Signal::Interrupt)));
        let late = early.child();
        for stop in [&process, &early, &late] {
            assert_eq!(stop.reason(), Some(StopReason::Signal(Signal::Terminate)));
            let error = stop.check().unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Stopped, "stopped by SIGTERM"));
        }
        assert_eq!(other.reason(), Some(StopReason::WorkerFailed));
    }

    #[test]
    fn a_wait_ends_when_the_token_is_set() {
        let stop = Stop::default();
        let waiting = stop.clone();
        let thread = std::thread::spawn(move || block_on(waiting.unless(std::future::pending::<Result<()>>())));
        stop.set(StopReason::LeaseLost);
        assert_eq!(thread.join().unwrap().unwrap_err().kind(), ErrorKind::Held);
        assert!(stop.sleep(Duration::MAX / 4).is_err());
        assert!(block_on(stop.unless(async { Ok(()) })).is_err(), "nothing new is begun");
    }

    #[test]
    fn a_call_with_a_grace_may_end() {
        let (runtime, stop) = (runtime(), Stop::default());
        stop.set(StopReason::Signal(Signal::Interrupt));
        assert!(runtime.block_on(stop.unless_past(SETTLING, async { Ok(1) })).is_ok_and(|one| one == 1));
        let never = std::future::pending::<Result<()>>();
        let error = runtime.block_on(stop.unless_past(Duration::from_millis(1), never)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped);
    }

    #[test]
    fn what_followed_from_a_stop_is_reported_as_the_stop() {
        let stop = Stop::default();
        let failure = || Error::internal("wait for the bucket");
        assert_eq!(stop.explain(failure()).kind(), ErrorKind::Internal);
        stop.set(StopReason::Memory { used: 95, limit: 100 });
        let error = stop.explain(failure());
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(error.to_string().contains("limit=100 setting=limits.memory_total: wait for the bucket"), "{error}");
    }
}
