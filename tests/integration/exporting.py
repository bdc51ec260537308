"""What the tests of the export share: the program, what lies at a destination, events."""

import collections
import datetime
import gzip
import hashlib
import json
import os

from harness import fcgi, proc, sanitizer, tap

# How an event is written, from its columns. The test of the formats reads all three; here,
# NDJSON is compared with the table column by column.
COLUMNS = ("id", "created_at", "received_at", "event_time", "site_id", "event_type",
           "session_id", "visitor_id", "client_ip", "user_agent", "payload")


def program():
    """The millrace-export under test; the test program is skipped without it."""
    path = os.path.join(proc.BUILDDIR, "cron", "millrace-export")
    if not os.access(path, os.X_OK):
        tap.skip_all(f"{path} is not built")
    return path


class Exporter:
    """millrace-export with a configuration of its own in a folder.

    sections: {section: {key: value}}; [database] url is added.
    """

    def __init__(self, folder, pg, sections, database=None, env=None):
        self.folder, self.pg, self.database = folder, pg, database
        self.program = program()
        self.ini = os.path.join(folder, "millrace.ini")
        self.more_env = env or {}
        self.configure(sections)

    def configure(self, sections):
        self.sections = sections
        ini = {"database": {"url": self.pg.dsn(self.database)}, **sections}
        with open(self.ini, "w", encoding="utf-8") as f:
            f.write(fcgi.ini_text(ini))

    def _command(self, args):
        return [self.program, "-c", self.ini, *args]

    def _env(self):
        return proc.clean_env(**sanitizer.env(self.folder), **self.more_env)

    def run(self, *args):
        """Runs it to its end; AssertionError when a sanitizer reported something."""
        return sanitizer.run(self.folder, self._command(args), 10 * proc.DEADLINE_S,
                             **self.more_env)

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
        with open(os.path.join(self.path, key), "rb") as f:
            return f.read()

    def everything(self):
        """{key: bytes}"""
        return {key: self.get(key) for key in self.keys()}


class Bucket:
    """An s3:// destination, read by a client of its own."""

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
    """A client's keys for a bucket over TLS."""
    return {"bucket": bucket.name, "endpoint": server.tls_endpoint, "ca_file": server.ca_file,
            "compression": "gzip", "part_size": "5M", **more}


def is_manifest(key):
    return os.path.basename(os.path.dirname(key)) == "_manifest"


def unpack(key, data):
    """Lines of an NDJSON object as dicts; .ndjson and .ndjson.gz."""
    text = gzip.decompress(data) if key.endswith(".gz") else data
    return [json.loads(line) for line in text.splitlines()]


def without_manual(keys):
    return [key for key in keys if "manual/" not in key]


def manifests(place, wanted=without_manual):
    """The manifests in the order of their batches."""
    return [json.loads(place.get(key)) for key in sorted(wanted(place.keys()))
            if is_manifest(key)]


def read_rows(place, wanted=without_manual):
    """All rows of all objects."""
    return [row for key in wanted(place.keys()) if not is_manifest(key)
            for row in unpack(key, place.get(key))]


def check_manifests(t, place, wanted=without_manual):
    """Every object is in exactly one manifest, which tells the truth about it."""
    listed = collections.Counter()
    problems = []
    for manifest in manifests(place, wanted):
        rows = size = 0
        for entry in manifest["objects"]:
            listed[entry["key"]] += 1
            try:
                data = place.get(entry["key"])
            except OSError as e:
                problems.append(str(e))
                continue
            got = unpack(entry["key"], data)
            ids = [row["id"] for row in got]
            if ((len(data), hashlib.sha256(data).hexdigest(), len(got), min(ids), max(ids)) !=
                    (entry["bytes"], entry["sha256"], entry["rows"], entry["min_id"],
                     entry["max_id"])):
                problems.append(f"{entry} is not what lies there")
            if {row["site_id"] for row in got} != {entry["site_id"]}:
                problems.append(f"{entry['key']} has rows of other sites")
            if {row["created_at"][:13] for row in got} != {entry["hour"][:13]}:
                problems.append(f"{entry['key']} has rows of other hours")
            rows += len(got)
            size += len(data)
        if (rows, size) != (manifest["rows"], manifest["bytes"]):
            problems.append(f"{manifest['batch']}: the sums are wrong")
    there = {key for key in wanted(place.keys()) if not is_manifest(key)}
    t.ok(not problems, "objects are as their manifests say", "\n".join(problems[:5]))
    t.ok(set(listed) == there and all(n == 1 for n in listed.values()),
         "every object is in one manifest",
         f"without: {sorted(there - set(listed))[:5]}, missing: {sorted(set(listed) - there)[:5]}, "
         f"twice: {[k for k, n in listed.items() if n > 1][:5]}")


def table(pg, where="true", database=None):
    """The rows of the table as they have to be exported."""
    times = ", ".join(f"to_char({c} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS {c}"
                      for c in COLUMNS[1:4])
    return pg.query(f"SELECT id, {times}, site_id, event_type, session_id, visitor_id, "
                    f"host(client_ip) AS client_ip, user_agent, payload FROM events "
                    f"WHERE {where}", database)


def check_same(t, name, got, want):
    """The rows are the same, each of them once."""
    twice = [i for i, n in collections.Counter(row["id"] for row in got).items() if n > 1]
    missing = {row["id"] for row in want} - {row["id"] for row in got}
    alien = {row["id"] for row in got} - {row["id"] for row in want}
    t.ok(not twice and not missing and not alien, f"{name}: each id once ({len(want)})",
         f"twice: {len(twice)} {twice[:5]}, missing: {len(missing)} {sorted(missing)[:5]}, "
         f"not in the table: {len(alien)} {sorted(alien)[:5]}")
    wanted = {row["id"]: row for row in want}
    other = [(row, wanted[row["id"]]) for row in got
             if row["id"] in wanted and row != wanted[row["id"]]]
    t.ok(not other, f"{name}: every value is the table's", lambda: str(other[:2]))


def check_complete(t, name, place, pg, where="true", database=None, wanted=without_manual):
    """The destination has what the table has."""
    check_same(t, name, read_rows(place, wanted), table(pg, where, database))
    check_manifests(t, place, wanted)
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
