//! The framings that look into JSON: elements of an array, and values back to back. No recursion, and no more state
//! than one entry per open bracket.
//!
//! A value is followed by the grammar, not only by its brackets, so that a missing bracket is noticed where it is
//! missing. After a break the rest of the broken value is passed over by brackets alone, up to
//! - its last bracket, or
//! - a `{` at the very start of a line, or
//! - for values back to back, a `{` or `[` right behind a `}` or `]`, which no well-formed value contains, or
//! - the break itself, when it is a `{` where only a key or a comma may stand behind a complete value.

use super::emit::{Emitter, Stretch, too_long};
use super::mark::Between;
use super::reason;
use super::scan::{Scan, Scanned};
use etl_sdk::Result;

pub(super) struct Values {
    /// Elements of an array, else values back to back.
    is_array: bool,
    most: usize,
    place: Place,
    scan: Scan,
    /// Whether an array is open, and the place of its next element.
    open: bool,
    index: u32,
    /// A byte order mark between two values.
    mark: Between,
}

enum Place {
    /// Between two values.
    Between,
    /// In a value, which starts at the first byte of the next `data`.
    Value,
    /// In bytes that are no record.
    Garbage(Garbage),
}

/// Bytes that are passed over, and where they end.
struct Garbage {
    stretch: Stretch,
    reason: &'static str,
    message: String,
    kind: Kind,
    /// Open brackets.
    depth: usize,
    text: Text,
    at_line_start: bool,
    /// Whether the last byte that is no blank closed a bracket.
    behind_closer: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    BehindBackslash,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The rest of a value.
    Broken,
    /// Stray bytes between values.
    Stray,
    /// Everything up to the end.
    Rest,
}

impl Values {
    pub(super) fn new(is_array: bool, most: usize, depth: u32) -> Self {
        let scan = Scan::new(depth as usize);
        Self { is_array, most, place: Place::Between, scan, open: false, index: 0, mark: Between::default() }
    }

    pub(super) fn feed(&mut self, data: &[u8], offset: u64, out: &mut Emitter<'_>) -> Result<usize> {
        let mut at = 0;
        loop {
            let rest = &data[at..];
            let here = offset + at as u64;
            match &mut self.place {
                Place::Between => match self.between(rest, here) {
                    Some(passed) => at += passed,
                    None => return Ok(data.len()),
                },
                Place::Value => match self.value(rest, here, out)? {
                    Some(passed) => at += passed,
                    None => return Ok(at),
                },
                Place::Garbage(garbage) => {
                    let Some(passed) = garbage.pass(rest, self.is_array) else { return Ok(data.len()) };
                    self.end_garbage(out)?;
                    at += passed;
                }
            }
        }
    }

    /// Passes over what separates values; `None` when nothing else is left.
    fn between(&mut self, data: &[u8], offset: u64) -> Option<usize> {
        let is_inside = self.is_array && self.open;
        let is_separator = |byte: u8| byte.is_ascii_whitespace() || (is_inside && byte == b',');
        let mark = &mut self.mark;
        let at = data.iter().position(|byte| !mark.takes(*byte) && (mark.is_part() || !is_separator(*byte)))?;
        let part = self.mark.take_part();
        if !part.is_empty() {
            let offset = offset + at as u64 - part.len() as u64;
            let message = "the start of a byte order mark where a value should start".to_owned();
            let stretch = Stretch::new(offset, self.next_index(), part);
            self.place = Place::Garbage(Garbage::new(stretch, (reason::NOT_JSON, message), Kind::Stray));
            return Some(at);
        }
        let offset = offset + at as u64;
        match data[at] {
            b'[' if self.is_array && !self.open => {
                (self.open, self.index) = (true, 0);
                Some(at + 1)
            }
            b']' if is_inside => {
                self.open = false;
                Some(at + 1)
            }
            _ if self.is_array && !self.open => {
                let message = "the object is not an array, or goes on behind its end";
                self.place = Place::Garbage(Garbage::new(
                    Stretch::new(offset, None, b""),
                    (reason::NOT_AN_ARRAY, message.to_owned()),
                    Kind::Rest,
                ));
                Some(at)
            }
            byte if Scan::is_start(byte) => {
                self.scan.start();
                self.place = Place::Value;
                Some(at)
            }
            byte => {
                let message = format!("`{}` where a value should start", byte.escape_ascii());
                let stretch = Stretch::new(offset, self.next_index(), &data[at..=at]);
                let mut garbage = Garbage::new(stretch, (reason::NOT_JSON, message), Kind::Stray);
                garbage.at_line_start = byte == b'\n';
                self.place = Place::Garbage(garbage);
                Some(at + 1)
            }
        }
    }

