//! The real binary with the feature `failpoints`: killed and put to sleep at the named points of the commit protocol.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::needless_pass_by_value,
    reason = "these are tests; clippy.toml only knows functions marked as such"
)]

#[path = "../support/mod.rs"]
mod support;

/// A test of a harness for each place an output can be in.
macro_rules! in_each_place {
    ($harness:ident) => {
        #[test]
        fn a_folder() {
            $harness(&$crate::world::stage(), $crate::world::Place::Folder);
        }

        #[test]
        fn seaweedfs() {
            $crate::world::in_a_bucket($crate::support::servers::Server::seaweedfs, |place| {
                $harness(&$crate::world::stage(), place);
            });
        }

        #[test]
        fn moto() {
            $crate::world::in_a_bucket($crate::support::servers::Server::moto, |place| {
                $harness(&$crate::world::stage(), place);
            });
        }
    };
}

mod catalog;
mod changed;
mod clocks;
mod compact;
mod crash;
mod empty;
mod faults;
mod forget;
mod life;
mod listeners;
mod mixed;
mod panics;
mod race;
mod replay;
mod targets;
mod world;
