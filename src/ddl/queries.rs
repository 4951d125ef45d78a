//! Queries of Athena over the tables: the rows of some days, of one app where tables have one, and the latest row where a key
//! has several.
//!
//! Days are compared as one text, year, month and day together: each part by itself would leave out the first days of a
//! later month.

use super::table::DdlTable;
use super::write::{Quote, latest_rows};
use etl_sdk::PartitionPart;
use serde_json::{Value, json};

/// A query with parameters, which Athena writes as `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedQuery {
    /// Its name: that of its table, or `all`.
    pub name: String,
    /// What it gives, and its parameters in order.
    pub description: String,
    /// The text.
    pub text: String,
}

/// A query for each table, and one that puts them together.
pub fn saved_queries(database: &str, tables: &[DdlTable]) -> Vec<SavedQuery> {
    let all = joined(database, tables);
    all.into_iter().chain(tables.iter().map(|table| of_table(database, table))).collect()
}

impl SavedQuery {
    /// The request `CreateNamedQuery`, in the form of the service's own JSON.
    pub fn request(&self, database: &str) -> Value {
        json!({"Name": self.name, "Description": self.description, "Database": database, "QueryString": self.text})
    }
}

fn of_table(database: &str, table: &DdlTable) -> SavedQuery {
    let latest = if table.versions.is_some() { "the latest row of each key among the rows" } else { "the rows" };
    SavedQuery {
        name: table.name.clone(),
        description: format!("{}: {latest}{}", table.name, parameters(&[table])),
        text: format!("{};", select(database, table, "")),
    }
}

/// What the parameters are, for a person.
fn parameters(tables: &[&DdlTable]) -> String {
    let of_table = |table: &&DdlTable| {
        let values = value_columns(table).map(|name| format!("{name}, "));
        let days = if day_of(table).is_some() { "first day, last day" } else { "" };
        format!("{}{days}", values.collect::<String>()).trim_end_matches(", ").to_owned()
    };
    let all: Vec<String> = tables.iter().map(of_table).filter(|text| !text.is_empty()).collect();
    if all.is_empty() { String::new() } else { format!(" of {}; days as 20261120", all.join("; ")) }
}

/// The rows of a table that its parameters ask for.
fn select(database: &str, table: &DdlTable, indent: &str) -> String {
    let quote = Quote::Double;
    match &table.versions {
        None => {
            let names = quote.names(table.names());
            let from = format!("{}.{}", quote.name(database), quote.name(&table.name));
            format!("SELECT {names}\n{indent}FROM {from}{}", filter(table, indent))
        }
        Some(versions) => {
            let filter = filter(table, &format!("{indent}  "));
            latest_rows(quote, database, table, versions, &filter, indent)
        }
    }
}

/// The clause with the conditions on the partition columns.
fn filter(table: &DdlTable, indent: &str) -> String {
    let quote = Quote::Double;
    let values = value_columns(table).map(|name| format!("{} = ?", quote.name(name)));
    let days = day_of(table).map(|day| format!("{day} BETWEEN ? AND ?"));
    let all: Vec<String> = values.chain(days).collect();
    if all.is_empty() { String::new() } else { format!("\n{indent}WHERE {}", all.join(&format!("\n{indent}  AND "))) }
}

fn value_columns(table: &DdlTable) -> impl Iterator<Item = &str> {
    let columns = table.partitions.iter().filter(|partition| partition.takes == PartitionPart::Value);
    columns.map(|partition| partition.name.as_str())
}

/// The day of a partition as one text, `20261120`, whose order is that of days; `None` for a table without days.
fn day_of(table: &DdlTable) -> Option<String> {
    let quote = Quote::Double;
    let named = |part: PartitionPart| {
        let found = table.partitions.iter().find(|partition| partition.takes == part);
        found.map(|partition| quote.name(&partition.name))
    };
    if let Some(date) = named(PartitionPart::Date) {
        return Some(format!("replace({date}, '-', '')"));
    }
    let parts = [PartitionPart::Year, PartitionPart::Month, PartitionPart::Day].map(named);
    let [Some(year), Some(month), Some(day)] = parts else { return None };
    Some(format!("{year} || {month} || {day}"))
}

/// The rows of the first table with what the others know of them: the latest rows of the keys that it has, and rows of the same
/// event. `None` when no other table has a column that says so.
fn joined(database: &str, tables: &[DdlTable]) -> Option<SavedQuery> {
    let quote = Quote::Double;
    let (first, others) = tables.split_first()?;
    let has = |name: &str| first.names().any(|own| own == name);
    let (mut joins, mut columns, mut asked) = (Vec::new(), vec![format!("{}.*", quote.name(&first.name))], vec![first]);
    for table in others {
        let keys: Vec<&str> = match &table.versions {
            Some(versions) if versions.key.iter().all(|name| has(name)) => {
                versions.key.iter().map(String::as_str).collect()
            }
            None if has(EVENT) && table.names().any(|name| name == EVENT) => vec![EVENT],
            _ => continue,
        };
        let alias = quote.name(&table.name);
        let on = keys.iter().map(|key| format!("{alias}.{0} = {1}.{0}", quote.name(key), quote.name(&first.name)));
        let on: Vec<String> = on.collect();
        let rows = select(database, table, "  ");
        joins.push(format!("\nLEFT JOIN (\n  {rows}\n) AS {alias} ON {}", on.join(" AND ")));
        let own = table.columns.iter().filter(|column| !has(&column.name));
        columns.extend(own.map(|column| format!("{alias}.{}", quote.name(&column.name))));
        asked.push(table);
    }
    (asked.len() > 1).then(|| SavedQuery {
        name: "all".to_owned(),
        description: format!("{} with what the other tables know of it{}", first.name, parameters(&asked)),
        text: format!(
            "SELECT {}\nFROM (\n  {}\n) AS {}{};",
            columns.join(", "),
            select(database, first, "  "),
            quote.name(&first.name),
            joins.concat()
        ),
    })
}

/// The column by which rows are of one event.
const EVENT: &str = "event_id";
