//! Publishing: what a commit decided becomes visible, and what it replaced goes.

mod publisher;

pub use self::publisher::{Publisher, Recovered};
