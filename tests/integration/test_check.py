"""millrace-check: its findings and exit statuses, and the books, which balance whatever is
killed: workers under load, PostgreSQL, both."""

import glob
import hashlib
import json
import os
import random
import re
import signal
import subprocess

from common import BEARER, TOKEN, worker
from harness import postgres, proc, sanitizer, spool, tap
from load import Load

ADMIN = {"admin": {"token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()},
         "millrace": {"log_level": "warning"}}
PROGRAM = proc.built("cron", "millrace-check")
BATCH = {"eventType": "batch", "siteId": "books", "events": [{"eventType": "x"}] * 3}


def check(w, *args, conf=None):
    """(exit status, stdout, stderr)."""
    done = subprocess.run([PROGRAM, "-c", conf or w.conffile, *args], capture_output=True,
                          text=True, check=False, timeout=proc.DEADLINE_S,
                          stdin=subprocess.DEVNULL,
                          env=proc.clean_env(**sanitizer.env(w.folders[-1])))
    return done.returncode, done.stdout, done.stderr


def books(w, *args):
    """The exit status and the books, once no group is under way any more."""
    result = []

    def still():
        status, out, err = check(w, "--books", "--json", *args)
        if status == 3:
            raise RuntimeError(f"{out}{err}\n{w.log()[-2000:]}")
        result[:] = [status, json.loads(out)]
        return not result[1]["moving"]
    proc.wait_for(still, "the books stand still", detail=lambda: str(result))
    return result


def balanced(t, w, name):
    status, b = books(w)
    t.is_((status, b["difference"]), (0, 0), f"{name}: the books balance")
    t.is_(b["rows"]["events"], b["rows"]["events_ledger"], f"{name}: rows of events")
    t.is_(b["rows"]["rejected"], b["rows"]["rejected_ledger"], f"{name}: rows of rejected_events")
    t.is_(b["accepted"], sum(b[k] for k in ("stored", "duplicate", "rejected", "spooled",
                                            "quarantined")), f"{name}: the sum")
    return b


def options(t, _pg, w):
    with t.case("options"):
        for args in (["-h"], ["--help"]):
            status, out, err = check(w, *args)
            t.is_((status, err), (0, ""), f"{args[0]}: ends well")
            t.like(out, r"usage: millrace-check", f"{args[0]}: usage")
        t.like(check(w, "-V")[1], r"\Amillrace-check \d+\.\d+\.\d+\n\Z", "version")
        for args in (["-x"], ["extra"], ["--json"], ["--no-rows"]):
            status, out, err = check(w, *args)
            t.is_((status, out), (3, ""), f"{args[0]}: status 3")
            t.like(err, "millrace-check", f"{args[0]}: says why")


def installation(t, pg, w):
    with t.case("a sound installation"):
        status, out, err = check(w)
        t.is_((status, err), (0, ""), "status")
        for what in ("configuration", "database", "schema", "partitions", "retention", "spool",
                     "quarantine", "counters", "log"):
            t.like(out, rf"(?m)^OK: {what}: ", what)
        t.is_(check(w, "-q"), (0, "", ""), "--quiet says nothing")

    def finds(name, pattern, status):
        got, out, _ = check(w, "-q")
        t.like(out, rf"(?m)^{pattern}", name)
        t.is_(got, status, f"{name}: status")

    with t.case("findings"):
        pg.execute("ALTER TABLE schema_migrations RENAME TO s", w.database)
        finds("no schema", r"CRITICAL: schema: version 0", 2)
        pg.execute("ALTER TABLE s RENAME TO schema_migrations", w.database)
        pg.execute("INSERT INTO schema_migrations VALUES (999, 'x')", w.database)
        finds("newer schema", r"WARNING: schema: version 999", 1)
        pg.execute("DELETE FROM schema_migrations WHERE version = 999", w.database)
        # The worker makes them with each connection, of which it has another in a while.
        pg.execute("ALTER FUNCTION events_make_partition RENAME TO not_now", w.database)
        for row in pg.query("SELECT relname FROM pg_class WHERE relname ~ '^events_2' AND relkind = 'r' "
                            "ORDER BY 1 DESC LIMIT 3", w.database):
            pg.execute(f"DROP TABLE {row['relname']}", w.database)
        finds("missing partitions", r"WARNING: partitions: 4 day", 1)
        pg.execute("ALTER FUNCTION not_now RENAME TO events_make_partition", w.database)
        pg.execute("SELECT events_make_partitions(7)", w.database)
        pg.execute("INSERT INTO events (created_at, received_at, event_time, site_id, event_type, "
                   "payload) VALUES (now() - interval '9 days', now(), now(), 's', 'x', '{}')",
                   w.database)
        finds("stray events", r"WARNING: partitions: events_default has rows: .* millrace-maintain moves "
              "them", 1)
        pg.execute("DELETE FROM events_default", w.database)
        os.makedirs(os.path.join(w.dir, "spool", "quarantine"))
        bad = os.path.join(w.dir, "spool", "quarantine", "x.bad")
        with open(bad, "w", encoding="ascii") as f:
            f.write("x")
        finds("quarantine", r"CRITICAL: quarantine: 1 damaged piece", 2)
        os.unlink(bad)
        old = spool.Segment(when=1_700_000_000)
        old.add(spool.group(spool.batch([spool.event("s")])))
        path = old.write(os.path.join(w.dir, "spool"))
        finds("backlog", r"CRITICAL: spool: 1 segment", 2)
        os.unlink(path)
        conf = os.path.join(w.dir, "bad.ini")
        with open(conf, "w", encoding="ascii") as f:
            f.write("[database]\nx = 1\n")
        status, out, _ = check(w, conf=conf)
        t.is_(status, 2, "bad configuration: status")
        t.like(out, r"^CRITICAL: configuration: .*bad\.ini:2", "bad configuration")
        t.is_(check(w, "--books", conf=conf)[0], 3, "bad configuration: no books")
        log = os.path.join(w.dir, "none", "millrace.log")
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"[millrace]\nlog = {log}\n[database]\nurl = {pg.dsn(w.database)}\n")
        status, out, _ = check(w, conf=conf)
        t.like(out, rf"(?m)^WARNING: log: {re.escape(log)}: No such file or directory; workers write "
               "to syslog instead", "a log that cannot be written")
        t.ok(status > 0, "a log that cannot be written: status", status)
        t.is_(w.stop(), 0, "the worker ends")
        finds("no worker", r"WARNING: counters: \S+: no worker runs; why it ended is in its log", 1)
        w.start()
        w.wait_healthy()
        t.is_(check(w, "-q"), (0, "", ""), "and then all is well again")


