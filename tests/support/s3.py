"""Does what is asked for on stdin with an S3 server, and prints the answers.

usage: s3.py ENDPOINT KEY SECRET

A line of stdin is a list of calls as JSON, [[NAME, ARGUMENT...], ...]; the line of stdout has their answers.
"""

import json
import sys
from pathlib import Path

import boto3
from botocore.config import Config

endpoint, key, secret = sys.argv[1:]
client = boto3.client(
    "s3", endpoint_url=endpoint, region_name="us-east-1",
    aws_access_key_id=key, aws_secret_access_key=secret,
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 3}),
)


def bucket(name):
    client.create_bucket(Bucket=name)


def put(bucket, key, text, storage_class="STANDARD"):
    client.put_object(Bucket=bucket, Key=key, Body=text.encode(), StorageClass=storage_class)


def glue(database):
    """The tables of a database of the catalog, with their partitions."""
    catalog = boto3.client(
        "glue", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret
    )
    tables = catalog.get_tables(DatabaseName=database)["TableList"]
    def partitions(table):
        found = catalog.get_partitions(DatabaseName=database, TableName=table["Name"])["Partitions"]
        return [{"Values": one["Values"], "StorageDescriptor": one["StorageDescriptor"]} for one in found]
    return {
        table["Name"]: {key: table[key] for key in ("PartitionKeys", "Parameters", "StorageDescriptor")}
        | {"Partitions": partitions(table)}
        for table in tables
    }


def remove(bucket, key):
    client.delete_object(Bucket=bucket, Key=key)


def upload(bucket, prefix, folder):
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            client.put_object(Bucket=bucket, Key=prefix + path.relative_to(folder).as_posix(), Body=path.read_bytes())


def download(bucket, prefix, folder):
    keys = keys_of(bucket, prefix)
    for key in keys:
        path = Path(folder) / key.removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())
    return keys


def head(bucket, prefix):
    """What the server says of how each object is kept."""
    names = {"ServerSideEncryption": "encryption", "SSEKMSKeyId": "key", "BucketKeyEnabled": "bucket_key",
             "StorageClass": "class"}
    heads = {key: client.head_object(Bucket=bucket, Key=key) for key in keys_of(bucket, prefix)}
    return {key: {name: found.get(field) for field, name in names.items()} for key, found in heads.items()}


def kms_key():
    """Makes a key with the KMS behind the same endpoint, and gives its id."""
    kms = boto3.client("kms", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=key,
                       aws_secret_access_key=secret)
    return kms.create_key()["KeyMetadata"]["KeyId"]


def keys_of(bucket, prefix):
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def uploads(bucket):
    return [found["Key"] for found in client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


def begin(bucket, key):
    """Begins an upload and leaves it."""
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"half")


def modified(bucket, key):
    return client.head_object(Bucket=bucket, Key=key)["LastModified"].timestamp()


calls = {"bucket": bucket, "put": put, "remove": remove, "upload": upload, "download": download, "keys": keys_of,
         "uploads": uploads, "begin": begin, "modified": modified, "glue": glue, "head": head, "kms_key": kms_key}
for line in sys.stdin:
    print(json.dumps([calls[name](*arguments) for name, *arguments in json.loads(line)]), flush=True)
