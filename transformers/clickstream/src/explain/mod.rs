//! Why an event gets its traffic source: the row path's own functions, told step by step.

mod question;

pub(crate) use question::traffic_source;

use crate::config::ClickstreamConfig;
use crate::event::ParsedEvent;
use crate::page::{PageTexts, Pages};
use crate::traffic::TrafficResolver;
use crate::traffic_source::{Note, RuleSet, columns};
use etl_sdk::json::Reader;
use etl_sdk::{Error, Result};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Levels that the event of a question has at most.
const DEPTH: u32 = 10;

/// How an event gets its traffic source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrafficAnswer {
    /// The event's app.
    pub app: String,
    /// `own`, `program` (those that come with it) or `none`.
    pub rules: &'static str,
    /// The ten columns, without `traffic_source_`. Empty when the event is given up.
    pub columns: Vec<ColumnAnswer>,
    /// Why the event becomes a dead letter; only with `compat: reference`.
    pub refused: Option<String>,
    /// What was done, in order.
    pub steps: Vec<Note>,
}

/// One of the ten columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnAnswer {
    /// Its name without `traffic_source_`.
    pub column: &'static str,
    /// Its value.
    pub value: Option<String>,
    /// The step that decided it, counted from 1; `None` when nobody had a word.
    pub step: Option<usize>,
}

/// Resolves the traffic source of an event with these attributes, such as `_page_url`, as the row path does.
///
/// # Errors
/// Fails when an attribute is not as the SDK sends it, such as an object in the place of a text.
pub fn explain_traffic_source(
    config: &ClickstreamConfig,
    rules: RuleSet,
    app_id: &str,
    host_name: Option<&str>,
    attributes: &Map<String, Value>,
) -> Result<TrafficAnswer> {
    let text = json!({
        "event_id": "", "app_id": app_id, "timestamp": 0, "host_name": host_name, "attributes": attributes,
    })
    .to_string();
    let mut event = ParsedEvent::default();
    let bad = || Error::config("read the attributes");
    event.parse(&mut Reader::new(&text, DEPTH), config.compat).map_err(|fault| bad().source(fault))?;
    if let Some(defect) = &event.defect {
        return Err(bad().with("key", &defect.key).with("fault", defect.message));
    }
    let rules_of_app = match rules.app(app_id) {
        Some(_) if rules.has_own(app_id) => "own",
        Some(_) => "program",
        None => "none",
    };
    let mut pages = Pages::new(config.compat);
    let page = PageTexts::read(&event, &text, &mut pages);
    let resolver = TrafficResolver::new(Arc::new(rules), config.traffic_source, config.compat);
    let mut steps = Vec::new();
    let found = resolver.explain(&event, &text, app_id, page.facts(), &mut steps);
    let decided_by = |column: &str| steps.iter().rposition(|step| step.decided.contains(&column)).map(|at| at + 1);
    let (columns, refused) = match &found {
        Ok(found) => {
            let answer = |(column, value): (&'static str, Option<&str>)| ColumnAnswer {
                column,
                value: value.map(str::to_owned),
                step: decided_by(column),
            };
            (columns(found).map(answer).to_vec(), None)
        }
        Err(refusal) => (Vec::new(), Some(format!("{}: {refusal}", refusal.reason()))),
    };
    Ok(TrafficAnswer { app: app_id.to_owned(), rules: rules_of_app, columns, refused, steps })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic_source::AppRules;

    fn answer(compat: &str, own: bool, attributes: &Value) -> TrafficAnswer {
        let config = json!({"project_id": "p", "app_ids": ["shop"], "compat": compat});
        let config: ClickstreamConfig = serde_json::from_value(config).unwrap();
        let rules = if own {
            [("shop".to_owned(), AppRules::built_in().unwrap())].into_iter().collect()
        } else {
            RuleSet::default()
        };
        explain_traffic_source(&config, rules, "shop", None, attributes.as_object().unwrap()).unwrap()
    }

    /// Value of a column, and the name of the step that decided it.
    fn of<'a>(answer: &'a TrafficAnswer, column: &str) -> (Option<&'a str>, Option<&'static str>) {
        let found = answer.columns.iter().find(|found| found.column == column).unwrap();
        (found.value.as_deref(), found.step.map(|step| answer.steps[step - 1].step))
    }

    #[test]
    fn every_column_has_the_step_that_decided_it() {
        let answer = answer(
            "default",
            true,
            &json!({"_page_url": "https://shop.example/?utm_campaign=spring", "_page_referrer": "https://www.google.com/search?q=hats"}),
        );
        for (column, value, step) in [
            ("source", Some("Google"), Some("category-rule")),
            ("medium", Some("(Organic)"), Some("medium")),
            // The parameters of the referrer replace those of the page when these have no source.
            ("campaign", None, Some("replace")),
            ("term", Some("hats"), Some("category-rule")),
            ("channel_group", Some("Organic Search"), Some("channel-rule")),
            ("category", Some("Search"), Some("category-rule")),
        ] {
            assert_eq!(of(&answer, column), (value, step), "{column}");
        }
        let why = |step: &str| answer.steps.iter().find(|note| note.step == step).map(|note| note.why.as_str());
        assert_eq!(
            why("category-rule"),
            Some(
                "the entry google.com says source Google, category Search; tried before: www.google.com/search?q=hats, www.google.com/search, google.com/search, www.google.com"
            )
        );
        assert_eq!(
            why("channel-rule"),
            Some(
                "rule organic-search says Organic Search: category eq search and (medium eq \"\" or medium eq organic)"
            )
        );
        assert!(
            why("channel-rule-skipped").unwrap().starts_with("rule direct (Direct) does not hold: not category eq")
        );
    }

    #[test]
    fn what_the_client_sent_is_told_apart() {
        let sent = answer("default", true, &json!({"_utm_source": "news", "_utm_medium": "email"}));
        assert_eq!(of(&sent, "source"), (Some("news"), Some("client")));
        assert_eq!(of(&sent, "channel_group"), (Some("Email"), Some("channel-rule")));
        assert_eq!(of(&sent, "category"), (Some("Unassigned"), Some("unassigned")));
        assert_eq!(of(&sent, "term"), (None, None));
        let alone = answer("default", false, &json!({"_utm_source": "news"}));
        assert_eq!((alone.rules, of(&alone, "channel_group")), ("none", (None, None)));
        assert_eq!(alone.steps.last().unwrap().step, "client-alone");
    }

    #[test]
    fn values_that_count_as_none_are_told() {
        let answer = answer("default", true, &json!({"_page_url": "https://h/?utm_source=Direct&utm_term=x"}));
        assert_eq!(of(&answer, "term"), (None, Some("replace")));
        assert!(answer.steps.iter().any(|note| note.step == "void" && note.decided == ["source"]));
        assert_eq!(of(&answer, "source"), (Some("Direct"), Some("direct")));
    }

    #[test]
    fn a_refusal_has_the_steps_before_it() {
        let answer = answer("reference", true, &json!({"_page_url": "https://h/?utm_source="}));
        assert_eq!(answer.refused.as_deref(), Some("empty_parameter: the parameter `utm_source` of a url is empty"));
        assert!(answer.columns.is_empty() && !answer.steps.is_empty());
    }
}
