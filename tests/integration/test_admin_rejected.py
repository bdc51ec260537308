"""millrace-admin rejected: what was refused is listed, exported, retried once, deleted; the
books know of all of it."""

import json
import os
import re
import subprocess
import tempfile
import threading

from common import worker
from harness import postgres, proc, sanitizer, tap

ADMIN = proc.built("cron", "millrace-admin")
CHECK = proc.built("cron", "millrace-check")
REFUSE = "ALTER TABLE events ADD CONSTRAINT no_bad CHECK (event_type <> 'bad')"
MEND = "ALTER TABLE events DROP CONSTRAINT no_bad"


def run(w, program, *args):
    """(exit status, stdout, stderr)."""
    done = subprocess.run([program, "-c", w.conffile, *args], capture_output=True, text=True,
                          check=False, timeout=proc.DEADLINE_S, stdin=subprocess.DEVNULL,
                          env=proc.clean_env(**sanitizer.env(w.folders[-1])))
    return done.returncode, done.stdout, done.stderr


def admin(w, *args):
    return run(w, ADMIN, "rejected", *args)


def balanced(t, w, name):
    result = []

    def still():
        status, out, _ = run(w, CHECK, "--books", "--json")
        result[:] = [status, json.loads(out)]
        return not result[1]["moving"]
    proc.wait_for(still, "the books stand still", detail=lambda: str(result))
    t.is_(result[0], 0, f"{name}: the books balance")


def fill(t, pg, w):
    with t.case("refused"):
        pg.execute(REFUSE)
        bodies = [{"eventType": "batch", "siteId": site, "sessionId": "s", "events": [
            {"eventType": "good"}, {"eventType": "bad", "n": n}]} for n, site in
            enumerate(("one.test", "one.test", "two.test"))]
        t.is_([w.request("POST", "/collect", b).status for b in bodies], [200] * 3, "by the database")
        body = {"eventType": "batch", "siteId": "two.test", "events": [{"eventType": "x"}, 42]}
        t.is_(w.request("POST", "/collect", body).status, 200, "by the worker")
        t.is_(pg.value("SELECT count(*) FROM rejected_events"), 4, "four rows")
        balanced(t, w, "refused")


def misuse(t, w):
    with t.case("misuse"):
        for args in ([], ["nonsense"], ["show"], ["retry"], ["delete"], ["show", "x"],
                     ["list", "--limit", "x"], ["list", "--since", "yesterday"], ["list", "--x"],
                     ["delete", "1;"]):
            status, out, err = admin(w, *args)
            t.is_((status, out), (2, ""), f"{args}: status 2")
            t.like(err, "millrace-admin: rejected: ", f"{args}: says why")
        t.is_(run(w, ADMIN, "-h")[0], 0, "--help")
        t.like(run(w, ADMIN, "-h")[1], "rejected", "has it")


def look(t, pg, w):
    ids = [row["id"] for row in pg.query("SELECT id FROM rejected_events ORDER BY id")]

    def listed(*args):
        status, out, err = admin(w, "list", *args)
        t.is_((status, err), (0, ""), f"list {args}: status")
        return [int(line.split()[0]) for line in out.splitlines()]
    with t.case("list"):
        t.is_(listed(), ids, "all")
        t.is_(listed("--site", "two.test"), ids[2:], "--site")
        t.is_(listed("--limit", "1"), ids[:1], "--limit")
        t.is_(listed("--since", "2000-01-01"), ids, "--since, long ago")
        t.is_(listed("--since", "2999-01-01"), [], "--since, not yet")
        t.is_(listed(str(ids[1])), [ids[1]], "one")
        t.like(admin(w, "list")[1], r"(?m)^ +\d+ \S+Z 23514 one\.test: .*no_bad", "what it says")
    with t.case("show"):
        out = admin(w, "show", str(ids[0]))[1]
        t.like(out, r'(?m)^payload +\{.*"eventType": ?"bad"', "the payload")
        t.like(out, r"(?m)^sqlstate +23514$", "the SQLSTATE")
    with t.case("export"):
        status, out, _ = admin(w, "export", "--site", "two.test")
        rows = [json.loads(line) for line in out.splitlines()]
        t.is_((status, len(rows)), (0, 2), "one line each")
        t.includes(rows[0], {"id": ids[2], "site_id": "two.test", "sqlstate": "23514",
                             "event_index": 1, "client_ip": "192.0.2.1"}, "the columns")
        t.is_(json.loads(rows[0]["payload"]), {"eventType": "bad", "n": 2}, "the payload")
        t.is_(bytes.fromhex(rows[1]["payload_hex"]), b"42", "its bytes")
        t.is_(rows[1]["sqlstate"], None, "refused by the worker")
    return ids


