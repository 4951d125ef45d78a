//! One list of uap-core's rules: the first that matches gives its parts.
//!
//! What comes out is what the crate `ua-parser` gives, and a test compares the two. It finds the groups of a match with
//! `regex`, whose backtracker remembers 256 KiB of places and leaves longer matches to an engine that takes twenty times
//! as long: from 530 bytes on for the largest rule, from 1,930 for the one that most crawlers meet. Here the groups of long
//! matches are found by a backtracker with as much room as the longest text takes, and rules that use no group are not
//! asked for any.

use super::rewrite::rewrite;
use regex_automata::nfa::thompson::backtrack::{BoundedBacktracker, Config};
use regex_automata::util::captures::Captures;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use regex_filtered::{Builder, Options, Regexes};
use std::borrow::Cow;
use std::error::Error;
use std::sync::OnceLock;

/// Longest match whose groups `regex` finds: its backtracker takes as many bytes of each rule that uap-core has.
const SHORT: usize = 512;

/// How one part of a result is made of a match.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Always this.
    Literal(String),
    /// A group of the match.
    Group(usize),
    /// A text with `$1` to `$9` in it, whose ends are trimmed.
    Template(String),
    /// A text in which `$1` alone stands for a group, and which is taken as it is.
    First(String),
    /// Nothing.
    Nothing,
}

impl Part {
    /// A replacement with templates, else a group if the rule has it.
    pub(super) fn template(replacement: Option<Cow<'_, str>>, groups: usize, group: usize) -> Self {
        match replacement {
            Some(text) if !text.trim().is_empty() => {
                let bytes = text.as_bytes();
                let has_group = bytes.windows(2).any(|pair| pair[0] == b'$' && pair[1].is_ascii_digit());
                if has_group { Self::Template(text.into_owned()) } else { Self::Literal(text.into_owned()) }
            }
            _ if groups >= group => Self::Group(group),
            _ => Self::Nothing,
        }
    }

    /// A replacement as it is, else a group if the rule has it.
    pub(super) fn literal(replacement: Option<Cow<'_, str>>, groups: usize, group: usize) -> Self {
        match replacement {
            Some(text) if !text.is_empty() => Self::Literal(text.into_owned()),
            _ if groups >= group => Self::Group(group),
            _ => Self::Nothing,
        }
    }

    /// The name of a browser: a replacement in which `$1` may stand, else the first group.
    pub(super) fn family(replacement: Option<Cow<'_, str>>, groups: usize) -> Result<Self, String> {
        match replacement {
            Some(text) if text.contains("$1") && groups == 0 => {
                Err(format!("`{text}` names a group that is not there"))
            }
            Some(text) if text.contains("$1") => Ok(Self::First(text.into_owned())),
            other => Ok(Self::literal(other, groups, 1)),
        }
    }

    fn uses_groups(&self) -> bool {
        !matches!(self, Self::Literal(_) | Self::Nothing)
    }
}

/// A rule, before it is compiled. `parts` are made when the number of its groups is known.
pub(super) struct Source<'a, F> {
    pub regex: &'a str,
    pub ignore_case: bool,
    pub parts: F,
}

/// Rules with `N` parts.
pub(super) struct Rules<const N: usize> {
    matcher: Regexes,
    rules: Vec<Rule<N>>,
}

struct Rule<const N: usize> {
    parts: [Part; N],
    ignore_case: bool,
    /// For long matches; made for the first of them, `None` if it cannot be.
    long: OnceLock<Option<BoundedBacktracker>>,
}

/// Where groups are in a text.
type Groups = Vec<Option<(usize, usize)>>;

