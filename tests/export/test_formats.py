"""Every export format read back by readers that are not ours, value by value.

tests/export/encode writes the same rows in each format, and a reference made without
any of the encoders. Parquet is read by DuckDB and hyparquet (npm) and its structure by
parquet.py, NDJSON and CSV by Python, the compressed ones by gzip and zstd.
"""

import csv
import datetime
import hashlib
import io
import json
import os
import re
import subprocess
import sys

import parquet
from harness import proc, tap

COLUMNS = ("id", "created_at", "received_at", "event_time", "site_id", "event_type", "session_id",
           "visitor_id", "client_ip", "user_agent", "payload")
TIMES = ("created_at", "received_at", "event_time")
NUMBERS = ("id",) + TIMES
NULLABLE = ("session_id", "visitor_id", "client_ip", "user_agent")
FROM_CLIENT = ("site_id", "event_type", "session_id", "visitor_id", "user_agent")
PAYLOAD = ',"payload":'

# Rows of each row group, and the encodings of data pages in columns that a case is about.
PLAIN, DICTIONARY = "PLAIN", "RLE_DICTIONARY"
CASES = {
    "empty": ([], {}),
    "one": ([1], {"site_id": {PLAIN}}),
    "realistic": ([21000], {"site_id": {DICTIONARY}, "user_agent": {DICTIONARY},
                            "payload": {PLAIN}}),
    "nulls": ([45000], {"visitor_id": {PLAIN}, "user_agent": {DICTIONARY}}),
    "unicode": ([128], {"site_id": {DICTIONARY}}),
    "groups": ([122880, 122880, 14240], {"session_id": {DICTIONARY}}),
    "cardinality": ([70000], {"session_id": {PLAIN}, "visitor_id": {PLAIN, DICTIONARY},
                              "user_agent": {PLAIN, DICTIONARY}}),
    "long": (None, {}),
    "extremes": ([500], {"client_ip": {DICTIONARY}}),
}
BOUND_BYTES = 64
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)
ENCODE = os.path.join(proc.BUILDDIR, "tests/export/encode")
HERE = os.path.join(proc.SRCDIR, "tests/export")


def micros(text):
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text):
        raise ValueError(f"not a time in the form that is documented: {text}")
    return (datetime.datetime.fromisoformat(text) - EPOCH) // MICROSECOND


def line(values):
    """One row in the form of the reference."""
    cells = [str(v) for v in values[:4]]
    cells += ["-" if v is None else "=" + v.encode().hex() for v in values[4:]]
    return "\t".join(cells)


def reference_row(text):
    cells = text.split("\t")
    return ([int(v) for v in cells[:4]] +
            [None if v == "-" else bytes.fromhex(v[1:]).decode() for v in cells[4:]])


def difference(got, want):
    """Says where two lists of lines differ; "" when they do not."""
    if got == want:
        return ""
    for i, (a, b) in enumerate(zip(got, want)):
        if a != b:
            return f"row {i}\ngot  {a[:600]}\nwant {b[:600]}"
    return f"{len(got)} rows, not {len(want)}"


def read_bytes(path):
    with open(path, "rb") as f:
        return f.read()


def read_lines(path):
    return read_bytes(path).decode().split("\n")[:-1]


# --- NDJSON and CSV -------------------------------------------------------------

def ndjson_rows(data):
    text = data.decode()
    if text and not text.endswith("\n"):
        raise ValueError("the last line has no end")
    for row in text.split("\n")[:-1]:
        values = json.loads(row)
        if tuple(values) != COLUMNS:
            raise ValueError(f"keys are {tuple(values)}")
        # The payload has to be there byte for byte.
        values["payload"] = row.partition(PAYLOAD)[2][:-1]
        for name in TIMES:
            values[name] = micros(values[name])
        yield line(list(values.values()))


CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r\n)')


def csv_cells(text):
    """Lists of cells of RFC 4180; an empty one without quotes is None."""
    at, row = 0, []
    while at < len(text):
        m = CELL.match(text, at)
        if not m:
            raise ValueError(f"not a cell: {text[at:at + 60]!r}")
        row.append(m[1].replace('""', '"') if m[1] is not None else m[2] or None)
        at = m.end()
        if m[3] != ",":
            yield row
            row = []


def csv_rows(data):
    rows = csv_cells(data.decode())
    if tuple(next(rows)) != COLUMNS:
        raise ValueError("no header line")
    for row in rows:
        yield line([int(row[0])] + [micros(v) for v in row[1:4]] + row[4:])


def guarded(values):
    """A row with csv_formula_guard: what looks like a formula, or is guarded, has an apostrophe."""
    return [("'" + v if name in FROM_CLIENT and v and v[0] in "=+-@\t\r'" else v)
            for name, v in zip(COLUMNS, values)]


def unguarded(values):
    """What the manual says of reading it back."""
    return [v[1:] if name in FROM_CLIENT and v and v[0] == "'" else v
            for name, v in zip(COLUMNS, values)]


