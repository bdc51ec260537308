"""Many large batches do not hold up the small requests of others."""

import contextlib
import fcntl
import json
import struct
import termios

from harness import fcgi, postgres, proc, tap

# Larger than what a small job may cost; all of them more than a group may hold.
LARGE, MEMBERS = 14, 300
LARGE_BODY = json.dumps({"eventType": "batch", "siteId": "large", "events": [
    {"eventType": "x", "data": "words, " * 150}] * MEMBERS}).encode()
SMALL_BODY = json.dumps({"eventType": "batch", "siteId": "small",
                         "events": [{"eventType": "x"}] * 3}).encode()
GROUPS = ("SELECT ingest_xid, array_agg(DISTINCT site_id) AS sites FROM events "
          "GROUP BY ingest_xid ORDER BY ingest_xid")


def send(stack, w, body):
    """A connection on which the request was sent; its answer is not read."""
    c = stack.enter_context(fcgi.Connection(w.address))
    c.begin()
    c.params(fcgi.make_params("POST", "/collect", body))
    c.stdin(body)
    c.end_stdin()
    return c


def wait_read(c):
    """Until the worker has read all that was sent on the connection."""
    def unread():
        return struct.unpack("i", fcntl.ioctl(c.socket, termios.TIOCOUTQ, bytes(4)))[0]
    proc.wait_for(lambda: unread() == 0, "the request is read")


def waiting(pg):
    return pg.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'millrace' "
                    "AND wait_event_type = 'Lock'")


@contextlib.contextmanager
def locked(pg):
    """Nobody stores an event until the callable that is yielded is called."""
    def release():
        pg.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                   "WHERE query LIKE 'BEGIN; LOCK%'")
    with proc.temp_dir() as folder:
        holder = proc.Process(
            [f"{pg.bin}/psql", "-Xq", pg.dsn(user=postgres.SUPERUSER), "-c",
             "BEGIN; LOCK TABLE events; SELECT pg_sleep(86400)"], f"{folder}/psql")
        try:
            proc.wait_for(lambda: pg.value("SELECT count(*) FROM pg_locks WHERE granted AND "
                          "mode = 'AccessExclusiveLock' AND relation = 'events'::regclass"),
                          "the table is locked")
            yield release
        finally:
            holder.stop()
            release()


def store_behind_each_other(t, pg, w):
    """While the database makes all groups wait, large requests come and then small ones."""
    with contextlib.ExitStack() as stack:
        release = stack.enter_context(locked(pg))
        sent = [send(stack, w, body) for body in [LARGE_BODY] * LARGE + [SMALL_BODY] * 2]
        for c in sent:
            wait_read(c)
        proc.wait_for(lambda: waiting(pg) == 2, "both connections store a group")
        # Meanwhile its threads have handed over what they had read.
        for _ in range(100):
            w.request("OPTIONS", "/collect")
        release()
        t.is_([c.response().status for c in sent], [200] * len(sent), "all are stored")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    with fcgi.Worker({"database": {"url": pg.dsn()}, "collector": {"threads": 16}}) as w:
        w.wait_healthy()
        with t.case("a small request behind large ones"):
            store_behind_each_other(t, pg, w)
            groups = [row["sites"] for row in pg.query(GROUPS)]
            t.is_([g for g in groups if len(g) > 1], [], "no group holds small and large ones")
            t.ok(groups.count(["large"]) > 3, "the large ones are several groups",
                 f"the sites of the groups: {groups}")
