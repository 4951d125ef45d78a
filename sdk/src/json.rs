//! A JSON reader for the row path: one pass, no allocation, tokens as spans into the text.
//!
//! It reads what Jackson reads with single quotes allowed, which is how the clickstream payloads are read upstream:
//! RFC 8259 plus `'…'` strings. Containers can be entered, or taken whole as one token; either way every byte is
//! checked once. Nesting deeper than the limit is a fault, not a stack overflow.

use std::fmt;

/// What a token is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// No value: a key that was not there.
    #[default]
    Missing,
    /// `null`
    Null,
    /// `true`
    True,
    /// `false`
    False,
    /// A number; the span is its text.
    Number,
    /// A string without escapes; the span is what stands between the quotes.
    Text,
    /// A string with escapes; the span is what stands between the quotes.
    EscapedText,
    /// An array; the span includes the brackets.
    Array,
    /// An object; the span includes the braces.
    Object,
}

/// A value's kind and its place in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    start: u32,
    end: u32,
}

/// Where and why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Byte offset in the text.
    pub offset: usize,
    /// What was met there.
    pub reason: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.offset)
    }
}

impl std::error::Error for Fault {}

impl Token {
    /// The span's text: a number's digits, a string's content as written, a container with its brackets.
    #[inline]
    pub fn raw(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }

    /// A string's value. `scratch` is only written when the string has escapes.
    #[inline]
    pub fn decode<'s>(self, text: &'s str, scratch: &'s mut String) -> &'s str {
        if self.kind != Kind::EscapedText {
            return self.raw(text);
        }
        scratch.clear();
        unescape(self.raw(text), scratch);
        scratch
    }

    /// Whether it is a string.
    #[inline]
    pub fn is_text(self) -> bool {
        matches!(self.kind, Kind::Text | Kind::EscapedText)
    }

    /// Whether there is a value that is not `null`.
    #[inline]
    pub fn is_present(self) -> bool {
        !matches!(self.kind, Kind::Missing | Kind::Null)
    }
}

/// Appends the value of a string's content to `out`. Half a surrogate pair, which UTF-8 cannot hold, becomes `?`.
///
/// The content must have passed a [`Reader`]: escapes are known to be complete.
pub fn unescape(content: &str, out: &mut String) {
    if !out.is_empty() {
        // The check below looks at all there is: many short texts that are added one by one would be looked at again
        // with each.
        let mut added = String::new();
        unescape(content, &mut added);
        return out.push_str(&added);
    }
    let mut bytes = std::mem::take(out).into_bytes();
    unescape_bytes(content.as_bytes(), &mut bytes);
    // Only whole characters were written; the check costs little beside the copy.
    *out = String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
}

/// JSON inside of JSON has an escape every few bytes: runs between them are copied in fixed pieces of 16 bytes, of
/// which the part up to the next backslash counts.
fn unescape_bytes(content: &[u8], out: &mut Vec<u8>) {
    const PIECE: usize = 16;
    let mut read = 0;
    let mut written = out.len();
    // An escape is never shorter than what it stands for.
    out.resize(written + content.len() + PIECE, 0);
    while let Some(piece) = content.get(read..).and_then(|rest| rest.first_chunk::<PIECE>()) {
        out[written..written + PIECE].copy_from_slice(piece);
        let plain = first_backslash(*piece);
        read += plain;
        written += plain;
        if plain < PIECE {
            let (character, length) = escaped_character(&content[read..]);
            written += character.encode_utf8(&mut out[written..]).len();
            read += length;
        }
    }
    out.truncate(written);
    while let Some(step) = memchr::memchr(b'\\', &content[read..]) {
        out.extend_from_slice(&content[read..read + step]);
        let (character, length) = escaped_character(&content[read + step..]);
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        read += step + length;
    }
    out.extend_from_slice(&content[read..]);
}

/// Place of the first backslash, or the length when there is none.
#[inline]
fn first_backslash(piece: [u8; 16]) -> usize {
    const SLASHES: u128 = u128::from_ne_bytes([b'\\'; 16]);
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    const HIGHS: u128 = u128::from_ne_bytes([0x80; 16]);
    let differences = u128::from_le_bytes(piece) ^ SLASHES;
    let hits = differences.wrapping_sub(ONES) & !differences & HIGHS;
    hits.trailing_zeros() as usize / 8
}

