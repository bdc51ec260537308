"""SIGTERM: whatever got in is answered, and the worker ends with status 0. Also: the log file
is opened anew when it was renamed."""

import os
import signal

from common import NO_SPOOL, success, without_time, worker
from harness import fcgi, postgres, proc, tap
from load import Load, check

# So large that no socket holds it: when most of it is sent, the worker is reading it.
LARGE = b'{"eventType":"large","siteId":"flight","x":"' + b"x" * 900_000 + b'"}'


def begun(c):
    """Sends the first part of a request that the worker has then begun to read."""
    c.begin()
    c.params(fcgi.make_params("POST", "/collect", LARGE))
    c.stdin(LARGE[:800_000])


def completed(c):
    c.stdin(LARGE[800_000:])
    c.end_stdin()
    return c.response()


def idle(t, pg):
    with t.case("SIGTERM while idle"), worker(pg) as w:
        w.wait_healthy()
        t.is_(w.stop(), 0, "exit status")
    with t.case("SIGTERM at once"), worker(pg) as w:
        status = w.process.stop()
        t.ok(status in (0, -signal.SIGTERM), "ends", status)
        w.start()
        w.wait_healthy()
    with t.case("SIGTERM with a connection that is kept"), worker(pg) as w:
        w.wait_healthy()
        with fcgi.Connection(w.address) as c:
            c.begin(keep=True)
            c.params(fcgi.make_params("GET", "/health"))
            c.end_stdin()
            t.is_(c.response().status, 200, "a request on it")
            t.is_(w.stop(), 0, "exit status")
    for name, send in (("silent connection", lambda c: None),
                       ("request without parameters", lambda c: c.begin()),
                       ("request without an end", begun)):
        with t.case(f"SIGTERM with a {name}"), worker(pg) as w:
            w.wait_healthy()
            with fcgi.Connection(w.address) as c:
                send(c)
                # Accepted in turn, so the connection before it was accepted too.
                t.is_(w.request("GET", "/health").status, 200, "another request is served")
                t.is_(w.stop(), 0, "exit status")
    with t.case("SIGTERM without PostgreSQL"):
        missing = {"database": {"url": f"host={pg.dir}/nowhere"}, **NO_SPOOL}
        with worker(pg, sections=missing) as w:
            t.is_(w.request("GET", "/health").status, 503, "unhealthy")
            t.is_(w.stop(), 0, "exit status")


def in_flight(t, pg):
    with t.case("request in flight"), worker(pg) as w:
        w.wait_healthy()
        with fcgi.Connection(w.address) as c:
            begun(c)
            w.terminate()
            t.is_(without_time(completed(c)), success(1), "is answered")
        t.is_(w.stop(), 0, "exit status")
        t.is_(len(pg.events("site_id = 'flight'")), 1, "is stored")

    impatient = {"database": {"query_timeout_ms": 3000, "connect_timeout_ms": 3000}, **NO_SPOOL}
    with t.case("request in flight while PostgreSQL hangs"), worker(pg, sections=impatient) as w:
        w.wait_healthy()
        with fcgi.Connection(w.address) as c:
            begun(c)
            pg.sigstop()
            try:
                w.terminate()
                t.is_(completed(c).status, 503, "is answered")
                t.is_(w.stop(), 0, "exit status")
            finally:
                pg.cont()


def under_load(t, pg):
    """The listening socket stays open, so a successor serves what the first did not accept."""
    with t.case("under load"), worker(pg) as w:
        w.wait_healthy()
        with Load(w.address, "handover", threads=8) as load:
            for _ in range(5):
                load.wait_for(200, 100)
                t.is_(w.stop(), 0, "exit status")
                w.start()
            load.wait_for(200, 100)
        check(t, pg, load)
        t.is_(set(load.statuses), {200}, "no request fails")

    with t.case("two workers on one socket"), worker(pg) as one:
        with worker(pg, share=one) as other:
            one.wait_healthy()
            with Load(one.address, "pair", threads=8) as load:
                for w in (one, other, one, other):
                    load.wait_for(200, 100)
                    t.is_(w.stop(), 0, "one is stopped")
                    load.wait_for(200, 100)
                    w.start()
            check(t, pg, load)
            t.is_(set(load.statuses), {200}, "no request fails")


def log_a_line(w, site):
    w.request("POST", "/collect",
              {"eventType": "batch", "siteId": site, "events": [{"eventType": "x"}]})


def log_file(t, pg):
    with t.case("log file"), proc.temp_dir() as folder:
        path = os.path.join(folder, "millrace.log")
        with worker(pg, sections={"millrace": {"log": path}}) as w:
            w.wait_healthy()
            log_a_line(w, "before")
            proc.wait_for(lambda: "from before" in proc.read_text(path), "the first line")
            t.is_(os.stat(path).st_mode & 0o777, 0o640, "mode")
            os.rename(path, path + ".1")

            def reopened():
                log_a_line(w, "after")
                return "from after" in proc.read_text(path)
            proc.wait_for(reopened, "the renamed file is opened anew")
            t.like(proc.read_text(path + ".1"), r"from before", "the old one keeps its lines")
            t.unlike(proc.read_text(path), r"from before", "the new one starts empty")
            os.unlink(path)
            proc.wait_for(reopened, "the removed file is opened anew")
            t.ok(w.running(), "the worker lives on")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    idle(t, pg)
    in_flight(t, pg)
    under_load(t, pg)
    log_file(t, pg)
