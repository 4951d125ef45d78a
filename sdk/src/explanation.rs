//! Questions about a component that it answers by itself, without a run.

use crate::{BuildContext, Error, Result, parse_options};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

type Answers = dyn Fn(&Question<'_>) -> Result<Answer> + Send + Sync;

/// A question that a component answers: a command `explain NAME` with parameters of its own.
#[derive(Clone)]
pub struct Explanation {
    /// The command's word, lower case with dashes: `traffic-source`. No two components may take the same.
    pub name: Cow<'static, str>,
    /// One line for the help.
    pub summary: Cow<'static, str>,
    /// Command lines that the help ends with, one a line.
    pub examples: Vec<Cow<'static, str>>,
    /// What may be asked, in the order of the help. The runner adds `--job` and `--set`, `--output` and `--color`.
    pub parameters: Vec<Parameter>,
    answer: Arc<Answers>,
}

/// An option of the command: `--utm-source TEXT`, or `--reference` when it has no value.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name without dashes in front: `utm-source`.
    pub name: Cow<'static, str>,
    /// What its value is called in the help: `TEXT`. `None` for a switch.
    pub value: Option<Cow<'static, str>>,
    /// One sentence or two for the help.
    pub help: Cow<'static, str>,
    /// Whether it may be given more than once.
    pub repeated: bool,
    /// Whether it stands for options of the job file, so that it cannot be given together with one.
    pub replaces_job: bool,
}

/// What was asked.
pub struct Question<'a> {
    /// The parameters as they were given.
    pub arguments: &'a Arguments,
    /// The component's options in a job file, when one was named.
    pub job: Option<JobOptions<'a>>,
    /// Reads the files that options name.
    pub context: &'a BuildContext,
}

/// The `with` section of a component in a job file.
#[derive(Clone, Copy)]
pub struct JobOptions<'a> {
    /// The section.
    pub with: &'a Value,
    /// Puts the section's file and line before an error.
    pub place: &'a dyn Fn(Error) -> Error,
}

/// Values by the name of their parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments(BTreeMap<String, Vec<String>>);

/// What a component answers, for programs and for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The one JSON value of `--output json`.
    pub json: Value,
    /// The text, from top to bottom.
    pub text: Vec<Block>,
}

/// A part of an answer's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// One line, without its end.
    Line(String),
    /// Rows whose columns are aligned, indented by two spaces.
    Table {
        /// One per column.
        aligns: Vec<Align>,
        /// As many texts each as there are columns.
        rows: Vec<Vec<String>>,
    },
}

/// Which side of its column a text stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Names.
    Left,
    /// Numbers.
    Right,
}

impl Explanation {
    /// A question without parameters yet.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        summary: impl Into<Cow<'static, str>>,
        answer: impl Fn(&Question<'_>) -> Result<Answer> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            summary: summary.into(),
            examples: Vec::new(),
            parameters: Vec::new(),
            answer: Arc::new(answer),
        }
    }

    /// Adds a command line to the help.
    #[must_use]
    pub fn example(mut self, line: impl Into<Cow<'static, str>>) -> Self {
        self.examples.push(line.into());
        self
    }

    /// Adds a parameter.
    #[must_use]
    pub fn parameter(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Answers. Fails with kind `Usage` when the arguments do not make a question, and with `Config` when an option, or
    /// a file it names, is wrong.
    pub fn answer(&self, question: &Question<'_>) -> Result<Answer> {
        (self.answer)(question)
    }
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Parameter {
    /// An option with a value, such as `--url URL`.
    pub fn value(
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
        help: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { value: Some(value.into()), ..Self::switch(name, help) }
    }

    /// An option without a value.
    pub fn switch(name: impl Into<Cow<'static, str>>, help: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), value: None, help: help.into(), repeated: false, replaces_job: false }
    }

    /// It may be given more than once.
    #[must_use]
    pub fn repeated(self) -> Self {
        Self { repeated: true, ..self }
    }

    /// It cannot be given together with a job file.
    #[must_use]
    pub fn replaces_job(self) -> Self {
        Self { replaces_job: true, ..self }
    }
}

impl Question<'_> {
    /// The component's options in the job file, or `otherwise` without one. A wrong option carries its place in the file.
    pub fn options<T: DeserializeOwned>(&self, otherwise: impl FnOnce() -> Value) -> Result<T> {
        match &self.job {
            Some(job) => parse_options(job.with.clone()).map_err(|error| (job.place)(error)),
            None => parse_options(otherwise()),
        }
    }
}

impl fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("arguments", self.arguments).finish_non_exhaustive()
    }
}

impl fmt::Debug for JobOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Options may hold secrets.
        f.debug_struct("JobOptions").finish_non_exhaustive()
    }
}

impl Arguments {
    /// Adds the values of a parameter; those of a switch that was given are none.
    pub fn insert(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        self.0.entry(name.to_owned()).or_default().extend(values);
    }

    /// The value of a parameter; the last one if it was repeated.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.last().map(String::as_str)
    }

    /// All values of a parameter, in the order they were given.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Whether a parameter was given.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}
