"""PostgreSQL is restarted, killed, frozen and cut off under load: every 200 is in the table
exactly once, and the same worker serves again by itself."""

from common import NO_SPOOL, worker
from harness import postgres, proc, tap
from load import Load, check

# Shorter than the default, so that the frozen server is given up on soon.
IMPATIENT = {"database": {"query_timeout_ms": 2000, "connect_timeout_ms": 2000},
             "millrace": {"log_level": "warning"}, **NO_SPOOL}
TERMINATE = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE usename = 'millrace'"""


def disturb(t, pg, loads, w):
    def serving():
        for load in loads:
            load.wait_for(200)
        # Under load a slow machine may take longer than this impatient worker waits.
        t.is_(proc.wait_for(lambda: w.request("GET", "/health").status == 200, "/health says so"),
              True, "healthy")
        t.ok(w.running(), "the same worker")

    with t.case("before"):
        serving()
    with t.case("restart -m fast"):
        pg.restart("fast")
        serving()
    with t.case("stopped"):
        pg.stop("fast")
        loads[0].wait_for(503, 10)
        answer = w.request("POST", "/collect", {"eventType": "x", "siteId": "refused"})
        t.is_((answer.status, answer.headers.get("retry-after")), (503, "5"), "503, Retry-After")
        t.is_(answer.headers.get("access-control-expose-headers"), "Retry-After",
              "which scripts of other origins may read")
        t.is_(w.request("GET", "/health").status, 503, "/health")
        pg.start()
        serving()
    with t.case("kill -9"):
        pg.kill9()
        pg.start()
        serving()
    with t.case("backends terminated"):
        for _ in range(5):
            t.ok(pg.value(TERMINATE) >= 1, "one was connected")
            serving()
    with t.case("frozen"):
        pg.sigstop()
        loads[0].wait_for(503, 4)
        pg.cont()
        serving()


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    with worker(pg, sections=IMPATIENT) as w:
        w.wait_healthy()
        with Load(w.address, "once") as once, Load(w.address, "retried", retrying=True) as retried:
            disturb(t, pg, [once, retried], w)
        with t.case("in the end"):
            check(t, pg, once)
            check(t, pg, retried)
            t.is_([key for key, status in retried.answers.items() if status != 200], [],
                  "what is retried is stored in the end")
            t.ok(once.statuses[503], "some were refused")
            t.like(w.log(), r"ERROR: .*not stored", "the log says so")
