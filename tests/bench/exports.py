"""The exports that are measured: millrace-export, a COPY that is thrown away, and the
Python way, all over one table of events, to a folder and to a bucket.

Each run is a client of its own, so that it has everything to export; then its manifests
are held against the table and against the objects, and the objects are removed.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass

import bodies
import servers
from harness import fcgi, postgres, proc, s3

DATABASE = "exports"
SITE = "shop-example-com"
MEMBERS = 10
# Distinct bodies: more than a compressor looks back.
VARIANTS = 2000
# Of one transaction, as under load: a batch ends between two of them.
COMMIT_ROWS = 2_500
# Of one call of psql.
CHUNK_ROWS = 250_000
BUCKET = "bench"
MAX_MIB = 64

COLUMNS = ("id, created_at, received_at, event_time, site_id, event_type, session_id, "
           "visitor_id, client_ip, user_agent, payload")

SETTINGS = """
SET enable_hashjoin = off;    -- in the order of the numbers
SET enable_mergejoin = off;
"""
# As batches would have been stored: each has a row for itself in front of those of its
# events, a session has two of them, and three share a transaction's time. Payloads are
# what was sent, which has no blanks between its members.
INSERT = """
INSERT INTO events (created_at, received_at, event_time, site_id, event_type, session_id,
                    visitor_id, client_ip, user_agent, payload)
SELECT at, at - interval '2 ms', said, '{site}', body ->> 'eventType', session, visitor,
       '10.0.0.0'::inet + i / {visit}, (ARRAY[{agents}])[1 + i / {visit} % {n_agents}],
       replace(replace((body || CASE WHEN i % {batch} = 0 THEN
           jsonb_build_object('sessionId', session, 'visitorId', visitor, 'timestamp', said_text)
       ELSE jsonb_build_object('timestamp', said_text) END)::text, '": ', '":'), ', "', ',"')::json
FROM generate_series({low}, {high}) AS i
JOIN bodies ON number = 1 + i % {variants}
CROSS JOIN LATERAL (
    SELECT date_trunc('hour', now()) - interval '1 hour' + interval '1 us' *
               (i / (3 * {batch}) * 3 * {batch} * (3600000000 / {total})) AS at,
           'ses_' || left(md5('s' || i / {visit}), 24) AS session,
           'vis_' || left(md5('v' || i / {visit}), 16) AS visitor OFFSET 0) AS own
CROSS JOIN LATERAL (
    SELECT at - interval '1 ms' * (200 + 450 * ({batch} - i % {batch})) AS said OFFSET 0) AS time
