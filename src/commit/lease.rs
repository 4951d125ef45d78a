//! Leases: who works on a window. They save double work; what is right does not rest on them, the log decides that. So
//! they need not last: a power failure that takes a lease takes its holder too.
//!
//! A lease that has not been renewed for its own length has expired, by the clock of the store, which wrote down when it was
//! written last. The clock of the machine that took it may be wrong by hours, and so may that of the one which asks.

use super::entry::Runner;
use super::objects::{Listed, Objects, to_json};
use crate::process::usage::metered;
use crate::window::Window;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use etl_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

const LEASES: &str = "leases";

/// A lease is renewed this many times before it expires.
const RENEWALS: u32 = 4;

/// What a lease's object says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The window.
    pub window: Window,
    /// Who holds it.
    pub by: Runner,
    /// When it was taken.
    pub since: DateTime<Utc>,
    /// Until when it holds unless it is renewed.
    pub until: DateTime<Utc>,
    /// How long it holds after each renewal; absent in a lease of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length_millis: Option<u64>,
}

/// The outcome of asking for a lease.
pub enum Claim {
    /// It is ours.
    Taken(Lease),
    /// Somebody else has it.
    Held(Box<Holder>),
}

/// A lease of this process. It is renewed by a thread of its own, and released when it is dropped.
pub struct Lease {
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

struct Shared {
    objects: Objects,
    path: String,
    holder: Holder,
    length: Duration,
    lost: AtomicBool,
    ended: Mutex<bool>,
    wake: Condvar,
}

impl Lease {
    /// Asks for the lease of a window for `length`, which is renewed as long as the process lives. `on_lost` is called once
    /// when it turns out that somebody else has it now.
    pub fn claim(
        objects: &Objects,
        window: Window,
        by: &Runner,
        length: Duration,
        on_lost: impl Fn() + Send + 'static,
    ) -> Result<Claim> {
        let folder = folder(&window);
        let mut epoch = 0;
        let known = objects.list(&folder, None)?;
        for object in &known {
            epoch = epoch.max(epoch_of(&object.path).unwrap_or(0));
        }
        if let Some(last) = known.iter().max_by_key(|object| epoch_of(&object.path))
            && let Some(holder) = read(objects, &last.path)?
        {
            let holder = holder.known(last.modified, length);
            if holder.is_live(by, objects.store_clock()?) {
                return Ok(Claim::Held(Box::new(holder)));
            }
        }
        let now = objects.clock().now();
        let length_millis = Some(length.as_millis().try_into().unwrap_or(u64::MAX));
        let holder = Holder { window, by: by.clone(), since: now, until: now + delta(length), length_millis };
        // With the next number: a holder that slept past its lease and wakes up writes to its own.
        let path = format!("{folder}/{:010}.json", epoch + 1);
        if !objects.create_passing(&path, to_json(&holder)?)? {
            let holder = read(objects, &path)?.unwrap_or(holder);
            return Ok(Claim::Held(Box::new(holder)));
        }
        for object in known {
            objects.delete(&object.path)?;
        }
        let shared = Arc::new(Shared {
            objects: objects.clone(),
            path,
            holder,
            length,
            lost: AtomicBool::new(false),
            ended: Mutex::new(false),
            wake: Condvar::new(),
        });
        let kept = Arc::clone(&shared);
        let keeper = std::thread::Builder::new()
            .name("lease".to_owned())
            .spawn(metered(move || kept.keep(&on_lost)))
            .map_err(|error| Error::internal("start the thread that renews the lease").source(error))?;
        Ok(Claim::Taken(Self { shared, keeper: Some(keeper) }))
    }

    /// Whether somebody else has it now.
    pub fn is_lost(&self) -> bool {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        *self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.wake.notify_all();
        if let Some(keeper) = self.keeper.take() {
            // It panics never; and if it did, the lease expires by itself.
            let _ = keeper.join();
        }
        if !self.is_lost() {
            // What cannot be removed now expires.
            let _ = self.shared.objects.delete(&self.shared.path);
        }
    }
}

impl Shared {
    fn keep(&self, on_lost: &dyn Fn()) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // A lease may be dropped before its keeper waits for the first time.
        while !*ended {
            let (guard, _) =
                self.wake.wait_timeout(ended, self.length / RENEWALS).unwrap_or_else(PoisonError::into_inner);
            ended = guard;
            if *ended {
                return;
            }
            if !self.renew() {
                self.lost.store(true, Ordering::Relaxed);
                on_lost();
                return;
            }
        }
    }

