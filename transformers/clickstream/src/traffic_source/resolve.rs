//! Puts parameters, referrers and rules together.

use super::category::Evaluation;
use super::notes::{Note, Witness};
use super::utm::{PAID_CLICK, from_parameters};
use super::{AppRules, Refusal, TrafficSource, UNASSIGNED, columns};
use crate::compat::Compat;
use crate::java::equals_ignore_case;
use crate::url::{Url, host_of, parse_url};
use std::borrow::Cow;

const DIRECT: &str = "Direct";
const INTERNAL: &str = "Internal";
const REFERRAL_MEDIUM: &str = "(Referral)";

/// The columns that the parameters of a referrer replace.
const REPLACED: [&str; 8] = ["source", "medium", "campaign", "content", "term", "campaign_id", "clid_platform", "clid"];

/// A referrer that is not empty, parsed once.
struct Referrer<'a> {
    text: &'a str,
    url: Url,
}

impl<'a> Referrer<'a> {
    fn new(text: Option<&'a str>, compat: Compat) -> Option<Self> {
        text.filter(|text| !text.is_empty()).map(|text| Self { text, url: parse_url(text, compat) })
    }

    fn host(&self) -> Option<&str> {
        self.url.host.as_deref()
    }
}

/// Where a visit came from and went to, as the rules want it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visit<'a> {
    /// Host of the page. [`resolve_from_url`] takes that of the page's URL instead.
    pub page_host: Option<&'a str>,
    /// What led to the page.
    pub page_referrer: Option<&'a str>,
    /// What led to the site.
    pub latest_referrer: Option<&'a str>,
    /// Host of what led to the site; it is not worked out here.
    pub latest_referrer_host: Option<&'a str>,
}

/// The origin of a visit that the client says nothing about: the parameters of its page URL, then as [`resolve`].
///
/// # Errors
/// What [`Refusal`] says, with [`Compat::Reference`] alone.
pub fn resolve_from_url<W: Witness>(
    rules: &AppRules,
    page_url: Option<&str>,
    visit: Visit<'_>,
    compat: Compat,
    witness: &mut W,
) -> Result<TrafficSource, Refusal> {
    let page = parse_url(page_url.unwrap_or(""), compat);
    witness.note(|| Note::new("page-url", &[], host_text("the page's", page.host.as_deref())));
    let utm = from_parameters(&page, compat, witness)?;
    resolve(rules, &utm, Visit { page_host: page.host.as_deref(), ..visit }, compat, witness)
}

/// The origin of a visit with the given parameters, of which channel and category are not read.
///
/// Without a source the parameters of the latest referrer replace all of them, and without one there, those of the
/// page referrer. The rules then see the latest referrer, else the page referrer, whichever comes from another host
/// than the page's. The result always has source, medium, channel and category.
///
/// # Errors
/// What [`Refusal`] says, with [`Compat::Reference`] alone.
pub fn resolve<W: Witness>(
    rules: &AppRules,
    utm: &TrafficSource,
    visit: Visit<'_>,
    compat: Compat,
    witness: &mut W,
) -> Result<TrafficSource, Refusal> {
    let referrer = Referrer::new(visit.page_referrer, compat);
    // The client sends it apart from its URL, in a spelling of its own.
    let latest_host = visit.latest_referrer_host;
    let latest_host = latest_host.map(|host| if compat.is_reference() { Cow::Borrowed(host) } else { host_of(host) });
    let latest_host = latest_host.as_deref();
    let latest = Referrer::new(visit.latest_referrer, compat);
    let sent = utm;
    let mut utm = normalized(sent);
    witness.note(|| void_note(sent, &utm));
    for (name, referrer) in [("latest", &latest), ("page", &referrer)] {
        if utm.source.is_none() {
            witness.note(|| {
                let of = referrer.as_ref().map_or("which there is not", |referrer| referrer.text);
                Note::new("replace", &REPLACED, format!("no source: all is read of the {name} referrer, {of}"))
            });
            utm = match referrer {
                Some(referrer) => from_parameters(&referrer.url, compat, witness)?,
                None => TrafficSource::default(),
            };
        }
    }
    let is_page_host = |host: Option<&str>| match (visit.page_host, host) {
        (Some(page_host), Some(host)) => equals_ignore_case(page_host, host),
        _ => false,
    };
    let internal_referrer = is_page_host(referrer.as_ref().and_then(Referrer::host));
    let internal_latest = is_page_host(latest_host);
    let (used, name, host) = match (&latest, &referrer) {
        (Some(latest), _) if !internal_latest => (Some(latest), "the latest referrer", latest_host),
        (_, Some(referrer)) if !internal_referrer => (Some(referrer), "the page referrer", referrer.host()),
        _ => (None, "no referrer", None),
    };
    witness.note(|| {
        let internal = [("latest", internal_latest), ("page", internal_referrer)];
        let internal: Vec<_> = internal.into_iter().filter(|(_, internal)| *internal).map(|(name, _)| name).collect();
        let mut why = match used {
            Some(_) => host_text(&format!("the rules see {name}:"), host),
            None => format!("the rules see {name}"),
        };
        if !internal.is_empty() {
            why = format!("{why}; from the page's own host: {} referrer", internal.join(" and "));
        }
        Note::new("referrer", &[], why)
    });
    let mut found = classify(rules, &utm, used, host, compat, witness)?;
    let from_internal = match (&latest, &referrer) {
        (Some(_), _) => internal_latest,
        (None, Some(_)) => internal_referrer,
        (None, None) => false,
    };
    let without_referrers = latest.is_none() && referrer.is_none();
    complete(&mut found, from_internal, without_referrers, witness);
    Ok(found)
}

