//! The steps of the transformer in the ledger, and the counters behind them.

use etl_sdk::{Address, Output, RawRecord, Reject, StepName};

/// Request lines to elements of their payloads.
pub(crate) const PAYLOAD: &str = "payload";
/// Elements that have the shape of an event.
pub(crate) const VALIDATE: &str = "validate";
/// Events that are fresh and belong to a known app.
pub(crate) const FILTER: &str = "filter";
/// Events to rows.
pub(crate) const PARSE: &str = "parse";
/// Items of events to rows.
pub(crate) const ITEMS: &str = "items";
/// Events to partial user rows.
pub(crate) const USERS: &str = "users";
/// Events to partial session rows.
pub(crate) const SESSIONS: &str = "sessions";

/// Why a record or event is left out that the reference loses without a trace; only with [`crate::Compat::Reference`].
pub(crate) const VANISHES: &str = "vanishes_in_reference";

/// The steps that events pass one after the other.
pub(crate) static CHAIN: [StepName; 4] =
    [StepName::new(PAYLOAD), StepName::new(VALIDATE), StepName::new(FILTER), StepName::new(PARSE)];

/// Rows in, made and out of one step; filtered and dead rows are counted where they are found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counter {
    pub read: u64,
    pub added: u64,
    pub kept: u64,
}

/// The counters of a task; the row path only adds to them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub payload: Counter,
    pub validate: Counter,
    pub filter: Counter,
    pub parse: Counter,
    pub items: Counter,
    pub users: Counter,
    pub sessions: Counter,
    /// Events that went into a user or session row that was held already.
    pub users_merged: u64,
    pub sessions_merged: u64,
}

impl Counters {
    /// Adds everything to the ledger and starts again at zero.
    pub fn flush(&mut self, out: &mut Output) {
        let counters = std::mem::take(self);
        for (name, counter) in [
            (PAYLOAD, counters.payload),
            (VALIDATE, counters.validate),
            (FILTER, counters.filter),
            (PARSE, counters.parse),
            (ITEMS, counters.items),
            (USERS, counters.users),
            (SESSIONS, counters.sessions),
        ] {
            let step = out.ledger.step(name);
            step.read += counter.read;
            step.added += counter.added;
            step.kept += counter.kept;
        }
        out.filter(USERS, "same_user", counters.users_merged);
        out.filter(SESSIONS, "same_session", counters.sessions_merged);
    }
}

/// The reason codes of all dead letters, in the order of the alphabet.
pub(crate) const REASONS: [&str; 22] = [
    "bad_element",
    "bad_item",
    "bad_user_property",
    "empty_parameter",
    "missing_app_id",
    "missing_data",
    "missing_field",
    "missing_ingest_time",
    "no_rules",
    "not_an_object",
    "not_json",
    "payload_no_form",
    "payload_not_an_array",
    "payload_not_base64",
    "payload_not_gzip",
    "payload_not_json",
    "payload_too_large",
    "referrer_without_host",
    "timestamp_out_of_range",
    "too_deep",
    "too_many_events",
    "wrong_type",
];

/// A dead letter for a whole request line.
pub(crate) fn reject_record(record: &RawRecord<'_>, reason: &'static str, message: String, out: &mut Output) {
    debug_assert!(REASONS.contains(&reason), "{reason} is not listed");
    let raw = record.bytes.to_vec();
    let address = Some(record.address(None));
    out.reject(Reject { address, step: PAYLOAD.into(), reason: reason.into(), message, raw, truncated: false });
}

/// A dead letter for one element of a payload.
pub(crate) fn reject_element(
    address: Address,
    step: &'static str,
    reason: &'static str,
    message: String,
    element: &str,
    out: &mut Output,
) {
    debug_assert!(REASONS.contains(&reason), "{reason} is not listed");
    let raw = element.as_bytes().to_vec();
    let (step, reason) = (step.into(), reason.into());
    out.reject(Reject { address: Some(address), step, reason, message, raw, truncated: false });
}
