use super::*;

fn whole(text: &str) -> Result<Token, Fault> {
    let mut reader = Reader::new(text, 200);
    let token = reader.value()?;
    reader.end()?;
    Ok(token)
}

#[test]
fn agrees_with_serde_json_on_what_is_json() {
    let cases = [
        "1",
        "-0.5e+3",
        "01",
        "1.",
        ".5",
        "-",
        "1e",
        "true",
        "tru",
        "nul",
        "null",
        "\"\"",
        "\"a\\u00e9\\n\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"a",
        "\"a\u{1}b\"",
        "[]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\":1}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":{\"b\":[1,{\"c\":null}]}}",
        "[[[[]]]]",
        "[}",
        "{]",
        "",
        "  ",
        "1 1",
        " [ 1 , 2 ] ",
        "\u{feff}1",
        "NaN",
        "{\"a\":\"12345678901234567890\\\"\"}",
        "[\"\\ud83d\\ude00\"]",
        "{\"k\":[{},{}],\"l\":{}}",
    ];
    for text in cases {
        assert_eq!(whole(text).is_ok(), serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
    }
}

#[test]
fn strings_decode_as_written() {
    let mut scratch = String::new();
    for (text, value) in [
        (r#""plain""#, "plain"),
        (r#""a\/b\\\"\b\f\n\r\tA\u0000""#, "a/b\\\"\u{8}\u{c}\n\r\tA\u{0}"),
        (r#""\ud83d\ude00!""#, "\u{1f600}!"),
        (r#""\ud83d.\ude00\ud83d\u0041""#, "?.??A"),
        ("'it is \"quoted\"'", "it is \"quoted\""),
    ] {
        let token = whole(text).unwrap();
        assert_eq!(token.decode(text, &mut scratch), value, "{text}");
    }
}

#[test]
fn entering_and_taking_whole_see_the_same_values() {
    let text = r#" {"a" : 1, "b":[true, {"x":"y"}], "c":null} "#;
    let mut reader = Reader::new(text, 3);
    reader.enter().unwrap();
    let mut seen = Vec::new();
    let mut first = true;
    while let Some(key) = reader.next_key(&mut first).unwrap() {
        let value = reader.value().unwrap();
        seen.push((key.raw(text), value.kind, value.raw(text)));
    }
    reader.end().unwrap();
    assert_eq!(seen, [("a", Kind::Number, "1"), ("b", Kind::Array, r#"[true, {"x":"y"}]"#), ("c", Kind::Null, "null")]);
}

#[test]
fn a_value_that_is_too_deep_can_be_passed() {
    let text = format!("[1,{}{},2]", "[".repeat(100_000), "]".repeat(100_000));
    let mut reader = Reader::new(&text, 200);
    let mut first = true;
    reader.enter().unwrap();
    assert!(reader.next_element(&mut first).unwrap());
    reader.value().unwrap();
    assert!(reader.next_element(&mut first).unwrap());
    let mut again = reader.clone();
    assert!(reader.value().is_err());
    assert_eq!(again.value_at_any_depth().unwrap().raw(&text).len(), 200_000);
    assert!(again.next_element(&mut first).unwrap());
    assert_eq!(again.value().unwrap().raw(&text), "2");
    assert!(!again.next_element(&mut first).unwrap());
    assert!(again.end().is_ok());
}

#[test]
fn depth_is_bounded_without_recursion() {
    let deep = |levels: usize| format!("{}{}", "[{\"a\":".repeat(levels), "1".to_owned() + &"}]".repeat(levels));
    assert!(whole(&deep(100)).is_ok(), "200 levels");
    let fault = whole(&deep(101)).unwrap_err();
    assert_eq!(fault.reason, "nested deeper than the limit");
    assert!(whole(&"[".repeat(1_000_000)).is_err());
    let mut reader = Reader::new("", 100_000);
    assert!(reader.value().is_err());
    let text = deep(40_000);
    assert!(Reader::new(&text, 100_000).value().is_ok());
}

#[test]
fn string_scan_finds_the_first_stop_at_every_distance() {
    for length in 0..40 {
        for stop in ["\"", "\\n\"", "\u{1}"] {
            let text = format!("\"{}é{stop}", "x".repeat(length));
            let found = plain_end(text.as_bytes(), 1, b'"');
            assert_eq!(found, 1 + length + 2, "{length} {stop:?}");
        }
    }
}
