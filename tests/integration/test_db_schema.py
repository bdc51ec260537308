"""The worker makes its tables by itself: on an empty database, many workers at once, when
PostgreSQL comes later. What it cannot use it says clearly, and goes on trying."""

import contextlib
import os
import re
import socketserver
import struct
import subprocess
import threading

from common import LOG_LINE, NO_SPOOL, check_error, success, without_time, worker
from harness import postgres, proc, tap

PARTITIONS = """SELECT inhrelid::regclass::text AS name FROM pg_inherits
    WHERE inhparent = 'events'::regclass ORDER BY 1"""
WEEK = """SELECT 'events_' || to_char((now() AT TIME ZONE 'UTC')::date + i, 'YYYYMMDD') AS name
    FROM generate_series(0, {}) AS i ORDER BY 1"""
WHERE_STORED = "SELECT tableoid::regclass::text AS name FROM events WHERE site_id = '{}'"


def post(w, site="default"):
    return w.request("POST", "/collect", {"eventType": "x", "siteId": site})


def errors(w):
    return "\n".join(re.findall(LOG_LINE + "ERROR: .*", w.log()))


def unavailable(t, w, log_pattern):
    """The worker answers 503 and its log says why."""
    answer = post(w)
    check_error(t, answer, 503, r".")
    t.is_(answer.headers.get("retry-after"), "5", "Retry-After")
    answer = w.request("GET", "/health")
    t.is_(answer.status, 503, "/health")
    t.is_(without_time(answer), {"status": "unhealthy", "database": "disconnected"},
          "/health answer")
    logged(t, w, log_pattern)


def logged(t, w, pattern):
    proc.wait_for(lambda: re.search(pattern, errors(w)), pattern, detail=w.log)
    t.like(errors(w), pattern, "the log says why")


def recovers(t, w, pid, site):
    w.wait_healthy()
    t.is_(without_time(post(w, site)), success(1), "stores again, by itself")
    t.is_((w.running(), w.pid), (True, pid), "the same worker")


def at_once(t, pg):
    with t.case("six workers on an empty database"), contextlib.ExitStack() as stack:
        pg.create_database("empty")
        first = stack.enter_context(worker(pg, "empty"))
        workers = [first] + [stack.enter_context(worker(pg, "empty")) for _ in range(5)]
        for i, w in enumerate(workers):
            w.wait_healthy()
            t.is_(without_time(post(w, f"site{i}")), success(1), f"worker {i} stores")
            t.is_(errors(w), "", f"worker {i} logs no error")
        t.is_(pg.value("SELECT count(*) FROM events", "empty"), 6, "all rows are there")
        for w in workers:
            w.terminate()


def partitions(t, pg):
    with t.case("partitions"):
        pg.create_database("days")
        before = pg.query(WEEK.format(7), "days")
        with worker(pg, "days") as w:
            w.wait_healthy()
            after = pg.query(WEEK.format(7), "days")
            got = [row["name"] for row in pg.query(PARTITIONS, "days")]
            # Midnight may pass between the questions.
            t.ok(set(got) in ({row["name"] for row in want} | {"events_default"}
                              for want in (before, after)), "today and seven days, and the rest",
                 got)
            t.is_(post(w, "a").status, 200, "an event")
            t.ok(pg.value(WHERE_STORED.format("a"), "days") in got[:-1], "goes to its day")
            # The worker makes them with each connection, of which it has another in a while.
            pg.execute("ALTER FUNCTION events_make_partition RENAME TO not_now", "days")
            for name in got[:-1]:
                pg.execute(f"ALTER TABLE events DETACH PARTITION {name}; DROP TABLE {name}",
                           "days")
            t.is_(without_time(post(w, "b")), success(1), "an event when its day is missing")
            t.is_(pg.value(WHERE_STORED.format("b"), "days"), "events_default",
                  "goes to the default partition")
            pg.execute("ALTER FUNCTION not_now RENAME TO events_make_partition", "days")
        with worker(pg, "days") as w:
            w.wait_healthy()
            t.is_(without_time(post(w, "c")), success(1), "the next worker")
            t.is_(pg.value("SELECT count(*) FROM events", "days"), 2, "keeps what is there")
    with t.case("partitions_ahead = 1"):
        pg.create_database("two")
        with worker(pg, "two", {"database": {"partitions_ahead": 1}}) as w:
            w.wait_healthy()
            t.is_(len(pg.query(PARTITIONS, "two")), 3, "today, tomorrow, and the rest")


