"""How millrace-export reads: no statement of it loops over events, however many sites there are
and whatever the planner knows, and a backlog is counted about once."""

import hashlib
import os
import re

from common import BEARER, TOKEN, worker
from exporting import Setting, check_complete, client, manifests
from harness import postgres, proc, tap

SITES = 200
# One transaction after the other, each with some rows of a site.
TRANSACTIONS = """DO $$ BEGIN FOR i IN 1..{n} LOOP
    INSERT INTO events (created_at, received_at, event_time, site_id, event_type, payload)
    SELECT {created}, now(), now(), 'shop' || i % 20, 'click', '{{}}' FROM generate_series(1, {rows});
    COMMIT; END LOOP; END $$"""


def plans(log):
    """The plans of statements that read events, as texts."""
    found = re.split(r"^\S+ \S+ \S+ \[\d+\] LOG: ", log, flags=re.M)
    return [text for text in found if "plan:" in text and re.search(r"\bon events", text)]


def loops(plan):
    """Scans of events that were begun more often than a table has partitions to begin with."""
    return [line.strip() for line in plan.splitlines()
            if re.search(r"Scan.* on events", line) and
            int(re.search(r"loops=(\d+)", line)[1] if "loops=" in line else 0) > 3]


def run(t, pg, s, name, *args):
    """A run, of which no statement loops. Returns what was logged of it."""
    before = len(pg.log_text())
    s.exporter.good(t, name, *args)
    log = pg.log_text()[before:]
    found = plans(log)
    t.ok(found, f"{name}: it has read events")
    t.is_([line for plan in found for line in loops(plan)], [], f"{name}: no scan is repeated")
    return log


def many_sites(t, pg, folder):
    """A few rows of many sites behind a larger table."""
    s = Setting(pg, folder, "many")
    s.insert(100 * SITES, site="'s' || i % 2")
    run(t, pg, s, "what was there before")
    pg.execute("ANALYZE", s.name)
    s.insert(2)
    run(t, pg, s, "a few rows")
    for name in ("statistics that are stale", "statistics that are fresh"):
        s.insert(2 * SITES, site=f"'s' || i % {SITES}")
        if name.endswith("fresh"):
            pg.execute("ANALYZE", s.name)
        run(t, pg, s, name)
        check_complete(t, name, s.bucket, pg, database=s.name)
    # One site that has nearly all of it.
    s.insert(3000, site="CASE WHEN i > 100 THEN 'large' ELSE 's' || i END")
    run(t, pg, s, "a large one beside many small ones")
    check_complete(t, "large and small", s.bucket, pg, database=s.name)


def moved_rows(t, pg, folder):
    """Counting anew does not loop either."""
    s = Setting(pg, folder, "anew")
    s.insert(4 * SITES, site=f"'s' || i % {SITES}")
    os.rename(s.bucket.path, s.bucket.path + ".away")
    t.is_(s.exporter.run().returncode, 1, "planned, and not delivered")
    os.rename(s.bucket.path + ".away", s.bucket.path)
    pg.execute("DELETE FROM events WHERE site_id IN ('s1', 's2')", s.name)
    run(t, pg, s, "rows are gone since they were planned")
    check_complete(t, "all others", s.bucket, pg, database=s.name)


def listed(t, pg, folder):
    """Sites of no client are known from what is new."""
    s = Setting(pg, folder, "listed", sites="s0")
    s.insert(3 * SITES, site=f"'s' || i % {SITES}")
    done = s.exporter.good(t, "a listed site")
    t.like(done.stdout, rf"; {SITES - 1} sites belong to no client$", "the others are counted")
    s.insert(20, site="'s' || i % 2")
    log = run(t, pg, s, "the next run")
    notes = [plan for plan in plans(log) if "INSERT INTO export_sites" in plan]
    t.is_(len(notes), 1, "notes the sites once")
    read = [int(rows) for rows in re.findall(r"Scan on events_\w+ .*actual rows=(\d+)", notes[0])]
    t.is_(sum(read), 20, "of the new rows")
    t.is_(s.value("SELECT count(*) FROM export_sites"), SITES, "they are in their table")


