//! YAML as a tree that remembers where each key and value was written.
//!
//! The tree is built from the parser's events and not by serde, because the job file's errors name the line of the key
//! at fault, overrides replace single values, and variables are replaced before types are decided.

use crate::text::redact;
use etl_sdk::{Error, Result, SourcePlace};
use serde_json::Value;
use serde_saphyr::granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Tag};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Most values of one document, copies through aliases included.
const MAX_NODES: usize = 100_000;
/// Most bytes of text of one document, copies through aliases included.
const MAX_TEXT_BYTES: usize = 16 << 20;
/// Deepest nesting: a job file needs about six.
pub(super) const MAX_DEPTH: usize = 64;

/// Where a key or value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A part of a file.
    File(FilePlace),
    /// An override of the command line.
    Override(Arc<str>),
}

/// A part of a file. What begins where its first part begins, such as a section, has no length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePlace {
    source: Arc<Source>,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    length: usize,
}

/// The name of a file and its text.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    name: String,
    text: String,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub place: Place,
    pub kind: NodeKind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    /// Text; a plain one (not quoted) may also be read as a number, a boolean or null.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key of a mapping and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub place: Place,
    pub value: Node,
}

/// Prints as `jobs/x.yaml:12` or `--set source.url=x`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(place) => write!(f, "{}:{}", place.source.name, place.line),
            Self::Override(text) => write!(f, "--set {}", redact(text)),
        }
    }
}

impl Place {
    /// Tells an error where it is.
    pub fn mark(&self, error: Error) -> Error {
        match self {
            Self::File(place) => error.at(place.into()),
            Self::Override(_) => error,
        }
    }
}

impl FilePlace {
    /// Whether an error is here.
    pub fn is(&self, place: &SourcePlace) -> bool {
        (self.line, self.column, self.length) == (place.line, place.column, place.length)
    }
}

impl From<&FilePlace> for SourcePlace {
    fn from(place: &FilePlace) -> Self {
        let text = place.source.text.lines().nth(place.line - 1).unwrap_or_default();
        Self {
            file: place.source.name.clone(),
            line: place.line,
            column: place.column,
            length: place.length,
            text: redact(text),
        }
    }
}

impl Node {
    /// The value as JSON has it.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar { text, plain: false } => Value::String(text.clone()),
            NodeKind::Scalar { text, plain: true } => plain_value(text),
            NodeKind::Sequence(items) => items.iter().map(Self::to_value).collect(),
            NodeKind::Mapping(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_value())).collect())
            }
        }
    }

    /// The value of a key, or the element of a list.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            NodeKind::Mapping(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            NodeKind::Sequence(items) => items.get(key.parse::<usize>().ok()?),
            NodeKind::Scalar { .. } => None,
        }
    }

    /// The place of the deepest value on the path that exists: a missing key is reported where its section is.
    pub fn place_of<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> &Place {
        let mut node = self;
        let mut place = &self.place;
        for key in path {
            let Some(next) = node.get(key) else { break };
            place = match &node.kind {
                NodeKind::Mapping(entries) => {
                    entries.iter().find(|entry| entry.key == key).map_or(&next.place, |entry| &entry.place)
                }
                _ => &next.place,
            };
            // The key may be in the file, and what was replaced is not.
            if matches!(next.place, Place::Override(_)) {
                place = &next.place;
            }
            node = next;
        }
        place
    }

    /// Whether nothing was written: `key:`, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar { text, plain: true } if plain_value(text).is_null())
    }
}

/// Reads one document. `file` is the name that errors and places carry.
pub(crate) fn parse(text: &str, file: &str) -> Result<Node> {
    let source = Arc::new(Source { name: file.to_owned(), text: text.to_owned() });
    parse_with(text, &|line, column, length| {
        Place::File(FilePlace { source: Arc::clone(&source), line, column, length })
    })
}

/// Reads the value of an override.
pub(crate) fn parse_override(value: &str, whole: &str) -> Result<Node> {
    let whole: Arc<str> = whole.into();
    parse_with(value, &|_, _, _| Place::Override(Arc::clone(&whole)))
}

/// Makes a place of a line, a column and a length.
type PlaceOf<'a> = &'a dyn Fn(usize, usize, usize) -> Place;