    /// `false` when the lease is somebody else's. A store that does not answer is asked again at the next renewal.
    fn renew(&self) -> bool {
        let ours = match read(&self.objects, &self.path) {
            Ok(found) => found.is_some_and(|found| found.by == self.holder.by && found.since == self.holder.since),
            Err(_) => return true,
        };
        if ours {
            let holder = Holder { until: self.objects.clock().now() + delta(self.length), ..self.holder.clone() };
            // As above: the next renewal tries again.
            let _ = to_json(&holder).and_then(|bytes| self.objects.put_passing(&self.path, bytes));
        }
        ours
    }
}

impl Holder {
    /// The same by the clock of the store, which says when the lease was written last. One of an earlier version does not
    /// say how long it is: it holds for `length` at most, and no longer than it says.
    fn known(self, modified: DateTime<Utc>, length: Duration) -> Self {
        let end = |length| modified.checked_add_signed(delta(length)).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let until = match self.length_millis {
            Some(millis) => end(Duration::from_millis(millis)),
            None => end(length).min(self.until),
        };
        Self { until, ..self }
    }

    /// Whether it holds, as far as `asking` can tell: it has not expired, and its process is not known to be gone.
    fn is_live(&self, asking: &Runner, now: DateTime<Utc>) -> bool {
        let gone = self.by.host == asking.host && !Path::new(&format!("/proc/{}", self.by.pid)).exists();
        self.until > now && !(gone && Path::new("/proc/self").exists())
    }
}

/// All leases that hold, by this machine's clock: nothing is written to ask the store for its own.
pub fn live(objects: &Objects, asking: &Runner) -> Result<Vec<Holder>> {
    let now = objects.clock().now();
    let live = |(_, holder): (Listed, Option<Holder>)| holder.filter(|holder| holder.is_live(asking, now));
    Ok(all(objects)?.into_iter().filter_map(live).collect())
}

/// Paths of the leases that do not hold any more, and what they say.
pub fn expired(objects: &Objects, asking: &Runner) -> Result<Vec<(Listed, Option<Holder>)>> {
    let now = objects.clock().now();
    let mut all = all(objects)?;
    all.retain(|(_, holder)| holder.as_ref().is_none_or(|holder| !holder.is_live(asking, now)));
    Ok(all)
}

fn all(objects: &Objects) -> Result<Vec<(Listed, Option<Holder>)>> {
    let listed = objects.list(LEASES, None)?;
    let paths: Vec<String> = listed.iter().map(|object| object.path.clone()).collect();
    let found = listed.into_iter().zip(objects.get_all(&paths)?);
    let known = |(object, bytes): (Listed, Option<Bytes>)| {
        let holder = bytes.and_then(|bytes| parse(&bytes));
        // One of an earlier version does not say its length: it was at least what it promised first.
        let holder = holder.map(|holder| {
            let promised = (holder.until - holder.since).to_std().unwrap_or_default();
            holder.known(object.modified, promised)
        });
        (object, holder)
    };
    Ok(found.map(known).collect())
}

fn read(objects: &Objects, path: &str) -> Result<Option<Holder>> {
    Ok(objects.get(path)?.and_then(|bytes| parse(&bytes)))
}

/// A lease that cannot be read is taken for none: it guards nothing that the log does not guard.
fn parse(bytes: &[u8]) -> Option<Holder> {
    serde_json::from_slice(bytes).ok()
}

fn folder(window: &Window) -> String {
    format!("{LEASES}/{}", window.id())
}

fn epoch_of(path: &str) -> Option<u64> {
    path.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()
}

