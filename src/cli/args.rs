//! The commands, for clap. Their comments are the help.

use super::catalog::{CatalogArgs, EXAMPLES as CATALOG_EXAMPLES};
use super::compact::{CompactArgs, EXAMPLES as COMPACT_EXAMPLES};
use super::compare::{CompareArgs, EXAMPLES as COMPARE_EXAMPLES};
use super::ddl::{DDL_EXAMPLES, DdlArgs};
use super::dead_letters::{DeadLettersArgs, EXAMPLES as DEAD_LETTERS_EXAMPLES};
use super::explain::{EXAMPLES as EXPLAIN_EXAMPLES, ExplainArgs};
use super::iam_policy::{EXAMPLES as IAM_POLICY_EXAMPLES, IamPolicyArgs};
use super::job::{CHECK_EXAMPLES, CheckArgs, GC_EXAMPLES, GcArgs, RECOVER_EXAMPLES, RecoverArgs};
use super::options::{EXIT_CODES, GC_EXIT_CODES, OutputArgs, PLAN_EXIT_CODES, READ_EXIT_CODES, ScreenArgs, usage};
use super::query::{RUNS_EXAMPLES, RunsArgs, SQL_EXAMPLES, SqlArgs};
use super::run::{PLAN_EXAMPLES, PlanArgs, RUN_EXAMPLES, RunArgs, RunOptionArgs};
use super::state::{EXAMPLES as STATE_EXAMPLES, StateArgs};
use super::windows::{
    BACKFILL_EXAMPLES, BackfillArgs, FORGET_EXAMPLES, ForgetArgs, RETRY_EXAMPLES, RetryArgs, STATUS_EXAMPLES,
    StatusArgs,
};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use etl_sdk::Result;
use std::path::PathBuf;

/// Those without a command; it takes the options of `run` as well, and they are in the help of that.
const OPTIONS: &str = "\
Options:
      --job <FILE>  Path to the job file; the same as `run FILE`, and takes the options of `run`
  -h, --help        Print help; `etl-runner run --help` and so on have the options of a command
  -V, --version     Print version

";

const EXAMPLES: &str = "\
Examples:
  etl-runner run jobs/quickstart.yaml --window 2026-11-20
  etl-runner --window 2026-11-20T00:00Z/2026-11-20T01:00Z --job jobs/clickstream.yaml
  etl-runner check jobs/clickstream.yaml
  etl-runner explain source

";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  etl-runner schema > job.schema.json";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  etl-runner completions bash > ~/.local/share/bash-completion/completions/etl-runner
  etl-runner completions zsh > ~/.zfunc/_etl-runner
  etl-runner completions fish > ~/.config/fish/completions/etl-runner.fish";

const LIST_EXAMPLES: &str = "\
Examples:
  etl-runner list
  etl-runner list --output json";

/// Turns the raw JSON batches of a time window into partitioned Parquet tables, and accounts for every record.
#[derive(Debug, Parser)]
#[command(
    name = "etl-runner",
    version = env!("ETL_RUNNER_VERSION"),
    override_usage = "etl-runner <COMMAND>\n       etl-runner --window <WINDOW> --job <FILE> [OPTIONS]",
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    help_template = "{about-with-newline}\n{usage-heading} {usage}\n\nCommands:\n{subcommands}{after-help}",
    after_help = [OPTIONS, EXAMPLES, EXIT_CODES].concat()
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Path to the job file; the same as `run FILE`.
    #[arg(long, value_name = "FILE")]
    job: Option<PathBuf>,
    #[command(flatten)]
    run: RunOptionArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a job over one window, or over the windows that its schedule says are due.
    #[command(after_help = [RUN_EXAMPLES, EXIT_CODES].concat())]
    Run(RunArgs),
    /// Show what a run would read and write.
    #[command(after_help = [PLAN_EXAMPLES, PLAN_EXIT_CODES].concat())]
    Plan(PlanArgs),
    /// Run a job over many past windows.
    #[command(after_help = BACKFILL_EXAMPLES)]
    Backfill(BackfillArgs),
    /// Show which windows are done, missing, failed or running.
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Run failed windows again.
    #[command(after_help = [RETRY_EXAMPLES, EXIT_CODES].concat())]
    Retry(RetryArgs),
    /// Merge the files of short windows that are done, such as all hours of a day.
    #[command(after_help = COMPACT_EXAMPLES)]
    Compact(CompactArgs),
    /// Forget a window, with its rows and its failures, or a stopped backfill.
    #[command(after_help = [FORGET_EXAMPLES, EXIT_CODES].concat())]
    Forget(ForgetArgs),
    /// Show, set, export, import or rebuild a job's state.
    #[command(after_help = STATE_EXAMPLES)]
    State(StateArgs),
    /// List the runs of a job, newest first, or show the full report of one.
    #[command(after_help = RUNS_EXAMPLES)]
    Runs(RunsArgs),
    /// Query a job in SQL: its runs, ledgers, files, dead letters and output tables.
    #[command(after_help = [SQL_EXAMPLES, READ_EXIT_CODES].concat())]
    Sql(SqlArgs),
    /// Compare two outputs by key, column by column, and explain the differences.
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(CompareArgs),
    /// Print statements that create the tables in Athena, Glue, Redshift and others.
    #[command(after_help = [DDL_EXAMPLES, READ_EXIT_CODES].concat())]
    Ddl(DdlArgs),
    /// Compare the catalog with what is written, and bring it to agree.
    #[command(after_help = [CATALOG_EXAMPLES, READ_EXIT_CODES].concat())]
    Catalog(CatalogArgs),
    /// Print the IAM policy that a job needs: its calls, down to prefixes of keys.
    #[command(after_help = [IAM_POLICY_EXAMPLES, READ_EXIT_CODES].concat())]
    IamPolicy(IamPolicyArgs),
    /// Inspect, replay or drop dead letters.
    #[command(after_help = DEAD_LETTERS_EXAMPLES)]
    DeadLetters(DeadLettersArgs),
    /// Check a job file and everything it refers to, offline.
    #[command(after_help = [CHECK_EXAMPLES, READ_EXIT_CODES].concat())]
    Check(CheckArgs),
    /// Publish what killed runs committed; every command that writes does this first.
    #[command(after_help = [RECOVER_EXAMPLES, EXIT_CODES].concat())]
    Recover(RecoverArgs),
    /// List what stopped and killed runs left behind, and remove it with --apply.
    #[command(after_help = [GC_EXAMPLES, GC_EXIT_CODES].concat())]
    Gc(GcArgs),
    /// List the available transformers and enrichments.
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Explain a transformer, an enrichment, or a section or key of the job file.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Print the JSON Schema of the job file.
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaArgs),
    /// Print a script that completes commands and options in a shell.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
}

