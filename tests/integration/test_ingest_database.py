"""A database with a will of its own: its settings, lost and locked connections, rows it refuses."""

import datetime
import json

from common import NO_SPOOL, check_error, success, without_time, worker
from harness import postgres, proc, tap
from load import Load, check

# Remembers what the storing session had set.
WATCH = """
CREATE TABLE watched (setting text);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO watched VALUES (current_setting('synchronous_commit')); RETURN NULL; END$$;
CREATE TRIGGER watch AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION watch();
GRANT INSERT ON watched TO millrace;
"""
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE usename = 'millrace' ORDER BY pid"
HAS_LZ4 = ("SELECT 'lz4' = ANY (enumvals) FROM pg_settings "
           "WHERE name = 'default_toast_compression'")
POISON = "ALTER TABLE events ADD CONSTRAINT no_poison CHECK (event_type <> 'poison')"


def post(w, body=None):
    return w.request("POST", "/collect", body or {"eventType": "x"})


def durable(t, pg):
    for key, sections, want in (("by default", {}, "on"),
                                ("off", {"database": {"synchronous_commit": "off"}}, "off")):
        with t.case(f"synchronous_commit {key}"):
            pg.create_database("durable")
            # The opposite of what the worker is to have.
            pg.execute("ALTER DATABASE durable SET synchronous_commit = "
                       + ("off" if want == "on" else "on"), "postgres")
            with worker(pg, "durable", sections) as w:
                w.wait_healthy()
                pg.execute(WATCH, "durable")
                t.is_(post(w).status, 200, "plain")
                t.is_(post(w, {"eventType": "x", "batchId": "1"}).status, 200, "with a batchId")
                t.is_(pg.query("SELECT DISTINCT setting FROM watched", "durable"),
                      [{"setting": want}], "is what the worker's sessions have")


def odd_settings(t, pg):
    with t.case("odd defaults of the database"):
        pg.create_database("odd")
        for setting in ("timezone = 'Asia/Tokyo'", "datestyle = 'SQL, DMY'",
                        "bytea_output = 'escape'", "client_encoding = 'LATIN1'",
                        "standard_conforming_strings = off", "search_path = '$user', public",
                        "default_transaction_isolation = 'serializable'"):
            pg.execute(f"ALTER DATABASE odd SET {setting}", "postgres")
        with worker(pg, "odd") as w:
            w.wait_healthy()
            event = {"eventType": "größe 大", "timestamp": "2025-06-22T12:00:00.123Z"}
            t.is_(without_time(post(w, event)), success(1), "stored")
            before = datetime.datetime.now(datetime.timezone.utc)
            got = w.request("GET", "/events/recent", remote_addr="127.0.0.1").json()["events"][0]
            t.includes(got, {"event_type": "größe 大", "payload": event,
                             "event_time": "2025-06-22T12:00:00.123Z"}, "read back")
            created = datetime.datetime.fromisoformat(got["created_at"])
            t.ok(abs(before - created) < datetime.timedelta(hours=1), "created_at is UTC",
                 got["created_at"])
            with Load(w.address, "odd") as load:
                load.wait_for(200, 100)
            t.is_(set(load.statuses), {200}, "no request fails")

    with t.case("read-only database"):
        pg.create_database("readonly")
        with worker(pg, "readonly", NO_SPOOL) as w:
            w.wait_healthy()
            pg.execute("ALTER DATABASE readonly SET default_transaction_read_only = on", "postgres")
            pg.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                       "WHERE usename = 'millrace'", "postgres")
            check_error(t, post(w), 503, r".")
            pg.execute("ALTER DATABASE readonly RESET default_transaction_read_only", "postgres")
            pg.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                       "WHERE usename = 'millrace'", "postgres")
            proc.wait_for(lambda: post(w).status == 200, "it stores again")
            t.ok(w.running(), "the worker lives on")


