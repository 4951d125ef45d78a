"""Prints what the Terraform provider knows of the resources in deploy/terraform/: arguments, blocks and attributes.

usage: make_provider.py PACKAGE FOLDER > provider.json

PACKAGE is the unpacked PyPI package cdktf-cdktf-provider-aws, whose classes are generated from the provider's own schema;
FOLDER holds the Terraform files. The tests read the result: the package has 60 MB.
"""

import ast
import json
import re
import sys
from pathlib import Path

PRESENT = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}


def arguments(classes, name, used):
    """The arguments of a class, those that must be there, and what its blocks hold, as far as they are used."""
    init = next(part for part in classes[name].body if isinstance(part, ast.FunctionDef) and part.name == "__init__")
    blocks = set(re.findall(r":param (\w+): \1 block\.", ast.get_docstring(init) or ""))
    found = {"arguments": [], "required": [], "blocks": {}}
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults):
        if argument.arg in PRESENT or argument.arg.startswith("_"):
            continue
        found["required"] += [argument.arg] if default is None else []
        if argument.arg not in blocks:
            found["arguments"].append(argument.arg)
        elif argument.arg in used:
            inner = re.search(r"Union\['?(\w+)'?, typing\.Dict", ast.unparse(argument.annotation))
            found["blocks"][argument.arg] = arguments(classes, inner.group(1), used)
    return found


def attributes(resource):
    """What can be read of a resource."""
    names = set()
    for part in resource.body:
        if isinstance(part, ast.FunctionDef):
            for decorator in part.decorator_list:
                if ast.unparse(decorator).startswith("jsii.member") and not part.name.startswith(("put_", "reset_")):
                    names.add(part.name)
    return sorted(name for name in names if name.islower() and not name.startswith("_") and not name.endswith("_input"))


def main(package, folder):
    text = "\n".join(path.read_text() for path in sorted(Path(folder).glob("*.tf")))
    result = {}
    for kind, name in sorted(set(re.findall(r'^(resource|data) "(aws_\w+)"', text, re.M))):
        short = name.removeprefix("aws_")
        module = Path(package) / ("data_aws_" + short if kind == "data" else short) / "__init__.py"
        tree = ast.parse(module.read_text())
        classes = {part.name: part for part in tree.body if isinstance(part, ast.ClassDef)}
        main_class = next(iter(classes))
        used = set(re.findall(r"\w+", text))
        facts = arguments(classes, main_class + "Config", used) | {"attributes": attributes(classes[main_class])}
        result[("data." if kind == "data" else "") + name] = facts
    lines = [f"{json.dumps(name)}: {json.dumps(facts, sort_keys=True)}" for name, facts in result.items()]
    print("{\n" + ",\n".join(lines) + "\n}")


if len(sys.argv) != 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
