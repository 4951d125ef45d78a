//! Listeners of a run's life: who is told that a run began and how it ended, beside the commit log.
//!
//! Three sections of the job file name them: `status` (a record that others read), `notify` (events and messages) and
//! `metrics`. Each listener is a file with an implementation of [`Listener`], and a line in [`listeners`].
//!
//! **A listener never changes how a run ends.** One that fails is a warning with its name. It is waited for
//! `limits.listeners` in all, and is not asked any more in this command when that is used up.
//!
//! **What must not be lost is owed** ([`Listener::is_owed`]): that a run has begun is noted below the job's state until its end
//! is told. What a process leaves there, since it was killed or a service was down, the next command of the job tells. Telling
//! something twice changes nothing.
//!
//! A job without these sections has no listeners: no thread, no client, no look-up of credentials.

mod aws;
mod command;
mod end;
pub mod events;
mod happening;
mod limit;
mod listener;
pub mod metrics;
mod owed;
pub mod status;
mod telling;

pub use self::command::CommandGuard;
pub use self::happening::{Happening, Outcome, What};
pub use self::listener::{Listener, ListenerSetup, Voice};
pub use self::telling::{Listeners, Unfinished};

use crate::process::clock::Clock;
use etl_sdk::Result;

/// The listeners of a job, ready to be told.
///
/// Fails when a setting cannot be read as it is meant; nothing is asked of the network.
pub fn of_job(setup: &ListenerSetup<'_>, clock: Clock) -> Result<Listeners> {
    Ok(Listeners::new(listeners(setup)?, setup.job, setup.patience.duration(), setup.voice.clone(), clock))
}

/// All of them, in the order in which their warnings are printed.
fn listeners(setup: &ListenerSetup<'_>) -> Result<Vec<Box<dyn Listener>>> {
    let lists = [status::listeners(setup)?, events::listeners(setup), metrics::listeners(setup)];
    Ok(lists.into_iter().flatten().collect())
}
