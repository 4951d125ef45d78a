"""What is in deploy/: read, checked against what AWS and the Terraform provider know, and made on a stand-in of AWS.

usage: python tests/deploy/test_deploy.py [BINARY]

BINARY defaults to $ETL_RUNNER, then to the debug build. Ends with one line `N passed, N failed`.
"""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import warnings
from pathlib import Path
from unittest import mock

import boto3
from cfnlint import api
from cfnlint.config import ManualArgs
from moto import mock_aws

from template import DEPLOY, FILE, PSEUDO, TEMPLATE, Resolved
from terraform import FOLDER, Module

PROJECT = DEPLOY.parent
RUNNERS = ["ecs", "batch", "step-functions"]
NEEDED = {
    "PolicyArn": "arn:aws:iam::123456789012:policy/job",
    "Image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/job:1",
    "RawBucket": "raw",
    "TableBucket": "tables",
    # The stand-in takes the default for one text.
    "Command": "run,/job/job.yaml",
    "VpcId": "vpc-1",
    "SubnetIds": "subnet-1,subnet-2",
}
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": PSEUDO["AWS::Region"]}
logging.getLogger("moto").setLevel(logging.CRITICAL)


def lint(text):
    """What cfn-lint finds, hints left out."""
    found = api.lint(text, config=ManualArgs(regions=[PSEUDO["AWS::Region"]], include_checks=["W", "E"]))
    return [f"{match.rule.id} {match.message} line {match.linenumber}" for match in found]


class Terraform(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.module = Module()

    def test_the_provider_knows_every_argument(self):
        self.assertGreater(len(self.module.resources), 20)
        self.assertEqual(self.module.faults(), [])

    def test_what_is_wrong_is_seen(self):
        wrong = Module()
        schedule = wrong.resources["aws_scheduler_schedule.this"]
        schedule["retries"] = 3
        del schedule["target"][0]["role_arn"]
        del schedule["flexible_time_window"]
        found = "; ".join(wrong.faults())
        for fault in ["no argument retries", "target lacks role_arn", "lacks flexible_time_window"]:
            self.assertIn(fault, found)

    def test_every_reference_is_to_something_and_nothing_is_unused(self):
        from terraform import PROVIDER
        used = set()
        for kind, name, attribute in self.module.references():
            used.add((kind, name))
            if kind == "resource":
                self.assertIn(name, self.module.resources)
                known = PROVIDER[name.rpartition(".")[0]]
                self.assertIn(attribute, known["attributes"], name)
            else:
                self.assertIn(name, self.module.variables if kind == "variable" else self.module.locals)
        for name, variable in self.module.variables.items():
            self.assertIn(("variable", name), used)
            self.assertTrue(variable["description"].endswith("."), name)
        for name in self.module.locals:
            self.assertIn(("local", name), used)

    def test_files_are_formatted(self):
        terraform = shutil.which("terraform") or shutil.which("tofu")
        if not terraform:
            self.skipTest("neither terraform nor tofu is installed")
        run = subprocess.run([terraform, f"-chdir={FOLDER}", "fmt", "-check", "-diff"], capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stdout), (0, ""), run.stderr)