    /// Follows the value at the front of `data`; `None` when it needs more.
    fn value(&mut self, data: &[u8], offset: u64, out: &mut Emitter<'_>) -> Result<Option<usize>> {
        // The limit cuts at the same byte however the blocks are cut.
        let window = &data[..data.len().min(self.most.saturating_add(1))];
        match self.scan.advance(window) {
            Scanned::Done(end) if end <= self.most => {
                self.place = Place::Between;
                let bytes = &data[..end];
                if Scan::is_complete(bytes) {
                    out.record(offset, self.next_index(), bytes)?;
                } else {
                    let stretch = Stretch::new(offset, self.next_index(), bytes);
                    out.reject(stretch, reason::NOT_JSON, "neither a number nor true, false or null".to_owned())?;
                }
                self.index = self.index.saturating_add(1);
                Ok(Some(end))
            }
            Scanned::Done(end) => {
                let stretch = Stretch::new(offset, self.next_index(), &data[..end]);
                self.place = Place::Between;
                self.index = self.index.saturating_add(1);
                out.reject(stretch, reason::RECORD_TOO_LONG, too_long(end as u64, self.most))?;
                Ok(Some(end))
            }
            Scanned::More if window.len() > self.most => {
                let message = too_long(window.len() as u64, self.most);
                Ok(Some(self.break_off(window, offset, (reason::RECORD_TOO_LONG, message))))
            }
            Scanned::More => Ok(None),
            Scanned::Bad { at, why, restart } => {
                let passed = self.break_off(&window[..at], offset, why);
                if restart {
                    self.end_garbage(out)?;
                }
                Ok(Some(passed))
            }
        }
    }

