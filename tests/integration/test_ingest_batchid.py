"""A batch that is sent again with the same batchId is stored once, an event with the same messageId."""

import glob
import hashlib
import json
import os
import shutil
import signal
import threading

from common import config, queued, success, without_time, worker
from harness import fcgi, libpq, postgres, proc, spool, tap

DUPLICATE = {"status": "success", "duplicate": True, "events_processed": 0}


def batch(batch_id, site="shop.test", n=3):
    return {"eventType": "batch", "batchId": batch_id, "siteId": site,
            "events": [{"eventType": "click", "n": i} for i in range(n)]}


def post(w, body):
    return w.request("POST", "/collect", body)


def is_duplicate(t, answer, name):
    t.is_(answer.status, 200, f"{name}: status")
    t.includes(without_time(answer), DUPLICATE, f"{name}: answer")


def stored(pg, batch_id):
    """How many envelopes and how many events in all are stored for it."""
    return pg.query("SELECT count(*) FILTER (WHERE event_type = 'batch') AS batches, "
                    "count(*) AS events FROM events WHERE ingest_xid IN (SELECT ingest_xid "
                    f"FROM events WHERE payload->>'batchId' = '{batch_id}')")[0]


def sequential(t, pg, w):
    with t.case("sent twice"):
        t.is_(without_time(post(w, batch("one"))), success(4), "the first is stored")
        is_duplicate(t, post(w, batch("one")), "the second")
        is_duplicate(t, post(w, batch("one", n=5)), "another body with the same id")
        t.is_(stored(pg, "one"), {"batches": 1, "events": 4}, "stored once")

    with t.case("another site"):
        t.is_(without_time(post(w, batch("one", "other.test"))), success(4), "is another batch")

    with t.case("no batchId"):
        body = batch("x")
        del body["batchId"]
        t.is_([without_time(post(w, body)) for _ in range(2)], [success(4)] * 2, "both are stored")

    with t.case("single event"):
        body = {"eventType": "x", "siteId": "single.test", "batchId": "one"}
        t.is_(without_time(post(w, body)), success(1), "the first is stored")
        is_duplicate(t, post(w, body), "the second")
        t.is_(len(pg.events("site_id = 'single.test'")), 1, "one row")

    with t.case("odd ids"):
        for batch_id in ("a b'\"\\;--", "\u0000", "größe", "x" * 255):
            body = batch(batch_id, "odd.test")
            t.is_(without_time(post(w, body)), success(4), f"{batch_id[:20]!r} is stored")
            is_duplicate(t, post(w, body), f"{batch_id[:20]!r} again")

    with t.case("partly bad batch"):
        body = batch("partly", "partly.test")
        body["events"][1] = 42
        t.includes(without_time(post(w, body)), {"status": "partial", "events_processed": 3},
                   "the first")
        answer = post(w, body)
        t.is_(answer.status, 200, "status of the second")
        t.includes(answer.json(), {"duplicate": True, "events_processed": 0}, "the second")
        t.is_((len(pg.events("site_id = 'partly.test'")),
               pg.value("SELECT count(*) FROM rejected_events")), (3, 1), "stored once")

    with t.case("refused batch"):
        body = batch("refused", "refused.test")
        t.is_(post(w, {**body, "events": [1]}).status, 400, "nothing valid in it")
        t.is_(without_time(post(w, body)), success(4), "its id is free for the corrected one")


def scans(pg):
    return pg.query("SELECT seq_scan, idx_scan FROM pg_stat_user_tables "
                    "WHERE relname = 'dedup_keys'")[0]


def growing(t, pg):
    """A plan that was made for a small table is kept while the table grows."""
    pg.execute("ANALYZE dedup_keys")
    with t.case("a table that was small"), worker(pg) as w:
        w.wait_healthy()
        before = scans(pg)
        t.is_(without_time(post(w, batch("grows"))), success(4), "a batch is stored")
        proc.wait_for(lambda: scans(pg)["idx_scan"] > before["idx_scan"], "the scan is counted")
        t.is_(scans(pg)["seq_scan"], before["seq_scan"], "its keys are found by the index")


