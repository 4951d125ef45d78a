//! Panics as errors: none prints a backtrace, and none is lost.
//!
//! The hook notes what a panic said and where, and prints nothing. What catches one ([`catch`], [`of_thread`]) takes the
//! note and makes an error of it; notes that nothing took are found at the end of the process ([`left`]).

use etl_sdk::{Error, Result};
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

/// Notes that are kept; a process that panics more often has said enough.
const MAX_NOTES: usize = 32;

/// Longest text of a panic that is kept.
const MAX_TEXT: usize = 2_000;

static NOTES: Mutex<VecDeque<Note>> = Mutex::new(VecDeque::new());

/// What is known of a panic.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Note {
    thread: ThreadId,
    text: String,
    /// `datafusion-functions-55.2.0/src/unicode/lpad.rs:206`
    place: String,
}

/// Makes panics silent notes. To be called once, at the start of the process.
pub fn note_panics() {
    set_hook(Box::new(note));
}

fn note(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|place| format!("{}:{}", short(place.file()), place.line()));
    let note =
        Note { thread: thread::current().id(), text: text_of(panic.payload()), place: place.unwrap_or_default() };
    let mut notes = NOTES.lock().unwrap_or_else(PoisonError::into_inner);
    if notes.len() == MAX_NOTES {
        notes.pop_front();
    }
    notes.push_back(note);
}

/// Calls `work`; a panic in it is an error of kind `Internal` that says what was said and where, with the facts that
/// `facts` adds.
pub fn catch<T>(work: impl FnOnce() -> Result<T>, facts: impl FnOnce(Error) -> Error) -> Result<T> {
    // What a panic leaves half done is dropped with the error: nothing that `work` changed is used again.
    let caught = catch_unwind(AssertUnwindSafe(work));
    caught.unwrap_or_else(|payload| Err(facts(of_thread(thread::current().id(), &*payload))))
}

/// Calls `work`; a panic in it is its text.
pub fn catch_text<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = text_of(&*payload);
        take(thread::current().id(), &text);
        text
    })
}

/// The error of a thread that ended with a panic.
pub fn of_thread(thread: ThreadId, payload: &(dyn Any + Send)) -> Error {
    let text = text_of(payload);
    error(&text, take(thread, &text).map(|note| note.place).as_deref())
}

/// The error of the first panic that nothing has caught.
pub fn left() -> Option<Error> {
    let note = NOTES.lock().unwrap_or_else(PoisonError::into_inner).pop_front()?;
    Some(error(&note.text, Some(&note.place)))
}

fn error(text: &str, place: Option<&str>) -> Error {
    let error = Error::internal("the program panicked");
    let error = match place {
        Some(place) if !place.is_empty() => error.with("at", place),
        _ => error,
    };
    error.hint("this is a defect: please report it with this text").source(text.to_owned())
}

/// The note of a panic of a thread, or of one that was passed on from another.
fn take(thread: ThreadId, text: &str) -> Option<Note> {
    let mut notes = NOTES.lock().unwrap_or_else(PoisonError::into_inner);
    let index = notes.iter().rposition(|note| note.thread == thread);
    let index = index.or_else(|| notes.iter().rposition(|note| note.text == text))?;
    notes.remove(index)
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text");
    text[..text.floor_char_boundary(MAX_TEXT)].to_owned()
}

/// The file without the folders of the machine it was built on.
fn short(file: &str) -> &str {
    let of_crate = file.split_once("/registry/src/").and_then(|(_, rest)| rest.split_once('/'));
    of_crate.map(|(_, rest)| rest).or_else(|| file.rfind("/library/").map(|at| &file[at + 1..])).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use etl_sdk::ErrorKind;

    #[test]
    fn a_panic_is_an_error_with_its_text() {
        let number = 3;
        let error =
            catch(|| -> Result<()> { panic!("three is {number}") }, |error| error.with("step", "s")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(error.to_string().ends_with(": three is 3"), "{error}");
        assert_eq!(error.facts().last(), Some(&("step", "s".to_owned())));
        let same = |error| error;
        assert_eq!(catch(|| Ok(1), same).unwrap(), 1);
        assert_eq!(catch(|| -> Result<()> { Err(Error::config("x")) }, same).unwrap_err().to_string(), "x");
        assert_eq!(catch_text(|| -> u8 { panic!("as text") }), Err("as text".to_owned()));
        let long = catch_text(|| -> u8 { panic!("{}", "ä".repeat(9_999)) }).unwrap_err();
        assert!((MAX_TEXT - 1..=MAX_TEXT).contains(&long.len()));
    }

    #[test]
    fn places_are_those_of_the_source_not_of_the_machine() {
        for (file, name) in [
            ("/home/x/.cargo/registry/src/index.crates.io-1949cf/arrow-59.3.0/src/a.rs", "arrow-59.3.0/src/a.rs"),
            ("/rustc/abc/library/core/src/option.rs", "library/core/src/option.rs"),
            ("src/engine/chain.rs", "src/engine/chain.rs"),
        ] {
            assert_eq!(short(file), name);
        }
    }
}
