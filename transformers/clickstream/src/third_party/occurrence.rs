//! One event of a third party, in the words of our columns.

use super::declared::{Declared, Object};
use super::parameters::Parameters;
use super::properties::PropertiesWriter;
use crate::custom::UserProperties;
use crate::event::Defect;
use crate::event_row::Request;
use crate::page::Page;
use crate::traffic_source::TrafficSource;
use std::borrow::Cow;
use std::sync::Arc;

/// A text column.
pub(crate) type Text<'a> = Option<Cow<'a, str>>;

/// An element of a payload with all that its conversion may look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub object: &'a Object,
    /// The text the object's tokens point into.
    pub source: &'a str,
    pub request: &'a Request<'a>,
    /// Place in the payload.
    pub index: u32,
    /// Whether the reference's behaviour is kept where we do better by default.
    pub reference: bool,
}

/// How the payloads of one program are read. The functions see elements whose members fit their types.
pub(crate) struct Format {
    pub declared: &'static Declared,
    /// Place of the event's name.
    pub name: usize,
    /// Whether path, query and host of the page's url have columns.
    pub takes_urls_apart: bool,
    /// The columns of the main event, and the extra events that come with it.
    pub convert: for<'a> fn(&Element<'a>) -> Result<Occurrence<'a>, Defect>,
    /// The custom parameters.
    pub parameters: fn(&Element<'_>, &mut Parameters),
    /// The user's properties; `None` when the event does not set any.
    pub properties: fn(&Element<'_>, &mut PropertiesWriter) -> Option<UserProperties>,
    pub items: ItemIndexes,
}

/// Where the items of an event are, and the members of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ItemIndexes {
    pub declared: &'static Declared,
    /// Of the array in the event.
    pub list: usize,
    pub id: usize,
    pub name: usize,
    pub price: usize,
}

/// The columns of an event; those that no third party fills are left out.
#[derive(Debug, Default)]
pub(crate) struct Occurrence<'a> {
    pub id: String,
    pub name: Cow<'a, str>,
    pub value: Option<f64>,
    pub currency: Text<'a>,
    pub brand: Text<'a>,
    pub model: Text<'a>,
    pub manufacturer: Text<'a>,
    pub carrier: Text<'a>,
    pub network_type: Text<'a>,
    pub operating_system: Text<'a>,
    pub operating_system_version: Text<'a>,
    pub vendor_id: Text<'a>,
    pub language: Text<'a>,
    pub zone_offset: Option<i32>,
    pub ua_browser: Text<'a>,
    pub ua_browser_version: Text<'a>,
    pub ua_os: Text<'a>,
    pub ua_os_version: Text<'a>,
    /// The only entry of `device_ua`; null when there is none.
    pub device_ua: Text<'a>,
    /// Width and height.
    pub screen: Option<(i32, i32)>,
    pub country: Text<'a>,
    pub region: Text<'a>,
    pub app_version: Text<'a>,
    pub app_title: Text<'a>,
    pub platform: Cow<'a, str>,
    /// The page's url and its referrer as sent; the columns have them decoded.
    pub location: Text<'a>,
    pub referrer: Text<'a>,
    pub page_referrer: Text<'a>,
    pub page_referrer_title: Text<'a>,
    pub page_title: Text<'a>,
    pub page_url: Text<'a>,
    /// Filled by the worker, from `location`.
    pub page: Option<Arc<Page>>,
    /// Filled by the worker, from `location` and `referrer`.
    pub traffic: Arc<TrafficSource>,
    pub engagement_msec: Option<i64>,
    pub user_id: Text<'a>,
    pub user_pseudo_id: Text<'a>,
    pub session_id: Text<'a>,
    pub session_start: Option<i64>,
    pub session_number: Option<i64>,
    pub sdk_version: Text<'a>,
    pub sdk_name: Text<'a>,
    pub ua: Text<'a>,
    pub ip: Text<'a>,
    /// When the user was first seen, as far as this event knows; epoch milliseconds.
    pub first_touch: i64,
    /// `_first_open` and `_session_start`: copies of the event under another name and id follow it.
    pub is_first_open: bool,
    pub is_session_start: bool,
}

impl Occurrence<'_> {
    /// Names of the extra events and what their ids end with, in their order.
    pub fn extras(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let first_open = self.is_first_open.then_some(("_first_open", "-first-open"));
        let session_start = self.is_session_start.then_some(("_session_start", "-session-start"));
        first_open.into_iter().chain(session_start)
    }
}

/// One row of an event: the main one, or an extra one with its own name and id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit<'a> {
    pub request: &'a Request<'a>,
    pub app_id: &'a str,
    pub occurrence: &'a Occurrence<'a>,
    pub id: &'a str,
    pub name: &'a str,
    /// Whether this is an extra row: the reference's copies leave out the size of the screen, and published tables show
    /// that.
    pub is_copy: bool,
    /// Order of the event among all of the run: later ones are larger.
    pub sequence: i64,
}

impl Visit<'_> {
    /// Epoch milliseconds: the time of the request.
    pub fn time(&self) -> i64 {
        self.request.ingest_time
    }
}

/// The names that third parties give to events of ours.
pub(crate) fn column_name(name: Cow<'_, str>) -> Cow<'_, str> {
    match name.as_ref() {
        "page_view" => Cow::Borrowed("_page_view"),
        "login" => Cow::Borrowed("_profile_set"),
        "user_engagement" => Cow::Borrowed("_user_engagement"),
        "click" => Cow::Borrowed("_click"),
        _ => name,
    }
}
