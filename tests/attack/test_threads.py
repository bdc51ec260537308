"""Nobody holds so many of the worker's threads that others wait."""

import contextlib
import hashlib
import select

from harness import fcgi, postgres, proc, tap

TOKEN = "9c4e1a77d2f05b86e3"
THREADS, ASKERS = 16, 40
RECENT, METRICS, BOOKS = "/events/recent", "/metrics", "/health?books"
BODY = b'{"eventType":"x","siteId":"threads"}'


def worker(pg, **collector):
    return fcgi.Worker({"database": {"url": pg.dsn()}, "collector": {"threads": THREADS, **collector},
                        "admin": {"token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}})


def ask(stack, w, path):
    """A connection on which the request was sent; its answer is not read."""
    c = stack.enter_context(fcgi.Connection(w.address))
    c.begin()
    c.params(fcgi.make_params("GET", path, headers={"Authorization": f"Bearer {TOKEN}"}))
    c.end_stdin()
    return c


@contextlib.contextmanager
def unreadable(pg):
    """Events are stored, but nobody reads any: a partition that gets none is locked."""
    with proc.temp_dir() as folder:
        holder = proc.Process(
            [f"{pg.bin}/psql", "-Xq", pg.dsn(user=postgres.SUPERUSER), "-c",
             "BEGIN; LOCK TABLE events_default; SELECT pg_sleep(86400)"], f"{folder}/psql")
        try:
            proc.wait_for(lambda: pg.value("SELECT count(*) FROM pg_locks WHERE granted AND mode = "
                          "'AccessExclusiveLock' AND relation = 'events_default'::regclass"),
                          "the partition is locked")
            yield
        finally:
            holder.stop()
            pg.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                       "WHERE query LIKE 'BEGIN; LOCK%'")


def others_are_served(t, w):
    t.is_([w.request("POST", "/collect", BODY).status for _ in range(3)], [200] * 3, "events are stored")
    t.is_(w.request("GET", "/health").json()["status"], "healthy", "/health tells how it is")


def refused(t, answers):
    t.is_({a.status for a in answers}, {503}, "the others are refused")
    t.is_({a.headers.get("retry-after") for a in answers}, {"1"}, "may ask again")
    t.like(answers[0].json()["message"], "others ask the database already", "and are told why")


def count(text):
    return int(next(line for line in text.splitlines()
                    if line.startswith("millrace_askers_refused_total ")).split()[1])


def askers(t, pg, w):
    """Administrators' requests wait for the database, which does not answer."""
    with contextlib.ExitStack() as stack:
        with unreadable(pg):
            asked = [ask(stack, w, RECENT) for _ in range(ASKERS)]
            others_are_served(t, w)
            answered = proc.wait_for(lambda: done if len(done := readable(asked)) == ASKERS - 2 else None,
                                     "all but two are answered")
            refused(t, [c.response() for c in answered])
            refused(t, [ask(stack, w, BOOKS).response()])
            metrics = ask(stack, w, METRICS).response()
            t.is_(metrics.status, 200, "/metrics tells what it knows without the database")
            t.like(metrics.text, r"(?m)^millrace_database_up 1$", "such as that it is there")
            t.like(metrics.text, r"(?m)^millrace_buffer_known 0$", "and what it did not ask")
            t.ok(count(metrics.text) >= ASKERS, "each is counted")
        t.is_([c.response().status for c in asked if c not in answered], [200] * 2,
              "who asked has an answer")
        t.is_(ask(stack, w, RECENT).response().status, 200, "and others may ask again")


def readable(connections):
    """Those whose answer has begun to come."""
    poll = select.poll()
    for c in connections:
        poll.register(c.socket, select.POLLIN)
    ready = {fd for fd, _ in poll.poll(0)}
    return [c for c in connections if c.socket.fileno() in ready]


def anybody(t, pg, w):
    """/health asks the database too, and needs no token."""
    with contextlib.ExitStack() as stack:
        pg.sigstop()
        try:
            asked = [ask(stack, w, "/health") for _ in range(ASKERS)]
            proc.wait_for(lambda: len(readable(asked)) >= ASKERS - 1, "all but one are answered")
            t.is_(w.request("OPTIONS", "/collect").status, 204, "others are served")
        finally:
            pg.cont()
        t.is_({c.response().status for c in asked}, {200}, "all of them with what is known")


def bodiless(stack, w, n):
    """Connections on which a request was sent whose body is yet to come."""
    connections = [stack.enter_context(fcgi.Connection(w.address)) for _ in range(n)]
    for c in connections:
        c.begin()
        c.params(fcgi.make_params("POST", "/collect", content_length=1_000_000))
    return connections


def trickle(connections, piece):
    """One more piece of each that still waits for more; those that do not are answered or ended."""
    ended = readable(connections)
    for c in connections:
        if c not in ended:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                c.send(piece)
    return len(ended) == len(connections)


def never_arriving(t, w):
    with contextlib.ExitStack() as stack:
        slow = bodiless(stack, w, THREADS)
        piece = fcgi.record(fcgi.STDIN, b"x")
        proc.wait_for(lambda: trickle(slow, piece), "all bodies that trickle in are given up")
        answers = [c.response() for c in slow]
        t.is_({a.status for a in answers}, {408}, "are answered")
        t.like(answers[0].json()["message"], "the request did not arrive in time: ", "with the reason")
        heads = [stack.enter_context(fcgi.Connection(w.address)) for _ in range(THREADS)]
        for c in heads:
            c.begin()
        piece = fcgi.record(fcgi.PARAMS, fcgi.pairs({"HTTP_X": "y"}))
        proc.wait_for(lambda: trickle(heads, piece), "all heads that trickle in are given up")
        t.is_({c.response().status for c in heads}, {0}, "the connections are ended")
        metrics = ask(stack, w, METRICS).response().text
        t.like(metrics, rf'requests_rejected_total{{reason="timeout"}} {THREADS}\n', "bodies are counted")
        t.is_(w.request("POST", "/collect", BODY).status, 200, "others are served")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    with t.case("requests that never arrive"), worker(pg, request_timeout_s=2) as w:
        w.wait_healthy()
        never_arriving(t, w)
    with worker(pg) as w:
        w.wait_healthy()
        with t.case("requests that ask the database"):
            askers(t, pg, w)
        with t.case("/health of a database that does not answer"):
            anybody(t, pg, w)