def check_csv(t, path, rows, name):
    data = read_bytes(path)
    got = list(csv_rows(data))
    t.is_(difference(got, [line(row) for row in rows]), "",
          f"{name} has the rows, NULL and empty told apart")
    csv.field_size_limit(sys.maxsize)
    read = [row[4:] for row in csv.reader(io.StringIO(data.decode(), newline=""), strict=True)]
    t.ok(read == [list(COLUMNS[4:])] + [[v or "" for v in row[4:]] for row in rows],
         f"{name}: Python's csv module reads the same texts")
    return got


def check_text(t, folder, case, reference):
    ndjson = read_bytes(f"{folder}/{case}.ndjson")
    t.is_(difference(list(ndjson_rows(ndjson)), reference), "", "NDJSON has the rows")
    rows = [reference_row(text) for text in reference]
    check_csv(t, f"{folder}/{case}.csv", rows, "CSV")
    path = f"{folder}/{case}-guarded.csv"
    if os.path.exists(path):
        got = check_csv(t, path, [guarded(row) for row in rows], "guarded CSV")
        t.is_(difference([line(unguarded(reference_row(text))) for text in got], reference), "",
              "without the guard's apostrophes it is what was sent")
    for plain in (f"{case}.ndjson", f"{case}.csv"):
        check_compressed(t, folder, plain)


def check_compressed(t, folder, plain):
    want = read_bytes(f"{folder}/{plain}")
    for program, suffix in (("gzip", "gz"), ("zstd", "zst")):
        path = f"{folder}/{plain}.{suffix}"
        if not proc.find(program):
            t.skip(f"{plain}.{suffix}", f"{program} is not installed")
            continue
        got = subprocess.run([program, "-dc", path], capture_output=True, check=False)
        t.is_((got.returncode, got.stderr), (0, b""), f"{program} takes {plain}.{suffix}")
        t.ok(got.stdout == want, f"{plain}.{suffix} is {plain}")
    head = read_bytes(f"{folder}/{plain}.gz")[:10]
    t.is_(head[3:8] + head[9:], bytes(5) + b"\xff", "gzip's header names no file, time or system")
    t.ok(read_bytes(f"{folder}/{plain}.zst")[4] & 4, "the zstd frame has a checksum")


# --- Parquet ---------------------------------------------------------------------

def bounds_problem(name, statistics, values):
    """What is wrong with the statistics of a column of a row group; None: nothing."""
    present = [v for v in values if v is not None]
    if int(statistics["null_count"]) != len(values) - len(present):
        return "null_count"
    low, high = statistics.get("min_value"), statistics.get("max_value")
    if not present:
        return None if low is None and high is None else "bounds of nothing"
    if name in NUMBERS:
        good = (int(low), int(high)) == (min(present), max(present))
        return None if good else "min and max"
    texts = [v.encode() for v in present]
    low, least, most = bytes.fromhex(low), min(texts), max(texts)
    if statistics["is_min_value_exact"] != (len(least) <= BOUND_BYTES):
        return "is_min_value_exact"
    if (low != least if len(least) <= BOUND_BYTES else not least.startswith(low) or len(low) < 61):
        return "min"
    if high is None:
        return None if len(most) > BOUND_BYTES else "no max"
    high = bytes.fromhex(high)
    high.decode()
    if statistics["is_max_value_exact"] != (len(most) <= BOUND_BYTES):
        return "is_max_value_exact"
    if high != most if len(most) <= BOUND_BYTES else high <= most or len(high) > BOUND_BYTES:
        return "max"
    return None


def statistics_problems(groups, rows):
    found, at = [], 0
    for group in groups:
        part = rows[at:at + int(group["rows"])]
        at += int(group["rows"])
        for i, column in enumerate(group["columns"]):
            why = bounds_problem(column["name"], column["statistics"], [row[i] for row in part])
            if why:
                found.append(f"{column['name']}: {why}: {column['statistics']}")
    return found


def schema(json_payload):
    text = {"type": "BYTE_ARRAY", "converted_type": "UTF8", "logical_type": {"type": "STRING"}}
    time = {"type": "INT64", "converted_type": "TIMESTAMP_MICROS",
            "logical_type": {"type": "TIMESTAMP", "isAdjustedToUTC": True, "unit": "MICROS"}}
    columns = []
    for name in COLUMNS:
        kind = {"type": "INT64"} if name == "id" else time if name in TIMES else text
        if name == "payload" and json_payload:
            kind = {"type": "BYTE_ARRAY", "converted_type": "JSON", "logical_type": {"type": "JSON"}}
        columns.append({"name": name, **kind,
                        "repetition_type": "OPTIONAL" if name in NULLABLE else "REQUIRED"})
    return columns


