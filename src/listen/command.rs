//! A command that runs windows, from its beginning to its end, however it ends.

use super::end::CommandEnd;
use super::happening::What;
use super::telling::Listeners;
use crate::report::{ErrorReport, Outcome, RunReport};
use etl_sdk::{Error, ErrorKind, Result};

/// Tells listeners of a command's end. What fails without a run is told here, and a panic too: it is told when this is
/// dropped before [`Self::end`].
pub struct CommandGuard {
    listeners: Listeners,
    command: &'static str,
    is_over: bool,
}

impl CommandGuard {
    /// A command begins.
    pub fn begin(listeners: &Listeners, command: &'static str) -> Self {
        listeners.begin();
        Self { listeners: listeners.clone(), command, is_over: false }
    }

    /// The command has come to its end.
    pub fn end(mut self, result: &Result<Outcome>) {
        self.close(result);
    }

    fn close(&mut self, result: &Result<Outcome>) {
        self.is_over = true;
        if self.listeners.is_empty() {
            return;
        }
        let (count, runs) = self.listeners.ended();
        let kind = match result {
            Ok(Outcome::Stopped(kind)) => Some(*kind),
            Err(error) => Some(error.kind()),
            Ok(_) => None,
        };
        let error = result.as_ref().err().map(ErrorReport::from);
        let is_told = runs.iter().any(|run| run.outcome.is_failure());
        let is_failure = kind.is_some_and(|kind| !matches!(kind, ErrorKind::Held | ErrorKind::Stopped));
        if is_failure && !is_told {
            self.tell_failure(error.clone());
        }
        let outcome = match (result, kind) {
            (Ok(Outcome::Partly), _) => "partly".to_owned(),
            (_, None) => "done".to_owned(),
            (_, Some(kind)) => ErrorReport::from(&Error::new(kind, "")).kind,
        };
        self.listeners.end(&CommandEnd {
            job: self.listeners.job().to_owned(),
            command: self.command,
            is_done: matches!(result, Ok(Outcome::Done)),
            outcome,
            error,
            ended: count,
            runs,
        });
    }

    fn tell_failure(&self, error: Option<ErrorReport>) {
        let job = self.listeners.job();
        let report = || RunReport {
            run_id: job.to_owned(),
            job: job.to_owned(),
            error: Some(error.unwrap_or_else(|| ErrorReport {
                kind: "internal".to_owned(),
                message: "the command failed".to_owned(),
                ..ErrorReport::default()
            })),
            ..RunReport::default()
        };
        if let Some(happening) = self.listeners.happening(What::CommandFailed, report) {
            self.listeners.tell_aside(&happening);
        }
    }
}

impl Drop for CommandGuard {
    fn drop(&mut self) {
        if !self.is_over {
            self.close(&Err(Error::internal("the program panicked")));
        }
    }
}
