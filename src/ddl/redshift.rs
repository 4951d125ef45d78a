//! Redshift: tables that a load fills, in the order of the files' columns, because a copy of Parquet goes by position.

use super::table::DdlTable;
use super::types;
use super::write::{Quote, listed, text};
use etl_sdk::Result;

/// The table and what is said of it. The columns of the partitions are not in the files, and so not in the table.
pub(super) fn statements(schema: &str, table: &DdlTable) -> Result<Vec<String>> {
    let quote = Quote::Double;
    let name = format!("{}.{}", quote.name(schema), quote.name(&table.name));
    let mut columns = Vec::new();
    for column in &table.columns {
        let null = if column.required { " NOT NULL" } else { "" };
        columns.push(format!("{} {}{null}", quote.name(&column.name), types::redshift(column)?));
    }
    let sort = match table.sort_by.as_slice() {
        [] => String::new(),
        names => format!("\nSORTKEY ({})", quote.names(names.iter().map(String::as_str))),
    };
    let create = format!("CREATE TABLE IF NOT EXISTS {name} {}\nDISTSTYLE EVEN{sort};", listed(&columns));
    let mut comments = vec![format!("COMMENT ON TABLE {name} IS {};", text(&table.description))];
    for column in table.columns.iter().filter(|column| !column.description.is_empty()) {
        let of = quote.name(&column.name);
        comments.push(format!("COMMENT ON COLUMN {name}.{of} IS {};", text(&column.description)));
    }
    Ok(vec![create, comments.join("\n")])
}
