//! The program: reads its arguments, does what they ask, and ends with an exit code.

use super::args::{Cli, Command};
use super::dead_letters::DeadLettersCommand;
use super::exit::{code_of, code_of_outcome};
use super::invalid::{invalid_value, mistake, printer};
use crate::commands;
use crate::process::notice;
use crate::registry::builtin;
use crate::report::Outcome;
use crate::screen::Printer;
use clap::Parser;
use etl_sdk::{Error, Result};
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, &arguments),
    };
    let command = match cli.into_command() {
        Ok(command) => command,
        Err(error) => return fail(&Printer::default(), &error),
    };
    let printer = command.screen().printer();
    let told = printer.clone();
    notice::listen(move |text| told.warning(text));
    match dispatch(command, &printer) {
        Ok(outcome) => ExitCode::from(code_of_outcome(outcome)),
        Err(error) => fail(&printer, &error),
    }
}

fn refuse(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let printer = printer(arguments);
    if let Some(error) = invalid_value(error) {
        return fail(&printer, &error);
    }
    if error.use_stderr() && printer.is_json() {
        return fail(&printer, &mistake(error));
    }
    // A closed stdout is no failure: the reader has seen enough of the help.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn fail(printer: &Printer, error: &Error) -> ExitCode {
    printer.error(error);
    ExitCode::from(code_of(error.kind()))
}

fn dispatch(command: Command, printer: &Printer) -> Result<Outcome> {
    match command {
        Command::Run(run) => commands::run::run(&run.into_request(), printer),
        Command::Plan(plan) => commands::plan::run(&plan.into_request(), printer),
        Command::Backfill(backfill) => commands::backfill::run(&backfill.into_request(), printer),
        Command::Status(status) => commands::status::run(&status.into_request(), printer),
        Command::Retry(retry) => commands::retry::run(&retry.into_request(), printer),
        Command::Forget(forget) => commands::forget::run(&forget.into_request()?, printer),
        Command::State(state) => commands::state::run(&state.into_request(), printer),
        Command::Runs(runs) => commands::runs::run(&runs.into_request(), printer),
        Command::Sql(sql) => commands::sql::run(&sql.into_request(), &builtin(), printer),
        Command::Compare(compare) => commands::compare::run(&compare.into_request(), printer),
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
    }
}
