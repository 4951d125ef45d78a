//! Events and messages about runs: EventBridge, SNS, a webhook, a state machine that waits.

mod config;
mod detail;
mod eventbridge;
mod signature;
mod sns;
mod step_functions;
mod webhook;

pub use self::config::NotifyConfig;

use self::eventbridge::EventBridge;
use self::sns::Sns;
use self::step_functions::StepFunctions;
use self::webhook::Webhook;
use super::listener::{Listener, ListenerSetup};

/// The listeners that the section names.
pub(super) fn listeners(setup: &ListenerSetup<'_>) -> Vec<Box<dyn Listener>> {
    let notify = setup.notify;
    let mut list: Vec<Box<dyn Listener>> = Vec::new();
    if let Some(config) = &notify.eventbridge {
        list.push(Box::new(EventBridge::new(config, setup)));
    }
    if let Some(config) = &notify.sns {
        list.push(Box::new(Sns::new(config, setup)));
    }
    if let Some(config) = &notify.webhook {
        list.push(Box::new(Webhook::new(config, setup.job)));
    }
    if let Some(task) = notify.step_functions.as_ref().and_then(|config| StepFunctions::new(config, setup)) {
        list.push(Box::new(task));
    }
    list
}
