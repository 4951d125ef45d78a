//! The JSON Schema of the job file, from the structs and from each component's own options.

use super::config::JobConfig;
use crate::registry::Registry;
use schemars::schema_for;
use serde_json::{Map, Value, json};

/// The schema of the job file with the options of every component in `registry`: a transformer's or enrichment's
/// `name` decides what its `with` may hold. Made for editors, and for [`super::load()`]'s messages.
pub fn json_schema(registry: &Registry) -> Value {
    let mut root = plain();
    root["title"] = json!("Job file of etl-runner");
    let transformers =
        registry.transformers().iter().map(|component| ("transformer", &*component.name, component.options_schema()));
    let rules = add_components(&mut root, transformers.collect());
    if !rules.is_empty() {
        // Conditions by name, so that an editor shows the errors of one component and not those of all.
        let mut all = vec![json!({"properties": {"name": {"enum": names(&rules)}}})];
        all.extend(rules);
        root["properties"]["transformer"]["allOf"] = all.into();
    }
    let enrichments =
        registry.enrichments().iter().map(|component| ("enrichment", &*component.name, component.options_schema()));
    let rules = add_components(&mut root, enrichments.collect());
    if !rules.is_empty() {
        root["$defs"]["EnrichConfig"]["properties"]["name"]["enum"] =
            names(&rules).into_iter().map(Value::from).chain([Value::Null]).collect();
        root["$defs"]["EnrichConfig"]["allOf"] = rules.into();
    }
    root
}

/// The schema of the structs alone: `with` may hold anything.
pub(super) fn plain() -> Value {
    schema_for!(JobConfig).to_value()
}

fn names(rules: &[Value]) -> Vec<String> {
    rules
        .iter()
        .filter_map(|rule| rule.pointer("/if/properties/name/const").and_then(Value::as_str).map(str::to_owned))
        .collect()
}

/// Moves each component's schema and its definitions under the root's, and returns the rules that lead to them.
fn add_components(root: &mut Value, components: Vec<(&str, &str, Value)>) -> Vec<Value> {
    let mut rules = Vec::new();
    for (role, name, mut schema) in components {
        let place = format!("{role}-{name}");
        rename_references(&mut schema, &place);
        let Some(object) = schema.as_object_mut() else { continue };
        object.remove("$schema");
        let own = object.remove("$defs");
        if let Some(definitions) = definitions(root) {
            for (key, value) in own.as_ref().and_then(Value::as_object).into_iter().flatten() {
                definitions.insert(format!("{place}-{key}"), value.clone());
            }
            definitions.insert(place.clone(), schema);
        }
        rules.push(json!({
            "if": {"properties": {"name": {"const": name}}, "required": ["name"]},
            "then": {"properties": {"with": {"$ref": format!("#/$defs/{place}")}}},
        }));
    }
    rules
}

fn definitions(root: &mut Value) -> Option<&mut Map<String, Value>> {
    root.as_object_mut()?.entry("$defs").or_insert_with(|| json!({})).as_object_mut()
}

/// `#/$defs/X` of a component becomes `#/$defs/<component>-X`.
fn rename_references(schema: &mut Value, place: &str) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get_mut("$ref")
                && let Some(name) = target.strip_prefix("#/$defs/")
            {
                *target = format!("#/$defs/{place}-{name}");
            }
            map.values_mut().for_each(|value| rename_references(value, place));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_references(item, place)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::builtin;
    use crate::registry::testing::sample;

    /// The checked-in schema is what editors read.
    #[test]
    fn the_checked_in_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/job.schema.json");
        let current = format!("{}\n", serde_json::to_string_pretty(&json_schema(&builtin())).unwrap());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas")).unwrap();
            std::fs::write(path, &current).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == current,
            "schemas/job.schema.json is stale; write it again with: UPDATE=1 cargo test -p etl-runner --lib job::schema"
        );
    }

    #[test]
    fn components_bring_their_options() {
        let schema = json_schema(&sample());
        let options = &schema["$defs"]["transformer-sample"];
        assert_eq!(options["properties"]["mode"]["$ref"], "#/$defs/transformer-sample-Mode");
        assert!(schema["$defs"]["transformer-sample-Mode"].is_object());
        let transformer = schema["properties"]["transformer"].to_string();
        assert!(transformer.contains(r##"{"$ref":"#/$defs/transformer-sample"}"##), "{transformer}");
        assert!(transformer.contains(r#"{"enum":["sample"]}"#), "{transformer}");
        let enrich = schema["$defs"]["EnrichConfig"].to_string();
        assert!(enrich.contains(r##"{"$ref":"#/$defs/enrichment-sample-step"}"##), "{enrich}");
    }
}
