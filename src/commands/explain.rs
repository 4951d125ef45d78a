//! `explain`: one component's options, or one section of the job file, from their JSON Schemas.

use crate::job::json_schema;
use crate::job::shape::{choices, resolve, type_name, types};
use crate::registry::Registry;
use crate::report::Outcome;
use crate::screen::Printer;
use crate::text::suggest::unknown;
use etl_sdk::Result;
use serde_json::{Value, json};
use std::fmt::Write as _;
use textwrap::{WordSeparator, WordSplitter};

/// How deep sections within sections are printed.
const MAX_DEPTH: usize = 3;
/// The width at which lines of documentation are broken, with their indent.
const WIDTH: usize = 100;
/// Before each line of documentation.
const INDENT: &str = "      ";

/// Prints what `name` is: a transformer, an enrichment, `job`, a section such as `source`, or a key such as
/// `source.framing`.
pub fn run(name: &str, registry: &Registry, printer: &Printer) -> Result<Outcome> {
    let topic = find(name, registry)?;
    if printer.is_json() {
        let Topic { title, schema, root } = topic;
        printer.json(&json!({"name": name, "summary": title, "schema": schema, "definitions": root["$defs"]}))?;
        return Ok(Outcome::Done);
    }
    printer.result(&screen(name, &topic))?;
    Ok(Outcome::Done)
}

/// What a name stands for.
struct Topic {
    title: String,
    schema: Value,
    /// The document in which references of the schema are found.
    root: Value,
}

fn screen(name: &str, topic: &Topic) -> String {
    let Topic { title, schema, root } = topic;
    let mut text = format!("{name}: {title}\n");
    let mut options = Vec::new();
    collect(schema, root, "", 0, &mut options);
    if options.is_empty() {
        let label = label(schema, root);
        let _ = writeln!(text, "  {label}{}", default_of(schema, title));
        push_choices(&mut text, schema, root);
    }
    for option in &options {
        let _ = writeln!(text, "\n  {}  {}{}", option.key, option.label, option.default);
        push_wrapped(&mut text, &option.doc);
    }
    text
}

fn find(name: &str, registry: &Registry) -> Result<Topic> {
    let component = |role: &str, summary: &str, schema: Value| Topic {
        title: format!("{summary} ({role}; its options go under `with`)"),
        root: schema.clone(),
        schema,
    };
    if let Some(found) = registry.transformers().iter().find(|one| one.name == name) {
        return Ok(component("transformer", &found.summary, found.options_schema()));
    }
    if let Some(found) = registry.enrichments().iter().find(|one| one.name == name) {
        return Ok(component("enrichment", &found.summary, found.options_schema()));
    }
    let root = json_schema(registry);
    if name == "job" {
        return Ok(Topic { title: doc_of(&root), schema: root.clone(), root });
    }
    let mut schema = &root;
    for key in name.split('.') {
        let inner = section(schema, &root);
        match inner.get("properties").and_then(|properties| properties.get(key)) {
            Some(next) => schema = next,
            None => return Err(not_found(name, key, inner, &root, registry)),
        }
    }
    Ok(Topic { title: doc_of(schema), schema: schema.clone(), root: root.clone() })
}

fn not_found(name: &str, key: &str, inner: &Value, root: &Value, registry: &Registry) -> etl_sdk::Error {
    let keys = inner.get("properties").and_then(Value::as_object);
    let mut known: Vec<&str> = keys.map(|keys| keys.keys().map(String::as_str).collect()).unwrap_or_default();
    if std::ptr::eq(inner, root) {
        known.extend(registry.transformers().iter().map(|one| &*one.name));
        known.extend(registry.enrichments().iter().map(|one| &*one.name));
        return unknown("name", name, &known);
    }
    unknown("key", key, &known)
}

/// The object schema behind a key: through references, options, lists and maps.
fn section<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let schema = resolve(schema, root);
    if schema.get("properties").is_some() {
        return schema;
    }
    let branch = schema.get("anyOf").and_then(Value::as_array).and_then(|branches| {
        branches.iter().map(|branch| resolve(branch, root)).find(|branch| types(branch) != ["null"])
    });
    if let Some(branch) = branch {
        return section(branch, root);
    }
    match schema.get("items").or_else(|| schema.get("additionalProperties").filter(|schema| schema.is_object())) {
        Some(inner) => section(inner, root),
        None => schema,
    }
}

struct Row {
    key: String,
    label: String,
    default: String,
    doc: String,
}

fn collect(schema: &Value, root: &Value, prefix: &str, depth: usize, rows: &mut Vec<Row>) {
    let inner = section(schema, root);
    let required: Vec<&str> =
        inner.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, option) in inner.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let doc = doc_of(option);
        let default = if required.contains(&key.as_str()) { ", required".to_owned() } else { default_of(option, &doc) };
        let path = format!("{prefix}{key}");
        rows.push(Row { label: label(option, root), default, doc, key: path.clone() });
        let below = section(option, root);
        if depth + 1 < MAX_DEPTH && below.get("properties").is_some() {
            let open = match types(resolve(option, root)).first() {
                Some(&"array") => "[].",
                Some(&"object") if resolve(option, root).get("properties").is_none() => ".NAME.",
                _ => ".",
            };
            collect(below, root, &format!("{path}{open}"), depth + 1, rows);
        }
    }
}

