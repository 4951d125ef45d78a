//! What a job may do on AWS: the IAM policy that follows from its job file, down to prefixes of keys.
//!
//! `uses.rs` is the list of what jobs do and what that takes, `facts.rs` what this job uses, `purpose.rs` whose permissions
//! they are, `arn.rs` how things are named, `document.rs` the policy as IAM reads it. A new section of the job file that calls
//! AWS is a fact and a line of the list. `tests/it/iam_policy.rs` records what the program calls and holds it against what is
//! printed.

mod arn;
mod document;
mod facts;
mod purpose;
#[cfg(test)]
mod tests;
mod uses;

pub use self::arn::Arns;
pub use self::document::Policy;
pub use self::facts::Facts;
pub use self::purpose::Purpose;

use self::uses::USES;

/// The policy for a purpose; without a statement when nothing of AWS is used.
pub fn policy_of(facts: &Facts, purpose: Purpose) -> Policy {
    let statements = USES.iter().filter(|line| line.by.contains(&purpose)).flat_map(|line| line.statements(facts));
    Policy { statements: statements.collect() }
}
