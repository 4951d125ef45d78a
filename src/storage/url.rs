//! What a url of a job may say. A url that the store's client would change reads another place than the one that was
//! written: it is refused, with the url that it would have to be.

use crate::text::redact;
use etl_sdk::{Error, Result};

/// How a url is written.
const FORMS: &str = "write a folder, file:///folder or s3://bucket/prefix";

/// The bucket and the prefix of an `s3://` url, without a slash at its end; `None` for a folder.
///
/// Fails for a url that does not survive: with blanks at an end, control characters, or a prefix with an empty part, `.`
/// or `..`.
pub(super) fn bucket_and_prefix(url: &str) -> Result<Option<(&str, &str)>> {
    let trimmed = url.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    if trimmed.len() != url.len() {
        return Err(refuse(url, trimmed, "it begins or ends with a blank"));
    }
    if url.contains(char::is_control) {
        return Err(Error::config("read a url")
            .with("url", redact(url).escape_debug())
            .hint("it holds a control character"));
    }
    let Some(rest) = url.strip_prefix("s3://") else { return Ok(None) };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.contains('@') {
        return Err(Error::config("read a url")
            .with("url", redact(url))
            .hint("a url holds no name and no password: credentials come from the environment, a profile or a role"));
    }
    if bucket.is_empty() || !bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
        return Err(unknown(url));
    }
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let is_odd = |part: &str| matches!(part, "" | "." | "..");
    if prefix.is_empty() && !rest.ends_with("//") {
        return Ok(Some((bucket, prefix)));
    }
    if prefix.split('/').any(is_odd) {
        let parts: Vec<&str> = prefix.split('/').filter(|part| !is_odd(part)).collect();
        let normal = format!("s3://{bucket}/{}", parts.join("/"));
        return Err(refuse(url, normal.trim_end_matches('/'), "a part of its prefix is empty, `.` or `..`"));
    }
    Ok(Some((bucket, prefix)))
}

/// The folder of a url that is not of a bucket.
pub(super) fn folder(url: &str) -> Result<&str> {
    match url.strip_prefix("file://") {
        Some(path) if path.starts_with('/') => Ok(path),
        Some(_) => Err(unknown(url).hint("a file url has three slashes: file:///data/raw")),
        None if url.contains("://") || url.is_empty() => Err(unknown(url)),
        None => Ok(url),
    }
}

fn refuse(url: &str, normal: &str, why: &str) -> Error {
    let url = redact(url);
    let hint = if normal.is_empty() { FORMS.to_owned() } else { format!("{why}: write {}", redact(normal)) };
    Error::config("read a url").with("url", format_args!("`{}`", url.escape_debug())).hint(hint)
}

fn unknown(url: &str) -> Error {
    Error::config("read a url").with("url", redact(url)).hint(FORMS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_would_be_changed_is_refused_with_the_one_it_would_have_to_be() {
        for (url, normal) in [
            ("s3://b/raw//", "s3://b/raw"),
            ("s3://b//raw", "s3://b/raw"),
            ("s3://b//", "s3://b"),
            ("s3://b/raw//x/", "s3://b/raw/x"),
            ("s3://b/./raw", "s3://b/raw"),
            ("s3://b/raw/../x", "s3://b/raw/x"),
            ("s3://b/raw/.", "s3://b/raw"),
            ("s3://b/raw ", "s3://b/raw"),
            (" s3://b/raw", "s3://b/raw"),
            ("raw\t", "raw"),
            ("raw\u{a0}", "raw"),
        ] {
            let error = bucket_and_prefix(url).unwrap_err();
            assert!(error.hint_text().unwrap().ends_with(&format!("write {normal}")), "{url}: {error:?}");
        }
        for url in ["s3://b/a\nb", "s3://a b/c", "s3:///x", "s3://", "s3://name:secret@b/raw", "  "] {
            let error = bucket_and_prefix(url).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn what_survives_is_taken() {
        for (url, prefix) in [
            ("s3://b", ""),
            ("s3://b/", ""),
            ("s3://b/raw", "raw"),
            ("s3://b/raw/", "raw"),
            ("s3://b/a b/...x/%20?#", "a b/...x/%20?#"),
        ] {
            assert_eq!(bucket_and_prefix(url).unwrap(), Some(("b", prefix)), "{url}");
        }
        assert_eq!(bucket_and_prefix("../raw//x/").unwrap(), None);
    }
}
