//! Who is told of a commit.

pub mod manifests;
