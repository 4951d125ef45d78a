//! Follows one JSON value through its bytes by the grammar (RFC 8259), as far as framing needs it: brackets, keys,
//! colons, commas and text. What numbers and escapes say is left to the parser of the record.

/// How far a value has been followed.
pub(super) enum Scanned {
    /// It ends before this place.
    Done(usize),
    /// It goes on behind the bytes seen so far.
    More,
    /// It breaks at this place. `restart` says that the byte there must be the start of another value.
    Bad { at: usize, why: (&'static str, String), restart: bool },
}

pub(super) struct Scan {
    most_depth: usize,
    /// Whether each open bracket is an object's.
    stack: Vec<bool>,
    expect: Expect,
    mode: Mode,
    /// Place of the next byte to look at, from the value's first.
    at: usize,
    /// Whether the last token closed a bracket or was a comma.
    may_restart: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Token,
    Text {
        is_escaped: bool,
    },
    /// A number, `true`, `false` or `null`.
    Word,
}

impl Scan {
    pub(super) fn new(most_depth: usize) -> Self {
        Self { most_depth, stack: Vec::new(), expect: Expect::Value, mode: Mode::Token, at: 0, may_restart: false }
    }

    /// Begins another value.
    pub(super) fn start(&mut self) {
        self.stack.clear();
        (self.expect, self.mode, self.at, self.may_restart) = (Expect::Value, Mode::Token, 0, false);
    }

    /// Whether a value can start with this byte.
    pub(super) fn is_start(byte: u8) -> bool {
        matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
    }

    /// Whether a value that is followed to its end is one: words are only looked at here.
    pub(super) fn is_complete(value: &[u8]) -> bool {
        match value.first() {
            Some(b'{' | b'[' | b'"') => true,
            Some(b't' | b'f' | b'n') => matches!(value, b"true" | b"false" | b"null"),
            _ => value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')),
        }
    }

    /// Open brackets.
    pub(super) fn depth(&self) -> usize {
        self.stack.len()
    }

    /// Whether the place is inside text, and behind a backslash there.
    pub(super) fn text(&self) -> (bool, bool) {
        match self.mode {
            Mode::Text { is_escaped } => (true, is_escaped),
            _ => (false, false),
        }
    }

    /// Whether the value may end with the bytes seen so far: a word has no end of its own.
    pub(super) fn may_end(&self) -> bool {
        self.mode == Mode::Word && self.stack.is_empty()
    }

    /// Goes on in `data`, which begins with the value's first byte and holds more than at the last call.
    pub(super) fn advance(&mut self, data: &[u8]) -> Scanned {
        while self.at < data.len() {
            match self.mode {
                Mode::Text { is_escaped } => {
                    if let Some(bad) = self.text_end(data, is_escaped) {
                        return bad;
                    }
                }
                Mode::Word => {
                    while data.get(self.at).is_some_and(|byte| is_word(*byte)) {
                        self.at += 1;
                    }
                    if self.at == data.len() {
                        return Scanned::More;
                    }
                    self.mode = Mode::Token;
                    self.expect = Expect::CommaOrEnd;
                    self.may_restart = false;
                }
                Mode::Token => {
                    let byte = data[self.at];
                    if !byte.is_ascii_whitespace()
                        && let Some(why) = self.token(byte)
                    {
                        let restart = byte == b'{' && self.may_restart;
                        return Scanned::Bad { at: self.at, why, restart };
                    }
                    if self.mode != Mode::Word {
                        self.at += 1;
                    }
                }
            }
            if self.stack.is_empty() && self.mode == Mode::Token && self.expect == Expect::CommaOrEnd {
                return Scanned::Done(self.at);
            }
        }
        Scanned::More
    }

    /// Moves behind the text's end, or to the end of `data`; a raw line end breaks it.
    fn text_end(&mut self, data: &[u8], is_escaped: bool) -> Option<Scanned> {
        if is_escaped && data[self.at] != b'\n' {
            self.at += 1;
        }
        self.mode = Mode::Text { is_escaped: false };
        while let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', &data[self.at..]) {
            self.at += found + 1;
            match data[self.at - 1] {
                b'"' => {
                    self.mode = Mode::Token;
                    self.expect = if matches!(self.expect, Expect::Key | Expect::KeyOrEnd) {
                        Expect::Colon
                    } else {
                        Expect::CommaOrEnd
                    };
                    self.may_restart = false;
                    return None;
                }
                b'\\' if self.at == data.len() => {
                    self.mode = Mode::Text { is_escaped: true };
                    return None;
                }
                b'\\' if data[self.at] == b'\n' => {}
                b'\\' => self.at += 1,
                _ => {
                    self.mode = Mode::Token;
                    let why = (super::reason::NOT_JSON, "a line end inside text".to_owned());
                    return Some(Scanned::Bad { at: self.at - 1, why, restart: false });
                }
            }
        }
        self.at = data.len();
        None
    }

    /// Takes one byte outside text; `Some` when the grammar has no place for it.
    fn token(&mut self, byte: u8) -> Option<(&'static str, String)> {
        let takes_value = matches!(self.expect, Expect::Value | Expect::ValueOrEnd);
        match byte {
            b'{' | b'[' if takes_value => {
                if self.stack.len() >= self.most_depth {
                    let message = format!("nested deeper than {}", self.most_depth);
                    return Some((super::reason::TOO_DEEP, message));
                }
                self.stack.push(byte == b'{');
                self.expect = if byte == b'{' { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
                self.may_restart = false;
            }
            b'"' if takes_value || matches!(self.expect, Expect::Key | Expect::KeyOrEnd) => {
                self.mode = Mode::Text { is_escaped: false };
            }
            b':' if self.expect == Expect::Colon => {
                self.expect = Expect::Value;
                self.may_restart = false;
            }
            b',' if self.expect == Expect::CommaOrEnd => {
                self.expect = if self.stack.last() == Some(&true) { Expect::Key } else { Expect::Value };
                self.may_restart = true;
            }
            b'}' if self.stack.last() == Some(&true)
                && matches!(self.expect, Expect::KeyOrEnd | Expect::CommaOrEnd) =>
            {
                self.close();
            }
            b']' if self.stack.last() == Some(&false)
                && matches!(self.expect, Expect::ValueOrEnd | Expect::CommaOrEnd) =>
            {
                self.close();
            }
            byte if takes_value && Self::is_start(byte) && byte != b'{' && byte != b'[' => self.mode = Mode::Word,
            byte => {
                let message = format!("`{}` is out of place", byte.escape_ascii());
                return Some((super::reason::NOT_JSON, message));
            }
        }
        None
    }

    fn close(&mut self) {
        self.stack.pop();
        self.expect = Expect::CommaOrEnd;
        self.may_restart = true;
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}
