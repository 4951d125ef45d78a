//! `explain traffic-source`: where the rules say that a visit came from, and which rule says so.

use super::{TrafficAnswer, explain_traffic_source};
use crate::config::ClickstreamConfig;
use crate::traffic_source::RuleSet;
use etl_sdk::{Align, Answer, Arguments, Block, Error, ErrorKind, Explanation, Parameter, Question, Result};
use serde_json::{Map, Value, json};

/// Longest value that is printed whole, in characters.
const MAX_SHOWN: usize = 60;

/// Parameters with the attribute of the event that each stands for, the name of their value, and their help.
const PARAMETERS: [(&str, Option<&str>, &str, &str); 8] = [
    ("url", Some("_page_url"), "URL", "The page's url, the attribute `_page_url`"),
    ("referrer", Some("_page_referrer"), "URL", "What led to the page, `_page_referrer`"),
    ("latest-referrer", Some("_latest_referrer"), "URL", "What led to the site, `_latest_referrer`"),
    (
        "latest-referrer-host",
        Some("_latest_referrer_host"),
        "HOST",
        "Its host, `_latest_referrer_host`. The SDK sends it beside `_latest_referrer`, and the rules do not work it out",
    ),
    ("host", None, "HOST", "The event's `host_name`"),
    ("utm-source", Some("_utm_source"), "TEXT", "A source that the client sent, `_utm_source`"),
    ("utm-medium", Some("_utm_medium"), "TEXT", "A medium that the client sent, `_utm_medium`"),
    ("utm-campaign", Some("_utm_campaign"), "TEXT", "A campaign that the client sent, `_utm_campaign`"),
];

/// The question as the command line offers it.
pub(crate) fn traffic_source() -> Explanation {
    let explanation = Explanation::new(
        "traffic-source",
        "Explain where the clickstream rules say that a visit came from, and which rule says so",
        answer,
    )
    .example("etl-runner explain traffic-source --url https://shop.example/ --referrer https://www.google.com/")
    .example("etl-runner explain traffic-source --job job.yaml --app shop --utm-source newsletter")
    .example(
        "etl-runner explain traffic-source --rules rules --app shop --url 'https://shop.example/?gclid=1' --output json",
    );
    PARAMETERS
        .into_iter()
        .fold(explanation, |explanation, (name, _, value, help)| {
            explanation.parameter(Parameter::value(name, value, help))
        })
        .parameter(
            Parameter::value(
                "attribute",
                "KEY=VALUE",
                "Any other attribute of the event, such as `_gclid=x` or `_traffic_source_category=Social`; may be repeated",
            )
            .repeated(),
        )
        .parameter(Parameter::value("app", "APP", "The app. Default: the job's first, else the only one that has rules"))
        .parameter(
            Parameter::value(
                "rules",
                "FOLDER",
                "Folder or s3:// prefix of rules. Default: the rules that come with the program",
            )
            .replaces_job(),
        )
        .parameter(Parameter::switch("reference", "As `compat: reference` in the job file").replaces_job())
}

/// Resolves what is asked with the row path's own functions.
fn answer(question: &Question<'_>) -> Result<Answer> {
    let arguments = question.arguments;
    let attributes = attributes(arguments)?;
    let config: ClickstreamConfig = question.options(|| options(arguments))?;
    let rules = config.load_rules(question.context).map_err(|error| match error.kind() {
        // A folder that is named and not there is a wrong command line, or a wrong job file.
        ErrorKind::NotFound => Error::config("read the traffic source rules").source(error),
        _ => error,
    })?;
    let app = app_of(arguments, &config, &rules)?;
    let answer = explain_traffic_source(&config, rules, &app, arguments.value("host"), &attributes)?;
    Ok(Answer { json: json!({"traffic_source": answer}), text: text(&answer) })
}

fn attributes(arguments: &Arguments) -> Result<Map<String, Value>> {
    let mut attributes = Map::new();
    for (name, key, ..) in PARAMETERS {
        if let (Some(key), Some(value)) = (key, arguments.value(name)) {
            attributes.insert(key.to_owned(), value.into());
        }
    }
    for attribute in arguments.values("attribute") {
        let Some((key, value)) = attribute.split_once('=') else {
            return Err(
                Error::new(ErrorKind::Usage, "an attribute without a value").hint("write --attribute KEY=VALUE")
            );
        };
        attributes.insert(key.to_owned(), value.into());
    }
    Ok(attributes)
}

/// As few options as there can be, for a question without a job file.
fn options(arguments: &Arguments) -> Value {
    let rules = arguments.value("rules");
    json!({
        "project_id": "", "app_ids": [], "rules": rules,
        "compat": if arguments.has("reference") { "reference" } else { "default" },
        // Without any rules there would be nothing to explain.
        "default_rules": rules.is_none().then_some(true),
    })
}

fn app_of(arguments: &Arguments, config: &ClickstreamConfig, rules: &RuleSet) -> Result<String> {
    if let Some(app) = arguments.value("app").or(config.app_ids.first().map(String::as_str)) {
        return Ok(app.to_owned());
    }
    let mut apps = rules.apps();
    match (apps.next(), apps.next()) {
        (Some(app), None) => Ok(app.to_owned()),
        (Some(_), Some(_)) => {
            let mut known: Vec<_> = rules.apps().collect();
            known.sort_unstable();
            let hint = format!("write --app, one of {}", known.join(", "));
            Err(Error::new(ErrorKind::Usage, "no app").hint(hint))
        }
        (None, _) => Ok(String::new()),
    }
}

/// The ten columns and the steps.
fn text(answer: &TrafficAnswer) -> Vec<Block> {
    let whose = match answer.rules {
        "own" => format!("by the rules of app {}", answer.app),
        "program" => "by the rules that come with the program".to_owned(),
        _ => "without rules".to_owned(),
    };
    let mut blocks = vec![Block::Line(format!("traffic source {whose}"))];
    if let Some(refused) = &answer.refused {
        blocks.push(Block::Line(format!("  the event is a dead letter: {refused}")));
    }
    let column = |found: &super::ColumnAnswer| {
        let step = found.step.map_or_else(String::new, |step| format!("step {step}"));
        vec![found.column.to_owned(), found.value.as_deref().map_or("-".to_owned(), shortened), step]
    };
    let rows = answer.columns.iter().map(column).collect();
    blocks.push(Block::Table { aligns: vec![Align::Left; 3], rows });
    blocks.push(Block::Line("steps".to_owned()));
    let numbered = answer.steps.iter().zip(1_usize..);
    let rows = numbered.map(|(step, number)| vec![number.to_string(), step.step.to_owned(), step.why.clone()]);
    blocks.push(Block::Table { aligns: vec![Align::Right, Align::Left, Align::Left], rows: rows.collect() });
    blocks
}

fn shortened(value: &str) -> String {
    match value.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}
