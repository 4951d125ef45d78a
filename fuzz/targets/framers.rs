//! Plain bytes into records.
//!
//! Input: one byte of choices (framing, limits), one for the size of blocks, then the text.
//!
//! Holds: every record and every reject lies inside the object and re-reads to the same bytes from its address, in
//! order and without an overlap; what lies between them is nothing but separators, so no byte is lost; blocks of any
//! size give the same frames; a record framed alone is the same record; what serde_json takes as a stream of values or
//! as an array is framed as exactly those values.
#![no_main]

use etl_runner::source::Framing;
use etl_runner_fuzz::{Seen, framing, limits, read, source};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

const BLOCK: usize = 256 << 10;
/// Comes before each input: no compression begins like this, and no mark of byte order follows.
const FRONT: u8 = b' ';

fuzz_target!(|input: &[u8]| {
    let [choices, size, text @ ..] = input else { return };
    let framing = framing(*choices);
    let (record_bytes, depth) = [(1 << 20, 200), (64, 200), (1 << 20, 4), (16, 3)][usize::from(choices >> 2 & 3)];
    let config = source(framing, false);
    let limits = limits(record_bytes, 1 << 30, depth);
    let object = [&[FRONT], text].concat();
    let seen = read(&object, &config, &limits, usize::MAX, BLOCK);
    nothing_is_lost(&object, &seen, framing);
    assert!(seen.records.iter().all(|(_, _, bytes)| bytes.len() as u64 <= record_bytes));

    let small = usize::from(*size) + 1;
    let again = read(&object, &config, &limits, usize::MAX, small);
    assert_eq!(seen, again, "blocks of {small} bytes change something");

    if matches!(framing, Framing::Array | Framing::Concatenated) {
        let alone = source(Framing::Concatenated, false);
        for (_, _, record) in &seen.records {
            let again = read(&[&[FRONT], record.as_slice()].concat(), &alone, &limits, usize::MAX, BLOCK);
            assert!(again.rejects.is_empty() && again.records.len() == 1, "{record:?} alone: {again:?}");
            assert_eq!(&again.records[0].2, record);
        }
        if let Some(values) = values(text, framing) {
            let bounded =
                seen.rejects.iter().any(|reject| matches!(reject.reason.as_str(), "record_too_long" | "too_deep"));
            let found: Vec<&[u8]> = seen.records.iter().map(|(_, _, bytes)| bytes.as_slice()).collect();
            assert!(bounded || (found == values && seen.rejects.is_empty()), "{values:?}\n{seen:?}");
        }
    }
});

fn nothing_is_lost(object: &[u8], seen: &Seen, framing: Framing) {
    let is_separator =
        |byte: &u8| byte.is_ascii_whitespace() || (framing == Framing::Array && matches!(byte, b'[' | b']' | b','));
    let mut end = 0;
    for (offset, length) in &seen.places {
        let start = *offset as usize;
        assert!(start >= end, "frames follow each other: {:?}", seen.places);
        assert!(object[end..start].iter().all(is_separator), "bytes {end} to {start} are lost");
        end = start + *length as usize;
        assert!(end <= object.len(), "frames lie inside the object");
    }
    assert!(object[end..].iter().all(is_separator), "bytes from {end} on are lost");
    for (offset, _, bytes) in &seen.records {
        assert!(object[*offset as usize..].starts_with(bytes), "a record is what stands at its address");
        assert!(!bytes.is_empty(), "a record has bytes");
    }
    for reject in &seen.rejects {
        let address = reject.address.as_ref().expect("an address");
        assert!(object[address.offset as usize..].starts_with(&reject.raw), "a reject is what stands at its address");
        assert_eq!(reject.raw.len() as u64, address.length, "it is short enough to be kept whole");
    }
}

/// The values of a text that serde_json takes as a whole.
fn values(text: &[u8], framing: Framing) -> Option<Vec<&[u8]>> {
    let values: Vec<&RawValue> = if framing == Framing::Array {
        serde_json::from_slice(text).ok()?
    } else {
        serde_json::Deserializer::from_slice(text).into_iter().collect::<Result<_, _>>().ok()?
    };
    Some(values.into_iter().map(|value| value.get().as_bytes()).collect())
}
