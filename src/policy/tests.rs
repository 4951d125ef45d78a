//! What the list makes of places that lie within each other, and of odd keys.

use super::facts::Prefix;
use super::*;
use crate::job::load_text;
use serde_json::{Value, json};
use std::path::Path;

fn statements(sections: &Value, purpose: Purpose) -> Value {
    let mut job = json!({
        "job": "shop",
        "source": {"url": "s3://raw/in"},
        "transformer": {"name": "clickstream", "with": {"project_id": "p"}},
        "sink": {"url": "s3://tables/shop"},
    });
    job.as_object_mut().unwrap().extend(sections.as_object().unwrap().clone());
    let job = load_text(job.to_string(), Path::new("job.yaml"), &[], &|_| None).unwrap();
    serde_json::to_value(policy_of(&Facts::of(&job, &arns(), purpose).unwrap(), purpose)).unwrap()["Statement"].clone()
}

fn arns() -> Arns {
    Arns { partition: "aws".to_owned(), region: Some("eu-west-1".to_owned()), account: Some("1".repeat(12)) }
}

fn named<'a>(statements: &'a Value, sid: &str) -> Option<&'a Value> {
    statements.as_array().unwrap().iter().find(|statement| statement["Sid"] == sid)
}

#[test]
fn what_lies_below_the_sink_has_no_statement_of_its_own() {
    let names = |sections: Value| -> Vec<String> {
        let statements = statements(&sections, Purpose::Run);
        statements.as_array().unwrap().iter().map(|one| one["Sid"].as_str().unwrap().to_owned()).collect()
    };
    let plain = ["FindInput", "ReadInput", "FindOutput", "KeepOutput", "FindUploads"];
    assert_eq!(names(json!({})), plain);
    let below = json!({"state": {"url": "s3://tables/shop/x", "job_latest": "s3://tables/shop/job-latest.json"}});
    assert_eq!(names(below), plain);
    let beside = names(json!({"state": {"url": "s3://tables/shop-state"}, "dead_letter": {"url": "s3://dead"}}));
    assert_eq!(
        beside,
        [
            "FindInput",
            "ReadInput",
            "FindOutput",
            "KeepOutput",
            "FindState",
            "KeepState",
            "FindDeadLetters",
            "KeepDeadLetters",
            "FindUploads"
        ]
    );
}

#[test]
fn keys_stand_for_themselves_and_whole_buckets_have_no_prefix() {
    let odd = statements(&json!({"sink": {"url": "s3://tables/a*b/$c"}}), Purpose::Run);
    assert_eq!(named(&odd, "KeepOutput").unwrap()["Resource"], json!(["arn:aws:s3:::tables/a${*}b/${$}c/*"]));
    let whole = statements(&json!({"source": {"url": "s3://raw"}}), Purpose::Run);
    let find = named(&whole, "FindInput").unwrap();
    assert_eq!((&find["Resource"], &find["Condition"]), (&json!(["arn:aws:s3:::raw"]), &Value::Null));
    assert_eq!(named(&whole, "ReadInput").unwrap()["Resource"], json!(["arn:aws:s3:::raw/*"]));
}

#[test]
fn settings_of_several_buckets_are_statements_of_their_own() {
    let options =
        json!({"project_id": "p", "rules": "s3://b/rules", "more": [{"url": "s3://a/x/"}, "s3://b/y", "s3://a/x"]});
    assert_eq!(settings_of(&options), ["b/rules", "a/x", "b/y"]);
    let job = Facts {
        arns: arns(),
        settings: [("b", "rules"), ("a", "x"), ("b", "y")].map(|(bucket, path)| prefix(bucket, path)).into(),
        ..Facts::default()
    };
    let policy = serde_json::to_value(policy_of(&job, Purpose::Read)).unwrap();
    let of = |place: usize, key: &str| policy["Statement"][place][key].clone();
    assert_eq!((of(0, "Sid"), of(0, "Resource")), (json!("FindSettings"), json!(["arn:aws:s3:::a"])));
    assert_eq!((of(1, "Sid"), of(1, "Resource")), (json!("FindSettings2"), json!(["arn:aws:s3:::b"])));
    assert_eq!(of(1, "Condition"), json!({"StringLike": {"s3:prefix": ["rules/*", "y/*"]}}));
}