def at_once(requests):
    """Answers to (worker, body), posted by threads that start together."""
    start = threading.Barrier(len(requests))
    answers = [None] * len(requests)

    def send(i):
        start.wait()
        answers[i] = post(*requests[i])

    threads = [threading.Thread(target=send, args=(i,)) for i in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def concurrent(t, pg, one, other):
    answers = at_once([(one if i % 2 else other, batch("at once", "race.test")) for i in range(20)])
    with t.case("20 at once over two workers"):
        t.is_([answer.status for answer in answers], [200] * 20, "all are answered")
        bodies = [without_time(answer) for answer in answers]
        t.is_(sum(body == success(4) for body in bodies), 1, "one is stored")
        t.is_(sum(body.items() >= DUPLICATE.items() for body in bodies), 19, "19 are duplicates")
        t.is_(len(pg.events("site_id = 'race.test'")), 4, "rows")


def crossed(t, pg, w):
    """What is new, in a commit with the site of one and the batchId of another known batch."""
    together = ("SELECT count(*) FROM (SELECT FROM events WHERE site_id IN ('{0}x', '{0}y') "
                "GROUP BY ingest_xid HAVING count(DISTINCT site_id) = 2) AS g")

    answers = []

    def attempt(site):
        """Whether some of both sites came into one commit."""
        for i in range(10):
            post(w, batch(f"known {i}", f"{site}x"))
        answers.append(at_once([(w, batch(f"new {i}", f"{site}x") if i % 2 else
                                 batch(f"known {i // 2}", f"{site}y")) for i in range(20)]))
        return pg.value(together.format(site)) > 0

    with t.case("ids that another site has had"):
        t.ok(any(attempt(f"try{i}.") for i in range(50)), "in commits with batches of that site")
        t.is_([without_time(answer) for some in answers for answer in some],
              [success(4)] * 20 * len(answers), "are new")


def message(message_id, site="msg.test", **more):
    return {"eventType": "x", "siteId": site, "messageId": message_id, **more}


def messages(*ids, **more):
    """A batch of them; its envelope has no id."""
    return {"eventType": "batch", "siteId": "msg.test", "events": [message(i) for i in ids], **more}


def partly(n, repeated):
    return {"status": "success", "message": f"{n} event(s) received and stored, "
            f"{repeated} stored before", "events_processed": n, "duplicates": repeated}


def ids(pg, site="msg.test", database=None):
    """The messageIds of what is stored, each as often as it is."""
    return [row["id"] for row in pg.query(
        "SELECT payload->>'messageId' AS id FROM events WHERE payload::jsonb ? 'messageId' AND "
        f"site_id = '{site}' ORDER BY id", database)]


def message_ids(t, pg, w):
    with t.case("messageIds"):
        t.is_(without_time(post(w, messages("a", "b"))), success(3), "two that are new")
        t.is_(without_time(post(w, messages("b", "c", "a"))), partly(2, 2), "two of them again")
        t.is_(without_time(post(w, message("c"))), partly(0, 1), "one alone")
        t.is_(without_time(post(w, messages("d", "d", "d"))), partly(2, 2), "twice in one batch")
        t.is_(ids(pg), ["a", "b", "c", "d"], "each is stored once")
        t.is_(without_time(post(w, message("a", "b.test"))), success(1), "of another site")
        answer = w.request("GET", "/pixel.gif?eventType=x&siteId=msg.test&messageId=d")
        t.is_(answer.headers.get("x-millrace"), "duplicate", "a pixel")
        t.is_(w.request("GET", "/collect?eventType=x&siteId=msg.test&messageId=e").json()
              ["events_processed"], 1, "in a query")
        for _ in range(2):
            answer = w.request("POST", "/v1/batch", {"writeKey": "segment.test", "batch": [
                {"type": "page", "messageId": "a"}, {"type": "page", "messageId": "a"},
                {"type": "page", "messageId": "b"}]})
            t.is_(answer.json(), {"success": True}, "Segment's")
        t.is_(ids(pg, "segment.test"), ["a", "b"], "are stored once")

    with t.case("messageIds that cannot be used"):
        for odd in (7, True, {}, "x" * 256):
            answers = [without_time(post(w, message(odd, "odd.test"))) for _ in range(2)]
            t.is_(answers, [success(1)] * 2, f"{str(odd)[:9]}: both are stored")
        for odd in ("", None):
            answers = [without_time(post(w, message(odd, "odd.test"))) for _ in range(2)]
            t.is_(answers, [success(1)] * 2, f"{odd!r}: there is none")
        for odd in ("x" * 255, "\0", "größe'\"\\"):
            answers = [without_time(post(w, message(odd, "odd.test"))) for _ in range(2)]
            t.is_(answers, [success(1), partly(0, 1)], f"{odd[:9]!r} is one")

    with t.case("messageIds in a batch with a batchId"):
        both = messages("f", "g", batchId="with messages")
        t.is_(without_time(post(w, both)), success(3), "both are new")
        is_duplicate(t, post(w, messages("h", batchId="with messages")), "the batchId again")
        t.is_(without_time(post(w, messages("f", "h", batchId="others"))), partly(2, 1),
              "what was not stored with its batch is not remembered")
        is_duplicate(t, post(w, both), "both again")

    with t.case("messageIds beside refused members"):
        body = messages("i", "a")
        body["events"].insert(1, 42)
        t.includes(without_time(post(w, body)), {"status": "partial", "events_processed": 2,
                   "duplicates": 1, "events_rejected": 1}, "all are told")
        t.is_(pg.query("SELECT stored, duplicate, rejected FROM ingest_groups ORDER BY group_id "
                       "DESC LIMIT 1"), [{"stored": 2, "duplicate": 1, "rejected": 1}], "and counted")


def refused_by_database(t, pg):
    with t.case("messageIds beside what the database refuses"):
        pg.create_database("refusing")
        with worker(pg, "refusing") as w:
            w.wait_healthy()
            t.is_(post(w, message("old")).status, 200, "one that is stored before")
            pg.execute("ALTER TABLE events ADD CONSTRAINT c CHECK (event_type <> 'bad')", "refusing")
            body = messages("old", "new", "refused", batchId="k")
            body["events"][2]["eventType"] = "bad"
            t.includes(without_time(post(w, body)), {"status": "partial", "events_processed": 2,
                       "duplicates": 1, "events_rejected": 1}, "the others are what they are")
            pg.execute("ALTER TABLE events DROP CONSTRAINT c", "refusing")
            t.is_(without_time(post(w, messages("new", "refused"))), partly(2, 1),
                  "what was refused is not remembered")
            t.is_(pg.query("SELECT sum(stored) AS s, sum(duplicate) AS d, sum(rejected) AS r FROM "
                           "ingest_groups", "refusing"), [{"s": 5, "d": 2, "r": 1}], "the ledger")


def messages_at_once(t, pg, one, other):
    """The same messages in other batches, in other orders, over two workers."""
    names = [f"race {i}" for i in range(30)]
    requests = [(one if i % 2 else other, messages(*(names[i:] + names[:i]), siteId="raced.test"))
                for i in range(20)]
    for _, body in requests:
        for event in body["events"]:
            event["siteId"] = "raced.test"
    answers = [without_time(answer) for answer in at_once(requests)]
    with t.case("messages at once over two workers"):
        t.is_(ids(pg, "raced.test"), sorted(names), "each is stored once")
        t.is_([sum(a.get(key, 0) for a in answers) for key in ("events_processed", "duplicates")],
              [20 + 30, 19 * 30], "which is what was told")


def key_of(site, message_id):
    return hashlib.sha256(f"{site}\0{message_id}".encode()).hexdigest()[:32]


def killed(t, pg, w):
    """Frozen while PostgreSQL commits, and killed before it knows."""
    pool, dsn = libpq.Pool(), pg.dsn(None, postgres.SUPERUSER)
    with t.case("killed between commit and answer"):
        pool.run(dsn, "BEGIN")
        pool.run(dsn, f"INSERT INTO message_keys VALUES ('{key_of('msg.test', 'k1')}')")
        with fcgi.Connection(w.address) as c:
            body = json.dumps(messages("k1", "k2")).encode()
            c.begin()
            c.params(fcgi.make_params("POST", "/collect", body))
            c.stdin(body)
            c.end_stdin()
            proc.wait_for(lambda: pg.value("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1,
                          "the worker waits for the other one's key")
            w.process.kill(signal.SIGSTOP)
            pool.run(dsn, "ROLLBACK")
            proc.wait_for(lambda: "k2" in ids(pg), "the commit")
            w.process.kill(signal.SIGKILL)
            w.process.wait()
        w.start()
        w.wait_healthy()
        t.is_(without_time(post(w, messages("k2", "k1", "k3"))), partly(2, 2), "sent again")


def spooled(t, pg):
    with t.case("messageIds in the spool"):
        pg.create_database("spooled")
        with worker(pg, "spooled") as w:
            w.wait_healthy()
            t.is_(without_time(post(w, message("a"))), success(1), "one is stored")
        with worker(pg, "spooled", {"collector": {"ingest": "spool"}}) as w:
            w.wait_healthy()
            t.is_([without_time(post(w, messages(*batch))) for batch in ("abc", "cdd", "ad")],
                  [queued(4), queued(4), queued(3)], "some are queued, and some again")
            t.is_(w.stop(), 0, "exit status")
            for path in glob.glob(os.path.join(w.dir, "spool", "*.seg")):
                shutil.copy(path, path + ".copy")
            r = spool.Replay(w.dir, config(pg, "spooled"))
            t.like(r.run().stdout, r"\Astored 11 event\(s\) .*, 5 event\(s\) duplicate", "replay")
            t.is_(ids(pg, database="spooled"), ["a", "b", "c", "d"], "each is stored once")
            for path in glob.glob(os.path.join(w.dir, "spool", "*.copy")):
                os.rename(path, path.removesuffix(".copy"))
            t.is_((r.run().returncode, r.segments()), (0, []), "the records again")
            t.is_(ids(pg, database="spooled"), ["a", "b", "c", "d"], "store nothing")
            t.is_(pg.query("SELECT sum(stored) AS s, sum(duplicate) AS d FROM ingest_groups",
                           "spooled"), [{"s": 7, "d": 5}], "the ledger")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    with worker(pg) as one, worker(pg) as other:
        one.wait_healthy()
        other.wait_healthy()
        sequential(t, pg, one)
        concurrent(t, pg, one, other)
        crossed(t, pg, one)
        message_ids(t, pg, one)
        messages_at_once(t, pg, one, other)
        killed(t, pg, one)
        with t.case("after a restart of the worker"):
            t.is_(one.stop(), 0, "exit status")
            one.start()
            one.wait_healthy()
            is_duplicate(t, post(one, batch("one")), "again")
    refused_by_database(t, pg)
    spooled(t, pg)
    growing(t, pg)
