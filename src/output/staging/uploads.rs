//! Uploads of a bucket that are not completed, listed. `object_store` has no call for that: the S3 SDK does it.

use super::found::{PendingFound, run_of};
use super::staged::{PendingFile, Staged};
use crate::storage::{Storage, sdk_client, sdk_error};
use aws_sdk_s3::Client;
use aws_sdk_s3::types::MultipartUpload;
use chrono::{DateTime, Utc};
use etl_sdk::{Error, ErrorKind, Result};
use futures::{StreamExt, stream};
use std::collections::HashSet;

/// Uploads that are asked for their parts, to know what they weigh; those beyond have no length.
const MEASURED: usize = 1_000;

/// Uploads that are asked for their parts at once.
const MEASURING: usize = 16;

/// All uploads below the storage's url.
pub(super) async fn list(storage: Storage) -> Result<Vec<PendingFound>> {
    let (client, bucket) = sdk_client(&storage)?;
    let prefix = match storage.prefix().as_ref() {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    let mut found = Vec::new();
    for_each(&client, &bucket, &prefix, |upload| {
        let (Some(key), Some(id)) = (upload.key, upload.upload_id) else { return };
        // A server may list more than was asked for.
        let Some(path) = key.strip_prefix(&prefix) else { return };
        let begun = upload.initiated.as_ref().and_then(instant);
        found.push(PendingFound {
            path: path.to_owned(),
            staged: Staged::Upload { upload_id: id, parts: Vec::new() },
            bytes: None,
            // One that is of no known age is of the youngest.
            modified: begun.unwrap_or(DateTime::<Utc>::MAX_UTC),
            run: run_of(path),
        });
    })
    .await?;
    found.sort_unstable_by(|left, right| left.path.cmp(&right.path).then(left.modified.cmp(&right.modified)));
    let asked = found.iter().take(MEASURED).map(|found| {
        let key = format!("{prefix}{}", found.path);
        let Staged::Upload { upload_id, .. } = &found.staged else { return (key, String::new()) };
        (key, upload_id.clone())
    });
    let asked: Vec<_> = asked.collect();
    let measured: Vec<Option<Parts>> = stream::iter(asked)
        .map(|(key, id)| measure(client.clone(), bucket.clone(), key, id))
        .buffered(MEASURING)
        .collect()
        .await;
    for (found, parts) in found.iter_mut().zip(measured) {
        let Some(parts) = parts else { continue };
        found.bytes = Some(parts.bytes);
        // An upload that was begun long ago may still be at work.
        found.modified = parts.newest.map_or(found.modified, |newest| newest.max(found.modified));
    }
    Ok(found)
}

/// Which of the files are uploads that are still there.
pub(super) async fn exist(storage: Storage, files: Vec<PendingFile>) -> Result<Vec<bool>> {
    let below = match storage.prefix().as_ref() {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    let keys: Vec<String> = files.iter().map(|file| format!("{below}{}", file.path)).collect();
    let Some(first) = keys.first() else { return Ok(Vec::new()) };
    // All names of a run begin alike up to some point: what others have staged is not listed.
    let shared = keys.iter().fold(first.len(), |shared, key| {
        first.bytes().zip(key.bytes()).take(shared).take_while(|(left, right)| left == right).count()
    });
    let folder = first[..first.floor_char_boundary(shared)].rfind('/').map_or("", |slash| &first[..=slash]);
    let (client, bucket) = sdk_client(&storage)?;
    let mut there: HashSet<(String, String)> = HashSet::new();
    for_each(&client, &bucket, folder, |upload| {
        there.extend(upload.key.zip(upload.upload_id));
    })
    .await?;
    let is_there = |(key, file): (String, PendingFile)| match file.staged {
        Staged::Upload { upload_id, .. } => there.contains(&(key, upload_id)),
        Staged::Hidden { .. } => false,
    };
    Ok(keys.into_iter().zip(files).map(is_there).collect())
}

/// Calls `take` for each upload whose key begins with `prefix`, page by page.
async fn for_each(client: &Client, bucket: &str, prefix: &str, mut take: impl FnMut(MultipartUpload)) -> Result<()> {
    let uri = format!("s3://{bucket}/{prefix}");
    let (mut key, mut id): (Option<String>, Option<String>) = (None, None);
    loop {
        let page = client
            .list_multipart_uploads()
            .bucket(bucket)
            .prefix(prefix)
            .set_key_marker(key.clone())
            .set_upload_id_marker(id.clone())
            .send()
            .await
            .map_err(|error| sdk_error("list uploads", &uri, &error))?;
        let last = page.uploads().last().map(|upload| (upload.key.clone(), upload.upload_id.clone()));
        let next = (page.next_key_marker.clone().filter(|key| !key.is_empty()), page.next_upload_id_marker.clone());
        let truncated = page.is_truncated.unwrap_or(false);
        page.uploads.unwrap_or_default().into_iter().for_each(&mut take);
        if !truncated {
            return Ok(());
        }
        let next = if next.0.is_some() { next } else { last.unwrap_or_default() };
        if next.0.is_none() || next == (key, id) {
            return Err(Error::new(ErrorKind::Unavailable, "list uploads")
                .with("uri", uri)
                .with("problem", "the server says that there are more and not where"));
        }
        (key, id) = next;
    }
}

/// What the parts of an upload tell.
#[derive(Default)]
struct Parts {
    bytes: u64,
    /// When the last one arrived.
    newest: Option<DateTime<Utc>>,
}

/// Asks for an upload's parts; `None` when the server does not say, or no longer has it.
async fn measure(client: Client, bucket: String, key: String, id: String) -> Option<Parts> {
    let mut pages = client.list_parts().bucket(bucket).key(key).upload_id(id).into_paginator().send();
    let mut parts = Parts::default();
    while let Some(page) = pages.next().await {
        for part in page.ok()?.parts() {
            parts.bytes += part.size.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
            parts.newest = parts.newest.max(part.last_modified.as_ref().and_then(instant));
        }
    }
    Some(parts)
}

fn instant(at: &aws_sdk_s3::primitives::DateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.secs(), at.subsec_nanos())
}