    /// Turns the value that `bytes` begin into garbage.
    fn break_off(&mut self, bytes: &[u8], offset: u64, why: (&'static str, String)) -> usize {
        let depth = self.scan.depth();
        let (in_text, is_escaped) = self.scan.text();
        // Without an open bracket or text there is no end to wait for.
        let kind = if depth == 0 && !in_text { Kind::Stray } else { Kind::Broken };
        let mut garbage = Garbage::new(Stretch::new(offset, self.next_index(), bytes), why, kind);
        garbage.depth = depth;
        garbage.text = match (in_text, is_escaped) {
            (false, _) => Text::Outside,
            (true, false) => Text::Inside,
            (true, true) => Text::BehindBackslash,
        };
        garbage.behind_closer = matches!(bytes.trim_ascii_end().last(), Some(b'}' | b']')) && !in_text;
        self.place = Place::Garbage(garbage);
        bytes.len()
    }

    fn end_garbage(&mut self, out: &mut Emitter<'_>) -> Result<()> {
        let Place::Garbage(garbage) = std::mem::replace(&mut self.place, Place::Between) else { return Ok(()) };
        self.index = self.index.saturating_add(1);
        out.reject(garbage.stretch, garbage.reason, garbage.message)
    }

    pub(super) fn finish(&mut self, data: &[u8], offset: u64, out: &mut Emitter<'_>) -> Result<()> {
        match std::mem::replace(&mut self.place, Place::Between) {
            Place::Between => {
                let part = self.mark.take_part();
                if !part.is_empty() {
                    let stretch = Stretch::new(offset + data.len() as u64 - part.len() as u64, self.next_index(), part);
                    let message = "the start of a byte order mark where a value should start".to_owned();
                    out.reject(stretch, reason::NOT_JSON, message)?;
                }
            }
            Place::Value if self.scan.may_end() && Scan::is_complete(data) => {
                out.record(offset, self.next_index(), data)?;
            }
            Place::Value => {
                let stretch = Stretch::new(offset, self.next_index(), data);
                out.reject(stretch, reason::NOT_JSON, "the value is cut off".to_owned())?;
            }
            Place::Garbage(garbage) => out.reject(garbage.stretch, garbage.reason, garbage.message)?,
        }
        if std::mem::take(&mut self.open) {
            let end = Stretch::new(offset + data.len() as u64, None, b"");
            out.reject(end, reason::UNTERMINATED_ARRAY, "the array is not closed".to_owned())?;
        }
        Ok(())
    }

    /// What is under way and already passed over.
    pub(super) fn abandon(&mut self) -> Option<Stretch> {
        match std::mem::replace(&mut self.place, Place::Between) {
            Place::Garbage(garbage) => Some(garbage.stretch),
            _ => None,
        }
    }

    fn next_index(&self) -> Option<u32> {
        self.is_array.then_some(self.index)
    }
}

impl Garbage {
    fn new(stretch: Stretch, (reason, message): (&'static str, String), kind: Kind) -> Self {
        Self {
            stretch,
            reason,
            message,
            kind,
            depth: 0,
            text: Text::Outside,
            at_line_start: false,
            behind_closer: false,
        }
    }

    /// Takes in `data` up to where the garbage ends and returns that place, `None` when it goes on.
    fn pass(&mut self, data: &[u8], is_array: bool) -> Option<usize> {
        let end = match self.kind {
            Kind::Rest => None,
            Kind::Stray => self.end_of_stray(data, is_array),
            Kind::Broken => self.end_of_broken(data, is_array),
        };
        self.stretch.push(&data[..end.unwrap_or(data.len())]);
        end
    }

    fn end_of_stray(&mut self, data: &[u8], is_array: bool) -> Option<usize> {
        if self.at_line_start {
            return Some(0);
        }
        let place = data.iter().position(|byte| match byte {
            b'{' | b'[' | b'\n' => true,
            b',' | b']' => is_array,
            _ => false,
        })?;
        Some(place + usize::from(data[place] == b'\n'))
    }

    fn end_of_broken(&mut self, data: &[u8], is_array: bool) -> Option<usize> {
        let mut at = 0;
        while at < data.len() {
            if self.text != Text::Outside {
                at += self.pass_text(&data[at..]);
                if self.text == Text::Outside && self.depth == 0 {
                    return Some(at);
                }
                continue;
            }
            let byte = data[at];
            let is_boundary = match byte {
                b'{' => self.at_line_start || (self.behind_closer && !is_array),
                b'[' => (self.at_line_start || self.behind_closer) && !is_array,
                _ => false,
            };
            if is_boundary {
                return Some(at);
            }
            at += 1;
            match byte {
                b'"' => self.text = Text::Inside,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth <= 1 => return Some(at),
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
            self.at_line_start = byte == b'\n';
            if !byte.is_ascii_whitespace() {
                self.behind_closer = matches!(byte, b'}' | b']');
            }
        }
        None
    }

    /// Passes over text up to its end or the line's, or to the end of `data`.
    fn pass_text(&mut self, data: &[u8]) -> usize {
        let mut at = 0;
        if self.text == Text::BehindBackslash && data.first() != Some(&b'\n') {
            at = 1;
        }
        self.text = Text::Inside;
        while let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', &data[at..]) {
            at += found + 1;
            match data[at - 1] {
                b'\\' if at == data.len() => self.text = Text::BehindBackslash,
                b'\\' if data[at] == b'\n' => {}
                b'\\' => at += 1,
                end => {
                    self.text = Text::Outside;
                    self.behind_closer = false;
                    self.at_line_start = end == b'\n';
                    return at;
                }
            }
        }
        data.len()
    }
}
