//! The `etl-runner` program.

fn main() {}