/// Fills what no rule filled.
fn complete(found: &mut TrafficSource, from_internal: bool, without_referrers: bool, witness: &mut impl Witness) {
    if found.source.is_none() {
        let channel = if from_internal { INTERNAL } else { DIRECT };
        found.source = Some(DIRECT.to_owned());
        found.category = Some(DIRECT.to_owned());
        found.channel_group = Some(channel.to_owned());
        witness.note(|| {
            let why = if from_internal { "no source, and the page's own host led here" } else { "no source" };
            Note::new("direct", &["source", "category", "channel_group"], why)
        });
    }
    if found.category.is_none() {
        found.category = Some(UNASSIGNED.to_owned());
        witness.note(|| Note::new("unassigned", &["category"], "no category for the source"));
    }
    if found.medium.is_none() {
        let none = from_internal || without_referrers;
        found.medium = Some(if none { "None" } else { REFERRAL_MEDIUM }.to_owned());
        witness.note(|| {
            let why = if none { "no medium, and no other site led here" } else { "no medium, but a referrer" };
            Note::new("medium", &["medium"], why)
        });
    }
}

/// Which values count as none.
fn void_note(sent: &TrafficSource, normalized: &TrafficSource) -> Note {
    let kept = columns(normalized);
    let lost = columns(sent).into_iter().zip(kept).take(REPLACED.len()).filter(|(sent, kept)| sent != kept);
    let lost: Vec<_> = lost.map(|((column, _), _)| column).collect();
    let why = if lost.is_empty() { "no value counts as none" } else { "empty, Direct or {}: counts as none" };
    Note::new("void", &lost, why)
}

/// `… host is example.com`, or that there is none.
fn host_text(whose: &str, host: Option<&str>) -> String {
    host.map_or_else(|| format!("{whose} no host"), |host| format!("{whose} host {host}"))
}

/// Asks the rules.
fn classify(
    rules: &AppRules,
    utm: &TrafficSource,
    referrer: Option<&Referrer<'_>>,
    referrer_host: Option<&str>,
    compat: Compat,
    witness: &mut impl Witness,
) -> Result<TrafficSource, Refusal> {
    // The parameters of a referrer come here as they are.
    let mut found = normalized(utm);
    let unfilled = [("source", found.source.is_none()), ("term", found.term.is_none()), ("category", true)];
    let unfilled: Vec<&'static str> = unfilled.into_iter().filter(|(_, is)| *is).map(|(column, _)| column).collect();
    let site = match referrer {
        Some(referrer) => rules.category.evaluate(referrer.text, &referrer.url, &unfilled, compat, witness)?,
        None => Evaluation::default(),
    };
    found.source = found.source.or(site.source);
    found.term = found.term.or(site.terms);
    found.category = site.category;
    if let Some(source) = &found.source
        && found.category.as_deref().is_none_or(|category| category == UNASSIGNED)
    {
        found.category = rules.category.category_of_source(source).map(str::to_owned);
        witness.note(|| {
            let entry = found.category.as_deref();
            let why = match entry {
                Some(category) => format!("the last entry of source {source} says category {category}"),
                None => format!("no entry has source {source}, spelled so"),
            };
            Note::new("category-of-source", &["category"], why)
        });
    }
    if found.medium.is_none() {
        found.medium = medium_of(found.category.as_deref(), found.clid.is_some()).map(str::to_owned);
        if let Some(medium) = &found.medium {
            let of = if found.clid.is_some() { "a click id and a category" } else { "the category" };
            witness.note(|| Note::new("medium", &["medium"], format!("{of} without a medium: {medium}")));
        }
    }
    let category = found.category.as_deref().filter(|category| *category != UNASSIGNED);
    let referrer_text = referrer.map(|referrer| referrer.text);
    let channel = rules.channel.evaluate(&found, category, referrer_text, referrer_host, witness).to_owned();
    found.channel_group = Some(channel);
    if found.source.is_none() {
        if referrer.is_some() {
            found.source = referrer_host.map(str::to_owned);
            witness.note(|| Note::new("referrer-host", &["source"], "no source: the referrer's host stands for it"));
        } else {
            found.campaign = Some(DIRECT.to_owned());
            witness.note(|| Note::new("direct", &["campaign"], "no source and no referrer"));
        }
    }
    Ok(found)
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