def retry(t, pg, w, ids):
    with t.case("retry before the cause is mended"):
        status, out, err = admin(w, "retry", str(ids[0]))
        t.is_((status, out), (1, "stored 0 event(s), 1 still refused\n"), "is refused again")
        t.like(err, rf"event {ids[0]} is still refused: .*no_bad", "and says why")
        t.is_(pg.value("SELECT count(*) FROM rejected_events"), 4, "stays")
        balanced(t, w, "before")
    pg.execute(MEND)
    with t.case("retry of one"):
        t.is_(admin(w, "retry", str(ids[0])), (0, "stored 1 event(s), 0 still refused\n", ""),
              "is stored")
        row, = pg.events("event_type = 'bad'")
        t.includes(row, {"site_id": "one.test", "client_ip": "192.0.2.1",
                         "payload": {"eventType": "bad", "n": 0}}, "as it was sent")
        t.is_(admin(w, "retry", str(ids[0]))[:2], (0, "stored 0 event(s), 0 still refused\n"),
              "once")
        balanced(t, w, "after one")
    with t.case("retry of all, five at once"):
        results = []
        threads = [threading.Thread(target=lambda: results.append(admin(w, "retry", "--all")))
                   for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        t.is_(sum(int(out.split()[1]) for _, out, _ in results), 2, "two are stored in all")
        t.is_(sorted(row["payload"]["n"] for row in pg.events("event_type = 'bad'")), [0, 1, 2],
              "each once")
        t.is_([row["id"] for row in pg.query("SELECT id FROM rejected_events")], ids[3:],
              "what the worker refuses stays")
        balanced(t, w, "after all")


def delete(t, pg, w, ids):
    with t.case("delete"):
        t.is_(admin(w, "delete", str(ids[0]))[:2], (0, "deleted 0 rejected event(s)\n"), "gone")
        t.is_(admin(w, "delete", "--site", "two.test")[:2],
              (0, "deleted 1 rejected event(s)\n"), "by site")
        t.is_(pg.value("SELECT count(*) FROM rejected_events"), 0, "none is left")
        balanced(t, w, "after it")


def keyed(t, pg, w):
    """Refused rows of a batch whose batchId is on record with the others."""
    pg.execute("ALTER TABLE events ADD CONSTRAINT no_flag CHECK (NOT payload::jsonb ? 'flag')")
    with t.case("an envelope"):
        body = {"eventType": "batch", "flag": 1, "siteId": "keyed.test", "batchId": "k", "events": [
            {"eventType": "kept"}, {"eventType": "other", "flag": 1, "batchId": "k"}]}
        t.is_(w.request("POST", "/collect", body).json()["events_rejected"], 2, "and a member")
        pg.execute("ALTER TABLE events DROP CONSTRAINT no_flag")
        status, out, err = admin(w, "retry", "--all")
        t.is_((status, out), (1, "stored 1 event(s), 1 still refused\n"), "the envelope is stored")
        t.like(err, "its batchId was stored before", "what has the same batchId by itself is not")
        t.is_(sorted(row["event_type"] for row in pg.events("site_id = 'keyed.test'")),
              ["batch", "kept"], "they are in the table")
        t.is_(pg.value("SELECT count(*) FROM rejected_events"), 1, "it stays")
        balanced(t, w, "after an envelope")


def peak_mib(w, *args):
    """(lines of standard output, MiB that millrace-admin rejected had in memory at most)."""
    env = proc.clean_env(**sanitizer.env(w.folders[-1]))
    # AddressSanitizer would keep what was freed.
    env["ASAN_OPTIONS"] += ":quarantine_size_mb=1"
    with tempfile.TemporaryFile() as out:
        p = subprocess.Popen([ADMIN, "-c", w.conffile, "rejected", *args], stdout=out,
                             stdin=subprocess.DEVNULL, env=env)
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return (p.returncode, sum(1 for _ in out)), usage.ru_maxrss / 1024


def many(t, pg, w):
    """More than is read at a time, in rows and in bytes."""
    insert = ("INSERT INTO rejected_events (received_at, site_id, client_ip, event_index, reason, "
              "payload) SELECT now(), '{}', '192.0.2.1', 0, 'by hand', {} "
              "FROM generate_series(1, {}) AS n")
    pg.execute(insert.format("rows.test", "convert_to('7' || n, 'UTF8')", 1203))
    pg.execute(insert.format("bytes.test", "convert_to(repeat('x', 2097152), 'UTF8')", 60))
    with t.case("many"):
        ids = [row["id"] for row in pg.query(
            "SELECT id FROM rejected_events WHERE site_id = 'rows.test' ORDER BY id")]
        for limit, want in ((5000, ids), (1203, ids), (1001, ids[:1001]), (500, ids[:500])):
            status, out, _ = admin(w, "list", "--site", "rows.test", "--limit", str(limit))
            t.is_((status, [int(line.split()[0]) for line in out.splitlines()]), (0, want),
                  f"--limit {limit}: each once, in order")
        status, out, _ = admin(w, "export", "--site", "rows.test")
        t.is_([json.loads(line)["payload"] for line in out.splitlines()],
              [f"7{n}" for n in range(1, 1204)], "all are exported")
        done, mib = peak_mib(w, "export", "--site", "bytes.test")
        t.is_(done, (0, 60), "120 MiB of payload are exported")
        t.ok(mib < 200, "a few at a time", f"{mib:.0f} MiB in memory")
    with t.case("retry of many"):
        status, out, err = admin(w, "retry", "--site", "rows.test")
        t.is_((status, out), (1, "stored 0 event(s), 1203 still refused\n"), "each is tried once")
        t.is_(len(re.findall(r"is still refused: \S", err)), 1203, "and why is said")
    pg.execute("DELETE FROM rejected_events WHERE site_id IN ('rows.test', 'bytes.test')")
    balanced(t, w, "after many")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    with worker(pg) as w:
        w.wait_healthy()
        misuse(t, w)
        fill(t, pg, w)
        all_ids = look(t, pg, w)
        retry(t, pg, w, all_ids)
        delete(t, pg, w, all_ids)
        keyed(t, pg, w)
        many(t, pg, w)
    with t.case("no database"):
        pg.stop("fast")
        with worker(pg) as w:
            status, _, err = admin(w, "list")
            t.is_(status, 1, "status")
            t.like(err, "millrace-admin: ", "says why")
            w.request(path="/health")   # it has started, and can be stopped
