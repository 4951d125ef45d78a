//! The parse floor: each line, and each payload, into a tree of JSON values.

use super::Floor;
use super::raw::{Payload, files, lines, payload, read};
use crate::measure::Stopwatch;
use etl_sdk::Result;
use flate2::read::MultiGzDecoder;
use sonic_rs::Value;
use std::hint::black_box;
use std::io::Read;
use std::path::Path;

/// Payload text prepared at once, in bytes.
const PREPARED: usize = 4 << 20;

/// Parses all lines of a folder's objects and all payloads. Inflating, undoing Base64 and unescaping are done
/// beforehand. Memory: one object's text and 4 MiB of payloads.
pub fn parse(folder: &Path) -> Result<Floor> {
    let mut watch = Stopwatch::default();
    let mut bytes_in = 0;
    for path in files(folder, ".gz")? {
        let text = lines(&read(&path)?)?;
        bytes_in += text.len() as u64;
        watch.time(|| {
            text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(parse_value);
            Ok(())
        })?;
        let mut prepared: Vec<String> = Vec::new();
        let mut size = 0;
        for line in text.split(|byte| *byte == b'\n') {
            let Some(payload) = payload(line).and_then(as_text) else { continue };
            size += payload.len();
            bytes_in += payload.len() as u64;
            prepared.push(payload);
            if size >= PREPARED {
                parse_all(&mut watch, &mut prepared)?;
                size = 0;
            }
        }
        parse_all(&mut watch, &mut prepared)?;
    }
    Ok(Floor { cpu_seconds: watch.seconds(), bytes_in, bytes_out: 0 })
}

fn parse_all(watch: &mut Stopwatch, prepared: &mut Vec<String>) -> Result<()> {
    watch.time(|| {
        for text in &*prepared {
            parse_value(text.as_bytes());
        }
        Ok(())
    })?;
    prepared.clear();
    Ok(())
}

/// A damaged text costs what it costs to see that it is damaged.
fn parse_value(text: &[u8]) {
    black_box(sonic_rs::from_slice::<Value>(text).ok());
}

fn as_text(payload: Payload) -> Option<String> {
    match payload {
        Payload::Plain(text) => Some(text),
        Payload::Packed(bytes) => {
            let mut text = String::new();
            MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).ok()?;
            Some(text)
        }
    }
}
