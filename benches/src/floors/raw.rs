//! The generated objects, taken apart as far as the floors need it.

use etl_sdk::{Error, Result};
use flate2::read::MultiGzDecoder;
use sonic_rs::{JsonValueTrait, Value};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The `data` member of a line.
pub(super) enum Payload {
    /// JSON text, unescaped.
    Plain(String),
    /// A gzip stream, out of its Base64.
    Packed(Vec<u8>),
}

/// Files below a folder whose name ends like `suffix`, in order of their path. Hidden names and names that begin with
/// an underscore are left out.
pub(super) fn files(folder: &Path, suffix: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |error| Error::config("list a folder").with("path", folder.display()).source(error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(['_', '.']) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(suffix) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The bytes of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Error::config("read a file").with("path", path.display()).source(error))
}

/// Text of an object.
pub(super) fn lines(compressed: &[u8]) -> Result<Vec<u8>> {
    let mut text = Vec::with_capacity(compressed.len() * 4);
    MultiGzDecoder::new(compressed)
        .read_to_end(&mut text)
        .map_err(|error| Error::config("inflate a generated object").source(error))?;
    Ok(text)
}

/// The payload of a line; `None` for a damaged line.
pub(super) fn payload(line: &[u8]) -> Option<Payload> {
    let line: Value = sonic_rs::from_slice(line).ok()?;
    let data = line.get("data")?.as_str()?;
    if data.starts_with('[') {
        return Some(Payload::Plain(data.to_owned()));
    }
    base64_simd::STANDARD.decode_to_vec(data).ok().map(Payload::Packed)
}
