"""The structure of a Parquet file, read with nothing but Python: footer, pages, CRCs.

Says what is wrong with a file instead of reading its values, which other readers do.
"""

import struct
import zlib

I32, BINARY, STRUCT = 5, 8, 12


class _Compact:
    """Thrift's compact protocol; a struct becomes {field: value}."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7f) << shift
            shift += 7
            if not byte & 0x80:
                return value

    def zigzag(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def value(self, kind):
        if kind in (1, 2):
            return kind == 1
        if kind in (4, 5, 6):
            return self.zigzag()
        if kind == 8:
            n = self.varint()
            self.at += n
            return self.data[self.at - n:self.at]
        if kind == 9:
            return self.list()
        if kind == 12:
            return self.struct()
        raise ValueError(f"thrift type {kind} at byte {self.at}")

    def list(self):
        head = self.byte()
        n = head >> 4 if head >> 4 != 15 else self.varint()
        return [self.value(head & 15) for _ in range(n)]

    def struct(self):
        fields, number = {}, 0
        while True:
            head = self.byte()
            if head == 0:
                return fields
            number = number + (head >> 4) if head >> 4 else self.zigzag()
            fields[number] = self.value(head & 15)


def footer(data):
    """FileMetaData, and the offset at which it begins."""
    if data[:4] != b"PAR1" or data[-4:] != b"PAR1":
        raise ValueError("no PAR1 at both ends")
    length = struct.unpack("<I", data[-8:-4])[0]
    reader = _Compact(data, len(data) - 8 - length)
    metadata = reader.struct()
    if reader.at != len(data) - 8:
        raise ValueError("the footer is not as long as is said")
    return metadata, len(data) - 8 - length


def _chunk_problems(data, chunk, at, group_rows):
    """What is wrong with a column chunk that has to begin at this byte, and where it ends."""
    problems, meta = [], chunk[3]
    name = b".".join(meta[3]).decode()
    start, values, raw, pages = at, 0, 0, {}
    if min(meta.get(11, meta[9]), meta[9]) != at:
        problems.append(f"{name}: does not begin behind the one before it")
    while values < meta[5]:
        reader = _Compact(data, at)
        page = reader.struct()
        body = data[reader.at:reader.at + page[3]]
        if zlib.crc32(body) != page[4] & 0xffffffff:
            problems.append(f"{name}: wrong CRC of the page at {at}")
        if page[1] == 0:
            if values == 0 and meta[9] != at:
                problems.append(f"{name}: data_page_offset is wrong")
            values += page[5][1]
            encoding = page[5][2]
        else:
            encoding = page[7][2]
            if at != start or meta.get(11) != at:
                problems.append(f"{name}: dictionary page out of place")
        pages[page[1], encoding] = pages.get((page[1], encoding), 0) + 1
        raw += reader.at - at + page[2]
        at = reader.at + page[3]
    if values != meta[5] or values != group_rows:
        problems.append(f"{name}: {values} values, {meta[5]} said, {group_rows} rows")
    if (raw, at - start) != (meta[6], meta[7]):
        problems.append(f"{name}: sizes {raw}, {at - start}, said {meta[6]}, {meta[7]}")
    if pages != {(s[1], s[2]): s[3] for s in meta[13]}:
        problems.append(f"{name}: pages {pages}, said {meta[13]}")
    return problems, at


def problems(data):
    """All that is wrong with the file; [] when nothing is."""
    metadata, end = footer(data)
    found, at, rows = [], 4, 0
    for i, group in enumerate(metadata[4]):
        start = at
        for chunk in group[1]:
            more, at = _chunk_problems(data, chunk, at, group[3])
            found += [f"row group {i}: {text}" for text in more]
        raw = sum(chunk[3][6] for chunk in group[1])
        if (group[2], group[5], group[6], group.get(7)) != (raw, start, at - start, i):
            found.append(f"row group {i}: sizes or place are wrong")
        rows += group[3]
    if rows != metadata[3]:
        found.append(f"{rows} rows in the groups, {metadata[3]} said")
    if at != end:
        found.append(f"the pages end at {at}, the footer begins at {end}")
    return found
