//! Listing a bucket page by page, past keys that the store's client refuses.
//!
//! The client fails a whole page for one key with an empty part, `.`, `..` or a control character in it, and names the
//! key. Such an object could not be fetched either. It is passed: the page is asked for again in halves until the key is
//! first, and the listing goes on behind it. That costs about twenty short requests for the first of a row of such keys
//! and one for each of the others.

use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::{Error as PathError, Path as ObjectPath};
use object_store::{Error, ObjectMeta, Result};

/// Keys of a page unless fewer are asked for: S3's own number.
const PAGE_KEYS: usize = 1_000;

/// A part of a listing.
pub(super) struct Page {
    pub objects: Vec<ObjectMeta>,
    /// Keys that cannot be named, so that neither their time nor their size is known.
    pub unreadable: u64,
}

/// Where a listing is.
pub(super) struct Pages<'a> {
    store: &'a dyn PaginatedListStore,
    prefix: Option<String>,
    /// The last unreadable key: the listing goes on behind it. The token overrules it.
    behind: Option<String>,
    token: Option<String>,
    keys: usize,
    /// An unreadable key lies within the last page that failed.
    hunting: bool,
    done: bool,
}

impl<'a> Pages<'a> {
    /// Lists what is below `prefix`, which may be empty.
    pub(super) fn new(store: &'a dyn PaginatedListStore, prefix: &ObjectPath) -> Self {
        let prefix = Some(format!("{prefix}/")).filter(|prefix| prefix != "/");
        Self { store, prefix, behind: None, token: None, keys: PAGE_KEYS, hunting: false, done: false }
    }

    /// The next objects, not always in the order of their keys; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Page>> {
        while !self.done {
            let options = PaginatedListOptions {
                offset: self.behind.clone().filter(|_| self.token.is_none()),
                max_keys: Some(self.keys).filter(|keys| *keys < PAGE_KEYS),
                page_token: self.token.clone(),
                ..PaginatedListOptions::default()
            };
            match self.store.list_paginated(self.prefix.as_deref(), options).await {
                Ok(page) => {
                    self.done = page.page_token.is_none();
                    self.token = page.page_token;
                    if !self.hunting {
                        self.keys = (self.keys * 2).min(PAGE_KEYS);
                    }
                    return Ok(Some(Page { objects: page.result.objects, unreadable: 0 }));
                }
                Err(Error::InvalidPath { source }) => {
                    if self.pass(source)? {
                        return Ok(Some(Page { objects: Vec::new(), unreadable: 1 }));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Takes half a page, or passes the key when it is the page. Returns whether it did.
    fn pass(&mut self, error: PathError) -> Result<bool> {
        if self.keys > 1 {
            self.keys /= 2;
            self.hunting = true;
            return Ok(false);
        }
        let key = match &error {
            PathError::EmptySegment { path } | PathError::BadSegment { path, .. } => path.clone(),
            _ => return Err(error.into()),
        };
        // A store that does not go on behind a key would give this one for ever.
        if self.behind.as_ref().is_some_and(|behind| *behind >= key) {
            return Err(error.into());
        }
        self.behind = Some(key);
        self.token = None;
        self.hunting = false;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use futures::future::BoxFuture;
    use object_store::ListResult;
    use object_store::list::PaginatedListResult;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A bucket's sorted keys, listed as S3 and its client do.
    struct Bucket {
        keys: Vec<String>,
        requests: AtomicUsize,
        ignores_offset: bool,
    }

    impl Bucket {
        fn new(mut keys: Vec<String>) -> Self {
            keys.sort();
            Self { keys, requests: AtomicUsize::new(0), ignores_offset: false }
        }

        fn page(&self, prefix: &str, options: &PaginatedListOptions) -> Result<PaginatedListResult> {
            self.requests.fetch_add(1, Ordering::Relaxed);
            let offset = options.offset.as_ref().filter(|_| !self.ignores_offset);
            let after = options.page_token.as_ref().or(offset);
            let most = options.max_keys.unwrap_or(PAGE_KEYS);
            let mut found =
                self.keys.iter().filter(|key| key.starts_with(prefix) && after.is_none_or(|after| *key > after));
            let page: Vec<&String> = found.by_ref().take(most).collect();
            let page_token = found.next().and(page.last()).map(|key| (*key).clone());
            let object = |key: &&String| {
                let location = ObjectPath::parse(key)?;
                Ok(ObjectMeta {
                    location,
                    last_modified: chrono::DateTime::default(),
                    size: 1,
                    e_tag: None,
                    version: None,
                })
            };
            let objects = page.iter().map(object).collect::<Result<_>>()?;
            let result = ListResult { common_prefixes: Vec::new(), objects };
            Ok(PaginatedListResult { result, page_token })
        }
    }

    impl PaginatedListStore for Bucket {
        fn list_paginated<'a, 'b, 'c>(
            &'a self,
            prefix: Option<&'b str>,
            options: PaginatedListOptions,
        ) -> BoxFuture<'c, Result<PaginatedListResult>>
        where
            'a: 'c,
            'b: 'c,
        {
            async move { self.page(prefix.unwrap_or_default(), &options) }.boxed()
        }
    }

    fn list(keys: &Bucket) -> Result<(Vec<String>, u64)> {
        let mut pages = Pages::new(keys, &ObjectPath::from("raw"));
        let (mut found, mut unreadable) = (Vec::new(), 0);
        while let Some(page) = pages.next().now_or_never().unwrap()? {
            found.extend(page.objects.into_iter().map(|meta| meta.location.to_string()));
            unreadable += page.unreadable;
        }
        Ok((found, unreadable))
    }

    #[test]
    fn unreadable_keys_are_passed_wherever_they_are() {
        for bad in [vec![], vec![0], vec![2_499], vec![999, 1_000], vec![3, 700, 701, 702, 1_500], (600..800).collect()]
        {
            let key = |index: usize| {
                if bad.contains(&index) { format!("raw/{index:04}//x") } else { format!("raw/{index:04}") }
            };
            let all: Vec<String> = (0..2_500).map(key).chain(["other//x".to_owned()]).collect();
            let good: Vec<String> =
                all.iter().filter(|key| key.starts_with("raw/") && !key.contains("//")).cloned().collect();
            let keys = Bucket::new(all);
            assert_eq!(list(&keys).unwrap(), (good, bad.len() as u64), "{bad:?}");
            let requests = keys.requests.load(Ordering::Relaxed);
            assert!(requests <= 3 + 40 * bad.len().min(5) + bad.len(), "{requests} requests for {bad:?}");
        }
    }

    #[test]
    fn every_kind_of_unreadable_key_is_passed() {
        let bad = [
            "raw/a//b",
            "raw/b/./c",
            "raw/b/../c",
            "raw/c\u{1}",
            "raw/d\n",
            "raw/e//",
            "raw//",
            "raw/..",
            "raw/f\u{7f}",
        ];
        let keys = Bucket::new(bad.iter().map(|key| (*key).to_owned()).chain(["raw/bb".to_owned()]).collect());
        assert_eq!(list(&keys).unwrap(), (vec!["raw/bb".to_owned()], bad.len() as u64));
    }

    #[test]
    fn a_store_that_ignores_the_offset_is_an_error_and_not_a_circle() {
        let mut keys = Bucket::new(vec!["raw/a//b".to_owned(), "raw/b".to_owned()]);
        keys.ignores_offset = true;
        assert!(matches!(list(&keys), Err(Error::InvalidPath { .. })));
    }
}
