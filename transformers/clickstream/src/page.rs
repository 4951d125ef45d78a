//! What an event's urls say, parsed once per distinct url.

use crate::compat::Compat;
use crate::event::ParsedEvent;
use crate::fields::{A, E};
use crate::java;
use crate::traffic::PageFacts;
use crate::url::{join_values, parse_url};
use crate::values;
use etl_sdk::{BoundedCache, CacheStats};
use std::borrow::Cow;
use std::sync::Arc;

/// Urls kept per worker; longer ones are parsed each time, so that the cache stays small.
const CACHE_ENTRIES: usize = 8_192;
const MAX_CACHED_URL: usize = 1_024;

/// The parts of a url that have columns.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub host: Option<String>,
    pub path: Option<String>,
    /// Values of one key joined with commas; null when the url has no query.
    pub query: Option<Vec<(String, String)>>,
}

/// What the attributes of an event say of its page and of what led there.
pub(crate) struct PageTexts<'a> {
    /// Decoded.
    pub referrer: Option<Cow<'a, str>>,
    /// Decoded.
    pub latest_referrer: Option<Cow<'a, str>>,
    pub page: Option<Arc<Page>>,
    /// `host_name`, else the page's.
    pub hostname: Option<Cow<'a, str>>,
    /// As it was sent, else the latest referrer's.
    pub latest_referrer_host: Option<Cow<'a, str>>,
    /// The latest referrer as the rules are to see it: by default as it was sent, since they decode it themselves.
    rules_latest_referrer: Option<Cow<'a, str>>,
}

impl<'a> PageTexts<'a> {
    pub fn read(event: &ParsedEvent, source: &'a str, pages: &mut Pages) -> Self {
        let attribute = |key| values::text(event.attribute(key), source);
        let url = |key| values::url(event.attribute(key), source, event.compat);
        let page = url(A::PageUrl).map(|url| pages.get(&url));
        let page_host = page.as_ref().and_then(|page| page.host.clone());
        let sent = url(A::LatestReferrer);
        let latest_host =
            attribute(A::LatestReferrerHost).or_else(|| pages.get(sent.as_deref()?).host.clone().map(Cow::Owned));
        let latest_referrer = decode(attribute(A::LatestReferrer));
        Self {
            referrer: decode(attribute(A::PageReferrer)),
            rules_latest_referrer: if pages.compat.is_reference() { latest_referrer.clone() } else { sent },
            latest_referrer,
            page,
            hostname: values::text(event.event(E::HostName), source).or(page_host.map(Cow::Owned)),
            latest_referrer_host: latest_host,
        }
    }

    pub fn facts(&self) -> PageFacts<'_> {
        PageFacts {
            referrer: self.referrer.as_deref(),
            hostname: self.hostname.as_deref(),
            latest_referrer: self.rules_latest_referrer.as_deref(),
            latest_referrer_host: self.latest_referrer_host.as_deref(),
        }
    }
}

/// Java's url decoding of an attribute.
pub(crate) fn decode(text: Option<Cow<'_, str>>) -> Option<Cow<'_, str>> {
    match text {
        Some(Cow::Borrowed(text)) => Some(java::url_decode(text)),
        Some(Cow::Owned(text)) => Some(Cow::Owned(java::url_decode(&text).into_owned())),
        None => None,
    }
}

/// Parses urls, once per distinct one.
pub(crate) struct Pages {
    cache: BoundedCache<Arc<Page>>,
    compat: Compat,
}

impl Pages {
    pub fn new(compat: Compat) -> Self {
        Self { cache: BoundedCache::new("url", CACHE_ENTRIES), compat }
    }

    pub fn get(&mut self, url: &str) -> Arc<Page> {
        let compat = self.compat;
        let parse = || {
            let parsed = parse_url(url, compat);
            let shown = |part| values::shown(part, compat);
            let joined = |values: &[_]| shown(join_values(values, compat));
            let query: Vec<_> = parsed.query.iter().map(|(key, values)| (shown(key.clone()), joined(values))).collect();
            Arc::new(Page {
                query: (!query.is_empty()).then_some(query),
                host: parsed.host.map(shown),
                path: parsed.path.map(shown),
            })
        };
        if url.len() > MAX_CACHED_URL { parse() } else { self.cache.get_or_insert_with(url, parse) }
    }

    pub fn stats(&self) -> CacheStats {
        self.cache.stats()
    }
}
