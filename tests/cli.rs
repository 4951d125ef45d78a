//! The real binary: exit code, stdout and stderr.
#![allow(clippy::unwrap_used, reason = "these are tests; clippy.toml only knows functions marked as such")]

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

const JOB: &str = "\
job: shop
source:
  url: ${RAW_FOLDER:-./raw}
  framing: lines
transformer: {name: no-such-transformer}
sink:
  url: ./out
";

/// One text of all that a call leaves, with the folder of the test named FOLDER.
fn call(arguments: &[&str], job: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("job.yaml"), job).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_etl-runner"))
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
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

#[test]
fn help_shows_examples_and_exit_codes() {
    insta::assert_snapshot!(call(&["--help"], JOB), @r#"
    exit code 0
    --- stdout
    Turns the raw JSON batches of a time window into partitioned Parquet tables, and accounts for every
    record

    Usage: etl-runner <COMMAND>
           etl-runner --window <WINDOW> --job <FILE> [OPTIONS]

    Commands:
      run           Run a job over one window, or over those that its schedule says
      plan          Show what a run would read and write
      backfill      Run a job over many windows of the past
      status        Show which windows are done, missing, failed or running
      retry         Run failed windows again
      state         Show, set, export or import the watermark
      runs          Show the runs of a job, the newest first, or the whole report of one
      sql           Ask the tables of a job in SQL: its runs, their ledgers, files and dead letters, and
                    what they wrote
      compare       Compare two outputs by key, column by column, and explain how they differ
      dead-letters  Look at dead letters, replay or drop them
      check         Check a job file and all that it names, offline
      recover       Publish what killed runs have committed, as every command that writes does first
      gc            Show what stopped and killed runs left behind, and remove it with --apply
      list          List the transformers and enrichments that a job may name
      explain       Explain a transformer, an enrichment, or a section or key of the job file
      schema        Print the JSON Schema of the job file
      help          Print this message or the help of the given subcommand(s)

    Options:
          --job <FILE>
              The job file; the same as `run FILE`

          --window <WINDOW>
              The window, [start, end) in UTC: START/END, a day, or START/LENGTH such as
              2026-11-20T05/PT1H

          --last <SPAN>
              The last whole span before the run's instant: 1h is the last full hour, in UTC

          --set <KEY=VALUE>
              Override a key of the job file, such as limits.threads=2; paths start from the job file's
              folder; may be repeated

          --now <INSTANT>
              The run's instant instead of the clock's, such as 2026-11-20T01:05:00Z

          --threads <N>
              Worker threads; overrides limits.threads

          --dry-run
              Do everything except publish

          --wait <SPAN>
              Wait this long for another run of the window instead of ending with exit code 4, such as
              10m

          --allow-empty
              Replace the window's rows by nothing when its input is gone

          --supersede
              Also replace the rows of committed windows that this one covers

          --output <FORMAT>
              What stdout gets: text for people, or one JSON value alone

              Possible values:
              - text: Text for people
              - json: One JSON value and nothing else; on failure `{"error": …}`

              [default: text]

          --color <WHEN>
              When to use colours; auto asks the terminal and `NO_COLOR`

              Possible values:
              - auto:   On a terminal, unless `NO_COLOR` is set
              - always: Also into files and pipes
              - never:  No colours

              [default: auto]

          --progress <HOW>
              How progress is shown on stderr

              Possible values:
              - auto: A bar on a terminal, lines elsewhere
              - bar:  A bar
              - log:  A line every ten seconds
              - none: Nothing

              [default: auto]

      -q, --quiet
              Say nothing on stderr but errors

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Examples:
      etl-runner run jobs/quickstart.yaml --window 2026-11-20
      etl-runner --window 2026-11-20T00:00Z/2026-11-20T01:00Z --job jobs/clickstream.yaml
      etl-runner check jobs/clickstream.yaml
      etl-runner explain source

    Exit codes:
      0  done; also a window without objects
      1  failed, nothing published
      2  the command line or the job file is wrong
      3  a gate refused to publish, such as limits.dead_letters
      4  another run holds the window
      5  partly done
      6  stopped by a signal
    --- stderr
    "#);
}

#[test]
fn run_help_names_each_option() {
    insta::assert_snapshot!(call(&["run", "--help"], JOB), @r#"
    exit code 0
    --- stdout
    Run a job over one window, or over those that its schedule says

    Usage: etl-runner run [OPTIONS] <FILE>

    Arguments:
      <FILE>
              The job file

    Options:
          --window <WINDOW>
              The window, [start, end) in UTC: START/END, a day, or START/LENGTH such as
              2026-11-20T05/PT1H

          --last <SPAN>
              The last whole span before the run's instant: 1h is the last full hour, in UTC

          --set <KEY=VALUE>
              Override a key of the job file, such as limits.threads=2; paths start from the job file's
              folder; may be repeated

          --now <INSTANT>
              The run's instant instead of the clock's, such as 2026-11-20T01:05:00Z

          --threads <N>
              Worker threads; overrides limits.threads

          --dry-run
              Do everything except publish

          --wait <SPAN>
              Wait this long for another run of the window instead of ending with exit code 4, such as
              10m

          --allow-empty
              Replace the window's rows by nothing when its input is gone

          --supersede
              Also replace the rows of committed windows that this one covers

          --output <FORMAT>
              What stdout gets: text for people, or one JSON value alone

              Possible values:
              - text: Text for people
              - json: One JSON value and nothing else; on failure `{"error": …}`

              [default: text]

          --color <WHEN>
              When to use colours; auto asks the terminal and `NO_COLOR`

              Possible values:
              - auto:   On a terminal, unless `NO_COLOR` is set
              - always: Also into files and pipes
              - never:  No colours

              [default: auto]

          --progress <HOW>
              How progress is shown on stderr

              Possible values:
              - auto: A bar on a terminal, lines elsewhere
              - bar:  A bar
              - log:  A line every ten seconds
              - none: Nothing

              [default: auto]

      -q, --quiet
              Say nothing on stderr but errors

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      etl-runner run job.yaml --window 2026-11-20T05/PT1H
      etl-runner run job.yaml --last 1h --output json
      etl-runner run job.yaml                   # goes on where the job's `schedule` is
      etl-runner run job.yaml --window 2026-11-20 --set sink.url=/tmp/out --dry-run

    Exit codes:
      0  done; also a window without objects
      1  failed, nothing published
      2  the command line or the job file is wrong
      3  a gate refused to publish, such as limits.dead_letters
      4  another run holds the window
      5  partly done
      6  stopped by a signal
    --- stderr
    "#);
}

#[test]
fn every_subcommand_has_an_example() {
    for command in [
        "run", "plan", "backfill", "status", "retry", "state", "runs", "sql", "compare", "recover", "gc", "check",
        "list", "explain", "schema",
    ] {
        let text = call(&[command, "--help"], JOB);
        assert!(text.starts_with("exit code 0\n"), "{text}");
        assert!(text.contains(&format!("Examples:\n  etl-runner {command}")), "{text}");
    }
}

#[test]
fn version_is_printed() {
    let expected = format!("exit code 0\n--- stdout\netl-runner {}\n--- stderr", env!("CARGO_PKG_VERSION"));
    assert_eq!(call(&["--version"], JOB), expected);
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
fn a_job_file_that_is_wrong_is_explained() {
    let wrong = JOB.replace("framing", "frame");
    insta::assert_snapshot!(call(&["check", "job.yaml"], &wrong), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: job.yaml:4: unknown key `source.frame`
      hint: did you mean `framing`? known here: url, s3, layout, select, look_back, suffixes, framing, base64
    "#);
    insta::assert_snapshot!(call(&["check", "job.yaml", "--output", "json"], &wrong), @r#"
    exit code 2
    --- stdout
    {
      "error": {
        "kind": "config",
        "message": "job.yaml:4: unknown key `source.frame`",
        "hint": "did you mean `framing`? known here: url, s3, layout, select, look_back, suffixes, framing, base64",
        "facts": {}
      }
    }
    --- stderr
    error: job.yaml:4: unknown key `source.frame`
      hint: did you mean `framing`? known here: url, s3, layout, select, look_back, suffixes, framing, base64
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
      hint: did you mean `url`? known here: url, s3, layout, select, look_back, suffixes, framing, base64
    "#);
    let unset = JOB.replace(":-./raw", "");
    insta::assert_snapshot!(call(&["check", "job.yaml"], &unset), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: job.yaml:3: the environment variable `RAW_FOLDER` is not set
      hint: set it, or give it a default: `${RAW_FOLDER:-value}`
    "#);
}

#[test]
fn an_unknown_transformer_points_into_the_file() {
    let text = call(&["check", "job.yaml"], JOB);
    assert!(text.starts_with("exit code 2\n"), "{text}");
    assert!(text.contains("error: job.yaml:5: unknown transformer `no-such-transformer`"), "{text}");
}

#[test]
fn sections_and_keys_are_explained() {
    insta::assert_snapshot!(call(&["explain", "source.framing"], JOB), @r#"
    exit code 0
    --- stdout
    source.framing: How one object holds many records. Default: `lines`.
      one of lines, document, array, concatenated

      lines
          One record per line; a line is any text. Blank lines are no records.

      document
          The whole object is one JSON value.

      array
          The object is a JSON array; each element is a record.

      concatenated
          JSON values one after the other, with or without white space between them.
    --- stderr
    "#);
    insta::assert_snapshot!(call(&["explain", "sink"], JOB), @r#"
    exit code 0
    --- stdout
    sink: Where the tables go.

      url  text, required
          A folder, `file:///folder` or `s3://bucket/prefix`; each table is a folder in it.

      s3  section
          How to reach an `s3://` url.

      s3.endpoint  text
          Another server than AWS. Example: `http://127.0.0.1:8333`

      s3.region  text
          Default: `AWS_REGION`, else `us-east-1`.

      s3.path_style  true or false, default false
          `true` puts the bucket in the path instead of the host name; local servers need it.

      s3.anonymous  true or false, default false
          `true` sends no credentials, for public buckets.

      format  one of parquet, json
          Format of the files. Default: `parquet`.

      compression  one of snappy, zstd
          Compression of Parquet pages. Default: `snappy`.

      target_file_size  size such as 512MiB
          A file is closed and the next one begun when it has about this size. Default: `256MiB`.

      row_group_rows  whole number
          Most rows of a Parquet row group. Default: `262144`.

      row_group_bytes  size such as 512MiB
          Most encoded bytes of a Parquet row group held in memory, over all open files of a worker.
          Default: `64MiB`.

      max_open_writers  whole number
          Most files a worker writes at once. Rows of further partitions are spilled, sorted, and
          written at the task's end one partition after the other. Default: `16`.
    --- stderr
    "#);
    insta::assert_snapshot!(call(&["explain", "source.frame"], JOB), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: unknown key `frame`
      hint: did you mean `framing`? known: url, s3, layout, select, look_back, suffixes, framing, base64
    "#);
    let job = call(&["explain", "job"], JOB);
    assert!(job.contains("\n  limits.memory  size such as 512MiB\n"), "{job}");
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

/// What a call leaves on stdout, as JSON; it must have ended with exit code 0 and be silent on stderr.
fn json_of(arguments: &[&str]) -> serde_json::Value {
    let text = call(arguments, JOB);
    let (stdout, stderr) = text.split_once("--- stdout\n").unwrap().1.split_once("--- stderr").unwrap();
    assert!(text.starts_with("exit code 0\n") && stderr.is_empty(), "{text}");
    serde_json::from_str(stdout).unwrap()
}

const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/quickstart.yaml");

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
fn a_component_is_explained() {
    insta::assert_snapshot!(call(&["explain", "clickstream"], JOB), @r#"
    exit code 0
    --- stdout
    clickstream: clickstream requests (SDKs, Google Tag Manager, Sensors Analytics) to event, item, user and session rows (transformer; its options go under `with`)

      project_id  text, required
          Value of the column `project_id`. Example: `acme_web`

      app_ids  list of text, required
          The apps of the SDKs whose events are kept, compared exactly with the event's `app_id`; events
          of others are filtered. Example: `[shop, blog]`

      source  section or one of sdk, gtm, sensors
          The program that sends the payloads: `sdk` (of the clickstream solution), `gtm` (Google Tag
          Manager, server side) or `sensors` (Sensors Analytics); or one by the request's `appId`.
          Events of `gtm` and `sensors` have the time of their request and are kept whatever their age
          and app. Default: `sdk`. Example: `{default: sdk, apps: {web-shop: gtm, old-app: sensors}}`

      source.default  one of sdk, gtm, sensors
          Source of the apps that are not named. Default: `sdk`.

      source.apps  names, each with one of sdk, gtm, sensors
          Source by the request's `appId`. Example: `{web-shop: gtm, old-app: sensors}`

      freshness_hours  whole number
          Hours an event may be older than its request; older ones are filtered. Events named
          `_first_open`, `_first_visit` or `_profile_set` are always kept. Default: `72`.

      rules  text
          Folder or `s3://bucket/prefix` of traffic source rules:
          `<app>/traffic_source_category_rule_v1.json` and `<app>/traffic_source_channel_rule_v1.json`,
          at any depth. Example: `rules`

      default_rules  true or false
          `true` gives apps without rules of their own the rules that come with the program, `false`
          none: then they keep what the client sent. Default: `true`, and `false` with `compat:
          reference`.

      compat  one of default, reference
          Whether the reference's odd results are wanted where better ones are clear;
          `docs/compatibility.md` has the list. Default: `default`.

      traffic_source  true or false
          `false` leaves the traffic source columns as the client sent them. Default: `true`.

      time_shift  true or false
          `true` moves events by the clock difference between client and server when it exceeds ten
          minutes. Events in the future are moved in any case. Default: `false`.

      truncate  true or false
          `false` keeps texts longer than their warehouse column takes. Default: `true`.

      unique_events  section
          Keeps the first of several events of an app with one `event_id`. Rows then pass through a
          sort, which costs more than reading them. Default: every event is a row, as in the reference.
          Example: `{look_back_hours: 24}`

      unique_events.look_back_hours  whole number
          Also in the windows up to so many hours before and after the run's. Default: `0`, in the run's
          window alone.

      user_days  whole number
          Days for which users are carried from run to run: the first visit, the first source and the
          latest properties of a user that was not met for so long are forgotten. `0` makes users of one
          run's events alone. Default: `180`.

      session_days  whole number
          Days for which sessions are carried from run to run, so that one that spans runs has one
          source. `0` makes sessions of one run's events alone. Default: `7`, and `0` with `compat:
          reference`.

      payload_bytes  whole number
          Most bytes of one request's decompressed payload; a larger one is a dead letter. Default:
          `67108864` (64 MiB).

      depth  whole number
          Deepest nesting of a payload; a deeper one is a dead letter. Default: `200`.
    --- stderr
    "#);
    insta::assert_snapshot!(call(&["explain", "bot-filter"], JOB), @r#"
    exit code 0
    --- stdout
    bot-filter: drops the rows of bots (enrichment; its options go under `with`)

      column  text
          Text column that says what sent the event. Default: `device_ua_device_category`.

      value  text
          Rows whose column is exactly this, in this case, are dropped; null stays. Default: `Bot`.
    --- stderr
    "#);
    let explained = json_of(&["explain", "clickstream", "--output", "json"]);
    assert_eq!(explained["schema"]["required"], serde_json::json!(["project_id", "app_ids"]));
    assert_eq!(explained["schema"]["additionalProperties"], false);
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
fn a_traffic_source_is_explained_step_by_step() {
    let text = call(
        &[
            "explain",
            "traffic-source",
            "--url",
            "https://h.example/?utm_source=news&utm_medium=social",
            "--utm-campaign",
            "x",
        ],
        JOB,
    );
    insta::assert_snapshot!(text, @r#"
    exit code 0
    --- stdout
    traffic source by the rules that come with the program
      source         news            step 4
      medium         social          step 4
      campaign       -               step 2
      content        -               step 2
      term           -               step 2
      campaign_id    -               step 2
      clid_platform  -               step 2
      clid           -               step 2
      channel_group  Organic Social  step 12
      category       Unassigned      step 13
    steps
       1  client                as the client sent it
       2  route                 the client sent no source: the urls and the rules decide all ten
       3  page-url              the page's host h.example
       4  parameters            utm_source, utm_medium
       5  void                  no value counts as none
       6  referrer              the rules see no referrer
       7  category-of-source    no entry has source news, spelled so
       8  channel-rule-skipped  rule direct (Direct) does not hold: not source eq ""
       9  channel-rule-skipped  rule paid-search (Paid Search) does not hold: not category eq search
      10  channel-rule-skipped  rule organic-search (Organic Search) does not hold: not category eq search
      11  channel-rule-skipped  rule paid-social (Paid Social) does not hold: not medium match (.*[^a-z])?(cp[acmv]|ppc|retarget(ing)?)([^a-z].*)?|paid.* or clid not_eq ""
      12  channel-rule          rule organic-social says Organic Social: category eq social or medium in [social, social-network, social-media, social_media, social network, social media, sm]
      13  unassigned            no category for the source
    --- stderr
    "#);
    let referrer = ["--referrer", "https://www.google.com/search?q=hats"];
    let answer =
        json_of(&[&["explain", "traffic-source", "--output", "json", "--job", QUICKSTART], &referrer[..]].concat());
    let answer = &answer["traffic_source"];
    assert_eq!((&answer["app"], &answer["rules"]), (&"shop".into(), &"own".into()));
    let column = |name: &str| answer["columns"].as_array().unwrap().iter().find(|one| one["column"] == name).unwrap();
    assert_eq!(column("source")["value"], "Google");
    let step = column("source")["step"].as_u64().unwrap() as usize - 1;
    assert_eq!(answer["steps"][step]["step"], "category-rule");
    assert!(answer["steps"][step]["why"].as_str().unwrap().contains("the entry google.com says source Google"));
    for (arguments, expected) in [
        (
            &["--rules", concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/clickstream/rules")][..],
            "write --app, one of news, shop",
        ),
        (&["--attribute", "_gclid"], "write --attribute KEY=VALUE"),
        (&["--rules", "none"], "folder=./none"),
        (&["--job", "job.yaml"], "transformer=no-such-transformer"),
    ] {
        let text = call(&[&["explain", "traffic-source"], arguments].concat(), JOB);
        assert!(text.starts_with("exit code 2\n") && text.contains(expected), "{arguments:?}: {text}");
    }
    let given_up = call(&["explain", "traffic-source", "--reference", "--url", "https://h/?gclid="], JOB);
    assert!(given_up.contains("the event is a dead letter: empty_parameter: the parameter `gclid` of a url is empty"));
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
        let output = Command::new(env!("CARGO_BIN_EXE_etl-runner"))
            .args(["check", "job.yaml"])
            .current_dir(folder.path())
            .env_clear()
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        for part in [expected, "job.yaml:8: ", "rules/shop/traffic_source_c"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn colours_are_for_terminals_or_on_request() {
    assert!(!call(&["check", "none.yaml"], JOB).contains('\u{1b}'));
    assert!(call(&["check", "none.yaml", "--color", "always"], JOB).contains("\u{1b}[1;31merror:\u{1b}[0m"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_etl-runner"))
        .args(["schema"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert_eq!((status.code(), complaint.as_str()), (Some(0), ""));
}