class CloudFormation(unittest.TestCase):
    def setUp(self):
        warnings.simplefilter("ignore")
        for context in [mock.patch.dict(os.environ, KEYS), mock_aws()]:
            context.__enter__()
            self.addCleanup(context.__exit__, None, None, None)
        ec2 = boto3.client("ec2")
        self.network = {
            "VpcId": ec2.describe_vpcs()["Vpcs"][0]["VpcId"],
            "SubnetIds": ",".join(subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"][:2]),
        }

    def test_the_template_is_what_aws_takes(self):
        self.assertEqual(lint(FILE.read_text()), [])
        broken = FILE.read_text().replace("DaysAfterInitiation: 7", "Days: 7")
        self.assertNotEqual(lint(broken), [])

    def test_a_state_machine_is_that_of_the_file(self):
        definition = TEMPLATE["Resources"]["StateMachine"]["Properties"]["Definition"]
        self.assertEqual(definition, json.loads((DEPLOY / "state-machine.asl.json").read_text()))

    def make(self, runner, **more):
        """A stack with the policy of a job."""
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
        policy = boto3.client("iam").create_policy(PolicyName=f"job-{runner}", PolicyDocument=json.dumps(document))
        parameters = NEEDED | self.network | {"Name": f"job-{runner}", "Runner": runner, **more}
        parameters["PolicyArn"] = policy["Policy"]["Arn"]
        # The stand-in wants the role that AWS has for this by itself.
        text = FILE.read_text().replace(
            "      State: ENABLED\n      ComputeResources:",
            "      State: ENABLED\n      ServiceRole: !GetAtt TaskRole.Arn\n      ComputeResources:",
        )
        boto3.client("cloudformation").create_stack(
            StackName=runner, TemplateBody=text, Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        stack = boto3.client("cloudformation").describe_stacks(StackName=runner)["Stacks"][0]
        self.assertEqual(stack["StackStatus"], "CREATE_COMPLETE")
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def test_a_stack_with_a_task(self):
        outputs = self.make("ecs", MakeTableBucket="yes")
        task = boto3.client("ecs").describe_task_definition(taskDefinition=outputs["TaskDefinition"])["taskDefinition"]
        container = task["containerDefinitions"][0]
        self.assertEqual(container["command"], ["run", "/job/job.yaml"])
        self.assertEqual({one["name"]: one["value"] for one in container["environment"]}, {"RAW_BUCKET": "raw", "TABLE_BUCKET": "tables"})
        self.assertGreaterEqual(int(container["stopTimeout"]), 10)
        self.assertEqual(container["logConfiguration"]["options"]["awslogs-group"], outputs["LogGroup"])
        self.assertIn("tables", [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]])
        group = boto3.client("ec2").describe_security_groups(GroupIds=[outputs["SecurityGroup"]])["SecurityGroups"][0]
        self.assertEqual(group["IpPermissions"], [])
        dashboard = boto3.client("cloudwatch").get_dashboard(DashboardName="job-ecs")["DashboardBody"]
        self.assertEqual(len(json.loads(dashboard)["widgets"]), 6)
        queue = boto3.client("sqs").get_queue_attributes(QueueUrl=outputs["DeadLetterQueue"], AttributeNames=["All"])
        self.assertEqual(queue["Attributes"]["MessageRetentionPeriod"], "1209600")

    def test_a_stack_with_a_queue(self):
        self.make("batch")
        batch = boto3.client("batch")
        definition = batch.describe_job_definitions(jobDefinitionName="job-batch")["jobDefinitions"][0]
        wanted = {one["type"]: one["value"] for one in definition["containerProperties"]["resourceRequirements"]}
        self.assertEqual(wanted, {"VCPU": "2", "MEMORY": "4096"})
        self.assertEqual(definition["retryStrategy"]["attempts"], 2)
        self.assertEqual(batch.describe_job_queues()["jobQueues"][0]["state"], "ENABLED")
        self.assertIn("batch:SubmitJob", self.document("job-batch-schedule", "start"))

    def test_a_stack_with_a_state_machine(self):
        self.make("step-functions")
        self.assertIn("states:StartExecution", self.document("job-step-functions-schedule", "start"))

    def test_a_task_definition_is_taken(self):
        """The stand-in keeps little of those from templates."""
        def as_called(value):
            if isinstance(value, dict):
                return {key[0].lower() + key[1:]: as_called(inner) for key, inner in value.items()}
            return [as_called(inner) for inner in value] if isinstance(value, list) else value

        stack = Resolved(**NEEDED)
        self.assertEqual(stack.resources["TaskRole"]["ManagedPolicyArns"], [NEEDED["PolicyArn"]])
        [definition] = stack.of_type("AWS::ECS::TaskDefinition")
        made = boto3.client("ecs").register_task_definition(**as_called(definition))["taskDefinition"]
        self.assertEqual((made["cpu"], made["memory"], made["requiresCompatibilities"]), ("2048", "4096", ["FARGATE"]))
        self.assertEqual(made["ephemeralStorage"], {"sizeInGiB": 30})
        self.assertEqual((made["taskRoleArn"], made["executionRoleArn"]), ("<TaskRole.Arn>", "<ExecutionRole.Arn>"))

    def test_a_state_machine_is_taken(self):
        """The stand-in makes none from templates."""
        [machine] = Resolved(**NEEDED, Runner="step-functions").of_type("AWS::StepFunctions::StateMachine")
        text = json.dumps(machine["Definition"])
        for name, value in machine["DefinitionSubstitutions"].items():
            self.assertIn(f"${{{name}}}", text)
            text = text.replace(f"${{{name}}}", value)
        self.assertNotIn("${", text)
        role = "arn:aws:iam::123456789012:role/x"
        made = boto3.client("stepfunctions").create_state_machine(name="job", definition=text, roleArn=role)
        found = boto3.client("stepfunctions").describe_state_machine(stateMachineArn=made["stateMachineArn"])
        network = json.loads(found["definition"])["States"]["Run"]["Parameters"]["NetworkConfiguration"]
        self.assertEqual(network["AwsvpcConfiguration"]["Subnets"], ["subnet-1", "subnet-2"])

    def document(self, role, name):
        return json.dumps(boto3.client("iam").get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])

    def test_schedules_and_alarms_are_taken(self):
        """Those that the stand-in does not make from templates, by their own calls."""
        scheduler, cloudwatch = boto3.client("scheduler"), boto3.client("cloudwatch")
        for runner in RUNNERS:
            stack = Resolved(**NEEDED, Name=f"job-{runner}", Runner=runner, LoadProject="shop", AlarmTopic="arn:aws:sns:eu-west-1:1:t")
            [schedule] = stack.of_type("AWS::Scheduler::Schedule")
            # The call spells one name in another way than the template.
            scheduler.create_schedule(**json.loads(json.dumps(schedule).replace("Awsvpc", "awsvpc")))
            kept = scheduler.get_schedule(Name=f"job-{runner}")
            self.assertEqual(kept["Target"]["RetryPolicy"], {"MaximumEventAgeInSeconds": 900, "MaximumRetryAttempts": 5})
            self.assertEqual("EcsParameters" in kept["Target"], runner == "ecs")
            self.assertEqual("Input" in kept["Target"], runner == "batch")
            for alarm in stack.of_type("AWS::CloudWatch::Alarm"):
                cloudwatch.put_metric_alarm(**alarm | {"Threshold": float(alarm["Threshold"]), "Period": int(alarm["Period"])})
        names = [alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]]
        self.assertEqual(len(names), 16)


