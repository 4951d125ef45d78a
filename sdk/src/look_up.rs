//! Looking up what a text column says, value by value.

use crate::{BoundedCache, CacheStats, Result};
use arrow::array::StringArray;
use std::borrow::Cow;
use std::sync::Arc;

/// What was found for a row: nothing, or something that other rows with the same value share.
pub type Found<V> = Option<Arc<V>>;

/// Looks up the values of a column: one that the row before had, or that the cache holds, is not looked up again.
#[derive(Debug)]
pub struct LookUps<V> {
    cache: BoundedCache<Found<V>>,
    /// The batch's results by row; kept for its memory.
    rows: Vec<Found<V>>,
}

impl<V> LookUps<V> {
    /// The cache has this name in the run report, and holds so many values at most.
    pub fn new(name: impl Into<Cow<'static, str>>, capacity: usize) -> Self {
        Self { cache: BoundedCache::new(name, capacity), rows: Vec::new() }
    }

    /// What is found for each row of a batch.
    ///
    /// `key_of` gives the part of a text that decides; a null is an empty text. An empty key finds nothing and is neither
    /// looked up nor held, so that texts that cannot be keys do not fill the cache.
    ///
    /// Fails with the first failure of `look_up`, after which nothing must be looked up any more.
    pub fn find(
        &mut self,
        texts: &StringArray,
        key_of: impl for<'t> Fn(&'t str) -> &'t str,
        mut look_up: impl FnMut(&str) -> Result<Option<V>>,
    ) -> Result<&[Found<V>]> {
        self.rows.clear();
        let mut previous: (&str, Found<V>) = ("", None);
        for text in texts {
            let key = key_of(text.unwrap_or_default());
            if key != previous.0 {
                let found = if key.is_empty() { None } else { Self::cached(&mut self.cache, key, &mut look_up)? };
                previous = (key, found);
            }
            self.rows.push(previous.1.clone());
        }
        Ok(&self.rows)
    }

    fn cached(
        cache: &mut BoundedCache<Found<V>>,
        key: &str,
        look_up: &mut impl FnMut(&str) -> Result<Option<V>>,
    ) -> Result<Found<V>> {
        let mut failure = None;
        let found = cache.get_or_insert_with(key, || match look_up(key) {
            Ok(found) => found.map(Arc::new),
            Err(error) => {
                failure = Some(error);
                None
            }
        });
        // A failure ends the run, so that the entry it leaves in the cache is never used.
        failure.map_or(Ok(found), Err)
    }

    /// Hits and misses of the cache.
    pub fn stats(&self) -> CacheStats {
        self.cache.stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn a_value_is_looked_up_once_and_an_empty_one_never() {
        let mut look_ups = LookUps::new("test", 8);
        let texts = StringArray::from(vec![Some(" a "), Some("a"), None, Some("b"), Some(""), Some("a")]);
        let mut asked = Vec::new();
        let found = look_ups.find(&texts, str::trim, |key| {
            asked.push(key.to_owned());
            Ok((key == "a").then_some(key.len()))
        });
        let found: Vec<Option<usize>> = found.unwrap().iter().map(|found| found.as_deref().copied()).collect();
        assert_eq!(found, [Some(1), Some(1), None, None, None, Some(1)]);
        assert_eq!(asked, ["a", "b"]);
        let stats = look_ups.stats();
        assert_eq!((stats.hits, stats.misses), (1, 2), "the second row has the value of the first");
    }

    #[test]
    fn a_failure_is_handed_on() {
        let mut look_ups = LookUps::<()>::new("test", 8);
        let texts = StringArray::from(vec!["a"]);
        assert!(look_ups.find(&texts, |text| text, |_| Err(Error::internal("look up"))).is_err());
    }
}
