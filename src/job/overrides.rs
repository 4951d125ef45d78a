//! `--set source.url=…`: replaces single values of the job file.

use super::yaml::{Entry, MAX_DEPTH, Node, NodeKind, Place, parse_override};
use etl_sdk::{Error, ErrorKind, Result};

/// Applies one override. Sections on the way are made when they are missing; whether the path means anything is
/// decided with the rest of the document, against the schema.
pub(crate) fn apply(document: &mut Node, text: &str) -> Result<()> {
    let usage = || {
        Error::new(ErrorKind::Usage, format!("--set {text}: not an override"))
            .hint("write --set path=value, such as --set source.url=./raw")
    };
    let (path, value) = text.split_once('=').ok_or_else(usage)?;
    let value = parse_override(value, text)?;
    let place = value.place.clone();
    let keys: Vec<&str> = path.trim().split('.').collect();
    if keys.iter().any(|key| key.is_empty()) {
        return Err(usage());
    }
    if keys.len() > MAX_DEPTH {
        return Err(Error::new(ErrorKind::Usage, format!("--set: a path of more than {MAX_DEPTH} keys")));
    }
    let mut node = document;
    for (depth, key) in keys.iter().enumerate() {
        if node.is_null() {
            *node = Node { place: place.clone(), kind: NodeKind::Mapping(Vec::new()) };
        }
        node = child(node, key, &place).ok_or_else(|| no_such_place(text, &keys[..depth], key))?;
    }
    *node = value;
    Ok(())
}

/// The value of `key`, made if a mapping has none; `None` where there can be none.
fn child<'a>(node: &'a mut Node, key: &str, place: &Place) -> Option<&'a mut Node> {
    match &mut node.kind {
        NodeKind::Mapping(entries) => {
            let found = entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
                let value = Node { place: place.clone(), kind: NodeKind::Scalar { text: String::new(), plain: true } };
                entries.push(Entry { key: key.to_owned(), place: place.clone(), value });
                entries.len() - 1
            });
            let entry = &mut entries[found];
            Some(&mut entry.value)
        }
        NodeKind::Sequence(items) => items.get_mut(key.parse::<usize>().ok()?),
        NodeKind::Scalar { .. } => None,
    }
}

fn no_such_place(text: &str, parents: &[&str], key: &str) -> Error {
    let parent = parents.join(".");
    Error::new(ErrorKind::Usage, format!("--set {text}: `{parent}` has no `{key}`"))
        .hint("a list takes the number of an entry it has, counted from 0; a plain value has nothing below it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::yaml::parse;
    use serde_json::json;

    #[test]
    fn values_are_replaced_and_sections_made() {
        let mut node = parse("source: {url: a}\nenrich: [{name: x}, {name: y}]\ntables:\n", "job.yaml").unwrap();
        for text in [
            "source.url=s3://b/p?x=1",
            "enrich.1.enabled=false",
            "tables.event.partition_by=[{name: year, column: at, part: year}]",
            "limits.threads=2",
            "transformer.with.note=",
        ] {
            apply(&mut node, text).unwrap();
        }
        assert_eq!(
            node.to_value(),
            json!({
                "source": {"url": "s3://b/p?x=1"},
                "enrich": [{"name": "x"}, {"name": "y", "enabled": false}],
                "tables": {"event": {"partition_by": [{"name": "year", "column": "at", "part": "year"}]}},
                "limits": {"threads": 2},
                "transformer": {"with": {"note": null}},
            })
        );
    }

    #[test]
    fn paths_into_nothing_are_refused() {
        for (text, message) in [
            ("source", "--set source: not an override"),
            ("a..b=1", "--set a..b=1: not an override"),
            ("enrich.2.name=z", "--set enrich.2.name=z: `enrich` has no `2`"),
            ("job.name=z", "--set job.name=z: `job` has no `name`"),
            (&format!("{}a=z", "a.".repeat(100_000)), "--set: a path of more than 64 keys"),
        ] {
            let mut node = parse("job: j\nenrich: [{name: x}]\n", "job.yaml").unwrap();
            let error = apply(&mut node, text).unwrap_err();
            assert_eq!(error.to_string(), message);
            assert_eq!(error.kind(), ErrorKind::Usage);
        }
    }
}
