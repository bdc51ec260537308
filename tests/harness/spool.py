"""Segments of the spool, made byte by byte as lib/spool/segment.h and lib/spool/record.h describe
them, and the program that replays them."""

import json
import os
import random
import struct
import time
import uuid

from . import fcgi, proc, sanitizer

HEADER_BYTES = 36
RECORD_BYTES = 36   # of a record besides its payload
MAGIC, RECORD_MAGIC = b"MRSPOOL1", b"MREC"


def _make_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)
    return table


_TABLE = _make_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


_last = 0


def uuid7(when=None):
    """The 16 bytes of an id; when: its time, in seconds. Those of now ascend."""
    global _last    # pylint: disable=global-statement
    tick = int((time.time() if when is None else when) * 1000 * 4096)
    if when is None:
        _last = tick = max(tick, _last + 1)
    value = (tick >> 12 << 80 | 0x7 << 76 | (tick & 0xFFF) << 64 | 0x2 << 62
             | random.getrandbits(62))
    return value.to_bytes(16, "big")


def _text(value):
    if value is None:
        return struct.pack(">I", 0xFFFFFFFF)
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(data)) + data


def event(session, site="replay.test", kind="x", received=None, **payload):
    """One row's bytes. received: seconds."""
    us = int((time.time() if received is None else received) * 1_000_000)
    return (struct.pack(">qqB4s", us, us, 4, bytes((192, 0, 2, 1))) + _text(site) + _text(kind)
            + _text(session) + _text(None) + _text("test")
            + _text(json.dumps({"eventType": kind, **payload})))


def refusal(index, payload, reason):
    return struct.pack(">q", index) + _text(payload) + _text(reason) + _text(None)


def batch(rows, refusals=(), batch_id=None, site=None):
    """One request's bytes. site: of a batch whose envelope was refused."""
    kind = 2 if site is not None else len(rows) > 1
    return (struct.pack(">B", kind) + _text(batch_id)
            + (b"" if site is None else _text(site))
            + struct.pack(">II", len(rows), len(refusals)) + b"".join(rows) + b"".join(refusals))


def group(*batches):
    """The payload of a record."""
    return struct.pack(">I", len(batches)) + b"".join(batches)


class Segment:
    """A segment in memory: add() records, then write() it into a folder."""

    def __init__(self, when=None):
        self.id = uuid7(when)
        self.created = int((time.time() if when is None else when) * 1_000_000)
        head = MAGIC + self.id + struct.pack(">q", self.created)
        self.data = bytearray(head + struct.pack(">I", crc32c(head)))
        self.ends = []    # of the records

    @property
    def name(self):
        return f"{self.created:016x}-{self.id.hex()}.seg"

    @property
    def starts(self):
        """Where the records begin."""
        return [HEADER_BYTES, *self.ends[:-1]]

    def record_of(self, offset):
        """The number of the record that this byte belongs to; -1: the header."""
        return sum(start <= offset for start in self.starts) - 1

    def add(self, payload, group_id=None, received=None):
        us = round((time.time() if received is None else received) * 1_000_000)
        head = RECORD_MAGIC + struct.pack(">I", len(payload)) + (group_id or uuid7()) \
            + struct.pack(">q", us)
        self.data += head + struct.pack(">I", crc32c(self.id + head + payload)) + payload
        self.ends.append(len(self.data))
        return self

    def write(self, folder, data=None):
        path = os.path.join(folder, self.name)
        with open(path, "wb") as f:
            f.write(self.data if data is None else data)
        return path


def read(path):
    """(received, payload) of each record, received in seconds; ValueError unless all is well."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:8] != MAGIC or struct.unpack(">I", data[32:36])[0] != crc32c(data[:32]):
        raise ValueError(f"{path}: the header is not as documented")
    records, at = [], HEADER_BYTES
    while at < len(data):
        magic, length, _group, received, crc = struct.unpack(
            ">4sI16sqI", data[at:at + RECORD_BYTES])
        end = at + RECORD_BYTES + length
        covered = data[8:24] + data[at:at + 32] + data[at + RECORD_BYTES:end]
        if magic != RECORD_MAGIC or end > len(data) or crc32c(covered) != crc:
            raise ValueError(f"{path}: the record at {at} is not as documented")
        records.append((received / 1_000_000, data[at + RECORD_BYTES:end]))
        at = end
    return records


def replay_path():
    return proc.built("cron", "millrace-replay")


class Replay:
    """millrace-replay with a configuration in this folder, and the spool below it."""

    def __init__(self, folder, ini, name="replay.ini"):
        self.folder, self.spool = folder, os.path.join(folder, "spool")
        self.conffile = os.path.join(folder, name)
        with open(self.conffile, "w", encoding="utf-8") as f:
            f.write(fcgi.ini_text(fcgi.with_defaults(ini, folder)))
        os.makedirs(self.spool, 0o700, exist_ok=True)

    def command(self, *args):
        return [replay_path(), "-c", self.conffile, *args]

    def env(self, **more):
        return proc.clean_env(**sanitizer.env(self.folder), **more)

    def run(self, *args, **env):
        """Runs it to its end; raises AssertionError when a sanitizer reported something."""
        return sanitizer.run(self.folder, self.command(*args), **env)

    def segments(self):
        return sorted(n for n in os.listdir(self.spool) if n.endswith(".seg"))

    def quarantine(self):
        path = os.path.join(self.spool, "quarantine")
        return sorted(os.listdir(path)) if os.path.isdir(path) else []


def hex_uuid(group_id):
    return str(uuid.UUID(bytes=group_id))
