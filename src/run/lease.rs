//! The lease of a window: only one run works on it at a time.

use super::context::JobContext;
use crate::commit::lease::{Claim, Holder, Lease};
use crate::process::stop::{Stop, StopReason};
use crate::process::wait::poll;
use crate::text::instant;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use std::time::{Duration, Instant};

/// Asks for the window's lease, for as long as `wait`. `on_wait` is called when the waiting begins.
pub fn claim(
    context: &JobContext<'_>,
    window: Window,
    wait: Duration,
    stop: &Stop,
    on_wait: impl FnOnce(),
) -> Result<Lease> {
    let begun = Instant::now();
    let (mut on_wait, mut holder) = (Some(on_wait), None);
    let lease = poll(stop, begun, wait, || {
        match try_claim(context, window, stop)? {
            Claim::Taken(lease) => return Ok(Some(lease)),
            Claim::Held(other) => holder = Some(other),
        }
        if begun.elapsed() < wait
            && let Some(on_wait) = on_wait.take()
        {
            on_wait();
        }
        Ok(None)
    })?;
    lease.ok_or_else(|| held(window, holder.as_deref()))
}

fn try_claim(context: &JobContext<'_>, window: Window, stop: &Stop) -> Result<Claim> {
    let lost = stop.clone();
    let on_lost = move || {
        lost.set(StopReason::LeaseLost);
    };
    let length = context.job.config.state.lease_length();
    Lease::claim(context.objects(), window, context.stores.log.runner(), length, on_lost)
}

/// The error of a window that another run holds.
pub fn held(window: Window, holder: Option<&Holder>) -> Error {
    let mut error = Error::new(ErrorKind::Held, "another run holds the window").with("window", window);
    if let Some(holder) = holder {
        error = error
            .with("by", format!("{}:{}", holder.by.host, holder.by.pid))
            .with("since", instant(holder.since))
            .with("until", instant(holder.until));
    }
    error.hint("wait for it with --wait 10m; a runner that was killed holds it until then")
}
