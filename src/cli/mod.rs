//! The command line: arguments in, a request of plain values to `commands`, an exit code out.

mod args;
mod catalog;
mod compact;
mod compare;
mod ddl;
mod dead_letters;
mod exit;
mod explain;
mod iam_policy;
mod invalid;
mod job;
mod options;
mod program;
mod query;
mod run;
mod state;
mod windows;

pub use self::exit::{code_of, code_of_outcome};
pub use self::program::main;
