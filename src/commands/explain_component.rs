//! `explain QUESTION`: what a component answers by itself, such as `explain traffic-source`.

use super::request::ExplanationRequest;
use super::session::load_job;
use crate::job::{EnrichConfig, Job, StepConfig};
use crate::registry::{Explained, Registry, Role};
use crate::report::Outcome;
use crate::screen::Printer;
use crate::storage::PrefixReader;
use crate::text::columns::Columns;
use etl_sdk::{Block, BuildContext, Error, JobOptions, Question, RemoteFolders, Result};
use serde_json::Value;
use std::sync::Arc;

/// Asks the component, with its options of the job file if one is named, and prints what it answers.
pub fn run(request: &ExplanationRequest, registry: &Registry, printer: &Printer) -> Result<Outcome> {
    let explained = registry.find_explanation(&request.name)?;
    let arguments = &request.arguments;
    let answer = if let Some(job) = &request.job {
        let job = load_job(job)?;
        let (with, path) = options_of(&job, &explained)?;
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let place = |error| job.placed(&path, error);
        let options = JobOptions { with, place: &place };
        explained.explanation.answer(&Question { arguments, job: Some(options), context: &job.context() })?
    } else {
        let remote = RemoteFolders(Some(Arc::new(PrefixReader::default())));
        let context = BuildContext { remote, ..BuildContext::new(".") };
        explained.explanation.answer(&Question { arguments, job: None, context: &context })?
    };
    if printer.is_json() {
        printer.json(&answer.json)?;
    } else {
        printer.result(&screen(&answer.text))?;
    }
    Ok(Outcome::Done)
}

/// The component's options in the job file, and the path of its section.
fn options_of<'a>(job: &'a Job, explained: &Explained<'_>) -> Result<(&'a Value, Vec<String>)> {
    let component = explained.component;
    let wrong = |what: &str| Error::config(format!("explain {}: {what}", explained.explanation.name));
    match explained.role {
        Role::Transformer => {
            let transformer = &job.config.transformer;
            if transformer.name != component {
                return Err(wrong("the job has another transformer")
                    .with("transformer", &transformer.name)
                    .hint(format!("only {component} explains this")));
            }
            Ok((&transformer.with, vec!["transformer".to_owned()]))
        }
        Role::Enrichment => {
            let options = |step: &'a EnrichConfig| match &step.step {
                StepConfig::Native { name, options } if name == component => Some(options),
                _ => None,
            };
            let mut steps = job.config.enrich.iter().enumerate();
            let found =
                steps.find_map(|(index, step)| Some((options(step)?, vec!["enrich".to_owned(), index.to_string()])));
            found.ok_or_else(|| wrong("the job has no such step").with("enrichment", component))
        }
    }
}

fn screen(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        match block {
            Block::Line(line) => text.extend([line, "\n"]),
            Block::Table { aligns, rows } => {
                let mut columns = Columns::new(aligns);
                for row in rows {
                    columns.row(row.iter().cloned());
                }
                text.push_str(&columns.render(2));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::load_text;
    use crate::registry::testing::sample;
    use etl_sdk::Align;
    use serde_json::json;
    use std::path::Path;

    #[test]
    fn a_question_has_the_options_of_its_component() {
        let registry = sample();
        let explained = registry.find_explanation("sample-question").unwrap();
        let job = |enrich: &str| {
            let text = format!(
                "job: x\nsource: {{url: in}}\ntransformer: {{name: t}}\nenrich: {enrich}\nsink: {{url: out}}\n"
            );
            load_text(text, Path::new("job.yaml"), &[], &|_| None).unwrap()
        };
        let job_with = job("[{sql: a.sql}, {name: sample-step, with: {a: 1}}]");
        let (options, path) = options_of(&job_with, &explained).unwrap();
        assert_eq!((options, path.join(".")), (&json!({"a": 1}), "enrich.1".to_owned()));
        let job_without = job("[]");
        let error = options_of(&job_without, &explained).unwrap_err();
        assert_eq!(error.to_string(), "explain sample-question: the job has no such step enrichment=sample-step");
    }

    #[test]
    fn a_table_is_aligned_below_its_line() {
        let row = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
        let table = Block::Table {
            aligns: vec![Align::Right, Align::Left],
            rows: vec![row(["9", "nine"]), row(["10", "ten"])],
        };
        assert_eq!(screen(&[Block::Line("numbers".to_owned()), table]), "numbers\n   9  nine\n  10  ten\n");
    }
}
