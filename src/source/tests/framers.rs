//! Framers.

use super::*;
use crate::source::reason;
use etl_sdk::Error;
use proptest::prelude::*;
use std::io;

const ALL: [Framing; 4] = [Framing::Lines, Framing::Document, Framing::Array, Framing::Concatenated];

#[test]
fn lines_end_with_or_without_a_carriage_return_or_not_at_all() {
    let seen = read(b"{\"a\":1}\r\n\n  \r\nplain\nlast", Framing::Lines);
    assert_eq!(seen.texts(), ["{\"a\":1}", "plain", "last"]);
    assert_eq!(seen.records.iter().map(|record| record.0).collect::<Vec<_>>(), [0, 14, 20]);
    assert!(read(b"", Framing::Lines).records.is_empty());
    assert!(read(b"\n\n", Framing::Lines).records.is_empty());
}

#[test]
fn a_document_is_one_record_without_the_blanks_around_it() {
    let seen = read(b"\xEF\xBB\xBF \n{\n \"a\": 1\n}\n", Framing::Document);
    assert_eq!(seen.texts(), ["{\n \"a\": 1\n}"]);
    assert_eq!(seen.records[0].0, 5, "the mark and the blanks count");
    assert!(read(b" \n ", Framing::Document).records.is_empty());
    let seen = read_with(b"0123456789", &config(Framing::Document), &limits(4));
    assert_eq!(seen.reasons(), [reason::RECORD_TOO_LONG]);
    assert_eq!(seen.rejects[0].address.as_ref().unwrap().length, 10);
}

