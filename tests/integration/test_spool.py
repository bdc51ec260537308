"""What the database cannot take is kept in the spool, acknowledged with 202, and stored once and
in order when the database can; when neither can take it, the answer is 503."""

import os
import random
import re
import signal
import subprocess
import threading

from common import BEARER, TOKEN, config, queued, success, without_time, worker
from harness import fcgi, postgres, proc, proxy, sanitizer, spool, tap
from load import Load, check

HASH = subprocess.run(["sha256sum"], input=TOKEN.encode(), capture_output=True,
                      check=True).stdout.split()[0].decode()
ADMIN = {"admin": {"token_sha256": HASH}}
IMPATIENT = {"database": {"query_timeout_ms": 1000, "connect_timeout_ms": 1000}}
GIVEN_UP = re.compile(r"ERROR: .*; events go to the spool")


def post(w, body):
    return w.request("POST", "/collect", body)


def health(w):
    answer = w.request("GET", "/health", headers=BEARER)
    return answer.status, answer.json()


def segments(w):
    folder = os.path.join(w.dir, "spool")
    return [name for name in os.listdir(folder) if name.endswith(".seg")]


def wait_empty(w):
    proc.wait_for(lambda: not segments(w), "the spool is empty", detail=lambda: w.log()[-4000:])


def sessions(pg, database, site):
    return [row["session_id"] for row in pg.events(f"site_id = '{site}'", database)]


def totals(pg, database):
    """What the ledger says of all groups."""
    return pg.query("SELECT sum(stored)::int AS stored, sum(duplicate)::int AS duplicate, "
                    "sum(rejected)::int AS rejected FROM ingest_groups", database)[0]


def stopped_before_the_start(t, pg):
    with t.case("PostgreSQL is stopped before the worker starts"):
        pg.create_database("later")
        pg.stop()
        with worker(pg, "later", ADMIN) as w:
            t.is_(without_time(post(w, {"eventType": "x", "siteId": "s", "sessionId": "1"})),
                  queued(1), "a single event")
            answer = post(w, {"eventType": "x", "siteId": "s", "sessionId": "2"})
            t.is_(answer.status, 202, "status")
            answer = post(w, {"eventType": "batch", "siteId": "s", "sessionId": "3", "events": [
                {"eventType": "a"}, 42, {"eventType": "b"}]})
            t.is_(answer.status, 202, "a batch with a bad member: status")
            t.is_(without_time(answer), {
                "status": "accepted", "message": "3 event(s) received and queued, 1 rejected",
                "events_processed": 3, "events_rejected": 1,
                "errors": answer.json()["errors"]}, "its answer")
            t.is_([e["index"] for e in answer.json()["errors"]], [1], "which is bad")
            answer = w.request("GET", "/pixel.gif?eventType=x&siteId=s&sessionId=4")
            t.is_((answer.status, answer.headers.get("x-millrace")), (200, "queued"), "the pixel")
            t.is_(w.request("GET", "/collect?eventType=x&siteId=s&sessionId=5").status, 202, "GET")
            status, body = health(w)
            t.is_(status, 200, "/health: status")
            t.includes(body, {"status": "degraded", "database": "disconnected"}, "/health")
            t.like(body.get("error"), r"database: ", "/health says why")
            t.includes(body["counters"], {"events_spooled": 8, "events_stored": 0,
                                        "breaker_openings": 1}, "counters")
            t.is_(post(w, b"{").status, 400, "what is no JSON is still refused")
            pg.start()
            w.wait_healthy()
            t.is_(sessions(pg, "later", "s"), ["1", "2", "3", "3", "3", "4", "5"],
                  "every event is stored, once, in order")
            t.is_(segments(w), [], "the spool is empty")
            t.is_(pg.value("SELECT bool_and(received_at < pg_postmaster_start_time() AND "
                           "created_at > pg_postmaster_start_time()) FROM events", "later"), True,
                  "received_at is that of the request")
            t.is_(pg.value("SELECT count(*) FROM rejected_events", "later"), 1, "the bad one too")
            t.is_(totals(pg, "later"), {"stored": 7, "duplicate": 0, "rejected": 1}, "the ledger")
            t.is_(without_time(post(w, {"eventType": "x"})), success(1), "then: directly")
            t.includes(health(w)[1]["counters"], {"events_replayed": 8}, "counters")


