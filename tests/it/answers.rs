//! Calls of the program whose whole answer is compared.

use crate::support::command;
use std::fs;

/// A job file with a mistake: of a transformer that is none.
pub const JOB: &str = "\
job: shop
source:
  url: ${RAW_FOLDER:-./raw}
  framing: lines
transformer: {name: no-such-transformer}
sink:
  url: ./out
";

/// The job of the first command in the README.
pub const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/quickstart.yaml");

/// One text of all that a call leaves, with the folder of the test named FOLDER.
pub fn call(arguments: &[&str], job: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("job.yaml"), job).unwrap();
    let output = command(folder.path()).args(arguments).output().unwrap();
    let text = format!(
        "exit code {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    // clap pads some lines of its help with spaces.
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").replace(&folder.path().display().to_string(), "FOLDER")
}

/// What a call leaves on stdout, as JSON; it must have ended with exit code 0 and be silent on stderr.
pub fn json_of(arguments: &[&str]) -> serde_json::Value {
    let text = call(arguments, JOB);
    let (stdout, stderr) = text.split_once("--- stdout\n").unwrap().1.split_once("--- stderr").unwrap();
    assert!(text.starts_with("exit code 0\n") && stderr.is_empty(), "{text}");
    serde_json::from_str(stdout).unwrap()
}

/// The help of a command, without the options that are written in the help of `run` in the same words, and what is in the
/// program's own: of that there is the first line, such as the name of an option.
pub fn help(command: &[&str]) -> String {
    let known = call(if command == ["run"] { &["--help"] } else { &["run", "--help"] }, JOB);
    let known: Vec<&str> = known.split("\n\n").filter(|paragraph| !paragraph.starts_with("Arguments:")).collect();
    let help = call(&[command, &["--help"]].concat(), JOB);
    let paragraphs = help.split("\n\n").filter_map(|paragraph| {
        if !known.contains(&paragraph) {
            return Some(paragraph.to_owned());
        }
        let first = paragraph.lines().next().unwrap_or_default();
        // What follows an option's name and first words is indented.
        (!first.starts_with("          ")).then(|| format!("{first} …"))
    });
    paragraphs.collect::<Vec<_>>().join("\n")
}
