//! The elements of a payload, one after the other.

use super::declared::{Declared, Object};
use crate::compat::Compat;
use etl_sdk::json::{Fault, Reader};

/// Walks over the elements of a payload that is an array; any other payload is one element itself.
///
/// One element at a time is read, so that a payload of many small elements takes no more memory than its text.
pub(crate) struct Elements<'a> {
    reader: Reader<'a>,
    in_array: bool,
    first: bool,
}

/// What came next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// An element within the depth.
    Read,
    /// An element that is nested too deep; only its token is set.
    TooDeep,
    /// Nothing: the payload has ended.
    End,
}

impl<'a> Elements<'a> {
    pub fn new(payload: &'a str, depth: u32) -> Result<Self, Fault> {
        let mut reader = Reader::new(payload, depth);
        let in_array = reader.peek() == Some(b'[');
        if in_array {
            reader.enter()?;
        }
        Ok(Self { reader, in_array, first: true })
    }

    fn advance(&mut self) -> Result<bool, Fault> {
        if self.in_array {
            return self.reader.next_element(&mut self.first);
        }
        Ok(std::mem::take(&mut self.first))
    }

    /// Reads the next element.
    pub fn next(&mut self, declared: &'static Declared, object: &mut Object) -> Result<Next, Fault> {
        if !self.advance()? {
            return Ok(Next::End);
        }
        let start = self.reader.clone();
        if object.read(declared, &mut self.reader).is_ok() {
            return Ok(Next::Read);
        }
        self.reader = start;
        object.token = self.reader.value_at_any_depth()?;
        Ok(Next::TooDeep)
    }

    /// Passes the next element over, unread. False at the payload's end.
    pub fn skip(&mut self) -> Result<bool, Fault> {
        if !self.advance()? {
            return Ok(false);
        }
        self.reader.value_at_any_depth()?;
        Ok(true)
    }
}

/// Reads all of a payload before any element becomes a row: one that breaks off in the middle is one dead letter, not
/// half a request. Returns how many elements it has. The reference passes over what follows them.
pub(crate) fn count_elements(payload: &str, depth: u32, compat: Compat) -> Result<u32, Fault> {
    let mut elements = Elements::new(payload, depth)?;
    let mut count = 0;
    while elements.skip()? {
        count += 1;
    }
    if !compat.is_reference() {
        elements.reader.end()?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    static NOTHING: Declared = Declared { members: &[], keeps_unknown: true };

    #[test]
    fn an_array_has_its_elements_and_anything_else_is_one() {
        for (payload, count) in [("[]", 0), ("[1,{},[2]]", 3), (" {\"a\":[1,2]} ", 1), ("5", 1), ("null", 1)] {
            assert_eq!(count_elements(payload, 9, Compat::Default), Ok(count), "{payload}");
        }
        for payload in ["[1] x", "[1]]", "{} {}"] {
            assert_eq!(count_elements(payload, 9, Compat::Reference), Ok(1), "{payload}");
        }
        for payload in ["", "[1", "[1]]", "{} {}", "{\"a\"}", "[1,]", "x"] {
            assert!(count_elements(payload, 9, Compat::Default).is_err(), "{payload}");
        }
    }

    #[test]
    fn an_element_that_is_too_deep_costs_itself() {
        let payload = format!("[{{}},{}{},{{\"a\":1}}]", "[".repeat(500), "]".repeat(500));
        assert_eq!(count_elements(&payload, 9, Compat::Default), Ok(3));
        let mut elements = Elements::new(&payload, 9).unwrap();
        let mut object = Object::default();
        let found: Vec<_> = (0..4).map(|_| elements.next(&NOTHING, &mut object).unwrap()).collect();
        assert_eq!(found, [Next::Read, Next::TooDeep, Next::Read, Next::End]);
    }
}