class Sessions:
    """Clients that post one event after the other, each its own session, with a counter."""

    def __init__(self, address, name, n=4):
        self.address, self.name = address, name
        self.kept = [[] for _ in range(n)]
        self.statuses = set()
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,), daemon=True)
                         for i in range(n)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc):
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _run(self, session):
        i = 0
        while not self._end.is_set():
            i += 1
            answer = fcgi.request(self.address, "POST", "/collect", {
                "eventType": "x", "siteId": self.name, "sessionId": f"{session}",
                "visitorId": f"{i}"})
            self.statuses.add(answer.status)
            if answer.status in (200, 202):
                self.kept[session].append(i)

    def check(self, t, pg):
        for session, kept in enumerate(self.kept):
            got = [int(row["visitor_id"]) for row in pg.events(
                f"site_id = '{self.name}' AND session_id = '{session}'")]
            t.ok(got == kept, f"session {session}: {len(kept)} in the order of receipt",
                 f"answers: {self.statuses}, missing: {sorted(set(kept) - set(got))[:9]}, "
                 f"not acknowledged: {sorted(set(got) - set(kept))[:9]}, before their turn: "
                 f"{[(a, b) for a, b in zip(got, got[1:]) if a >= b][:9]}")


def under_load(t, pg):
    with t.case("under load"), worker(pg) as w:
        w.wait_healthy()
        with Load(w.address, "load") as load, Sessions(w.address, "ordered") as ordered:
            for how in (pg.stop, pg.kill9, lambda: pg.stop("immediate")):
                load.wait_for(200, 100)
                how()
                load.wait_for(202, 200)
                pg.start()
            load.wait_for(200, 100)
        w.wait_healthy()
        wait_empty(w)
        check(t, pg, load)
        t.is_(set(load.statuses), {200, 202}, "nobody is refused")
        if "beside those of the spool" in w.log():
            t.skip("the order of receipt", "this machine is too slow to catch up in 30 s")
        else:
            ordered.check(t, pg)


def frozen(t, pg):
    sections = {**ADMIN, **IMPATIENT}
    with t.case("a server that hangs"), worker(pg, sections=sections) as w:
        w.wait_healthy()
        # On a slow machine such a server may be given up before, too.
        t.is_(proc.wait_for(lambda: post(w, {"eventType": "x", "siteId": "warm"}).status == 200,
                            "an event is stored"), True, "ok")
        before = health(w)[1]["counters"]["breaker_openings"]
        given_up = len(GIVEN_UP.findall(w.log()))
        pg.sigstop()
        try:
            for i in range(1, 31):
                answer = post(w, {"eventType": "x", "siteId": "frozen", "sessionId": f"{i}"})
                t.is_(answer.status, 202, f"request {i} is queued")
            status, body = health(w)
            t.is_((status, body["status"]), (200, "degraded"), "/health")
            t.is_(body["counters"]["breaker_openings"] - before, 1, "the server was given up once")
            t.is_(len(GIVEN_UP.findall(w.log())) - given_up, 1,
                  "one request waited for it, the others did not")
        finally:
            pg.cont()
        w.wait_healthy()
        wait_empty(w)
        t.is_(sessions(pg, None, "frozen"), [f"{i}" for i in range(1, 31)], "each once, in order")


def limits(t, pg):
    for name, keys in (("max_bytes", {"max_bytes": "64k", "reserve_bytes": 0, "share": 100}),
                       ("reserve_bytes", {"reserve_bytes": "1024G"})):
        with t.case(name):
            pg.stop()
            with worker(pg, sections={"spool": keys, **ADMIN}) as w:
                kept = 0
                # Which cannot be compressed to much less.
                body = {"eventType": "x", "siteId": name, "text": random.Random(1).randbytes(2000).hex()}
                while (answer := post(w, body)).status == 202 and kept < 100:
                    kept += 1
                t.is_(answer.status, 503, f"after {kept} events it is full")
                t.is_(answer.headers.get("retry-after"), "5", "Retry-After")
                t.is_(kept > 5, name == "max_bytes", "events before it are kept")
                status, body = health(w)
                t.is_((status, body["status"]), (503, "unhealthy"), "/health")
                t.like(body["error"], r"spool .*bytes", "says why")
                pg.start()
                w.wait_healthy()
                t.is_(len(sessions(pg, None, name)), kept, "what was kept is stored")
                t.is_(post(w, {"eventType": "x"}).status, 200, "and so is the next one")

    with t.case("a folder that cannot be made"):
        pg.stop()
        with worker(pg, sections={"spool": {"dir": "/nonexistent/spool"}, **ADMIN}) as w:
            t.is_(post(w, {"eventType": "x"}).status, 503, "503")
            t.is_(health(w)[0], 503, "/health")
            t.like(w.log(), r"ERROR: spool /nonexistent/spool: ", "the log says so at the start")
            pg.start()
            w.wait_healthy()
            t.is_(post(w, {"eventType": "x"}).status, 200, "with the database: 200")


