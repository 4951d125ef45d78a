"""Reads the CloudFormation template and works out what its functions give, for parameters of a test. What only AWS knows stands
as `<Logical.Attribute>`."""

import re
from pathlib import Path

from cfnlint.decode import cfn_yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FILE = DEPLOY / "cloudformation" / "etl-runner.yaml"
PSEUDO = {"AWS::Region": "eu-west-1", "AWS::AccountId": "123456789012", "AWS::Partition": "aws"}
NOTHING = object()


def plain(value):
    """Without the places that the reader keeps."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, str) else value


TEMPLATE = plain(cfn_yaml.load(str(FILE)))


class Resolved:
    """The resources of the template for some parameters."""

    def __init__(self, **parameters):
        declared = TEMPLATE["Parameters"]
        unknown = parameters.keys() - declared.keys()
        assert not unknown, unknown
        defaults = {name: parameter["Default"] for name, parameter in declared.items() if "Default" in parameter}
        self.parameters = PSEUDO | defaults | parameters
        for name, parameter in declared.items():
            if "List" in parameter["Type"] and isinstance(self.parameters.get(name), str):
                self.parameters[name] = self.parameters[name].split(",")
        self.conditions = {name: self.holds(test) for name, test in TEMPLATE["Conditions"].items()}
        self.resources = {
            name: resource["Type"] and self.of(resource["Properties"])
            for name, resource in TEMPLATE["Resources"].items()
            if self.conditions.get(resource.get("Condition"), True)
        }

    def of_type(self, kind):
        return [value for name, value in self.resources.items() if TEMPLATE["Resources"][name]["Type"] == kind]

    def holds(self, test):
        [(function, arguments)] = test.items()
        if function == "Fn::Equals":
            left, right = (self.of(argument) for argument in arguments)
            return left == right
        assert function == "Fn::Not", function
        return not self.holds(arguments[0])

    def of(self, value):
        if isinstance(value, list):
            found = [self.of(inner) for inner in value]
            return [inner for inner in found if inner is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self.call(function, argument)
        found = {key: self.of(inner) for key, inner in value.items()}
        return {key: inner for key, inner in found.items() if inner is not NOTHING}

    def call(self, function, argument):
        if function == "Ref":
            return NOTHING if argument == "AWS::NoValue" else self.parameters.get(argument, f"<{argument}>")
        if function == "Fn::GetAtt":
            return f"<{argument if isinstance(argument, str) else '.'.join(argument)}>"
        if function == "Fn::If":
            condition, yes, no = argument
            return self.of(yes if self.conditions[condition] else no)
        if function == "Fn::Join":
            separator, parts = self.of(argument)
            return separator.join(parts)
        if function == "Fn::FindInMap":
            name, first, second = self.of(argument)
            return TEMPLATE["Mappings"][name][first][second]
        assert function == "Fn::Sub", function
        return re.sub(r"\$\{([\w:.]+)\}", lambda found: str(self.call("Ref", found.group(1))), argument)
