//! The time of day. It is asked for here and nowhere else, so that a test can fix it, and so that no rows
//! are decided by a clock which the caller does not know of.

use chrono::{DateTime, Utc};

/// Tells the time; clones tell the same.
#[derive(Clone, Debug)]
pub struct Clock(Time);

#[derive(Clone, Debug)]
enum Time {
    System,
    Fixed(DateTime<Utc>),
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(Time::System)
    }

    /// A clock that stands still.
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self(Time::Fixed(at))
    }

    /// The time now.
    pub fn now(&self) -> DateTime<Utc> {
        match self.0 {
            #[allow(clippy::disallowed_methods, reason = "this is the one place")]
            Time::System => Utc::now() + super::clock_offset(),
            Time::Fixed(at) => at,
        }
    }
}
