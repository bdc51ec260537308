"""A batch that is sent again with the same batchId is stored once."""

import threading

from common import success, without_time, worker
from harness import postgres, proc, tap

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


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    with worker(pg) as one, worker(pg) as other:
        one.wait_healthy()
        other.wait_healthy()
        sequential(t, pg, one)
        concurrent(t, pg, one, other)
        crossed(t, pg, one)
        with t.case("after a restart of the worker"):
            t.is_(one.stop(), 0, "exit status")
            one.start()
            one.wait_healthy()
            is_duplicate(t, post(one, batch("one")), "again")
    growing(t, pg)
