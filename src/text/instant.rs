//! Instants as people and reports read them: RFC 3339 in UTC, with `Z`.

use chrono::{DateTime, SecondsFormat, Utc};

/// `2026-11-20T05:00:00Z`: whole seconds; what is smaller is cut off.
pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `2026-11-20T05:00:00.250Z`: always with milliseconds.
pub fn instant_millis(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `2026-11-20T05:00:00Z`, with a fraction if there is one, as long as it takes.
pub fn instant_exact(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_cut_kept_or_filled_up() {
        let whole: DateTime<Utc> = "2026-11-20T05:00:00Z".parse().unwrap();
        let quarter: DateTime<Utc> = "2026-11-20T05:00:00.250Z".parse().unwrap();
        assert_eq!([whole, quarter].map(instant), ["2026-11-20T05:00:00Z", "2026-11-20T05:00:00Z"]);
        assert_eq!([whole, quarter].map(instant_millis), ["2026-11-20T05:00:00.000Z", "2026-11-20T05:00:00.250Z"]);
        assert_eq!([whole, quarter].map(instant_exact), ["2026-11-20T05:00:00Z", "2026-11-20T05:00:00.250Z"]);
    }
}
