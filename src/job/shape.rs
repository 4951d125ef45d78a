//! Checks a document against a JSON Schema, and says what is wrong in the words of the person who wrote it.
//!
//! Only what the schemas of this program use is known: `$ref`, `type`, `properties`, `additionalProperties`,
//! `required`, `items`, `enum`, `const`, `anyOf`, `oneOf`, `minimum`, `maximum`. Patterns are left to the types themselves, whose
//! messages are better.

use super::yaml::{Entry, Node, NodeKind, wrong};
use crate::text::suggest::nearest;
use etl_sdk::{Error, Result};
use serde_json::Value;

/// Checks `node`, which stands at `path`, against `schema`, whose references are found in `root`.
pub(crate) fn check(node: &Node, schema: &Value, root: &Value, path: &str) -> Result<()> {
    Error::all(mistakes(node, schema, root, path))
}

/// All that is wrong with `node`, as [`check`] says the first of it.
pub(crate) fn mistakes(node: &Node, schema: &Value, root: &Value, path: &str) -> Vec<Error> {
    let mut found = Vec::new();
    Shape { root }.check(node, schema, path, &mut found);
    found
}

/// The schema behind a reference; the schema itself when it is none.
pub(crate) fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let mut schema = schema;
    // A chain of references is short; a circle of nothing but references is cut.
    for _ in 0..8 {
        match schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#')) {
            Some(pointer) => schema = root.pointer(pointer).unwrap_or(&Value::Bool(true)),
            None => break,
        }
    }
    schema
}

struct Shape<'a> {
    root: &'a Value,
}

impl<'a> Shape<'a> {
    fn check(&self, node: &Node, schema: &'a Value, path: &str, found: &mut Vec<Error>) {
        let schema = resolve(schema, self.root);
        if let Some(branches) = branches(schema) {
            return self.check_branches(node, branches, path, found);
        }
        if let Some(choices) = choices(std::slice::from_ref(schema)) {
            found.extend(check_choice(node, &choices, path).err());
            return;
        }
        let types = types(schema);
        if !types.is_empty() && !types.iter().any(|name| is_of_type(node, name)) {
            found.push(wrong_type(node, &types, path));
            return;
        }
        found.extend(check_range(node, schema, path).err());
        match &node.kind {
            NodeKind::Scalar { .. } => {}
            NodeKind::Sequence(items) => {
                let Some(schema) = schema.get("items") else { return };
                for (place, item) in items.iter().enumerate() {
                    self.check(item, schema, &format!("{path}[{place}]"), found);
                }
            }
            NodeKind::Mapping(entries) => self.check_mapping(node, entries, schema, path, found),
        }
    }

    fn check_mapping(&self, node: &Node, entries: &[Entry], schema: &'a Value, path: &str, found: &mut Vec<Error>) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let known = properties.map(|properties| properties.keys().map(String::as_str).collect::<Vec<_>>());
        let known = known.unwrap_or_default();
        let others = schema.get("additionalProperties");
        // A required key that is mistyped is not missing as well.
        let mut meant = Vec::new();
        for entry in entries {
            let path = join(path, &entry.key);
            if let Some(schema) = properties.and_then(|properties| properties.get(&entry.key)) {
                self.check(&entry.value, schema, &path, found);
                continue;
            }
            match others {
                Some(Value::Bool(false)) => {
                    let error = wrong(&entry.place, format_args!("unknown key `{path}`"));
                    found.push(error.hint(unknown_hint(&entry.key, &known)));
                    meant.extend(nearest(&entry.key, &known));
                }
                Some(schema @ Value::Object(_)) => self.check(&entry.value, schema, &path, found),
                _ => {}
            }
        }
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let Some(required) = required.as_str() else { continue };
            if !meant.contains(&required) && !entries.iter().any(|entry| entry.key == required) {
                let error = wrong(&node.place, format_args!("`{}` is missing", join(path, required)));
                let doc = properties.and_then(|all| all.get(required)).and_then(first_sentence);
                found.push(if let Some(doc) = doc { error.hint(doc) } else { error });
            }
        }
    }

    /// One of several schemas: an option (`null` or something), an enumeration, or a number or text.
    fn check_branches(&self, node: &Node, branches: &'a [Value], path: &str, found: &mut Vec<Error>) {
        let fits = |branch: &'a Value| {
            let mut wrong = Vec::new();
            self.check(node, branch, path, &mut wrong);
            wrong.is_empty()
        };
        if branches.iter().any(fits) {
            return;
        }
        let branches: Vec<&Value> =
            branches.iter().map(|branch| resolve(branch, self.root)).filter(|branch| !is_null_schema(branch)).collect();
        let owned: Vec<Value> = branches.iter().map(|branch| (*branch).clone()).collect();
        if let Some(choices) = choices(&owned) {
            found.extend(check_choice(node, &choices, path).err());
            return;
        }
        // The branch that this kind of value was meant for has the message worth reading.
        let fitting = branches.iter().find(|branch| types(branch).iter().any(|name| is_of_type(node, name)));
        if let Some(branch) = fitting.or_else(|| branches.first().filter(|_| branches.len() == 1)) {
            return self.check(node, branch, path, found);
        }
        let types: Vec<&str> = branches.iter().flat_map(|branch| types(branch)).collect();
        found.push(wrong_type(node, &types, path));
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn branches(schema: &Value) -> Option<&[Value]> {
    ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)).and_then(Value::as_array).map(Vec::as_slice)
}

