"""Segments of the spool as bytes (the format is lib/io/segment.h's): records are taken out of
one and put into others, with ids of their own."""

import os
import struct
import uuid

HEADER = 36
RECORD = 36
_MAGIC, _RECORD_MAGIC = b"MRSPOOL1", b"MREC"


def _table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82f63b78 if i & 1 else 0)
        table.append(i)
    return table


_TABLE = _table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def read(path):
    """(received_us, payload) of each record; ValueError unless all is well."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:8] != _MAGIC or struct.unpack(">I", data[32:36])[0] != crc32c(data[:32]):
        raise ValueError(f"{path}: the header is not as documented")
    records, at = [], HEADER
    while at < len(data):
        magic, length, _group, received, crc = struct.unpack(">4sI16sqI", data[at:at + RECORD])
        end = at + RECORD + length
        covered = data[8:24] + data[at:at + 32] + data[at + RECORD:end]
        if magic != _RECORD_MAGIC or end > len(data) or crc32c(covered) != crc:
            raise ValueError(f"{path}: the record at {at} is not as documented")
        records.append((received, data[at + RECORD:end]))
        at = end
    return records


class Segment:
    """records: as read() gives them. Has an id of its own, and so has each group."""

    def __init__(self, records, created_us):
        self.id = uuid.uuid4().bytes
        self.name = f"{created_us:016x}-{self.id.hex()}.seg"
        self.groups, self.starts = [], []
        self.data = _MAGIC + self.id + struct.pack(">q", created_us)
        self.data += struct.pack(">I", crc32c(self.data))
        for received, payload in records:
            self.groups.append(_uuid7(received))
            self.starts.append(len(self.data))
            head = struct.pack(">4sI16sq", _RECORD_MAGIC, len(payload), self.groups[-1].bytes,
                               received)
            crc = crc32c(self.id + head + payload)
            self.data += head + struct.pack(">I", crc) + payload

    def record_of(self, offset):
        """The number of the record that this byte belongs to; -1: the header."""
        return sum(start <= offset for start in self.starts) - 1

    def write(self, folder, data=None):
        path = os.path.join(folder, self.name)
        with open(path, "wb") as f:
            f.write(self.data if data is None else data)
        os.chmod(path, 0o600)


def _uuid7(time_us):
    value = uuid.uuid4().int & ~(0xffffffffffff << 80) | (time_us // 1000) << 80
    return uuid.UUID(int=value & ~(0xf << 76) | 7 << 76)