def restart_keeps(t, pg):
    with t.case("second start"):
        pg.create_database("again")
        for i in range(2):
            with worker(pg, "again") as w:
                w.wait_healthy()
                t.is_(without_time(post(w, f"run{i}")), success(1), f"start {i} stores")
                t.is_(errors(w), "", f"start {i} logs no error")
        t.is_(pg.value("SELECT count(*) FROM events", "again"), 2, "both rows are there")


def later(t, pg):
    with t.case("PostgreSQL comes later"):
        pg.create_database("later")
        pg.stop()
        with worker(pg, "later", NO_SPOOL) as w:
            pid = w.pid
            unavailable(t, w, r"(?i)connect")
            t.is_(w.request("GET", "/events/recent", remote_addr="127.0.0.1").status, 503,
                  "/events/recent")
            answer = w.request("GET", "/pixel.gif?eventType=x")
            t.is_((answer.status, answer.headers.get("x-millrace")), (200, "unavailable"),
                  "the pixel")
            pg.start()
            recovers(t, w, pid, "later")
            t.is_(pg.value("SELECT count(*) FROM events", "later"), 1, "the refused are not there")

    with t.case("no such database"):
        with worker(pg, "missing", NO_SPOOL) as w:
            unavailable(t, w, r"missing")
            pid = w.pid
            pg.create_database("missing")
            recovers(t, w, pid, "x")

    with t.case("secrets"):
        url = f"postgresql://millrace:sekret%21@/{pg.database}?host={pg.dir}/nowhere"
        with worker(pg, sections={"database": {"url": url}, **NO_SPOOL}) as w:
            unavailable(t, w, r".")
            t.unlike(w.log(), r"sekret", "the password is not in the log")
            t.unlike(post(w).text, r"sekret|nowhere", "nor in an answer")