def uneven(t, pg, folder):
    """Small transactions, then large ones, then small ones: each batch is counted about once."""
    s = Setting(pg, folder, "uneven")
    s.exporter.configure({"export": {"batch_max_rows": 2000}, "client acme": client(s.bucket)})
    for n, rows in ((2500, 1), (20, 1000), (2500, 1)):
        pg.execute(TRANSACTIONS.format(n=n, rows=rows, created="now()"), s.name)
    log = run(t, pg, s, "a backlog")
    check_complete(t, "all of it", s.bucket, pg, database=s.name)
    batches = s.value("SELECT count(*) FROM export_batches")
    counted = sum("Query Text: SELECT array_agg(site_id)" in plan for plan in plans(log))
    t.ok(counted <= batches + batches // 2 + 2, "is counted about once",
         f"{counted} counts of {batches} batches")
    read = sum(int(rows) * int(loop) for plan in plans(log)
               if "Query Text: SELECT array_agg(site_id)" in plan
               for rows, loop in re.findall(r" on events_\w+ .*\(actual rows=(\d+) loops=(\d+)", plan))
    t.ok(read <= 2 * 25000, "and no more rows than there are twice", f"{read} rows")


def late(t, pg, folder):
    """A transaction of the hour before that commits behind many of this one."""
    s = Setting(pg, folder, "late")
    s.insert(1)
    s.exporter.good(t, "a run")
    before = s.value("SELECT count(*) FROM export_batches")
    for n, created in ((700, "now()"), (1, "now() - interval '1 hour'")):
        pg.execute(TRANSACTIONS.format(n=n, rows=1, created=created), s.name)
    s.exporter.good(t, "with a late one")
    check_complete(t, "all of them", s.bucket, pg, database=s.name)
    t.ok(s.value("SELECT count(*) FROM export_batches") - before <= 3, "a few batches at most",
         s.value("SELECT count(*) FROM export_batches"))


CLIENTS = 20
# Clients that a site belongs to, as SQL: c0 has s0 and s1, c1 has s2 and s3, and so on.
OWNED = "site_id = ANY ('{{s{0},s{1}}}')"


def clients(folder):
    """{section: keys}: many with two sites each, one of them daily, one that shares another's
    sites, and two that take what is left."""
    listed = {f"client c{i}": client(folder, sites=f"s{2 * i}, s{2 * i + 1}", prefix=f"c{i}")
              for i in range(CLIENTS)}
    listed["client c1"]["frequency"] = "daily"
    return {**listed, "client copy": client(folder, sites="s0, s1", prefix="copy"),
            "client rest": client(folder, sites="*", prefix="rest"),
            "client hours": client(folder, sites="*", prefix="hours", frequency="hourly")}


def waiting(s):
    """{client: (events that wait, age of the oldest in seconds)}, by the table."""
    listed = [f"s{i}" for i in range(2 * CLIENTS)]
    where = {f"c{i}": OWNED.format(2 * i, 2 * i + 1) for i in range(CLIENTS)}
    where |= {"copy": where["c0"], **dict.fromkeys(
        ("rest", "hours"), f"site_id <> ALL ('{{{','.join(listed)}}}')")}
    rows = s.pg.query(" UNION ALL ".join(
        f"SELECT '{name}' AS client, count(*) AS n, coalesce(extract(epoch FROM now() - "
        f"min(created_at)), 0)::integer AS age FROM events, export_chains WHERE client = '{name}' "
        f"AND {w} AND NOT pg_visible_in_snapshot(ingest_xid::text::xid8, snapshot::pg_snapshot)"
        for name, w in where.items()), s.name)
    return {row["client"]: (row["n"], row["age"]) for row in rows}


