//! `${NAME}` and `${NAME:-default}` in the job file's values.

use super::yaml::{Node, NodeKind, Place, wrong};
use etl_sdk::{Error, Result};

/// Looks up a variable; the process environment, or a test's own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces variables in all values. Values of overrides stay as they are: the shell has had its turn with them. A value in
/// which something cannot be replaced stays as it is too, and `found` says why.
pub(crate) fn substitute(node: &mut Node, environment: Environment<'_>, found: &mut Vec<Error>) {
    match &mut node.kind {
        NodeKind::Scalar { text, .. } => {
            if text.contains('$') && matches!(node.place, Place::File(..)) {
                match replace(text, &node.place, environment) {
                    Ok(replaced) => *text = replaced,
                    Err(error) => found.push(error),
                }
            }
        }
        NodeKind::Sequence(items) => {
            for item in items {
                substitute(item, environment, found);
            }
        }
        NodeKind::Mapping(entries) => {
            for entry in entries {
                substitute(&mut entry.value, environment, found);
            }
        }
    }
}

fn replace(text: &str, place: &Place, environment: Environment<'_>) -> Result<String> {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        replaced.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            replaced.push('$');
            rest = after;
        } else if let Some(body) = rest.strip_prefix('{') {
            let end = body.find('}').ok_or_else(|| {
                wrong(place, "`${` without its `}`").hint("write `${NAME}`, or `$${` for the two characters themselves")
            })?;
            replaced.push_str(&variable(&body[..end], place, environment)?);
            rest = &body[end + 1..];
        } else {
            replaced.push('$');
        }
    }
    replaced.push_str(rest);
    Ok(replaced)
}

fn variable(body: &str, place: &Place, environment: Environment<'_>) -> Result<String> {
    let (name, default) = match body.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (body, None),
    };
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name {
        return Err(wrong(place, format_args!("`${{{body}}}` names no variable"))
            .hint("write `${NAME}` or `${NAME:-default}`, or `$$` for a dollar sign"));
    }
    match (environment(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(wrong(place, format_args!("the environment variable `{name}` is not set"))
            .hint(format!("set it, or give it a default: `${{{name}:-value}}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::yaml::parse;
    use serde_json::json;

    fn environment(name: &str) -> Option<String> {
        match name {
            "BUCKET" => Some("acme".to_owned()),
            "THREADS" => Some("4".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced_before_types_are_decided() {
        let text = "a: s3://${BUCKET}/raw/${STAGE:-dev}/\nb: ${THREADS}\nc: \"${THREADS}\"\nd: ${EMPTY:-x}\ne: '${EMPTY}'\nf: cost$ $$5 $${BUCKET}\n";
        let mut node = parse(text, "job.yaml").unwrap();
        let mut found = Vec::new();
        substitute(&mut node, &environment, &mut found);
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(
            node.to_value(),
            json!({"a": "s3://acme/raw/dev/", "b": 4, "c": "4", "d": "x", "e": "", "f": "cost$ $5 ${BUCKET}"})
        );
    }

    #[test]
    fn what_cannot_be_replaced_is_named_with_its_line() {
        for (text, message, hint) in [
            ("a: 1\nb: ${NOPE}", "job.yaml:2: the environment variable `NOPE` is not set", "${NOPE:-value}"),
            ("a: \"${BUCKET\"", "job.yaml:1: `${` without its `}`", "${NAME}"),
            ("a: \"${1x}\"", "job.yaml:1: `${1x}` names no variable", "$$"),
        ] {
            let mut node = parse(text, "job.yaml").unwrap();
            let mut found = Vec::new();
            substitute(&mut node, &environment, &mut found);
            let error = Error::all(found).unwrap_err();
            assert_eq!(error.to_string(), message);
            assert!(error.hint_text().is_some_and(|text| text.contains(hint)), "{:?}", error.hint_text());
        }
    }
}