#[test]
fn an_array_gives_its_elements_with_their_places() {
    let seen = read(br#" [ {"a":[1,"]"]} , "x,y" ,2.5e3, null, [] ] "#, Framing::Array);
    assert_eq!(seen.texts(), [r#"{"a":[1,"]"]}"#, r#""x,y""#, "2.5e3", "null", "[]"]);
    assert_eq!(
        seen.records.iter().map(|record| record.1).collect::<Vec<_>>(),
        [Some(0), Some(1), Some(2), Some(3), Some(4)]
    );
    assert!(seen.rejects.is_empty());
    let seen = read(b"[]", Framing::Array);
    assert!(seen.records.is_empty() && seen.rejects.is_empty());
}

#[test]
fn an_array_loses_only_its_broken_elements() {
    let seen = read(br#"[{"a":1},{"b":bad,"l":[{"x":1},{"y":2}]},{"c":3},xyz,4,{"d":{"x":1},{"e":5}]"#, Framing::Array);
    assert_eq!(seen.texts(), [r#"{"a":1}"#, r#"{"c":3}"#, "4", r#"{"e":5}"#]);
    assert_eq!(seen.reasons(), [reason::NOT_JSON; 3]);
    assert_eq!(seen.rejects[0].raw, br#"{"b":bad,"l":[{"x":1},{"y":2}]}"#);
    assert_eq!(seen.rejects[0].address.as_ref().unwrap().index, Some(1));
}

#[test]
fn an_array_that_is_none_or_has_no_end_is_said() {
    assert_eq!(read(br#"{"a":1}"#, Framing::Array).reasons(), [reason::NOT_AN_ARRAY]);
    let seen = read(b"[1] tail", Framing::Array);
    assert_eq!((seen.texts(), seen.reasons()), (vec!["1"], vec![reason::NOT_AN_ARRAY]));
    let seen = read(br#"[{"a":1},{"b""#, Framing::Array);
    assert_eq!(
        (seen.texts(), seen.reasons()),
        (vec![r#"{"a":1}"#], vec![reason::NOT_JSON, reason::UNTERMINATED_ARRAY])
    );
    let seen = read(b"[1,", Framing::Array);
    assert_eq!((seen.texts(), seen.reasons()), (vec!["1"], vec![reason::UNTERMINATED_ARRAY]));
}

#[test]
fn values_follow_each_other_with_nothing_between() {
    let seen = read(br#"{"a":"}{\"\\"}{"b":[{}]}[1]"x" 12 true{"c":1}"#, Framing::Concatenated);
    assert_eq!(seen.texts(), [r#"{"a":"}{\"\\"}"#, r#"{"b":[{}]}"#, "[1]", "\"x\"", "12", "true", r#"{"c":1}"#]);
    assert!(seen.rejects.is_empty());
    assert_eq!(read(b"1 23", Framing::Concatenated).texts(), ["1", "23"]);
}

#[test]
fn values_behind_a_broken_one_survive() {
    for (bytes, records, reject) in [
        (&br#"{"a":1,"b":{"x":2}{"c":3}{"d":4}"#[..], vec![r#"{"c":3}"#, r#"{"d":4}"#], &br#"{"a":1,"b":{"x":2}"#[..]),
        (b"{\"a\":\"cut\n{\"c\":3}{\"d\":4}", vec![r#"{"c":3}"#, r#"{"d":4}"#], b"{\"a\":\"cut\n"),
        (br#"xyz{"c":3}"#, vec![r#"{"c":3}"#], b"xyz"),
        (br#"{"a":1}}{"c":3}"#, vec![r#"{"a":1}"#, r#"{"c":3}"#], b"}"),
        (br#"{"a":[1}{"c":3}"#, vec![r#"{"c":3}"#], br#"{"a":[1}"#),
        (br#"{"a":bad,"l":[{"x":1},{"y":2}]}{"c":3}"#, vec![r#"{"c":3}"#], br#"{"a":bad,"l":[{"x":1},{"y":2}]}"#),
        (
            b"{\n \"a\": bad,\n \"b\": {\"x\":1}\n}\n{\"c\":3}",
            vec![r#"{"c":3}"#],
            b"{\n \"a\": bad,\n \"b\": {\"x\":1}\n}",
        ),
        (br#"{"c":3}{"d":"#, vec![r#"{"c":3}"#], br#"{"d":"#),
        (br#"nil{"c":3}"#, vec![r#"{"c":3}"#], b"nil"),
    ] {
        let seen = read(bytes, Framing::Concatenated);
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(seen.texts(), records, "{text}");
        assert_eq!(seen.reasons(), [reason::NOT_JSON], "{text}");
        assert_eq!(seen.rejects[0].raw, reject, "{text}: {}", String::from_utf8_lossy(&seen.rejects[0].raw));
    }
}

#[test]
fn a_record_may_be_as_long_as_the_limit_and_no_longer() {
    for (bytes, framing) in [
        (&b"0123456789\r\n01234567\r\n{\"a\":12}\n"[..], Framing::Lines),
        (br#"{"a":"345"}{"a":12}"012345""#, Framing::Concatenated),
        (br#"[{"a":"345"},{"a":12},"012345","0123456"]"#, Framing::Array),
    ] {
        let seen = read_with(bytes, &config(framing), &limits(8));
        assert_eq!(seen.records.len(), 2, "{framing:?}");
        assert!(!seen.rejects.is_empty());
        assert!(seen.reasons().iter().all(|reason| *reason == reason::RECORD_TOO_LONG), "{framing:?}");
    }
}

#[test]
fn deep_nesting_is_one_dead_letter() {
    let mut bytes = "[".repeat(100_000);
    bytes.push_str(&"]".repeat(100_000));
    let concatenated = format!("{bytes}{{\"a\":1}}");
    let seen = read(concatenated.as_bytes(), Framing::Concatenated);
    assert_eq!((seen.texts(), seen.reasons()), (vec![r#"{"a":1}"#], vec![reason::TOO_DEEP]));
    assert_eq!(seen.rejects[0].raw.len(), 200_000);
    let unclosed = format!("{}\n{{\"a\":1}}", r#"{"x":"#.repeat(100_000));
    let seen = read(unclosed.as_bytes(), Framing::Concatenated);
    assert_eq!((seen.texts(), seen.reasons()), (vec![r#"{"a":1}"#], vec![reason::TOO_DEEP]));
    let seen = read(format!("[1,{bytes},2]").as_bytes(), Framing::Array);
    assert_eq!((seen.texts(), seen.reasons()), (vec!["1", "2"], vec![reason::TOO_DEEP]));
}

/// Gives `length` bytes of `byte` without holding them.
fn many(byte: u8, length: u64) -> impl Read {
    io::repeat(byte).take(length)
}

#[test]
fn a_line_of_100_mb_costs_one_dead_letter_and_no_neighbour() {
    let mut input = (&b"before\n"[..]).chain(many(b'x', 100_000_000)).chain(&b"\nafter\n"[..]);
    let seen = try_read(&mut input, &config(Framing::Lines), &limits(1 << 20), 1 << 18).unwrap();
    assert_eq!(seen.texts(), ["before", "after"]);
    assert_eq!(seen.reasons(), [reason::RECORD_TOO_LONG]);
    let reject = &seen.rejects[0];
    assert_eq!(reject.address.as_ref().unwrap().length, 100_000_000);
    assert!(reject.truncated && reject.raw.len() <= 1 << 20);
    let mut input = (&b"{\"a\":\""[..]).chain(many(b'x', 100_000_000)).chain(&b"\"}{\"b\":1}"[..]);
    let seen = try_read(&mut input, &config(Framing::Concatenated), &limits(1 << 20), 1 << 18).unwrap();
    assert_eq!((seen.texts(), seen.reasons()), (vec![r#"{"b":1}"#], vec![reason::RECORD_TOO_LONG]));
}

#[test]
fn the_visitor_stops_the_reading_at_once() {
    let mut calls = 0;
    let mut visit = |_: Frame<'_>| {
        calls += 1;
        if calls == 2 { Err(Error::internal("enough")) } else { Ok(()) }
    };
    let mut input = &b"1\n2\n3\n"[..];
    let result = read_in_blocks(&mut input, &object(), &config(Framing::Lines), &limits(99), &mut visit, 64);
    assert!(result.is_err_and(|error| error.to_string() == "enough"));
    assert_eq!(calls, 2);
}

/// Pieces that make both sound and broken streams, for every framing.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        "\\\"",
        ",",
        ":",
        "\n",
        "\r\n",
        "\r",
        " ",
        "x",
        "1",
        "-2.5",
        "true",
        "null",
        "{\"a\":1}",
        "{\"a\":[1,{\"b\":\"}{\"}]}",
        "[1,2]",
        "\"text\"",
        "é",
        "\0",
        "a longer stretch of text",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn frames_do_not_depend_on_blocks(bytes in pieces(), most in 1u64..60, depth in 1u32..5) {
        let limits = LimitsConfig { depth, ..limits(most) };
        for framing in ALL {
            let expected = try_read(&mut &*bytes, &config(framing), &limits, 4096).unwrap();
            for block in [1, 7] {
                let seen = try_read(&mut &*bytes, &config(framing), &limits, block).unwrap();
                prop_assert_eq!(&seen, &expected, "{:?} block {}", framing, block);
            }
        }
    }

    #[test]
    fn every_byte_that_is_no_separator_is_in_one_frame(bytes in pieces(), most in 1u64..60) {
        for framing in [Framing::Lines, Framing::Concatenated] {
            let seen = try_read(&mut &*bytes, &config(framing), &limits(most), 4096).unwrap();
            let records = seen.records.iter().map(|(offset, _, bytes)| (*offset, bytes.len() as u64));
            let rejects = seen.rejects.iter().map(|reject| {
                let address = reject.address.as_ref().unwrap();
                (address.offset, address.length)
            });
            let mut spans: Vec<_> = records.chain(rejects).collect();
            spans.sort_unstable();
            let mut at = 0;
            for (offset, length) in spans {
                prop_assert!(offset >= at, "frames overlap at {}", offset);
                prop_assert!(bytes[at as usize..offset as usize].iter().all(u8::is_ascii_whitespace));
                at = offset + length;
            }
            prop_assert!(bytes[at as usize..].iter().all(u8::is_ascii_whitespace));
        }
    }

    #[test]
    fn sound_values_are_all_found(values in prop::collection::vec("[a-z{}\\[\\],:\"\\\\é]{0,12}", 0..20)) {
        let values: Vec<String> = values.iter()
            .map(|text| serde_json::json!({ "k": [text, 1, null], text.clone(): {} }).to_string())
            .collect();
        let seen = read(values.concat().as_bytes(), Framing::Concatenated);
        prop_assert_eq!(seen.texts(), values.iter().map(String::as_str).collect::<Vec<_>>());
        let seen = read(format!("[{}]", values.join(" , ")).as_bytes(), Framing::Array);
        prop_assert_eq!(seen.texts(), values.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert!(seen.rejects.is_empty());
    }
}

#[test]
fn byte_order_marks_are_passed_over_wherever_a_record_begins() {
    const MARK: &str = "\u{feff}";
    let joined = format!("{MARK}{{\"a\":1}}\n{MARK}{MARK}{{\"b\":2}}\r\n{MARK}\n{{\"c\":\"{MARK}\"}}{MARK}");
    let seen = read(joined.as_bytes(), Framing::Lines);
    let last = format!("{{\"c\":\"{MARK}\"}}{MARK}");
    assert_eq!(seen.texts(), ["{\"a\":1}", "{\"b\":2}", &last], "inside a line it is the line's own");
    assert_eq!(seen.records[1].0, 3 + 8 + 6, "the address is that of the record");
    let values = format!("{MARK}{{\"a\":1}}{MARK}{{\"b\":2}}\n{MARK} 3 {MARK}");
    for block in [1, 2, 3, 5, 4_096] {
        let limits = LimitsConfig::default();
        let seen = try_read(&mut values.as_bytes(), &config(Framing::Concatenated), &limits, block).unwrap();
        assert_eq!((seen.texts(), seen.reasons()), (vec!["{\"a\":1}", "{\"b\":2}", "3"], vec![]), "{block}");
        let array = format!("{MARK}[{MARK}1,\n{MARK}2{MARK}]\n{MARK}");
        let seen = try_read(&mut array.as_bytes(), &config(Framing::Array), &limits, block).unwrap();
        assert_eq!((seen.texts(), seen.reasons()), (vec!["1", "2"], vec![]), "{block}");
        // Parts of a mark are bytes that are no value.
        let seen = try_read(&mut &b"1 \xEF\xBB2\n3 \xEF"[..], &config(Framing::Concatenated), &limits, block).unwrap();
        assert_eq!((seen.texts(), seen.rejects.len()), (vec!["1", "3"], 2), "{block}: {:?}", seen.rejects);
        assert_eq!(seen.rejects[0].raw, b"\xEF\xBB2\n");
        assert_eq!(seen.rejects[1].raw, b"\xEF");
    }
    let seen = read(format!("\n{MARK} {{\"a\":\n1}} ").as_bytes(), Framing::Document);
    assert_eq!(seen.texts(), ["{\"a\":\n1}"]);
}