#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct SchemaArgs {
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell that reads the script.
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

impl Cli {
    /// The subcommand; options without one are those of `run`.
    pub fn into_command(self) -> Result<Command> {
        match (self.command, self.job) {
            (Some(command), _) => Ok(command),
            (None, Some(file)) => Ok(Command::Run(RunArgs { file, options: self.run })),
            (None, None) => Err(usage("no job file", "write `etl-runner run FILE`, or `--job FILE`")),
        }
    }
}

impl Command {
    /// How results and progress are printed.
    pub fn screen(&self) -> ScreenArgs {
        match self {
            Self::Run(run) => run.options.screen,
            Self::Plan(plan) => plan.screen,
            Self::Compare(compare) => compare.screen,
            Self::DeadLetters(letters) => letters.command.screen(),
            Self::Backfill(backfill) => backfill.screen,
            Self::Retry(retry) => retry.screen,
            Self::Status(status) => status.output.into(),
            Self::State(state) => state.output().into(),
            Self::Explain(explain) => explain.output().into(),
            Self::Runs(runs) => runs.output.into(),
            Self::Sql(sql) => sql.output.into(),
            Self::Ddl(ddl) => ddl.output.into(),
            Self::Catalog(catalog) => catalog.output().into(),
            Self::IamPolicy(policy) => policy.output.into(),
            Self::Check(check) => check.output.into(),
            Self::Recover(recover) => recover.output.into(),
            Self::Compact(compact) => compact.output.into(),
            Self::Gc(gc) => gc.output.into(),
            Self::Forget(forget) => forget.output.into(),
            Self::List(list) => list.output.into(),
            Self::Schema(schema) => schema.output.into(),
            Self::Completions(_) => ScreenArgs::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::RunRequest;
    use clap::CommandFactory;
    use std::num::NonZeroUsize;

    fn request(arguments: &[&str]) -> RunRequest {
        match Cli::try_parse_from(arguments).unwrap().into_command().unwrap() {
            Command::Run(run) => run.into_request(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_without_a_subcommand_are_a_run() {
        let long =
            request(&["etl-runner", "run", "j.yaml", "--window", "2026-11-20", "--set", "a=b", "--threads", "2"]);
        let short =
            request(&["etl-runner", "--window", "2026-11-20", "--job", "j.yaml", "--set", "a=b", "--threads", "2"]);
        assert_eq!(long, short);
        assert_eq!(long.job.job_file, PathBuf::from("j.yaml"));
        assert_eq!(long.options.threads, NonZeroUsize::new(2));
    }

    #[test]
    fn window_and_last_exclude_each_other() {
        assert!(Cli::try_parse_from(["etl-runner", "run", "j", "--window", "2026-11-20", "--last", "1h"]).is_err());
        assert!(Cli::try_parse_from(["etl-runner", "--window", "2026-11-20"]).unwrap().into_command().is_err());
    }
}