def killed(t, pg):
    with t.case("a worker that is killed"), worker(pg) as w:
        w.wait_healthy()
        for i in range(3):
            pg.stop()
            for n in range(10):
                t.is_(post(w, {"eventType": "x", "siteId": "killed",
                               "sessionId": f"{i}-{n}"}).status, 202, f"{i}-{n}")
            w.asked = True
            w.process.kill(signal.SIGKILL)
            w.process.wait()
            t.ok(segments(w), "leaves the spool")
            pg.start()
            w.start()
            w.wait_healthy()
            wait_empty(w)
        t.is_(sessions(pg, None, "killed"), [f"{i}-{n}" for i in range(3) for n in range(10)],
              "its successor stores what it left")

    with t.case("a segment that another left, while all is well"), worker(pg) as w:
        w.wait_healthy()
        s = spool.Segment().add(spool.group(spool.batch([spool.event("left", "left.test")])))
        s.write(os.path.join(w.dir, "spool"))
        wait_empty(w)
        t.is_(sessions(pg, None, "left.test"), ["left"], "is stored")


def unknown_outcome(t, pg):
    with t.case("the answer to a commit is lost"), proxy.Proxy(pg) as p:
        for marker, name, more in ((b"\0s0\0", "plain", {}), (b"\0s1\0", "keyed", {"batchId": "1"}),
                                   (b"\0s2\0", "full", {"batchId": "1"})):
            sections = {"database": {"url": pg.dsn(host=p.dir)}}
            with worker(pg, sections=sections) as w:
                w.wait_healthy()
                before = p.cuts
                body = {"eventType": "batch", "siteId": name, **more,
                        "events": [{"eventType": "x"}, *([5] if name == "full" else [])]}
                p.cut(marker)
                answer = post(w, body)
                t.is_(p.cuts, before + 1, f"{name}: it was lost")
                t.is_((answer.status, answer.json()["events_processed"]), (200, 2),
                      f"{name}: asked again under the same id, it is known to be stored")
                t.is_(len(sessions(pg, None, name)), 2, f"{name}: once")

    with t.case("and the server is gone then"), proxy.Proxy(pg) as p:
        with worker(pg, sections={"database": {"url": pg.dsn(host=p.dir)}}) as w:
            w.wait_healthy()
            socket = os.path.join(p.dir, ".s.PGSQL.5432")
            os.rename(socket, socket + ".away")
            p.cut(b"\0s0\0")
            answer = post(w, {"eventType": "x", "siteId": "gone"})
            t.is_((p.cuts, answer.status), (1, 202), "it is queued")
            t.is_(len(sessions(pg, None, "gone")), 1, "though it is stored")
            t.ok(segments(w), "and in the spool as well")
            os.rename(socket + ".away", socket)
            w.wait_healthy()
            wait_empty(w)
            t.is_(len(sessions(pg, None, "gone")), 1, "once, after the replay")
            t.like(w.log(), r"1 record\(s\), 1 of them known", "the log tells")


def batch_ids(t, pg):
    pg.create_database("keys")
    with t.case("batchId"), worker(pg, "keys") as w:
        w.wait_healthy()
        body = {"eventType": "batch", "siteId": "keys", "batchId": "direct",
                "events": [{"eventType": "x"}, 7]}
        t.is_(post(w, body).status, 200, "stored directly")
        pg.stop()
        t.is_(post(w, body).status, 202, "the same again: queued, as nobody knows")
        body["batchId"] = "spooled"
        t.is_([post(w, body).status for _ in range(3)], [202] * 3, "another, three times")
        pg.start()
        w.wait_healthy()
        answer = post(w, body)
        t.is_((answer.status, answer.json().get("duplicate")), (200, True), "and once more")
        t.is_(len(sessions(pg, "keys", "keys")), 4, "each is stored once")
        t.is_(pg.value("SELECT count(*) FROM rejected_events", "keys"), 2, "its refusals too")
        t.is_(totals(pg, "keys"), {"stored": 4, "duplicate": 12, "rejected": 2},
              "the ledger counts every event")


def operator(t, pg):
    for name, spoil, mend in (
            ("permission", "REVOKE INSERT ON events FROM millrace",
             "GRANT INSERT ON events TO millrace"),
            ("column", "ALTER TABLE events DROP COLUMN user_agent",
             "ALTER TABLE events ADD COLUMN user_agent text")):
        with t.case(f"a missing {name}"):
            pg.create_database("operator")
            with worker(pg, "operator", ADMIN) as w:
                w.wait_healthy()
                pg.execute(spoil, "operator")
                for i in range(5):
                    t.is_(post(w, {"eventType": "x", "siteId": "op", "sessionId": f"{i}"}).status,
                          202, f"event {i} is queued")
                t.like(w.log(), r"ERROR: .*; events stay in the spool until this is mended",
                       "the log raises the alarm")
                status, body = health(w)
                t.is_((status, body["status"]), (200, "degraded"), "/health")
                t.like(body["error"], r"permission denied|user_agent", "says why")
                pg.execute(mend, "operator")
                w.wait_healthy()
                wait_empty(w)
                # Not always in order: a replay that is at work meanwhile leaves what it
                # could not store, and goes on with what it can.
                t.is_(sorted(sessions(pg, "operator", "op")), [f"{i}" for i in range(5)],
                      "mended, they are stored")
                t.is_(pg.value("SELECT count(*) FROM rejected_events", "operator"), 0,
                      "nothing is blamed")


