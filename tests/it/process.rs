//! Tests that need a process of their own: because of its environment, or of what the system counts per process.

use std::process::Command;

/// Runs one ignored test, by its path, in a process with more in its environment. Fails when it fails.
#[track_caller]
pub fn alone(test: &str, environment: &[(&str, &str)]) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", test, "--nocapture"])
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("1 passed"), "{stdout}");
}
