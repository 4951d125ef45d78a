#!/usr/bin/env python3
"""Writes the first inputs of the fuzz targets, made from fixtures/, jobs/ and the shapes that the tests know.

usage: fuzz/seeds.py FOLDER

FOLDER/<target>/ gets one file per input, and FOLDER/<target>.dict the words of its language. What libFuzzer finds
itself belongs into a folder of its own; files here are written anew each time.
"""

import base64
import bz2
import gzip
import hashlib
import io
import json
import re
import sys
import zipfile
import zlib
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
RAW = sorted(path for path in (PROJECT / "fixtures/clickstream/raw").rglob("*") if path.is_file())
TEXT = b'{"a":1}\n{"b":[2,"x"]}\n{"c":{"d":null}}\n'

VALUES = [
    b"", b"\n", b"{}", b"[]", b"1", b'"x"', b"true false null", b"-1.5e+3", b"[1,2,3]", b" [ {} , [ ] ] ",
    b'[{"a":1},{"b":2}]', b'[{"a":1}{"b":2}]', b'{"a":1}{"b":2}', b'{"a":1}\n{"b":\n{"c":2}', b'{"a":"\n{"b":1}',
    b'{"a":"\\"}"}', b'{"a":"\\\\"} {"b":"\\u00e9"}', b"[[[[[[]]]]]]", b'{"a":[1,{"b":[]}],"c":"d"}x{"e":1}',
    b'[1,2', b'[{"a":1},', b'[{"a":1}]]', b'x,{"a":1}', b"tru {}", b"1]2", b'{"a" 1}{"b":2}', b'{"a":1,}{"b":2}',
    b'{"a":1,{"b":2}', b'{"a":1}}{"b":2}', b'["a\nb"]', b"a\r\nb\r\r\n\r\n", b"x" * 70 + b"\ny", b'"' + b"y" * 70 + b'" 1',
    b'"\\ud83d\\ude00 \\ud83d \\b\\f\\n\\r\\t\\/"', b"'it \\' is'", b'{"k":"0123456789abcdef\\n0123456789"}', b"01 1. .5 1e",
]


