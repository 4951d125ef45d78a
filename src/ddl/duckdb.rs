//! DuckDB: views of the files. A view of a table without files cannot be made yet.

use super::table::DdlTable;
use super::write::{Quote, latest_view, text};
use crate::output::sink::Format;

/// The view, what is said of it, and a view of the latest rows where a key has several.
pub(super) fn statements(schema: &str, table: &DdlTable) -> Vec<String> {
    let quote = Quote::Double;
    let name = format!("{}.{}", quote.name(schema), quote.name(&table.name));
    let (reader, ending) = match table.format {
        Format::Parquet => ("read_parquet", "parquet"),
        Format::Json => ("read_json", "json"),
    };
    let types: Vec<String> = table.partition_names().map(|name| format!("{}: VARCHAR", text(name))).collect();
    // Without it `02` is the number 2.
    let types = if types.is_empty() { String::new() } else { format!(", hive_types = {{{}}}", types.join(", ")) };
    let files = format!("{}**/*.{ending}", table.location);
    let create = format!(
        "CREATE OR REPLACE VIEW {name} AS\nSELECT {}\nFROM {reader}({}, hive_partitioning = {}{types});",
        quote.names(table.names()),
        text(&files),
        !table.partitions.is_empty(),
    );
    let mut comments = vec![format!("COMMENT ON VIEW {name} IS {};", text(&table.description))];
    for column in table.columns.iter().filter(|column| !column.description.is_empty()) {
        let of = quote.name(&column.name);
        comments.push(format!("COMMENT ON COLUMN {name}.{of} IS {};", text(&column.description)));
    }
    let latest = latest_view("CREATE OR REPLACE VIEW", quote, schema, table);
    [Some(create), Some(comments.join("\n")), latest].into_iter().flatten().collect()
}