def simple(t, pg, w):
    with t.case("every kind"):
        for body in (BATCH, {**BATCH, "batchId": "b"}, {**BATCH, "batchId": "b"},
                     {**BATCH, "events": [{"eventType": "x"}, 1]}):
            t.is_(w.request("POST", "/collect", body).status, 200, "taken")
        t.is_(w.request("POST", "/collect", "{").status, 400, "refused")
        b = balanced(t, w, "all")
        t.includes(b, {"accepted": 15, "stored": 10, "duplicate": 4, "rejected": 1, "spooled": 0,
                       "quarantined": 0, "in_flight": 0}, "the numbers")
        status, out, _ = check(w, "-b")
        t.is_(status, 0, "as text: status")
        t.like(out, r"^OK: books: balanced: 15 accepted = 10 stored \+ 4 duplicate \+ 1 rejected "
               r"\+ 0 spooled \+ 0 quarantined, difference 0\n", "as text")
        t.is_(check(w, "-b", "-q"), (0, "", ""), "--quiet says nothing")

    purge(t, pg, w)
    stored = pg.value("SELECT count(*) FROM events", w.database)
    with t.case("a row is missing"):
        pg.execute("DELETE FROM events WHERE id = (SELECT max(id) FROM events)", w.database)
        status, out, _ = check(w, "-b")
        t.is_(status, 2, "status")
        t.like(out, rf"(?m)^CRITICAL: events: {stored - 1} rows, {stored} in the ledger", "is found")
        t.is_(check(w, "-b", "-n", "-q"), (0, "", ""), "not without the rows")
    with t.case("a group is missing"):
        pg.execute("DELETE FROM ingest_groups WHERE group_id = (SELECT min(group_id::text)::uuid "
                   "FROM ingest_groups WHERE stored = 4)", w.database)
        status, b = books(w, "-n")
        t.is_((status, b["difference"]), (2, 4), "difference")


def purge(t, pg, w):
    """The worker's own purge, at its start, of rows that are made old."""
    with t.case("the ledger is purged"):
        before = books(w)[1]
        for _ in range(2):
            t.is_(w.stop(), 0, "stopped")
            pg.execute("UPDATE ingest_groups SET group_id = ('01800000' || "
                       "substr(group_id::text, 9))::uuid", w.database)
            w.start()
            w.wait_healthy()
            proc.wait_for(lambda: pg.value("SELECT count(*) FROM ingest_groups", w.database) == 0,
                          "the purge")
            t.is_(books(w)[1], before, "its rows are in the totals")
            t.is_(w.request("POST", "/collect", BATCH).status, 200, "more")
            before = {**before, "accepted": before["accepted"] + 4,
                      "stored": before["stored"] + 4,
                      "rows": {**before["rows"], "events": before["rows"]["events"] + 4,
                               "events_ledger": before["rows"]["events_ledger"] + 4}}


