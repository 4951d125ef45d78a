//! The keys of an event and of its attributes that have a meaning of their own; all others are custom parameters.

use crate::compat::Compat;
use crate::values;
use etl_sdk::json::{Kind as JsonKind, Token};
use hashbrown::HashMap;
use std::sync::LazyLock;

/// Keys of the event object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum E {
    AppId,
    AppPackageName,
    AppTitle,
    AppVersion,
    Attributes,
    Brand,
    Carrier,
    Currency,
    DeviceId,
    DeviceUniqueId,
    EventId,
    EventName,
    EventValue,
    HostName,
    Items,
    Locale,
    Make,
    Model,
    NetworkType,
    OsVersion,
    Platform,
    PreviousTimestamp,
    ScreenHeight,
    ScreenWidth,
    SdkName,
    SdkVersion,
    SystemLanguage,
    Timestamp,
    UniqueId,
    User,
    ViewportHeight,
    ViewportWidth,
    ZoneOffset,
    /// Not a key: the number of keys.
    Count,
}

/// Keys of the attributes object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum A {
    AppInstallChannel,
    EngagementTime,
    Entrances,
    ErrorCode,
    ErrorMessage,
    ExceptionMessage,
    ExceptionStack,
    Gclid,
    IsFirstTime,
    LatestReferrer,
    LatestReferrerHost,
    LinkClasses,
    LinkDomain,
    LinkId,
    LinkUrl,
    Outbound,
    PageReferrer,
    PageReferrerTitle,
    PageTitle,
    PageUrl,
    PreviousAppVersion,
    PreviousOsVersion,
    PreviousScreenId,
    PreviousScreenName,
    PreviousScreenUniqueId,
    PreviousTimestamp,
    ScreenId,
    ScreenName,
    ScreenUniqueId,
    SearchKey,
    SearchTerm,
    SessionDuration,
    SessionId,
    SessionNumber,
    SessionStart,
    TrafficCampaign,
    TrafficCampaignId,
    TrafficCategory,
    TrafficChannelGroup,
    TrafficClid,
    TrafficClidPlatform,
    TrafficContent,
    TrafficMedium,
    TrafficSource,
    TrafficTerm,
    UtmCampaign,
    UtmContent,
    UtmId,
    UtmMedium,
    UtmSource,
    UtmSourcePlatform,
    UtmTerm,
    /// Not a key: the number of keys.
    Count,
}

/// How a field's JSON value is read; what does not fit makes the event a dead letter, or reads as null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Strings as they are, numbers and booleans as their text; arrays and objects do not fit.
    Text,
    /// As [`Kind::Text`], and must be there.
    RequiredText,
    /// A JSON integer that fits 64 bits; nothing else fits.
    Integer,
    /// As [`Kind::Integer`], and must be there.
    RequiredInteger,
    /// Numbers, cut toward zero, and text of one; an empty text is null; nothing else fits.
    Long,
    /// Numbers and text of one; an empty text is null; nothing else fits.
    Double,
    /// As [`Kind::Double`], but text never fits.
    Float,
    /// Read as null when it does not fit: integers, decimals, booleans.
    Safe,
    /// Checked by whoever reads it.
    Any,
}

impl Kind {
    /// A value as its column takes it.
    #[inline]
    pub fn column(self, token: Token, compat: Compat) -> Token {
        if token.kind == JsonKind::Number && matches!(self, Self::Text | Self::RequiredText) {
            values::as_sent(token, compat)
        } else {
            token
        }
    }
}

/// Key, field and kind; several keys may name one field, then the last one in the text counts.
/// The names and kinds are those of the reference's event class, which reads the payload of the clickstream SDKs.
const EVENT_KEYS: &[(&str, E, Kind)] = &[
    ("advertising_id", E::DeviceUniqueId, Kind::Text),
    ("app_id", E::AppId, Kind::RequiredText),
    ("app_package_name", E::AppPackageName, Kind::Text),
    ("app_title", E::AppTitle, Kind::Text),
    ("app_version", E::AppVersion, Kind::Text),
    ("attributes", E::Attributes, Kind::Any),
    ("brand", E::Brand, Kind::Text),
    ("carrier", E::Carrier, Kind::Text),
    ("currency", E::Currency, Kind::Text),
    ("device_id", E::DeviceId, Kind::Text),
    ("device_unique_id", E::DeviceUniqueId, Kind::Text),
    ("event_id", E::EventId, Kind::RequiredText),
    ("event_name", E::EventName, Kind::Text),
    ("event_previous_timestamp", E::PreviousTimestamp, Kind::Integer),
    ("event_type", E::EventName, Kind::Text),
    ("event_value", E::EventValue, Kind::Double),
    ("event_value_currency", E::Currency, Kind::Text),
    ("event_value_in_usd", E::EventValue, Kind::Float),
    ("host_name", E::HostName, Kind::Text),
    ("items", E::Items, Kind::Any),
    ("locale", E::Locale, Kind::Text),
    ("make", E::Make, Kind::Text),
    ("model", E::Model, Kind::Text),
    ("network_type", E::NetworkType, Kind::Text),
    ("os_version", E::OsVersion, Kind::Text),
    ("platform", E::Platform, Kind::Text),
    ("screen_height", E::ScreenHeight, Kind::Integer),
    ("screen_width", E::ScreenWidth, Kind::Integer),
    ("sdk_name", E::SdkName, Kind::Text),
    ("sdk_version", E::SdkVersion, Kind::Text),
    ("system_language", E::SystemLanguage, Kind::Text),
    ("timestamp", E::Timestamp, Kind::RequiredInteger),
    ("unique_id", E::UniqueId, Kind::Text),
    ("user", E::User, Kind::Any),
    ("user_pseudo_id", E::UniqueId, Kind::Text),
    ("viewport_height", E::ViewportHeight, Kind::Integer),
    ("viewport_width", E::ViewportWidth, Kind::Integer),
    ("zone_offset", E::ZoneOffset, Kind::Integer),
];

