//! What a piece of work has used of the process: its CPU time, the most memory while it ran, and its requests to services.
//!
//! Work that is alone in the process has all that the process uses meanwhile. Where several pieces run side by side, each has
//! the CPU time and the requests of the threads that work for it and of what it hands to shared threads ([`metered`],
//! [`Metered`]); what the libraries do for it on threads of their own is nobody's, and whose the memory is cannot be told.

use super::traffic::{Call, Request, Traffic, TrafficCounter, since};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use std::cell::RefCell;
use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// What a piece of work has used; `None` for what cannot be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// User and system time of all threads, as far as it is known whom they worked for.
    pub cpu_seconds: Option<f64>,
    /// Most resident memory of the program while it ran; none when others ran beside it, or when it was more before.
    pub peak_memory_bytes: Option<u64>,
    /// What it asked of services.
    pub traffic: Traffic,
}

/// What threads have done for a piece of work; clones share it.
#[derive(Clone, Debug, Default)]
struct Account(Arc<Sums>);

#[derive(Debug, Default)]
struct Sums {
    /// Of CPU time.
    nanoseconds: AtomicU64,
    traffic: TrafficCounter,
}

thread_local! {
    /// The work that this thread does now.
    static CURRENT: RefCell<Option<Account>> = const { RefCell::new(None) };
}

/// The pieces of work of this process: how many run, and how many have begun.
static WORK: Mutex<(u64, u64)> = Mutex::new((0, 0));

/// The requests of this process, whoever made them.
static TRAFFIC: TrafficCounter = TrafficCounter::new();

/// Counts a request that is about to be sent: it is of the piece of work of this thread.
pub fn request(call: Call, bytes_sent: u64) -> Request {
    let own = CURRENT.with_borrow(|account| account.as_ref().map(|account| account.0.traffic.of(call)));
    Request::begin(TRAFFIC.of(call), own, bytes_sent)
}

/// Measures a piece of work from its beginning, on the thread that does it.
#[derive(Debug)]
pub struct Meter {
    account: Account,
    /// How many pieces had begun with it; `None` when others ran already.
    alone_as: Option<u64>,
    cpu_before: Option<f64>,
    peak_before: Option<u64>,
    traffic_before: Traffic,
    share: Share,
}

impl Meter {
    /// Begins to measure.
    pub fn start() -> Self {
        let (running, begun) = {
            let mut work = WORK.lock().unwrap_or_else(PoisonError::into_inner);
            let running = work.0;
            *work = (running + 1, work.1 + 1);
            (running, work.1)
        };
        let account = Account::default();
        let share = Share::begin(Some(account.clone()));
        Self {
            account,
            alone_as: (running == 0).then_some(begun),
            cpu_before: process_seconds(),
            // What the first piece finds is what it took to come to it.
            peak_before: if begun == 1 { Some(0) } else { high_water() },
            traffic_before: TRAFFIC.read(),
            share,
        }
    }

    /// What was used so far.
    pub fn read(&self) -> Usage {
        let begun = WORK.lock().unwrap_or_else(PoisonError::into_inner).1;
        if self.alone_as != Some(begun) {
            let sums = &self.account.0;
            let nanoseconds = sums.nanoseconds.load(Ordering::Relaxed) + self.share.so_far();
            let cpu_seconds = Some(nanoseconds as f64 / 1e9);
            return Usage { cpu_seconds, peak_memory_bytes: None, traffic: sums.traffic.read() };
        }
        let cpu_seconds = process_seconds().zip(self.cpu_before).map(|(now, before)| now - before);
        let peak = high_water().zip(self.peak_before);
        let peak_memory_bytes = peak.filter(|(now, before)| now > before).map(|(now, _)| now);
        Usage { cpu_seconds, peak_memory_bytes, traffic: since(TRAFFIC.read(), &self.traffic_before) }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        WORK.lock().unwrap_or_else(PoisonError::into_inner).0 -= 1;
    }
}

/// A stretch of time in which a thread works for an account.
#[derive(Debug)]
struct Share {
    account: Option<Account>,
    before: Option<Account>,
    begun: u64,
}

impl Share {
    fn begin(account: Option<Account>) -> Self {
        let begun = if account.is_some() { thread_nanoseconds() } else { 0 };
        let before = CURRENT.replace(account.clone());
        Self { account, before, begun }
    }

