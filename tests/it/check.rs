//! `check` finds all that is wrong with a job file in one go, and shows where.

use crate::support::{Run, Scene, call};
use serde_json::Value;
use std::fs;

/// A job with a mistake of each kind: the schema's, those of types, of settings that exclude each other, of variables and of
/// files that are named.
const WRONG: &str = "\
job: My Job
source:
  url: ./raw
  layuot: flat
  select: modifed
transformer:
  name: clickstream
  with:
    project_id: p
    app_ids: [a]
    rules: ./none
enrich:
  - name: ip-geo
    with:
      database: ./none.mmdb
  - name: user-agent
    sql: x.sql
sink:
  url: ${TABLES}
  row_group_rows: many
limits:
  memory: lots
  threads: 0
load:
  topic: x
";

fn check(text: &str, more: &[&str]) -> Run {
    let scene = Scene::new();
    fs::write(scene.path("job.yaml"), text).unwrap();
    let arguments = [&["check", "job.yaml"], more].concat();
    call(&scene.path(""), &arguments, &[])
}

/// `line:column` and the message of each mistake.
fn mistakes(run: &Run) -> Vec<String> {
    let text = |mistake: &Value| {
        let message = mistake["message"].as_str().unwrap().replace('\n', " ");
        match (&mistake["file"], &mistake["line"], &mistake["column"]) {
            (Value::Null, ..) => message,
            (file, line, column) => {
                assert_eq!(file, "job.yaml");
                format!("{line}:{column} {message}")
            }
        }
    };
    run.report["error"]["mistakes"].as_array().unwrap().iter().map(text).collect()
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    let run = check(WRONG, &["--output", "json"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    insta::assert_snapshot!(mistakes(&run).join("\n"), @r#"
    1:1 `job` cannot be `My Job`
    4:3 unknown key `source.layuot`
    5:11 `source.select` cannot be `modifed`
    11:5 read a folder of settings folder=././none key=rules: No such file or directory (os error 2)
    14:5 open the ip database file=././none.mmdb: i/o error: No such file or directory (os error 2)
    16:5 an enrichment has a `name` or a `sql` file, not both
    19:8 the environment variable `TABLES` is not set
    20:19 `sink.row_group_rows` must be a whole number, not the text `many`
    22:3 `limits.memory`: `lots` is not a size; write 512MiB, 64KiB, 1GB or a number of bytes
    23:3 `limits.threads` must be at least 1, not 0
    24:1 the section `load` is not there yet
    "#);
    // The first of them is what a program sees that knows one.
    let first = mistakes(&run)[0].split_once(' ').unwrap().1.to_owned();
    assert_eq!(run.report["error"]["message"], format!("job.yaml:1: {first}"));
}

#[test]
fn each_mistake_is_shown_in_its_line() {
    let run = check("job: x\nsource:\n\turl: y\n", &[]);
    insta::assert_snapshot!(run.stderr, @r#"
    error: job.yaml:3: not YAML at column 2: tabs disallowed within this context (block indentation)
      |
    3 |     url: y
      |     ^
      hint: look at the indentation, at tabs, and at quotes around values that hold `: ` or ` #`
    "#);
    let run = check(
        "job: shop\nsource:\n  urll: './日本/roh'\n  layout: flat\ntransformer: {name: clickstream, wiht: {}}\nsink: {url: out}\n",
        &[],
    );
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    insta::assert_snapshot!(run.stderr, @r#"
    error: job.yaml:3: unknown key `source.urll`
      |
    3 |   urll: './日本/roh'
      |   ^^^^
      hint: did you mean `url`? known here: url, s3, layout, select, look_back, look_ahead, path_time_zone, if_empty, suffixes, framing, base64
    error: job.yaml:5: unknown key `transformer.wiht`
      |
    5 | transformer: {name: clickstream, wiht: {}}
      |                                  ^^^^
      hint: did you mean `with`? known here: name, with
    2 mistakes
    "#);
}

#[test]
fn a_mistake_is_not_told_again_for_what_follows_from_it() {
    // Without the key that is wrong the section would lack one, or another default would not fit.
    for (from, to, expected) in [
        ("url: raw", "ulr: raw", "3:3 unknown key `source.ulr`"),
        ("url: raw", "url: ${NONE}", "3:8 the environment variable `NONE` is not set"),
        ("layout: flat\n", "layout: flatt\n", "4:11 `source.layout` cannot be `flatt`"),
        ("name: clickstream", "name: clickstraem", "7:3 unknown transformer `clickstraem`"),
    ] {
        let good = "job: shop\nsource:\n  url: raw\n  layout: flat\n  select: modified\ntransformer:\n  name: clickstream\n  with: {project_id: p, app_ids: [a]}\nsink:\n  url: out\n";
        assert!(good.contains(from));
        assert_eq!(mistakes(&check(&good.replace(from, to), &["--output", "json"])), [expected]);
    }
}

#[test]
fn every_unset_variable_is_named_and_an_override_is_none_of_the_file() {
    let job = "job: ${A}\nsource: {url: \"${B}\"}\ntransformer: {name: clickstream}\nsink: {url: out}\n";
    let run = check(job, &["--output", "json", "--set", "limits.threads=0", "--set", "sink.ulr=x"]);
    let found = mistakes(&run);
    assert_eq!(run.code, 2);
    insta::assert_snapshot!(found.join("\n"), @r#"
    --set sink.ulr=x: unknown key `sink.ulr`
    1:6 the environment variable `A` is not set
    2:15 the environment variable `B` is not set
    "#);
}

#[test]
fn a_command_line_that_is_refused_is_json_too() {
    let scene = Scene::new();
    for arguments in [
        &["run", "--output", "json"][..],
        &["runn", "--output", "json"],
        &["--window", "2026-11-20", "--output", "json"],
        &["--output=json"],
        &["run", "job.yaml", "--window", "2026-11-31", "--output", "json"],
        &["backfill", "job.yaml", "--from", "2026-11-20", "--to", "2026-11-21", "--parallel", "0", "--output", "json"],
    ] {
        let run = scene.call(arguments);
        assert_eq!(
            (run.code, run.report["error"]["kind"].as_str()),
            (2, Some("usage")),
            "{arguments:?} {}",
            run.stdout
        );
    }
}
