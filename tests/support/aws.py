"""Calls services of AWS on a local server as stdin asks, and prints the answers.

usage: aws.py ENDPOINT KEY SECRET

A line of stdin is a list of calls as JSON, [[SERVICE, METHOD, {ARGUMENTS}], ...]; the line of stdout has their answers. A
call that is refused answers {"refused": CODE}.
"""

import json
import sys
from datetime import datetime, timezone

import boto3
from botocore.exceptions import ClientError

endpoint, key, secret = sys.argv[1:]
clients = {}


def client(service):
    if service not in clients:
        clients[service] = boto3.client(
            service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret
        )
    return clients[service]


def call(service, method, arguments):
    # CloudWatch takes instants, which JSON has not.
    for name in ("StartTime", "EndTime"):
        if name in arguments:
            arguments[name] = datetime.fromtimestamp(arguments[name], timezone.utc)
    try:
        return getattr(client(service), method)(**arguments)
    except ClientError as error:
        return {"refused": error.response["Error"]["Code"]}


for line in sys.stdin:
    print(json.dumps([call(*asked) for asked in json.loads(line)], default=str), flush=True)
