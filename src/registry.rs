//! The transformers and enrichments this binary knows: one list, read from top to bottom.

use crate::text::suggest::unknown;
use etl_sdk::{Component, Enrichment, Explanation, Result, Transformer};

/// What a component is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Turns records into rows.
    Transformer,
    /// Adds to the rows of a table.
    Enrichment,
}

/// A question with the component that answers it.
#[derive(Clone, Copy, Debug)]
pub struct Explained<'a> {
    /// What the component is for.
    pub role: Role,
    /// The component's name.
    pub component: &'a str,
    /// The question.
    pub explanation: &'a Explanation,
}

/// What the job file may name.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    transformers: Vec<Component<dyn Transformer>>,
    enrichments: Vec<Component<dyn Enrichment>>,
}

/// Everything that is built in.
pub fn builtin() -> Registry {
    Registry::default()
        .transformer(transformer_clickstream::component())
        .enrichment(plugin_user_agent::component())
        .enrichment(plugin_ip_geo::component())
        .enrichment(plugin_bot_filter::component())
}

impl Registry {
    /// Adds a transformer.
    #[must_use]
    pub fn transformer(mut self, component: Component<dyn Transformer>) -> Self {
        self.transformers.push(component);
        self
    }

    /// Adds an enrichment.
    #[must_use]
    pub fn enrichment(mut self, component: Component<dyn Enrichment>) -> Self {
        self.enrichments.push(component);
        self
    }

    /// All transformers, in the order they were added.
    pub fn transformers(&self) -> &[Component<dyn Transformer>] {
        &self.transformers
    }

    /// All enrichments, in the order they were added.
    pub fn enrichments(&self) -> &[Component<dyn Enrichment>] {
        &self.enrichments
    }

    /// The transformer of that name. An unknown name is an error that lists the known ones and the nearest.
    pub fn find_transformer(&self, name: &str) -> Result<&Component<dyn Transformer>> {
        find(&self.transformers, "transformer", name)
    }

    /// The enrichment of that name. An unknown name is an error that lists the known ones and the nearest.
    pub fn find_enrichment(&self, name: &str) -> Result<&Component<dyn Enrichment>> {
        find(&self.enrichments, "enrichment", name)
    }

    /// What the components explain of themselves, in the order they were added.
    pub fn explanations(&self) -> impl Iterator<Item = Explained<'_>> {
        let transformers = self.transformers.iter().flat_map(|one| explained(Role::Transformer, one));
        transformers.chain(self.enrichments.iter().flat_map(|one| explained(Role::Enrichment, one)))
    }

    /// The question of that name. An unknown name is an error that lists the known ones and the nearest.
    pub fn find_explanation(&self, name: &str) -> Result<Explained<'_>> {
        self.explanations().find(|explained| explained.explanation.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.explanations().map(|explained| &*explained.explanation.name).collect();
            unknown("question", name, &known)
        })
    }
}

fn explained<T: ?Sized>(role: Role, component: &Component<T>) -> impl Iterator<Item = Explained<'_>> {
    component.explanations.iter().map(move |explanation| Explained { role, component: &component.name, explanation })
}

fn find<'a, T: ?Sized>(components: &'a [Component<T>], role: &str, name: &str) -> Result<&'a Component<T>> {
    components.iter().find(|component| component.name == name).ok_or_else(|| {
        let known: Vec<&str> = components.iter().map(|component| &*component.name).collect();
        unknown(role, name, &known)
    })
}

#[cfg(test)]
pub(crate) mod testing {
    //! A transformer and an enrichment that do nothing, for tests of the job file and the commands.

