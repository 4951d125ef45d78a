//! Names and texts in statements.

use super::table::DdlTable;
use crate::query::Versions;

/// How a dialect writes names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Quote {
    /// `` `name` ``.
    Backtick,
    /// `"name"`.
    Double,
}

impl Quote {
    pub(super) fn name(self, name: &str) -> String {
        match self {
            Self::Backtick => format!("`{}`", name.replace('`', "``")),
            Self::Double => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    pub(super) fn names<'a>(self, names: impl IntoIterator<Item = &'a str>) -> String {
        let names: Vec<String> = names.into_iter().map(|name| self.name(name)).collect();
        names.join(", ")
    }
}

/// A text as standard SQL writes it.
pub(super) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A text as Hive and Spark write it, in one line.
pub(super) fn escaped_text(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len() + 2);
    for character in value.chars() {
        match character {
            '\\' | '\'' => escaped.extend(['\\', character]),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            other => escaped.push(other),
        }
    }
    format!("'{escaped}'")
}

/// Lines of a list in brackets, two blanks in.
pub(super) fn listed(lines: &[String]) -> String {
    format!("(\n  {}\n)", lines.join(",\n  "))
}

/// The view of the latest row of each key; `None` when a key has one row.
pub(super) fn latest_view(create: &str, quote: Quote, database: &str, table: &DdlTable) -> Option<String> {
    let versions = table.versions.as_ref()?;
    let name = quote.name(&format!("{}_latest", table.name));
    let rows = latest_rows(quote, database, table, versions, "", "");
    Some(format!("{create} {}.{name} AS\n{rows};", quote.name(database)))
}

/// The query for the latest row of each key among the rows that `filter`, a clause on a line of its own, leaves. Lines behind
/// the first begin with `indent`.
pub(super) fn latest_rows(
    quote: Quote,
    database: &str,
    table: &DdlTable,
    versions: &Versions,
    filter: &str,
    indent: &str,
) -> String {
    format!(
        "SELECT {}\n{indent}FROM (\n{indent}  SELECT *, row_number() OVER (PARTITION BY {} ORDER BY {} DESC) AS \
         place_of_row\n{indent}  FROM {}.{}{filter}\n{indent}) AS numbered\n{indent}WHERE place_of_row = 1",
        quote.names(table.names()),
        quote.names(versions.key.iter().map(String::as_str)),
        quote.name(&versions.stamp),
        quote.name(database),
        quote.name(&table.name),
    )
}
