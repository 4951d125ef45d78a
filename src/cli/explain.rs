//! The arguments of `explain`, for clap. Their comments are the help; the questions that components answer bring theirs.

use super::options::{OutputArgs, SetArgs};
use crate::commands::{ExplanationRequest, JobRequest};
use crate::registry::builtin;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand};
use etl_sdk::{Arguments, Explanation};
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  etl-runner explain source
  etl-runner explain source.framing
  etl-runner explain job --output json
  etl-runner explain traffic-source --url https://shop.example/?utm_source=news";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ExplainArgs {
    /// A name from `list`, `job`, a section such as `source`, or a key such as `source.framing`.
    #[arg(required = true)]
    pub name: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(subcommand)]
    pub of: Option<QuestionArgs>,
}

/// A question that a component answers: a subcommand for each of the registry's.
#[derive(Debug)]
pub struct QuestionArgs {
    name: String,
    arguments: Arguments,
    common: CommonArgs,
}

/// What every question takes.
#[derive(Debug, Args)]
struct CommonArgs {
    /// Take the options of this job file.
    #[arg(long, value_name = "FILE")]
    job: Option<PathBuf>,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl ExplainArgs {
    pub fn output(&self) -> OutputArgs {
        self.of.as_ref().map_or(self.output, |question| question.common.output)
    }
}

impl QuestionArgs {
    pub fn into_request(self) -> ExplanationRequest {
        ExplanationRequest {
            name: self.name,
            arguments: self.arguments,
            job: self.common.job.map(|job_file| JobRequest {
                job_file,
                overrides: self.common.set.overrides,
                now: None,
            }),
        }
    }
}

impl Subcommand for QuestionArgs {
    fn augment_subcommands(command: Command) -> Command {
        let registry = builtin();
        registry
            .explanations()
            .fold(command, |command, explained| command.subcommand(command_of(explained.explanation)))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        builtin().find_explanation(name).is_ok()
    }
}

impl FromArgMatches for QuestionArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let registry = builtin();
        let explained = registry.find_explanation(name).map_err(|_| missing())?;
        let mut arguments = Arguments::default();
        for parameter in &explained.explanation.parameters {
            if parameter.value.is_none() {
                if matches.get_flag(&parameter.name) {
                    arguments.insert(&parameter.name, []);
                }
            } else if let Some(values) = matches.get_many::<String>(&parameter.name) {
                arguments.insert(&parameter.name, values.cloned());
            }
        }
        Ok(Self { name: name.to_owned(), arguments, common: CommonArgs::from_arg_matches(matches)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn command_of(explanation: &Explanation) -> Command {
    let parameters = explanation.parameters.iter().map(|parameter| {
        let name = parameter.name.to_string();
        let arg = Arg::new(name.clone()).long(name).help(parameter.help.to_string());
        let arg = match &parameter.value {
            None => arg.action(ArgAction::SetTrue),
            Some(value) if parameter.repeated => arg.action(ArgAction::Append).value_name(value.to_string()),
            Some(value) => arg.value_name(value.to_string()),
        };
        if parameter.replaces_job { arg.conflicts_with("job") } else { arg }
    });
    let command = Command::new(explanation.name.to_string()).args(parameters);
    // The summary comes last: these arguments would put their own comment in its place.
    let command = CommonArgs::augment_args(command).about(explanation.summary.to_string());
    if explanation.examples.is_empty() {
        return command;
    }
    let lines: Vec<String> = explanation.examples.iter().map(|line| format!("  {line}")).collect();
    command.after_help(format!("Examples:\n{}", lines.join("\n")))
}
