//! What is done with rows in memory: sorted and merged by key, transformed by SQL, judged by rules.

pub mod quality;
pub mod sort;
pub mod sql;
