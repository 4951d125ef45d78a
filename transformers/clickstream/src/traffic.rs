//! Which traffic source an event gets: what the client sent, or what the app's rules make of its urls.

use crate::compat::Compat;
use crate::event::ParsedEvent;
use crate::fields::A;
use crate::traffic_source::{
    AppRules, Note, Refusal, RuleSet, TrafficSource, Visit, Witness, columns, resolve, resolve_from_url,
};
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

/// What is found, or why the reference gives the event up.
pub(crate) type Resolved = Result<Arc<TrafficSource>, Arc<Refusal>>;

/// Resolves traffic sources, once per distinct set of inputs.
pub(crate) struct TrafficResolver {
    rules: Arc<RuleSet>,
    enabled: bool,
    compat: Compat,
    cache: BoundedCache<Resolved>,
    key: String,
    nothing: Arc<TrafficSource>,
}

impl TrafficResolver {
    pub fn new(rules: Arc<RuleSet>, enabled: bool, compat: Compat) -> Self {
        Self {
            rules,
            enabled,
            compat,
            cache: BoundedCache::new("traffic-source", CACHE_ENTRIES),
            key: String::new(),
            nothing: Arc::new(TrafficSource::default()),
        }
    }

    /// The traffic source of an event, from what its client sent, its urls and the rules of its app.
    pub fn resolve(&mut self, event: &ParsedEvent, source: &str, app_id: &str, page: PageFacts<'_>) -> Resolved {
        if !event.has_attributes {
            return Ok(Arc::clone(&self.nothing));
        }
        let client = Client::read(event, source);
        let rules = if self.enabled { self.rules.app(app_id) } else { None };
        let route = client.route(self.enabled, rules.map(Arc::as_ref), self.compat)?;
        if let Route::Client = route {
            return Ok(Arc::new(client.into_source()));
        }
        let urls = Urls::read(event, source);
        self.key.clear();
        let inputs = [page.referrer, page.hostname, page.latest_referrer, page.latest_referrer_host];
        if let Route::Groups(_) = route {
            write_key(&mut self.key, 'g', app_id, client.values.iter().map(Option::as_deref).chain(inputs));
        } else {
            write_key(&mut self.key, 'u', app_id, urls.0.iter().map(Option::as_deref));
        }
        let compat = self.compat;
        let decide = || decide(&route, client, &urls, page, compat, &mut ()).map(Arc::new).map_err(Arc::new);
        self.cache.get_or_insert_with(&self.key, decide)
    }

    /// As [`TrafficResolver::resolve`], told step by step.
    pub fn explain(
        &self,
        event: &ParsedEvent,
        source: &str,
        app_id: &str,
        page: PageFacts<'_>,
        notes: &mut Vec<Note>,
    ) -> Result<TrafficSource, Refusal> {
        let client = Client::read(event, source);
        let rules = if self.enabled { self.rules.app(app_id) } else { None };
        let route = client.route(self.enabled, rules.map(Arc::as_ref), self.compat)?;
        decide(&route, client, &Urls::read(event, source), page, self.compat, notes)
    }

    /// The traffic source of an event whose client says nothing of it, from its page's url and referrer alone; empty for
    /// apps without rules.
    pub fn resolve_page(&mut self, app_id: &str, page_url: Option<&str>, referrer: Option<&str>) -> Resolved {
        let rules = if self.enabled { self.rules.app(app_id) } else { None };
        let Some(rules) = rules else { return Ok(Arc::clone(&self.nothing)) };
        self.key.clear();
        write_key(&mut self.key, 'u', app_id, [page_url, referrer, None, None].into_iter());
        let (visit, compat) = (Visit { page_referrer: referrer, ..Visit::default() }, self.compat);
        self.cache.get_or_insert_with(&self.key, || {
            resolve_from_url(rules, page_url, visit, compat, &mut ())
                .map(|found| shown(found, compat))
                .map(Arc::new)
                .map_err(Arc::new)
        })
    }

    pub fn stats(&self) -> CacheStats {
        self.cache.stats()
    }
}

/// Who decides.
enum Route<'a> {
    /// The client alone.
    Client,
    /// The rules, from the event's urls.
    Urls(&'a AppRules),
    /// The rules, but only channel and category of the source that the client sent.
    Groups(&'a AppRules),
}

/// The four texts of an event that the rules read, as they were sent: url, referrer, latest referrer and its host.
struct Urls<'a>([Option<Cow<'a, str>>; 4]);

