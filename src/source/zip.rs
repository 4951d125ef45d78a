//! Zip archives read front to back, entry by entry, by their local headers (PKWARE APPNOTE 4.3): the directory at the
//! end is not waited for, so entries whose length is only written behind them work too.

use super::bounds::{Damage, Ended, Meter};
use super::reason;
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use std::io::{self, BufRead, Read};

const SIGNATURE: [u8; 4] = *b"PK\x03\x04";
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
const ENCRYPTED: u16 = 1;
const LENGTH_BEHIND: u16 = 1 << 3;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// A local header.
struct Header {
    name: String,
    flags: u16,
    method: u16,
    crc: u32,
    stored: u64,
    plain: u64,
    is_zip64: bool,
}

/// What is found in an archive.
pub(super) enum Entry<'a> {
    /// The decompressed bytes of a file, a segment of its own.
    Content(&'a mut dyn Read),
    /// A file that cannot be read, with its stored bytes.
    LeftOut(Damage, u64),
}

/// Hands each file entry on in order. Folders and the `__MACOSX` entries, which hold
/// attributes of the others, are passed over.
pub(super) fn entries(
    meter: &Meter,
    mut reader: impl BufRead,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<(), Ended>,
) -> Result<(), Ended> {
    while let Some(header) = read_header(&mut reader).map_err(|error| meter.explain(&error))? {
        let is_folder = header.name.ends_with('/');
        let is_length_known =
            header.flags & LENGTH_BEHIND == 0 || header.stored > 0 || (is_folder && header.method == STORED);
        let unusable = unusable(&header, is_length_known);
        let is_left_out = unusable.is_some() || is_folder || header.name.starts_with("__MACOSX/");
        match unusable {
            // Without its length there is no way past it.
            Some(damage) if !is_length_known => return Err(Ended::Damage(damage)),
            Some(damage) => visit(Entry::LeftOut(damage, header.stored))?,
            None => {}
        }
        if is_length_known {
            let mut body = (&mut reader).take(header.stored);
            if !is_left_out {
                read_entry(meter, &mut body, &header, visit)?;
            }
            io::copy(&mut body, &mut io::sink()).map_err(|error| meter.explain(&error))?;
            if body.limit() > 0 {
                return Err(meter.explain(&io::ErrorKind::UnexpectedEof.into()));
            }
            if header.flags & LENGTH_BEHIND != 0 {
                read_descriptor(&mut reader, &header).map_err(|error| meter.explain(&error))?;
            }
        } else if is_left_out {
            pass_over(&mut reader, &header).map_err(|error| meter.explain(&error))?;
        } else {
            read_entry(meter, &mut reader, &header, visit)?;
        }
    }
    Ok(())
}

/// Reads an entry whose length is written behind it, to find that place.
fn pass_over(mut body: &mut dyn BufRead, header: &Header) -> io::Result<()> {
    io::copy(&mut DeflateDecoder::new(&mut body), &mut io::sink())?;
    read_descriptor(body, header)?;
    Ok(())
}

fn unusable(header: &Header, is_length_known: bool) -> Option<Damage> {
    let name = header.name.escape_debug();
    if header.flags & ENCRYPTED != 0 {
        return Some(Damage::new(reason::ZIP_ENCRYPTED, format!("entry {name} is encrypted")));
    }
    match header.method {
        DEFLATED => None,
        STORED if is_length_known => None,
        STORED => {
            Some(Damage::new(reason::ZIP_UNSUPPORTED, format!("entry {name} is stored and its length is not known")))
        }
        method => Some(Damage::new(reason::ZIP_UNSUPPORTED, format!("entry {name} has compression method {method}"))),
    }
}

