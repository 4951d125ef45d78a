//! When a window is closed: from then on, all objects whose time lies in it are there.

use super::config::ScheduleConfig;
use crate::text::instant;
use crate::window::Window;
use chrono::{DateTime, TimeDelta, Utc};
use etl_sdk::{Error, ErrorKind, Result};

/// Tells windows that are closed from those that are open, for one instant.
///
/// A window closes `schedule.buffer` after its end. A job without a schedule has no buffer: whoever names a window says when
/// it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    now: DateTime<Utc>,
    buffer: TimeDelta,
}

impl Closing {
    /// The rule of a job, at `now`: the command's `--now`, else the clock.
    pub fn of(schedule: Option<&ScheduleConfig>, now: DateTime<Utc>) -> Self {
        let buffer = schedule.map_or(TimeDelta::zero(), |schedule| TimeDelta::seconds(schedule.buffer.seconds));
        Self { now, buffer }
    }

    /// When a window closes.
    pub fn closes_at(&self, window: &Window) -> DateTime<Utc> {
        window.end.checked_add_signed(self.buffer).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Whether objects may still arrive in a window.
    pub fn is_open(&self, window: &Window) -> bool {
        self.closes_at(window) > self.now
    }

    /// Fails with kind `Usage`, and with a hint, when a window is open.
    pub fn refuse_open(&self, window: &Window, hint: &str) -> Result<()> {
        if !self.is_open(window) {
            return Ok(());
        }
        let what = if window.start > self.now {
            "the window is not closed: it lies in the future"
        } else {
            "the window is not closed: objects may still arrive in it"
        };
        Err(Error::new(ErrorKind::Usage, what)
            .with("window", window)
            .with("closes", instant(self.closes_at(window)))
            .with("now", instant(self.now))
            .hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Every;

    fn closing(schedule: Option<&ScheduleConfig>, now: &str) -> Closing {
        Closing::of(schedule, now.parse().unwrap())
    }

    #[test]
    fn a_window_closes_its_buffer_after_its_end() {
        let hourly = ScheduleConfig::new(Every::HOUR);
        let window = Window::parse("2026-11-20T05").unwrap();
        for (schedule, now, is_open) in [
            (None, "2026-11-20T05:59:59.999Z", true),
            (None, "2026-11-20T06:00:00Z", false),
            (Some(&hourly), "2026-11-20T06:01:59Z", true),
            (Some(&hourly), "2026-11-20T06:02:00Z", false),
            (None, "2025-11-21T00:00:00Z", true),
        ] {
            assert_eq!(closing(schedule, now).is_open(&window), is_open, "{now}");
            assert_eq!(closing(schedule, now).refuse_open(&window, "wait").is_err(), is_open, "{now}");
        }
        let last = Window::parse("9999-12-30").unwrap();
        assert!(closing(Some(&hourly), "2026-11-20T05:00:00Z").is_open(&last));
    }

    #[test]
    fn the_refusal_says_when_it_closes() {
        let window = Window::parse("2026-11-20T05").unwrap();
        let open = closing(None, "2026-11-20T05:36:00Z").refuse_open(&window, "or wait").unwrap_err().to_string();
        assert!(open.contains("objects may still arrive in it"), "{open}");
        assert!(open.contains("closes=2026-11-20T06:00:00Z now=2026-11-20T05:36:00Z"), "{open}");
        let future = closing(None, "2025-11-21T00:00:00Z").refuse_open(&window, "or wait").unwrap_err();
        assert!(future.to_string().contains("it lies in the future"), "{future}");
    }
}
