use super::*;

const BOTH: [Compat; 2] = [Compat::Default, Compat::Reference];

/// Reads a URL that both read in one way.
fn same(text: &str) -> Url {
    let url = standard::parse(text);
    assert_eq!(url, reference::parse(text), "a URL without fault is read in one way");
    url
}

/// Host, path and query as both read them, the standard first.
fn both(text: &str) -> [(Option<String>, Option<String>, String); 2] {
    BOTH.map(|compat| {
        let url = parse_url(text, compat);
        let pairs = url.query.iter().map(|(key, values)| format!("{key}={}", join_values(values, compat)));
        let query = pairs.collect::<Vec<_>>().join("|");
        (url.host, url.path, query)
    })
}

fn hosts(text: &str) -> [Option<String>; 2] {
    both(text).map(|(host, _, _)| host)
}

fn owned(text: &str) -> String {
    text.to_owned()
}

#[test]
fn a_plain_url_is_taken_apart() {
    let url = same("https://www.example.com:8080/a%20b/c?x=1&y=%E4%B8%AD#top");
    assert_eq!(url.host.as_deref(), Some("www.example.com"));
    assert_eq!(url.path.as_deref(), Some("/a b/c"));
    assert_eq!(url.query, [("x".into(), vec![Some(owned("1"))]), ("y".into(), vec![Some(owned("中"))])]);
}

#[test]
fn a_bare_host_has_an_empty_path() {
    assert_eq!(same("https://h"), Url { host: Some(owned("h")), path: Some(String::new()), ..Url::default() });
    assert_eq!(same("h"), same("https://h"));
    assert_eq!(same("https://h?a=1").path.as_deref(), Some(""));
    assert_eq!(same("https://h/").path.as_deref(), Some("/"));
}

#[test]
fn the_reference_looks_for_a_scheme_near_the_start() {
    assert_eq!(same("a.com?u=https://b.com").host.as_deref(), Some("a.com"));
    assert_eq!(same("android-app://x.y/z").host.as_deref(), Some("x.y"), "fourteen characters");
    assert_eq!(same("abcdefghijkl://x.y/z").host.as_deref(), Some("x.y"), "fifteen");
    assert_eq!(
        hosts("abcdefghijklm://x.y/z"),
        [Some(owned("x.y")), Some(owned("abcdefghijklm"))],
        "sixteen: an empty port"
    );
    assert_eq!(hosts("chrome-extension://abc/p"), [Some(owned("abc")), Some(owned("chrome-extension"))]);
}

#[test]
fn hosts_are_those_of_browsers_and_in_the_reference_server_style_alone() {
    for (text, standard, reference) in [
        ("https://my_host.example/p", Some("my_host.example"), None),
        ("https://ho%73t/p", Some("host"), None),
        ("https://m\u{fc}ller.example/p", Some("xn--mller-kva.example"), None),
        ("https://M\u{dc}LLER.example/p", Some("xn--mller-kva.example"), None),
        ("HTTPS://WWW.Example.COM/p", Some("www.example.com"), Some("WWW.Example.COM")),
        ("Example.COM/p", Some("example.com"), Some("Example.COM")),
        (" \n https://h.example/p \t", Some("h.example"), None),
        ("https://h.exa\tmple/p", Some("h.example"), None),
        ("https:\\\\h.example\\p", Some("h.example"), None),
        ("//h.example/p", Some("h.example"), None),
        ("https:/h.example/p", Some("h.example"), Some("https")),
        ("https://user:pass@h.example/p", Some("h.example"), Some("h.example")),
        ("https://[::1]:80/p", Some("[::1]"), Some("[::1]")),
        ("https://0x7f.1/p", Some("127.0.0.1"), None),
        ("h.example:8443/p", Some("h.example"), Some("h.example")),
        ("localhost:3000", Some("localhost"), Some("localhost")),
        ("myapp:/open", None, Some("myapp")),
        ("C:\\x\\y", None, None),
        ("https://host:port/p", None, None),
        ("https://ho st/p", None, None),
        ("/p", None, None),
    ] {
        assert_eq!(hosts(text), [standard, reference].map(|host| host.map(str::to_owned)), "{text}");
    }
    for opaque in ["mailto:x@h.example", "about:blank", "javascript:void(0)", "mailto:x://y"] {
        assert_eq!(standard::parse(opaque), Url::default(), "{opaque}");
    }
}

#[test]
fn path_and_query_count_without_a_host() {
    for (text, path, query) in [
        ("https://ho st/p?a=1", Some("/p"), "a=1"),
        ("https://host:port?a=1", None, "a=1"),
        ("https://ho st//h.example/p", Some("//h.example/p"), ""),
        ("myapp:/open?a=1", Some("/open"), "a=1"),
        ("/a/b?a=1#c", Some("/a/b"), "a=1"),
        ("?a=1", None, "a=1"),
        ("shop:open?a=1", None, "a=1"),
        ("file:///C:/x", Some("/C:/x"), ""),
    ] {
        let [(host, found, pairs), _] = both(text);
        assert_eq!((host, found.as_deref(), pairs.as_str()), (None, path, query), "{text}");
    }
}

#[test]
fn nothing_comes_of_what_is_no_url() {
    for text in ["", "https://", "://", "://x", "a b/\"", "a b://x", "\n"] {
        assert_eq!(same(text), Url::default(), "{text:?}");
    }
    assert_eq!(same("https://a.com/?u=https://b.com").host.as_deref(), Some("a.com"), "a second scheme is no fault");
}

