//! What `java.net.URI` accepts, and how it takes a URI apart (RFC 2396 and 2732 with the deviations it documents).

/// The parts of a URI, as they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UriParts<'a> {
    /// Only of a server-style authority: a host name of letters, digits and inner hyphens, an IPv4 address, or an
    /// IPv6 address in brackets. Any other authority has no host.
    pub host: Option<&'a str>,
    /// Empty after a bare authority; `None` for an opaque URI (`mailto:…`).
    pub path: Option<&'a str>,
    /// What follows the first `?`, without the fragment.
    pub query: Option<&'a str>,
}

/// Why a text is not a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriFault {
    /// An illegal character or a malformed escape: escaping may help.
    Character,
    /// A part is missing or malformed.
    Structure,
}

/// A set of ASCII characters.
#[derive(Clone, Copy)]
struct Class {
    ascii: u128,
    /// Whether `%XX` and visible characters beyond ASCII are in it too.
    escapes: bool,
}

impl Class {
    const fn of(characters: &[u8], escapes: bool) -> Self {
        let mut ascii = 0;
        let mut at = 0;
        while at < characters.len() {
            ascii |= 1 << characters[at];
            at += 1;
        }
        Self { ascii, escapes }
    }

    const fn and(self, more: &[u8]) -> Self {
        Self { ascii: self.ascii | Self::of(more, false).ascii, escapes: self.escapes }
    }

    fn has(self, byte: u8) -> bool {
        byte < 128 && self.ascii >> byte & 1 == 1
    }
}

const DIGIT: Class = Class::of(b"0123456789", false);
const HEX: Class = DIGIT.and(b"abcdefABCDEF");
const ALPHA: Class = Class::of(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", false);
const ALPHANUM: Class = ALPHA.and(b"0123456789");
const LABEL: Class = ALPHANUM.and(b"-");
const SCHEME: Class = ALPHANUM.and(b"+-.");
const SCOPE: Class = ALPHANUM.and(b"_.");
const UNRESERVED: Class = Class { escapes: true, ..ALPHANUM }.and(b"-_.!~*'()");
const USER_INFO: Class = UNRESERVED.and(b";:&=+$,");
const SERVER: Class = USER_INFO.and(b".:@[]-");
const SERVER_PERCENT: Class = SERVER.and(b"%");
const REGISTRY: Class = UNRESERVED.and(b"$,;:@&=+");
const PATH: Class = UNRESERVED.and(b":@&=+$,;/");
const URIC: Class = UNRESERVED.and(b";/?:@&=+$,[]");

/// Takes `text` apart as `new URI(text)` does.
pub fn parse_uri(text: &str) -> Result<UriParts<'_>, UriFault> {
    let parser = Parser { text, bytes: text.as_bytes() };
    let end = text.len();
    let delimiter = parser.find(0, end, b":/?#");
    if parser.bytes.get(delimiter) != Some(&b':') {
        return parser.hierarchical(0);
    }
    if delimiter == 0 {
        return Err(UriFault::Structure);
    }
    parser.check(0, 1, ALPHA)?;
    parser.check(1, delimiter, SCHEME)?;
    let start = delimiter + 1;
    if parser.bytes.get(start) == Some(&b'/') {
        return parser.hierarchical(start);
    }
    let hash = parser.find(start, end, b"#");
    if hash == start {
        return Err(UriFault::Structure);
    }
    parser.check(start, hash, URIC)?;
    parser.check(hash + 1, end, URIC)?;
    Ok(UriParts::default())
}

/// Positions are byte offsets; those that end a part are exclusive.
struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
}