#[test]
fn the_catalog_is_named_with_its_account_and_region() {
    let glue = json!({"catalog": {"glue": {"database": "shop", "table_prefix": "web_", "raw_table": {}}}});
    let policy = statements(&glue, Purpose::Run);
    let of_account = |account: &str, ends: &[&str]| -> Value {
        ends.iter().map(|end| format!("arn:aws:glue:eu-west-1:{account}:{end}")).collect()
    };
    let tables = ["catalog", "database/shop", "table/shop/web_*"];
    assert_eq!(named(&policy, "KeepCatalog").unwrap()["Resource"], of_account(&"1".repeat(12), &tables));
    let theirs =
        json!({"catalog": {"glue": {"database": "shop", "catalog_id": "222222222222", "create_database": false}}});
    let policy = statements(&theirs, Purpose::Run);
    let tables = ["catalog", "database/shop", "table/shop/*"];
    assert_eq!(named(&policy, "KeepCatalog").unwrap()["Resource"], of_account("222222222222", &tables));
    assert_eq!(named(&policy, "MakeDatabase"), None);
    let off = json!({"catalog": {"glue": {"database": "shop", "enabled": false}}});
    assert_eq!(named(&statements(&off, Purpose::Run), "KeepCatalog"), None);
}

#[test]
fn keys_of_kms_are_used_through_s3_alone() {
    let sink = |key: &str| json!({"sink": {"url": "s3://tables", "s3": {"encryption": {"kms_key": key}}}});
    let of = |key: &str, purpose: Purpose, sid: &str| named(&statements(&sink(key), purpose), sid).unwrap().clone();
    let through = json!({"StringEquals": {"kms:ViaService": ["s3.eu-west-1.amazonaws.com"]}});
    let by_id = of("1234abcd-12ab-34cd-56ef-1234567890ab", Purpose::Run, "EncryptOutput");
    assert_eq!(
        by_id["Resource"],
        json!(["arn:aws:kms:eu-west-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab"])
    );
    assert_eq!((&by_id["Action"], &by_id["Condition"]), (&json!(["kms:GenerateDataKey", "kms:Decrypt"]), &through));
    let by_alias = of("alias/etl", Purpose::Read, "DecryptOutput");
    assert_eq!(by_alias["Resource"], json!(["arn:aws:kms:eu-west-1:111111111111:key/*"]));
    assert_eq!(by_alias["Condition"]["ForAnyValue:StringEquals"], json!({"kms:ResourceAliases": ["alias/etl"]}));
    let theirs = of(
        "arn:aws:kms:us-east-1:222222222222:key/mrk-1234abcd12ab34cd56ef1234567890ab",
        Purpose::Run,
        "EncryptOutput",
    );
    assert_eq!(
        theirs["Resource"],
        json!(["arn:aws:kms:us-east-1:222222222222:key/mrk-1234abcd12ab34cd56ef1234567890ab"])
    );
    assert_eq!(theirs["Condition"]["StringEquals"]["kms:ViaService"], json!(["s3.us-east-1.amazonaws.com"]));
}

#[test]
fn who_is_told_of_runs_has_a_statement_each() {
    let told = json!({
        "status": {"dynamodb": {"table": "runs"}, "file": "s3://status/runs/{job_id}.json"},
        "notify": {
            "eventbridge": {"bus": "etl"},
            "sns": {"topic_arn": "arn:aws:sns:eu-west-1:111111111111:etl"},
            "step_functions": {},
        },
        "metrics": {"cloudwatch": true},
    });
    let policy = statements(&told, Purpose::Run);
    let resource = |sid: &str| named(&policy, sid).unwrap()["Resource"].clone();
    for (sid, arn) in [
        ("MirrorStatus", "arn:aws:dynamodb:eu-west-1:111111111111:table/runs"),
        ("KeepStatusFiles", "arn:aws:s3:::status/runs/*"),
        ("SendEvents", "arn:aws:events:eu-west-1:111111111111:event-bus/etl"),
        ("PublishMessages", "arn:aws:sns:eu-west-1:111111111111:etl"),
        ("AnswerStateMachine", "*"),
        ("PutMetrics", "*"),
    ] {
        assert_eq!(resource(sid), json!([arn]), "{sid}");
    }
    let namespace = json!({"StringEquals": {"cloudwatch:namespace": ["Clickstream/DataPipeline"]}});
    assert_eq!(named(&policy, "PutMetrics").unwrap()["Condition"], namespace);
    assert_eq!(named(&statements(&told, Purpose::Read), "SendEvents"), None);
}

fn prefix(bucket: &str, path: &str) -> Prefix {
    Prefix { bucket: bucket.to_owned(), path: path.to_owned(), is_key: false }
}

fn settings_of(options: &Value) -> Vec<String> {
    super::facts::named_in(&[options]).into_iter().map(|prefix| format!("{}/{}", prefix.bucket, prefix.path)).collect()
}
