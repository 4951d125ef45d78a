//! What there is to say while a command works, from places that know of no screen.

use std::sync::OnceLock;

type Listener = Box<dyn Fn(&str) + Send + Sync>;

static LISTENER: OnceLock<Listener> = OnceLock::new();

/// Has notices shown by `listener`. The first one of a process stays.
pub fn listen(listener: impl Fn(&str) + Send + Sync + 'static) {
    let _ = LISTENER.set(Box::new(listener));
}

/// Says something. Nobody may be listening.
pub fn say(text: &str) {
    if let Some(listener) = LISTENER.get() {
        listener(text);
    }
}