def wrapped(text):
    """The text in every compression, whole and cut."""
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        archive.writestr("a", text)
        archive.writestr("b", gzip.compress(text, mtime=0), zipfile.ZIP_DEFLATED)
    stream = io.BytesIO()
    with zipfile.ZipFile(Unseekable(stream), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", text)
        archive.writestr("b", text)
    zip64 = io.BytesIO()
    with zipfile.ZipFile(zip64, "w") as archive, archive.open("a", "w", force_zip64=True) as entry:
        entry.write(text)
    packed = [
        text, b"\xef\xbb\xbf" + text, gzip.compress(text, mtime=0), bz2.compress(text), stored.getvalue(),
        stream.getvalue(), zip64.getvalue(), snappy(text), zstd(text), gzip.compress(zstd(text), mtime=0),
        gzip.compress(text[:9], mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(text[9:], mtime=0),
        bz2.compress(text[:9]) + bz2.compress(text[9:]), base64.b64encode(text), base64.encodebytes(gzip.compress(text)),
        base64.b64encode(text[:8]) + b"\n" + base64.b64encode(text[8:]), gzip.compress(bytes(300_000), mtime=0),
    ]
    return packed + [each[: len(each) * 2 // 3] for each in packed]


class Unseekable(io.RawIOBase):
    """Makes zipfile write lengths behind the entries."""

    def __init__(self, inner):
        self.inner = inner

    def write(self, data):
        return self.inner.write(data)

    def writable(self):
        return True


def zstd(text):
    """A frame with one raw block (RFC 8878): no library is needed for it."""
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(text)]) + (len(text) << 3 | 1).to_bytes(3, "little") + text


def snappy(text):
    """A framed stream with one chunk that is not compressed."""
    masked = crc32c(text)
    masked = ((masked >> 15 | masked << 17) + 0xA282EAD8) & 0xFFFFFFFF
    chunk = masked.to_bytes(4, "little") + text
    return b"\xff\x06\x00\x00sNaPpY\x01" + len(chunk).to_bytes(3, "little") + chunk


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def plain(data):
    """A fixture without its gzip, as far as it goes."""
    if data[:2] != b"\x1f\x8b":
        return data
    out = b""
    while data[:2] == b"\x1f\x8b":
        inflater = zlib.decompressobj(31)
        try:
            out += inflater.decompress(data)
        except zlib.error:
            break
        data = inflater.unused_data
    return out


def decoders():
    objects = [path.read_bytes() for path in RAW if path.stat().st_size < 16_000] + wrapped(TEXT)
    for choices in range(8):
        for data in objects:
            yield bytes([choices, 7]) + data


def framers():
    for choices in range(16):
        for text in VALUES + [TEXT]:
            yield bytes([choices, len(text) % 9]) + text
    for path in RAW:
        for line in plain(path.read_bytes()).splitlines()[:2]:
            yield bytes([3, 64]) + line


def json_texts():
    yield from VALUES
    for line in lines():
        yield line
        for payload in payloads(line):
            yield payload


def lines():
    for path in RAW:
        yield from plain(path.read_bytes()).splitlines()


def payloads(line):
    """The payload of a line as bytes, if there is one."""
    try:
        data = json.loads(line)["data"]
        yield data.encode() if data.startswith("[") else gzip.decompress(base64.b64decode(data))
    except (ValueError, TypeError, KeyError, AttributeError, OSError, EOFError, zlib.error):
        return


def payload():
    for line in lines():
        yield b"\0" + line
        for text in payloads(line):
            yield b"\1" + text
            yield b"\2" + text
            yield b"\3" + gzip.compress(text, mtime=0)
            try:
                for element in json.loads(text):
                    yield b"\4" + json.dumps(element).encode()
            except (ValueError, TypeError):
                pass
    for text in VALUES:
        yield b"\4" + text
        yield b"\5" + text


JOB = """\
job: shop-events
source: {url: "${RAW:-./raw}", layout: flat, framing: array, base64: true, suffixes: [.gz]}
transformer: {name: clickstream, with: {project_id: x}}
enrich:
  - name: user-agent
    table: event
  - {sql: x.sql, enabled: false}
tables:
  event: {partition_by: [{name: year, column: at, part: year}], write: true}
sink: {url: ./out, format: parquet, compression: zstd, target_file_size: 1GB}
limits: {memory: 256MiB, threads: 3, dead_letters: 5%, task_bytes: 64KiB}
state: {url: ./state}
"""


def job_file():
    for path in sorted((PROJECT / "jobs").glob("*.yaml")):
        yield path.read_bytes()
    yield JOB.encode()
    for override in ["source.url=./x", "limits.threads=2", "enrich.0.enabled=false", "tables.x.write=[1,{a: b}]", "a.b.c.d=1"]:
        yield f"{JOB}\0{override}".encode()
    for text in ["", "a: &x {b: 1}\nc: *x\n", "a: ${BUCKET} $$ ${X:-y}\n", "- 1\n- !!str 2\n", "a: |\n  b\n  c\n", "? a\n: b\n",
                 "%YAML 1.2\n---\na: 1\n...\n---\nb: 2\n", "a: 0x1f\nb: 007\nc: 1e999\n", "a: [b, {c: 'd', \"e\": \"\\u0041\"}]\n"]:
        yield text.encode()


def commit_records():
    window, other = "2026-11-20T05:00:00Z/2026-11-20T06:00:00Z", "2026-11-20T04:00:00Z/2026-11-20T05:00:00Z"
    at, by = "2026-11-20T06:00:01Z", {"id": "0123456789abcdef", "host": "h", "pid": 7, "program": "0.1.0"}
    counts = {"objects": 1, "input_bytes": 2, "records": 3, "rows": {"event_v2": 4}, "files": 1, "bytes": 9, "dead_letters": 1}
    commit = {"window": window, "revision": 0, "amendment": 0, "name": "j-w", "detail": "commits/j-w-1.json",
              "detail_hash": "00", "counts": counts, "late": [{"hour": "2026-11-20T04:00:00Z", "objects": 1, "bytes": 2}]}
    failure = {"window": window, "status": "failed", "kind": "unavailable", "message": "x"}
    events = [
        {"watermark": {"at": "2026-11-20T04:00:00Z", "reason": "x"}}, {"commit": commit | {"window": other, "late": []}},
        {"published": {"commit": 2, "window": other}}, {"failed": failure}, {"commit": commit},
        {"fence": {"windows": [window], "reason": "x"}}, {"commit": commit | {"amendment": 1}},
        {"marked": {"window": window, "commit": 5, "what": "dropped", "reasons": ["not_json"], "count": 1}},
        {"commit": commit | {"revision": 1, "supersedes": [other]}}, {"published": {"commit": 9, "window": window}},
    ]
    entries = [json.dumps({"version": n + 1, "at": at, "by": by, "token": "t", "event": e}) for n, e in enumerate(events)]
    yield b"\0" + "\n".join(entries).encode()
    for entry in entries:
        yield b"\0" + entry.encode()
    state = {"version": 1, "at": at, "name": "j-w", "detail": "d", "detail_hash": "00", "revision": 0, "amendment": 0, "counts": counts}
    windows = [[window, {"commits": [state], "replaced": 0, "failures": 0, "last_failure": None}]]
    unpublished = {"1": {"window": window, "detail": "d", "detail_hash": "00"}}
    yield b"\1" + json.dumps({"format": 1, "version": 1, "watermark": at, "unpublished": unpublished, "windows": windows}).encode()
    ledger = {"steps": [["source", {"read": 2, "added": 0, "kept": 1, "filtered": {"x": 1}, "dead": {}}]]}
    upload = {"path": "event_v2/a=b/x.parquet", "bytes": 3, "staged": {"upload": {"upload_id": "u", "parts": ["p"]}}}
    for path in ["event_v2/a=b/x.parquet", "../outside", "/outside", "event_v2/../../outside", "a", ".pending/.x.pending"]:
        for hidden in [".pending/.x.pending", "../outside", ".pending/../../outside"]:
            pending = {"path": path, "bytes": 3, "staged": {"hidden": {"path": hidden}}}
            file = {"table": "event_v2", "partition": [["a", "b"], ["c", None]], "pending": pending, "rows": 1}
            detail = {"format": 1, "name": "j-w", "window": window, "now_msec": 1, "program": "0", "inputs": "i", "sink": "s",
                      "dead_letter_url": "d", "files": [file], "dead_letters": [{"pending": upload, "count": 1}], "ledger": ledger,
                      "replaces": {"files": [{"table": "t", "partition": [], "path": path}], "dead_letters": [], "names": ["n"]}}
            yield b"\2" + json.dumps(detail).encode()
    yield b"\3" + json.dumps({"task": 1, "files": [file], "dead_letters": {"pending": pending, "count": 1}, "rows": [], "ledger": ledger,
                              "objects": 1, "archived": 0, "compressed_bytes": 1, "decompressed_bytes": 2}).encode()
    yield b"\4" + json.dumps({"now_msec": 1, "name": "n", "tasks": 2, "inputs": "i"}).encode()
    yield b"\5" + json.dumps({"window": window, "by": by, "since": at, "until": at}).encode()


def with_large_numbers():
    """Each record, and each again with one of its numbers as large as its type can be: few of the fuzzer's changes get there."""
    for record in commit_records():
        yield record
        for number in re.finditer(rb"(?<=[ \[])\d+(?=[,}\]])", record):
            for large in [b"4294967295", b"18446744073709551615"]:
                yield record[: number.start()] + large + record[number.end() :]


def words_of_records():
    names = re.findall(r"pub (?:\(super\) )?([a-z_]+):", "".join(path.read_text() for path in sorted((PROJECT / "src/commit").glob("*.rs"))))
    return sorted(set(names)) + ["2026-11-20T05:00:00Z", "4294967295", "18446744073709551615", "..", "../outside", ".pending/."]


def words_of_schema():
    text = (PROJECT / "schemas/job.schema.json").read_text()
    return sorted({word for word in re.findall(r'"([A-Za-z0-9_-]{2,24})"', text)}) + ["${BUCKET}", "${X:-y}", "!!str", "\\x00"]


def words_of_events():
    source = (PROJECT / "transformers/clickstream/src/fields.rs").read_text()
    words = {word for word in re.findall(r'"([A-Za-z0-9_]{2,40})"', source)}
    return sorted(words) + ["shop", "_page_view", "_profile_set", "_first_open", "set_timestamp", "value", "1795150800000", "\\\\ud83d"]


def words_of_json():
    return ['{\\"a\\":', "[", "]", "}", ",", ":", "true", "false", "null", "\\\\u00e9", "\\\\n", "1e5", "-0", "\\x0a", '\\\\\\"']


def words_of_decoders():
    return ["\\x1f\\x8b\\x08", "PK\\x03\\x04", "PK\\x07\\x08", "PK\\x01\\x02", "BZh9", "\\x28\\xb5\\x2f\\xfd", "\\x50\\x2a\\x4d\\x18",
            "\\xff\\x06\\x00\\x00sNaPpY", "\\xef\\xbb\\xbf", "==", "__MACOSX/"]


TARGETS = {
    "commit_records": (with_large_numbers, words_of_records),
    "decoders": (decoders, words_of_decoders),
    "framers": (framers, words_of_json),
    "json": (json_texts, words_of_json),
    "payload": (payload, words_of_events),
    "job_file": (job_file, words_of_schema),
}


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__.strip())
    out = Path(sys.argv[1])
    for target, (inputs, words) in TARGETS.items():
        folder = out / target
        folder.mkdir(parents=True, exist_ok=True)
        for data in inputs():
            (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
        (out / f"{target}.dict").write_text("".join(f'"{word}"\n' for word in words()))


if __name__ == "__main__":
    main()
