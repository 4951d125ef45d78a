//! The transformers and enrichments this binary knows: one list, read from top to bottom.

use etl_sdk::{Component, Enrichment, Transformer};

/// What the job file may name.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    transformers: Vec<Component<dyn Transformer>>,
    enrichments: Vec<Component<dyn Enrichment>>,
}

/// Everything that is built in.
pub fn builtin() -> Registry {
    Registry::default()
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
}
