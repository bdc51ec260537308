"""Few threads and many requests: nobody waits for another's commit or slow body, and everybody
is answered."""

import contextlib

from common import success, without_time, worker
from harness import fcgi, postgres, proc, tap
from load import Load, check

BODY = b'{"eventType":"good","siteId":"threads"}'


def sent(stack, w):
    """A connection on which a whole request was sent, its answer not yet read."""
    c = stack.enter_context(fcgi.Connection(w.address))
    c.begin()
    c.params(fcgi.make_params("POST", "/collect", BODY))
    c.stdin(BODY)
    c.end_stdin()
    return c


def half_sent(stack, w):
    c = stack.enter_context(fcgi.Connection(w.address))
    c.begin()
    c.params(fcgi.make_params("POST", "/collect", BODY))
    c.stdin(BODY[:10])
    return c


def slow_bodies(t, pg):
    with t.case("slow bodies"), worker(pg, sections={"collector": {"threads": 9}}) as w:
        w.wait_healthy()
        with contextlib.ExitStack() as stack:
            slow = [half_sent(stack, w) for _ in range(8)]
            for _ in range(3):
                t.is_(w.request("POST", "/collect", BODY).status, 200, "others are served")
            for c in slow:
                c.stdin(BODY[10:])
                c.end_stdin()
            t.is_([without_time(c.response()) for c in slow], [success(1)] * len(slow),
                  "all are answered in the end")


def more_than_threads(t, pg):
    for threads in (1, 2):
        with t.case(f"{threads} thread(s), 16 clients"), \
                worker(pg, sections={"collector": {"threads": threads}}) as w:
            w.wait_healthy()
            with Load(w.address, f"crowd-{threads}", threads=16) as load:
                load.wait_for(200, 300)
            check(t, pg, load)
            t.is_(set(load.statuses), {200}, "no request fails")


def accepted(w):
    """How many connections have left the queue of the socket, whose own line counts too. The
    worker's descriptors are not for other processes of its user; and only what was accepted
    has an inode."""
    rows = map(str.split, proc.read_text("/proc/net/unix").splitlines())
    return sum(row[7:] == [w.address] and row[6] != "0" for row in rows)


def waiting_for_one_commit(t, pg):
    """Four may be with the writer, and each of four threads may wait for one more."""
    for stop, n in ((False, 40), (True, 8)):
        name = "at a stop" if stop else "and go on"
        with t.case(f"{n} requests wait for PostgreSQL {name}"), \
                worker(pg, sections={"collector": {"threads": 4}}) as w:
            w.wait_healthy()
            before = pg.value("SELECT count(*) FROM events WHERE site_id = 'threads'")
            proc.wait_for(lambda: accepted(w) == 1, "no connection is open")
            with contextlib.ExitStack() as stack:
                pg.sigstop()
                try:
                    waiting = [sent(stack, w) for _ in range(n)]
                    proc.wait_for(lambda: accepted(w) >= 1 + 8, "eight are accepted")
                    if stop:
                        w.terminate()
                finally:
                    pg.cont()
                answers = [without_time(c.response()) for c in waiting]
            t.is_(answers, [success(1)] * n, "all are answered")
            t.is_(pg.value("SELECT count(*) FROM events WHERE site_id = 'threads'") - before, n,
                  "all are stored")
            t.is_(w.stop(), 0, "exit status")


def ask(c, body):
    c.begin(keep=True)
    c.params(fcgi.make_params("POST", "/collect", body))
    c.stdin(body)
    c.end_stdin()
    return c.response().status


def kept_connections(t, pg):
    with t.case("a kept connection"), worker(pg) as w:
        w.wait_healthy()
        with fcgi.Connection(w.address) as c:
            t.is_([ask(c, body) for body in (BODY, b"x" * 2_000_000, BODY, b"", BODY)],
                  [200, 413, 200, 400, 200], "outlives requests whose body nobody wanted")
        answers = set()
        for _ in range(100):
            with fcgi.Connection(w.address) as old:
                answers.add(ask(old, BODY))
            with fcgi.Connection(w.address) as new:
                answers.update((ask(new, BODY), ask(new, BODY)))
        t.is_(answers, {200}, "one that is closed does not disturb the next one")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    slow_bodies(t, pg)
    more_than_threads(t, pg)
    waiting_for_one_commit(t, pg)
    kept_connections(t, pg)
