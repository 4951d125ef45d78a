//! A bounded cache for results that depend on one repeated value: a user agent, an IP address, a URL.

use hashbrown::HashMap;
use serde::Serialize;
use std::borrow::Cow;

/// How well a cache did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CacheStats {
    /// `user-agent`, `ip-geo`, `traffic-source`.
    pub name: Cow<'static, str>,
    /// Look-ups answered from the cache.
    pub hits: u64,
    /// Look-ups that computed their value.
    pub misses: u64,
}

impl CacheStats {
    /// Adds another worker's counts.
    pub fn merge(&mut self, other: &Self) {
        self.hits += other.hits;
        self.misses += other.misses;
    }

    /// Share of hits, 0 to 1; `None` before the first look-up.
    pub fn hit_rate(&self) -> Option<f64> {
        let all = self.hits + self.misses;
        (all > 0).then(|| self.hits as f64 / all as f64)
    }
}

/// Two generations of at most `capacity / 2` entries each: when the young one is full it becomes the old one and the
/// old one is dropped. A value used since then moves back to the young generation. No list to maintain, no lock:
/// each worker has its own cache.
#[derive(Debug)]
pub struct BoundedCache<V> {
    young: HashMap<Box<str>, V>,
    old: HashMap<Box<str>, V>,
    generation: usize,
    stats: CacheStats,
}

impl<V: Clone> BoundedCache<V> {
    /// `capacity` is the number of entries held at most.
    pub fn new(name: impl Into<Cow<'static, str>>, capacity: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            generation: (capacity / 2).max(1),
            stats: CacheStats { name: name.into(), hits: 0, misses: 0 },
        }
    }

    /// The value for `key`, computed by `compute` when it is not held. Clones are expected to be cheap (an `Arc`).
    pub fn get_or_insert_with(&mut self, key: &str, compute: impl FnOnce() -> V) -> V {
        if let Some(value) = self.young.get(key) {
            self.stats.hits += 1;
            return value.clone();
        }
        if let Some((key, value)) = self.old.remove_entry(key) {
            self.stats.hits += 1;
            self.keep(key, value.clone());
            return value;
        }
        self.stats.misses += 1;
        let value = compute();
        self.keep(key.into(), value.clone());
        value
    }

    fn keep(&mut self, key: Box<str>, value: V) {
        if self.young.len() >= self.generation {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// Hits and misses since the cache was made.
    pub fn stats(&self) -> CacheStats {
        self.stats.clone()
    }

    /// Entries held now.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_at_most_its_capacity_and_keeps_what_is_used() {
        let mut cache = BoundedCache::new("test", 8);
        for number in 0..1_000 {
            cache.get_or_insert_with("hot", || 7);
            cache.get_or_insert_with(&number.to_string(), || number);
            assert!(cache.len() <= 8, "{} entries", cache.len());
        }
        let stats = cache.stats();
        assert_eq!(stats.misses, 1_001, "the hot key is computed once");
        assert_eq!(stats.hits, 999);
    }
}