class Alike(unittest.TestCase):
    """Terraform and CloudFormation make the same."""

    @classmethod
    def setUpClass(cls):
        cls.module = Module()
        cls.stacks = {runner: Resolved(**NEEDED, Runner=runner, LoadProject="shop") for runner in RUNNERS}

    def test_alarms(self):
        ours = {}
        for alarm in self.module.of_type("aws_cloudwatch_metric_alarm").values():
            facts = [self.module.value(alarm[key]) for key in [
                "namespace", "metric_name", "statistic", "period", "evaluation_periods", "comparison_operator", "threshold",
                "treat_missing_data", "alarm_description",
            ]]
            ours[self.module.value(alarm["alarm_name"])] = [str(fact) for fact in facts]
        theirs = {}
        for alarm in self.stacks["step-functions"].of_type("AWS::CloudWatch::Alarm"):
            facts = [alarm[key] for key in [
                "Namespace", "MetricName", "Statistic", "Period", "EvaluationPeriods", "ComparisonOperator", "Threshold",
                "TreatMissingData", "AlarmDescription",
            ]]
            theirs[alarm["AlarmName"]] = [str(fact) for fact in facts]
        self.assertEqual(ours, theirs)
        self.assertEqual(len(ours), 6)
        page = (PROJECT / "docs" / "operations.md").read_text()
        for name in ours:
            self.assertTrue(f"| `{name.removeprefix('etl-runner ')}` |" in page, f"docs/operations.md does not say what to do: {name}")

    def test_uploads_that_nobody_completes(self):
        [ours] = self.module.of_type("aws_s3_bucket_lifecycle_configuration").values()
        [theirs] = Resolved(**NEEDED, MakeTableBucket="yes").of_type("AWS::S3::Bucket")
        days = [rule["abort_incomplete_multipart_upload"][0]["days_after_initiation"] for rule in ours["rule"]]
        rules = theirs["LifecycleConfiguration"]["Rules"]
        self.assertEqual([rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] for rule in rules], days)
        self.assertEqual(days, [7])

    def test_permissions(self):
        """The same actions, whichever role has them."""
        ours = {word for word in re.findall(r'"(\w+:\w+)"', self.module.text) if self.is_action(word)}
        theirs = set()
        for stack in self.stacks.values():
            theirs |= self.actions(list(stack.resources.values()))
        self.assertEqual(ours, theirs)
        self.assertIn("iam:PassRole", ours)

    @staticmethod
    def is_action(word):
        service, _, name = word.partition(":")
        is_service = service in ("batch", "ecr", "ecs", "iam", "logs", "sqs", "states", "sts")
        # The last is the key of a condition.
        return is_service and name[:1].isupper() and name != "PassedToService"

    def actions(self, value):
        if isinstance(value, dict):
            return set().union(*(self.actions(inner) for inner in value.values()), set())
        if isinstance(value, list):
            return set().union(*(self.actions(inner) for inner in value), set())
        return {value} if isinstance(value, str) and self.is_action(value) else set()

    def test_metrics_of_the_dashboard(self):
        graphs = self.module.locals["graphs"]
        [dashboard] = self.stacks["ecs"].of_type("AWS::CloudWatch::Dashboard")
        widgets = json.loads(dashboard["DashboardBody"])["widgets"]
        found = [[w["properties"]["title"], [metric[1] for metric in w["properties"]["metrics"]]] for w in widgets[:-1]]
        self.assertEqual(graphs, found)


