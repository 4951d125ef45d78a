"""The commands of a Markdown page, and what the page says that they print."""

import re
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)\s*$")
MARK = re.compile(r"^ *<!-- (?P<name>not run|exit code): (?P<value>.+) -->$")
LINK = re.compile(r"\]\((?P<target>[^)#:\s]*)(?:#(?P<anchor>[^)\s]*))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PROGRAM = re.compile(r"^(\$ )?etl-runner ", re.MULTILINE)


class PageError(Exception):
    """A page that is not written as tests/docs/test_docs.py asks."""


@dataclass
class Command:
    """One command. `expected` is None where the page does not show what it prints."""

    place: str
    text: str
    language: str
    expected: str | None = None
    exit_code: int = 0
    skipped: str | None = None


@dataclass
class Block:
    line: int
    language: str
    marks: dict
    text: list = field(default_factory=list)


def blocks(path):
    """The fenced blocks of a page, each with the marks above it."""
    marks, block, indent = {}, None, 0
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fence = FENCE.match(line)
        if block is not None:
            if fence and not fence["language"]:
                yield block
                block, marks = None, {}
            else:
                block.text.append(line[indent:] if line[:indent].isspace() else line)
        elif fence:
            indent = len(fence["indent"])
            block = Block(number, fence["language"], marks)
        elif mark := MARK.match(line):
            marks[mark["name"]] = mark["value"]
        elif line.strip() and marks:
            raise PageError(f"{path}:{number}: a mark stands right above the block that it is about")
    if block is not None:
        raise PageError(f"{path}:{block.line}: the block does not end")


def is_whole(text):
    """Whether a shell command is not continued in the next line."""
    return not text.endswith("\\") and text.count("'") % 2 == 0 and text.count('"') % 2 == 0


def shell_commands(lines):
    """Joins the lines of commands; comments of their own line are left out."""
    command = []
    for line in lines:
        if not command and (not line.strip() or line.startswith("#")):
            continue
        command.append(line)
        if is_whole("\n".join(command)):
            yield "\n".join(command)
            command = []
    if command:
        yield "\n".join(command)


def session(block, place):
    """The commands of a `console` block with their output."""
    found = []
    for line in block.text:
        if found and not is_whole(found[-1][0]):
            found[-1][0] += "\n" + line
        elif line.startswith("$ "):
            found.append([line[2:], []])
        elif found:
            found[-1][1].append(line)
        else:
            raise PageError(f"{place}: a console block begins with a line `$ command`")
    if not found:
        raise PageError(f"{place}: no command")
    for command, output in found:
        while output and not output[-1].strip():
            output.pop()
        if output and all(line.strip() == "…" for line in output):
            raise PageError(f"{place}: all of the output is left out: nothing would be compared")
        yield command, "".join(f"{line}\n" for line in output)


def commands(path: Path, name: str):
    """All commands of a page, in its order."""
    found, last = [], None
    for block in blocks(path):
        place = f"{name}:{block.line}"
        skipped = block.marks.get("not run")
        exit_code = int(block.marks.get("exit code", 0))
        new = []
        if block.language == "console":
            new = [Command(place, text, "sh", output) for text, output in session(block, place)]
        elif block.language == "sh":
            new = [Command(place, text, "sh") for text in shell_commands(block.text)]
        elif block.language == "sql":
            new = [Command(place, "\n".join(block.text), "sql")]
        elif block.language == "text" and last and last.language == "sql":
            last.expected = "".join(f"{line}\n" for line in block.text)
        elif not block.language and PROGRAM.search("\n".join(block.text)):
            raise PageError(f"{place}: commands stand in a block of the language `console`, with their output, or `sh`")
        if block.marks and not new:
            raise PageError(f"{place}: a mark above a block without a command")
        if exit_code and len(new) != 1:
            raise PageError(f"{place}: an exit code is that of one command")
        for command in new:
            command.skipped, command.exit_code = skipped, exit_code
        found += new
        # The output of a query is the block that follows it, and no later one.
        last = new[-1] if new else None
    return found


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def broken_links(path: Path):
    """Links of a page to a file or heading that is not there."""
    for link in LINK.finditer(path.read_text()):
        target = path.parent / link["target"] if link["target"] else path
        if not target.exists():
            yield f"{link['target']}: no such file"
        elif link["anchor"] and link["anchor"] not in anchors(target.read_text()):
            yield f"{link['target']}#{link['anchor']}: no such heading"