def check_parquet(t, path, case, reference, json_payload):
    t.is_(parquet.problems(read_bytes(path)), [], "structure, sizes and page CRCs")
    if not os.path.exists(path + ".json"):
        return
    for reader in ("hyparquet", "duckdb"):
        t.is_(difference(read_lines(f"{path}.{reader}"), reference), "", f"{reader} reads the rows")
    seen = json.loads(read_bytes(path + ".json"))
    by_hyparquet, by_duckdb = seen["hyparquet"], seen["duckdb"]
    t.is_(by_hyparquet["columns"], schema(json_payload), "the schema")
    types = {name: "BIGINT" if name == "id" else "TIMESTAMP WITH TIME ZONE" if name in TIMES
             else "JSON" if name == "payload" and json_payload else "VARCHAR" for name in COLUMNS}
    t.is_(by_duckdb["types"], types, "DuckDB's types")
    t.ok(int(by_duckdb["found"]) > 0 or not reference, "DuckDB finds a row by its id and session")
    t.like(by_hyparquet["created_by"], r"^millrace version \d+\.\d+\.\d+$", "created_by")
    groups = by_hyparquet["groups"]
    t.is_(statistics_problems(groups, [reference_row(text) for text in reference]), [],
          "min, max and null_count of each column of each row group")
    found = re.search(r"-(gzip|snappy|none)\.parquet$", path)
    codec = {"none": "UNCOMPRESSED"}.get(found[1], found[1].upper()) if found else "ZSTD"
    t.is_({c["codec"] for group in groups for c in group["columns"]} - {codec}, set(), "the codec")
    rows, encodings = CASES[case]
    if rows is None:
        t.ok(1 < len(groups) < 5, "long rows end a row group early, and not each")
    else:
        t.is_([int(group["rows"]) for group in groups], rows, "rows of the row groups")
    for name, want in encodings.items():
        got = {page["encoding"] for group in groups for column in group["columns"]
               if column["name"] == name for page in column["pages"]
               if page["page_type"] == "DATA_PAGE"}
        t.is_(got, want, f"encodings of {name}")


def read_elsewhere(t, paths):
    """Lets the npm readers read; False, and said, when they are not there."""
    node = proc.find("node", "/usr/bin")
    if not node or not os.path.isdir(os.path.join(HERE, "node_modules")):
        t.skip("DuckDB and hyparquet", "node or tests/export/node_modules is missing (npm ci)")
        return
    done = subprocess.run([node, os.path.join(HERE, "read.mjs"), *paths], capture_output=True,
                          text=True, env=proc.clean_env(), check=False)
    t.is_(done.returncode, 0, "DuckDB and hyparquet read without an error")
    if done.returncode != 0:
        tap.diag(done.stderr[-4000:])


def check_damage(t, data):
    """parquet.py finds what it is there to find."""
    metadata, _ = parquet.footer(data)
    page = metadata[4][0][1][4][3][9] + 40
    t.ok(parquet.problems(data[:page] + bytes([data[page] ^ 1]) + data[page + 1:]),
         "a damaged page is found")


def main():
    if not os.access(ENCODE, os.X_OK):
        tap.skip_all(f"{ENCODE} is not built")
    with tap.Suite() as t, proc.temp_dir() as folder:
        listed = subprocess.run([ENCODE, "--list"], capture_output=True, text=True, check=True)
        t.is_(listed.stdout.split(), list(CASES), "every case is checked")
        for case in sys.argv[1:] or CASES:
            with t.case(case):
                done = subprocess.run([ENCODE, folder, case], capture_output=True, text=True,
                                      check=False)
                t.is_((done.returncode, done.stderr), (0, ""), "the encoders")
                reference = read_lines(f"{folder}/{case}.rows")
                for name, rows, size, sha256 in map(str.split, done.stdout.splitlines()):
                    data = read_bytes(f"{folder}/{name}")
                    t.is_((int(rows), int(size), sha256), (len(reference), len(data),
                          hashlib.sha256(data).hexdigest()), f"{name} as it was counted")
                written = sorted(f"{folder}/{name}" for name in os.listdir(folder))
                if f"{folder}/{case}.ndjson" in written:
                    check_text(t, folder, case, reference)
                if any("-gzip." in path for path in written) and \
                        not any("-snappy." in path for path in written):
                    t.skip("Parquet packed with snappy", "libsnappy-dev was not there to build with")
                dropped = f"{folder}/{case}-dropped.parquet"
                if dropped in written:
                    t.is_(parquet.problems(read_bytes(dropped)), [],
                          "without partition columns: structure, sizes and page CRCs")
                parquets = [path for path in written if path.endswith(".parquet") and
                            path != dropped]
                read_elsewhere(t, parquets)
                for path in parquets:
                    with t.case(os.path.basename(path)):
                        check_parquet(t, path, case, reference, path.endswith("-json.parquet"))
                if case == "realistic":
                    check_damage(t, read_bytes(f"{folder}/{case}.parquet"))
                for name in os.listdir(folder):
                    os.remove(os.path.join(folder, name))


main()
