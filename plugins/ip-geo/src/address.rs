//! Which address of a text is looked up, if any.

use crate::config::Compat;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address is at most 45 characters, 53 with brackets and port. What is longer is none.
pub(crate) const MAX_ADDRESS: usize = 64;

/// The part of the column that decides: of a list the first public address, since proxies inside of networks put theirs in
/// front; the first part when it has none. The reference takes the first part as it stands.
pub(crate) fn of_list(text: &str, compat: Compat) -> &str {
    let first = text.split(',').next().unwrap_or_default();
    if compat == Compat::Reference {
        return first;
    }
    if first.len() == text.len() {
        return text.trim();
    }
    let is_wanted = |part: &&str| part.len() <= MAX_ADDRESS && parse(part, compat).is_some_and(is_public);
    text.split(',').map(str::trim).find(is_wanted).unwrap_or(first.trim())
}

/// Reads an address. A host name is no address; it is never resolved.
pub(crate) fn parse(text: &str, compat: Compat) -> Option<IpAddr> {
    match compat {
        Compat::Default => parse_usual(text),
        Compat::Reference => parse_as_java(text),
    }
}

/// `InetAddress.getByName` without a look-up of names: four numbers or fewer, of which the last fills what is left, and IPv6
/// with or without brackets, but no blanks and no port.
fn parse_as_java(text: &str) -> Option<IpAddr> {
    if let Some(address) = ipv4_of_numbers(text) {
        return Some(IpAddr::V4(address));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse::<Ipv6Addr>().ok().map(|address| IpAddr::V6(address).to_canonical())
}

/// `1.2.3` is 1.2.0.3, and `134744072` is 8.8.8.8.
fn ipv4_of_numbers(text: &str) -> Option<Ipv4Addr> {
    if text.len() > 15 || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let numbers: Vec<u64> = text.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let (last, before) = numbers.split_last()?;
    let left = 4_u32.checked_sub(before.len() as u32).filter(|left| *left > 0)?;
    if before.iter().any(|number| *number > 255) || *last >= 1 << (8 * left) {
        return None;
    }
    let high = before.iter().fold(0, |all, number| all << 8 | number);
    Some(Ipv4Addr::from_bits((high << (8 * left) | last) as u32))
}

/// Reads `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]`, and both with `:port`. An IPv4 address in IPv6 clothing is the IPv4
/// address.
fn parse_usual(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let bare = text.strip_prefix('[')?.strip_suffix(']')?;
    bare.parse::<Ipv6Addr>().ok().map(|address| IpAddr::V6(address).to_canonical())
}

/// Whether the address can have a place on the map. Private, local, shared, reserved and multicast ones cannot, nor those of
/// measurements; those of documentation can in the databases that tests use. By IANA's registries of special addresses
/// (RFC 6890).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || is_special(address))
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || is_site_local(address)
                || address.is_multicast())
        }
    }
}

/// "This network" 0.0.0.0/8, behind carriers' NAT 100.64.0.0/10 (RFC 6598), protocols 192.0.0.0/24, measurements
/// 198.18.0.0/15 (RFC 2544), reserved 240.0.0.0/4.
fn is_special(address: Ipv4Addr) -> bool {
    matches!(address.octets(), [0 | 240..=255, ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18..=19, ..])
}

/// What private networks used before unique local addresses, `fec0::/10` (RFC 3879).
fn is_site_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfec0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<IpAddr> {
        super::parse(text, Compat::Default)
    }

    #[test]
    fn every_usual_spelling_is_read() {
        let v4 = IpAddr::from([81, 2, 69, 142]);
        for text in ["81.2.69.142", "81.2.69.142:443", "::ffff:81.2.69.142", "[::ffff:81.2.69.142]:80"] {
            assert_eq!(parse(text), Some(v4), "{text}");
        }
        let v6: IpAddr = "2001:218::1".parse().unwrap();
        for text in ["2001:218::1", "[2001:218::1]", "[2001:218::1]:8443", "2001:0218:0:0::0001"] {
            assert_eq!(parse(text), Some(v6), "{text}");
        }
        for text in
            ["", "unknown", "localhost", "example.com", "1.2.3", "1.2.3.4.5", "999.1.1.1", "[1.2.3.4", "::g", "\0"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_first_public_address_of_a_list_counts_and_in_the_reference_the_first_part() {
        for (text, default, reference) in [
            (" 81.2.69.142 , 10.0.0.1", "81.2.69.142", " 81.2.69.142 "),
            ("10.0.0.1, 81.2.69.142, 9.9.9.9", "81.2.69.142", "10.0.0.1"),
            ("unknown,fd00::1,[2001:218::1]:443,9.9.9.9", "[2001:218::1]:443", "unknown"),
            (",81.2.69.142", "81.2.69.142", ""),
            ("10.0.0.1, 192.168.1.1", "10.0.0.1", "10.0.0.1"),
            ("", "", ""),
        ] {
            assert_eq!(of_list(text, Compat::Default), default, "{text}");
            assert_eq!(of_list(text, Compat::Reference), reference, "{text}");
        }
    }

    #[test]
    fn the_reference_reads_what_java_reads() {
        let v4 = |text: &str| text.parse::<IpAddr>().ok();
        for (text, address) in [
            ("8.8.8.8", v4("8.8.8.8")),
            ("1.2.3", v4("1.2.0.3")),
            ("1.515", v4("1.0.2.3")),
            ("134744072", v4("8.8.8.8")),
            ("008.08.8.8", v4("8.8.8.8")),
            ("::ffff:8.8.8.8", v4("8.8.8.8")),
            ("[2001:218::1]", v4("2001:218::1")),
            (" 8.8.8.8", None),
            ("8.8.8.8:443", None),
            ("[2001:218::1]:443", None),
            ("4294967296", None),
            ("1.2.3.256", None),
            ("256.1", None),
            ("1.2.3.4.5", None),
            ("1..2", None),
            ("1.", None),
            ("", None),
            ("localhost", None),
        ] {
            assert_eq!(super::parse(text, Compat::Reference), address, "{text}");
        }
    }

    #[test]
    fn addresses_without_a_place_are_known() {
        for text in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "::1",
            "::",
            "0.1.2.3",
            "192.0.0.8",
            "198.18.0.1",
            "198.19.255.255",
            "240.0.0.1",
            "fec0::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(parse(text).unwrap()), "{text}");
        }
        for text in
            ["100.63.255.255", "100.128.0.0", "172.32.0.1", "192.0.1.1", "198.20.0.1", "81.2.69.142", "2001:218::1"]
        {
            assert!(is_public(parse(text).unwrap()), "{text}");
        }
    }
}
