//! Job files, with overrides.
//!
//! Input: the YAML, and behind each NUL byte one `--set`.
//!
//! Holds: a job or an error, never a panic or a hang; an error is the user's (kind `Usage` or `Config`), says something
//! and names a place; a job keeps its own rules, finds the place of every key it has, and loads the same once more.
#![no_main]

use etl_runner::ErrorKind;
use etl_runner::job::load_text;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fn environment(name: &str) -> Option<String> {
    match name {
        "BUCKET" => Some("acme".to_owned()),
        "THREADS" => Some("4".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fuzz_target!(|input: &str| {
    let mut parts = input.split('\0');
    let text = parts.next().unwrap_or_default();
    let overrides: Vec<String> = parts.map(str::to_owned).collect();
    let load = || load_text(text.to_owned(), Path::new("jobs/job.yaml"), &overrides, &environment);
    let job = match load() {
        Ok(job) => job,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Usage | ErrorKind::Config), "{error:?}");
            let message = error.to_string();
            assert!(message.starts_with("jobs/job.yaml:") || message.starts_with("--set"), "{message}");
            return;
        }
    };
    assert!(!job.config.job.is_empty() && job.config.job.len() <= 64);
    assert!(job.config.limits.record_bytes.0 > 0 && job.config.limits.depth > 0);
    assert!(job.config.limits.threads != Some(0));
    assert_ne!(job.config.source.url.trim(), "");
    assert_ne!(job.config.source.url, job.config.sink.url);
    for path in [&["job"][..], &["source", "url"], &["enrich", "0", "name"], &["limits", "nothing"], &[]] {
        let place = job.locate(path);
        assert!(place.starts_with("jobs/job.yaml:") || place.starts_with("--set "), "{place}");
    }
    let mistakes = job.validate();
    assert!(mistakes.is_empty(), "a job that was loaded is valid: {mistakes:?}");
    let again = load().expect("what loads once loads twice");
    assert_eq!(format!("{:?}", job.config), format!("{:?}", again.config));
});
