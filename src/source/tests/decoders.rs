//! Decoders.

use super::*;
use crate::source::reason;
use etl_sdk::{Error, ErrorKind};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::{self, Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const TEXT: &[u8] = b"{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n";
const LINES: [&str; 3] = ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.into_inner().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// With a window of so many bits.
fn zlib_of_window(bytes: &[u8], bits: u8) -> Vec<u8> {
    let mut encoder = flate2::Compress::new_with_window_bits(Compression::default(), true, bits);
    let mut stored = Vec::with_capacity(1 << 10);
    encoder.compress_vec(bytes, &mut stored, flate2::FlushCompress::Finish).unwrap();
    stored
}

/// Blocks of at most `block` bytes in chunks of at most `chunk`.
fn hadoop(bytes: &[u8], block: usize, chunk: usize) -> Vec<u8> {
    let mut stored = Vec::new();
    for block in bytes.chunks(block) {
        stored.extend((block.len() as u32).to_be_bytes());
        for chunk in block.chunks(chunk) {
            let packed = snap::raw::Encoder::new().compress_vec(chunk).unwrap();
            stored.extend((packed.len() as u32).to_be_bytes());
            stored.extend(packed);
        }
    }
    stored
}

fn xerial(bytes: &[u8], chunk: usize) -> Vec<u8> {
    let mut stored = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    for chunk in bytes.chunks(chunk) {
        let packed = snap::raw::Encoder::new().compress_vec(chunk).unwrap();
        stored.extend((packed.len() as u32).to_be_bytes());
        stored.extend(packed);
    }
    stored
}

fn utf16(text: &str, unit: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(unit).collect()
}

fn zip(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    add_all(&mut writer, entries, method);
    writer.finish().unwrap().into_inner()
}

/// With lengths behind the entries, as writers that cannot seek leave them.
fn zip_stream(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new_stream(Vec::new());
    add_all(&mut writer, entries, CompressionMethod::Deflated);
    writer.finish().unwrap().into_inner()
}

fn add_all<W: Write + io::Seek>(writer: &mut ZipWriter<W>, entries: &[(&str, &[u8])], method: CompressionMethod) {
    for (name, bytes) in entries {
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

#[test]
fn each_compression_is_known_by_its_first_bytes() {
    for (name, bytes) in [
        ("plain", TEXT.to_vec()),
        ("gzip", gzip(TEXT)),
        ("gzip", gzip(&gzip(TEXT))),
        ("gzip", [gzip(&TEXT[..8]), gzip(&TEXT[8..12]), gzip(b""), gzip(&TEXT[12..])].concat()),
        ("gzip", gzip(&[gzip(&TEXT[..8]), gzip(&TEXT[8..])].concat())),
        ("zstd", [zstd(&TEXT[..10]), zstd(&TEXT[10..])].concat()),
        ("bzip2", [bzip2(&TEXT[..10]), bzip2(&TEXT[10..])].concat()),
        ("snappy", [snappy(&TEXT[..10]), snappy(&TEXT[10..])].concat()),
        ("zip", zip(&[("a.json", TEXT)], CompressionMethod::Deflated)),
        ("zlib", zlib(TEXT)),
        ("zlib", [zlib(&TEXT[..10]), b"\0\n".to_vec(), zlib(&TEXT[10..]), vec![0; 700]].concat()),
        ("hadoop-snappy", hadoop(TEXT, 1 << 18, 1 << 16)),
        ("zlib", zlib_of_window(TEXT, 9)),
        ("zlib", [zlib_of_window(&TEXT[..10], 14), zlib(&TEXT[10..])].concat()),
        ("hadoop-snappy", hadoop(TEXT, 12, 5)),
        ("hadoop-snappy", [vec![0; 8], hadoop(TEXT, 12, 5), vec![0; 4]].concat()),
        ("hadoop-snappy", [&hadoop(TEXT, 99, 99)[..4], &[0; 4], &hadoop(TEXT, 99, 99)[4..]].concat()),
        ("hadoop-snappy", hadoop(&gzip(TEXT), 30, 30)),
        ("xerial-snappy", xerial(TEXT, 1 << 15)),
        ("xerial-snappy", [xerial(&TEXT[..10], 3), xerial(&TEXT[10..], 4)].concat()),
        ("utf-16", utf16(std::str::from_utf8(TEXT).unwrap(), u16::to_le_bytes)),
        ("gzip", gzip(&utf16(std::str::from_utf8(TEXT).unwrap(), u16::to_be_bytes))),
        ("gzip", [gzip(TEXT), vec![0; 700]].concat()),
        ("gzip", [gzip(&TEXT[..10]), b"\0\0".to_vec(), gzip(&TEXT[10..]), b"\r\n\n".to_vec()].concat()),
        ("plain", [b"\xEF\xBB\xBF", TEXT].concat()),
        ("gzip", gzip(&[b"\xEF\xBB\xBF", TEXT].concat())),
    ] {
        let seen = read(&bytes, Framing::Lines);
        assert_eq!(seen.texts(), LINES, "{name}");
        assert_eq!(seen.stats.encoding, name);
        assert_eq!(seen.stats.compressed_bytes, bytes.len() as u64, "{name}");
        assert!(seen.rejects.is_empty(), "{name}: {:?}", seen.reasons());
    }
}

#[test]
fn text_that_begins_like_a_compression_is_text() {
    let smiles = format!("x^{}", "\u{1f600}".repeat(9));
    for text in ["x^2 + 1", "x^", "X\tw\n", "h$\n", "HO", &smiles] {
        let seen = read(text.as_bytes(), Framing::Lines);
        assert_eq!((seen.stats.encoding, seen.texts()), ("plain", vec![text.trim_end()]), "{text}");
    }
}

#[test]
fn a_block_of_hadoop_snappy_may_be_longer_than_any_chunk() {
    let line = [b"x".repeat((64 << 10) - 1), b"\n".to_vec()].concat();
    let seen = read(&hadoop(&line.repeat(1_100), usize::MAX, 256 << 10), Framing::Lines);
    assert_eq!((seen.stats.encoding, seen.texts().len(), seen.reasons().len()), ("hadoop-snappy", 1_100, 0));
}

#[test]
fn empty_objects_of_each_kind_hold_nothing() {
    let none = zip(&[], CompressionMethod::Stored);
    for bytes in [Vec::new(), gzip(b""), zstd(b""), bzip2(b""), snappy(b""), zlib(b""), vec![0; 4], none] {
        let seen = read(&bytes, Framing::Lines);
        assert!(seen.records.is_empty() && seen.rejects.is_empty(), "{bytes:?} {:?}", seen.rejects);
    }
}

#[test]
fn a_zip_gives_every_entry_and_no_record_spans_two() {
    let entries: [(&str, &[u8]); 4] =
        [("one", b"1\n2"), ("folder/two", &gzip(b"3\n4")), ("__MACOSX/one", b"junk"), ("empty", b"")];
    for bytes in
        [zip(&entries, CompressionMethod::Deflated), zip(&entries, CompressionMethod::Stored), zip_stream(&entries)]
    {
        let seen = read(&bytes, Framing::Lines);
        assert_eq!(seen.texts(), ["1", "2", "3", "4"], "{:?}", seen.rejects);
        assert!(seen.rejects.is_empty(), "{:?}", seen.rejects);
        assert_eq!(seen.stats.decompressed_bytes, 6);
    }
}

#[test]
fn a_zip_entry_that_cannot_be_read_costs_only_itself() {
    let mut bytes = zip(&[("one", b"1"), ("two", b"2")], CompressionMethod::Stored);
    bytes[6] |= 1;
    let seen = read(&bytes, Framing::Lines);
    assert_eq!((seen.texts(), seen.reasons()), (vec!["2"], vec![reason::ZIP_ENCRYPTED]));
    bytes[6] &= !1;
    bytes[8] = 14;
    let seen = read(&bytes, Framing::Lines);
    assert_eq!((seen.texts(), seen.reasons()), (vec!["2"], vec![reason::ZIP_UNSUPPORTED]));
    bytes[8] = 0;
    bytes[14] ^= 1;
    assert_eq!(read(&bytes, Framing::Lines).reasons(), [reason::CORRUPT_OBJECT]);
}

#[test]
fn base64_is_taken_off_around_and_inside_compression() {
    let config = SourceConfig { base64: true, ..config(Framing::Lines) };
    let wrapped = base64(&gzip(TEXT)).as_bytes().chunks(19).collect::<Vec<_>>().join(&b"\r\n"[..]);
    let pieces = format!("{}\n{}\n", base64(&TEXT[..7]), base64(&TEXT[7..])).into_bytes();
    let unpadded = base64(TEXT).trim_end_matches('=').as_bytes().to_vec();
    for bytes in [wrapped, pieces, unpadded, gzip(base64(&gzip(TEXT)).as_bytes())] {
        let seen = read_with(&bytes, &config, &LimitsConfig::default());
        assert_eq!((seen.texts(), seen.reasons()), (LINES.to_vec(), vec![]));
    }
    let seen = read_with(TEXT, &config, &LimitsConfig::default());
    assert_eq!((seen.records.len(), seen.reasons()), (0, vec![reason::BAD_BASE64]));
}

#[test]
fn a_gzip_cut_anywhere_gives_the_records_before_and_one_dead_letter() {
    let whole = gzip(TEXT);
    for length in 1..whole.len() {
        let seen = read(&whole[..length], Framing::Lines);
        assert_eq!(seen.reasons(), [reason::TRUNCATED_OBJECT], "cut at {length}");
        assert!(LINES.starts_with(&seen.texts()), "cut at {length}: {:?}", seen.texts());
    }
    let members = [gzip(&TEXT[..12]), gzip(&TEXT[12..])].concat();
    let seen = read(&members[..members.len() - 9], Framing::Lines);
    assert_eq!(seen.texts()[0], LINES[0]);
    assert_eq!(seen.reasons(), [reason::TRUNCATED_OBJECT]);
}

#[test]
fn the_partial_record_at_a_break_is_in_the_dead_letter() {
    // Stored blocks, so that the cut falls at a known byte: header 10, block header 5.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(TEXT).unwrap();
    let bytes = encoder.finish().unwrap();
    for framing in [Framing::Lines, Framing::Concatenated] {
        let seen = read(&bytes[..10 + 5 + 11], framing);
        assert_eq!(seen.texts(), LINES[..1]);
        assert_eq!(seen.rejects[0].raw, b"{\"b");
        let address = seen.rejects[0].address.as_ref().unwrap();
        assert_eq!((address.offset, address.length), (8, 3));
    }
    let seen = read(&bytes[..10 + 5 + 11], Framing::Document);
    assert_eq!((seen.records.len(), seen.rejects[0].raw.as_slice()), (0, &TEXT[..11]));
}

#[test]
fn other_compressions_that_are_cut_or_damaged_are_said_to_be() {
    for (name, whole) in [
        ("zstd", zstd(TEXT)),
        ("bzip2", bzip2(TEXT)),
        ("snappy", snappy(TEXT)),
        ("zlib", zlib(TEXT)),
        ("hadoop-snappy", hadoop(TEXT, 99, 9)),
        ("xerial-snappy", xerial(TEXT, 9)),
        ("utf-16", utf16("{\"a\":1}", u16::to_be_bytes)[..15].to_vec()),
        ("zip", zip(&[("a", TEXT)], CompressionMethod::Deflated)),
    ] {
        let cut = read(&whole[..whole.len().min(40) * 3 / 4], Framing::Lines);
        assert_eq!(cut.reasons(), [reason::TRUNCATED_OBJECT], "{name}: {:?}", cut.rejects);
    }
    let mut damaged = gzip(TEXT);
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 1;
    assert_eq!(read(&damaged, Framing::Lines).reasons(), [reason::CORRUPT_OBJECT]);
    let tail = [gzip(TEXT), b"tail".to_vec()].concat();
    let seen = read(&tail, Framing::Lines);
    assert_eq!((seen.texts(), seen.reasons().len()), (LINES.to_vec(), 1));
}

#[test]
fn formats_that_are_not_read_are_named() {
    let rest = b"{\"a\":1}\n".repeat(50);
    for (magic, name) in [
        (&b"\xfd7zXZ\0"[..], "xz"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"PAR1", "Parquet"),
        (b"Obj\x01", "Avro"),
        (b"\xff\xfe\0\0", "UTF-32"),
    ] {
        for bytes in [[magic, &rest].concat(), gzip(&[magic, &rest].concat())] {
            let seen = read(&bytes, Framing::Lines);
            assert_eq!((seen.texts(), seen.reasons()), (vec![], vec![reason::UNSUPPORTED_FORMAT]), "{name}");
            assert!(seen.rejects[0].message.contains(&format!("the format {name}, ")), "{}", seen.rejects[0].message);
        }
    }
}

#[test]
fn a_zstd_window_beyond_the_limit_is_said_to_be() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(TEXT).unwrap();
    let bytes = encoder.finish().unwrap();
    let seen = read(&bytes, Framing::Lines);
    assert_eq!(seen.reasons(), [reason::WINDOW_TOO_LARGE]);
    assert!(seen.rejects[0].message.ends_with("limits.zstd_window, 128MiB"), "{}", seen.rejects[0].message);
    let limits = LimitsConfig { zstd_window: ByteSize::mib(256), ..LimitsConfig::default() };
    assert_eq!(read_with(&bytes, &config(Framing::Lines), &limits).texts(), LINES);
}

#[test]
fn utf_16_is_read_whatever_its_characters_and_blocks() {
    let text = "{\"k\":\"é😀\u{fffd}\"}\r\n".repeat(9_000);
    for bytes in [utf16(&text, u16::to_le_bytes), utf16(&text, u16::to_be_bytes)] {
        let seen = read(&bytes, Framing::Lines);
        assert_eq!(seen.texts().len(), 9_000);
        assert!(seen.texts().iter().all(|line| *line == "{\"k\":\"é😀\u{fffd}\"}"));
    }
    let halves = [0xfe_u8, 0xff, 0xd8, 0x3d, 0, b'1', 0xde, 0];
    assert_eq!(read(&halves, Framing::Lines).texts(), ["\u{fffd}1\u{fffd}"]);
}

#[test]
fn bytes_behind_gzip_and_zlib_that_are_neither_padding_nor_more_of_it_are_damage() {
    for tail in [&b"tail"[..], b"\0\0tail", b"\n{\"d\":4}\n"] {
        for whole in [gzip(TEXT), zlib(TEXT)] {
            let seen = read(&[whole, tail.to_vec()].concat(), Framing::Lines);
            assert_eq!((seen.texts(), seen.reasons()), (LINES.to_vec(), vec![reason::CORRUPT_OBJECT]));
        }
    }
}

#[test]
fn a_bomb_is_stopped_and_what_comes_before_is_read() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(b"first\n").unwrap();
    io::copy(&mut io::repeat(b'x').take(200 << 20), &mut encoder).unwrap();
    let bomb = encoder.finish().unwrap();
    let seen = read_with(&bomb, &config(Framing::Lines), &limits(1 << 20));
    assert_eq!((seen.texts(), seen.reasons()), (vec!["first"], vec![reason::EXPANSION_RATIO]));
    assert!(seen.stats.decompressed_bytes < 100 << 20);
    // Members that hold nothing inside a layer that expands: nothing comes out, and still it ends.
    let hollow = zstd(&gzip(b"").repeat(4 << 20));
    let seen = read(&hollow, Framing::Lines);
    assert_eq!(seen.reasons(), [reason::EXPANSION_RATIO], "{} {:?}", hollow.len(), seen.stats);
}

#[test]
fn an_object_may_be_as_large_as_the_limit_and_no_larger() {
    let exact = LimitsConfig { object_bytes: ByteSize(TEXT.len() as u64), ..LimitsConfig::default() };
    let less = LimitsConfig { object_bytes: ByteSize(TEXT.len() as u64 - 1), ..LimitsConfig::default() };
    for bytes in [TEXT.to_vec(), gzip(TEXT)] {
        assert_eq!(read_with(&bytes, &config(Framing::Lines), &exact).texts(), LINES);
    }
    let seen = read_with(TEXT, &config(Framing::Lines), &less);
    assert_eq!((seen.texts(), seen.reasons()), (LINES[..2].to_vec(), vec![reason::OBJECT_TOO_LARGE]));
}

#[test]
fn more_than_three_layers_are_refused() {
    assert_eq!(read(&gzip(&zstd(&bzip2(TEXT))), Framing::Lines).texts(), LINES);
    assert_eq!(read(&gzip(&gzip(&gzip(&gzip(TEXT)))), Framing::Lines).reasons(), [reason::TOO_MANY_LAYERS]);
}

/// Fails after its bytes.
struct Outage<'a>(&'a [u8], Option<Error>);

