//! Puts parameters, referrers and rules together.

use super::category::Evaluation;
use super::utm::{PAID_CLICK, from_parameters};
use super::{AppRules, TrafficSource, UNASSIGNED};
use crate::java::equals_ignore_case;
use crate::url::{Url, parse_url};

const DIRECT: &str = "Direct";
const INTERNAL: &str = "Internal";
const REFERRAL_MEDIUM: &str = "(Referral)";

/// A referrer that is not empty, parsed once.
struct Referrer<'a> {
    text: &'a str,
    url: Url,
}

impl<'a> Referrer<'a> {
    fn new(text: Option<&'a str>) -> Option<Self> {
        text.filter(|text| !text.is_empty()).map(|text| Self { text, url: parse_url(text) })
    }

    fn host(&self) -> Option<&str> {
        self.url.host.as_deref()
    }
}

/// The origin of a visit that the client says nothing about: the parameters of its page URL, then as [`resolve`].
pub fn resolve_from_url(
    rules: &AppRules,
    page_url: Option<&str>,
    page_referrer: Option<&str>,
    latest_referrer: Option<&str>,
    latest_referrer_host: Option<&str>,
) -> TrafficSource {
    let page = parse_url(page_url.unwrap_or(""));
    let utm = from_parameters(&page);
    resolve(rules, &utm, page.host.as_deref(), page_referrer, latest_referrer, latest_referrer_host)
}

/// The origin of a visit with the given parameters, of which channel and category are not read.
///
/// Without a source the parameters of the latest referrer replace all of them, and without one there, those of the
/// page referrer. The rules then see the latest referrer, else the page referrer, whichever comes from another host
/// than the page's. The result always has source, medium, channel and category.
pub fn resolve(
    rules: &AppRules,
    utm: &TrafficSource,
    page_host: Option<&str>,
    page_referrer: Option<&str>,
    latest_referrer: Option<&str>,
    latest_referrer_host: Option<&str>,
) -> TrafficSource {
    let referrer = Referrer::new(page_referrer);
    let latest = Referrer::new(latest_referrer);
    let mut utm = normalized(utm);
    for referrer in [&latest, &referrer] {
        if utm.source.is_none() {
            utm = referrer.as_ref().map(|referrer| from_parameters(&referrer.url)).unwrap_or_default();
        }
    }
    let is_page_host = |host: Option<&str>| match (page_host, host) {
        (Some(page_host), Some(host)) => equals_ignore_case(page_host, host),
        _ => false,
    };
    let internal_referrer = is_page_host(referrer.as_ref().and_then(Referrer::host));
    let internal_latest = is_page_host(latest_referrer_host);
    let mut found = match (&latest, &referrer) {
        (Some(latest), _) if !internal_latest => classify(rules, &utm, Some(latest), latest_referrer_host),
        (_, Some(referrer)) if !internal_referrer => classify(rules, &utm, Some(referrer), referrer.host()),
        _ => classify(rules, &utm, None, None),
    };
    let from_internal = match (&latest, &referrer) {
        (Some(_), _) => internal_latest,
        (None, Some(_)) => internal_referrer,
        (None, None) => false,
    };
    if found.source.is_none() {
        found.source = Some(DIRECT.to_owned());
        found.category = Some(DIRECT.to_owned());
        found.channel_group = Some(if from_internal { INTERNAL } else { DIRECT }.to_owned());
    }
    found.category.get_or_insert_with(|| UNASSIGNED.to_owned());
    found.medium.get_or_insert_with(|| {
        let none = from_internal || latest.is_none() && referrer.is_none();
        if none { "None" } else { REFERRAL_MEDIUM }.to_owned()
    });
    found
}

/// Asks the rules.
fn classify(
    rules: &AppRules,
    utm: &TrafficSource,
    referrer: Option<&Referrer<'_>>,
    referrer_host: Option<&str>,
) -> TrafficSource {
    // The parameters of a referrer come here as they are.
    let mut found = normalized(utm);
    let site = match referrer {
        Some(referrer) => rules.category.evaluate(referrer.text, &referrer.url),
        None => Evaluation::default(),
    };
    found.source = found.source.or(site.source);
    found.term = found.term.or(site.terms);
    found.category = site.category;
    if let Some(source) = &found.source
        && found.category.as_deref().is_none_or(|category| category == UNASSIGNED)
    {
        found.category = rules.category.category_of_source(source).map(str::to_owned);
    }
    if found.medium.is_none() {
        found.medium = medium_of(found.category.as_deref(), found.clid.is_some()).map(str::to_owned);
    }
    let category = found.category.as_deref().filter(|category| *category != UNASSIGNED);
    let referrer_text = referrer.map(|referrer| referrer.text);
    let channel = rules.channel.evaluate(&found, category, referrer_text, referrer_host).to_owned();
    found.channel_group = Some(channel);
    if found.source.is_none() {
        if referrer.is_some() {
            found.source = referrer_host.map(str::to_owned);
        } else {
            found.campaign = Some(DIRECT.to_owned());
        }
    }
    found
}

fn medium_of(category: Option<&str>, clicked: bool) -> Option<&'static str> {
    match category? {
        _ if clicked => Some(PAID_CLICK),
        "Search" => Some("(Organic)"),
        "Social" | "Video" | "Shopping" | "Referral" => Some(REFERRAL_MEDIUM),
        _ => None,
    }
}

/// Empty texts become `None`, and so do `Direct` as source, medium or campaign and `{}` as click id. Channel and
/// category are dropped.
fn normalized(utm: &TrafficSource) -> TrafficSource {
    let unless = |value: &Option<String>, void: &str| {
        value.as_deref().filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case(void)).map(str::to_owned)
    };
    TrafficSource {
        source: unless(&utm.source, DIRECT),
        medium: unless(&utm.medium, DIRECT),
        campaign: unless(&utm.campaign, DIRECT),
        content: unless(&utm.content, ""),
        term: unless(&utm.term, ""),
        campaign_id: unless(&utm.campaign_id, ""),
        clid_platform: unless(&utm.clid_platform, ""),
        clid: unless(&utm.clid, "{}"),
        channel_group: None,
        category: None,
    }
}