def connections(t, pg):
    with t.case("lost while idle"):
        with worker(pg, sections={"database": {"idle_check_s": 0}}) as w:
            w.wait_healthy()
            for i in range(5):
                t.is_(post(w).status, 200, f"before {i}")
                pids = [row["pid"] for row in pg.query(BACKENDS)]
                for pid in pids:
                    pg.execute(f"SELECT pg_terminate_backend({pid})")
                proc.wait_for(lambda: not {row["pid"] for row in pg.query(BACKENDS)} & set(pids),
                              "the backends end")
                t.is_(without_time(post(w)), success(1), f"after {i}: the client notices nothing")

    with t.case("recycled"):
        with worker(pg, sections={"database": {"recycle_s": 1}}) as w:
            w.wait_healthy()
            first = pg.query(BACKENDS)
            with Load(w.address, "recycled", threads=2) as load:
                proc.wait_for(lambda: pg.query(BACKENDS) != first, "the connection is replaced")
                load.wait_for(200)
            check(t, pg, load)
            t.is_(set(load.statuses), {200}, "no request fails")
            t.ok(len(pg.query(BACKENDS)) <= 2, "the old connection is closed")


def locked(t, pg):
    impatient = {"database": {"query_timeout_ms": 500}, **NO_SPOOL}
    with t.case("locked table"), worker(pg, sections=impatient) as w, proc.temp_dir() as folder:
        w.wait_healthy()
        with Load(w.address, "locked") as load:
            load.wait_for(200)
            holder = proc.Process(
                [f"{pg.bin}/psql", "-Xq", pg.dsn(user=postgres.SUPERUSER), "-c",
                 "BEGIN; LOCK TABLE events; SELECT pg_sleep(86400)"], f"{folder}/psql")
            try:
                load.wait_for(503, 8)
            finally:
                holder.stop()
                pg.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                           "WHERE query LIKE 'BEGIN; LOCK%'")
            load.wait_for(200)
        check(t, pg, load)
        t.ok(w.running(), "the worker lives on")


def says_nothing_of_the_database(t, w, answer, name):
    """How tables and constraints are called, and what is in a row, is the log's alone."""
    said = answer.body.decode("latin-1") + str(answer.headers)
    t.unlike(said, r"no_poison|relation|violates|constraint", f"{name}: the message is not told")
    t.like(w.log(), r"violates check constraint", f"{name}: the log has it")