class Policies(unittest.TestCase):
    """What iam-policy prints is a policy to others too: each action is one that AWS knows, on a resource that it takes."""

    def test_a_linter_has_nothing_to_say(self):
        environment = {
            "RAW_BUCKET": "raw", "TABLE_BUCKET": "tables", "PROJECT_ID": "p", "RULES_FOLDER": "s3://config/rules",
            "GEO_DATABASE": "/job/geo.mmdb",
        }
        more = ["--set", "state.url=s3://state", "--set", "dead_letter.url=s3://dead", "--set", "aws.role.arn=arn:aws:iam::123456789012:role/etl"]
        policies = {}
        for purpose in ["run", "read", "load", "assume"]:
            command = [os.environ["ETL_RUNNER"], "iam-policy", PROJECT / "jobs" / "clickstream.yaml"]
            command += ["--for", purpose, "--output", "json", *more]
            run = subprocess.run(command, capture_output=True, text=True, env=environment)
            self.assertEqual(run.returncode, 0, run.stderr)
            policies[purpose] = json.loads(run.stdout)
            size = len(json.dumps(policies[purpose], separators=(",", ":")))
            self.assertLess(size, 6144, "what a managed policy may be")
        self.assertEqual(lint(self.template(policies)), [])
        policies["read"]["Statement"][0]["Action"] = ["s3:ListBucketz"]
        self.assertNotEqual(lint(self.template(policies)), [])

    @staticmethod
    def template(policies):
        resources = {
            name.title(): {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy}}
            for name, policy in policies.items()
        }
        return json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources})


def main(arguments):
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        sys.exit(__doc__)
    built = Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target")) / "debug" / "etl-runner"
    os.environ["ETL_RUNNER"] = arguments[0] if arguments else os.environ.get("ETL_RUNNER") or str(built)
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    failed = {test.id() for test, _ in result.failures + result.errors}
    print(f"{result.testsRun - len(failed)} passed, {len(failed)} failed")
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
