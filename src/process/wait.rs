//! Waiting for what another process does.

use super::stop::Stop;
use etl_sdk::Result;
use std::time::{Duration, Instant};

/// How often to look again.
const INTERVAL: Duration = Duration::from_millis(500);

/// Calls `look` until it gives something or `wait` has passed since `begun`, and once in any case. `None` when the time is up.
///
/// Fails as `look` does, and with the reason once `stop` is set.
pub fn poll<T>(
    stop: &Stop,
    begun: Instant,
    wait: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    loop {
        let seen = look()?;
        if seen.is_some() || begun.elapsed() >= wait {
            return Ok(seen);
        }
        stop.sleep(INTERVAL.min(wait))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::stop::{Signal, StopReason};
    use etl_sdk::ErrorKind;

    #[test]
    fn it_looks_once_at_least_and_until_the_time_is_up() {
        let stop = Stop::default();
        let mut looks = 0;
        let mut look = |at: u32| {
            looks += 1;
            Ok((looks == at).then_some(looks))
        };
        assert_eq!(poll(&stop, Instant::now(), Duration::ZERO, || look(2)).unwrap(), None);
        assert_eq!(poll(&stop, Instant::now(), Duration::from_millis(5), || look(3)).unwrap(), Some(3));
        assert_eq!(poll(&stop, Instant::now(), Duration::from_millis(5), || look(0)).unwrap(), None);
        stop.set(StopReason::Signal(Signal::Terminate));
        let stopped = poll(&stop, Instant::now(), Duration::from_mins(1), || look(0)).unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Stopped);
    }
}
