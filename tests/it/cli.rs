//! The real binary: exit code, stdout and stderr.

use crate::answers::{JOB, QUICKSTART, call, help, json_of};
use crate::support::{self, Run, command, project};
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

#[test]
#[allow(clippy::too_many_lines, reason = "nearly all of it is what the program prints")]
fn help_shows_examples_and_exit_codes() {
    insta::assert_snapshot!(call(&["--help"], JOB), @r#"
    exit code 0
    --- stdout
    Turns the raw JSON batches of a time window into partitioned Parquet tables, and accounts for every
    record

    Usage: etl-runner <COMMAND>
           etl-runner --window <WINDOW> --job <FILE> [OPTIONS]

    Commands:
      run           Run a job over one window, or over the windows that its schedule says are due
      plan          Show what a run would read and write
      backfill      Run a job over many past windows
      status        Show which windows are done, missing, failed or running
      retry         Run failed windows again
      compact       Merge the files of short windows that are done, such as all hours of a day
      forget        Forget a window, with its rows and its failures, or a stopped backfill
      state         Show, set, export, import or rebuild a job's state
      runs          List the runs of a job, newest first, or show the full report of one
      sql           Query a job in SQL: its runs, ledgers, files, dead letters and output tables
      compare       Compare two outputs by key, column by column, and explain the differences
      ddl           Print statements that create the tables in Athena, Glue, Redshift and others
      catalog       Compare the catalog with what is written, and bring it to agree
      iam-policy    Print the IAM policy that a job needs: its calls, down to prefixes of keys
      dead-letters  Inspect, replay or drop dead letters
      check         Check a job file and everything it refers to, offline
      recover       Publish what killed runs committed; every command that writes does this first
      gc            List what stopped and killed runs left behind, and remove it with --apply
      list          List the available transformers and enrichments
      explain       Explain a transformer, an enrichment, or a section or key of the job file
      schema        Print the JSON Schema of the job file
      completions   Print a script that completes commands and options in a shell
      help          Print this message or the help of the given subcommand(s)

    Options:
          --job <FILE>  Path to the job file; the same as `run FILE`, and takes the options of `run`
      -h, --help        Print help; `etl-runner run --help` and so on have the options of a command
      -V, --version     Print version

    Examples:
      etl-runner run jobs/quickstart.yaml --window 2026-11-20
      etl-runner --window 2026-11-20T00:00Z/2026-11-20T01:00Z --job jobs/clickstream.yaml
      etl-runner check jobs/clickstream.yaml
      etl-runner explain source

    Exit codes:
      0  done; also when the window has no objects
      1  failed, nothing was published
      2  the command line or the job file is invalid
      3  a gate refused to publish, such as limits.dead_letters
      4  another run holds the window
      5  partly done
      6  stopped by a signal
    --- stderr
    "#);
}

#[test]
fn run_help_names_each_option() {
    insta::assert_snapshot!(help(&["run"]), @r#"
    exit code 0
    --- stdout
    Run a job over one window, or over the windows that its schedule says are due
    Usage: etl-runner run [OPTIONS] <FILE>
    Arguments:
      <FILE>
              Path to the job file
    Options:
          --window <WINDOW>
              Window to run, [start, end) in UTC: START/END, a day, or START/LENGTH such as
              2026-11-20T05/PT1H
          --last <SPAN>
              Run the last whole span before now: 1h is the last full hour, in UTC
          --payload <JSON>
              Payload of the scheduler that names the window: JSON, @FILE, or - for stdin
          --set <KEY=VALUE>
              Override a key of the job file, such as limits.threads=2; relative paths start from the
              job file's folder; may be repeated
          --now <INSTANT>
              Use this instant instead of the current time, such as 2026-11-20T01:05:00Z
          --threads <N>
              Number of worker threads; overrides limits.threads
          --dry-run
              Do everything except publish
          --wait <SPAN>
              Wait up to this long for another run of the window, such as 10m, instead of exiting with
              code 4
          --allow-empty
              Remove the window's rows if its input is gone
          --supersede
              Also replace the rows of committed windows within this one
          --allow-open
              Also run a window that is not closed; it is run again once it is
          --output <FORMAT>
              Format of the output on stdout
              Possible values:
              - text: Text for people
              - json: One JSON value and nothing else; on failure `{"error": …}`
              [default: text]
          --color <WHEN>
              When to use colors; `auto` checks the terminal and `NO_COLOR`
              Possible values:
              - auto:   On a terminal, unless `NO_COLOR` is set
              - always: Also into files and pipes
              - never:  No colours
              [default: auto]
          --progress <STYLE>
              How to show progress on stderr
              Possible values:
              - auto: A bar on a terminal, lines elsewhere
              - bar:  A bar
              - log:  A line every ten seconds
              - none: Nothing
              [default: auto]
      -q, --quiet
              Only print errors to stderr
      -h, --help
              Print help (see a summary with '-h')
    Examples:
      etl-runner run job.yaml --window 2026-11-20T05/PT1H
      etl-runner run job.yaml --last 1h --output json
      etl-runner run job.yaml                   # continue where the job's `schedule` left off
      etl-runner run job.yaml --window 2026-11-20 --set sink.url=/tmp/out --dry-run
      etl-runner run job.yaml --payload @payload.json
    Exit codes: …
    "#);
}

#[test]
fn every_subcommand_has_an_example() {
    for command in [
        "run",
        "plan",
        "backfill",
        "status",
        "retry",
        "forget",
        "state",
        "runs",
        "sql",
        "compare",
        "ddl",
        "catalog",
        "iam-policy",
        "recover",
        "gc",
        "check",
        "list",
        "explain",
        "schema",
        "completions",
    ] {
        let text = call(&[command, "--help"], JOB);
        assert!(text.starts_with("exit code 0\n"), "{text}");
        assert!(text.contains(&format!("Examples:\n  etl-runner {command}")), "{text}");
    }
}

#[test]
fn version_is_printed() {
    let text = call(&["--version"], JOB);
    let version =
        text.strip_prefix("exit code 0\n--- stdout\netl-runner ").and_then(|text| text.strip_suffix("\n--- stderr"));
    let (number, build) = version.and_then(|version| version.split_once(" (")).expect(&text);
    assert_eq!(number, env!("CARGO_PKG_VERSION"));
    // `0123456789ab 2026-11-20, x86_64-unknown-linux-gnu)`; sources without a repository have the target alone.
    let target = build.strip_suffix(')').expect(&text);
    let target = match git(&["log", "-1", "--format=%H"]) {
        None => target,
        Some(head) => {
            let (commit, target) = target.split_once(", ").expect(&text);
            let (hash, date) = commit.split_once(' ').expect(&text);
            // The tests may run behind a commit that built nothing.
            assert!(git(&["cat-file", "-t", hash]).is_some(), "{text}: {head}");
            assert_eq!(git(&["log", "-1", "--format=%cs", hash]).as_deref(), Some(date), "{text}");
            target
        }
    };
    assert!(target.starts_with(std::env::consts::ARCH) && target.contains(std::env::consts::OS), "{text}");
}

fn git(arguments: &[&str]) -> Option<String> {
    if !project().join(".git").exists() {
        return None;
    }
    let output = Command::new("git").current_dir(project()).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn the_script_of_a_shell_completes_commands_and_options() {
    let script = |shell| {
        let run = support::call(project(), &["completions", shell], &[]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
        run.stdout
    };
    let bash = script("bash");
    let complete = |line: &str| {
        let (before, last) = line.rsplit_once(' ').unwrap();
        let (current, previous) = (line.split(' ').count() - 1, before.rsplit(' ').next().unwrap());
        let ask = format!(
            "{bash}\nCOMP_WORDS=({line}) COMP_CWORD={current}\n_etl__runner etl-runner '{last}' '{previous}'\necho ${{COMPREPLY[*]}}"
        );
        let output = Command::new("bash").args(["--norc", "-c", &ask]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("etl-runner sta"), "status state");
    assert_eq!(complete("etl-runner status --fail"), "--fail-on");
    assert_eq!(complete("etl-runner run --progress l"), "log");
    assert_eq!(complete("etl-runner dead-letters re"), "replay");
    assert_eq!(complete("etl-runner dead-letters replay --dry"), "--dry-run");
    for (shell, begin) in [("zsh", "#compdef etl-runner"), ("fish", "# Print an optspec")] {
        assert!(script(shell).starts_with(begin), "{shell}");
    }
    assert!(call(&["completions", "csh"], JOB).contains("[possible values: bash, elvish, fish, powershell, zsh]"));
}

#[test]
fn what_is_not_understood_is_a_usage_error() {
    insta::assert_snapshot!(call(&["chek", "job.yaml"], JOB), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: unrecognized subcommand 'chek'

      tip: some similar subcommands exist: 'schema', 'check'

    Usage: etl-runner <COMMAND>
           etl-runner --window <WINDOW> --job <FILE> [OPTIONS]

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(call(&["run", "job.yaml", "--windw", "2026-11-20"], JOB), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: unexpected argument '--windw' found

      tip: a similar argument exists: '--window'

    Usage: etl-runner run --window <WINDOW> <FILE>

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(call(&["--window", "2026-11-20"], JOB), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: no job file
      hint: write `etl-runner run FILE`, or `--job FILE`
    "#);
}

#[test]
#[allow(clippy::too_many_lines, reason = "nearly all of it is what the program prints")]
fn a_job_file_that_is_wrong_is_explained() {
    let wrong = JOB.replace("framing", "frame");
    insta::assert_snapshot!(call(&["check", "job.yaml"], &wrong), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: job.yaml:4: unknown key `source.frame`
      |
    4 |   frame: lines
      |   ^^^^^
      hint: did you mean `framing`? known here: url, s3, layout, select, look_back, look_ahead, path_time_zone, if_empty, suffixes, framing, base64
    error: job.yaml:5: unknown transformer `no-such-transformer`
      |
    5 | transformer: {name: no-such-transformer}
      |               ^^^^
      hint: known: clickstream
    2 mistakes
    "#);
    insta::assert_snapshot!(call(&["check", "job.yaml", "--output", "json"], &wrong), @r#"
    exit code 2
    --- stdout
    {
      "error": {
        "kind": "config",
        "message": "job.yaml:4: unknown key `source.frame`",
        "hint": "did you mean `framing`? known here: url, s3, layout, select, look_back, look_ahead, path_time_zone, if_empty, suffixes, framing, base64",
        "facts": {},
        "mistakes": [
          {
            "message": "unknown key `source.frame`",
            "hint": "did you mean `framing`? known here: url, s3, layout, select, look_back, look_ahead, path_time_zone, if_empty, suffixes, framing, base64",
            "file": "job.yaml",
            "line": 4,
            "column": 3
          },
          {
            "message": "unknown transformer `no-such-transformer`",
            "hint": "known: clickstream",
            "file": "job.yaml",
            "line": 5,
            "column": 15
          }
        ]
      }
    }
    --- stderr
    error: job.yaml:4: unknown key `source.frame`
      |
    4 |   frame: lines
      |   ^^^^^
      hint: did you mean `framing`? known here: url, s3, layout, select, look_back, look_ahead, path_time_zone, if_empty, suffixes, framing, base64
    error: job.yaml:5: unknown transformer `no-such-transformer`
      |
    5 | transformer: {name: no-such-transformer}
      |               ^^^^
      hint: known: clickstream
    2 mistakes
    "#);
    insta::assert_snapshot!(call(&["check", "none.yaml"], JOB), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: read the job file file=none.yaml: No such file or directory (os error 2)
      hint: a path without a leading slash starts from the current folder
    "#);
    insta::assert_snapshot!(call(&["check", "job.yaml", "--set", "source.ulr=x"], JOB), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: --set source.ulr=x: unknown key `source.ulr`
      hint: did you mean `url`? known here: url, s3, layout, select, look_back, look_ahead, path_time_zone, if_empty, suffixes, framing, base64
    "#);
    let unset = JOB.replace(":-./raw", "");
    insta::assert_snapshot!(call(&["check", "job.yaml"], &unset), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: job.yaml:3: the environment variable `RAW_FOLDER` is not set
      |
    3 |   url: ${RAW_FOLDER}
      |        ^^^^^^^^^^^^^
      hint: set it, or give it a default: `${RAW_FOLDER:-value}`
    error: job.yaml:5: unknown transformer `no-such-transformer`
      |
    5 | transformer: {name: no-such-transformer}
      |               ^^^^
      hint: known: clickstream
    2 mistakes
    "#);
}

#[test]
fn an_unknown_transformer_points_into_the_file() {
    let text = call(&["check", "job.yaml"], JOB);
    assert!(text.starts_with("exit code 2\n"), "{text}");
    assert!(text.contains("error: job.yaml:5: unknown transformer `no-such-transformer`"), "{text}");
}

#[test]
fn list_and_schema_print_what_machines_read() {
    for arguments in [["list", "--output", "json"].as_slice(), &["schema"], &["explain", "source", "--output=json"]] {
        let text = call(arguments, JOB);
        let stdout = text.split_once("--- stdout\n").unwrap().1.split_once("--- stderr").unwrap().0;
        assert!(serde_json::from_str::<serde_json::Value>(stdout).unwrap().is_object(), "{text}");
        assert!(text.starts_with("exit code 0\n"), "{text}");
    }
}

#[test]
fn list_names_what_a_job_may_name() {
    insta::assert_snapshot!(call(&["list"], JOB), @r#"
    exit code 0
    --- stdout
    transformers
      clickstream  clickstream requests (SDKs, Google Tag Manager, Sensors Analytics) to event, item, user and session rows
    enrichments
      user-agent  browser, operating system and device from the user agent (woothee or uap-core)
      ip-geo      continent, country and city from the IP address (a database in the MMDB format)
      bot-filter  drops the rows of bots
    --- stderr
    `etl-runner explain NAME` prints the options of one
    "#);
    let list = json_of(&["list", "--output", "json"]);
    assert_eq!(list["transformers"][0]["name"], "clickstream");
    let enrichments: Vec<_> = list["enrichments"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(enrichments, ["user-agent", "ip-geo", "bot-filter"]);
}

#[test]
fn the_quickstart_passes_its_check() {
    let text = call(&["check", QUICKSTART], JOB).replace(env!("CARGO_MANIFEST_DIR"), "PROJECT");
    insta::assert_snapshot!(text, @r#"
    exit code 0
    --- stdout
    ok: job quickstart in PROJECT/jobs/quickstart.yaml
      source        PROJECT/fixtures/clickstream/raw
      transformer   clickstream
      enrich        user-agent on event_v2 (engine woothee)
      enrich        ip-geo on event_v2 (database places.mmdb, database type Places-City, build date 2025-11-20T00:00:00Z, ip version 6, search tree nodes 191)
      enrich        bot-filter on event_v2
      enrich        sql:traffic-label on event_v2
      table         event_v2, 105 columns, partitioned by partition_app, partition_year, partition_month, partition_day
      table         item_v2, 24 columns, partitioned by partition_app, partition_year, partition_month, partition_day
      table         user_v2, 21 columns, partitioned by partition_app, partition_year, partition_month, partition_day
      table         session, 18 columns, partitioned by partition_app, partition_year, partition_month, partition_day
      sink          PROJECT/out
      state         PROJECT/out/_state
      dead letters  PROJECT/out/_dead_letters, at most 90%
    --- stderr
    "#);
    let check = &json_of(&["check", QUICKSTART, "--output", "json"])["check"];
    assert_eq!(check["job"], "quickstart");
    let columns: Vec<_> = check["tables"].as_array().unwrap().iter().map(|table| &table["columns"]).collect();
    assert_eq!(columns, [105, 24, 21, 18]);
    assert_eq!(check["enrich"][3]["step"], "sql:traffic-label");
}

#[test]
fn a_mistake_in_a_components_options_points_into_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job.yaml");
    let job = fs::read_to_string(QUICKSTART).unwrap().replace("../", concat!(env!("CARGO_MANIFEST_DIR"), "/"));
    for (from, to, message) in [
        ("freshness_hours: 72", "freshness: 72", "unknown key `transformer.with.freshness`"),
        ("engine: woothee", "engine: regex", "`enrich[0].with.engine` cannot be `regex`"),
        ("places.mmdb", "none.mmdb", "none.mmdb"),
        ("- name: bot-filter", "- name: ip-geo", "`enrich[2].with.database` is missing"),
        ("internal_host: ", "internal_hots: ", "missing parameter=internal_host"),
        ("traffic-label.sql", "none.sql", "read the SQL file"),
    ] {
        assert!(job.contains(from), "{from}");
        let line = job.lines().position(|line| line.contains(from)).unwrap() + 1;
        fs::write(&file, job.replace(from, to)).unwrap();
        let text = call(&["check", file.to_str().unwrap()], JOB);
        assert!(text.starts_with("exit code 2\n--- stdout\n--- stderr\nerror: "), "{text}");
        assert!(text.contains(message), "{message}: {text}");
        // A file that is missing is the fault of the key that names it; a missing parameter is that of the step.
        let near = (line - 2..=line).any(|line| text.contains(&format!("job.yaml:{line}: ")));
        assert!(near, "line {line}: {text}");
    }
}

#[test]
fn a_wrong_rule_is_named_with_its_file_and_line_of_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("rules/shop");
    fs::create_dir_all(&app).unwrap();
    let job = "\
job: shop
source: {url: ./raw}
transformer:
  name: clickstream
  with:
    project_id: p
    app_ids: [shop]
    rules: rules
sink: {url: ./out}
";
    fs::write(folder.path().join("job.yaml"), job).unwrap();
    let channels = r#"[{"id":"r7","channel":"c","condition":{"op::and":[{"field":"traffic_source_medium","op":"like","value":"x"}]}}]"#;
    for (category, channel, expected) in [
        ("[]", channels, "rule=r7 field=traffic_source_medium fault=unknown op like"),
        (r#"[{"url":"a.b","source":"s","category":"c","parm":[]}]"#, "[]", "entry=0 url=a.b"),
        ("{}", "[]", "parse the category rules"),
    ] {
        fs::write(app.join("traffic_source_category_rule_v1.json"), category).unwrap();
        fs::write(app.join("traffic_source_channel_rule_v1.json"), channel).unwrap();
        let Run { code, stderr: text, .. } = support::call(folder.path(), &["check", "job.yaml"], &[]);
        assert_eq!(code, 2, "{text}");
        for part in [expected, "job.yaml:8: ", "rules/shop/traffic_source_c"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn colours_are_for_terminals_or_on_request() {
    assert!(!call(&["check", "none.yaml"], JOB).contains('\u{1b}'));
    let painted = call(&["check", "none.yaml", "--color", "always"], JOB);
    assert!(painted.contains("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m"), "{painted}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = command(project()).arg("schema").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert_eq!((status.code(), complaint.as_str()), (Some(0), ""));
}
