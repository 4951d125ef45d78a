//! The choice between the reference's odd results and better ones.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose results are wanted where the reference's are odd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compat {
    /// The better ones.
    #[default]
    Default,
    /// Those of clickstream-analytics-on-aws 1.2.0: to compare with its tables, or to go on writing them.
    Reference,
}

impl Compat {
    /// Whether the reference's results are wanted.
    pub fn is_reference(self) -> bool {
        self == Self::Reference
    }
}
