//! Texts of others without what nobody else may know: keys, tokens, signatures, passwords in urls.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What stands in place of a secret.
const REMOVED: &str = "[removed]";

/// Shorter texts are parts of words, and no secrets.
const SHORTEST: usize = 6;

/// Secrets of one process that are known by their value; more are given up by age of their text.
const MOST: usize = 1_000;

/// A run of this many hexadecimal digits is a signature or a hash.
const HEX_DIGITS: usize = 64;

/// Names whose values are secrets, in lower case. The value of the first two goes to the end of its line.
const NAMES: [&str; 12] = [
    "authorization",
    "cookie",
    "x-amz-security-token",
    "securitytoken",
    "sessiontoken",
    "x-amz-signature",
    "signature",
    "x-amz-credential",
    "credential",
    "accesskeyid",
    "secretaccesskey",
    "password",
];

/// How the ids of AWS keys begin.
const KEY_IDS: [&str; 2] = ["AKIA", "ASIA"];

static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Keeps in mind a secret of this process, so that [`redact`] knows it wherever it stands.
pub fn remember(secret: &str) {
    if secret.len() < SHORTEST {
        return;
    }
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MOST {
        known.pop_first();
    }
    known.insert(secret.to_owned());
    known.insert(escaped(secret));
}

/// The text as a url has it.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(escape).collect()
}

/// The text without what is secret in it: what [`remember`] was told, what stands behind a name that says so, ids of
/// keys, signatures, and names and passwords in urls.
pub fn redact(text: &str) -> String {
    let mut text = text.to_owned();
    for secret in KNOWN.lock().unwrap_or_else(PoisonError::into_inner).iter().rev() {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), REMOVED);
        }
    }
    without_words(&without_values(&without_users(&text)))
}

/// `https://name:secret@host` without name and secret.
fn without_users(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        clean.extend([before, "://"]);
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c)).unwrap_or(after.len());
        // A password may hold what ends a host, when nobody has escaped it.
        let line = after.find(|c: char| c.is_whitespace() || "\"'<>".contains(c)).unwrap_or(after.len());
        let user = after[..end].rfind('@').or_else(|| {
            let at = after[..line].rfind('@')?;
            after[..end].contains(':').then_some(at)
        });
        rest = match user {
            Some(at) => {
                clean.extend([REMOVED, "@"]);
                &after[at + 1..]
            }
            None => after,
        };
    }
    clean.push_str(rest);
    clean
}

/// Takes out the values of [`NAMES`]: `Signature=…`, `"sessionToken": "…"`, `<AWSAccessKeyId>…<`.
fn without_values(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    while let Some((start, end)) = NAMES.iter().filter_map(|name| value_of(&lower, at, name)).min() {
        clean.extend([&text[at..start], REMOVED]);
        at = end;
    }
    clean.push_str(&text[at..]);
    clean
}

/// Where the first value of a name lies, at or behind `from`.
fn value_of(lower: &str, from: usize, name: &str) -> Option<(usize, usize)> {
    let mut search = from;
    loop {
        let behind = search + lower.get(search..)?.find(name)? + name.len();
        search = behind;
        let rest = &lower[behind..];
        let is_between = |c: char| " :=>\"'\\".contains(c);
        let between = rest.find(|c| !is_between(c)).unwrap_or(rest.len());
        if !rest[..between].contains([':', '=', '>']) {
            continue;
        }
        let value = &rest[between..];
        let to_the_end = matches!(name, "authorization" | "cookie");
        let ends = |c: char| "\"'<>\r\n".contains(c) || (!to_the_end && (c.is_whitespace() || ",;&".contains(c)));
        let length = value.find(ends).unwrap_or(value.len());
        if length > 0 && !value.starts_with(REMOVED) {
            return Some((behind + between, behind + between + length));
        }
    }
}

/// Takes out words that are ids of keys or signatures by their form.
fn without_words(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (this, behind) = rest.split_at(word);
        clean.push_str(if is_secret(this) { REMOVED } else { this });
        let gap = behind.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(behind.len());
        clean.push_str(&behind[..gap]);
        rest = &behind[gap..];
    }
    clean
}

fn is_secret(word: &str) -> bool {
    let is_key_id = word.len() >= 16
        && KEY_IDS.iter().any(|begin| word.starts_with(begin))
        && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is_key_id || (word.len() >= HEX_DIGITS && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_secret_is_taken_out() {
        let signature = "0123456789abcdef".repeat(4);
        for (text, clean) in [
            ("http://name:pass@host:9/x", "http://[removed]@host:9/x"),
            ("see https://a:b/c@host/d and s3://k:v@b", "see https://[removed]@host/d and s3://[removed]@b"),
            ("http://host/a@b http://[::1]:9", "http://host/a@b http://[::1]:9"),
            (
                "Authorization: AWS4-HMAC-SHA256 Credential=K/2/s3, Signature=ff\nhost: x",
                "Authorization: [removed]\nhost: x",
            ),
            ("{\"x-amz-security-token\":\"a+b/c==\",\"a\":1}", "{\"x-amz-security-token\":\"[removed]\",\"a\":1}"),
            ("<AWSAccessKeyId>anyone</AWSAccessKeyId>", "<AWSAccessKeyId>[removed]</AWSAccessKeyId>"),
            (
                "?X-Amz-Signature=12&X-Amz-Credential=a%2Fb&x=1",
                "?X-Amz-Signature=[removed]&X-Amz-Credential=[removed]&x=1",
            ),
            ("the key AKIAIOSFODNN7EXAMPLE is unknown", "the key [removed] is unknown"),
            (signature.as_str(), "[removed]"),
            // What is only spoken of stays.
            ("the authorization header is wrong", "the authorization header is wrong"),
            ("the signature we calculated does not match", "the signature we calculated does not match"),
        ] {
            assert_eq!(redact(text), clean);
        }
    }

    #[test]
    fn a_remembered_secret_is_known_wherever_it_stands() {
        remember("tok/en+of=the-session");
        assert_eq!(redact("<a>tok/en+of=the-session</a>"), "<a>[removed]</a>");
        assert_eq!(redact("?t=tok%2Fen%2Bof%3Dthe-session"), "?t=[removed]");
        remember("a");
        assert_eq!(redact("a short one stays"), "a short one stays");
    }

    proptest! {
        #[test]
        fn any_text_can_be_taken(text in "\\PC{0,80}") {
            let once = redact(&text);
            prop_assert_eq!(redact(&once), once);
        }
    }
}