    fn so_far(&self) -> u64 {
        thread_nanoseconds().saturating_sub(self.begun)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
        if let Some(account) = &self.account {
            account.0.nanoseconds.fetch_add(self.so_far(), Ordering::Relaxed);
        }
    }
}

/// The same work, on any thread, for the piece of work that this thread does now.
pub fn metered<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let account = CURRENT.with_borrow(Clone::clone);
    move || {
        let _share = Share::begin(account);
        work()
    }
}

/// As [`metered`], of work that several threads do.
pub fn metered_by_all<T>(work: impl Fn() -> T + Sync) -> impl Fn() -> T + Sync {
    let account = CURRENT.with_borrow(Clone::clone);
    move || {
        let _share = Share::begin(account.clone());
        work()
    }
}

/// A future that works for the piece of work of the thread that made it, whichever thread polls it.
#[derive(Debug)]
pub struct Metered<F> {
    account: Option<Account>,
    work: Pin<Box<F>>,
}

impl<F> Metered<F> {
    /// Wraps a future.
    pub fn new(work: F) -> Self {
        Self { account: CURRENT.with_borrow(Clone::clone), work: Box::pin(work) }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _share = Share::begin(self.account.clone());
        self.work.as_mut().poll(context)
    }
}

fn thread_nanoseconds() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.map_or(0, |time| time.tv_sec().unsigned_abs() * 1_000_000_000 + time.tv_nsec().unsigned_abs())
}

/// User and system time of all threads of the process.
fn process_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Some(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// Most resident memory of the program so far. Linux knows it since the program began; what `getrusage` says begins with the
/// peak of the process that started it.
fn high_water() -> Option<u64> {
    let of_status = || {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    };
    // Kibibytes on Linux, bytes on macOS.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    let of_usage = || Some(u64::try_from(getrusage(UsageWho::RUSAGE_SELF).ok()?.max_rss()).ok()? * unit);
    of_status().or_else(of_usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Works for so many milliseconds of CPU time.
    fn work(milliseconds: u64) {
        let begun = thread_nanoseconds();
        while thread_nanoseconds() - begun < milliseconds * 1_000_000 {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn pieces_side_by_side_have_what_their_own_threads_did() {
        let both_run = std::sync::Barrier::new(2);
        let measure = |own: u64, helper: u64| {
            let meter = Meter::start();
            both_run.wait();
            work(own);
            let helping = metered(move || work(helper));
            std::thread::scope(|scope| drop(scope.spawn(helping)));
            meter.read().cpu_seconds.unwrap()
        };
        let (first, second) = std::thread::scope(|scope| {
            let first = scope.spawn(|| measure(40, 20));
            let second = scope.spawn(|| measure(10, 10));
            (first.join().unwrap(), second.join().unwrap())
        });
        assert!(first >= 0.06 && second >= 0.02 && second < first, "{first} {second}");
    }

    #[test]
    fn requests_are_those_of_the_work_that_makes_them() {
        let both_run = std::sync::Barrier::new(2);
        let call = |operation| Call { place: "sink", operation };
        let measure = |operation: &'static str, requests: u64| {
            let meter = Meter::start();
            both_run.wait();
            for _ in 1..requests {
                request(call(operation), 7);
            }
            let handed_on = metered(move || drop(request(call(operation), 7)));
            std::thread::scope(|scope| drop(scope.spawn(handed_on)));
            let traffic = meter.read().traffic;
            both_run.wait();
            (traffic.len(), traffic[&call(operation)].requests, traffic[&call(operation)].bytes_sent)
        };
        let (first, second) = std::thread::scope(|scope| {
            let first = scope.spawn(|| measure("GetObject", 3));
            let second = scope.spawn(|| measure("PutObject", 2));
            (first.join().unwrap(), second.join().unwrap())
        });
        assert_eq!((first, second), ((1, 3, 21), (1, 2, 14)));
    }

    #[test]
    fn memory_that_was_touched_is_in_the_peak() {
        let block = vec![1u8; 32 << 20];
        assert!(high_water().unwrap() > block.iter().step_by(4096).count() as u64 * 4096);
    }
}
