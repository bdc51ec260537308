"""What the tests of the export share: the program, what lies at a destination, events."""

import collections
import datetime
import gzip
import hashlib
import json
import os
import re

from harness import fcgi, proc, s3, sanitizer

# How an event is written, from its columns. The test of the formats reads all three; here,
# NDJSON is compared with the table.
COLUMNS = ("id", "created_at", "received_at", "event_time", "site_id", "event_type",
           "session_id", "visitor_id", "client_ip", "user_agent", "payload")


def program():
    """The millrace-export under test; the test program is skipped without it."""
    return proc.built("cron", "millrace-export")


class Exporter:
    """millrace-export with a configuration of its own in a folder.

    sections: {section: {key: value}}; [database] url is added.
    """

    def __init__(self, folder, pg, sections, database=None, env=None):
        self.folder, self.pg, self.database = folder, pg, database
        self.program = program()
        self.prefix = []            # a command that runs it, under a limit
        self.ini = os.path.join(folder, "millrace.ini")
        self.more_env = env or {}
        self.configure(sections)

    def configure(self, sections):
        self.sections = sections
        ini = {"database": {"url": self.pg.dsn(self.database), **fcgi.PATIENT}, **sections}
        with open(self.ini, "w", encoding="utf-8") as f:
            f.write(fcgi.ini_text(ini))

    def _command(self, args):
        return [*self.prefix, self.program, "-c", self.ini, *args]

    def _env(self):
        return proc.clean_env(**sanitizer.env(self.folder), **self.more_env)

    def run(self, *args):
        """Runs it to its end; AssertionError when a sanitizer reported something."""
        return sanitizer.run(self.folder, self._command(args), **self.more_env)

    def start(self, *args):
        """Starts it; stop it by its pid."""
        return proc.Process(self._command(args), os.path.join(self.folder, "output"),
                            env=self._env())

    def good(self, t, name, *args):
        """A run that has to succeed and say nothing on standard error."""
        done = self.run(*args)
        t.is_((done.returncode, done.stderr), (0, ""), name)
        return done

    def refused(self, t, name, status, pattern, *args):
        """A run that has to fail with one line that says why."""
        done = self.run(*args)
        t.is_(done.returncode, status, f"{name}: status {status}")
        t.like(done.stderr, pattern, f"{name}: says why")
        t.is_(len(done.stderr.splitlines()), 1, f"{name}: in one line")
        return done


