//! What an event's urls say, parsed once per distinct url.

use crate::url::{join_values, parse_url};
use etl_sdk::{BoundedCache, CacheStats};
use std::sync::Arc;

/// Urls kept per worker; longer ones are parsed each time, so that the cache stays small.
const CACHE_ENTRIES: usize = 8_192;
const LONGEST_CACHED: usize = 1_024;

/// The parts of a url that have columns.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub host: Option<String>,
    pub path: Option<String>,
    /// Values of one key joined with commas; null when the url has no query.
    pub query: Option<Vec<(String, String)>>,
}

/// Parses urls, once per distinct one.
pub(crate) struct Pages {
    cache: BoundedCache<Arc<Page>>,
}

impl Pages {
    pub fn new() -> Self {
        Self { cache: BoundedCache::new("url", CACHE_ENTRIES) }
    }

    pub fn get(&mut self, url: &str) -> Arc<Page> {
        let parse = || {
            let parsed = parse_url(url);
            let query: Vec<_> = parsed.query.iter().map(|(key, values)| (key.clone(), join_values(values))).collect();
            Arc::new(Page { query: (!query.is_empty()).then_some(query), host: parsed.host, path: parsed.path })
        };
        if url.len() > LONGEST_CACHED { parse() } else { self.cache.get_or_insert_with(url, parse) }
    }

    pub fn stats(&self) -> CacheStats {
        self.cache.stats()
    }
}
