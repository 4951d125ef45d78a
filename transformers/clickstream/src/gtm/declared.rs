//! The members of an event that have a type, in the order in which the reference writes them back.

use crate::third_party::{Declared, Member, Shape};

/// The index of the user's properties among the members of an event.
pub(super) const USER: usize = EVENT.index_of("x-ga-mp2-user_properties");

const fn member(key: &'static str, shape: Shape) -> Member {
    Member { key, shape }
}

/// One entry of `brands` and `full_version_list`.
pub(super) static BRAND: Declared =
    Declared { members: &[member("brand", Shape::Text), member("version", Shape::Text)], keeps_unknown: false };

pub(super) static CLIENT_HINTS: Declared = Declared {
    members: &[
        member("architecture", Shape::Text),
        member("bitness", Shape::Text),
        member("full_version_list", Shape::List(&BRAND)),
        member("mobile", Shape::Boolean),
        member("model", Shape::Text),
        member("platform", Shape::Text),
        member("platform_version", Shape::Text),
        member("wow64", Shape::Boolean),
        member("brands", Shape::List(&BRAND)),
    ],
    keeps_unknown: true,
};

pub(super) static LOCATION: Declared =
    Declared { members: &[member("region", Shape::Text), member("country", Shape::Text)], keeps_unknown: false };

pub(super) static SYSTEM_PROPERTIES: Declared = Declared {
    members: &[
        member("dbg", Shape::Text),
        member("fid", Shape::Text),
        member("ee", Shape::Boolean),
        member("fv", Shape::Text),
        member("ss", Shape::Text),
    ],
    keeps_unknown: true,
};

static CONSENT_GRANTED: Declared = Declared {
    members: &[
        member("ad_storage", Shape::Boolean),
        member("analytics_storage", Shape::Boolean),
        member("ad_user_data", Shape::Boolean),
        member("ad_personalization", Shape::Boolean),
    ],
    keeps_unknown: false,
};

static CONSENT: Declared = Declared {
    members: &[
        member("consentGrantedState", Shape::Object(&CONSENT_GRANTED)),
        member("isUpdate", Shape::Boolean),
        member("updateType", Shape::Text),
    ],
    keeps_unknown: false,
};

pub(super) static SERVER_PROPERTIES: Declared = Declared {
    members: &[
        member("uc", Shape::Text),
        member("ngs", Shape::Text),
        member("gse", Shape::Text),
        member("gcd", Shape::Text),
        member("tft", Shape::Long),
        member("consent", Shape::Object(&CONSENT)),
        member("request_start_time_ms", Shape::OptionalLong),
    ],
    keeps_unknown: true,
};

pub(super) static USER_PROPERTIES: Declared = Declared {
    members: &[
        member("_user_id", Shape::Text),
        member("username", Shape::Text),
        member("email", Shape::Text),
        member("firstName", Shape::Text),
        member("lastName", Shape::Text),
        member("gender", Shape::Text),
        member("age", Shape::SafeInt),
        member("persona", Shape::Text),
    ],
    keeps_unknown: true,
};

pub(super) static ITEM: Declared = Declared {
    members: &[
        member("item_id", Shape::Text),
        member("item_name", Shape::Text),
        member("price", Shape::Double),
        member("item_list_name", Shape::Text),
    ],
    keeps_unknown: true,
};

pub(super) static EVENT: Declared = Declared {
    members: &[
        member("client_hints", Shape::Object(&CLIENT_HINTS)),
        member("client_id", Shape::Text),
        member("currency", Shape::Text),
        member("engagement_time_msec", Shape::OptionalLong),
        member("event_location", Shape::Object(&LOCATION)),
        member("event_name", Shape::Text),
        member("ga_session_id", Shape::Text),
        member("ga_session_number", Shape::SafeLong),
        member("ip_override", Shape::Text),
        member("item_id", Shape::Text),
        member("items", Shape::List(&ITEM)),
        member("language", Shape::Text),
        member("page_location", Shape::Text),
        member("page_referrer", Shape::Text),
        member("page_title", Shape::Text),
        member("screen_resolution", Shape::Text),
        member("user_agent", Shape::Text),
        member("user_id", Shape::Text),
        member("x-ga-ur", Shape::Text),
        member("value", Shape::Double),
        member("x-ga-mp2-user_properties", Shape::Object(&USER_PROPERTIES)),
        member("x-ga-system_properties", Shape::Object(&SYSTEM_PROPERTIES)),
        member("x-sst-system_properties", Shape::Object(&SERVER_PROPERTIES)),
    ],
    keeps_unknown: true,
};
