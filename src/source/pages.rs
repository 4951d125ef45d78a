//! Listing a bucket page by page, with the keys that the store's client cannot name: it would fail the whole page for an
//! empty part, `.`, `..` or a control character, and take a slash at an end off.

use crate::storage::{OddKey, OddKeys};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, Result};

/// A part of a listing.
pub(super) struct Page {
    pub objects: Vec<ObjectMeta>,
    pub odd: Vec<OddKey>,
}

/// Where a listing is.
pub(super) struct Pages<'a> {
    store: &'a dyn PaginatedListStore,
    prefix: Option<String>,
    token: Option<String>,
    odd: OddKeys,
    done: bool,
}

impl<'a> Pages<'a> {
    /// Lists what is below `prefix`, which may be empty.
    pub(super) fn new(store: &'a dyn PaginatedListStore, prefix: &ObjectPath) -> Self {
        let prefix = Some(format!("{prefix}/")).filter(|prefix| prefix != "/");
        Self { store, prefix, token: None, odd: OddKeys::default(), done: false }
    }

    /// The next objects, not always in the order of their keys; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Page>> {
        if self.done {
            return Ok(None);
        }
        let mut options = PaginatedListOptions { page_token: self.token.clone(), ..PaginatedListOptions::default() };
        options.extensions.insert(self.odd.clone());
        let page = self.store.list_paginated(self.prefix.as_deref(), options).await?;
        self.done = page.page_token.is_none();
        self.token = page.page_token;
        Ok(Some(Page { objects: page.result.objects, odd: self.odd.take() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use futures::future::BoxFuture;
    use object_store::list::PaginatedListResult;
    use object_store::{ListResult, Result};

    /// Sorted keys in pages of two, listed as S3 and its client do.
    struct Bucket(Vec<&'static str>);

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
            let (prefix, modified) = (prefix.unwrap_or_default(), chrono::DateTime::default());
            let begun = |key: &&str| options.page_token.as_ref().is_none_or(|token| *key > token.as_str());
            let mut found = self.0.iter().copied().filter(|key| key.starts_with(prefix)).filter(begun);
            let page: Vec<&str> = found.by_ref().take(2).collect();
            let page_token = found.next().and(page.last()).map(|key| (*key).to_owned());
            let (plain, odd): (Vec<&str>, Vec<&str>) = page.into_iter().partition(|key| !key.contains("//"));
            let odd = odd.into_iter().map(|key| OddKey { key: key.to_owned(), etag: None, size: 1, modified });
            options.extensions.get::<OddKeys>().unwrap().set(odd.collect());
            let object = |key: &str| ObjectMeta {
                location: key.into(),
                last_modified: modified,
                size: 1,
                e_tag: None,
                version: None,
            };
            let objects = plain.into_iter().map(object).collect();
            let result = ListResult { common_prefixes: Vec::new(), objects };
            async move { Ok(PaginatedListResult { result, page_token }) }.boxed()
        }
    }

    #[test]
    fn all_pages_are_listed_with_their_odd_keys() {
        let keys = Bucket(vec!["other//x", "raw/1", "raw/2//x", "raw/3", "raw/4", "raw/5//", "raw/6//x", "raw/7"]);
        let mut pages = Pages::new(&keys, &ObjectPath::from("raw"));
        let (mut plain, mut odd) = (Vec::new(), Vec::new());
        while let Some(page) = pages.next().now_or_never().unwrap().unwrap() {
            plain.extend(page.objects.into_iter().map(|meta| meta.location.to_string()));
            odd.extend(page.odd.into_iter().map(|odd| odd.key));
        }
        assert_eq!(plain, ["raw/1", "raw/3", "raw/4", "raw/7"]);
        assert_eq!(odd, ["raw/2//x", "raw/5//", "raw/6//x"]);
    }
}