def outage(t, pg, w):
    with t.case("an outage"):
        pg.stop("fast")
        for _ in range(5):
            t.is_(w.request("POST", "/collect", BATCH).status, 202, "queued")
        t.is_(check(w, "-b")[0], 3, "no books without the database")
        t.is_(check(w)[0], 2, "and that is found")
        pg.start()
        proc.wait_for(lambda: not glob.glob(os.path.join(w.dir, "spool", "*.seg")), "a replay")
        b = balanced(t, w, "behind it")
        t.is_(b["stored"], 5 * 4, "replayed")


def spooled(t, pg, w):
    with t.case("in the spool"):
        t.is_([w.request("POST", "/collect", BATCH).status for _ in range(3)], [202] * 3,
              "queued")
        b = balanced(t, w, "spooled")
        t.is_((b["accepted"], b["spooled"]), (12, 12), "counted")
        # The segment is closed by a stop; its last record but one is damaged.
        t.is_(w.stop(), 0, "stopped")
        path, = glob.glob(os.path.join(w.dir, "spool", "*.seg"))
        with open(path, "r+b") as f:
            data = f.read()
            at = data.index(b"books", len(data) // 2)
            f.seek(at)
            f.write(b"B")
        replay = subprocess.run([os.path.join(proc.BUILDDIR, "cron", "millrace-replay"), "-c",
                                 w.conffile], capture_output=True, check=False,
                                env=proc.clean_env(**sanitizer.env(w.folders[-1])))
        t.is_(replay.returncode, 2, "replay finds the damage")
        status, b = books(w)
        t.is_((status, b["difference"]), (1, 0), "the quarantine is in the books")
        t.is_((b["stored"], b["spooled"], b["quarantined"]), (8, 0, 4), "the numbers")


def killed(t, pg, w):
    """kill -9 of the worker under load, with restarts of PostgreSQL in between."""
    random.seed(7)
    with t.case("kill -9 under load"):
        settled = 0
        with Load(w.address, "killed", threads=8) as load:
            for i in range(8):
                before = sum(load.statuses.values())
                proc.wait_for(lambda: sum(load.statuses.values()) >= before
                              + random.randrange(5, 60), "some requests")
                if i % 4 == 3:
                    pg.kill9()
                w.process.kill(signal.SIGKILL)
                w.process.wait()
                if i % 4 == 3:
                    pg.start()
                status, b = books(w, "--no-rows")
                settled += status == 0 and b["difference"] == 0 and b["in_flight"] == 0
                w.start()
                load.wait_for(200, 5)
        t.is_(settled, 8, "each time the books balanced while nobody was at work")
        proc.wait_for(lambda: not [p for p in glob.glob(os.path.join(w.dir, "spool", "*.seg"))
                                   if os.path.getsize(p) > 36], "a replay")
        b = balanced(t, w, "in the end")
        acknowledged = load.statuses[200] + load.statuses[202]
        t.ok(0 < acknowledged <= b["accepted"] <= len(load.answers),
             "what was acknowledged is accepted, and no more than was sent",
             f"{acknowledged} {b['accepted']} {len(load.answers)}")


def under_load(t, pg, w):
    with t.case("under load"):
        with Load(w.address, "moving") as load:
            for _ in range(3):
                load.wait_for(200, 20)
                status, out, _ = check(w, "--books", "--json")
                t.is_((status, json.loads(out)["difference"]), (0, 0), "they balance")
        answer = w.request("GET", "/health?books=1", headers=BEARER).json()
        b = books(w)[1]
        t.includes(answer.get("books"), {k: b[k] for k in ("accepted", "stored", "spooled",
                                                            "difference")}, "/health has them")
        t.ok("books" not in w.request("GET", "/health", headers=BEARER).json(),
             "when it is asked for them")
        t.ok("books" not in w.request("GET", "/health?books=1").json(), "and with the token")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    for part in (options, installation, simple, outage, spooled, killed, under_load):
        pg.create_database(part.__name__)
        # With ingest = spool the worker makes no tables.
        with worker(pg, part.__name__) as first:
            first.wait_healthy()
        more = {"collector": {"ingest": "spool"}} if part is spooled else {}
        w = worker(pg, part.__name__, sections={**ADMIN, **more})
        w.database = part.__name__
        with w:
            if part is not spooled:
                w.wait_healthy()
            part(t, pg, w)
