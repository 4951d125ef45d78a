//! What a commit's files mean to a warehouse and a catalog: COPY manifests, and the list of partitions touched.
//!
//! Pure functions of the commit and its record: publishing it again, from any process, writes the same objects.

mod config;
mod files;
mod partitions;
mod record;
mod redshift;
mod target;
#[cfg(test)]
mod tests;
mod write;

pub use self::config::{ManifestConfig, rules};
pub use self::record::ManifestRules;
pub use self::target::Manifests;
