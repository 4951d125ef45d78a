//! Which traffic source an event gets: what the client sent, or what the app's rules make of its urls.

use crate::event::ParsedEvent;
use crate::fields::A;
use crate::traffic_source::{AppRules, RuleSet, TrafficSource, resolve, resolve_from_url};
use crate::values;
use etl_sdk::{BoundedCache, CacheStats};
use std::borrow::Cow;
use std::sync::Arc;

/// Results kept per worker.
const CACHE_ENTRIES: usize = 16_384;

/// What the page of an event says, as the rules want it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PageFacts<'a> {
    /// `page_view_page_referrer`
    pub referrer: Option<&'a str>,
    /// `page_view_hostname`
    pub hostname: Option<&'a str>,
    /// `page_view_latest_referrer`
    pub latest_referrer: Option<&'a str>,
    /// `page_view_latest_referrer_host`
    pub latest_referrer_host: Option<&'a str>,
}

/// Resolves traffic sources, once per distinct set of inputs.
pub(crate) struct TrafficResolver {
    rules: Arc<RuleSet>,
    enabled: bool,
    cache: BoundedCache<Arc<TrafficSource>>,
    key: String,
    nothing: Arc<TrafficSource>,
}

impl TrafficResolver {
    pub fn new(rules: Arc<RuleSet>, enabled: bool) -> Self {
        Self {
            rules,
            enabled,
            cache: BoundedCache::new("traffic-source", CACHE_ENTRIES),
            key: String::new(),
            nothing: Arc::new(TrafficSource::default()),
        }
    }

    /// The traffic source of an event (spec 3.2).
    pub fn resolve(
        &mut self,
        event: &ParsedEvent,
        source: &str,
        app_id: &str,
        page: PageFacts<'_>,
    ) -> Arc<TrafficSource> {
        if !event.has_attributes {
            return Arc::clone(&self.nothing);
        }
        let rules = if self.enabled { self.rules.app(app_id) } else { None };
        let client = Client::read(event, source);
        let Some(rules) = rules else { return Arc::new(client.into_source()) };
        let by_rules_alone = client.values[0].is_none();
        let only_groups = client.values[0].as_deref().is_some_and(|name| !name.is_empty())
            && (client.values[8].is_none() || client.values[9].is_none());
        if !by_rules_alone && !only_groups {
            return Arc::new(client.into_source());
        }
        let raw = [A::PageUrl, A::PageReferrer, A::LatestReferrer, A::LatestReferrerHost]
            .map(|attribute| values::text(event.attribute(attribute), source));
        self.key.clear();
        let inputs = [page.referrer, page.hostname, page.latest_referrer, page.latest_referrer_host];
        if by_rules_alone {
            write_key(&mut self.key, 'u', app_id, raw.iter().map(Option::as_deref));
        } else {
            write_key(&mut self.key, 'g', app_id, client.values.iter().map(Option::as_deref).chain(inputs));
        }
        let rules = Arc::clone(rules);
        self.cache.get_or_insert_with(&self.key, || {
            Arc::new(if by_rules_alone {
                resolve_from_url(&rules, raw[0].as_deref(), raw[1].as_deref(), raw[2].as_deref(), raw[3].as_deref())
            } else {
                groups(&rules, client, page)
            })
        })
    }

    /// The traffic source of an event whose client says nothing of it, from its page's url and referrer alone; empty for
    /// apps without rules (spec 5).
    pub fn resolve_page(&mut self, app_id: &str, page_url: Option<&str>, referrer: Option<&str>) -> Arc<TrafficSource> {
        let rules = if self.enabled { self.rules.app(app_id) } else { None };
        let Some(rules) = rules else { return Arc::clone(&self.nothing) };
        let rules = Arc::clone(rules);
        self.key.clear();
        write_key(&mut self.key, 'u', app_id, [page_url, referrer, None, None].into_iter());
        self.cache.get_or_insert_with(&self.key, || Arc::new(resolve_from_url(&rules, page_url, referrer, None, None)))
    }

    pub fn stats(&self) -> CacheStats {
        self.cache.stats()
    }
}

/// Channel and category of a source that the client supplied. The reference passes referrer and host the wrong way
/// round here, and expected results depend on it (spec 9, edge 1).
fn groups(rules: &AppRules, client: Client<'_>, page: PageFacts<'_>) -> TrafficSource {
    let mut source = client.into_source();
    let resolved =
        resolve(rules, &source, page.referrer, page.hostname, page.latest_referrer, page.latest_referrer_host);
    source.channel_group = resolved.channel_group;
    source.category = resolved.category;
    source
}

/// Parts are separated by a character that JSON text cannot hold unescaped; `-` and `+` tell null from text.
fn write_key<'a>(key: &mut String, route: char, app_id: &str, parts: impl Iterator<Item = Option<&'a str>>) {
    key.push(route);
    key.push_str(app_id);
    for part in parts {
        key.push('\u{1f}');
        match part {
            None => key.push('-'),
            Some(part) => {
                key.push('+');
                key.push_str(part);
            }
        }
    }
}

/// The ten values as the client sent them: source, medium, campaign, content, term, campaign id, click id platform,
/// click id, channel group, category.
struct Client<'a> {
    values: [Option<Cow<'a, str>>; 10],
}

impl<'a> Client<'a> {
    fn read(event: &ParsedEvent, source: &'a str) -> Self {
        let one = |attribute: A| values::text(event.attribute(attribute), source);
        let either = |first: A, second: A| one(first).or_else(|| one(second));
        let clid = one(A::TrafficClid)
            .or_else(|| one(A::Gclid).map(|raw| Cow::Owned(format!("{{\"type\":\"gclid\",\"value\":\"{raw}\"}}"))));
        Self {
            values: [
                either(A::TrafficSource, A::UtmSource),
                either(A::TrafficMedium, A::UtmMedium),
                either(A::TrafficCampaign, A::UtmCampaign),
                either(A::TrafficContent, A::UtmContent),
                either(A::TrafficTerm, A::UtmTerm),
                either(A::TrafficCampaignId, A::UtmId),
                either(A::TrafficClidPlatform, A::UtmSourcePlatform),
                clid,
                one(A::TrafficChannelGroup),
                one(A::TrafficCategory),
            ],
        }
    }

    fn into_source(self) -> TrafficSource {
        let [source, medium, campaign, content, term, campaign_id, clid_platform, clid, channel_group, category] =
            self.values.map(|value| value.map(Cow::into_owned));
        TrafficSource {
            source,
            medium,
            campaign,
            content,
            term,
            campaign_id,
            clid_platform,
            clid,
            channel_group,
            category,
        }
    }
}
