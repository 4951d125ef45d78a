//! Which address of a text is looked up, if any.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The part of the column that decides: what is before the first comma, trimmed.
pub(crate) fn first_of_list(text: &str) -> &str {
    text.split(',').next().unwrap_or_default().trim()
}

/// Reads `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]`, and both with `:port`. A host name is no address; it is never
/// resolved. An IPv4 address in IPv6 clothing is the IPv4 address.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let bare = text.strip_prefix('[')?.strip_suffix(']')?;
    bare.parse::<Ipv6Addr>().ok().map(|address| IpAddr::V6(address).to_canonical())
}

/// Whether the address can have a place on the map: private, local, shared and multicast ones cannot.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || address.is_multicast()
                || is_shared(address))
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_multicast())
        }
    }
}

/// Addresses behind carriers' NAT, 100.64.0.0/10 (RFC 6598).
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0b1100_0000 == 64
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_first_of_a_list_counts() {
        assert_eq!(first_of_list(" 81.2.69.142 , 10.0.0.1"), "81.2.69.142");
        assert_eq!(first_of_list(",81.2.69.142"), "");
        assert_eq!(first_of_list(""), "");
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
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(parse(text).unwrap()), "{text}");
        }
        for text in ["100.63.255.255", "100.128.0.0", "172.32.0.1", "81.2.69.142", "2001:218::1"] {
            assert!(is_public(parse(text).unwrap()), "{text}");
        }
    }
}
