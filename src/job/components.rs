//! Builds what the job names, with errors that point into the job file.

use super::load::Job;
use super::shape;
use super::yaml::{Node, NodeKind};
use crate::registry::Registry;
use etl_sdk::{Component, Enrichment, ErrorKind, Result, Transformer};
use serde_json::Value;
use std::sync::Arc;

impl Job {
    /// Builds the transformer, checking its options, and every file they name.
    pub fn build_transformer(&self, registry: &Registry) -> Result<Arc<dyn Transformer>> {
        let config = &self.config.transformer;
        let component =
            registry.find_transformer(&config.name).map_err(|error| self.placed(&["transformer", "name"], error))?;
        self.build(component, &config.with, &["transformer"])
    }

    /// Builds the enrichment of a name, which stands at `index` of the `enrich` list.
    pub fn build_enrichment(
        &self,
        index: usize,
        name: &str,
        options: &Value,
        registry: &Registry,
    ) -> Result<Arc<dyn Enrichment>> {
        let number = index.to_string();
        let component =
            registry.find_enrichment(name).map_err(|error| self.placed(&["enrich", &number, "name"], error))?;
        self.build(component, options, &["enrich", &number])
    }

    fn build<T: ?Sized>(&self, component: &Component<T>, options: &Value, section: &[&str]) -> Result<Arc<T>> {
        let path = [section, &["with"]].concat();
        let schema = component.options_schema();
        // Without options, what must be there is missed all the same.
        let without = Node { place: self.place(section).clone(), kind: NodeKind::Mapping(Vec::new()) };
        let node = self.node(&path).filter(|node| !node.is_null()).unwrap_or(&without);
        shape::check(node, &schema, &schema, &dotted(&path))?;
        component.build(options.clone(), &self.context()).map_err(|error| {
            // `parse_options` names the key at fault as `rules[0].name`.
            let key = error.facts().iter().find(|(name, _)| *name == "key").map(|(_, key)| key.clone());
            let key = key.unwrap_or_default();
            let inner = key.split(['.', '[', ']']).filter(|part| !part.is_empty());
            let path: Vec<&str> = path.iter().copied().chain(inner).collect();
            // A file that is named and not there is a wrong job file, as much as one that does not parse.
            let kind = if error.kind() == ErrorKind::NotFound { ErrorKind::Config } else { error.kind() };
            self.placed_as(kind, &path, error)
        })
    }
}

/// `enrich[0].with` of `enrich`, `0`, `with`.
fn dotted(path: &[&str]) -> String {
    let mut text = String::new();
    for key in path {
        match key.parse::<usize>() {
            Ok(_) => text.extend(["[", key, "]"]),
            Err(_) if text.is_empty() => text.push_str(key),
            Err(_) => text.extend([".", key]),
        }
    }
    text
}