class Folder:
    """A file:// destination."""

    def __init__(self, path):
        self.path = path
        self.url = f"file://{path}"

    def keys(self):
        """All objects, the manifests too, but not what is unfinished."""
        found = []
        for folder, _, names in os.walk(self.path):
            found += [os.path.relpath(os.path.join(folder, name), self.path)
                      for name in names if not name.startswith(".")]
        return sorted(found)

    def leftovers(self):
        """Files that were not finished."""
        return [name for _, _, names in os.walk(self.path) for name in names
                if name.startswith(".")]

    def get(self, key):
        """The object's bytes, or None when there is none."""
        try:
            with open(os.path.join(self.path, key), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return None

    def everything(self):
        """{key: bytes}"""
        return {key: self.get(key) for key in self.keys()}


class Bucket:
    """An s3:// destination, made here and read by a client of its own."""

    def __init__(self, client, name, policy=None):
        self.client, self.name, self.url = client, name, f"s3://{name}"
        client.make_bucket(name, policy)

    def keys(self):
        return sorted(self.client.keys(self.name))

    def get(self, key):
        return self.client.get(self.name, key)

    def everything(self):
        return {key: self.get(key) for key in self.keys()}

    def leftovers(self):
        return self.client.uploads(self.name)


def section(server, bucket, **more):
    """The keys of a client or of the backup, for a bucket of an S3 server over TLS."""
    return {"bucket": bucket.name, "endpoint": server.tls_endpoint, "ca_file": server.ca_file,
            "compression": "gzip", "part_size": "5M", **more}


def s3_exporter(pg, folder, name, sections, **env):
    """An Exporter with a database and a folder of that name, and the S3 server's keys."""
    pg.create_database(name)
    path = os.path.join(folder, name)
    os.mkdir(path)
    env = {"HOME": path, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": s3.ACCESS,
           "AWS_SECRET_ACCESS_KEY": s3.SECRET, **env}
    made = Exporter(path, pg, sections, name, {k: v for k, v in env.items() if v is not None})
    made.run("--dry-run")   # makes the tables
    return made


def is_manifest(key):
    return os.path.basename(os.path.dirname(key)) == "_manifest"


def unpack(key, data):
    """Lines of an NDJSON object; .ndjson and .ndjson.gz."""
    text = gzip.decompress(data) if key.endswith(".gz") else data
    return text.removesuffix(b"\n").split(b"\n")


def without_manual(keys):
    return [key for key in keys if "manual/" not in key]


def manifests(place, wanted=without_manual):
    """The manifests in the order of their batches."""
    return [json.loads(place.get(key)) for key in sorted(wanted(place.keys()))
            if is_manifest(key)]


def read_rows(place, wanted=without_manual):
    """All rows of all objects, as dicts."""
    return [json.loads(line) for key in wanted(place.keys()) if not is_manifest(key)
            for line in unpack(key, place.get(key))]


# The line of a row, put together by PostgreSQL.
_TIME = """'"' || to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"'"""
_TEXT = "coalesce(to_json({})::text, 'null')"
_VALUES = {"id": "id", "client_ip": _TEXT.format("host(client_ip)"), "payload": "payload::text",
           **{c: _TIME.format(c) for c in COLUMNS[1:4]},
           **{c: _TEXT.format(c) for c in (*COLUMNS[4:8], "user_agent")}}
_LINE = "'{' || " + " || ',' || ".join(f"""'"{c}":' || {_VALUES[c]}""" for c in COLUMNS) + " || '}'"

# What an object's line tells of itself: id, hour, site as JSON.
_HEAD = re.compile(rb'{"id":(\d+),"created_at":"(.{13})[^"]*","received_at":"[^"]*",'
                   rb'"event_time":"[^"]*","site_id":("(?:[^"\\]|\\.)*"),')


def table(pg, where="true", database=None):
    """{id: MD5 of the line that has to be exported}"""
    text = pg.execute(f"COPY (SELECT id, md5(convert_to({_LINE}, 'UTF8')) FROM events "
                      f"WHERE {where}) TO STDOUT", database)
    return {int(i): bytes.fromhex(md5) for i, _, md5 in
            (line.partition("\t") for line in text.splitlines())}


class _Audit:
    """What lies at a destination: read object by object, so that it may be large."""

    def __init__(self, place, wanted, want):
        self.want = want            # as table() has it
        self.seen = set()
        self.twice, self.alien, self.other = [], [], []
        self.problems = []          # of objects and manifests
        self.listed = collections.Counter()
        for manifest in manifests(place, wanted):
            self._manifest(place, manifest)

    def _manifest(self, place, manifest):
        rows = size = 0
        for entry in manifest["objects"]:
            self.listed[entry["key"]] += 1
            data = place.get(entry["key"])
            if data is None:
                self.problems.append(f"{entry['key']} is missing")
                continue
            rows += self._object(entry, data)
            size += len(data)
        if (rows, size) != (manifest["rows"], manifest["bytes"]):
            self.problems.append(f"{manifest['batch']}: the sums are wrong")

    def _object(self, entry, data):
        ids, hours, sites = [], set(), set()
        for line in unpack(entry["key"], data):
            head = _HEAD.match(line)
            if not head:
                self.problems.append(f"{entry['key']} has a line {line[:200]}")
                continue
            ids.append(int(head[1]))
            hours.add(head[2])
            sites.add(head[3])
            self._row(ids[-1], line)
        if ((len(data), hashlib.sha256(data).hexdigest(), len(ids), min(ids), max(ids)) !=
                (entry["bytes"], entry["sha256"], entry["rows"], entry["min_id"],
                 entry["max_id"])):
            self.problems.append(f"{entry} is not what lies there")
        if {json.loads(site) for site in sites} != {entry["site_id"]}:
            self.problems.append(f"{entry['key']} has rows of other sites")
        if hours != {entry["hour"][:13].encode()}:
            self.problems.append(f"{entry['key']} has rows of other hours")
        return len(ids)

    def _row(self, i, line):
        if i in self.seen:
            self.twice.append(i)
        self.seen.add(i)
        if i not in self.want:
            self.alien.append(i)
        elif hashlib.md5(line).digest() != self.want[i]:
            self.other.append(line)


def check_complete(t, name, place, pg, where="true", database=None, wanted=without_manual,
                   want=None):
    """The destination has what the table has, each row once and as it is there; every object
    is in exactly one manifest, which tells the truth about it. want: what table() said."""
    want = want or table(pg, where, database)
    found = _Audit(place, wanted, want)
    missing = want.keys() - found.seen
    t.ok(not found.twice and not missing and not found.alien, f"{name}: each id once ({len(want)})",
         f"twice: {len(found.twice)} {found.twice[:5]}, missing: {len(missing)} "
         f"{sorted(missing)[:5]}, not in the table: {len(found.alien)} {found.alien[:5]}")
    t.ok(not found.other, f"{name}: every value is the table's", lambda: str(found.other[:2]))
    t.ok(not found.problems, f"{name}: objects are as their manifests say",
         "\n".join(found.problems[:5]))
    there = {key for key in wanted(place.keys()) if not is_manifest(key)}
    t.ok(set(found.listed) == there and all(n == 1 for n in found.listed.values()),
         f"{name}: every object is in one manifest",
         f"without: {sorted(there - set(found.listed))[:5]}, "
         f"missing: {sorted(set(found.listed) - there)[:5]}, "
         f"twice: {[k for k, n in found.listed.items() if n > 1][:5]}")
    t.is_(place.leftovers(), [], f"{name}: nothing unfinished")


def insert(pg, n, site="'shop'", created="now()", database=None, payload=None):
    """n events in one transaction. site, created, payload: SQL over i."""
    payload = payload or "jsonb_build_object('eventType', 'click', 'n', i)"
    pg.execute(f"""INSERT INTO events (created_at, received_at, event_time, site_id, event_type,
        session_id, visitor_id, client_ip, user_agent, payload)
        SELECT {created}, now(), now(), {site}, 'click', 's' || i, NULL,
        CASE i % 3 WHEN 0 THEN '10.1.2.3' WHEN 1 THEN '2001:db8::1' END::inet, 'test', {payload}
        FROM generate_series(1, {n}) AS i""", database)


def utc(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


_COUNTS = ("SELECT (SELECT count(*) FROM export_batches) AS batches, "
           "(SELECT count(*) FROM export_runs) AS runs, "
           "(SELECT coalesce(json_agg(c ORDER BY client, destination), '[]') FROM "
           "(SELECT client, destination, batch FROM export_cursors) c) AS cursors")


def client(place, **keys):
    """The keys of a client that exports to the folder."""
    return {"bucket": place.url, "compression": "gzip", **keys}


class Setting:
    """A database of its own, two folders, and an exporter for the client acme."""

    def __init__(self, pg, folder, name, **keys):
        self.pg, self.name = pg, name
        pg.create_database(name)
        self.dir = os.path.join(folder, name)
        self.bucket = self.folder("bucket")
        self.backup = self.folder("backup")
        self.exporter = Exporter(self.dir, pg, {"client acme": client(self.bucket, **keys)}, name)
        self.exporter.run("--dry-run")   # makes the tables

    def folder(self, name):
        path = os.path.join(self.dir, name)
        os.makedirs(path)
        return Folder(path)

    def insert(self, n, **more):
        insert(self.pg, n, database=self.name, **more)

    def state(self):
        return self.pg.query(_COUNTS, self.name)[0]

    def value(self, sql):
        return self.pg.value(sql, self.name)
