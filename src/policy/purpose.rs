//! Whose permissions a policy holds.

use strum::{IntoStaticStr, VariantArray};

/// Whose permissions they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Purpose {
    /// Commands that write: `run`, `backfill`, `compact`, `gc` and so on.
    Run,
    /// Commands that only read: `plan`, `status`, `runs`, `sql` and so on.
    Read,
    /// Commands that bring the catalog and the tables to agree.
    Catalog,
    /// A warehouse that copies the tables by their manifests.
    Load,
    /// The credentials that assume `aws.role`, and do nothing else.
    Assume,
}

impl Purpose {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