CROSS JOIN LATERAL (
    SELECT to_char(said, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS said_text OFFSET 0) AS text;
"""

# What one body becomes.
SPLIT = """
CREATE TABLE bodies AS
SELECT row_number() OVER (ORDER BY line, part) AS number, part_body AS body
FROM sent CROSS JOIN LATERAL (
    SELECT 0 AS part, body - 'events' AS part_body
    UNION ALL SELECT * FROM (SELECT n, event FROM jsonb_array_elements(body -> 'events')
                             WITH ORDINALITY AS e (event, n)) AS events) AS parts;
ALTER TABLE bodies ADD PRIMARY KEY (number);
ANALYZE bodies;
"""

PYTHON_PACKAGES = "python3-sqlalchemy python3-psycopg2 python3-boto3"
PYTHON_VERSIONS = """
import sys, boto3, sqlalchemy, psycopg2
print(f"Python {sys.version.split()[0]}, SQLAlchemy {sqlalchemy.__version__}, "
      f"psycopg2 {psycopg2.__version__.split()[0]}, boto3 {boto3.__version__}")
"""

FORMATS = {
    "NDJSON+zstd": {"format": "ndjson", "compression": "zstd"},
    "NDJSON+gzip": {"format": "ndjson", "compression": "gzip"},
    "CSV+gzip": {"format": "csv", "compression": "gzip"},
    "Parquet": {"format": "parquet"},
}


@dataclass
class Run:
    """What one program did. size: bytes that it left at the destination."""
    rows: int
    seconds: float
    cpu_s: float
    peak_mib: float
    size: int = 0

    @property
    def rate(self):
        return self.rows / self.seconds

    @property
    def cpu_us(self):
        """Processor time a row, of the program alone."""
        return self.cpu_s * 1e6 / self.rows


class Folder:
    """A file:// destination."""

    def __init__(self, path):
        self.path = path
        self.section = {"bucket": f"file://{path}"}
        self.python_args, self.env = [path], {}
        os.mkdir(path)

    def sizes(self):
        """{key: bytes}"""
        return {os.path.relpath(os.path.join(folder, name), self.path):
                os.path.getsize(os.path.join(folder, name))
                for folder, _, names in os.walk(self.path) for name in names}

    def get(self, key):
        return proc.read_text(os.path.join(self.path, key))

    def clear(self):
        shutil.rmtree(self.path)
        os.mkdir(self.path)


class Bucket:
    """A bucket of the local S3 server, over TLS."""

    def __init__(self, server):
        self.client = server.client()
        self.client.make_bucket(BUCKET)
        self.section = {"bucket": BUCKET, "endpoint": server.tls_endpoint,
                        "ca_file": server.ca_file}
        self.python_args = [server.tls_endpoint, server.ca_file, BUCKET]
        self.env = {"AWS_ACCESS_KEY_ID": s3.ACCESS, "AWS_SECRET_ACCESS_KEY": s3.SECRET,
                    "AWS_EC2_METADATA_DISABLED": "true"}

    def sizes(self):
        return self.client.keys(BUCKET)

    def get(self, key):
        return self.client.get(BUCKET, key)

    def clear(self):
        for key in self.sizes():
            self.client.request("DELETE", BUCKET, key)


class Exports:
    """The table, the destinations as they are needed, and the runs."""

    def __init__(self, bench):
        self.bench, self.pg = bench, bench.pg
        self.rows = self.runs = 0
        self.places = {}
        self.dir = os.path.join(bench.folder, "exports")
        self.facts = {}

    # --- the table ------------------------------------------------------------

    def grow(self, rows):
        """Makes the table have at least so many rows."""
        if self.rows == 0:
            self._create()
        if rows <= self.rows:
            return
        print(f"  making {rows - self.rows:,} events", flush=True)
        batch = bodies.rows(MEMBERS)
        agents = ",".join(f"'{agent}'" for agent in bodies.USER_AGENTS)
        for chunk in range(self.rows, rows, CHUNK_ROWS):
            end = min(chunk + CHUNK_ROWS, rows)
            self.pg.execute(SETTINGS + "".join(INSERT.format(
                site=SITE, agents=agents, n_agents=len(bodies.USER_AGENTS), batch=batch,
                visit=2 * batch, variants=VARIANTS * batch, low=low,
                high=min(low + COMMIT_ROWS, end) - 1, total=rows)
                for low in range(chunk, end, COMMIT_ROWS)), DATABASE)
        self.rows = rows
        # Nobody else looks after the table while it is measured.
        self.pg.execute("VACUUM (ANALYZE) events;", DATABASE)
        self.pg.execute("CHECKPOINT", "postgres")

    def _create(self):
        os.mkdir(self.dir)
        self.pg.create_database(DATABASE)
        self._configure("nobody", {"bucket": f"file://{self.dir}"})
        self._measured([self._program(), "-c", self._ini(), "--dry-run"])   # makes the tables
        path = os.path.join(self.dir, "bodies")
        bodies.write(path, SITE, MEMBERS, variants=VARIANTS)
        lines = proc.read_text(path).replace("\\", "\\\\")
        self.pg.execute("CREATE TABLE sent (line integer GENERATED ALWAYS AS IDENTITY, body jsonb);"
                        f"\nCOPY sent (body) FROM STDIN;\n{lines}\\.\n{SPLIT}", DATABASE)

    # --- running --------------------------------------------------------------

    @staticmethod
    def _program():
        return os.path.join(proc.BUILDDIR, "cron", "millrace-export")

    def _ini(self):
        return os.path.join(self.dir, "millrace.ini")

    def _configure(self, client, section):
        with open(self._ini(), "w", encoding="utf-8") as f:
            f.write(fcgi.ini_text({"database": {"url": self.pg.dsn(DATABASE)},
                                   f"client {client}": section}))

    def _measured(self, command, env=None, output=None):
        """Runs a command to its end. Returns what it wrote, seconds, processor time, peak MiB."""
        with open(os.path.join(self.dir, "output"), "w+b") as out:
            start, peak = time.monotonic(), 0
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output or out,
                                       stderr=out, env=proc.clean_env(**(env or {})))
            try:
                while True:
                    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                    if pid:
                        break
                    with contextlib.suppress(ProcessLookupError):   # it has just ended
                        peak = proc.rss_kib(process.pid, peak=True)
                    time.sleep(0.01)
                seconds = time.monotonic() - start
                process.returncode = os.waitstatus_to_exitcode(status)
            finally:
                if process.returncode is None:
                    process.kill()
                    process.wait()
            out.seek(0)
            text = out.read().decode(errors="backslashreplace")
        if process.returncode:
            raise RuntimeError(f"{command[0]}: status {process.returncode}\n{text}")
        return text, seconds, usage.ru_utime + usage.ru_stime, peak / 1024

    def copy(self):
        """The rows in PostgreSQL's own form; psql throws them away."""
        with open(os.devnull, "wb") as null:
            _, *took = self._measured(
                [os.path.join(self.pg.bin, "psql"), "-Xq", self.pg.dsn(DATABASE), "-c",
                 f"COPY (SELECT {COLUMNS} FROM events) TO STDOUT (FORMAT binary)"], output=null)
        return self._told("COPY", Run(self.rows, *took))

    def millrace(self, name, place):
        """A run of a client that never had one."""
        self.runs += 1
        client = f"bench-{self.runs:04d}"
        self._configure(client, {**place.section, **FORMATS[name]})
        _, *took = self._measured([self._program(), "-c", self._ini(), "--client", client],
                                  place.env)
        return self._told(name, self._checked(f"{name}, {client}", place, Run(self.rows, *took)))

    def python(self, place):
        """The reference, over a part of the rows: it is compared by its rate."""
        python, self.facts["Python"] = servers.python_that(PYTHON_VERSIONS, PYTHON_PACKAGES)
        rows = min(self.rows, max(self.rows // 4, 50_000))
        url = f"postgresql+psycopg2://{postgres.OWNER}@/{DATABASE}?host={self.pg.dir}"
        text, _, cpu_s, peak = self._measured(
            [python, os.path.join(servers.HERE, "peer", "export.py"), str(rows),
             *place.python_args], {"DATABASE_URL": url, **place.env})
        run = Run(rows, float(text.split()[-1]), cpu_s, peak, sum(place.sizes().values()))
        found = sum(len(json.loads(place.get(key))) for key in place.sizes())
        self._judge("the Python reference", found, rows)
        place.clear()
        return self._told("Python", run)

    def _told(self, name, run):
        size = f", {run.size / run.rows:.1f} bytes a row" if run.size else ""
        print(f"  {name:<12} {run.rows:,} rows in {run.seconds:.2f} s, {run.rate:>9,.0f}/s, "
              f"{run.cpu_us:.2f} µs of the program's processor time a row, "
              f"at most {run.peak_mib:.1f} MiB{size}", flush=True)
        return run

    # --- correctness ----------------------------------------------------------

    def _judge(self, title, exported, rows):
        self.bench.runs += 1
        if exported != rows:
            print(f"  {title}: exported {exported:,} rows, not {rows:,}: WRONG", flush=True)
            self.bench.wrong.append(title)

    def _checked(self, title, place, run):
        """Manifests = the table, and every object is there in the size they say."""
        sizes = place.sizes()
        manifests = [json.loads(place.get(key)) for key in sizes if "_manifest/" in key]
        told = {o["key"]: o for manifest in manifests for o in manifest["objects"]}
        there = {key: size for key, size in sizes.items() if "_manifest/" not in key}
        if there != {key: o["bytes"] for key, o in told.items()}:
            print(f"  {title}: the objects are not those of the manifests: WRONG", flush=True)
            self.bench.wrong.append(title)
        self._judge(title, sum(o["rows"] for o in told.values()),
                    self.pg.value("SELECT count(*) FROM events", DATABASE))
        run.size = sum(there.values())
        place.clear()
        return run

    # --- the measures ---------------------------------------------------------

    def folder(self):
        if "folder" not in self.places:
            self.places["folder"] = Folder(os.path.join(self.dir, "folder"))
        return self.places["folder"]

    def bucket(self):
        """Raises servers.Missing."""
        if "bucket" not in self.places:
            missing = [name for name in s3.PROGRAMS if not proc.find(name)]
            if missing:
                raise servers.Missing("apt-get install ceph-mon ceph-osd radosgw")
            self.places["bucket"] = Bucket(self.bench.stack.enter_context(s3.S3Server()))
            self.facts["S3"] = "RADOS Gateway on this machine, in memory, over TLS"
        return self.places["bucket"]

    def versus_copy(self, letter, place, where, floors):
        """Each format and COPY in turns."""
        for name in FORMATS:
            pairs = [(self.millrace(name, place), self.copy())
                     for _ in range(self.bench.options.pairs)]
            self._compare(f"{letter}  {name} to {where} : COPY", pairs, floors.get(name))

    def versus_python(self, letter, place, where):
        pairs = [(self.millrace("NDJSON+zstd", place), self.python(place))
                 for _ in range(self.bench.options.pairs)]
        self._compare(f"{letter}  NDJSON+zstd to {where} : Python", pairs, 15)

    def long_run(self, letter):
        """One turn over many rows."""
        pairs = [(self.millrace("NDJSON+zstd", self.folder()), self.copy())]
        self._compare(f"{letter}  {self.rows:,} rows to a folder : COPY", pairs, 0.70)

    def _compare(self, label, pairs, floor):
        def both(text, value):
            return [text.format(statistics.median(value(pair[i]) for pair in pairs))
                    for i in (0, 1)]

        self.bench.ratio(label, *both("{:,.0f} rows/s", lambda run: run.rate),
                         statistics.median(a.rate / b.rate for a, b in pairs), floor)
        self.bench.row("   its processor time a row, PostgreSQL's apart",
                       *both("{:.2f} µs", lambda run: run.cpu_us))
        peak = max(run.peak_mib for run, _ in pairs)
        self.bench.row("   its memory at most", f"{peak:.1f} MiB",
                       f"{max(run.peak_mib for _, run in pairs):.1f} MiB", "",
                       f"at most {MAX_MIB} MiB", peak <= MAX_MIB)