/// The text of a `description`; paragraphs become one.
fn doc_of(schema: &Value) -> String {
    schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The default, unless the documentation names it.
fn default_of(schema: &Value, doc: &str) -> String {
    match schema.get("default") {
        None | Some(Value::Null) => String::new(),
        Some(_) if doc.contains("Default:") => String::new(),
        Some(Value::Object(map)) if map.len() > 1 => String::new(),
        Some(Value::String(text)) => format!(", default {text}"),
        Some(value) => format!(", default {value}"),
    }
}

/// What a value must be, in a few words.
fn label(schema: &Value, root: &Value) -> String {
    match schema.get("$ref").and_then(Value::as_str).and_then(|text| text.rsplit(['/', '-']).next()) {
        Some("ByteSize") => return "size such as 512MiB".to_owned(),
        Some("Span") => return "length of time such as 2h".to_owned(),
        Some("Every") => return "length of windows such as 1h".to_owned(),
        Some("Instant") => return "instant such as 2026-11-20T05".to_owned(),
        Some("DeadLetterLimit") => return "share such as 5%, or count".to_owned(),
        _ => {}
    }
    let schema = resolve(schema, root);
    let branches = ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)).and_then(Value::as_array);
    if let Some(branches) = branches {
        if let Some(choices) = choices(branches) {
            return format!("one of {}", choices.join(", "));
        }
        let labels: Vec<String> =
            branches.iter().filter(|branch| types(branch) != ["null"]).map(|branch| label(branch, root)).collect();
        return labels.join(" or ");
    }
    if let Some(choices) = choices(std::slice::from_ref(schema)) {
        return format!("one of {}", choices.join(", "));
    }
    let names: Vec<&str> = types(schema).into_iter().filter(|name| *name != "null").collect();
    match names.as_slice() {
        [] => "anything".to_owned(),
        ["array"] => match schema.get("items") {
            Some(items) if label(items, root) == "section" => "list of sections".to_owned(),
            Some(items) => format!("list of {}", label(items, root)),
            None => "list".to_owned(),
        },
        ["object"] => match schema.get("additionalProperties") {
            Some(values) if values.is_object() => format!("names, each with {}", label(values, root)),
            _ => "section".to_owned(),
        },
        names => names.iter().map(|name| type_name(name).trim_start_matches("a ")).collect::<Vec<_>>().join(" or "),
    }
}

/// The choices of a single key, each with its documentation.
fn push_choices(text: &mut String, schema: &Value, root: &Value) {
    let schema = resolve(schema, root);
    for branch in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        if let Some(choice) = branch.get("const").and_then(Value::as_str) {
            let _ = writeln!(text, "\n  {choice}");
            push_wrapped(text, &doc_of(branch));
        }
    }
}

/// Appends a paragraph, broken between words alone: a name or an example is one word to copy.
fn push_wrapped(text: &mut String, paragraph: &str) {
    if paragraph.is_empty() {
        return;
    }
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(INDENT)
        .subsequent_indent(INDENT)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .break_words(false);
    for line in textwrap::wrap(paragraph, options) {
        text.push_str(&line);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::testing::sample;

    fn explained(name: &str) -> String {
        screen(name, &find(name, &sample()).unwrap())
    }

    #[test]
    fn a_component_is_explained_from_its_schema() {
        insta::assert_snapshot!(explained("sample"), @r#"
        sample: Does nothing (transformer; its options go under `with`)

          mode  one of fast, slow
              How it works. Default: `fast`.

          rows  whole number, default 8192
              Most rows of a batch.

          names  list of text, default []
              Names, in order.
        "#);
        insta::assert_snapshot!(explained("tables"), @r#"
        tables: Settings per table; tables not named here keep the transformer's.

          partition_by  list of sections
              Partition columns of the path, outermost first. Default: the transformer's. Example: `[{name:
              year, column: event_timestamp, part: year}]`

          partition_by[].name  text, required
              Name in the path.

          partition_by[].column  text, required
              The column it is computed from.

          partition_by[].part  one of value, year, month, day, hour, date, required
              What is taken of the column: `value`, `year`, `month`, `day`, `hour` or `date`.

          write  true or false, default true
              `false` does not write the table.
        "#);
    }

    #[test]
    fn an_unknown_name_lists_sections_and_components() {
        let error = find("sampel", &sample()).err().unwrap();
        assert_eq!(error.to_string(), "unknown name `sampel`");
        let hint = error.hint_text().unwrap_or_default();
        assert!(hint.starts_with("did you mean `sample`?") && hint.contains("source"), "{hint}");
    }
}
