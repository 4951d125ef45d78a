//! Partitions of hours and days to come: who reads the catalog finds their rows as soon as they are written.

use crate::catalog::{Partition, TableDefinition};
use crate::output::sink::hive;
use chrono::{DateTime, Duration, Utc};
use etl_sdk::PartitionPart;
use std::collections::BTreeSet;

/// The partitions of a table from one instant to another, for each combination of the values that the partitions of `known`
/// have in the columns that are no times. None of a table without times.
pub fn ahead(
    table: &TableDefinition,
    takes: &[PartitionPart],
    known: &BTreeSet<Partition>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Vec<Partition> {
    let step = match takes {
        takes if takes.contains(&PartitionPart::Hour) => Duration::hours(1),
        takes if takes.iter().any(|part| *part != PartitionPart::Value) => Duration::days(1),
        _ => return Vec::new(),
    };
    let of_values = |partition: &Partition| -> Vec<Option<String>> {
        let pairs = partition.values.iter().zip(takes);
        pairs.map(|(value, part)| (*part == PartitionPart::Value).then(|| value.clone())).collect()
    };
    let combinations: BTreeSet<Vec<Option<String>>> = known.iter().map(of_values).collect();
    let mut partitions = BTreeSet::new();
    let mut instant = from;
    while instant < to {
        for combination in &combinations {
            let pairs = combination.iter().zip(takes);
            let values: Vec<String> =
                pairs.map(|(value, part)| value.clone().unwrap_or_else(|| text_of(*part, instant))).collect();
            let mut folder = table.table.clone();
            for (name, value) in table.partition_keys.iter().zip(&values) {
                folder.push('/');
                folder.push_str(name);
                folder.push('=');
                hive::escape(value, &mut folder);
            }
            partitions.insert(table.partition(values, &folder));
        }
        instant += step;
    }
    partitions.into_iter().collect()
}

fn text_of(part: PartitionPart, instant: DateTime<Utc>) -> String {
    let form = match part {
        PartitionPart::Year => "%Y",
        PartitionPart::Month => "%m",
        PartitionPart::Day => "%d",
        PartitionPart::Hour => "%H",
        PartitionPart::Date | PartitionPart::Value => "%Y-%m-%d",
    };
    instant.format(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::FileForm;
    use std::collections::BTreeMap;

    #[test]
    fn each_app_has_the_days_to_come() {
        use PartitionPart::{Day, Month, Value, Year};
        let table = TableDefinition {
            table: "event".to_owned(),
            name: "event".to_owned(),
            description: String::new(),
            columns: Vec::new(),
            partition_keys: ["app", "year", "month", "day"].map(str::to_owned).to_vec(),
            location: "s3://tables/event/".to_owned(),
            form: FileForm::ParquetSnappy,
            parameters: BTreeMap::new(),
        };
        let known = |app: &str, day: &str| {
            let values = [app, "2026", "11", day].map(str::to_owned).to_vec();
            table.partition(values, &format!("event/app={app}/year=2026/month=11/day={day}"))
        };
        let known = BTreeSet::from([known("a/b", "19"), known("c", "20"), known("c", "21")]);
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let found =
            ahead(&table, &[Value, Year, Month, Day], &known, at("2026-11-30T00:00:00Z"), at("2026-12-01T05:00:00Z"));
        let locations: Vec<&str> = found.iter().map(|partition| partition.location.as_str()).collect();
        assert_eq!(
            locations,
            [
                "s3://tables/event/app=a%2Fb/year=2026/month=11/day=30/",
                "s3://tables/event/app=a%2Fb/year=2026/month=12/day=01/",
                "s3://tables/event/app=c/year=2026/month=11/day=30/",
                "s3://tables/event/app=c/year=2026/month=12/day=01/",
            ]
        );
        assert_eq!(found[0].values, ["a/b", "2026", "11", "30"]);
        assert!(ahead(&table, &[Value], &known, at("2026-11-30T00:00:00Z"), at("2026-12-01T00:00:00Z")).is_empty());
    }
}
