//! The statements of one small table, word for word.

use super::table::{DdlColumn, DdlPartition, DdlTable};
use super::*;
use crate::output::sink::{Compression, Format};
use crate::query::Versions;
use arrow::datatypes::{DataType, Field, TimeUnit};
use etl_sdk::PartitionPart;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

fn column(name: &str, data_type: DataType, description: &str) -> DdlColumn {
    DdlColumn {
        name: name.to_owned(),
        data_type,
        max_bytes: None,
        required: false,
        description: description.to_owned(),
    }
}

fn table() -> DdlTable {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let entry = DataType::Struct(
        vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", DataType::Struct(vec![Field::new("n", DataType::Int64, true)].into()), true),
        ]
        .into(),
    );
    DdlTable {
        name: "user".to_owned(),
        description: "One row: what's known".to_owned(),
        columns: vec![
            DdlColumn { required: true, ..column("seen", instant, "Its `instant`,\nin UTC.") },
            DdlColumn { max_bytes: Some(32), ..column("name", DataType::Utf8, "") },
            column("facts", DataType::Map(Arc::new(Field::new("entries", entry, false)), false), ""),
            column("price", DataType::Decimal128(10, 2), ""),
        ],
        partitions: vec![
            DdlPartition { name: "app".to_owned(), takes: PartitionPart::Value },
            DdlPartition { name: "day".to_owned(), takes: PartitionPart::Day },
        ],
        location: "s3://tables/user/".to_owned(),
        format: Format::Parquet,
        has_hive_paths: true,
        projection: BTreeMap::new(),
        versions: Some(Versions { key: vec!["app".to_owned(), "name".to_owned()], stamp: "seen".to_owned() }),
        sort_by: vec!["name".to_owned(), "seen".to_owned()],
    }
}

fn written(dialect: Dialect) -> String {
    statements(dialect, "shop", &table()).unwrap().join("\n\n")
}

