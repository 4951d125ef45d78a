//! The lease of a window: only one run works on it at a time.

use super::context::JobContext;
use crate::commit::lease::{Claim, Holder, Lease};
use crate::process::stop::{Stop, StopReason};
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use std::time::{Duration, Instant};

/// How often a run that waits for another looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Asks for the window's lease, for as long as `wait`. `on_wait` is called when the waiting begins.
pub fn claim(
    context: &JobContext<'_>,
    window: Window,
    wait: Duration,
    stop: &Stop,
    on_wait: impl FnOnce(),
) -> Result<Lease> {
    let begun = Instant::now();
    let mut on_wait = Some(on_wait);
    loop {
        let holder = match try_claim(context, window, stop)? {
            Claim::Taken(lease) => return Ok(lease),
            Claim::Held(holder) => holder,
        };
        if begun.elapsed() >= wait {
            return Err(held(window, &holder));
        }
        if let Some(on_wait) = on_wait.take() {
            on_wait();
        }
        stop.sleep(LOOK_AGAIN.min(wait))?;
    }
}

fn try_claim(context: &JobContext<'_>, window: Window, stop: &Stop) -> Result<Claim> {
    let lost = stop.clone();
    let on_lost = move || {
        lost.set(StopReason::LeaseLost);
    };
    let length = context.job.config.state.lease_length();
    Lease::claim(context.objects(), window, context.stores.log.runner(), length, on_lost)
}

fn held(window: Window, holder: &Holder) -> Error {
    Error::new(ErrorKind::Held, "another run holds the window")
        .with("window", window)
        .with("by", format!("{}:{}", holder.by.host, holder.by.pid))
        .with("since", holder.since.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
        .with("until", holder.until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
        .hint("wait for it with --wait 10m; a runner that was killed holds it until then")
}