def status(t, pg, folder):
    """How far the exports are is told from what is new, in one look for many clients."""
    s = Setting(pg, folder, "status")
    s.exporter.configure(clients(s.bucket))
    s.insert(2000, site=f"'s' || i % {2 * CLIENTS + 20}")
    s.exporter.good(t, "all clients")
    # As if this had been under way when the plans were made, and had ended later.
    s.insert(1, site="'s4'", created="now() - interval '1 minute'")
    s.exporter.good(t, "once more")
    pg.execute("UPDATE export_chains SET snapshot = x || ':' || pg_snapshot_xmax(snapshot::"
               "pg_snapshot) || ':' || x FROM (SELECT max(ingest_xid) AS x FROM events) e "
               "WHERE client = 'c2'", s.name)
    s.insert(50, site=f"'s' || i % {2 * CLIENTS + 20}", created="now() - interval '1 hour'")
    sections = {**clients(s.bucket),
                "admin": {"token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}}
    with worker(pg, s.name, sections) as w:
        w.wait_healthy()
        before = len(pg.log_text())
        found = {c["client"]: c["destinations"][0] for c in
                 w.request("GET", "/export/status", headers=BEARER).json()["clients"]}
        log = pg.log_text()[before:]
        t.is_(list(found), [name.removeprefix("client ") for name in clients(s.bucket)],
              "clients are told in their order")
        want = waiting(s)
        t.is_({name: d["pending_events"] for name, d in found.items()},
              {name: want[name][0] for name in found}, "what waits for each")
        t.is_(found["c2"]["pending_events"], 3, "with the late one")
        # What was asked later is older, by no more than a test may take.
        wrong = {name: (d["lag_seconds"], want[name]) for name, d in found.items()
                 if not 0 <= want[name][1] - d["lag_seconds"] < proc.DEADLINE_S}
        t.is_(wrong, {}, "since the oldest came")
        t.ok(found["c2"]["lag_seconds"] >= 3600, "which is told by its row")
        read = [text for text in plans(log) if "width_bucket" in text]
        t.is_(len(read), 3, "one look for the clients of a frequency")
        t.is_([line for plan in read for line in loops(plan)], [], "no scan is repeated")
        t.is_([line for plan in read for line in plan.splitlines() if "Seq Scan on events" in line],
              [], "and none is of the whole table")
        values = w.request("GET", "/metrics", headers=BEARER).text
        t.is_(len(re.findall(r"(?m)^millrace_export_lag_seconds", values)), len(found),
              "the metrics have them, too")


def idle(t, pg, folder):
    """A client to whom nothing came does not look again where it has looked."""
    s = Setting(pg, folder, "idle", sites="s0")
    s.insert(20, site="'s' || i % 2")
    s.exporter.good(t, "a run")
    batch = s.value("SELECT snapshot FROM export_chains")
    s.insert(500, site="'s1'")
    s.exporter.good(t, "nothing for the client")
    t.is_(s.value("SELECT snapshot FROM export_chains"), batch, "makes no batch")
    seen = s.value("SELECT max(ingest_xid) FROM events")
    s.insert(20, site="'s1'")
    log = run(t, pg, s, "nothing again")
    counts = [text for text in plans(log) if "Query Text: SELECT array_agg(site_id)" in text]
    t.ok(counts and all(int(xid) > seen for text in counts
                        for xid in re.findall(r"WHERE \(ingest_xid >= (\d+)", text)),
         "only what is new was counted", "\n".join(counts))
    s.exporter.configure({"client acme": client(s.bucket, sites="s0, s1")})
    s.insert(2, site="'s' || i % 2")
    s.exporter.good(t, "another site")
    check_complete(t, "which has what came meanwhile", s.bucket, pg, database=s.name)
    said = [m["snapshot_from"] for m in manifests(s.bucket) if m["kind"] == "cursor"]
    t.is_(said[1:], [batch], "a batch begins where the one before has ended")


def main():
    postgres.need()
    settings = {**postgres.EXPLAIN, "autovacuum": "off"}
    with tap.Suite() as t, postgres.Postgres(settings=settings) as pg, proc.temp_dir() as folder:
        for case in (many_sites, moved_rows, listed, uneven, late, status, idle):
            with t.case(case.__name__.replace("_", " ")):
                case(t, pg, folder)


main()