fn parse_with(text: &str, place: PlaceOf<'_>) -> Result<Node> {
    let mut builder = Builder::default();
    let mut documents = 0;
    let mut options = Options::default();
    // The parser holds back comments and allows few in a row; a job file may have a page of them.
    options.set_emit_comments(false);
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| not_yaml(&error, place))?;
        let at = |marker: &Marker| place(marker.line().max(1), marker.col() + 1, 0);
        match event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    return Err(wrong(&at(&span.start), "a second document begins")
                        .hint("keep each job in a file of its own; remove the `---` line"));
                }
            }
            Event::Scalar(value, style, anchor, tag) => {
                let length = if span.start.line() == span.end.line() { span.end.col() - span.start.col() } else { 0 };
                let place = place(span.start.line().max(1), span.start.col() + 1, length);
                let plain = style == ScalarStyle::Plain && !check_tag(tag, &place)?;
                builder.take(Node { place, kind: NodeKind::Scalar { text: value.into_owned(), plain } }, anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => builder.open(at(&span.start), false, anchor, tag)?,
            Event::MappingStart(_, anchor, tag) => builder.open(at(&span.start), true, anchor, tag)?,
            Event::SequenceEnd | Event::MappingEnd => builder.close()?,
            Event::Alias(anchor) => builder.alias(anchor, &at(&span.start))?,
            _ => {}
        }
    }
    Ok(builder
        .root
        .unwrap_or(Node { place: place(1, 1, 0), kind: NodeKind::Scalar { text: String::new(), plain: true } }))
}

/// `operation` of every error about a place begins with it, as compilers do.
pub(crate) fn wrong(place: &Place, what: impl fmt::Display) -> Error {
    place.mark(Error::config(format!("{place}: {what}")))
}

fn not_yaml(error: &ScanError, place: PlaceOf<'_>) -> Error {
    let marker = error.marker();
    let at = place(marker.line().max(1), marker.col() + 1, 0);
    wrong(&at, format_args!("not YAML at column {}: {}", marker.col() + 1, error.info()))
        .hint("look at the indentation, at tabs, and at quotes around values that hold `: ` or ` #`")
}

/// Whether the tag says that the scalar is text. Tags that would build something are refused.
fn check_tag(tag: Option<Cow<'_, Tag>>, place: &Place) -> Result<bool> {
    let Some(tag) = tag else { return Ok(false) };
    match tag.core_suffix() {
        Some("str") => Ok(true),
        Some(_) => Ok(false),
        None => Err(wrong(place, format_args!("the tag `{tag}` means nothing here")).hint("remove the tag")),
    }
}

/// A collection that is not closed yet.
struct Open {
    node: Node,
    /// The key that waits for its value.
    key: Option<(String, Place)>,
    /// Keys so far and the number of their entry.
    keys: HashMap<String, usize>,
    anchor: usize,
    /// Nodes and bytes used before it, to know what an alias to it costs.
    used_before: (usize, usize),
}

#[derive(Default)]
struct Builder {
    root: Option<Node>,
    stack: Vec<Open>,
    /// Complete anchored values with their cost in nodes and bytes.
    anchors: HashMap<usize, (Node, usize, usize)>,
    nodes: usize,
    bytes: usize,
}

impl Builder {
    fn spend(&mut self, nodes: usize, bytes: usize, place: &Place) -> Result<()> {
        self.nodes += nodes;
        self.bytes += bytes;
        if self.nodes > MAX_NODES {
            return Err(wrong(place, format_args!("more than {MAX_NODES} values, aliases counted at each use")));
        }
        if self.bytes > MAX_TEXT_BYTES {
            return Err(wrong(
                place,
                format_args!("more than {MAX_TEXT_BYTES} bytes of text, aliases counted at each use"),
            ));
        }
        Ok(())
    }

