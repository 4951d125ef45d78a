"""Runs the quickstart and reads its tables with pyarrow and DuckDB: two implementations that are not ours; statements.py
reads what `ddl` prints.

usage: python tests/readers/test_readers.py [BINARY]

BINARY defaults to $ETL_RUNNER, then to the debug build. Ends with one line `N passed, N failed`.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

import duckdb
import maxminddb
import pyarrow as pa
import pyarrow.dataset as ds

from statements import Statements  # noqa: F401: its tests run with these

PROJECT = Path(__file__).resolve().parents[2]
TABLES = ["event_v2", "item_v2", "user_v2", "session"]
# What jobs/quickstart.yaml adds to a table's own columns.
ADDED = {"event_v2": [("traffic_label", "string")]}
PARTITIONS = ["partition_app", "partition_year", "partition_month", "partition_day"]
SIMPLE = {
    "string": (pa.string(), "VARCHAR"),
    "bigint": (pa.int64(), "BIGINT"),
    "int": (pa.int32(), "INTEGER"),
    "double": (pa.float64(), "DOUBLE"),
    "boolean": (pa.bool_(), "BOOLEAN"),
    "timestamp": (pa.timestamp("us", "UTC"), "TIMESTAMP WITH TIME ZONE"),
    "date": (pa.date32(), "DATE"),
}


def binary():
    target = os.environ.get("CARGO_TARGET_DIR", PROJECT / "target")
    return os.environ.get("ETL_RUNNER") or str(Path(target) / "debug" / "etl-runner")


def split(members):
    """Splits at the commas outside of angle brackets."""
    parts, depth = [""], 0
    for character in members:
        depth += (character == "<") - (character == ">")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def types(name):
    """A type of the schema files as a pyarrow type and as DuckDB prints it."""
    name = name.strip()
    if name in SIMPLE:
        return SIMPLE[name]
    outer, inner = name[:-1].split("<", 1)
    if outer == "map":
        _, value = split(inner)
        arrow, duck = types(value)
        return pa.map_(pa.string(), arrow), f"MAP(VARCHAR, {duck})"
    if outer == "array":
        arrow, duck = types(inner)
        return pa.list_(arrow), f"{duck}[]"
    if outer == "struct":
        members = [member.split(":", 1) for member in split(inner)]
        arrow = pa.struct([(member.strip(), types(kind)[0]) for member, kind in members])
        duck = ", ".join(f"{member.strip()} {types(kind)[1]}" for member, kind in members)
        return arrow, f"STRUCT({duck})"
    raise ValueError(f"no such type: {name}")


def columns(table):
    """Names and types of the columns that a table's files have."""
    schema = json.loads((PROJECT / "schemas" / "clickstream" / f"{table}.json").read_text())
    found = [(column["name"], column["type"]) for column in schema["columns"] if not column.get("transient")]
    return found + ADDED.get(table, [])


def same_type(found, wanted):
    """Whether two types are alike; names of the inner fields of maps and lists and nullability do not count."""
    if pa.types.is_map(wanted):
        return pa.types.is_map(found) and same_type(found.item_type, wanted.item_type) and found.key_type == wanted.key_type
    if pa.types.is_list(wanted):
        return pa.types.is_list(found) and same_type(found.value_type, wanted.value_type)
    if pa.types.is_struct(wanted):
        return (
            pa.types.is_struct(found)
            and [field.name for field in found] == [field.name for field in wanted]
            and all(same_type(found.field(place).type, wanted.field(place).type) for place in range(wanted.num_fields))
        )
    return found == wanted


def canonical(value):
    """A value in a form that does not depend on the reader: maps as objects."""
    if isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        return {key: canonical(item) for key, item in value}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    return value


def counted(rows, empty_maps):
    """Rows as a multiset of texts. pyarrow gives an empty map as an empty list."""
    found = Counter()
    for row in rows:
        cells = [{} if place in empty_maps and cell == [] else canonical(cell) for place, cell in enumerate(row)]
        found[json.dumps(cells, sort_keys=True, ensure_ascii=False)] += 1
    return found


