"""Reads the Terraform module as far as it can be without the provider: blocks, arguments and references. provider.json says
what the provider knows; make_provider.py made it."""

import json
import re
from pathlib import Path

import hcl2

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "terraform"
PROVIDER = json.loads((Path(__file__).parent / "provider.json").read_text())
# Those that Terraform itself knows.
META = {"count", "for_each", "depends_on", "lifecycle", "provider"}


def plain(value):
    """Without the quotes and marks that the reader keeps."""
    if isinstance(value, dict):
        return {key.strip('"'): plain(inner) for key, inner in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return json.loads(value)
    return value


class Module:
    def __init__(self):
        self.text = "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.tf")))
        self.resources, self.variables, self.locals, self.outputs = {}, {}, {}, {}
        for path in sorted(FOLDER.glob("*.tf")):
            with path.open() as file:
                document = plain(hcl2.load(file))
            for kind in ("resource", "data"):
                for block in document.get(kind, []):
                    for resource, named in block.items():
                        prefix = "data." if kind == "data" else ""
                        for name, body in named.items():
                            self.resources[f"{prefix}{resource}.{name}"] = body
            for block in document.get("variable", []):
                self.variables |= block
            for block in document.get("output", []):
                self.outputs |= block
            for block in document.get("locals", []):
                self.locals |= block

    def of_type(self, kind):
        return {name: body for name, body in self.resources.items() if name.rpartition(".")[0] == kind}

    def value(self, text):
        """A text with the defaults of variables in it."""
        if not isinstance(text, str):
            return text
        whole = re.fullmatch(r"\$\{var\.(\w+)\}", text)
        if whole:
            return self.variables[whole.group(1)]["default"]
        return re.sub(r"\$\{var\.(\w+)\}", lambda found: str(self.variables[found.group(1)]["default"]), text)

    def faults(self):
        """What the provider would refuse."""
        found = []
        for name, body in self.resources.items():
            found += of_block(name, body, PROVIDER[name.rpartition(".")[0]])
        return found

    def references(self):
        """What expressions refer to: variables, locals, attributes of resources."""
        text = re.sub(r"#.*", "", self.text)
        for name in re.findall(r"\bvar\.(\w+)", text):
            yield "variable", name, None
        for name in re.findall(r"\blocal\.(\w+)", text):
            yield "local", name, None
        for data, kind, name, attribute in re.findall(r"\b(data\.)?(aws_\w+)\.(\w+)(?:\[[\d*]\])?\.(\w+)", text):
            yield "resource", f"{data}{kind}.{name}", attribute


def of_block(place, body, known):
    found = []
    blocks = dict(known["blocks"])
    given = {}
    for name, value in body.items():
        if name == "dynamic":
            for block in value:
                given |= {inner: content["content"] for inner, content in block.items()}
        else:
            given[name] = value
    for name, value in given.items():
        if name in blocks:
            for inner in value:
                found += of_block(f"{place}.{name}", inner, blocks[name])
        elif name not in known["arguments"] and name not in META:
            found.append(f"{place} has no argument {name}")
    return found + [f"{place} lacks {name}" for name in known["required"] if name not in given]