fn is_null_schema(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// The values of an enumeration, if all the schemas are nothing else.
pub(crate) fn choices(schemas: &[Value]) -> Option<Vec<&str>> {
    let mut choices = Vec::new();
    for schema in schemas {
        if let Some(value) = schema.get("const").and_then(Value::as_str) {
            choices.push(value);
        } else {
            choices.extend(schema.get("enum")?.as_array()?.iter().filter_map(Value::as_str));
        }
    }
    (!choices.is_empty()).then_some(choices)
}

fn check_choice(node: &Node, choices: &[&str], path: &str) -> Result<()> {
    let value = node.to_value();
    match value.as_str() {
        Some(text) if choices.contains(&text) => Ok(()),
        Some(text) => {
            let error = wrong(&node.place, format_args!("`{path}` cannot be `{text}`"));
            Err(error.hint(unknown_hint(text, choices)))
        }
        None => Err(wrong(&node.place, format_args!("`{path}` cannot be {}", describe(node)))
            .hint(format!("choose one of {}", choices.join(", ")))),
    }
}

/// `did you mean …` and the known names; a long list is cut.
fn unknown_hint(name: &str, known: &[&str]) -> String {
    let list = crate::text::suggest::list_names(known);
    match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`? known here: {list}"),
        None => format!("known here: {list}"),
    }
}

pub(crate) fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_of_type(node: &Node, name: &str) -> bool {
    match (&node.kind, name) {
        (NodeKind::Mapping(_), "object") | (NodeKind::Sequence(_), "array") => true,
        (NodeKind::Scalar { .. }, _) => match node.to_value() {
            Value::Null => name == "null",
            Value::Bool(_) => name == "boolean",
            Value::Number(number) => name == "number" || (name == "integer" && !number.is_f64()),
            Value::String(_) => name == "string",
            _ => false,
        },
        _ => false,
    }
}

fn wrong_type(node: &Node, types: &[&str], path: &str) -> Error {
    let mut expected: Vec<&str> = types.iter().filter(|name| **name != "null").map(|name| type_name(name)).collect();
    expected.dedup();
    let whole = if path.is_empty() { "the document".to_owned() } else { format!("`{path}`") };
    let error = wrong(&node.place, format_args!("{whole} must be {}, not {}", expected.join(" or "), describe(node)));
    match &node.kind {
        NodeKind::Scalar { text, plain: true } if types.contains(&"string") && !node.is_null() => {
            error.hint(format!("put it in quotes: \"{text}\""))
        }
        _ => error,
    }
}

/// A JSON type in words.
pub(crate) fn type_name(name: &str) -> &str {
    match name {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a section with keys",
        other => other,
    }
}

fn describe(node: &Node) -> String {
    match &node.kind {
        NodeKind::Mapping(_) => "a section with keys".to_owned(),
        NodeKind::Sequence(_) => "a list".to_owned(),
        NodeKind::Scalar { text, .. } => match node.to_value() {
            Value::Null => "empty".to_owned(),
            Value::String(_) => format!("the text `{}`", cut(text)),
            Value::Number(_) => format!("the number {}", cut(text)),
            _ => format!("`{}`", cut(text)),
        },
    }
}

/// The first part of a value for a message.
fn cut(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn check_range(node: &Node, schema: &Value, path: &str) -> Result<()> {
    let value = node.to_value();
    let Some(number) = value.as_f64() else { return Ok(()) };
    let bound = |key| schema.get(key).and_then(Value::as_f64);
    let wanted = match (bound("minimum"), bound("maximum")) {
        (Some(minimum), _) if number < minimum => format!("at least {minimum}"),
        (_, Some(maximum)) if number > maximum => format!("at most {maximum}"),
        _ => return Ok(()),
    };
    Err(wrong(&node.place, format_args!("`{path}` must be {wanted}, not {value}")))
}

/// The first sentence of a schema's description, on one line.
pub(crate) fn first_sentence(schema: &Value) -> Option<String> {
    let text = schema.get("description")?.as_str()?.replace('\n', " ");
    let end = text.find(". ").unwrap_or(text.len());
    Some(text[..end].trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::yaml::parse;
    use serde_json::json;

    fn schema() -> Value {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["url"],
            "properties": {
                "url": {"type": "string", "description": "Where. More."},
                "rows": {"type": "integer", "minimum": 1, "maximum": 9},
                "mode": {"oneOf": [{"const": "lines", "type": "string"}, {"const": "array", "type": "string"}]},
                "size": {"anyOf": [{"$ref": "#/$defs/Size"}, {"type": "null"}]},
                "tables": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Table"}},
                "list": {"type": "array", "items": {"type": ["string", "null"]}},
                "any": true
            },
            "$defs": {
                "Size": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
                "Table": {"type": "object", "additionalProperties": false, "properties": {"write": {"type": "boolean"}}}
            }
        })
    }

    fn outcome(text: &str) -> Result<()> {
        let schema = schema();
        check(&parse(text, "j.yaml").unwrap(), &schema, &schema, "")
    }

    #[test]
    fn what_fits_passes() {
        outcome(
            "url: x\nrows: 3\nmode: array\nsize: 5MiB\ntables: {a: {write: true}}\nlist: [a, ~]\nany: [1, {a: b}]\n",
        )
        .unwrap();
        outcome("url: x\nsize:\n").unwrap();
    }

    #[test]
    fn each_fault_has_its_line_key_and_way_out() {
        for (text, message, hint) in [
            ("url: x\nmod: lines", "j.yaml:2: unknown key `mod`", "did you mean `mode`? known here: url, rows, mode"),
            ("rows: 1", "j.yaml:1: `url` is missing", "Where"),
            ("url: 5", "j.yaml:1: `url` must be text, not the number 5", "put it in quotes: \"5\""),
            ("url: x\nrows: many", "j.yaml:2: `rows` must be a whole number, not the text `many`", ""),
            ("url: x\nrows: 0", "j.yaml:2: `rows` must be at least 1, not 0", ""),
            ("url: x\nrows: 10", "j.yaml:2: `rows` must be at most 9, not 10", ""),
            ("url: x\nrows: [1]", "j.yaml:2: `rows` must be a whole number, not a list", ""),
            (
                "url: x\nmode: line",
                "j.yaml:2: `mode` cannot be `line`",
                "did you mean `lines`? known here: lines, array",
            ),
            ("url: x\nmode: 3", "j.yaml:2: `mode` cannot be the number 3", "choose one of lines, array"),
            ("url: x\nsize: [1]", "j.yaml:2: `size` must be a whole number or text, not a list", ""),
            ("url: x\ntables:\n  a:\n    writ: 1", "j.yaml:4: unknown key `tables.a.writ`", "did you mean `write`?"),
            ("url: x\nlist:\n  - a\n  - 3", "j.yaml:4: `list[1]` must be text, not the number 3", "quotes"),
            ("- url", "j.yaml:1: the document must be a section with keys, not a list", ""),
        ] {
            let error = outcome(text).expect_err(text);
            assert_eq!(error.to_string(), message);
            assert!(error.hint_text().unwrap_or_default().contains(hint), "{text}: {:?}", error.hint_text());
        }
    }
}