def cgi(folder, conffile, body):
    """One request to the program as plain CGI."""
    params = fcgi.make_params("POST", "/collect", body, {"Content-Type": "application/json"})
    done = subprocess.run([proc.worker_path()], input=body, capture_output=True,
                          timeout=proc.DEADLINE_S, check=False,
                          env=proc.clean_env(MILLRACE_CONFIG=conffile, **sanitizer.env(folder),
                                             **params))
    return fcgi.Response(done.stdout, done.stderr)


def ingest_spool(t, pg):
    with t.case("ingest = spool"):
        pg.create_database("cron")
        sections = {"collector": {"ingest": "spool"}, **ADMIN}
        with worker(pg, "cron", sections) as w:
            w.wait_healthy()
            t.includes(health(w)[1], {"status": "healthy", "database": "not used"}, "/health")
            for i in range(5):
                t.is_(without_time(post(w, {"eventType": "x", "siteId": "c", "sessionId": f"{i}"})),
                      queued(1), f"event {i}")
            t.is_(pg.query("SELECT FROM pg_stat_activity WHERE datname = 'cron'", "postgres"), [],
                  "the database is not touched")
            r = spool.Replay(w.dir, config(pg, "cron"))
            proc.wait_for(lambda: r.run().returncode == 0 and not r.segments(),
                          "segments are closed without further events, and replayed")
            t.is_(sessions(pg, "cron", "c"), [f"{i}" for i in range(5)], "stored by the replay")
            t.is_(post(w, {"eventType": "x"}).status, 202, "the next one is queued, too")

    for ingest in ("spool", "direct"):
        with t.case(f"plain CGI, ingest = {ingest}, no database"), proc.temp_dir() as folder:
            pg.create_database("cron")
            r = spool.Replay(folder, config(pg, "cron", {"collector": {"ingest": ingest},
                                                         "millrace": {"log": f"{folder}/log"}}))
            pg.stop()
            for i in range(5):
                answer = cgi(folder, r.conffile, b'{"eventType":"x","siteId":"g","sessionId":"%d"}'
                             % i)
                t.is_((answer.status, without_time(answer)), (202, queued(1)), f"request {i}")
            pg.start()
            t.is_(r.run("-q").returncode, 0, "replay")
            t.is_(sessions(pg, "cron", "g"), [f"{i}" for i in range(5)], "stored in order")
            t.is_(sanitizer.reports(folder), "", "no sanitizer report")


def poison(t, pg):
    with t.case("one poisonous row amid 1,000"):
        pg.create_database("poison")
        with worker(pg, "poison") as w:
            w.wait_healthy()
            pg.execute("ALTER TABLE events ADD CONSTRAINT no_poison CHECK "
                       "(event_type <> 'poison')", "poison")
            answers = {}
            start = threading.Barrier(40)

            def client(number):
                start.wait()
                for i in range(25):
                    kind = "poison" if (number, i) == (20, 12) else "fine"
                    answers[number, i] = post(w, {"eventType": kind, "siteId": "many",
                                                  "sessionId": f"{number}-{i}"})
            threads = [threading.Thread(target=client, args=(n,)) for n in range(40)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            bad = answers.pop((20, 12))
            t.is_((bad.status, bad.json()["status"]), (400, "error"), "its sender is told")
            t.like(bad.text, r"SQLSTATE 23514", "and why")
            t.like(pg.value("SELECT reason FROM rejected_events", "poison"), r"no_poison",
                   "more of it stands beside what was refused")
            t.is_([(a.status, without_time(a)) for a in answers.values()],
                  [(200, success(1))] * 999, "the others are stored, and told so")
            t.is_(sorted(sessions(pg, "poison", "many")),
                  sorted(f"{n}-{i}" for n, i in answers), "each once")
            t.is_(pg.query("SELECT sqlstate, convert_from(payload, 'UTF8')::json->>'sessionId' "
                           "AS session FROM rejected_events", "poison"),
                  [{"sqlstate": "23514", "session": "20-12"}], "the bad one is in rejected_events")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    stopped_before_the_start(t, pg)
    under_load(t, pg)
    frozen(t, pg)
    limits(t, pg)
    killed(t, pg)
    unknown_outcome(t, pg)
    batch_ids(t, pg)
    operator(t, pg)
    ingest_spool(t, pg)
    poison(t, pg)
