//! The inflate floor: every object, and every payload that is gzip itself.

use super::Floor;
use super::raw::{Payload, files, lines, payload, read};
use crate::measure::Stopwatch;
use etl_sdk::{Error, Result};
use flate2::{Decompress, FlushDecompress, Status};
use std::path::Path;

/// zlib's flag for a stream with a gzip header and checksum: 15 window bits plus 16.
const WINDOW_BITS: u8 = 15;

/// Inflates all objects of a folder, and all packed payloads in them, into a reused buffer. Base64 is undone
/// beforehand. Memory: one object's text.
pub fn inflate(folder: &Path) -> Result<Floor> {
    let mut watch = Stopwatch::default();
    let mut decoder = Decompress::new_gzip(WINDOW_BITS);
    let mut buffer = vec![0; 128 << 10];
    let (mut bytes_in, mut bytes_out) = (0, 0);
    for path in files(folder, ".gz")? {
        let compressed = read(&path)?;
        let (taken, given) = watch.time(|| run(&mut decoder, &compressed, &mut buffer))?;
        bytes_in += taken;
        bytes_out += given;
        let text = lines(&compressed)?;
        drop(compressed);
        let packed: Vec<Vec<u8>> = text
            .split(|byte| *byte == b'\n')
            .filter_map(|line| match payload(line) {
                Some(Payload::Packed(bytes)) => Some(bytes),
                _ => None,
            })
            .collect();
        watch.time(|| {
            for bytes in &packed {
                // A stream cut on purpose gives what it has.
                let (taken, given) = run(&mut decoder, bytes, &mut buffer)?;
                bytes_in += taken;
                bytes_out += given;
            }
            Ok(())
        })?;
    }
    Ok(Floor { cpu_seconds: watch.seconds(), bytes_in, bytes_out })
}

/// Inflates one stream and returns the bytes taken and given. Stops without an error where a stream is cut.
fn run(decoder: &mut Decompress, input: &[u8], buffer: &mut [u8]) -> Result<(u64, u64)> {
    decoder.reset(true);
    loop {
        let (taken, given) = (decoder.total_in(), decoder.total_out());
        let status = decoder
            .decompress(&input[taken as usize..], buffer, FlushDecompress::None)
            .map_err(|error| Error::config("inflate a generated stream").source(error))?;
        let moved = decoder.total_in() > taken || decoder.total_out() > given;
        if status == Status::StreamEnd || !moved {
            return Ok((decoder.total_in(), decoder.total_out()));
        }
    }
}
