//! Named points of the commit protocol at which a test can kill the process or put it to sleep.
//!
//! `failpoint!("commit.before_entry")` marks a point. Without the cargo feature `failpoints` it is nothing at all. With
//! it, environment variables say what happens:
//!
//! | variable | meaning |
//! |---|---|
//! | `ETL_FAILPOINT=NAME` | SIGKILL at the first hit of the point |
//! | `ETL_FAILPOINT=NAME:3` | SIGKILL at its third hit |
//! | `ETL_FAILPOINT=NAME=stop`, `NAME:3=stop` | SIGSTOP instead: the process sleeps until it is sent SIGCONT |
//! | `ETL_CLOCK_OFFSET=-3600` | the process's clock is wrong by so many seconds |
//! | `ETL_FAILPOINT=NAME=panic`, `NAME:3=panic` | a panic of the thread that is there |
//! | `ETL_FAILPOINT_LIST=PATH` | every hit adds the point's name as a line to this file |
//!
//! Names are lower case words, dots and underscores: no `:` and no `=`.

/// Marks a point of the protocol. Put it between two steps whose order matters: what a kill there leaves behind is
/// what the next run must cope with.
macro_rules! failpoint {
    ($name:literal) => {{
        #[cfg(feature = "failpoints")]
        $crate::process::reach($name);
    }};
}

#[cfg(feature = "failpoints")]
pub(crate) use reached::{clock_offset, reach};

/// How far the clock of this process is wrong; never, unless a test says so.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn clock_offset() -> chrono::TimeDelta {
    chrono::TimeDelta::zero()
}

#[cfg(feature = "failpoints")]
mod reached {
    use chrono::TimeDelta;
    use nix::sys::signal::{Signal, raise};
    use std::collections::HashMap;
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::sync::{LazyLock, Mutex, PoisonError};

    /// What `ETL_FAILPOINT` says.
    struct Order {
        name: String,
        hit: u64,
        /// Without one the thread panics.
        signal: Option<Signal>,
    }

    static ORDER: LazyLock<Option<Order>> =
        LazyLock::new(|| std::env::var("ETL_FAILPOINT").ok().map(|text| read(&text)));
    static OFFSET: LazyLock<TimeDelta> = LazyLock::new(|| {
        let seconds = std::env::var("ETL_CLOCK_OFFSET").ok().and_then(|text| text.parse().ok());
        TimeDelta::seconds(seconds.unwrap_or(0))
    });
    static HITS: LazyLock<Mutex<HashMap<&'static str, u64>>> = LazyLock::new(Mutex::default);

    /// How far the clock of this process is wrong, as the environment says.
    pub(crate) fn clock_offset() -> TimeDelta {
        *OFFSET
    }

    fn read(text: &str) -> Order {
        let (point, signal) = match text.split_once('=') {
            Some((point, "stop")) => (point, Some(Signal::SIGSTOP)),
            Some((point, "panic")) => (point, None),
            _ => (text, Some(Signal::SIGKILL)),
        };
        let numbered = point.rsplit_once(':').and_then(|(name, hit)| Some((name, hit.parse().ok()?)));
        let (name, hit) = numbered.unwrap_or((point, 1));
        Order { name: name.to_owned(), hit, signal }
    }

    /// Counts a hit of the point and does what the environment orders for it.
    #[allow(clippy::panic, reason = "it is ordered")]
    pub(crate) fn reach(name: &'static str) {
        let mut hits = HITS.lock().unwrap_or_else(PoisonError::into_inner);
        let count = hits.entry(name).or_default();
        *count += 1;
        // Under the lock, so that the list has the hits in the order in which they count.
        note(name);
        let Some(order) = ORDER.as_ref().filter(|order| order.name == name && order.hit == *count) else { return };
        drop(hits);
        let Some(signal) = order.signal else { panic!("ordered at {name}") };
        // All threads of the process die or sleep, this one first: a signal that is sent to the process would wait until
        // some other thread takes it, while this one goes on behind the point.
        let _ = raise(signal);
        if signal == Signal::SIGKILL {
            // The signal may take a moment; nothing behind the point may happen in it.
            loop {
                std::thread::park();
            }
        }
    }

    fn note(name: &str) {
        let Some(path) = std::env::var_os("ETL_FAILPOINT_LIST") else { return };
        if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
            let _ = file.write_all(format!("{name}\n").as_bytes());
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn orders_name_a_point_a_hit_and_a_signal() {
            for (text, name, hit, signal) in [
                ("commit.entry", "commit.entry", 1, Some(Signal::SIGKILL)),
                ("commit.entry:3", "commit.entry", 3, Some(Signal::SIGKILL)),
                ("commit.entry=stop", "commit.entry", 1, Some(Signal::SIGSTOP)),
                ("commit.entry:2=stop", "commit.entry", 2, Some(Signal::SIGSTOP)),
                ("commit.entry:2=panic", "commit.entry", 2, None),
            ] {
                let order = read(text);
                assert_eq!((order.name.as_str(), order.hit, order.signal), (name, hit, signal), "{text}");
            }
        }
    }
}
