"""A strict Glue Data Catalog in memory: what the real one refuses, and moto takes, is refused here.

usage: glue.py PORT

Requests are checked against botocore's model of the service, limits of lists included; a table changes only by its current
version; lists come in pages. Beside the service's own calls:

  POST /fault  {"call": NAME, "nth": N, "kind": KIND}   the Nth call of that name from now on goes wrong
  GET  /calls                                           the names of all calls so far
  GET  /state                                           tables with their partitions

KIND is `error` (500), `throttle`, `expired`, `lost` (done, and the connection closed without an answer), `partial` (the
first item is refused as if another request were changing it) or `stale` (the table changes just before).
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

import botocore.session
from botocore.validate import ParamValidator

MODEL = botocore.session.get_session().get_service_model("glue")
PAGE = 100
LOCK = Lock()

databases: dict[str, dict] = {}
calls: list[str] = []
faults: list[dict] = []


class Refused(Exception):
    def __init__(self, code, message, status=400):
        super().__init__(message)
        self.code, self.status = code, status


def over_limit(shape, value, path=""):
    """The first place of a value that is longer than the model allows."""
    most = shape.metadata.get("max")
    if shape.type_name in ("list", "string") and most is not None and len(value) > most:
        return f"{path or 'request'}: {len(value)} is more than {most}"
    if shape.type_name == "structure":
        parts = [(shape.members[name], part, f"{path}.{name}") for name, part in value.items()]
    elif shape.type_name == "list":
        parts = [(shape.member, part, f"{path}[{index}]") for index, part in enumerate(value)]
    elif shape.type_name == "map":
        parts = [(shape.value, part, f"{path}.{key}") for key, part in value.items()]
    else:
        parts = []
    return next((found for found in (over_limit(*part) for part in parts) if found), None)


def check(name, request):
    shape = MODEL.operation_model(name).input_shape
    errors = ParamValidator().validate(request, shape)
    unknown = set(request) - set(shape.members)
    problem = errors.generate_report() if errors.has_errors() else over_limit(shape, request)
    if problem or unknown:
        raise Refused("InvalidInputException", problem or f"unknown: {unknown}")


def database(request):
    name = request["DatabaseName"]
    if name not in databases:
        raise Refused("EntityNotFoundException", f"Database {name} not found.")
    return databases[name]


def table(request, name=None):
    name = name or request.get("TableName") or request["Name"]
    found = database(request).get(name)
    if found is None:
        raise Refused("EntityNotFoundException", f"Table {name} not found.")
    return found


def create_database(request):
    name = request["DatabaseInput"]["Name"]
    if name in databases:
        raise Refused("AlreadyExistsException", "Database already exists.")
    databases[name] = {}
    return {}


def create_table(request):
    tables, described = database(request), request["TableInput"]
    if described["Name"] in tables:
        raise Refused("AlreadyExistsException", "Table already exists.")
    tables[described["Name"]] = {"input": described, "version": 0, "partitions": {}}
    return {}


def get_table(request):
    found = table(request)
    return {"Table": {**found["input"], "DatabaseName": request["DatabaseName"], "VersionId": str(found["version"])}}


def update_table(request):
    found = table(request, request["TableInput"]["Name"])
    if request.get("VersionId") != str(found["version"]):
        raise Refused("ConcurrentModificationException", f"{request.get('VersionId')} is not {found['version']}")
    found["input"], found["version"] = request["TableInput"], found["version"] + 1
    return {}


def fits(found, values):
    if len(values) != len(found["input"].get("PartitionKeys", [])):
        raise Refused("InvalidInputException", "The number of partition keys do not match the number of partition values")


def batch_create(request, refuse):
    found, errors = table(request), []
    for item in request["PartitionInputList"]:
        values = tuple(item["Values"])
        fits(found, values)
        if refuse(values, errors, "PartitionValues"):
            continue
        if values in found["partitions"]:
            detail = {"ErrorCode": "AlreadyExistsException", "ErrorMessage": "Partition already exists."}
            errors.append({"PartitionValues": list(values), "ErrorDetail": detail})
        else:
            found["partitions"][values] = item
    return {"Errors": errors}


def batch_update(request, refuse):
    found, errors = table(request), []
    for entry in request["Entries"]:
        values = tuple(entry["PartitionValueList"])
        if refuse(values, errors, "PartitionValueList"):
            continue
        if values not in found["partitions"]:
            raise Refused("EntityNotFoundException", "Partition not found.")
        found["partitions"][values] = entry["PartitionInput"]
    return {"Errors": errors}


def batch_delete(request, refuse):
    found, errors = table(request), []
    for item in request["PartitionsToDelete"]:
        values = tuple(item["Values"])
        if found["partitions"].pop(values, None) is None:
            detail = {"ErrorCode": "EntityNotFoundException", "ErrorMessage": "Partition not found."}
            errors.append({"PartitionValues": list(values), "ErrorDetail": detail})
    return {"Errors": errors}


def batch_get(request, refuse):
    found = table(request)
    asked = [tuple(item["Values"]) for item in request["PartitionsToGet"]]
    # The keys "for which partitions were not returned" are those that are not there, and what made the answer too large.
    left = [values for values in asked if values not in found["partitions"]]
    if refuse(None, [], None) and asked:
        left.append(asked[0])
    there = [found["partitions"][values] for values in asked if values not in left]
    return {"Partitions": there, "UnprocessedKeys": [{"Values": list(values)} for values in left]}


def get_partitions(request):
    all_of = [item for _, item in sorted(table(request)["partitions"].items())]
    start = int(request.get("NextToken") or 0)
    page = all_of[start : start + min(PAGE, request.get("MaxResults", PAGE))]
    end = start + len(page)
    return {"Partitions": page, **({"NextToken": str(end)} if end < len(all_of) else {})}


SIMPLE = {
    "CreateDatabase": create_database,
    "CreateTable": create_table,
    "GetTable": get_table,
    "UpdateTable": update_table,
    "GetPartitions": get_partitions,
}
BATCHES = {
    "BatchCreatePartition": batch_create,
    "BatchUpdatePartition": batch_update,
    "BatchDeletePartition": batch_delete,
    "BatchGetPartition": batch_get,
}


def fault_of(name):
    for fault in faults:
        if fault["call"] == name:
            fault["nth"] -= 1
            if fault["nth"] == 0:
                faults.remove(fault)
                return fault["kind"]
    return None


def answer(name, request):
    calls.append(name)
    kind = fault_of(name)
    if kind == "error":
        raise Refused("InternalServiceException", "told to fail", 500)
    if kind == "throttle":
        raise Refused("ThrottlingException", "Rate exceeded")
    if kind == "expired":
        raise Refused("ExpiredTokenException", "The security token included in the request is expired")
    check(name, request)
    if kind == "stale":
        table(request, request["TableInput"]["Name"])["version"] += 1
    pending = kind == "partial"

    def refuse(values, errors, key):
        nonlocal pending
        was, pending = pending, False
        if was and key:
            errors.append({key: list(values), "ErrorDetail": {"ErrorCode": "ConcurrentModificationException"}})
        return was

    done = SIMPLE[name](request) if name in SIMPLE else BATCHES[name](request, refuse)
    return None if kind == "lost" else done


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        with LOCK:
            if self.path == "/state":
                state = {
                    name: {
                        of: {**found, "partitions": [{**item} for item in found["partitions"].values()]}
                        for of, found in tables.items()
                    }
                    for name, tables in databases.items()
                }
                return self.reply(200, state)
            return self.reply(200, calls)

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}")
        with LOCK:
            if self.path == "/fault":
                faults.append(request)
                return self.reply(200, {})
            name = self.headers["X-Amz-Target"].split(".")[1]
            try:
                done = answer(name, request)
            except Refused as refused:
                return self.reply(refused.status, {"__type": refused.code, "message": str(refused)})
        if done is None:
            self.close_connection = True
            return self.connection.close()
        return self.reply(200, done)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