def refused(t, pg):
    with t.case("rows that the database refuses"):
        pg.create_database("poison")
        with worker(pg, "poison") as w:
            w.wait_healthy()
            pg.execute(POISON, "poison")
            with Load(w.address, "good", threads=6) as load:
                for i in range(20):
                    load.wait_for(200, 5)
                    answer = post(w, {"eventType": "poison", "siteId": f"bad{i}"})
                    if answer.status != 400:
                        break
                check_error(t, answer, 400, r"SQLSTATE 23514")
                says_nothing_of_the_database(t, w, answer, "a refused event")
            t.is_(set(load.statuses), {200}, "the others of the group are stored")
            t.is_(pg.value("SELECT count(*) FROM events WHERE site_id = 'good'", "poison"),
                  len(load.answers), "each once")

            answer = post(w, {"eventType": "batch", "siteId": "mixed", "events": [
                {"eventType": "fine", "n": 0}, {"eventType": "poison"},
                {"eventType": "fine", "n": 2}]})
            t.is_(answer.status, 200, "a partly refused batch: status")
            t.includes(without_time(answer), {
                "status": "partial", "events_processed": 3, "events_rejected": 1},
                "a partly refused batch: answer")
            t.is_([row["event_type"] for row in pg.events("site_id = 'mixed'", "poison")],
                  ["batch", "fine", "fine"], "a partly refused batch: the good ones are stored")
            t.is_(pg.query("SELECT event_index, sqlstate FROM rejected_events "
                           "WHERE site_id = 'mixed'", "poison"),
                  [{"event_index": 1, "sqlstate": "23514"}],
                  "a partly refused batch: the bad one is kept with the reason")
            t.like(json.dumps(answer.json()["errors"]), "SQLSTATE 23514",
                   "a partly refused batch: the SQLSTATE is told")
            says_nothing_of_the_database(t, w, answer, "a partly refused batch")
            answer = post(w, [{"eventType": "poison", "siteId": "bare"},
                              {"eventType": "fine", "siteId": "bare"}, 42])
            t.is_([error["index"] for error in answer.json()["errors"]], [0, 2],
                  "an array without an envelope: indexes count from its first")
            answer = w.request("GET", "/pixel.gif?eventType=poison&siteId=bad")
            t.like(answer.headers["x-millrace"], r"\Arejected: .*SQLSTATE 23514", "a refused pixel")
            says_nothing_of_the_database(t, w, answer, "a refused pixel")

            pg.execute("ALTER TABLE events ADD CONSTRAINT no_bad CHECK (NOT payload::jsonb ? 'bad')",
                       "poison")
            other = {"eventType": "batch", "batchId": "k", "siteId": "other",
                     "events": [{"eventType": "a"}]}
            answer = post(w, {**other, "bad": 1, "siteId": "own",
                              "events": [{"eventType": "a", "siteId": "other"}, 42]})
            t.includes(without_time(answer), {"events_processed": 1, "events_rejected": 2},
                       "a refused envelope: its member is stored")
            t.is_(pg.query("SELECT event_index, site_id FROM rejected_events "
                           "WHERE site_id IN ('own', 'other') ORDER BY event_index", "poison"),
                  [{"event_index": -1, "site_id": "own"}, {"event_index": 1, "site_id": "own"}],
                  "a refused envelope: the refusals are of the batch's site")
            t.like(w.log(), "Bulk inserted 1 events from own", "a refused envelope: so says the log")
            t.is_(without_time(post(w, other)), success(2), "a refused envelope: no batch of its "
                  "member's site is taken for the same")
            t.is_(pg.query("SELECT site_id, batch_id FROM dedup_keys ORDER BY site_id DESC", "poison"),
                  [{"site_id": "own", "batch_id": "k"}, {"site_id": "other", "batch_id": "k"}],
                  "a refused envelope: the batchIds")


def compressed(t, pg, w):
    """What is large is compressed by the faster method, where the server has it."""
    t.is_(post(w, {"eventType": "x", "siteId": "large", "data": "words, " * 1000}).status, 200,
          "a large payload")
    t.is_(pg.value("SELECT pg_column_compression(payload) FROM events WHERE site_id = 'large'"),
          "lz4" if pg.value(HAS_LZ4) else "pglz", "is compressed by lz4 where there is one")


def configured(t, pg):
    with t.case("DATABASE_URL"):
        with worker(pg, "nowhere", env={"DATABASE_URL":
                    f"postgresql://{postgres.OWNER}@/{pg.database}?host={pg.dir}"}) as w:
            w.wait_healthy()
            t.is_(without_time(post(w)), success(1), "comes before the file")
            compressed(t, pg, w)
    with t.case("group_max_rows = 1"):
        with worker(pg, sections={"collector": {"group_max_rows": 1}}) as w:
            w.wait_healthy()
            body = {"eventType": "batch", "siteId": "small", "events": [{"eventType": "x"}] * 9}
            t.is_(without_time(post(w, body)), success(10), "a batch is never cut")
            with Load(w.address, "single") as load:
                load.wait_for(200)
            check(t, pg, load)
            t.is_(pg.value("SELECT max(n) FROM (SELECT count(*) AS n FROM events WHERE "
                           "site_id = 'single' GROUP BY ingest_xid) AS groups"), 1,
                  "one request a commit")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    durable(t, pg)
    odd_settings(t, pg)
    connections(t, pg)
    locked(t, pg)
    refused(t, pg)
    configured(t, pg)
