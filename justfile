# Short names for the scripts; `just --list` prints them. Nothing here does more than the line it stands for.

# Builds the program and everything that tests need.
build:
    cargo build --workspace --locked

# Runs the program: `just run plan jobs/quickstart.yaml --window 2026-11-20`.
run *arguments:
    cargo run --locked -- {{arguments}}

# Formatting, lints, all tests, and the commands of the documentation.
test:
    scripts/test

# Formatting, lints, spelling, unused dependencies and changelog fragments.
lint:
    scripts/lint

# Runs the commands of README.md and docs/, and compares what they print.
docs *pages:
    scripts/docs {{pages}}

# Runs the release build over a million generated events.
bench *arguments:
    cargo run --release --locked --package etl-bench --bin etl-bench -- {{arguments}}

# Runs the fuzz targets: `just fuzz 60 framers`.
fuzz *arguments:
    scripts/fuzz {{arguments}}
