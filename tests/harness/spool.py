"""Segments of the spool, made byte by byte as lib/io/segment.h and lib/format/record.h describe
them, and the program that replays them."""

import json
import itertools
import os
import random
import struct
import subprocess
import time
import uuid

from . import fcgi, proc, sanitizer, tap

HEADER_BYTES = 36
RECORD_BYTES = 36   # of a record besides its payload


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


_ids = itertools.count()


def uuid7(when=None):
    """The 16 bytes of a new id, greater than those made before it in the same millisecond;
    when: its time, in seconds."""
    ms = int((time.time() if when is None else when) * 1000)
    value = (ms << 80 | 0x7 << 76 | next(_ids) % 4096 << 64 | 0x2 << 62
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


def batch(rows, refusals=(), batch_id=None):
    """One request's bytes."""
    return (struct.pack(">B", len(rows) > 1) + _text(batch_id)
            + struct.pack(">II", len(rows), len(refusals)) + b"".join(rows) + b"".join(refusals))


def group(*batches):
    """The payload of a record."""
    return struct.pack(">I", len(batches)) + b"".join(batches)


class Segment:
    """A segment in memory: add() records, then write() it into a folder."""

    def __init__(self, when=None):
        self.id = uuid7(when)
        self.created = int((time.time() if when is None else when) * 1_000_000)
        head = b"MRSPOOL1" + self.id + struct.pack(">q", self.created)
        self.data = bytearray(head + struct.pack(">I", crc32c(head)))
        self.ends = []    # of the records

    @property
    def name(self):
        return f"{self.created:016x}-{self.id.hex()}.seg"

    def add(self, payload, group_id=None, received=None):
        us = int((time.time() if received is None else received) * 1_000_000)
        head = b"MREC" + struct.pack(">I", len(payload)) + (group_id or uuid7()) \
            + struct.pack(">q", us)
        self.data += head + struct.pack(">I", crc32c(self.id + head + payload)) + payload
        self.ends.append(len(self.data))
        return self

    def write(self, folder, data=None):
        path = os.path.join(folder, self.name)
        with open(path, "wb") as f:
            f.write(self.data if data is None else data)
        return path


def replay_path():
    path = os.path.join(proc.BUILDDIR, "cron", "millrace-replay")
    if not os.access(path, os.X_OK):
        tap.skip_all(f"{path} is not built")
    return path


class Replay:
    """millrace-replay with a configuration in this folder, and the spool below it."""

    def __init__(self, folder, ini, name="replay.ini"):
        self.folder, self.spool = folder, os.path.join(folder, "spool")
        self.conffile = os.path.join(folder, name)
        with open(self.conffile, "w", encoding="utf-8") as f:
            f.write(fcgi.ini_text(fcgi.with_spool(ini, folder)))
        os.makedirs(self.spool, 0o700, exist_ok=True)

    def command(self, *args):
        return [replay_path(), "-c", self.conffile, *args]

    def env(self, **more):
        return proc.clean_env(**sanitizer.env(self.folder), **more)

    def run(self, *args, **env):
        """Runs it to its end; raises AssertionError when a sanitizer reported something."""
        done = subprocess.run(self.command(*args), stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=proc.DEADLINE_S, check=False,
                              env=self.env(**env))
        reports = sanitizer.reports(self.folder, done.stderr)
        if reports:
            raise AssertionError(reports)
        return done

    def segments(self):
        return sorted(n for n in os.listdir(self.spool) if n.endswith(".seg"))

    def quarantine(self):
        path = os.path.join(self.spool, "quarantine")
        return sorted(os.listdir(path)) if os.path.isdir(path) else []


def hex_uuid(group_id):
    return str(uuid.UUID(bytes=group_id))
