//! `list`: the transformers and enrichments a job file may name.

use crate::registry::Registry;
use crate::report::Outcome;
use crate::screen::Printer;
use crate::text::columns::{Align, Columns};
use etl_sdk::Result;
use serde_json::{Value, json};

/// Prints names and summaries, in the order of the registry.
pub fn run(registry: &Registry, printer: &Printer) -> Result<Outcome> {
    let transformers: Vec<_> = registry.transformers().iter().map(|one| (&*one.name, &*one.summary)).collect();
    let enrichments: Vec<_> = registry.enrichments().iter().map(|one| (&*one.name, &*one.summary)).collect();
    if printer.is_json() {
        let values = |list: &[(&str, &str)]| -> Vec<Value> {
            list.iter().map(|(name, summary)| json!({"name": name, "summary": summary})).collect()
        };
        printer.json(&json!({"transformers": values(&transformers), "enrichments": values(&enrichments)}))?;
        return Ok(Outcome::Done);
    }
    let mut text = String::new();
    for (title, list) in [("transformers", &transformers), ("enrichments", &enrichments)] {
        text.push_str(title);
        text.push('\n');
        let mut columns = Columns::new(&[Align::Left, Align::Left]);
        for (name, summary) in list {
            columns.row([(*name).to_owned(), (*summary).to_owned()]);
        }
        if list.is_empty() {
            columns.row(["none".to_owned(), String::new()]);
        }
        text.push_str(&columns.render(2));
    }
    printer.result(&text)?;
    printer.note("`etl-runner explain NAME` prints the options of one");
    Ok(Outcome::Done)
}