#[test]
fn a_query_keeps_keys_without_values() {
    let [standard, reference] = both("https://h/?a&b=&=c&a=1&d=x=y").map(|(_, _, query)| query);
    assert_eq!(standard, "a=1|b=|=c|d=x=y");
    assert_eq!(reference, "a=null,1|b=null|=c=null|d=x=y");
    let url = same("https://h/?a&a=1&d=x=y");
    assert_eq!(url.first_value("a"), None, "the first value is the one that counts");
    assert_eq!(url.first_value("d"), Some("x=y"));
    assert!(!url.ends_in_repeat && same("https://h/?a&d&a=1").ends_in_repeat);
}

#[test]
fn empty_pieces_count_in_the_reference_unless_they_end_the_query() {
    let keys = |text: &str, compat| parse_url(text, compat).query.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    for (text, standard, reference) in [
        ("https://h/?a&&b&&", &["a", "b"][..], &["a", "", "b"][..]),
        ("https://h/?&a", &["a"], &["", "a"]),
        ("https://h/?&", &[], &[]),
        ("https://h/?", &[], &[""]),
        ("https://h/", &[], &[]),
    ] {
        assert_eq!(keys(text, Compat::Default), standard, "{text}");
        assert_eq!(keys(text, Compat::Reference), reference, "{text}");
    }
}

#[test]
fn queries_are_split_and_then_decoded_once_and_in_the_reference_first_and_twice() {
    for (query, standard, reference) in [
        ("k%2520=v%2520w%252B", "k%20=v%20w%2B", "k%20=v w+"),
        ("a=1%26b=2", "a=1&b=2", "a=1|b=2"),
        ("a=H%26M", "a=H&M", "a=H|M=null"),
        ("a=50%25+off", "a=50% off", "a=50%+off"),
        ("a=x%3Dy%23z&b=%2B", "a=x=y#z|b=+", "a=x=y#z|b= "),
        ("a%3Db=c", "a=b=c", "a=b=c"),
        ("q=C%2B%2B", "q=C++", "q=C  "),
        ("q=%E4%B8%AD+%FF", "q=中 \u{fffd}", "q=中 \u{fffd}"),
    ] {
        let [one, other] = both(&format!("https://h/?{query}")).map(|(_, _, query)| query);
        assert_eq!((one.as_str(), other.as_str()), (standard, reference), "{query}");
    }
}

#[test]
fn many_parameters_keep_their_order() {
    let pieces: Vec<String> = (0..5_000).map(|number| format!("k{}={number}", number % 2_500)).collect();
    let url = same(&format!("https://h/?{}", pieces.join("&")));
    assert_eq!(url.query.len(), 2_500);
    assert_eq!(url.query[2_499], ("k2499".into(), vec![Some(owned("2499")), Some(owned("4999"))]));
}

#[test]
fn a_rewrite_rescues_path_and_query() {
    let text = "https://www.example.com/keyword/太古 食乜^$@()[- #]%好/";
    let [ours, reference] = BOTH.map(|compat| parse_url(text, compat));
    assert_eq!(ours.path.as_deref(), Some("/keyword/太古 食乜^$@()[- "), "then the fragment");
    assert_eq!(reference.path.as_deref(), Some("/keyword/太古 食乜%5E%24%40()%5B- %23%5D%好/"), "escaped twice");
    for url in [ours, reference] {
        assert_eq!(url.host.as_deref(), Some("www.example.com"));
    }
    let url = same("https://www.example.com/?a={1}&b=x/y-z");
    assert_eq!(url.first_value("a"), Some("{1}"));
    assert_eq!(url.first_value("b"), Some("x/y-z"));
}

#[test]
fn characters_that_a_url_may_not_hold_are_those_they_are() {
    let read = |text: &str| parse_url(text, Compat::Default);
    let url = read("https://my-host.com:8080/a b/[c]?q=100%&x=%41|y&z=[1]#a#b c");
    assert_eq!(url.host.as_deref(), Some("my-host.com"));
    assert_eq!(url.path.as_deref(), Some("/a b/[c]"));
    let query: Vec<_> = url.query.iter().map(|(key, _)| (key.as_str(), url.first_value(key).unwrap())).collect();
    assert_eq!(query, [("q", "100%"), ("x", "A|y"), ("z", "[1]")]);
    assert_eq!(read("https://h/a\u{7f}\u{a0}b").path.as_deref(), Some("/a\u{7f}\u{a0}b"));
    let text = "a.com/%zz?utm_source=news letter";
    assert_eq!(read(text).first_value("utm_source"), Some("news letter"));
    assert_eq!(read(text).path.as_deref(), Some("/%zz"));
}

#[test]
fn the_rewrite_of_the_reference_destroys_hosts_with_hyphens_and_ports() {
    assert_eq!(hosts("https://my-host.com/a b"), [Some(owned("my-host.com")), None]);
    let [ours, reference] = both("https://host.com:80/a b");
    assert_eq!((ours.0.as_deref(), reference.0), (Some("host.com"), None));
    assert_eq!((ours.1.as_deref(), reference.1.as_deref()), (Some("/a b"), Some("/a b")));
}

#[test]
fn sites_have_one_spelling() {
    for (text, host, key) in [
        ("https://WWW.Example.com/A?q=1", "www.example.com", "www.example.com/A?q=1"),
        ("example.com:80/a", "example.com", "example.com/a"),
        ("https://example.com", "example.com", "example.com"),
        ("https://u@example.com/?u=https://b.example", "example.com", "example.com/?u=https://b.example"),
    ] {
        assert_eq!(site_key(text, Some(host)), key);
    }
    assert_eq!(site_key("https://a b/c", None), "a b/c");
    assert_eq!(
        (host_of("M\u{fc}ller.example"), host_of(" A.b "), host_of("a b")),
        ("xn--mller-kva.example".into(), "a.b".into(), "a b".into())
    );
}
