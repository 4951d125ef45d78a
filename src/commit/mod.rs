//! How files become part of the output: written out of sight, then made visible together.

mod pending;

pub use pending::{PendingFile, PendingStore, PendingWriter, Staged};
