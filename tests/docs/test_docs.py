"""Runs the commands of README.md, CONTRIBUTING.md and docs/*.md in a copy of the project, and compares what they print
with the page; links to files and headings must lead somewhere.

usage: python tests/docs/test_docs.py [PAGE...]

$ETL_RUNNER is the program. Each page has a copy of its own, and its commands are run in the page's order:

- a `console` block holds lines `$ command`, each with all that it prints below it: a line `…` stands for one or more
  lines, and `…` within a line for any text;
- a `sh` block holds commands whose output is not shown: they end with exit code 0;
- a `sql` block is a query for DuckDB, and the `text` block that follows it right away is what it prints.

An HTML comment right above a block says what is different: `<!-- exit code: 3 -->`, or `<!-- not run: REASON -->`. What
depends on the machine or the moment is not compared: see RULES. Ends with one line `N passed, N failed`.
"""

import datetime
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pages import PageError, broken_links, commands

PROJECT = Path(__file__).resolve().parents[2]
COPIED = ["fixtures", "jobs", "schemas", "sql"]
TIMEOUT_SECONDS = 300
# `cargo run -- …` of the project is the program that was built.
CARGO = """#!/bin/sh
[ "$1 $2" = "run --" ] || { echo "only cargo run -- …" >&2; exit 2; }
shift 2
exec etl-runner "$@"
"""
DUCKDB = "import duckdb, sys; print(duckdb.sql(sys.stdin.read()))"

PROGRESS = re.compile(r"^(\d+ of \d+ windows\b.*;|\w+: [\d,]+ of [\d,]+ objects,) .*\n", re.MULTILINE)
# The last column of a table, or one before another number.
WRITTEN = re.compile(r"\b\d+\.\d KiB(?= written$|$|  +\d)", re.MULTILINE)

# What is not compared, on both sides.
RULES = [
    ("progress, printed every ten seconds", PROGRESS, ""),
    ("seconds", re.compile(r"\b\d+\.\d+ s\b"), "N s"),
    ("memory, which a table has where it can be told", re.compile(r"\b\d+\.\d MiB\b"), ""),
    ("bytes of Parquet files, which hold the run's instant", WRITTEN, "N KiB"),
    ("ETags of a folder, which are made of the time of a file", re.compile(r'("etag": ?)"[^"]*"'), r'\1"…"'),
    ("version", re.compile(r"\bversion \d+\.\d+\.\d+"), "version N"),
    ("alignment and rules, which follow from the lengths of the values", re.compile(r"(?<=\S) +|─+"), " "),
]
# The day of the fixtures: instants of it are data.
DAY = "2026-11-20"
INSTANT = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


def same_instants(text, is_now):
    """Replaces the instants at which something was done; those of windows stay."""
    return INSTANT.sub(lambda found: "NOW" if is_now(found[0]) else found[0], text)


def shown_now(instant):
    """Whether an instant of a page is one at which its commands were run. Windows begin with the hour."""
    return not instant.endswith(":00:00Z") and not instant.startswith(DAY)


def since(began):
    """A function that says whether an instant has passed while the page is run."""

    def is_now(instant):
        when = datetime.datetime.fromisoformat(instant.replace("Z", "+00:00"))
        return began <= when <= datetime.datetime.now(datetime.timezone.utc)

    return is_now


def normal(text, copy, is_now):
    text = same_instants(text.replace(str(copy), "~/etl-runner"), is_now)
    for _, pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    return "".join(f"{line.rstrip()}\n" for line in text.rstrip().splitlines())


def matches(expected, found):
    parts = []
    for line in expected.splitlines():
        if line.strip() == "…":
            parts.append(r"(?:.*\n)+?")
        else:
            parts.append(".*".join(map(re.escape, line.split("…"))) + r"\n")
    return re.fullmatch("".join(parts), found) is not None


class Copy:
    """A copy of the project to run the commands of a page in."""

    def __init__(self, folder, binary):
        self.path = folder / "etl-runner"
        self.path.mkdir()
        for name in COPIED:
            shutil.copytree(PROJECT / name, self.path / name)
        programs = folder / "bin"
        programs.mkdir()
        (programs / "etl-runner").symlink_to(binary)
        cargo = programs / "cargo"
        cargo.write_text(CARGO)
        cargo.chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C.UTF-8",
        }
        self.is_now = since(datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0))

    def run(self, command):
        """What is wrong with a command, or None."""
        shell = ["bash", "-c", command.text] if command.language == "sh" else [sys.executable, "-c", DUCKDB]
        result = subprocess.run(
            shell, cwd=self.path, env=self.environment, text=True, timeout=TIMEOUT_SECONDS, check=False,
            input=command.text if command.language == "sql" else "", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        if result.returncode != command.exit_code:
            return f"exit code {result.returncode} instead of {command.exit_code}:\n{result.stdout}"
        if command.expected is None:
            return None
        expected = normal(command.expected, self.path, shown_now)
        found = normal(result.stdout, self.path, self.is_now)
        if matches(expected, found):
            return None
        difference = difflib.unified_diff(expected.splitlines(), found.splitlines(), "page", "program", lineterm="")
        return "\n".join(difference) + f"\nas printed:\n{result.stdout}"


def unavailable(command):
    """The program that a command needs and that is not installed here."""
    return next((name for name in ["jq"] if re.search(rf"\b{name}\b", command.text) and not shutil.which(name)), None)


def check_page(page, binary):
    """Runs a page: the number of commands that passed, the faults, and the reasons of commands that were not run."""
    name = page.relative_to(PROJECT)
    passed, faults, skipped = 0, [f"{name}: {fault}" for fault in broken_links(page)], []
    try:
        found = commands(page, name)
    except PageError as error:
        return 0, [*faults, str(error)], []
    with tempfile.TemporaryDirectory(prefix="etl-docs-") as folder:
        copy = Copy(Path(folder), binary)
        for command in found:
            reason = command.skipped
            if not reason and (missing := unavailable(command)) and not os.environ.get("CI"):
                reason = f"{missing} is not installed"
            if reason:
                skipped.append(reason)
            elif fault := copy.run(command):
                faults.append(f"{command.place}: {command.text}\n{fault}")
            else:
                passed += 1
    return passed, faults, skipped


def main(arguments):
    if any(argument.startswith("-") for argument in arguments) or "ETL_RUNNER" not in os.environ:
        sys.exit(__doc__)
    binary = Path(os.environ["ETL_RUNNER"]).resolve()
    every = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(PROJECT.glob("docs/*.md"))]
    pages = [Path(argument).resolve() for argument in arguments] or every
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda page: check_page(page, binary), pages))
    passed = sum(count for count, _, _ in results)
    faults = [fault for _, found, _ in results for fault in found]
    skipped = Counter(reason for _, _, reasons in results for reason in reasons)
    for fault in faults:
        print(fault, end="\n\n")
    print(f"not run: {skipped.total()}")
    for reason, count in sorted(skipped.items()):
        print(f"  {count} {reason}")
    print(f"{passed} passed, {len(faults)} failed")
    sys.exit(1 if faults or not passed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