fn delta(length: Duration) -> TimeDelta {
    TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use tokio::runtime::Runtime;

    const LONG: Duration = Duration::from_mins(10);

    fn objects() -> (Runtime, Objects) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let objects = Objects::over(Arc::new(object_store::memory::InMemory::new()), runtime.handle().clone());
        (runtime, objects)
    }

    fn runner(id: &str) -> Runner {
        Runner { id: id.to_owned(), ..Runner::this() }
    }

    fn window() -> Window {
        Window::parse("2026-11-20T05").unwrap()
    }

    fn claim(objects: &Objects, id: &str, length: Duration) -> Claim {
        Lease::claim(objects, window(), &runner(id), length, || {}).unwrap()
    }

    #[test]
    fn one_holds_it_until_it_is_dropped() {
        let (_runtime, objects) = objects();
        let Claim::Taken(first) = claim(&objects, "first", LONG) else { panic!("nobody else has it") };
        let Claim::Held(holder) = claim(&objects, "second", LONG) else { panic!("it was given twice") };
        assert_eq!(holder.by.id, "first");
        assert_eq!(live(&objects, &runner("x")).unwrap().len(), 1);
        drop(first);
        assert!(matches!(claim(&objects, "second", LONG), Claim::Taken(_)));
        assert!(objects.list(LEASES, None).unwrap().is_empty(), "a lease that is given back leaves nothing");
    }

    #[test]
    fn one_that_expired_or_whose_process_is_gone_holds_nobody_up() {
        let (_runtime, objects) = objects();
        let leave = |by: Runner, length: Duration| {
            let now = objects.clock().now();
            let length_millis = Some(length.as_millis().try_into().unwrap());
            let holder = Holder { window: window(), by, since: now, until: now + delta(length), length_millis };
            objects.put(&format!("{}/0000000007.json", folder(&window())), to_json(&holder).unwrap()).unwrap();
        };
        leave(elsewhere(), LONG);
        assert!(matches!(claim(&objects, "me", LONG), Claim::Held(_)), "nobody knows what became of it");
        leave(elsewhere(), Duration::ZERO);
        assert!(matches!(claim(&objects, "me", LONG), Claim::Taken(_)));
        // No process has this number.
        leave(Runner { pid: u32::MAX, ..runner("killed") }, LONG);
        assert_eq!(expired(&objects, &runner("me")).unwrap().len(), 1);
        assert!(matches!(claim(&objects, "me", LONG), Claim::Taken(_)));
    }

    #[test]
    fn clocks_that_are_wrong_by_hours_neither_hold_a_lease_nor_end_it() {
        let (_runtime, objects) = objects();
        let path = format!("{}/0000000007.json", folder(&window()));
        for wrong in [TimeDelta::hours(3), TimeDelta::hours(-3)] {
            let leave = |length_millis: Option<u64>| {
                let now = objects.clock().now() + wrong;
                let (since, until) = (now, now + TimeDelta::milliseconds(50));
                let holder = Holder { window: window(), by: elsewhere(), since, until, length_millis };
                objects.put(&path, to_json(&holder).unwrap()).unwrap();
            };
            leave(Some(LONG.as_millis().try_into().unwrap()));
            let Claim::Held(holder) = claim(&objects, "me", LONG) else { panic!("it was just renewed") };
            let left = holder.until - objects.clock().now();
            assert!(left > TimeDelta::zero() && left <= delta(LONG), "{left}");
            assert_eq!(live(&objects, &runner("me")).unwrap().len(), 1);
            // Of one that does not say its length, that of the job counts.
            for length in [Some(20), None] {
                leave(length);
                std::thread::sleep(Duration::from_millis(60));
                assert_eq!(expired(&objects, &runner("me")).unwrap().len(), 1);
                assert!(matches!(claim(&objects, "me", Duration::from_millis(20)), Claim::Taken(_)));
            }
        }
    }

    fn elsewhere() -> Runner {
        Runner { host: "elsewhere".to_owned(), ..runner("far") }
    }

    #[test]
    fn who_slept_past_it_hears_of_it_and_takes_nothing_away() {
        let (_runtime, objects) = objects();
        let told = Arc::new(AtomicU32::new(0));
        let tell = Arc::clone(&told);
        let on_lost = move || {
            tell.fetch_add(1, Ordering::Relaxed);
        };
        let length = Duration::from_millis(40);
        let Claim::Taken(slept) = Lease::claim(&objects, window(), &runner("slept"), length, on_lost).unwrap() else {
            panic!("nobody else has it")
        };
        // What another runner does when the lease has expired: the next number, and the old one removed.
        objects.delete(&slept.shared.path).unwrap();
        let Claim::Taken(other) = claim(&objects, "other", LONG) else { panic!("the lease is gone") };
        while told.load(Ordering::Relaxed) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(slept.is_lost());
        drop(slept);
        assert_eq!(live(&objects, &runner("x")).unwrap()[0].by.id, "other");
        drop(other);
    }
}
