//! The members of an event that have a type.

use crate::third_party::{Declared, Member, Shape};

const fn member(key: &'static str, shape: Shape) -> Member {
    Member { key, shape }
}

pub(super) static IDENTITIES: Declared = Declared {
    members: &[member("$identity_android_id", Shape::Text), member("$identity_login_id", Shape::Text)],
    keeps_unknown: false,
};

pub(super) static LIB: Declared = Declared {
    members: &[member("$lib", Shape::Text), member("$lib_version", Shape::Text), member("$app_version", Shape::Text)],
    keeps_unknown: true,
};

pub(super) static PROPERTIES: Declared = Declared {
    members: &[
        member("$city", Shape::Text),
        member("$url", Shape::Text),
        member("$title", Shape::Text),
        member("$os", Shape::Text),
        member("$os_version", Shape::Text),
        member("$manufacturer", Shape::Text),
        member("$model", Shape::Text),
        member("$brand", Shape::Text),
        member("$screen_width", Shape::Int),
        member("$screen_height", Shape::Int),
        member("$carrier", Shape::Text),
        member("$timezone_offset", Shape::Int),
        member("$app_name", Shape::Text),
        member("$wifi", Shape::Boolean),
        member("$network_type", Shape::Text),
        member("$device_id", Shape::Text),
        member("$event_duration", Shape::Long),
        member("$referrer", Shape::Text),
        member("$referrer_title", Shape::Text),
        member("$is_first_time", Shape::Boolean),
        member("$user_id", Shape::Text),
        member("$browser_language", Shape::Text),
    ],
    keeps_unknown: true,
};

pub(super) static ITEM: Declared = Declared {
    members: &[member("$item_id", Shape::Text), member("$item_name", Shape::Text), member("$price", Shape::Double)],
    keeps_unknown: true,
};

pub(super) static EVENT: Declared = Declared {
    members: &[
        member("time", Shape::OptionalLong),
        member("distinct_id", Shape::Text),
        member("anonymous_id", Shape::Text),
        member("identities", Shape::Object(&IDENTITIES)),
        member("event", Shape::Text),
        member("lib", Shape::Object(&LIB)),
        member("properties", Shape::Object(&PROPERTIES)),
        member("items", Shape::List(&ITEM)),
    ],
    keeps_unknown: true,
};
