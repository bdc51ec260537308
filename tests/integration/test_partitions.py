"""Making and dropping partitions is in nobody's way: with a transaction that has read events and
stays, as of pg_dump or an analyst, what comes is stored, and no INSERT waits for a lock."""

import contextlib
import os
import re
import signal

from common import success, without_time, worker
from harness import libpq, postgres, proc, tap

# What is stored while it has to wait for this long goes to the spool, which is answered by 202.
SECTIONS = {"database": {"query_timeout_ms": 3000}}
NAMES = """SELECT name FROM events_partitions WHERE low > now() ORDER BY low"""


@contextlib.contextmanager
def reader(pg, sql):
    """A transaction that has read and stays."""
    pool = libpq.Pool()
    dsn = pg.dsn("events")
    for statement in ("BEGIN", sql):
        pool.run(dsn, statement)
    yield
    pool.run(dsn, "COMMIT")
    pool.close()


def migrate(w):
    """millrace-admin, which makes the partitions that are missing, as the worker does."""
    return proc.Process([os.path.join(proc.BUILDDIR, "cron", "millrace-admin"), "-c", w.conffile,
                         "migrate"], os.path.join(w.dir, "output"), env=proc.clean_env())


def beside(t, w, name, process):
    """Until it ends, all that comes is stored. Returns its exit status."""
    answers = set()
    while answers <= {200} and (not answers or process.running()):
        answers.add(w.request("POST", "/collect", {"eventType": "x"}).status)
    if not t.is_(sorted(answers), [200], f"{name}: all is stored"):
        process.kill(signal.SIGTERM)
    return process.wait()


def unwaited(t, pg, name):
    waits = re.findall(r".*still waiting for .*Lock on relation.*", pg.log_text())
    t.is_(waits, [], f"{name}: no INSERT waited for a lock for a second")


def drop_some(pg, n=2):
    names = [row["name"] for row in pg.query(NAMES, "events")][-n:]
    pg.execute("DROP TABLE " + ", ".join(names), "events")
    return names


def whole_reader(t, pg, w):
    missing = drop_some(pg)
    with reader(pg, "SELECT count(*) FROM events"):
        status = beside(t, w, "a reader of all", migrate(w))
        t.is_(status, 1, "a reader of all: not all can be made")
        t.like(proc.read_text(os.path.join(w.dir, "output")), "lock timeout", "says why")
        t.is_(set(missing) & {row["name"] for row in pg.query(NAMES, "events")}, set(),
              "nothing of them is left")
    t.is_(beside(t, w, "without the reader", migrate(w)), 0, "afterwards they are made")
    t.is_([row["name"] for row in pg.query(NAMES, "events")][-len(missing):], missing, "all of them")


def day_reader(t, pg, w):
    missing = drop_some(pg)
    today = pg.value("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')", "events")
    with reader(pg, f"SELECT count(*) FROM events WHERE created_at >= '{today} 00:00:00+00' "
                    f"AND created_at < '{today} 23:00:00+00'"):
        t.is_(beside(t, w, "a reader of a day", migrate(w)), 0, "a reader of a day: they are made")
        t.is_([row["name"] for row in pg.query(NAMES, "events")][-len(missing):], missing,
              "while it stays")


def made_well(t, pg):
    """A partition that is made apart is like one that is made in place."""
    t.is_(pg.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'events_ingest'::regclass",
                   "events"), pg.value("SELECT count(*) FROM pg_inherits WHERE inhparent = "
                                       "'events'::regclass", "events"), "each has its index")
    name = pg.query(NAMES, "events")[-1]["name"]
    options = "SELECT array_to_string(reloptions, ' ') AS o FROM pg_class WHERE relname = '{}'"
    t.is_(pg.value(options.format(f"{name}_ingest_xid_created_at_site_id_idx"), "events"),
          "pages_per_range=32 autosummarize=on", "with the index's options")
    columns = ("SELECT string_agg(attname || format_type(atttypid, atttypmod) || attnotnull::text || "
               "attidentity::text, ' ' ORDER BY attnum) AS c FROM pg_attribute WHERE attnum > 0 AND "
               "attrelid = '{}'::regclass")
    t.is_(pg.value(columns.format(name), "events"), pg.value(columns.format("events_default"),
                                                             "events"), "the same columns")
    pg.execute("INSERT INTO events (created_at, received_at, event_time, site_id, event_type, "
               f"payload) SELECT low, now(), now(), 's', 'later', '{{}}' FROM events_partitions "
               f"WHERE name = '{name}'", "events")
    t.is_(pg.value("SELECT tableoid::regclass::text AS name FROM events WHERE event_type = 'later' "
                   "AND id > 0 AND ingest_xid > 0", "events"), name, "it takes its rows")
    pg.execute("DELETE FROM events WHERE event_type = 'later'", "events")


def odd_spans(t, pg):
    for low, high in (("2040-01-01", "2040-01-03"), ("2040-01-02", "2040-01-01"),
                      ("2040-01-01", "infinity")):
        try:
            pg.execute(f"SELECT events_make_partition('{low}', '{high}')", "events")
            t.fail(f"{low} to {high} is refused")
        except postgres.SqlError as why:
            t.like(str(why), "at most a day|infinite", f"{low} to {high} is refused")


postgres.need()
with tap.Suite() as t, postgres.Postgres(settings={"log_lock_waits": "on"}) as pg:
    pg.create_database("events")
    with worker(pg, "events", SECTIONS) as w:
        w.wait_healthy()
        t.is_(without_time(w.request("POST", "/collect", {"eventType": "x"})), success(1), "stores")
        with t.case("making"):
            whole_reader(t, pg, w)
            unwaited(t, pg, "all")
            day_reader(t, pg, w)
            made_well(t, pg)
            odd_spans(t, pg)
            unwaited(t, pg, "a day")