impl<'a> Urls<'a> {
    fn read(event: &ParsedEvent, source: &'a str) -> Self {
        let keys = [A::PageUrl, A::PageReferrer, A::LatestReferrer, A::LatestReferrerHost];
        Self(keys.map(|attribute| values::url(event.attribute(attribute), source, event.compat)))
    }
}

fn decide<W: Witness>(
    route: &Route<'_>,
    client: Client<'_>,
    urls: &Urls<'_>,
    page: PageFacts<'_>,
    compat: Compat,
    witness: &mut W,
) -> Result<TrafficSource, Refusal> {
    let mut sent = client.into_source();
    witness.note(|| client_note(&sent));
    match route {
        Route::Client => {
            witness.note(|| Note::new("client-alone", &[], "the rules are not asked"));
            Ok(sent)
        }
        Route::Urls(rules) => {
            witness.note(|| {
                let all = columns(&sent).map(|(column, _)| column);
                Note::new("route", &all, "the client sent no source: the urls and the rules decide all ten")
            });
            let [url, page_referrer, latest_referrer, latest_referrer_host] = urls.0.each_ref().map(Option::as_deref);
            let visit = Visit { page_host: None, page_referrer, latest_referrer, latest_referrer_host };
            resolve_from_url(rules, url, visit, compat, witness).map(|found| shown(found, compat))
        }
        Route::Groups(rules) => {
            witness.note(|| {
                let why = "the client sent a source: only channel and category are worked out, with the page's \
                           referrer in the place of its host and its host in the place of its referrer";
                Note::new("route", &["channel_group", "category"], why)
            });
            // The reference passes referrer and host the wrong way round here, and the rows it
            // has published depend on it.
            let visit = Visit {
                page_host: page.referrer,
                page_referrer: page.hostname,
                latest_referrer: page.latest_referrer,
                latest_referrer_host: page.latest_referrer_host,
            };
            let resolved = resolve(rules, &sent, visit, compat, &mut GroupsAlone(witness))?;
            sent.channel_group = resolved.channel_group;
            sent.category = resolved.category;
            Ok(sent)
        }
    }
}

/// As its columns are written.
fn shown(found: TrafficSource, compat: Compat) -> TrafficSource {
    let TrafficSource { source, term, campaign, content, medium, campaign_id, clid_platform, clid, .. } = found;
    let [source, term, campaign, content, medium, campaign_id, clid_platform, clid] =
        [source, term, campaign, content, medium, campaign_id, clid_platform, clid]
            .map(|text| text.map(|text| values::shown(text, compat)));
    let (channel_group, category) = (found.channel_group, found.category);
    TrafficSource { source, medium, campaign, content, term, campaign_id, clid_platform, clid, channel_group, category }
}

/// Passes notes on as far as they speak of channel and category.
struct GroupsAlone<'w, W>(&'w mut W);

impl<W: Witness> Witness for GroupsAlone<'_, W> {
    fn note(&mut self, note: impl FnOnce() -> Note) {
        self.0.note(|| {
            let mut note = note();
            note.decided.retain(|column| matches!(*column, "channel_group" | "category"));
            note
        });
    }
}

fn client_note(sent: &TrafficSource) -> Note {
    let sent: Vec<_> = columns(sent).into_iter().filter_map(|(column, value)| value.map(|_| column)).collect();
    let why = if sent.is_empty() { "the client sent nothing" } else { "as the client sent it" };
    Note::new("client", &sent, why)
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

    /// `rules` are those of the event's app, if it has some.
    fn route<'r>(&self, enabled: bool, rules: Option<&'r AppRules>, compat: Compat) -> Result<Route<'r>, Refusal> {
        let source = self.values[0].as_deref();
        let lacks_group = self.values[8].is_none() || self.values[9].is_none();
        Ok(match (source, rules) {
            (Some(source), Some(rules)) if !source.is_empty() && lacks_group => Route::Groups(rules),
            (None, Some(rules)) => Route::Urls(rules),
            (Some(source), None) if enabled && compat.is_reference() && !source.is_empty() && lacks_group => {
                return Err(Refusal::NoRules);
            }
            _ => Route::Client,
        })
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
