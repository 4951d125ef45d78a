//! What `explain` says of sections, keys, components and traffic sources.

use crate::answers::{JOB, QUICKSTART, call, json_of};

#[test]
fn keys_are_explained_with_their_choices() {
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
}

#[test]
fn sections_are_explained_with_their_keys() {
    insta::assert_snapshot!(call(&["explain", "sink"], JOB), @r#"
    exit code 0
    --- stdout
    sink: Where the tables go.

      url  text, required
          A folder, `file:///folder` or `s3://bucket/prefix`; each table is a folder in it.

      s3  section
          How to reach an `s3://` url.

      s3.endpoint  text
          Another server than AWS. Default: that of `aws`, else `AWS_ENDPOINT_URL`. Example:
          `http://127.0.0.1:8333`

      s3.region  text
          Default: that of `aws`, else `AWS_REGION`, else that of the profile, else `us-east-1`.

      s3.path_style  true or false
          `true` puts the bucket in the path, `false` in the host name. Default: in the path where there
          is an endpoint, unless its host name begins with the bucket; else in the host name.

      s3.anonymous  true or false, default false
          `true` sends no credentials, for public buckets.

      s3.encryption  one of s3 or section
          How S3 encrypts each object that is written, whatever the bucket's default is: `s3` for keys
          of S3, or `{kms_key: alias/etl, bucket_key: true}`. Default: the bucket's.

      s3.storage_class  text
          The class of what is published: files of tables, their manifests, dead letters. The state has
          none of its own: its objects are small and short-lived, and most classes bill a least size and
          a least time. In `source` it says nothing. One of `STANDARD`, `STANDARD_IA`, `ONEZONE_IA`,
          `INTELLIGENT_TIERING`, `GLACIER_IR`, `REDUCED_REDUNDANCY`. Default: `STANDARD`.

      s3.requester_pays  true or false, default false
          `true` says with each request that its costs are to be billed to who makes it, which buckets
          of others may ask for.

      s3.expected_bucket_owner  text
          The id of the account that the bucket belongs to: S3 refuses each request when it is
          another's. Default: any. Example: `"123456789012"`

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
      hint: did you mean `framing`? known: url, s3, layout, select, look_back, look_ahead, path_time_zone, if_empty, suffixes, framing, base64
    "#);
    let job = call(&["explain", "job"], JOB);
    assert!(job.contains("\n  limits.memory  size such as 512MiB\n"), "{job}");
}

#[test]
#[allow(clippy::too_many_lines, reason = "nearly all of it is what the program prints")]
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
    let help = call(&["explain", "traffic-source", "--help"], JOB);
    assert!(help.contains("\nExplain where the clickstream rules say that a visit came from"), "{help}");
    let given_up = call(&["explain", "traffic-source", "--reference", "--url", "https://h/?gclid="], JOB);
    assert!(given_up.contains("the event is a dead letter: empty_parameter: the parameter `gclid` of a url is empty"));
}