fn read_entry(
    meter: &Meter,
    body: &mut dyn BufRead,
    header: &Header,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<(), Ended>,
) -> Result<(), Ended> {
    let (crc, plain, expected) = if header.method == DEFLATED {
        let mut checked = Checked { inner: DeflateDecoder::new(&mut *body), crc: Crc::new(), count: 0 };
        visit(Entry::Content(&mut checked))?;
        let (crc, plain) = (checked.crc.sum(), checked.count);
        let is_length_behind = header.flags & LENGTH_BEHIND != 0 && header.stored == 0;
        let expected = if is_length_behind {
            read_descriptor(body, header).map_err(|error| meter.explain(&error))?
        } else {
            (header.crc, header.plain)
        };
        (crc, plain, expected)
    } else {
        let mut checked = Checked { inner: body, crc: Crc::new(), count: 0 };
        visit(Entry::Content(&mut checked))?;
        (checked.crc.sum(), checked.count, (header.crc, header.plain))
    };
    // Beside a stored length in front, checksum and plain length may still be zero there and follow behind.
    let is_known = header.flags & LENGTH_BEHIND == 0 || expected != (0, 0);
    if is_known && plain < expected.1 {
        return Err(meter.explain(&io::ErrorKind::UnexpectedEof.into()));
    }
    if is_known && (crc, plain) != expected {
        let message = format!("entry {} does not match its checksum or length", header.name.escape_debug());
        return Err(Ended::Damage(Damage::new(reason::CORRUPT_OBJECT, message)));
    }
    Ok(())
}

/// Counts and sums what an entry gives.
struct Checked<R> {
    inner: R,
    crc: Crc,
    count: u64,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.crc.update(&buffer[..count]);
        self.count += count as u64;
        Ok(count)
    }
}

/// The next entry's header, `None` at the directory behind the last entry.
fn read_header(reader: &mut dyn BufRead) -> io::Result<Option<Header>> {
    let signature: [u8; 4] = take(reader)?;
    if signature != SIGNATURE {
        let is_directory = matches!(signature, [b'P', b'K', 1, 2] | [b'P', b'K', 5, 6] | [b'P', b'K', 6, 6 | 8]);
        return if is_directory { Ok(None) } else { Err(io::Error::other("no zip entry where one should begin")) };
    }
    let fixed: [u8; 26] = take(reader)?;
    let short = |at: usize| u16::from_le_bytes([fixed[at], fixed[at + 1]]);
    let long = |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let mut name = vec![0; usize::from(short(22))];
    reader.read_exact(&mut name)?;
    let mut extra = vec![0; usize::from(short(24))];
    reader.read_exact(&mut extra)?;
    let mut header = Header {
        name: String::from_utf8_lossy(&name).into_owned(),
        flags: short(2),
        method: short(4),
        crc: long(10),
        stored: u64::from(long(14)),
        plain: u64::from(long(18)),
        is_zip64: false,
    };
    read_zip64(&extra, &mut header);
    Ok(Some(header))
}

/// Lengths past 4 GiB stand in the extra field 1 (APPNOTE 4.5.3), plain length first.
fn read_zip64(mut extra: &[u8], header: &mut Header) {
    while let [id_low, id_high, size_low, size_high, rest @ ..] = extra {
        let size = usize::from(u16::from_le_bytes([*size_low, *size_high])).min(rest.len());
        let (field, after) = rest.split_at(size);
        extra = after;
        if u16::from_le_bytes([*id_low, *id_high]) != 1 {
            continue;
        }
        header.is_zip64 = true;
        let mut lengths =
            field.chunks_exact(8).map(|bytes| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
        for length in [&mut header.plain, &mut header.stored] {
            if *length == u64::from(u32::MAX) {
                *length = lengths.next().unwrap_or(*length);
            }
        }
    }
}

/// Checksum and plain length written behind an entry (APPNOTE 4.3.9); its signature is optional.
fn read_descriptor(reader: &mut dyn BufRead, header: &Header) -> io::Result<(u32, u64)> {
    let first: [u8; 4] = take(reader)?;
    let crc = if first == DESCRIPTOR { take(reader)? } else { first };
    let plain = if header.is_zip64 {
        take::<8>(reader)?;
        u64::from_le_bytes(take(reader)?)
    } else {
        take::<4>(reader)?;
        u64::from(u32::from_le_bytes(take(reader)?))
    };
    Ok((u32::from_le_bytes(crc), plain))
}

fn take<const N: usize>(reader: &mut dyn BufRead) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}