const ATTRIBUTE_KEYS: &[(&str, A, Kind)] = &[
    ("_app_install_channel", A::AppInstallChannel, Kind::Text),
    ("_app_install_source", A::AppInstallChannel, Kind::Text),
    ("_engagement_time_msec", A::EngagementTime, Kind::Long),
    ("_entrances", A::Entrances, Kind::Safe),
    ("_error_code", A::ErrorCode, Kind::Text),
    ("_error_message", A::ErrorMessage, Kind::Text),
    ("_exception_message", A::ExceptionMessage, Kind::Text),
    ("_exception_stack", A::ExceptionStack, Kind::Text),
    ("_gclid", A::Gclid, Kind::Text),
    ("_install_channel", A::AppInstallChannel, Kind::Text),
    ("_is_first_time", A::IsFirstTime, Kind::Safe),
    ("_latest_referrer", A::LatestReferrer, Kind::Text),
    ("_latest_referrer_host", A::LatestReferrerHost, Kind::Text),
    ("_link_classes", A::LinkClasses, Kind::Text),
    ("_link_domain", A::LinkDomain, Kind::Text),
    ("_link_id", A::LinkId, Kind::Text),
    ("_link_url", A::LinkUrl, Kind::Text),
    ("_outbound", A::Outbound, Kind::Safe),
    ("_page_referrer", A::PageReferrer, Kind::Text),
    ("_page_referrer_title", A::PageReferrerTitle, Kind::Text),
    ("_page_title", A::PageTitle, Kind::Text),
    ("_page_url", A::PageUrl, Kind::Text),
    ("_previous_app_version", A::PreviousAppVersion, Kind::Text),
    ("_previous_os_version", A::PreviousOsVersion, Kind::Text),
    ("_previous_screen_id", A::PreviousScreenId, Kind::Text),
    ("_previous_screen_name", A::PreviousScreenName, Kind::Text),
    ("_previous_screen_unique_id", A::PreviousScreenUniqueId, Kind::Text),
    ("_previous_timestamp", A::PreviousTimestamp, Kind::Long),
    ("_screen_id", A::ScreenId, Kind::Text),
    ("_screen_name", A::ScreenName, Kind::Text),
    ("_screen_unique_id", A::ScreenUniqueId, Kind::Text),
    ("_search_key", A::SearchKey, Kind::Text),
    ("_search_term", A::SearchTerm, Kind::Text),
    ("_session_duration", A::SessionDuration, Kind::Safe),
    ("_session_id", A::SessionId, Kind::Text),
    ("_session_number", A::SessionNumber, Kind::Safe),
    ("_session_start_time_msec", A::SessionStart, Kind::Safe),
    ("_session_start_timestamp", A::SessionStart, Kind::Safe),
    ("_traffic_source_campaign", A::TrafficCampaign, Kind::Text),
    ("_traffic_source_campaign_id", A::TrafficCampaignId, Kind::Text),
    ("_traffic_source_category", A::TrafficCategory, Kind::Text),
    ("_traffic_source_channel_group", A::TrafficChannelGroup, Kind::Text),
    ("_traffic_source_clid", A::TrafficClid, Kind::Text),
    ("_traffic_source_clid_platform", A::TrafficClidPlatform, Kind::Text),
    ("_traffic_source_content", A::TrafficContent, Kind::Text),
    ("_traffic_source_medium", A::TrafficMedium, Kind::Text),
    ("_traffic_source_source", A::TrafficSource, Kind::Text),
    ("_traffic_source_term", A::TrafficTerm, Kind::Text),
    ("_utm_campaign", A::UtmCampaign, Kind::Text),
    ("_utm_content", A::UtmContent, Kind::Text),
    ("_utm_id", A::UtmId, Kind::Text),
    ("_utm_medium", A::UtmMedium, Kind::Text),
    ("_utm_source", A::UtmSource, Kind::Text),
    ("_utm_source_platform", A::UtmSourcePlatform, Kind::Text),
    ("_utm_term", A::UtmTerm, Kind::Text),
];

type Keys = HashMap<&'static str, (u8, Kind)>;

static EVENTS: LazyLock<Keys> =
    LazyLock::new(|| EVENT_KEYS.iter().map(|(key, e, kind)| (*key, (*e as u8, *kind))).collect());
static ATTRIBUTES: LazyLock<Keys> =
    LazyLock::new(|| ATTRIBUTE_KEYS.iter().map(|(key, a, kind)| (*key, (*a as u8, *kind))).collect());

/// The slot and kind of an event's key.
pub(crate) fn event_key(key: &str) -> Option<(usize, Kind)> {
    EVENTS.get(key).map(|(slot, kind)| (usize::from(*slot), *kind))
}

/// The slot and kind of an attribute's key.
pub(crate) fn attribute_key(key: &str) -> Option<(usize, Kind)> {
    // All of them begin with an underscore, and most custom attributes do not.
    if !key.starts_with('_') {
        return None;
    }
    ATTRIBUTES.get(key).map(|(slot, kind)| (usize::from(*slot), *kind))
}
