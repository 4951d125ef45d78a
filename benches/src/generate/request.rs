//! One line of an object: a request of an SDK as the ingestion server writes it.

use super::damage::RequestDamage;
use super::device::{Platform, User};
use crate::calendar::write_instant;
use crate::random::Random;
use etl_sdk::{Error, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::Write as _;

/// Writes request lines and keeps the buffers they need.
#[derive(Debug, Default)]
pub struct RequestWriter {
    line: String,
    packed: Vec<u8>,
}

/// What goes around a payload.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Whose request it is.
    pub user: &'a User,
    /// Arrival in epoch milliseconds.
    pub arrived: i64,
    /// `event_bundle_sequence_id` of the request.
    pub bundle: u64,
    /// Whether the payload is sent as Base64 of gzip.
    pub packed: bool,
}

impl RequestWriter {
    /// Appends a line with its line feed to `out`.
    pub fn write(
        &mut self,
        out: &mut Vec<u8>,
        payload: &str,
        envelope: Envelope<'_>,
        damage: Option<RequestDamage>,
        random: &mut Random,
    ) -> Result<()> {
        self.line.clear();
        match damage {
            Some(RequestDamage::NotAnObject) => self.line.push_str("\"just a text\""),
            _ => self.write_line(payload, envelope, damage, random)?,
        }
        let bytes = self.line.as_bytes();
        match damage {
            Some(RequestDamage::NotJson) => out.extend_from_slice(&bytes[..bytes.len() / 3]),
            _ => out.extend_from_slice(bytes),
        }
        out.push(b'\n');
        Ok(())
    }

    fn write_line(
        &mut self,
        payload: &str,
        envelope: Envelope<'_>,
        damage: Option<RequestDamage>,
        random: &mut Random,
    ) -> Result<()> {
        let Envelope { user, arrived, bundle, packed } = envelope;
        let platform = match user.platform {
            Platform::Web => "Web",
            Platform::Android => "Android",
            Platform::Ios => "iOS",
        };
        let uploaded = arrived - 300;
        let _ = write!(
            self.line,
            "{{\"appId\":\"{}\",\"client_timestamp\":\"{uploaded}\",\"compression\":{},\"data\":",
            user.app,
            if packed { "\"gzip\"" } else { "null" }
        );
        match damage {
            Some(RequestDamage::NullData) => self.line.push_str("null"),
            Some(RequestDamage::BadBase64) => self.line.push_str("\"H4sI*not*base64*\""),
            Some(RequestDamage::BrokenPayload) => {
                self.line.push_str("\"[{\\\"event_type\\\":\\\"_page_view\\\",\\\"event_id\\\":}]\"");
            }
            Some(RequestDamage::TruncatedGzip) => self.write_packed(payload, true)?,
            _ if packed => self.write_packed(payload, false)?,
            _ => {
                self.line.push('"');
                escape(&mut self.line, payload);
                self.line.push('"');
            }
        }
        self.line.push_str(",\"date\":\"");
        write_instant(&mut self.line, arrived);
        let seconds = arrived.div_euclid(1_000) * 1_000;
        let _ = write!(
            self.line,
            "\",\"ingest_time\":{seconds},\"ip\":\"{}\",\"method\":\"POST\",\"path\":\"/collect\",\"platform\":\"{platform}\",\
             \"rid\":\"{:016x}{:016x}\",\"server_ingest_time\":{seconds},\"source_type\":\"http_server\",\"timestamp\":\"",
            user.address,
            random.bits(),
            random.bits()
        );
        write_instant(&mut self.line, arrived);
        let _ = write!(
            self.line,
            "\",\"ua\":\"{}\",\"uri\":\"/collect?platform={platform}&appId={}{}&event_bundle_sequence_id={bundle}\
             &upload_timestamp={uploaded}&hashCode={:08x}\"}}",
            user.agent,
            user.app,
            if packed { "&compression=gzip" } else { "" },
            random.bits() >> 32
        );
        Ok(())
    }

    fn write_packed(&mut self, payload: &str, cut: bool) -> Result<()> {
        self.packed.clear();
        let failed = |error| Error::internal("compress a payload").source(error);
        let mut encoder = GzEncoder::new(&mut self.packed, Compression::default());
        encoder.write_all(payload.as_bytes()).map_err(failed)?;
        encoder.finish().map_err(failed)?;
        let bytes = if cut { &self.packed[..self.packed.len() / 2] } else { self.packed.as_slice() };
        self.line.push('"');
        base64_simd::STANDARD.encode_append(bytes, &mut self.line);
        self.line.push('"');
        Ok(())
    }
}

/// Appends JSON text as the content of a JSON string. The payloads have no control characters.
fn escape(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(place) = rest.find(['"', '\\']) {
        out.push_str(&rest[..place]);
        out.push('\\');
        out.push_str(&rest[place..=place]);
        rest = &rest[place + 1..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_reads_back() {
        let mut out = String::from("\"");
        escape(&mut out, r#"[{"a":"b\"c","d":"é"}]"#);
        out.push('"');
        let back: String = serde_json::from_str(&out).unwrap();
        assert_eq!(back, r#"[{"a":"b\"c","d":"é"}]"#);
    }
}