impl Read for Outage<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(self.1.take().map_or_else(|| io::ErrorKind::UnexpectedEof.into(), io::Error::other)),
            count => Ok(count),
        }
    }
}

#[test]
fn an_outage_is_an_error_and_never_damage() {
    for bytes in [
        TEXT.to_vec(),
        gzip(TEXT),
        zstd(TEXT),
        bzip2(TEXT),
        snappy(TEXT),
        zip(&[("a", TEXT)], CompressionMethod::Deflated),
    ] {
        let config = config(Framing::Lines);
        let ours = Error::new(ErrorKind::Permission, "read an object");
        let mut input = Outage(&bytes[..bytes.len() / 2], Some(ours));
        let error = try_read(&mut input, &config, &LimitsConfig::default(), 4096).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
        let mut input = Outage(&bytes[..bytes.len() / 2], None);
        let error = try_read(&mut input, &config, &LimitsConfig::default(), 4096).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}

proptest! {
    #[test]
    fn damage_is_never_an_error_or_a_panic(index in 0usize..200, change in 1u8.., cut in 0usize..200) {
        for whole in [
            gzip(TEXT),
            zstd(TEXT),
            bzip2(TEXT),
            snappy(TEXT),
            zlib(TEXT),
            hadoop(TEXT, 15, 7),
            xerial(TEXT, 7),
            utf16("{\"a\":1}\n2\n", u16::to_le_bytes),
            [gzip(TEXT), vec![0; 9]].concat(),
            zip(&[("a", TEXT), ("b", TEXT)], CompressionMethod::Deflated),
            zip_stream(&[("a", TEXT), ("b", TEXT)]),
        ] {
            let mut damaged = whole.clone();
            let count = damaged.len();
            damaged[index % count] ^= change;
            damaged.truncate(count - cut % count);
            for framing in [Framing::Lines, Framing::Array, Framing::Concatenated] {
                let seen = try_read(&mut &*damaged, &config(framing), &LimitsConfig::default(), 4096);
                prop_assert!(seen.is_ok(), "{framing:?} {:?}: {:?}", &damaged[..damaged.len().min(4)], seen);
            }
        }
    }
}
