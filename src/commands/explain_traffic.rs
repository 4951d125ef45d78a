//! `explain traffic-source`: where the clickstream rules say that a visit came from, and which rule says so.

use super::process_environment;
use super::request::TrafficRequest;
use crate::job::load;
use crate::report::Outcome;
use crate::screen::Printer;
use crate::storage::PrefixReader;
use crate::text::columns::{Align, Columns};
use etl_sdk::{BuildContext, Error, ErrorKind, RemoteFolders, Result, parse_options};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use transformer_clickstream::traffic_source::RuleSet;
use transformer_clickstream::{COMPONENT, ClickstreamConfig, TrafficAnswer, explain_traffic_source};

/// Longest value that is printed whole, in characters.
const WIDEST: usize = 60;

/// Resolves what is asked with the row path's own functions, and prints the ten columns and the steps.
pub fn run(request: &TrafficRequest, printer: &Printer) -> Result<Outcome> {
    let (config, context) = configuration(request)?;
    let rules = config.load_rules(&context).map_err(|error| match error.kind() {
        // A folder that is named and not there is a wrong command line, or a wrong job file.
        ErrorKind::NotFound => Error::config("read the traffic source rules").source(error),
        _ => error,
    })?;
    let app = app_of(request, &config, &rules)?;
    let attributes: Map<String, Value> =
        request.attributes.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect();
    let answer = explain_traffic_source(&config, rules, &app, request.host_name.as_deref(), &attributes)?;
    if printer.is_json() {
        printer.json(&json!({"traffic_source": answer}))?;
    } else {
        printer.result(&screen(&answer))?;
    }
    Ok(Outcome::Done)
}

/// The transformer's options: the job's, or as few as there can be.
fn configuration(request: &TrafficRequest) -> Result<(ClickstreamConfig, BuildContext)> {
    if let Some(file) = &request.job_file {
        let job = load(file, &request.overrides, &process_environment)?;
        let transformer = &job.config.transformer;
        if transformer.name != COMPONENT.name {
            return Err(Error::config("explain a traffic source: the job has another transformer")
                .with("transformer", &transformer.name)
                .hint("only clickstream has traffic sources"));
        }
        let config = parse_options(transformer.with.clone()).map_err(|error| job.placed(&["transformer"], error))?;
        return Ok((config, job.context()));
    }
    let options = json!({
        "project_id": "", "app_ids": [], "rules": request.rules,
        "compat": if request.reference { "reference" } else { "default" },
        // Without any rules there would be nothing to explain.
        "default_rules": request.rules.is_none().then_some(true),
    });
    let remote = RemoteFolders(Some(Arc::new(PrefixReader::default())));
    Ok((parse_options(options)?, BuildContext { remote, ..BuildContext::new(".") }))
}

fn app_of(request: &TrafficRequest, config: &ClickstreamConfig, rules: &RuleSet) -> Result<String> {
    if let Some(app) = request.app.as_ref().or(config.app_ids.first()) {
        return Ok(app.clone());
    }
    let mut apps = rules.apps();
    match (apps.next(), apps.next()) {
        (Some(app), None) => Ok(app.to_owned()),
        (Some(_), Some(_)) => {
            let mut known: Vec<_> = rules.apps().collect();
            known.sort_unstable();
            Err(super::usage("no app", format!("write --app, one of {}", known.join(", "))))
        }
        (None, _) => Ok(String::new()),
    }
}

fn screen(answer: &TrafficAnswer) -> String {
    let whose = match answer.rules {
        "own" => format!("by the rules of app {}", answer.app),
        "program" => "by the rules that come with the program".to_owned(),
        _ => "without rules".to_owned(),
    };
    let mut text = format!("traffic source {whose}\n");
    if let Some(refused) = &answer.refused {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  the event is a dead letter: {refused}");
    }
    let mut columns = Columns::new(&[Align::Left, Align::Left, Align::Left]);
    for found in &answer.columns {
        let step = found.step.map_or_else(String::new, |step| format!("step {step}"));
        columns.row([found.column.to_owned(), found.value.as_deref().map_or("-".to_owned(), shortened), step]);
    }
    text.push_str(&columns.render(2));
    text.push_str("steps\n");
    let mut steps = Columns::new(&[Align::Right, Align::Left, Align::Left]);
    for (at, step) in answer.steps.iter().enumerate() {
        steps.row([(at + 1).to_string(), step.step.to_owned(), step.why.clone()]);
    }
    text.push_str(&steps.render(2));
    text
}

fn shortened(value: &str) -> String {
    match value.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}