def fewer(t, pg):
    """The set-up of INSTALL for a role that owns nothing: all that it needs, it may."""
    pg.create_database("fewer", owner=postgres.SUPERUSER)
    owner = pg.dsn("fewer", postgres.SUPERUSER)

    def program(name, *args, **env):
        return subprocess.run([os.path.join(proc.BUILDDIR, "cron", name), *args], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              env=proc.clean_env(**env))
    for wanted in ("is at version .* now; it was at 0", "is at version .* already"):
        done = program("millrace-admin", "-c", "/dev/null", "migrate", DATABASE_URL=owner)
        t.is_((done.returncode, done.stderr), (0, ""), "millrace-admin migrate, as the owner")
        t.like(done.stdout, wanted, "says what it did")
        done = subprocess.run([os.path.join(pg.bin, "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-v",
                               f"role={postgres.OWNER}", "-f",
                               os.path.join(proc.SRCDIR, "schema", "grants.sql"), owner],
                              capture_output=True, text=True, check=False, env=proc.clean_env())
        t.is_((done.returncode, done.stderr), (0, ""), "grants.sql")
    pg.execute("DROP TABLE events_" + pg.value("SELECT to_char(now() AT TIME ZONE 'UTC' + "
               "interval '1 day', 'YYYYMMDD')", "fewer"), "fewer")
    with proc.temp_dir() as folder, worker(pg, "fewer", {
            **NO_SPOOL, "client acme": {"bucket": f"file://{folder}"}}) as w:
        w.wait_healthy()
        t.is_(post(w, "fewer").status, 200, "an event is stored")
        body = {"eventType": "batch", "siteId": "fewer", "batchId": "b",
                "events": [{"eventType": "a"}, {"bad": 1}]}
        for status in ("partial", "success"):   # the second one is a duplicate
            t.is_(w.request("POST", "/collect", body).json()["status"], status,
                  "a batch with a bad event, and again")
        t.is_(pg.query(PARTITIONS, "fewer")[:-1], pg.query(WEEK.format(7), "fewer"),
              "the partition that was missing is made")
        for name, *args in (("millrace-export",), ("millrace-export", "--since", "2025-01-01"),
                            ("millrace-export", "--force"), ("millrace-export", "--verify"),
                            ("millrace-admin", "rejected", "list"),
                            ("millrace-admin", "rejected", "delete", "--all"),
                            ("millrace-check", "--books")):
            done = program(name, "-c", w.conffile, *args)
            t.is_((done.returncode, done.stderr), (0, ""), f"{name} {' '.join(args)}")
        t.unlike(program("millrace-check", "-c", w.conffile).stdout, "denied", "millrace-check")


def privileges(t, pg):
    with t.case("may not create tables"):
        pg.create_database("closed", owner=postgres.SUPERUSER)
        with worker(pg, "closed", NO_SPOOL) as w:
            pid = w.pid
            unavailable(t, w, r"permission denied")
            pg.execute("GRANT CREATE ON SCHEMA public TO millrace", "closed")
            recovers(t, w, pid, "closed")

    with t.case("owns nothing"):
        fewer(t, pg)

    with t.case("may not insert"):
        pg.create_database("readonly")
        with worker(pg, "readonly", NO_SPOOL) as w:
            w.wait_healthy()
            pid = w.pid
            pg.execute("REVOKE INSERT ON events FROM millrace", "readonly")
            answer = post(w)
            check_error(t, answer, 503, r".")
            t.is_(answer.headers.get("retry-after"), "5", "Retry-After")
            logged(t, w, r"permission denied")
            t.is_(pg.value("SELECT count(*) FROM rejected_events", "readonly"), 0,
                  "the event is not blamed")
            pg.execute("GRANT INSERT ON events TO millrace", "readonly")
            recovers(t, w, pid, "readonly")

    with t.case("a database that is not UTF-8"):
        pg.create_database("latin", options="ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'")
        with worker(pg, "latin", NO_SPOOL) as w:
            unavailable(t, w, r"(?i)utf-?8")
            t.is_(pg.query(r"SELECT FROM pg_tables WHERE schemaname = 'public'", "latin"), [],
                  "nothing is made in it")


FILL = """INSERT INTO events (created_at, received_at, event_time, site_id, event_type, payload)
    SELECT now() - interval '400 days' + i * interval '1 second', now(), now(),
           CASE WHEN i = 1000 THEN 'rare' ELSE 'site' || i % 50 END, 'x',
           jsonb_build_object('text', repeat('x', 100)) FROM generate_series(1, 50000) AS i"""
AGO = """INSERT INTO events (created_at, received_at, event_time, site_id, event_type, payload)
    SELECT now() - ago::interval, now(), now(), 'rare', ago, '{}' FROM unnest(%s) AS ago"""


def recent(t, pg):
    """The index leads /events/recent to the newest of a site, however long ago they came."""
    ages = ["1 second", "10 seconds", "30 minutes", "5 hours", "3 days", "300 days"]
    pg.create_database("recent")
    with worker(pg, "recent") as w:
        def site(name, limit):
            answer = w.request("GET", f"/events/recent?site={name}&limit={limit}",
                               remote_addr="127.0.0.1")
            return [event["event_type"] for event in answer.json()["events"]]
        w.wait_healthy()
        pg.execute(FILL, "recent")
        pg.execute(AGO % f"ARRAY{ages}", "recent")
        pg.execute("VACUUM ANALYZE events", "recent")
        for limit in range(1, len(ages) + 1):
            t.is_(site("rare", limit), ages[:limit], f"the newest {limit}")
        t.is_(site("rare", 100), [*ages, "x"], "all of the site")
        t.is_(site("none", 100), [], "none of a site that is not there")
    pages = pg.value("SELECT (sum(pg_relation_size(inhrelid)) / 8192)::int FROM pg_inherits "
                     "WHERE inhparent = 'events'::regclass", "recent")
    plan = pg.execute("SET enable_seqscan = off; EXPLAIN (ANALYZE, TIMING off) "
                      "SELECT FROM events WHERE site_id = 'rare'", "recent")
    read = sum(map(int, re.findall(r"lossy=(\d+)", plan)))
    t.ok(0 < read < pages / 4, f"{read} of {pages} pages are read")


# Rows of one transaction, which the planner may know nothing of.
MANY = """INSERT INTO events (created_at, received_at, event_time, site_id, event_type, payload)
    SELECT {created}, now(), now(), 'site' || i % 50, {name}, jsonb_build_object('text',
    repeat('x', 1100)) FROM generate_series(1, {n}) AS i"""
YESTERDAY = "date_trunc('day', now()) - interval '12 hours'"
PAGES = "SELECT pg_relation_size(to_regclass('events_' || to_char({}, 'YYYYMMDD'))) / 8192"


def pages_read(log):
    """Of the statements that read events: how many pages the one with the most has met, how
    many all of them; and lines of plans with a scan that does not end where it is told to."""
    plans = [text for text in re.split(r"^\S+ \S+ \S+ \[\d+\] LOG: ", log, flags=re.M)
             if "plan:" in text and re.search(r"\bon events", text)]
    # The first line of buffers is that of the whole plan.
    pages = [sum(int(n) for n in re.findall(r"(?:hit|read)=(\d+)", lines[1]))
             for text in plans if (lines := re.search(r"(?m)^\s+Buffers: (shared .*)$", text))]
    return sum(pages), [line.strip() for text in plans for line in text.splitlines()
                        if re.search(r"(Seq|Bitmap Heap) Scan on events", line)]


def recent_is_bounded(t, pg):
    """However much a partition has, /events/recent reads its end, also for a site that has
    nothing, and as a role that may read events and not the partitions themselves."""
    pg.create_database("bounded")
    for key, value in {**postgres.EXPLAIN, "auto_explain.log_buffers": "on"}.items():
        pg.execute(f"ALTER DATABASE bounded SET {key} = {value}", "bounded")
    with worker(pg, "bounded") as w:
        w.wait_healthy()
    pg.execute("CREATE ROLE reader LOGIN", "bounded")
    pg.execute("\\set role reader\n" + proc.read_text(os.path.join(
        proc.SRCDIR, "schema", "grants.sql")), "bounded")
    with worker(pg, "bounded", {"database": {"url": pg.dsn("bounded", "reader")}}) as w:
        w.wait_healthy()
        pg.execute("SELECT events_make_partition(d, d + interval '1 day') FROM (SELECT "
                   "date_trunc('day', now()) - interval '1 day' AS d) AS d", "bounded")

        def ask(query, most):
            before = len(pg.log_text())
            answer = w.request("GET", f"/events/recent?{query}", remote_addr="127.0.0.1").json()
            pages, scans = pages_read(pg.log_text()[before:])
            t.ok(0 < pages <= most, f"{query}: at most {most} pages are read", pages)
            t.is_(scans, [], f"{query}: each scan has an end")
            return [e["event_type"] for e in answer["events"]], answer
        pg.execute(MANY.format(created=YESTERDAY, name="i", n=70000), "bounded")
        old = pg.value(PAGES.format(YESTERDAY), "bounded")
        t.ok(old > 9000, "a partition of many pages", old)
        for name, query, want in (
                ("of all", "limit=3", ["70000", "69999", "69998"]),
                ("of a site", "limit=3&site=site7", ["69957", "69907", "69857"])):
            found, answer = ask(query, 1000)
            t.is_((found, set(answer)), (want, {"events", "count"}), f"the newest {name}")
        found, answer = ask("limit=3&site=none", old - 500)
        t.is_((found, set(answer)), ([], {"events", "count", "looked_back_to"}), "a site without any")
        t.is_(answer["looked_back_to"], pg.value(
            f"SELECT to_char({YESTERDAY}, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')", "bounded"),
              "how far it looked")
        pg.execute(MANY.format(created="now()", name="'new' || i", n=14000), "bounded")
        pg.execute(MANY.format(created="date_trunc('day', now())", name="'late' || i", n=600),
                   "bounded")
        pg.execute("INSERT INTO events (received_at, event_time, site_id, event_type, payload) "
                   "SELECT now(), now(), 'site1', 'gone', '{}' FROM generate_series(1, 9); "
                   "DELETE FROM events WHERE event_type = 'gone'", "bounded")
        found, _ = ask("limit=3", 1500)
        t.is_(found, ["new14000", "new13999", "new13998"], "behind late rows and dead ones")
        found, _ = ask("limit=500&site=site7", 10000)
        t.is_((found[0], found[279:281], found[291:293], found[-1], len(found)),
              ("new13957", ["new7", "late557"], ["late7", "69957"], "59607", 500),
              "those of a long transaction, and of the partition before, in their order")
        pg.execute("INSERT INTO events (created_at, received_at, event_time, site_id, event_type, "
                   "payload) SELECT now() + i * interval '300 days', now(), now(), 'far', "
                   "'far' || i, '{}' FROM generate_series(-2, 2) AS i WHERE i <> 0", "bounded")
        found, _ = ask("limit=4&site=far", old + 3000)
        t.is_(found, ["far2", "far1", "far-1", "far-2"], "and rows of days without a partition")
        found, _ = ask("limit=3", 1500)
        t.is_(found, ["far2", "far1", "new14000"], "with all others")


class OldServer(socketserver.StreamRequestHandler):
    """As much of PostgreSQL 13 as tells its version (its documentation, "Message Formats")."""

    def handle(self):
        def send(kind, body):
            self.wfile.write(kind + struct.pack(">i", len(body) + 4) + body)
        length, = struct.unpack(">i", self.rfile.read(4))
        self.rfile.read(length - 4)
        send(b"R", struct.pack(">i", 0))
        for key, value in ((b"server_version", b"13.23"), (b"server_encoding", b"UTF8")):
            send(b"S", key + b"\0" + value + b"\0")
        send(b"Z", b"I")
        self.rfile.read()


def jsonb(t, pg):
    with t.case("a column of jsonb"):
        pg.create_database("jsonb")
        with worker(pg, "jsonb") as w:
            w.wait_healthy()
            pg.execute("ALTER TABLE events ALTER payload TYPE jsonb USING payload::jsonb", "jsonb")
            answer = w.request("POST", "/collect", '{"n":1e2,"eventType":"x","n":1e3}')
            t.is_(without_time(answer), success(1), "stores")
            t.is_(pg.value("SELECT payload::text FROM events", "jsonb"),
                  '{"n": 1000, "eventType": "x"}', "in jsonb's form")
            answer = w.request("GET", "/events/recent", remote_addr="127.0.0.1")
            t.is_(answer.json()["events"][0]["payload"], {"n": 1000, "eventType": "x"}, "is shown")


def old(t, pg):
    with t.case("PostgreSQL 13"), socketserver.ThreadingTCPServer(("127.0.0.1", 0),
                                                                  OldServer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"host=127.0.0.1 port={server.server_address[1]} sslmode=disable gssencmode=disable"
        with worker(pg, sections={"database": {"url": url}, **NO_SPOOL}) as w:
            unavailable(t, w, r"PostgreSQL 13 is too old, it must be 14 or later")
        server.shutdown()
        thread.join()


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    at_once(t, pg)
    partitions(t, pg)
    restart_keeps(t, pg)
    privileges(t, pg)
    with t.case("a site's newest events"):
        recent(t, pg)
    with t.case("what a site's newest events cost"):
        recent_is_bounded(t, pg)
    jsonb(t, pg)
    later(t, pg)
    old(t, pg)
