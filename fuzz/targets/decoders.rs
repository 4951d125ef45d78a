//! Objects as a store holds them: any compression, whole or damaged, with and without Base64.
//!
//! Input: one byte of choices (framing, Base64), one for the size of blocks, then the object.
//!
//! Holds: reading never fails; no more comes out than the limits allow; how the store and the framer cut the bytes
//! changes nothing; records follow each other and are as long as they may be. Only what is decoded in the same step as
//! a break may be lost with it: there, smaller blocks may give more records before the same dead letter.
#![no_main]

use etl_runner_fuzz::{Seen, framing, limits, read, source};
use libfuzzer_sys::fuzz_target;

const OBJECT_BYTES: u64 = 256 << 10;
const RECORD_BYTES: u64 = 4 << 10;
/// Reasons of a break inside an object.
const DAMAGE: [&str; 3] = ["truncated_object", "corrupt_object", "bad_base64"];
/// What a dead letter keeps at most.
const RAW_BYTES: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let [choices, size, object @ ..] = input else { return };
    let config = source(framing(*choices), choices & 4 != 0);
    let limits = limits(RECORD_BYTES, OBJECT_BYTES, 32);
    let seen = read(object, &config, &limits, usize::MAX, 256 << 10);

    assert!(seen.stats.compressed_bytes <= object.len() as u64);
    // Marks of byte order are not among the bytes that count against the limit.
    assert!(seen.stats.decompressed_bytes <= OBJECT_BYTES + 3 * (1 + object.len() as u64));
    let mut end = 0;
    for (offset, length) in &seen.places {
        assert!(*offset >= end, "frames follow each other: {:?}", seen.places);
        end = offset + length;
    }
    assert!(end <= seen.stats.decompressed_bytes, "frames lie inside the object");
    assert!(seen.records.iter().all(|(_, _, bytes)| bytes.len() as u64 <= RECORD_BYTES));
    assert!(seen.rejects.iter().all(|reject| reject.raw.len() <= RAW_BYTES && !reject.message.is_empty()));

    let small = usize::from(*size) + 1;
    let again = read(object, &config, &limits, small, 256 << 10);
    assert_eq!(seen, again, "the store's cut of {small} bytes changes something");
    let again = read(object, &config, &limits, usize::MAX, small);
    if seen.rejects.iter().chain(&again.rejects).any(|reject| DAMAGE.contains(&reject.reason.as_str())) {
        let reasons = |seen: &Seen| seen.rejects.last().map(|reject| reject.reason.clone());
        assert_eq!(reasons(&seen), reasons(&again), "blocks of {small} bytes");
        assert!(again.records.starts_with(&seen.records), "blocks of {small} bytes: {seen:?} {again:?}");
    } else {
        assert_eq!(seen, again, "blocks of {small} bytes change something");
    }
});
