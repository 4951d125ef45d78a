//! What a piece of work asks of services over the network: requests, counted by the place they are for and by operation.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What is asked for, and for which place of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The section of the job file: `source`, `sink`, `state`, `dead_letter`.
    pub place: &'static str,
    /// As the service names it: `PutObject`.
    pub operation: &'static str,
}

/// Requests of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that were sent, each attempt by itself.
    pub requests: u64,
    /// Without an answer, or with one that is the service's fault (5xx) or asks for fewer requests (429): what is tried again.
    pub failed: u64,
    /// Answered by another refusal (4xx), such as of a name that is taken or not there.
    pub refused: u64,
    /// Bytes of bodies that were sent.
    pub bytes_sent: u64,
    /// Bytes of bodies that arrived.
    pub bytes_received: u64,
}

/// Counts by call.
pub type Traffic = BTreeMap<Call, Counts>;

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// By what was asked for.
    Well,
    /// See [`Counts::refused`].
    Refused,
    /// See [`Counts::failed`].
    Failed,
}

impl Answered {
    /// What an HTTP status says.
    pub fn of_status(status: u16) -> Self {
        match status {
            429 | 500.. => Self::Failed,
            400.. => Self::Refused,
            _ => Self::Well,
        }
    }
}

/// Adds up the requests of a piece of work, from any thread.
#[derive(Debug, Default)]
pub(super) struct TrafficCounter(Mutex<BTreeMap<Call, Arc<Counters>>>);

impl TrafficCounter {
    /// A counter for nobody's requests.
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    pub(super) fn of(&self, call: Call) -> Arc<Counters> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(calls.entry(call).or_default())
    }

    /// What was counted so far.
    pub(super) fn read(&self) -> Traffic {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().map(|(call, counters)| (*call, counters.read())).collect()
    }
}

/// What came since `before`; calls without any are left out.
pub(super) fn since(now: Traffic, before: &Traffic) -> Traffic {
    let since = now.into_iter().map(|(call, now)| {
        let before = before.get(&call).copied().unwrap_or_default();
        let counts = Counts {
            requests: now.requests - before.requests,
            failed: now.failed - before.failed,
            refused: now.refused - before.refused,
            bytes_sent: now.bytes_sent - before.bytes_sent,
            bytes_received: now.bytes_received - before.bytes_received,
        };
        (call, counts)
    });
    since.filter(|(_, counts)| *counts != Counts::default()).collect()
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
}

impl Counters {
    fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            requests: read(&self.requests),
            failed: read(&self.failed),
            refused: read(&self.refused),
            bytes_sent: read(&self.bytes_sent),
            bytes_received: read(&self.bytes_received),
        }
    }
}

/// Counts one request, for the process and for the piece of work that made it, whichever thread it goes on. Made by
/// [`super::usage::request`].
#[derive(Clone, Debug)]
pub struct Request {
    all: Arc<Counters>,
    own: Option<Arc<Counters>>,
}

impl Request {
    /// Counts it as sent.
    pub(super) fn begin(all: Arc<Counters>, own: Option<Arc<Counters>>, bytes_sent: u64) -> Self {
        let request = Self { all, own };
        request.add(|counters| &counters.requests, 1);
        request.add(|counters| &counters.bytes_sent, bytes_sent);
        request
    }

    /// Says how it was answered.
    pub fn answered(&self, answered: Answered) {
        match answered {
            Answered::Well => {}
            Answered::Refused => self.add(|counters| &counters.refused, 1),
            Answered::Failed => self.add(|counters| &counters.failed, 1),
        }
    }

    /// Some of the answer's body arrived.
    pub fn received(&self, bytes: u64) {
        self.add(|counters| &counters.bytes_received, bytes);
    }

    fn add(&self, counter: fn(&Counters) -> &AtomicU64, count: u64) {
        for counters in std::iter::once(&self.all).chain(&self.own) {
            counter(counters).fetch_add(count, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_before_is_not_counted() {
        let counter = TrafficCounter::new();
        let call = |operation| Call { place: "state", operation };
        let ask = |operation| Request::begin(counter.of(call(operation)), None, 10);
        ask("PutObject").answered(Answered::of_status(200));
        ask("GetObject").answered(Answered::of_status(200));
        let before = counter.read();
        for status in [200, 304, 404, 412, 429, 500, 503] {
            ask("PutObject").answered(Answered::of_status(status));
        }
        let last = ask("PutObject");
        last.received(5);
        last.received(2);
        let expected = Counts { requests: 8, failed: 3, refused: 2, bytes_sent: 80, bytes_received: 7 };
        assert_eq!(since(counter.read(), &before), [(call("PutObject"), expected)].into());
    }

    #[test]
    fn a_request_counts_for_the_process_and_for_its_work() {
        let (all, own) = (Arc::new(Counters::default()), Arc::new(Counters::default()));
        Request::begin(Arc::clone(&all), Some(Arc::clone(&own)), 3).received(4);
        let expected = Counts { requests: 1, bytes_sent: 3, bytes_received: 4, ..Counts::default() };
        assert_eq!((all.read(), own.read()), (expected, expected));
    }
}
