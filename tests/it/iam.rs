//! What S3 and IAM make of a request: the permission it takes, and whether a policy gives it.
//!
//! Written from the service authorization reference and the user guide of IAM, and not from what prints the policy.

use crate::fault_proxy::Asked;
use serde_json::Value;
use std::collections::BTreeSet;

/// A permission that somebody needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    pub action: String,
    pub resource: String,
    /// `s3:prefix` of the request.
    pub prefix: Option<String>,
}

impl Need {
    pub fn of_object(action: &str, bucket: &str, key: &str) -> Self {
        Self { action: action.to_owned(), resource: format!("arn:aws:s3:::{bucket}/{key}"), prefix: None }
    }

    pub fn of_listing(bucket: &str, prefix: Option<&str>) -> Self {
        let resource = format!("arn:aws:s3:::{bucket}");
        Self { action: "s3:ListBucket".to_owned(), resource, prefix: prefix.map(str::to_owned) }
    }
}

/// What a request to S3 with the bucket in the path takes. A key that is not there is told to those alone who may list it.
pub fn needs(asked: &Asked) -> Vec<Need> {
    if let Some(call) = asked.target.strip_prefix("AWSGlue.") {
        return of_glue(call, &serde_json::from_str(&asked.body).unwrap());
    }
    assert_eq!(asked.target, "", "what does it take? {asked:?}");
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let parameters: Vec<(String, String)> = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(&value.replace('+', " "))))
        .collect();
    let parameter = |name: &str| parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    let path = decoded(path);
    let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    if key.is_empty() {
        if (asked.method.as_str(), query) == ("POST", "delete") {
            let keys = asked.body.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap());
            assert!(!asked.body.contains('&'), "a key is escaped: {asked:?}");
            return keys.map(|key| Need::of_object("s3:DeleteObject", bucket, key)).collect();
        }
        return match (asked.method.as_str(), parameter("list-type"), parameter("uploads")) {
            ("GET", Some("2"), None) => vec![Need::of_listing(bucket, parameter("prefix"))],
            ("GET", None, Some(_)) => {
                let resource = format!("arn:aws:s3:::{bucket}");
                vec![Need { action: "s3:ListBucketMultipartUploads".to_owned(), resource, prefix: None }]
            }
            _ => panic!("what does it take? {asked:?}"),
        };
    }
    let is_upload = parameter("uploadId").is_some();
    let action = match (asked.method.as_str(), is_upload) {
        ("GET", true) => "s3:ListMultipartUploadParts",
        ("GET" | "HEAD", false) => "s3:GetObject",
        ("PUT", _) | ("POST", true) => "s3:PutObject",
        ("POST", false) if parameter("uploads").is_some() => "s3:PutObject",
        ("DELETE", true) => "s3:AbortMultipartUpload",
        ("DELETE", false) => "s3:DeleteObject",
        _ => panic!("what does it take? {asked:?}"),
    };
    let own = Need::of_object(action, bucket, key);
    let is_missing = action == "s3:GetObject" && asked.status == 404;
    if is_missing { vec![own, Need::of_listing(bucket, Some(key))] } else { vec![own] }
}

/// What a call of Glue takes: the permission on the catalog, the database and, if it names one, the table.
fn of_glue(call: &str, input: &Value) -> Vec<Need> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let action = format!("glue:{call}");
    let database = text(&input["DatabaseName"]).or_else(|| text(&input["DatabaseInput"]["Name"])).unwrap();
    let table =
        ["TableName", "Name"].iter().find_map(|key| text(&input[key])).or_else(|| text(&input["TableInput"]["Name"]));
    let mut resources = vec!["catalog".to_owned(), format!("database/{database}")];
    resources.extend(table.map(|table| format!("table/{database}/{table}")));
    let need = |resource: String| {
        let resource = format!("arn:aws:glue:us-east-1:123456789012:{resource}");
        Need { action: action.clone(), resource, prefix: None }
    };
    resources.into_iter().map(need).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next().unwrap(), rest.next().unwrap()];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

/// Whether a policy allows it: some statement does, and none forbids it.
pub fn allows(statements: &[Value], need: &Need) -> bool {
    let fits = |effect: &str| statements.iter().any(|statement| statement["Effect"] == effect && fits(statement, need));
    fits("Allow") && !fits("Deny")
}

/// Those that no statement allows.
pub fn refused<'a>(statements: &[Value], needs: &'a BTreeSet<Need>) -> Vec<&'a Need> {
    needs.iter().filter(|need| !allows(statements, need)).collect()
}

/// Whether a statement is about it.
pub fn fits(statement: &Value, need: &Need) -> bool {
    let any = |name: &str, text: &str| texts(&statement[name]).iter().any(|pattern| matches(pattern, text));
    any("Action", &need.action) && any("Resource", &need.resource) && holds(&statement["Condition"], need)
}

fn holds(condition: &Value, need: &Need) -> bool {
    let Value::Object(operators) = condition else { return true };
    operators.iter().all(|(operator, keys)| {
        assert_eq!(operator, "StringLike");
        keys.as_object().unwrap().iter().all(|(key, values)| {
            assert_eq!(key, "s3:prefix");
            // A key that the request does not have fits nothing.
            need.prefix.as_ref().is_some_and(|prefix| texts(values).iter().any(|pattern| matches(pattern, prefix)))
        })
    })
}

pub fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// `*` is any text, `?` any character; `${*}`, `${?}` and `${$}` are the characters themselves.
pub fn matches(pattern: &str, text: &str) -> bool {
    for character in ["*", "?", "$"] {
        if let Some(rest) = pattern.strip_prefix(&format!("${{{character}}}")) {
            return text.strip_prefix(character).is_some_and(|text| matches(rest, text));
        }
    }
    let mut characters = text.chars();
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            let mut places = text.char_indices().map(|(place, _)| place).chain([text.len()]);
            places.any(|place| matches(&pattern[1..], &text[place..]))
        }
        Some(first) => match characters.next() {
            Some(found) if first == '?' || first == found => matches(&pattern[first.len_utf8()..], characters.as_str()),
            _ => false,
        },
    }
}

#[test]
fn patterns_are_those_of_iam() {
    for (pattern, text) in [
        ("a*", "a"),
        ("a*", "a/b/c"),
        ("a?c", "abc"),
        ("*b*", "abc"),
        ("a${*}/*", "a*/b"),
        ("${$}${?}", "$?"),
        ("", ""),
    ] {
        assert!(matches(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [("a*", "xa"), ("a/*", "a"), ("a?", "a"), ("a", "A"), ("a${*}", "ab"), ("a", "")] {
        assert!(!matches(pattern, text), "{pattern} {text}");
    }
}