class Readers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="etl-readers-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.out = Path(cls.folder.name)
        command = [
            binary(), "run", str(PROJECT / "jobs" / "quickstart.yaml"), "--window", "2026-11-20",
            "--now", "2026-11-21T00:00:00Z", "--set", f"sink.url={cls.out}", "--output", "json",
        ]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise AssertionError(f"{' '.join(command)} ended with {run.returncode}:\n{run.stderr}")
        cls.report = json.loads(run.stdout)
        cls.rows = {table["name"]: table["rows"] for table in cls.report["tables"]}
        cls.connection = duckdb.connect()

    def dataset(self, table):
        layout = ds.partitioning(pa.schema([(name, pa.string()) for name in PARTITIONS]), flavor="hive")
        return ds.dataset(self.out / table, format="parquet", partitioning=layout)

    def scan(self, table):
        path = str(self.out / table / "**" / "*.parquet").replace("'", "''")
        return f"read_parquet('{path}', hive_partitioning = true, hive_types_autocast = false)"

    def test_every_table_has_rows(self):
        for table in TABLES:
            with self.subTest(table=table):
                self.assertGreater(self.rows.get(table, 0), 0)

    def test_the_ledger_balances(self):
        self.assertTrue(self.report["steps"])
        for step in self.report["steps"]:
            with self.subTest(step=step["name"], table=step.get("table")):
                out = step["kept"] + sum(step["filtered"].values()) + sum(step["dead"].values())
                self.assertEqual(step["read"] + step["added"], out)

    def test_both_readers_count_what_the_report_says(self):
        for table in TABLES:
            with self.subTest(table=table):
                self.assertEqual(self.dataset(table).count_rows(), self.rows[table])
                counted_rows = self.connection.sql(f"SELECT count(*) FROM {self.scan(table)}").fetchall()[0][0]
                self.assertEqual(counted_rows, self.rows[table])

    def test_pyarrow_sees_the_columns_of_the_schema(self):
        for table in TABLES:
            with self.subTest(table=table):
                schema = self.dataset(table).schema
                wanted = columns(table)
                self.assertEqual(schema.names, [name for name, _ in wanted] + PARTITIONS)
                for name, kind in wanted:
                    self.assertTrue(same_type(schema.field(name).type, types(kind)[0]), f"{name}: {schema.field(name).type}")

    def test_duckdb_sees_the_columns_of_the_schema(self):
        for table in TABLES:
            with self.subTest(table=table):
                described = self.connection.sql(f"DESCRIBE SELECT * FROM {self.scan(table)}").fetchall()
                found = [(row[0], row[1].replace('"', "")) for row in described]
                wanted = [(name, types(kind)[1]) for name, kind in columns(table)]
                self.assertEqual(found[: len(wanted)], wanted)
                self.assertEqual(sorted(name for name, _ in found[len(wanted) :]), sorted(PARTITIONS))

    def test_both_readers_give_the_same_rows(self):
        for table in TABLES:
            with self.subTest(table=table):
                wanted = columns(table)
                arrow = self.dataset(table).to_table()
                maps = {place for place, (_, kind) in enumerate(wanted) if kind.startswith("map")}
                # Python has no year 0, so times and dates are compared as numbers.
                as_number = {"timestamp": pa.int64(), "date": pa.int32()}
                cells = [
                    (arrow[name].cast(as_number[kind]) if kind in as_number else arrow[name]).to_pylist()
                    for name, kind in wanted
                ]
                cells += [arrow[name].to_pylist() for name in PARTITIONS]
                ours = {"timestamp": "epoch_us(\"{}\")", "date": "date_diff('day', DATE '1970-01-01', \"{}\")"}
                names = [ours.get(kind, "\"{}\"").format(name) for name, kind in wanted] + PARTITIONS
                rows = self.connection.sql(f"SELECT {', '.join(names)} FROM {self.scan(table)}").fetchall()
                self.assertEqual(counted(zip(*cells), maps), counted(rows, maps))

    def test_odd_app_ids_survive_the_path(self):
        table = self.dataset("event_v2").to_table(columns=["app_id", "partition_app"])
        self.assertEqual(table["app_id"].to_pylist(), table["partition_app"].to_pylist())
        self.assertLessEqual({"a/b", "..", "k=v", "two\nlines", "shop", "news"}, set(table["app_id"].to_pylist()))

    def test_files_lie_only_in_partitions(self):
        for table in TABLES:
            for path in (self.out / table).rglob("*.parquet"):
                folders = path.relative_to(self.out / table).parts[:-1]
                self.assertEqual([folder.split("=", 1)[0] for folder in folders], PARTITIONS, path)


class Places(unittest.TestCase):
    """fixtures/geo/places.mmdb is a database that the format's own reader understands."""

    def test_networks_are_found_and_others_are_not(self):
        with maxminddb.open_database(PROJECT / "fixtures" / "geo" / "places.mmdb") as places:
            self.assertEqual(places.get("192.0.2.10")["city"]["names"]["en"], "Lisbon")
            self.assertNotIn("city", places.get("192.0.2.130"))
            self.assertEqual(places.get("2001:db8:1::7")["country"]["names"]["en"], "Norway")
            self.assertEqual(places.get("2001:db8:9000::1")["continent"]["names"]["en"], "Oceania")
            for address in ["10.1.2.3", "8.8.8.8", "2001:db8:4000::1", "2001:db9::1"]:
                self.assertIsNone(places.get(address), address)


class Fixtures(unittest.TestCase):
    """The checked-in fixtures are what their scripts make."""

    def test_scripts_make_what_is_checked_in(self):
        for script in ["make.py", "make_mmdb.py"]:
            run = subprocess.run([sys.executable, PROJECT / "fixtures" / script, "--check"], capture_output=True, text=True)
            self.assertEqual((run.returncode, run.stderr), (0, ""), script)


def main(arguments):
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        sys.exit(__doc__)
    os.environ["ETL_RUNNER"] = arguments[0] if arguments else binary()
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    # A test with several failed subtests is one failed test. A class that could not be set up runs none of its tests and
    # is one failure more.
    bad = [getattr(test, "test_case", test) for test, _ in result.failures + result.errors]
    failed = {test.id() for test in bad}
    ran = {test.id() for test in bad if isinstance(test, unittest.TestCase)}
    print(f"{result.testsRun - len(ran)} passed, {len(failed)} failed")
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
