//! What is wrong with a document, and what is left of it without that: all mistakes are found, not the first.

use super::config::JobConfig;
use super::yaml::{Node, NodeKind, Place, wrong};
use etl_sdk::{Error, Result, SourcePlace};
use serde_path_to_error::Segment;

/// A section, and perhaps an element or a key of it.
pub(super) type Part = (usize, Option<usize>);

/// The section that an error is in, or the element of one that is a list; `None` when that is not known.
pub(super) fn part_of(document: &Node, error: &Error) -> Option<Part> {
    let (section, value) = section_of(document, error)?;
    let element = if let NodeKind::Sequence(_) = value.kind { last_before(value, error) } else { None };
    Some((section, element))
}

/// The key or element of a section that an error is in; `None` when that is not known.
pub(super) fn setting_of(document: &Node, error: &Error) -> Option<Part> {
    let (section, value) = section_of(document, error)?;
    Some((section, last_before(value, error)))
}

fn section_of<'a>(document: &'a Node, error: &Error) -> Option<(usize, &'a Node)> {
    let section = last_before(document, error)?;
    let NodeKind::Mapping(entries) = &document.kind else { return None };
    Some((section, &entries[section].value))
}

/// The last part of a value that begins on the line of an error or above it.
fn last_before(node: &Node, error: &Error) -> Option<usize> {
    let line = error.place()?.line;
    let begins_before = |place: &Place| matches!(place, Place::File(place) if place.line <= line);
    match &node.kind {
        NodeKind::Mapping(entries) => entries.iter().rposition(|entry| begins_before(&entry.place)),
        NodeKind::Sequence(items) => items.iter().rposition(|item| begins_before(&item.place)),
        NodeKind::Scalar { .. } => None,
    }
}

/// Whether an error is where one of the mistakes is.
pub(super) fn is_at_one_of(error: &Error, mistakes: &[Error]) -> bool {
    mistakes.iter().any(|known| known.place().is_some() && known.place() == error.place())
}

/// Takes what stands at the places of the mistakes out of a document. `None` when one of them is nowhere in it.
pub(super) fn without(document: &Node, mistakes: &[Error]) -> Option<Node> {
    let mut document = document.clone();
    mistakes.iter().all(|error| error.place().is_some_and(|place| take_out(&mut document, place))).then_some(document)
}

/// Reads the configuration, leaving out what no type takes.
pub(super) fn config_of(document: &mut Node, mistakes: &mut Vec<Error>) -> Option<JobConfig> {
    loop {
        let error = match typed(document) {
            Ok(config) => return Some(config),
            Err(error) => error,
        };
        // A key that is missed only now was taken out.
        if !mistakes.is_empty() && error.to_string().contains("missing field") {
            return None;
        }
        let place = error.place().cloned();
        let line = |error: &Error| error.place().map(|place| place.line);
        if !mistakes.iter().any(|known| line(known).is_some() && line(known) == line(&error)) {
            mistakes.push(error);
        }
        if !place.is_some_and(|place| take_out(document, &place)) {
            return None;
        }
    }
}

/// Takes out what stands at a place, or is gone with something else. `false` when that is the whole document.
fn take_out(node: &mut Node, wrong: &SourcePlace) -> bool {
    let is_wrong = |place: &Place| matches!(place, Place::File(place) if place.is(wrong));
    if is_wrong(&node.place) {
        return false;
    }
    match &mut node.kind {
        NodeKind::Scalar { .. } => {}
        NodeKind::Sequence(items) => {
            items.retain(|item| !is_wrong(&item.place));
            for item in items {
                take_out(item, wrong);
            }
        }
        NodeKind::Mapping(entries) => {
            entries.retain(|entry| !is_wrong(&entry.place) && !is_wrong(&entry.value.place));
            for entry in entries {
                take_out(&mut entry.value, wrong);
            }
        }
    }
    true
}

/// The types have the last word: sizes, durations and limits check their own text.
fn typed(document: &Node) -> Result<JobConfig> {
    serde_path_to_error::deserialize(document.to_value()).map_err(|error| {
        let keys: Vec<String> = error
            .path()
            .iter()
            .filter_map(|segment| match segment {
                Segment::Map { key } => Some(key.clone()),
                Segment::Seq { index } => Some(index.to_string()),
                _ => None,
            })
            .collect();
        let place = document.place_of(keys.iter().map(String::as_str));
        wrong(place, format_args!("`{}`", error.path())).source(error.into_inner())
    })
}
