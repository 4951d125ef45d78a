//! Endpoints: servers in the place of AWS.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Refuses at the edge what would fail at the first request.
pub(super) fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let endpoint: Option<String> = Option::deserialize(deserializer)?;
    match endpoint.as_deref().map(check_endpoint) {
        Some(Err(wrong)) => Err(D::Error::custom(wrong)),
        _ => Ok(endpoint),
    }
}

/// What is wrong with the text of an endpoint. The text itself may hold a password, and is not part of it.
pub(super) fn check_endpoint(endpoint: &str) -> Result<(), &'static str> {
    let rest = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
    let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
        return Err("an endpoint begins with http:// or https://, as in http://127.0.0.1:8333");
    };
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        return Err(
            "an endpoint holds no name and no password: credentials come from the environment, a profile or a role",
        );
    }
    if rest.contains(['?', '#']) {
        return Err("an endpoint ends with the host, the port or a path: it has no `?` and no `#`");
    }
    // What the client would only find out at its first request, by a panic.
    let is_odd = |byte: u8| !byte.is_ascii_graphic() || br#""<>\^`{|}"#.contains(&byte);
    if rest.bytes().any(is_odd) || reqwest::Url::parse(endpoint).is_err() {
        return Err("an endpoint is a host with or without a port, as in http://127.0.0.1:8333");
    }
    Ok(())
}