#[test]
fn athena_has_views_in_the_words_of_its_queries() {
    insta::assert_snapshot!(written(Dialect::Athena), @r#"
    CREATE EXTERNAL TABLE IF NOT EXISTS `shop`.`user` (
      `seen` timestamp COMMENT 'Its `instant`,\nin UTC.',
      `name` string,
      `facts` map<string,struct<n:bigint>>,
      `price` decimal(10,2)
    )
    COMMENT 'One row: what\'s known'
    PARTITIONED BY (`app` string, `day` string)
    STORED AS PARQUET
    LOCATION 's3://tables/user/';

    MSCK REPAIR TABLE `shop`.`user`;

    CREATE OR REPLACE VIEW "shop"."user_latest" AS
    SELECT "seen", "name", "facts", "price", "app", "day"
    FROM (
      SELECT *, row_number() OVER (PARTITION BY "app", "name" ORDER BY "seen" DESC) AS place_of_row
      FROM "shop"."user"
    ) AS numbered
    WHERE place_of_row = 1;
    "#);
}

#[test]
fn athena_works_projected_partitions_out() {
    let projection = [("projection.enabled", "true"), ("projection.day.type", "integer")];
    let projection = projection.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let table = DdlTable { projection, versions: None, ..table() };
    let athena = statements(Dialect::Athena, "shop", &table).unwrap();
    assert_eq!(athena.len(), 1, "there is nothing to search for");
    assert!(
        athena[0].ends_with(
            "LOCATION 's3://tables/user/'\nTBLPROPERTIES (\n  'projection.day.type' = 'integer',\n  'projection.enabled' = \
             'true'\n);"
        ),
        "{}",
        athena[0]
    );
    let spark = statements(Dialect::Spark, "shop", &table).unwrap();
    assert!(spark[1].starts_with("MSCK REPAIR") && !spark[0].contains("projection"), "{spark:?}");
}

#[test]
fn hive_differs_from_athena_in_the_names_of_its_view() {
    let athena = written(Dialect::Athena);
    assert!(athena.contains("CREATE OR REPLACE VIEW \"shop\""));
    assert_eq!(written(Dialect::Hive), athena.replace('"', "`"));
}

#[test]
fn spark_has_the_partitions_among_the_columns() {
    insta::assert_snapshot!(written(Dialect::Spark), @r#"
    CREATE TABLE IF NOT EXISTS `shop`.`user` (
      `seen` timestamp COMMENT 'Its `instant`,\nin UTC.',
      `name` string,
      `facts` map<string,struct<n:bigint>>,
      `price` decimal(10,2),
      `app` string,
      `day` string
    )
    USING PARQUET
    PARTITIONED BY (`app`, `day`)
    COMMENT 'One row: what\'s known'
    LOCATION 's3://tables/user/';

    MSCK REPAIR TABLE `shop`.`user`;

    CREATE OR REPLACE VIEW `shop`.`user_latest` AS
    SELECT `seen`, `name`, `facts`, `price`, `app`, `day`
    FROM (
      SELECT *, row_number() OVER (PARTITION BY `app`, `name` ORDER BY `seen` DESC) AS place_of_row
      FROM `shop`.`user`
    ) AS numbered
    WHERE place_of_row = 1;
    "#);
}

#[test]
fn redshift_has_the_columns_of_the_files_alone() {
    insta::assert_snapshot!(written(Dialect::Redshift), @r#"
    CREATE TABLE IF NOT EXISTS "shop"."user" (
      "seen" timestamp NOT NULL,
      "name" varchar(32),
      "facts" super,
      "price" decimal(10,2)
    )
    DISTSTYLE EVEN
    SORTKEY ("name", "seen");

    COMMENT ON TABLE "shop"."user" IS 'One row: what''s known';
    COMMENT ON COLUMN "shop"."user"."seen" IS 'Its `instant`,
    in UTC.';
    "#);
}

#[test]
fn duckdb() {
    insta::assert_snapshot!(written(Dialect::Duckdb), @r#"
    CREATE OR REPLACE VIEW "shop"."user" AS
    SELECT "seen", "name", "facts", "price", "app", "day"
    FROM read_parquet('s3://tables/user/**/*.parquet', hive_partitioning = true, hive_types = {'app': VARCHAR, 'day': VARCHAR});

    COMMENT ON VIEW "shop"."user" IS 'One row: what''s known';
    COMMENT ON COLUMN "shop"."user"."seen" IS 'Its `instant`,
    in UTC.';

    CREATE OR REPLACE VIEW "shop"."user_latest" AS
    SELECT "seen", "name", "facts", "price", "app", "day"
    FROM (
      SELECT *, row_number() OVER (PARTITION BY "app", "name" ORDER BY "seen" DESC) AS place_of_row
      FROM "shop"."user"
    ) AS numbered
    WHERE place_of_row = 1;
    "#);
}

#[test]
fn glue_comments_are_cut_to_what_it_takes() {
    let mut table = table();
    table.columns[0].description = "é".repeat(200);
    let request =
        definition(&table, table.name.clone(), Compression::Snappy, BTreeMap::new()).unwrap().create_request("shop");
    let descriptor = &request["TableInput"]["StorageDescriptor"];
    assert_eq!(descriptor["Columns"][0]["Comment"], "é".repeat(127));
    assert_eq!(descriptor["Columns"][2], json!({"Name": "facts", "Type": "map<string,struct<n:bigint>>"}));
    assert_eq!(request["TableInput"]["PartitionKeys"][1], json!({"Name": "day", "Type": "string"}));
}

#[test]
fn a_folder_is_refused_where_only_s3_is_read() {
    for dialect in [Dialect::Athena, Dialect::Glue, Dialect::Redshift] {
        let error = dialect.check("/tmp/out").unwrap_err();
        assert!(error.to_string().contains("/tmp/out"), "{error}");
        dialect.check("s3://bucket/x").unwrap();
    }
    for dialect in [Dialect::Duckdb, Dialect::Hive, Dialect::Spark] {
        dialect.check("/tmp/out").unwrap();
    }
    let local = DdlTable { location: "/tmp/out/user/".to_owned(), ..table() };
    let spark = statements(Dialect::Spark, "shop", &local).unwrap();
    assert!(spark[0].ends_with("LOCATION 'file:///tmp/out/user/';"), "{}", spark[0]);
}

#[test]
fn a_type_that_has_no_name_is_told_with_its_column() {
    let table = DdlTable { columns: vec![column("odd", DataType::UInt64, "")], ..table() };
    let error = statements(Dialect::Hive, "shop", &table).unwrap_err();
    assert!(error.to_string().contains("odd") && error.to_string().contains("UInt64"), "{error}");
}
