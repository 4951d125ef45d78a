use super::*;

fn host(text: &str) -> Result<Option<&str>, UriFault> {
    parse_uri(text).map(|parts| parts.host)
}

/// What `new URI(…)` says of each, checked on a Java 17 runtime.
#[test]
fn hosts_are_found_as_java_finds_them() {
    let found = [
        ("https://www.example.com/", "www.example.com"),
        ("HTTP://User:pw@Example.com:80?x", "Example.com"),
        ("https://h:/p", "h"),
        ("https://example.com./p", "example.com."),
        ("https://1.2.3.4:8080/", "1.2.3.4"),
        ("https://001.2.3.4/", "001.2.3.4"),
        ("https://1.2.3.a1/", "1.2.3.a1"),
        ("https://123/", "123"),
        ("https://a--b.c/", "a--b.c"),
        ("https://[::]/", "[::]"),
        ("https://[1:2:3:4:5:6:7:8]/", "[1:2:3:4:5:6:7:8]"),
        ("https://[::ffff:1.2.3.4]/", "[::ffff:1.2.3.4]"),
        ("https://[fe80::1%25eth0]/", "[fe80::1%25eth0]"),
        ("https://[fe80::1%eth0]:8/", "[fe80::1%eth0]"),
        ("//h/p", "h"),
    ];
    for (text, expected) in found {
        assert_eq!(host(text), Ok(Some(expected)), "{text}");
    }
}

#[test]
fn other_authorities_have_no_host() {
    for text in [
        "https://my_host/",
        "https://a..b/",
        "https://-a/",
        "https://a-/",
        "https://a.1b/",
        "https://1.2.3.4.5/",
        "https://256.2.3.4/",
        "https://h:x/",
        "https://h:99999999999/",
        "https://h%41/",
        "https://中文/",
        "https://a@/",
        "https://:80/",
        "file:///etc",
        "https://?a=b",
        "mailto:a@b",
        "path?q",
        "https://a@b@c/",
        "https://a;b/",
    ] {
        assert_eq!(host(text), Ok(None), "{text}");
    }
}

#[test]
fn illegal_characters_are_told_from_missing_parts() {
    for text in [
        "https://h/a b",
        "https://h/%",
        "https://h/%2",
        "https://h/%zz",
        "https://h/\"",
        "https://h/[",
        "https://h?a^",
        "https://h#a#b",
        "https://h/\u{A0}",
        "https://h/\u{3000}",
        "https://h/\u{7F}",
        "https://h/\0",
        "https://h%zz/",
        "1a://h",
        "a b://h",
        "https://h <",
        "https://[::1%e-]/",
        "https://a]b/",
        "https://h/\u{85}",
    ] {
        assert_eq!(parse_uri(text), Err(UriFault::Character), "{text:?}");
    }
    for text in [
        "https://",
        "://h",
        ":",
        "a:",
        "https://[",
        "https://[]/",
        "https://[::1",
        "https://[::1]x/",
        "https://[1:2]/",
        "https://[1::2::3]/",
        "https://[12345::]/",
        "https://[::1%]/",
        "https://[1:2:3:4:5:6:7:8:9]/",
        "https://[::1.2.3]/",
        "https://[g::]/",
        "https://[:1]/",
        "https://[1:2:3:4:5:6:7::8]/",
    ] {
        assert_eq!(parse_uri(text), Err(UriFault::Structure), "{text:?}");
    }
}

#[test]
fn parts_are_given_as_written() {
    let parts = parse_uri("a+b.1:/p%41/中;x?q=[1]&%42#frag?").unwrap();
    assert_eq!(parts, UriParts { host: None, path: Some("/p%41/中;x"), query: Some("q=[1]&%42") });
    assert_eq!(parse_uri("https://h").unwrap().path, Some(""));
    assert_eq!(parse_uri("https://h?").unwrap().query, Some(""));
    assert_eq!(parse_uri("mailto:x").unwrap(), UriParts::default());
    assert_eq!(parse_uri("").unwrap().path, Some(""));
}
