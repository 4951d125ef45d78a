//! The program: reads its arguments, does what they ask, and ends with an exit code.

use super::args::{Cli, Command};
use super::dead_letters::DeadLettersCommand;
use super::exit::{code_of, code_of_outcome};
use super::invalid::{invalid_value, mistake, printer};
use crate::commands;
use crate::process::workers::STACK;
use crate::process::{notice, panics};
use crate::registry::builtin;
use crate::report::Outcome;
use crate::screen::Printer;
use crate::text::printable_lines;
use clap::{CommandFactory, Parser};
use clap_complete::Shell;
use etl_sdk::{Error, Result};
use std::borrow::Cow;
use std::ffi::OsString;
use std::process::ExitCode;
use std::thread;

/// Runs the program with the arguments of the process.
///
/// It runs on a thread of its own, whose stack is large enough for the deepest statement. A panic is an error like any other.
pub fn main() -> ExitCode {
    panics::note_panics();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let ended = thread::scope(|scope| {
        let run = || run(&arguments);
        let main = thread::Builder::new().name("main".to_owned()).stack_size(STACK).spawn_scoped(scope, run);
        main.map(|main| (main.thread().id(), main.join()))
    });
    match ended {
        Ok((_, Ok(code))) => unless_panicked(code, &arguments),
        Ok((id, Err(payload))) => fail(&printer(&arguments), &panics::of_thread(id, &*payload)),
        Err(error) => fail(&printer(&arguments), &Error::internal("start the main thread").source(error)),
    }
}

/// The exit code, unless something has panicked and nothing has made it the failure of what it did.
fn unless_panicked(code: u8, arguments: &[OsString]) -> ExitCode {
    match panics::left() {
        Some(error) if code == 0 => {
            printer(arguments).explain(&error);
            ExitCode::from(code_of(error.kind()))
        }
        _ => ExitCode::from(code),
    }
}

fn run(arguments: &[OsString]) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, arguments),
    };
    let command = match cli.into_command() {
        Ok(command) => command,
        Err(error) => return told(&printer(arguments), &error),
    };
    let printer = command.screen().printer();
    let screen = printer.clone();
    notice::listen(move |text| screen.warning(text));
    match dispatch(command, &printer) {
        Ok(outcome) => code_of_outcome(outcome),
        Err(error) => told(&printer, &error),
    }
}

fn refuse(error: &clap::Error, arguments: &[OsString]) -> u8 {
    let printer = printer(arguments);
    if let Some(error) = invalid_value(error) {
        return told(&printer, &error);
    }
    if error.use_stderr() && printer.is_json() {
        return told(&printer, &mistake(error));
    }
    match printable_lines(&error.render().to_string()) {
        // A closed stdout is no failure: the reader has seen enough of the help.
        Cow::Borrowed(_) => drop(error.print()),
        Cow::Owned(safe) => printer.refusal(&safe),
    }
    u8::try_from(error.exit_code()).unwrap_or(2)
}

fn fail(printer: &Printer, error: &Error) -> ExitCode {
    ExitCode::from(told(printer, error))
}

fn told(printer: &Printer, error: &Error) -> u8 {
    printer.error(error);
    code_of(error.kind())
}

/// Prints what a shell reads. It is made of the definition of the command line, so it is made here.
fn complete(shell: Shell, printer: &Printer) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "etl-runner", &mut script);
    // The script for bash knows the program by one name and its commands by another when there is a dash in it.
    let script = String::from_utf8_lossy(&script).replace("etl__subcmd__runner", "etl__runner");
    printer.data(&script)?;
    Ok(Outcome::Done)
}

fn dispatch(command: Command, printer: &Printer) -> Result<Outcome> {
    match command {
        Command::Run(run) => commands::run::run(&run.into_request(), printer),
        Command::Plan(plan) => commands::plan::run(&plan.into_request(), printer),
        Command::Backfill(backfill) => commands::backfill::run(&backfill.into_request(), printer),
        Command::Status(status) => commands::status::run(&status.into_request(), printer),
        Command::Retry(retry) => commands::retry::run(&retry.into_request(), printer),
        Command::Compact(compact) => commands::compact::run(&compact.into_request(), printer),
        Command::Forget(forget) => commands::forget::run(&forget.into_request()?, printer),
        Command::State(state) => commands::state::run(&state.into_request(), printer),
        Command::Runs(runs) => commands::runs::run(&runs.into_request(), printer),
        Command::Sql(sql) => commands::sql::run(&sql.into_request(), &builtin(), printer),
        Command::Compare(compare) => commands::compare::run(&compare.into_request(), printer),
        Command::Ddl(ddl) => commands::ddl::run(&ddl.into_request(), &builtin(), printer),
        Command::Catalog(catalog) => commands::catalog::run(&catalog.into_request(), printer),
        Command::IamPolicy(policy) => commands::iam_policy::run(&policy.into_request(), printer),
        Command::DeadLetters(letters) => match letters.command {
            DeadLettersCommand::List(list) => commands::dead_letters::list(&list.into_request()?, printer),
            DeadLettersCommand::Show(show) => commands::dead_letters::show(&show.into_request(), printer),
            DeadLettersCommand::Replay(replay) => commands::dead_letters::replay(&replay.into_request()?, printer),
            DeadLettersCommand::Drop(drop) => commands::dead_letters::drop(&drop.into_request(), printer),
        },
        Command::Check(check) => commands::check::run(&check.into_request(), &builtin(), printer),
        Command::Recover(recover) => commands::recover::run(&recover.into_request(), printer),
        Command::Gc(gc) => commands::gc::run(&gc.into_request(), printer),
        Command::List(_) => commands::list::run(&builtin(), printer),
        Command::Explain(explain) => match explain.of {
            Some(question) => commands::explain_component::run(&question.into_request(), &builtin(), printer),
            None => commands::explain::run(&explain.name.unwrap_or_default(), &builtin(), printer),
        },
        Command::Schema(_) => commands::schema::run(&builtin(), printer),
        Command::Completions(completions) => complete(completions.shell, printer),
    }
}
