//! A policy as IAM reads it.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// The version of the language in which `${*}` is an asterisk.
const VERSION: &str = "2012-10-17";

/// A policy of one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its statements.
    pub statements: Vec<Statement>,
}

/// One reason why something is allowed, or is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    /// The reason as a name.
    pub sid: String,
    /// Whether it allows.
    pub effect: Effect,
    /// The calls.
    pub action: Vec<&'static str>,
    /// What they are made on: ARNs, with `*` at the end of a prefix.
    pub resource: Vec<String>,
    /// What must hold besides: operator, key and the values of which one must fit.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: Conditions,
    /// The reason in words, for people.
    #[serde(skip)]
    pub why: &'static str,
}

/// What must hold for a statement.
pub type Conditions = BTreeMap<&'static str, BTreeMap<&'static str, Vec<String>>>;

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Effect {
    /// Allows.
    Allow,
    /// Forbids, whatever allows it.
    Deny,
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("Version", VERSION)?;
        map.serialize_entry("Statement", &self.statements)?;
        map.end()
    }
}
