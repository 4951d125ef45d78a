"""The statements of `ddl`, read by programs that are not ours: DuckDB runs its own over the tables of the quickstart, sqlglot
reads those of Athena, Hive, Spark and Redshift, and moto's Glue takes the requests, which botocore checks first."""

import json
import logging
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import boto3
import duckdb
import sqlglot
from moto import mock_aws
from sqlglot import exp

PROJECT = Path(__file__).resolve().parents[2]
TABLES = ["event_v2", "item_v2", "user_v2", "session"]
PARTITIONS = ["partition_app", "partition_year", "partition_month", "partition_day"]
S3 = "s3://tables/shop"
# It says of each `MSCK REPAIR TABLE` that it does not know it.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


def schema(table):
    columns = json.loads((PROJECT / "schemas" / "clickstream" / f"{table}.json").read_text())["columns"]
    return [column for column in columns if not column.get("transient")]


class Statements(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="etl-ddl-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.out = Path(cls.folder.name) / "out"
        cls.call("backfill", "--from", "2026-11-20T05", "--to", "2026-11-20T08", "--every", "1h", sink=cls.out)

    @classmethod
    def call(cls, command, *more, sink):
        words = command.split()
        job = PROJECT / "jobs" / "quickstart.yaml"
        run = subprocess.run(
            [os.environ["ETL_RUNNER"], *words, str(job), *more, "--set", f"sink.url={sink}"],
            capture_output=True, text=True, check=False,
        )
        if run.returncode != 0:
            raise AssertionError(f"{command} ended with {run.returncode}:\n{run.stderr}")
        return run.stdout

    def test_duckdb_has_all_rows_and_the_latest_of_each_key(self):
        db = duckdb.connect()

        def ask(sql):
            return db.execute(sql).fetchall()

        ask(self.call("ddl duckdb", "--database", "shop", sink=self.out))
        for table in TABLES:
            files = f"{self.out}/{table}/**/*.parquet"
            raw = ask(f"SELECT count(*) FROM read_parquet('{files}')")
            self.assertEqual(ask(f"SELECT count(*) FROM shop.{table}"), raw, table)
            columns = [name for name, *_ in ask(f"DESCRIBE shop.{table}")]
            self.assertEqual(columns[-4:], PARTITIONS, table)
            self.assertIn(("11",), ask(f"SELECT DISTINCT partition_month FROM shop.{table}"), "partitions are text")
        for table, key in [("user_v2", ["user_pseudo_id"]), ("session", ["user_pseudo_id", "session_id"])]:
            keys = ", ".join(["partition_app", *key])
            expected = ask(f"SELECT count(*) FROM (SELECT DISTINCT {keys} FROM shop.{table})")
            self.assertEqual(ask(f"SELECT count(*) FROM shop.{table}_latest"), expected, table)
        comment = "SELECT comment FROM duckdb_columns() WHERE table_name = 'event_v2' AND column_name = 'event_id'"
        described = {column["name"]: column["description"] for column in schema("event_v2")}
        self.assertEqual(ask(comment), [(described["event_id"],)])

    def test_statements_of_engines_and_warehouses_are_read_whole(self):
        for dialect in ["athena", "hive", "spark", "redshift"]:
            text = self.call(f"ddl {dialect}", sink=S3)
            read = [statement for statement in sqlglot.parse(text, dialect=dialect) if statement is not None]
            tables = [one for one in read if isinstance(one, exp.Create) and one.kind == "TABLE"]
            self.assertEqual([one.this.this.name for one in tables], TABLES, dialect)
            for create, table in zip(tables, TABLES):
                found = [column.name for column in create.this.expressions if isinstance(column, exp.ColumnDef)]
                wanted = [column["name"] for column in schema(table)]
                if table == "event_v2":
                    wanted.append("traffic_label")
                if dialect == "spark":
                    wanted += PARTITIONS
                self.assertEqual(found, wanted, (dialect, table))
            views = [one.this.name for one in read if isinstance(one, exp.Create) and one.kind == "VIEW"]
            self.assertEqual(views, [] if dialect == "redshift" else ["user_v2_latest", "session_latest"], dialect)

    def test_redshift_has_the_lengths_and_nulls_of_the_schema(self):
        text = self.call("ddl redshift", sink=S3)
        for table in TABLES:
            create = text.split(f'CREATE TABLE IF NOT EXISTS "quickstart"."{table}" (\n', 1)[1].split("\n)\n", 1)[0]
            lines = {line.split('"')[1]: line.strip().rstrip(",") for line in create.splitlines()}
            for column in schema(table):
                line = lines[column["name"]]
                if column["type"] == "string":
                    self.assertIn(f"varchar({column.get('max_bytes', 65535)})", line)
                self.assertEqual(line.endswith(" NOT NULL"), column.get("required", False), line)

    def test_glue_takes_the_requests(self):
        requests = json.loads(self.call("ddl glue", "--database", "shop", sink=S3))
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "eu-west-1"}
        with mock.patch.dict(os.environ, keys), mock_aws():
            glue = boto3.client("glue")
            glue.create_database(DatabaseInput={"Name": "shop"})
            for request in requests:
                glue.create_table(**request)
            for table in TABLES:
                kept = glue.get_table(DatabaseName="shop", Name=table)["Table"]
                found = [(column["Name"], column["Type"]) for column in kept["StorageDescriptor"]["Columns"]]
                wanted = [(column["name"], column["type"].replace(" ", "")) for column in schema(table)]
                self.assertEqual(found[: len(wanted)], wanted, table)
                self.assertEqual([key["Name"] for key in kept["PartitionKeys"]], PARTITIONS)
                self.assertEqual(kept["StorageDescriptor"]["Location"], f"{S3}/{table}/")
                self.assertTrue(kept["StorageDescriptor"]["OutputFormat"].endswith("MapredParquetOutputFormat"))
