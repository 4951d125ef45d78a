//! The `etl-runner` program.

use std::process::ExitCode;

/// Many threads allocate batches of like sizes; this allocator keeps them apart and returns memory to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    etl_runner::cli::main()
}