    fn open(&mut self, place: Place, mapping: bool, anchor: usize, tag: Option<Cow<'_, Tag>>) -> Result<()> {
        check_tag(tag, &place)?;
        if self.stack.len() >= MAX_DEPTH {
            return Err(wrong(&place, format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        let used_before = (self.nodes, self.bytes);
        self.spend(1, 0, &place)?;
        let kind = if mapping { NodeKind::Mapping(Vec::new()) } else { NodeKind::Sequence(Vec::new()) };
        self.stack.push(Open { node: Node { place, kind }, key: None, keys: HashMap::new(), anchor, used_before });
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        if open.anchor != 0 {
            let cost = (self.nodes - open.used_before.0, self.bytes - open.used_before.1);
            // Keeping the anchored value is a copy too.
            self.spend(cost.0, cost.1, &open.node.place)?;
            self.anchors.insert(open.anchor, (open.node.clone(), cost.0, cost.1));
        }
        self.attach(open.node)
    }

    /// Takes a scalar.
    fn take(&mut self, node: Node, anchor: usize) -> Result<()> {
        let bytes = if let NodeKind::Scalar { text, .. } = &node.kind { text.len() } else { 0 };
        self.spend(1, bytes, &node.place)?;
        if anchor != 0 {
            self.spend(1, bytes, &node.place)?;
            self.anchors.insert(anchor, (node.clone(), 1, bytes));
        }
        self.attach(node)
    }

    fn alias(&mut self, anchor: usize, place: &Place) -> Result<()> {
        let Some((_, nodes, bytes)) = self.anchors.get(&anchor) else {
            return Err(wrong(place, "the alias stands inside the value that it names"));
        };
        let (nodes, bytes) = (*nodes, *bytes);
        self.spend(nodes, bytes, place)?;
        // Checked before the copy is made; the entry is there.
        let Some((node, ..)) = self.anchors.get(&anchor) else { return Ok(()) };
        let node = node.clone();
        if self.stack.len() + depth(&node) > MAX_DEPTH {
            return Err(wrong(place, format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.attach(node)
    }

    fn attach(&mut self, node: Node) -> Result<()> {
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.kind {
            NodeKind::Sequence(items) => items.push(node),
            NodeKind::Mapping(entries) => {
                if let Some((key, place)) = open.key.take() {
                    entries.push(Entry { key, place, value: node });
                    return Ok(());
                }
                let NodeKind::Scalar { text, .. } = node.kind else {
                    return Err(wrong(&node.place, "a key must be text"));
                };
                if let Some(first) = open.keys.insert(text.clone(), entries.len()) {
                    return Err(wrong(&node.place, format_args!("the key `{text}` is written twice"))
                        .hint(format!("the first one is at {}", entries[first].place)));
                }
                open.key = Some((text, node.place));
            }
            NodeKind::Scalar { .. } => {}
        }
        Ok(())
    }
}

fn depth(node: &Node) -> usize {
    match &node.kind {
        NodeKind::Scalar { .. } => 0,
        NodeKind::Sequence(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        NodeKind::Mapping(entries) => 1 + entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
    }
}

/// What a plain scalar means (YAML 1.2 core schema). Digits with leading zeros stay text: they are account ids and
/// the like, and a number would lose the zeros.
fn plain_value(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.trim_start_matches(['-', '+']);
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return Value::String(text.to_owned());
    }
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    if leading_zero {
        return Value::String(text.to_owned());
    }
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        if let Ok(number) = u64::from_str_radix(hexadecimal, 16) {
            return number.into();
        }
    } else if let Ok(number) = text.parse::<u64>() {
        return number.into();
    } else if let Ok(number) = text.parse::<i64>() {
        return number.into();
    } else if let Ok(number) = text.parse::<f64>()
        && number.is_finite()
    {
        return number.into();
    }
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fmt::Write as _;

    fn failure(text: &str) -> String {
        parse(text, "job.yaml").expect_err(text).to_string()
    }

    #[test]
    fn values_are_read_with_their_lines() {
        let node =
            parse("a: 1\nb:\n  - x\n  - {c: true, d: \"2\"}\ne: !!str 3\nf: 007\ng: -1.5\nh:\n", "job.yaml").unwrap();
        assert_eq!(
            node.to_value(),
            json!({"a": 1, "b": ["x", {"c": true, "d": "2"}], "e": "3", "f": "007", "g": -1.5, "h": null})
        );
        assert_eq!(node.place_of(["b", "1", "d"]).to_string(), "job.yaml:4");
        assert_eq!(node.place_of(["b", "7"]).to_string(), "job.yaml:2");
    }

    #[test]
    fn aliases_are_copies() {
        let node = parse("a: &x {b: 1}\nc: *x\n", "job.yaml").unwrap();
        assert_eq!(node.to_value(), json!({"a": {"b": 1}, "c": {"b": 1}}));
    }

    #[test]
    fn hostile_documents_end_early() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for level in 1..12 {
            let before = level - 1;
            let _ = writeln!(bomb, "a{level}: &a{level} [{}]", vec![format!("*a{before}"); 9].join(","));
        }
        assert!(failure(&bomb).contains("more than 100000 values"));

        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 50].join(","));
        assert!(failure(&long).contains("bytes of text"));

        for deep in [format!("a: {}", "[".repeat(100_000)), "- ".repeat(100_000)] {
            assert!(failure(&deep).contains("job.yaml:1"), "{}", failure(&deep));
        }
        assert!(failure("a: &a [*a]\n").contains("inside the value"));
    }

    #[test]
    fn ambiguous_documents_are_refused() {
        assert_eq!(failure("a: 1\nb: 2\na: 3\n"), "job.yaml:3: the key `a` is written twice");
        assert_eq!(failure("a: 1\n---\nb: 2\n"), "job.yaml:2: a second document begins");
        assert_eq!(failure("a: !run x\n"), "job.yaml:1: the tag `!run` means nothing here");
        assert_eq!(failure("[a]: 1\n"), "job.yaml:1: a key must be text");
        assert!(failure("a: 1\n b: 2\n").starts_with("job.yaml:2: not YAML at column"));
    }
}