impl<const N: usize> Rules<N> {
    /// Compiles rules. `atom` is the length of the pieces of text by which those are found that may match.
    pub(super) fn compile<'a, F>(
        sources: impl Iterator<Item = Source<'a, F>>,
        atom: usize,
    ) -> Result<Self, Box<dyn Error + Send + Sync>>
    where
        F: FnOnce(usize) -> Result<[Part; N], String>,
    {
        let mut builder = Builder::new_atom_len(atom);
        let mut rules = Vec::new();
        for Source { regex, ignore_case, parts } in sources {
            builder = builder.push_opt(&rewrite(regex), Options::new().case_insensitive(ignore_case))?;
            let groups = builder.regexes().last().map_or(0, |regex| regex.captures_len() - 1);
            rules.push(Rule { parts: parts(groups)?, ignore_case, long: OnceLock::new() });
        }
        Ok(Self { matcher: builder.build()?, rules })
    }

    /// The parts that the first matching rule gives. A part that is empty is none.
    pub(super) fn extract<'t>(&'t self, text: &'t str) -> Option<[Option<Cow<'t, str>>; N]> {
        let (index, regex) = self.matcher.matching(text).next()?;
        let rule = &self.rules[index];
        let groups = if rule.parts.iter().any(Part::uses_groups) {
            let found = regex.find(text)?.range();
            let long = if found.len() > SHORT { rule.long(regex.as_str(), text.len()) } else { None };
            match long.and_then(|engine| long_groups(engine, text, found.clone())) {
                Some(groups) => groups,
                None => {
                    regex.captures(text)?.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect()
                }
            }
        } else {
            Vec::new()
        };
        Some(std::array::from_fn(|part| resolve(&rule.parts[part], text, &groups)))
    }
}

impl<const N: usize> Rule<N> {
    /// The engine for long matches, with room for the longest text.
    fn long(&self, pattern: &str, length: usize) -> Option<&BoundedBacktracker> {
        let build = || {
            let syntax = syntax::Config::new().case_insensitive(self.ignore_case);
            let mut engine = BoundedBacktracker::builder().syntax(syntax).build(pattern).ok()?;
            let states = engine.get_nfa().states().len();
            let room = states.checked_mul(length.max(crate::MAX_TEXT) + 1)?.div_ceil(8);
            if room > engine.get_config().get_visited_capacity() {
                let config = Config::new().visited_capacity(room);
                engine =
                    BoundedBacktracker::builder().configure(config).build_from_nfa(engine.get_nfa().clone()).ok()?;
            }
            Some(engine)
        };
        self.long.get_or_init(build).as_ref()
    }
}

/// The groups of a match that is known to be there; `None` when it is longer than the engine has room for.
fn long_groups(engine: &BoundedBacktracker, text: &str, found: std::ops::Range<usize>) -> Option<Groups> {
    let mut groups: Captures = engine.create_captures();
    let input = Input::new(text).span(found).anchored(Anchored::Yes);
    engine.try_captures(&mut engine.create_cache(), input, &mut groups).ok()?;
    groups.is_match().then(|| groups.iter().map(|span| span.map(|span| (span.start, span.end))).collect())
}

fn resolve<'t>(part: &'t Part, text: &'t str, groups: &Groups) -> Option<Cow<'t, str>> {
    let group = |index: usize| {
        let (start, end) = groups.get(index).copied().flatten()?;
        text.get(start..end).filter(|text| !text.is_empty())
    };
    let resolved: Cow<'t, str> = match part {
        Part::Nothing => return None,
        Part::Literal(literal) => literal.as_str().into(),
        Part::Group(index) => group(*index)?.into(),
        Part::First(template) => template.replace("$1", group(1).unwrap_or_default()).into(),
        Part::Template(template) => {
            let mut made = String::new();
            let append = |index: usize, made: &mut String| made.push_str(group(index).unwrap_or_default());
            regex_automata::util::interpolate::string(template, append, |_| None, &mut made);
            match made.trim() {
                trimmed if trimmed.len() == made.len() => made.into(),
                trimmed => trimmed.to_owned().into(),
            }
        }
    };
    (!resolved.is_empty()).then_some(resolved)
}
