//! Records that a run cannot use, or leaves out, mixed in on purpose.

use crate::random::Random;

/// What is wrong with an element of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventDamage {
    /// No `event_id`.
    MissingEventId,
    /// `app_id` is null.
    NullAppId,
    /// `timestamp` is text.
    TextTimestamp,
    /// `user` is text.
    UserText,
    /// `attributes` is an array.
    AttributesArray,
    /// `app_id` is of an app the job does not take.
    ForeignApp,
    /// Thirty days older than its request.
    Stale,
    /// Years ahead of its request.
    Future,
}

impl EventDamage {
    const ALL: [Self; 8] = [
        Self::MissingEventId,
        Self::NullAppId,
        Self::TextTimestamp,
        Self::UserText,
        Self::AttributesArray,
        Self::ForeignApp,
        Self::Stale,
        Self::Future,
    ];

    /// One of them; never a time when `exempt`, because the rules on time do not apply then.
    pub fn choose(exempt: bool, random: &mut Random) -> Self {
        *random.pick(if exempt { &Self::ALL[..6] } else { &Self::ALL })
    }

    /// Whether the element is left out on purpose (`filtered`) and not a dead letter.
    pub fn is_filtered(self) -> bool {
        matches!(self, Self::ForeignApp | Self::Stale | Self::Future)
    }

    /// Name in the totals.
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingEventId => "missing_event_id",
            Self::NullAppId => "null_app_id",
            Self::TextTimestamp => "text_timestamp",
            Self::UserText => "user_text",
            Self::AttributesArray => "attributes_array",
            Self::ForeignApp => "foreign_app",
            Self::Stale => "stale",
            Self::Future => "future",
        }
    }
}

/// What is wrong with a whole request. Each such line is one dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestDamage {
    /// The line stops in the middle.
    NotJson,
    /// The line is JSON and no object.
    NotAnObject,
    /// `data` is null.
    NullData,
    /// `data` is neither an array nor Base64.
    BadBase64,
    /// `data` is a gzip stream that ends early.
    TruncatedGzip,
    /// `data` looks like an array and is not JSON.
    BrokenPayload,
}

impl RequestDamage {
    pub(super) const ALL: [Self; 6] =
        [Self::NotJson, Self::NotAnObject, Self::NullData, Self::BadBase64, Self::TruncatedGzip, Self::BrokenPayload];

    /// One of them.
    pub fn choose(random: &mut Random) -> Self {
        *random.pick(&Self::ALL)
    }

    /// Name in the totals.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::NullData => "null_data",
            Self::BadBase64 => "bad_base64",
            Self::TruncatedGzip => "truncated_gzip",
            Self::BrokenPayload => "broken_payload",
        }
    }
}