/// The character of the escape at the start of `bytes`, and the escape's length.
fn escaped_character(bytes: &[u8]) -> (char, usize) {
    let simple = match bytes.get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => {
            let unit = hex_unit(bytes, 2);
            if let Some(character) = char::from_u32(unit) {
                return (character, 6);
            }
            if unit < 0xDC00 && bytes.get(6) == Some(&b'\\') && bytes.get(7) == Some(&b'u') {
                let low = hex_unit(bytes, 8);
                if (0xDC00..0xE000).contains(&low) {
                    let code = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                    return (char::from_u32(code).unwrap_or('?'), 12);
                }
            }
            return ('?', 6);
        }
        Some(&other) => char::from(other),
        None => '\\',
    };
    (simple, 2)
}

fn hex_unit(bytes: &[u8], from: usize) -> u32 {
    bytes[from..].iter().take(4).fold(0, |unit, &digit| unit << 4 | char::from(digit).to_digit(16).unwrap_or(0))
}

/// Reads one text from front to back. A clone is a place to go back to.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    max_depth: u32,
}

impl<'a> Reader<'a> {
    /// Texts longer than 4 GiB are refused at their first token.
    pub fn new(text: &'a str, max_depth: u32) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, depth: 0, max_depth }
    }

    /// The text being read.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Offset of the next byte.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The first byte of the next value or delimiter, white space skipped.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.bytes.get(self.at).copied()
    }

    /// Reads the next value; a container is taken whole.
    #[inline]
    pub fn value(&mut self) -> Result<Token, Fault> {
        let Some(first) = self.peek() else { return Err(self.fault("the text ends where a value should stand")) };
        let start = self.at;
        match first {
            quote @ (b'"' | b'\'') => self.string(quote),
            b'{' | b'[' => self.container(first),
            b't' => self.word("true", Kind::True),
            b'f' => self.word("false", Kind::False),
            b'n' => self.word("null", Kind::Null),
            b'-' | b'0'..=b'9' => {
                self.number()?;
                Ok(Self::token(Kind::Number, start, self.at))
            }
            _ => Err(self.fault("no JSON value starts like this")),
        }
    }

    /// Reads the next value as [`Reader::value`] does, however deep it is nested: to pass one that is too deep. Memory is
    /// one bit a level.
    pub fn value_at_any_depth(&mut self) -> Result<Token, Fault> {
        let max_depth = std::mem::replace(&mut self.max_depth, u32::MAX);
        let value = self.value();
        self.max_depth = max_depth;
        value
    }

    /// Enters the object or array that comes next. Follow with [`Reader::next_key`] or [`Reader::next_element`].
    pub fn enter(&mut self) -> Result<(), Fault> {
        if !matches!(self.peek(), Some(b'{' | b'[')) {
            return Err(self.fault("no object or array starts here"));
        }
        if self.depth >= self.max_depth {
            return Err(self.fault("nested deeper than the limit"));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// The next key of the entered object, its colon consumed; `None` at the object's end. `first` is true for the
    /// first call and is kept by this function.
    #[inline]
    pub fn next_key(&mut self, first: &mut bool) -> Result<Option<Token>, Fault> {
        if !self.more(b'}', first)? {
            return Ok(None);
        }
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => {
                let key = self.string(quote)?;
                if self.peek() != Some(b':') {
                    return Err(self.fault("a colon should follow the key"));
                }
                self.at += 1;
                Ok(Some(key))
            }
            _ => Err(self.fault("a quoted key should stand here")),
        }
    }

    /// Whether the entered array has another element; its end is consumed.
    #[inline]
    pub fn next_element(&mut self, first: &mut bool) -> Result<bool, Fault> {
        self.more(b']', first)
    }

    /// The container that was entered at `start` and has just ended, as one token.
    pub fn container_from(&self, kind: Kind, start: usize) -> Token {
        Self::token(kind, start, self.at)
    }

    /// Checks that nothing but white space is left.
    pub fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault("something stands after the value")),
        }
    }

    #[inline]
    fn more(&mut self, close: u8, first: &mut bool) -> Result<bool, Fault> {
        let next = self.peek();
        if next == Some(close) {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if std::mem::take(first) {
            return Ok(true);
        }
        if next != Some(b',') {
            return Err(self.fault("a comma or the container's end should stand here"));
        }
        self.at += 1;
        if self.peek() == Some(close) {
            return Err(self.fault("a value should follow the comma"));
        }
        Ok(true)
    }

    /// Walks over a container without recursion; one bit a level tells objects from arrays.
    fn container(&mut self, first: u8) -> Result<Token, Fault> {
        let start = self.at;
        let base = self.depth;
        let mut kinds = BitStack::default();
        let mut fresh = true;
        self.enter()?;
        kinds.push(first == b'{');
        while self.depth > base {
            let in_object = kinds.top();
            let more = if in_object { self.next_key(&mut fresh)?.is_some() } else { self.next_element(&mut fresh)? };
            if !more {
                kinds.pop();
                fresh = false;
                continue;
            }
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    self.enter()?;
                    kinds.push(open == b'{');
                    fresh = true;
                }
                _ => {
                    self.value()?;
                }
            }
        }
        Ok(Self::token(if first == b'{' { Kind::Object } else { Kind::Array }, start, self.at))
    }

    #[inline]
    fn string(&mut self, quote: u8) -> Result<Token, Fault> {
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            at = plain_end(self.bytes, at, quote);
            match self.bytes.get(at) {
                Some(&byte) if byte == quote => break,
                Some(b'\\') => {
                    escaped = true;
                    at += self.escape_length(at)?;
                }
                Some(_) => return Err(Fault { offset: at, reason: "a control character must be escaped in a string" }),
                None => return Err(Fault { offset: at, reason: "the text ends inside a string" }),
            }
        }
        self.at = at + 1;
        Ok(Self::token(if escaped { Kind::EscapedText } else { Kind::Text }, start, at))
    }

    fn escape_length(&self, at: usize) -> Result<usize, Fault> {
        match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'\'') => Ok(2),
            Some(b'u') => match self.bytes.get(at + 2..at + 6) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(6),
                _ => Err(Fault { offset: at, reason: "four hex digits should follow \\u" }),
            },
            _ => Err(Fault { offset: at, reason: "no such escape" }),
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let zero = self.bytes.get(self.at) == Some(&b'0');
        let digits = self.digits();
        if digits == 0 || (zero && digits > 1) {
            return Err(self.fault("not a number"));
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.fault("a digit should follow the point"));
            }
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.fault("a digit should follow the exponent"));
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - start
    }

    fn word(&mut self, word: &'static str, kind: Kind) -> Result<Token, Fault> {
        let start = self.at;
        if !self.bytes[start..].starts_with(word.as_bytes()) {
            return Err(self.fault("no JSON value starts like this"));
        }
        self.at += word.len();
        Ok(Self::token(kind, start, self.at))
    }

    #[inline]
    fn token(kind: Kind, start: usize, end: usize) -> Token {
        Token { kind, start: start as u32, end: end as u32 }
    }

    #[inline]
    fn skip_space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        // Spans are 32 bits wide: what lies beyond reads as the text's end.
        if self.at > u32::MAX as usize {
            self.bytes = &self.bytes[..self.at];
        }
    }

    fn fault(&self, reason: &'static str) -> Fault {
        Fault { offset: self.at, reason }
    }
}

/// First place at or after `at` of the quote, a backslash or a control character; the text's end if there is none.
#[inline]
fn plain_end(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_byte = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*word);
        let hits = zero_byte(word ^ (ONES * u64::from(quote)))
            | zero_byte(word ^ (ONES * u64::from(b'\\')))
            | (word.wrapping_sub(ONES * 0x20) & !word & HIGHS);
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == quote || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

/// A stack of bits that only allocates past 64 levels.
#[derive(Debug, Default)]
struct BitStack {
    top: u64,
    depth: u32,
    below: Vec<u64>,
}

impl BitStack {
    fn push(&mut self, bit: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.below.push(self.top);
            self.top = 0;
        }
        self.top = self.top << 1 | u64::from(bit);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.top >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.top = self.below.pop().unwrap_or_default();
        }
    }

    fn top(&self) -> bool {
        self.top & 1 == 1
    }
}

#[cfg(test)]
mod tests;