    use super::Registry;
    use arrow::array::RecordBatch;
    use arrow::datatypes::SchemaRef;
    use etl_sdk::{
        Answer, BuildContext, Component, Enrichment, EnrichmentWorker, Error, Explanation, Keep, Output, RawRecord,
        Result, Run, StepName, Table, TableSchema, Transformer, TransformerWorker, parse_options,
    };
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};
    use std::sync::Arc;

    /// Options of the sample transformer.
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Options {
        /// How it works. Default: `fast`.
        mode: Mode,
        /// Most rows of a batch.
        rows: u32,
        /// Names, in order.
        names: Vec<String>,
    }

    #[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        /// Not slow.
        #[default]
        Fast,
        /// Not fast.
        Slow,
    }

    impl Default for Options {
        fn default() -> Self {
            Self { mode: Mode::Fast, rows: 8192, names: Vec::new() }
        }
    }

    struct Sample {
        tables: Vec<Table>,
    }

    impl Transformer for Sample {
        fn tables(&self) -> &[Table] {
            &self.tables
        }

        fn chain(&self) -> &[StepName] {
            &[]
        }

        fn worker(self: Arc<Self>, _: &Run) -> Result<Box<dyn TransformerWorker>> {
            Ok(Box::new(Idle))
        }
    }

    struct Idle;

    impl TransformerWorker for Idle {
        fn transform(&mut self, _: &RawRecord<'_>, _: &mut Output) -> Result<()> {
            Ok(())
        }

        fn finish_task(&mut self, _: &mut Output) -> Result<()> {
            Ok(())
        }
    }

    impl EnrichmentWorker for Idle {
        fn enrich(&mut self, _: &StepName, batch: RecordBatch, _: &mut Output) -> Result<RecordBatch> {
            Ok(batch)
        }
    }

    struct SampleStep;

    impl Enrichment for SampleStep {
        fn output_schema(&self, input: &SchemaRef) -> Result<SchemaRef> {
            Ok(Arc::clone(input))
        }

        fn worker(self: Arc<Self>, _: &Run, _: &SchemaRef) -> Result<Box<dyn EnrichmentWorker>> {
            Ok(Box::new(Idle))
        }
    }

    fn build_sample(options: Value, _: &BuildContext) -> Result<Arc<dyn Transformer>> {
        let options: Options = parse_options(options)?;
        if options.rows == 13 || matches!(options.mode, Mode::Slow) && !options.names.is_empty() {
            return Err(Error::config("check the rows").with("key", "rows").hint("take another"));
        }
        let text = r#"{"table":"event","description":"","columns":[
            {"name":"id","type":"string"},{"name":"at","type":"timestamp"}]}"#;
        let schema = TableSchema::parse(text)?;
        let table = Table { schema, keep: Keep::All, partition_by: Vec::new(), step: "rows".into() };
        Ok(Arc::new(Sample { tables: vec![table] }))
    }

    /// A registry with the transformer `sample` (table `event`, columns `id` and `at`), the step `sample-step`, and its
    /// question `sample-question`.
    pub(crate) fn sample() -> Registry {
        let question =
            Explanation::new("sample-question", "Asks nothing", |_| Ok(Answer { json: Value::Null, text: Vec::new() }));
        let sample =
            Component::new("sample", "Does nothing", build_sample, || schemars::schema_for!(Options).to_value());
        let build_step = |_, _: &BuildContext| Ok(Arc::new(SampleStep) as Arc<dyn Enrichment>);
        let step = Component::new("sample-step", "Changes nothing", build_step, || json!({"type": "object"}));
        Registry::default().transformer(sample).enrichment(step.explanation(question))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_the_known_and_the_nearest() {
        let registry = testing::sample();
        assert!(registry.find_transformer("sample").is_ok());
        let error = registry.find_transformer("smaple").unwrap_err();
        assert_eq!(error.to_string(), "unknown transformer `smaple`");
        assert_eq!(error.hint_text(), Some("did you mean `sample`? known: sample"));
        let error = registry.find_enrichment("geo").unwrap_err();
        assert_eq!(error.hint_text(), Some("known: sample-step"));
        let error = Registry::default().find_transformer("x").unwrap_err();
        assert_eq!(error.hint_text(), Some("known: none"));
    }
}