impl<'a> Parser<'a> {
    /// `[//authority][path][?query][#fragment]`
    fn hierarchical(&self, start: usize) -> Result<UriParts<'a>, UriFault> {
        let end = self.bytes.len();
        let mut at = start;
        let mut host = None;
        if self.bytes[at..].starts_with(b"//") {
            at += 2;
            let stop = self.find(at, end, b"/?#");
            if stop > at {
                host = self.authority(at, stop)?;
                at = stop;
            } else if stop == end {
                return Err(UriFault::Structure);
            }
        }
        let stop = self.find(at, end, b"?#");
        self.check(at, stop, PATH)?;
        let path = Some(&self.text[at..stop]);
        at = stop;
        let mut query = None;
        if self.bytes.get(at) == Some(&b'?') {
            let stop = self.find(at + 1, end, b"#");
            self.check(at + 1, stop, URIC)?;
            query = Some(&self.text[at + 1..stop]);
            at = stop;
        }
        self.check(at + 1, end, URIC)?;
        Ok(UriParts { host, path, query })
    }

    /// The host, or `None` when the authority is of the registry kind.
    fn authority(&self, start: usize, end: usize) -> Result<Option<&'a str>, UriFault> {
        // A percent sign is let through for the scope of an IPv6 address, wherever it stands.
        let class = if self.bytes[start] == b']' { SERVER } else { SERVER_PERCENT };
        let server = self.scan(start, end, class)? == end;
        let registry = self.scan(start, end, REGISTRY)? == end;
        if !server {
            return if registry { Ok(None) } else { Err(UriFault::Character) };
        }
        match self.server(start, end) {
            Ok(host) => Ok(Some(host)),
            Err(_) if registry => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// `[user@]host[:port]`
    fn server(&self, start: usize, end: usize) -> Result<&'a str, UriFault> {
        let mut at = start;
        let sign = self.find(at, end, b"@");
        if sign < end {
            self.check(at, sign, USER_INFO)?;
            at = sign + 1;
        }
        let host_start = at;
        at = if at < end && self.bytes[at] == b'[' {
            self.bracketed_address(at, end)?
        } else if let Some(stop) = self.ipv4_host(at, end) {
            stop
        } else {
            self.host_name(at, end)?
        };
        let host = &self.text[host_start..at];
        if at == end {
            return Ok(host);
        }
        if self.bytes[at] != b':' {
            return Err(UriFault::Structure);
        }
        let port = &self.text[at + 1..end];
        self.check(at + 1, end, DIGIT)?;
        if !port.is_empty() && port.parse::<i32>().is_err() {
            return Err(UriFault::Structure);
        }
        Ok(host)
    }

    /// The end of `[address]` or `[address%scope]` at `start`.
    fn bracketed_address(&self, start: usize, end: usize) -> Result<usize, UriFault> {
        let bracket = self.find(start + 1, end, b"]");
        if bracket == end || bracket == start + 1 {
            return Err(UriFault::Structure);
        }
        let percent = self.find(start + 1, bracket, b"%");
        if percent + 1 == bracket || !is_ipv6(&self.text[start + 1..percent]) {
            return Err(UriFault::Structure);
        }
        self.check(percent + 1, bracket, SCOPE)?;
        Ok(bracket + 1)
    }

    /// The end of an IPv4 address that the authority or a port follows.
    fn ipv4_host(&self, start: usize, end: usize) -> Option<usize> {
        let length = self.bytes[start..end].iter().take_while(|&&byte| DIGIT.has(byte) || byte == b'.').count();
        let stop = start + length;
        let follows = stop == end || self.bytes[stop] == b':';
        (follows && is_ipv4(&self.text[start..stop])).then_some(stop)
    }

    /// The end of a host name: labels of letters, digits and inner hyphens; the last of several starts with a letter.
    fn host_name(&self, start: usize, end: usize) -> Result<usize, UriFault> {
        let mut at = start;
        let mut last_label = None;
        while at < end && ALPHANUM.has(self.bytes[at]) {
            last_label = Some(at);
            at = self.scan(at, end, LABEL)?;
            if self.bytes[at - 1] == b'-' {
                return Err(UriFault::Character);
            }
            if at == end || self.bytes[at] != b'.' {
                break;
            }
            at += 1;
        }
        if at < end && self.bytes[at] != b':' {
            return Err(UriFault::Character);
        }
        match last_label {
            None => Err(UriFault::Structure),
            Some(label) if label > start && !ALPHA.has(self.bytes[label]) => Err(UriFault::Character),
            Some(_) => Ok(at),
        }
    }

    /// The first of `stops` from `from` on, or `to`.
    fn find(&self, from: usize, to: usize, stops: &[u8]) -> usize {
        self.bytes[from..to].iter().position(|byte| stops.contains(byte)).map_or(to, |step| from + step)
    }

    /// The end of the longest run of `class` characters. A `%` that starts no escape is a fault where escapes count.
    fn scan(&self, from: usize, to: usize, class: Class) -> Result<usize, UriFault> {
        let mut at = from;
        while at < to {
            let byte = self.bytes[at];
            if class.has(byte) {
                at += 1;
            } else if class.escapes && byte == b'%' {
                if at + 3 > to || !HEX.has(self.bytes[at + 1]) || !HEX.has(self.bytes[at + 2]) {
                    return Err(UriFault::Character);
                }
                at += 3;
            } else if class.escapes && byte >= 128 {
                match self.text[at..].chars().next() {
                    Some(character) if is_visible(character) => at += character.len_utf8(),
                    _ => break,
                }
            } else {
                break;
            }
        }
        Ok(at)
    }

    /// Whether all of the part is of `class`. A part that starts past its end is empty.
    fn check(&self, from: usize, to: usize, class: Class) -> Result<(), UriFault> {
        if from >= to || self.scan(from, to, class)? == to { Ok(()) } else { Err(UriFault::Character) }
    }
}

/// Neither a separator (`Character.isSpaceChar`) nor a control character.
fn is_visible(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{A0}' | '\u{1680}' | '\u{2000}'
                ..='\u{200A}' | '\u{2028}' | '\u{2029}' | '\u{202F}' | '\u{205F}' | '\u{3000}'
        )
}

/// Four numbers up to 255; leading zeros are allowed.
fn is_ipv4(text: &str) -> bool {
    let mut count = 0;
    let numbers_fit = text.split('.').all(|number| {
        count += 1;
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && number.parse::<i32>().is_ok_and(|value| value <= 255)
    });
    numbers_fit && count == 4
}

/// Groups of one to four hex digits, at most one `::`, an IPv4 address at most at the end.
fn is_ipv6(text: &str) -> bool {
    let (head, tail) = match text.split_once("::") {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    };
    // An IPv4 address ends the whole, so before `::` there is none.
    let Some(head_bytes) = groups(head, tail.is_none()) else { return false };
    let Some(tail_bytes) = groups(tail.unwrap_or(""), true) else { return false };
    if tail.is_some() { head_bytes + tail_bytes < 16 } else { head_bytes == 16 }
}

/// Number of address bytes in `a:b:c` or `a:b:1.2.3.4`; an empty text has none.
fn groups(text: &str, may_end_in_ipv4: bool) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let mut bytes = 0;
    let mut parts = text.split(':').peekable();
    while let Some(part) = parts.next() {
        if may_end_in_ipv4 && parts.peek().is_none() && part.contains('.') {
            return is_ipv4(part).then_some(bytes + 4);
        }
        if part.is_empty() || part.len() > 4 || !part.bytes().all(|byte| HEX.has(byte)) {
            return None;
        }
        bytes += 2;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
