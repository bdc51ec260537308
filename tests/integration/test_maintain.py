"""millrace-maintain: what was delivered to everybody goes, and nothing else; the small tables stay
small; whatever it is killed at, the next run goes on."""

import json
import os
import subprocess

from exporting import Exporter, Folder, check_complete, table
from harness import libpq, postgres, proc, sanitizer, tap

DAYS = 4
MAKE = """SELECT count(*) FILTER (WHERE events_make_partition(day, day + interval '1 day'))
    FROM (SELECT ((now() AT TIME ZONE 'UTC')::date - i)::timestamp AT TIME ZONE 'UTC' AS day
    FROM generate_series(1, {}) AS i) AS d"""
FILL = """INSERT INTO events (created_at, received_at, event_time, site_id, event_type, payload)
    SELECT day + i * interval '1 minute', now(), now(), site, 'x', '{{"n":1}}'
    FROM unnest(ARRAY{}) AS site, generate_series(1, {}) AS i,
    (SELECT ((now() AT TIME ZONE 'UTC')::date - {})::timestamp AT TIME ZONE 'UTC' AS day) AS d"""


class Case(Exporter):
    """A database with events of the last days, and the programs on it."""

    def __init__(self, folder, pg, name, sections, days=DAYS):
        pg.create_database(name)
        path = os.path.join(folder, name)
        os.mkdir(path)
        super().__init__(path, pg, sections, name)
        self.maintain()             # makes the tables, and the partitions from today on
        pg.execute(MAKE.format(days), name, postgres.OWNER)

    def fill(self, day, sites, n=10):
        """n events of each site, so many days ago."""
        self.pg.execute(FILL.format(list(sites), n, day), self.database)

    def name(self, day):
        """Of the partition of so many days ago."""
        return self.pg.value("SELECT 'events_' || to_char((now() AT TIME ZONE 'UTC')::date - "
                             f"{day}, 'YYYYMMDD') AS n", self.database)

    def maintain(self, *args):
        program = os.path.join(proc.BUILDDIR, "cron", "millrace-maintain")
        return sanitizer.run(self.folder, [program, "-c", self.ini, *args])

    def fates(self, *args, status=0):
        """{days ago: (what, why)} of a run."""
        done = self.maintain("--json", *args)
        if done.returncode != status or bool(done.stderr) != bool(status):
            raise RuntimeError(f"status {done.returncode}\n{done.stdout}{done.stderr}")
        self.report = json.loads(done.stdout)
        names = {self.name(day): day for day in range(DAYS + 1)}
        return {names[p["name"]]: (p["what"], p["why"]) for p in self.report["partitions"]
                if p["name"] in names}

    def days(self):
        """Days ago of which there are partitions still, today's apart."""
        names = {row["name"] for row in self.pg.query("SELECT name FROM events_partitions",
                                                      self.database)}
        return [day for day in range(1, DAYS + 1) if self.name(day) in names]


def client(folder, name, sites="*", **more):
    place = os.path.join(folder, name)
    os.makedirs(place, exist_ok=True)
    return {"sites": sites, "bucket": f"file://{place}", "compression": "none", **more}


def delivered(t, pg, folder):
    case = Case(folder, pg, "delivered", {"retention": {"events": "0"},
                                          "client acme": client(folder, "acme")})
    for day in range(DAYS + 1):
        case.fill(day, ["a", "b"])
    fates = case.fates()
    t.is_({fates[d] for d in range(1, DAYS + 1)},
          {("kept", "held by client acme, bucket (20 events)")}, "before the export all is held")
    t.is_(fates[0], ("kept", "its time is not over"), "today is open")
    t.is_(case.days(), [1, 2, 3, 4], "nothing is gone")
    case.good(t, "export")
    want = table(pg, database=case.database)
    t.is_(set(case.fates("--dry-run").values()) - {("kept", "its time is not over")},
          {("would be dropped", "delivered, and its time is over")}, "a dry run says so")
    t.is_(case.days(), [1, 2, 3, 4], "and drops nothing")
    fates = case.fates()
    t.is_({fates[d][0] for d in range(1, DAYS + 1)}, {"dropped"}, "then it is dropped")
    t.is_((case.days(), case.report["dropped"]), ([], 4), "it is gone")
    t.is_(pg.value("SELECT count(*) FROM events_counted", case.database), 0, "what was known, too")
    t.is_(pg.value("SELECT count(*) FROM events", case.database), 20, "today's events are there")
    check_complete(t, "the bucket", Folder(os.path.join(folder, "acme")), pg, want=want,
                   database=case.database)
    case.fill(0, ["a"])
    case.good(t, "the export after it")
    t.is_(case.maintain("-q").returncode, 0, "and another run")


def kept_for_a_time(t, pg, folder):
    case = Case(folder, pg, "kept", {"client acme": client(folder, "kept_acme"),
                                     "retention": {"history": "1h"}})
    case.fill(1, ["a"])
    case.fill(2, ["a"])
    case.good(t, "export")
    t.like(case.fates()[2][1], r"^delivered, until \d{4}-", "24 hours after the delivery")
    t.is_(case.days(), [1, 2], "so it is kept, but not what is empty")
    pg.execute("UPDATE export_deliveries SET delivered_at = now() - interval '25 hours'; "
               "UPDATE export_batches SET planned_at = now() - interval '25 hours'", case.database)
    case.fill(0, ["a"])
    case.good(t, "another export, which forgets what is older than history")
    t.is_({d: f[0] for d, f in case.fates().items()},
          {0: "kept", 1: "kept", 2: "dropped"},
          "a day after its end and the delivery it goes")


def max_bytes(t, pg, folder):
    sections = {"client acme": client(folder, "max_acme", "a")}
    case = Case(folder, pg, "maxbytes", sections)
    for day in (1, 3):
        case.fill(day, ["a"], 1000)
    case.fill(2, ["a", "other"], 1000)
    case.good(t, "export")
    case.configure({**sections, "retention": {"max_bytes": "1k"}})
    fates = case.fates()
    t.is_({d: fates[d][0] for d in (1, 2, 3)}, {1: "dropped", 2: "kept", 3: "dropped"},
          "what is delivered goes before its time, and nothing else")
    t.like(fates[3][1], "max_bytes", "says why")
    t.is_(fates[2][1], "held by events of sites of no client", "the unclaimed stay")
    case.configure({**sections, "retention": {"max_bytes": "1k", "unclaimed": "drop"}})
    t.is_(case.fates()[2][0], "dropped", "unclaimed = drop")


def destinations(t, pg, folder):
    """Each destination of each client counts for the sites that are the client's."""
    sections = {"retention": {"events": "0"},
                "backup": {"bucket": f"file://{folder}/d_backup", "compression": "none"},
                "client one": client(folder, "d_one", "a"),
                "client two": client(folder, "d_two", "b", backup="off"),
                "client new": client(folder, "d_new", "c")}
    sections["backup"].pop("compression")
    os.mkdir(os.path.join(folder, "d_backup"))
    case = Case(folder, pg, "dests", sections)
    case.fill(4, ["a"])
    case.fill(3, ["b"])
    case.fill(2, ["c"])
    case.fill(1, ["a", "b", "c"])
    os.rename(f"{folder}/d_backup", f"{folder}/away")
    with open(f"{folder}/d_backup", "w", encoding="ascii"):
        pass
    for name in ("one", "two"):
        case.run("--client", name)
    fates = case.fates()
    t.is_(fates[4][1], "held by client one, backup (10 events)", "a backup that is away")
    t.is_(fates[3][0], "dropped", "a client without backup")
    t.is_(fates[2][1], "held by client new, bucket (10 events); client new, backup (10 events)",
          "a client that has never been exported")
    t.is_(fates[1][1], "held by client new, bucket (10 events); client new, backup (10 events); "
          "client one, backup (10 events)", "all of them")
    os.remove(f"{folder}/d_backup")
    os.rename(f"{folder}/away", f"{folder}/d_backup")
    case.good(t, "export of all")
    t.is_({f[0] for d, f in case.fates().items() if d}, {"dropped"}, "when all have it")
    return case, sections


def changes(t, pg, folder):
    """Whoever comes to have to have something holds it."""
    one = {"retention": {"events": "0"}, "client one": client(folder, "c_one", "a")}
    case = Case(folder, pg, "changes", one)
    case.fill(2, ["a", "b"])
    case.good(t, "export")
    t.is_(case.fates()[2][1], "held by events of sites of no client", "a site of nobody")
    case.configure({**one, "client one": client(folder, "c_one", "a, b")})
    t.is_(case.fates()[2][1], "held by client one, bucket (10 events)", "a site that is new")
    case.configure({**one, "backup": {"bucket": f"file://{folder}/c_one"},
                    "client one": client(folder, "c_one", "a")})
    t.like(case.fates()[2][1], r"client one, backup \(10 events\)", "a backup that is new")
    case.configure({**one, "client one": client(folder, "c_one", "a, b")})
    case.good(t, "export of the new site")
    late = pg.execute("SELECT pg_current_xact_id()", case.database)
    case.fill(2, ["a"])
    t.ok(late, "a transaction")
    t.is_(case.fates()[2], ("not dropped", "delivered, and its time is over"),
          "rows that have come since it was counted keep it")
    t.is_(case.fates()[2][1], "held by client one, bucket (20 events)", "they are counted then")
    t.is_(pg.value("SELECT count(*) FROM events", case.database), 30, "and are there")
    case.good(t, "export of them")
    pg.execute("INSERT INTO export_runs (origin, asked_by, state, since) VALUES ('http', 'x', "
               "'requested', now() - interval '30 days')", case.database)
    t.is_(case.fates()[2][1], "held by an export of a span of time", "what was asked for")
    pg.execute("DELETE FROM export_runs", case.database)
    pg.execute("UPDATE export_chains SET system_identifier = 1", case.database)
    t.like(case.fates()[2][1], "held by client one, bucket", "another cluster's chain tells nothing")
    pg.execute("UPDATE export_chains SET system_identifier = (SELECT system_identifier FROM "
               "pg_control_system())", case.database)
    t.is_(case.fates()[2][0], "dropped", "then it goes")


def open_transaction(t, pg, folder):
    """What a transaction stored that was open at the time of the export is waited for."""
    case = Case(folder, pg, "late", {"retention": {"events": "0"},
                                     "client acme": client(folder, "late_acme")})
    case.fill(2, ["a"])
    pool, dsn = libpq.Pool(), pg.dsn("late")
    pool.run(dsn, "BEGIN")
    for day in (3, 2):
        pool.run(dsn, FILL.format(["a"], 5, day))
    for day in (3, 2):
        case.fill(day, ["a"])
    case.good(t, "export beside it")
    fates = case.fates(status=1)
    t.is_(fates[2][1], "held by client acme, bucket (20 events)",
          "a snapshot with an open transaction is not enough")
    t.is_(fates[3][0], "not dropped", "nor is one that is older than all that was counted")
    pool.run(dsn, "COMMIT")
    pool.close()
    t.is_(case.fates()[3], ("not dropped", "delivered, and its time is over"),
          "what came late is found")
    fates = case.fates()
    t.is_({fates[day][1] for day in (2, 3)},
          {"held by client acme, bucket (20 events)", "held by client acme, bucket (15 events)"},
          "and counted")
    case.good(t, "export of what came late")
    want = table(pg, database=case.database)
    fates = case.fates(), case.fates()   # of one, what came late is counted by the first
    t.is_([f[0] for fate in fates for day, f in fate.items() if day in (2, 3)],
          ["dropped", "not dropped", "dropped"], "then it goes")
    check_complete(t, "the bucket", Folder(os.path.join(folder, "late_acme")), pg, want=want,
                   database="late")


def from_default(t, pg, folder):
    """What came when its day had no partition gets one, and is exported once all the same."""
    case = Case(folder, pg, "strays", {"retention": {"events": "0"},
                                       "client acme": client(folder, "strays_acme")}, days=0)
    case.fill(3, ["a", "b"])
    case.fill(2, ["a"])
    case.good(t, "export of some of it")
    case.fill(2, ["b"])
    place = os.path.join(folder, "strays_acme")
    os.rename(place, place + "_away")
    with open(place, "w", encoding="ascii"):
        pass
    t.is_(case.run().returncode, 1, "more is planned, and not delivered")
    os.remove(place)
    os.rename(place + "_away", place)
    case.fill(0, ["a"])
    want = table(pg, database=case.database)
    today = pg.value("SELECT format('(%L) TO (%L)', low, high) AS x FROM events_partitions WHERE "
                     f"name = '{case.name(0)}'", case.database)
    pg.execute(f"ALTER TABLE events DETACH PARTITION {case.name(0)}", case.database)
    t.is_((case.fates("--dry-run"), case.report["moved"])[1], 0, "a dry run moves nothing")
    pg.execute("INSERT INTO events (created_at, received_at, event_time, site_id, event_type, payload) "
               "VALUES (now(), now(), now(), 'today', 'x', '{}')", case.database)
    case.fates()
    t.is_(case.report["moved"], 0, "nothing is moved while today has no partition")
    pg.execute("DELETE FROM events WHERE site_id = 'today'; ALTER TABLE events ATTACH PARTITION "
               f"{case.name(0)} FOR VALUES FROM {today}", case.database)
    pool, dsn = libpq.Pool(), pg.dsn("strays")
    pool.run(dsn, "BEGIN")
    pool.run(dsn, "SELECT count(*) FROM events_default")
    case.fates(status=1)
    t.is_((case.report["moved"], case.report["failures"]), (0, 1), "a reader of it is waited for")
    pool.run(dsn, "COMMIT")
    pool.close()
    fates = case.fates()
    t.is_((case.report["moved"], pg.value("SELECT count(*) FROM events_default", case.database)),
          (40, 0), "then it is moved")
    t.is_(table(pg, database=case.database), {i: row for i, row in want.items() if i > 20},
          "each row as it was")
    t.is_((fates[3][0], fates[2][1]), ("dropped", "held by client acme, bucket (10 events)"),
          "and may go like others")
    case.good(t, "export of the rest")
    t.is_(case.fates()[2][0], "dropped", "all of it")
    check_complete(t, "the bucket", Folder(place), pg, want=want, database=case.database)


def no_client(t, pg, folder):
    case = Case(folder, pg, "noclient", {})
    case.fill(2, ["a"])
    t.is_(case.fates()[2][1], "held by no [client] is configured, and [retention] events is not set",
          "without any client all stays")
    case.configure({"retention": {"events": "36h"}})
    t.is_({d: f[0] for d, f in case.fates().items() if d in (1, 3, 4)},
          {1: "kept", 3: "dropped", 4: "dropped"}, "unless events is set")


def many_sites(t, pg, folder):
    case = Case(folder, pg, "many", {"retention": {"events": "0"},
                                     "client one": client(folder, "m_one", "s1"),
                                     "client rest": client(folder, "m_rest", "*")})
    case.fill(2, [f"s{i}" for i in range(1200)], 1)
    case.fates()
    t.is_(pg.query("SELECT site_id, rows AS n FROM events_counted_sites ORDER BY 1", "many"),
          [{"site_id": "s1", "n": 1}, {"site_id": None, "n": 1199}],
          "are counted as one, but for those that a client lists")
    case.run("--client", "rest")
    t.is_(case.fates()[2][1], "held by client one, bucket (1200 events)", "which may be anybody's")
    case.good(t, "export")
    t.is_(case.fates()[2][0], "dropped", "when all have all")
    case = Case(folder, pg, "unlisted", {"retention": {"events": "0"},
                                         "client one": client(folder, "m_listed", "s1")})
    case.fill(3, [f"s{i}" for i in range(1200)], 1)
    case.good(t, "export of the one that is listed")
    t.is_(case.fates()[3][1], "held by events of sites of no client", "those that nobody lists stay")


def beside_readers(t, pg, folder):
    case = Case(folder, pg, "readers", {"retention": {"events": "0"},
                                        "client acme": client(folder, "r_acme")})
    case.fill(2, ["a"])
    case.good(t, "export")
    pool, dsn = libpq.Pool(), pg.dsn("readers")
    pool.run(dsn, "BEGIN")
    pool.run(dsn, "SELECT count(*) FROM events")
    done = case.maintain()
    t.is_(done.returncode, 1, "with a reader: status 1")
    t.like(done.stderr, r"events_\d+ was not dropped; the next run tries again", "says so")
    t.is_(case.days(), [1, 2, 3, 4], "nothing is gone")
    pool.run(dsn, "COMMIT")
    pool.run(dsn, "BEGIN")
    pool.run(dsn, "SELECT pg_advisory_lock(7241862083345902166)")
    t.is_(case.maintain().returncode, 3, "beside another run: status 3")
    pool.run(dsn, "COMMIT")
    pool.run(dsn, "SELECT pg_advisory_unlock_all()")
    pool.close()
    t.is_((case.maintain().returncode, case.days()), (0, []), "afterwards it is done")


def check(case, what="retention"):
    """What millrace-check says of the buffer, or of something else."""
    done = sanitizer.run(case.folder, [os.path.join(proc.BUILDDIR, "cron", "millrace-check"), "-c",
                                       case.ini])
    return [line for line in done.stdout.splitlines() if f": {what}: " in line]


def told(t, pg, folder):
    """millrace-check says who holds what, since when, and when there is no room any more."""
    acme = client(folder, "t_acme", "a")
    case = Case(folder, pg, "told", {"retention": {"events": "1h"}, "client acme": acme,
                                     "client beta": client(folder, "t_beta", "b")})
    case.fill(3, ["a", "b"], 1200)
    case.fill(1, ["a", "b"])
    t.is_(check(case)[0], "WARNING: retention: 4 partition(s) were not looked at by millrace-maintain; "
          "run it every hour from cron", "millrace-maintain does not run")
    case.run("--client", "acme")
    t.is_(case.fates()[3][1], "held by client beta, bucket (1200 events)",
          "events = 1h with an exporter that has not run: nothing goes")
    since = pg.value("SELECT ((now() AT TIME ZONE 'UTC')::date - 3) || 'T00:00Z' AS s", "told")
    line = check(case)[0]
    t.like(line, rf"^WARNING: retention: client beta, bucket, has not got all of 1210 events since {since}, which "
           r"hold [1-9]\d+ bytes in 2 partition\(s\): nothing was ever exported to it; run "
           "millrace-export", "says who, how much and since when")
    size, = pg.execute("SELECT pg_total_relation_size('{}')".format(case.name(3)), "told").split()
    held = int(line.split(" bytes in ")[0].rsplit(" ", 1)[1])
    t.ok(int(size) * .4 < held < int(size), "half of the partition's bytes, and a little", held)
    case.good(t, "export of all")
    t.like(" ".join(check(case)), r"^OK: retention: \d+ partition\(s\), \d+ bytes$", "then all is well")
    t.is_(check(case, "export"), ["OK: export: no destination fails"], "the export, too")
    broken = {**acme, "bucket": f"file://{folder}/t_acme/none/such"}
    case.configure({**case.sections, "client acme": broken, "retention": {"max_bytes": "560k"}})
    case.fill(1, ["a"])
    case.run()
    for _ in range(2):   # what came late is found when it would be dropped
        case.fates()
    lines = check(case)
    t.like(lines[0], "client acme, bucket, has not got all of 20 events .*/t_acme/none/such", "a bucket that is away")
    t.like(lines[-1], r"^(WARNING|CRITICAL): retention: \d+ of max_bytes' 573440 bytes are not "
           r"delivered; with \d+ bytes a day they are reached in \d day", "how long there is room")
    t.like("\n".join(check(case, "export")), r"\AWARNING: export: client acme, bucket, fails, last at "
           r"\d{4}-\d\d-\d\dT\d\d:\d\dZ: .*/t_acme/none/such.*\Z", "an export that fails")
    pg.execute("UPDATE export_chains SET system_identifier = 1 WHERE client = 'acme'; UPDATE "
               "export_chains SET planned_at = now() - interval '3 hours' WHERE client = 'beta'", "told")
    t.like("\n".join(check(case, "export")), r"\AWARNING: export: client acme is refused: .* run "
           r"millrace-admin rebind\nWARNING: export: client beta: nothing was planned for 3 hour\(s\); "
           r"run millrace-export .*\Z", "one that is refused, and one that is not run")


SMALL = """
INSERT INTO dedup_keys SELECT 's', 'old' || i, now() - interval '8 days' FROM generate_series(1, 60000) i;
INSERT INTO dedup_keys SELECT 's', 'new' || i, now() - interval '6 days' FROM generate_series(1, 100) i;
INSERT INTO message_keys SELECT gen_random_uuid(), now() - interval '8 days' FROM generate_series(1, 60000) i;
INSERT INTO message_keys SELECT gen_random_uuid(), now() - interval '6 days' FROM generate_series(1, 10) i;
INSERT INTO rejected_events (created_at, received_at, site_id, event_index, reason, payload)
    SELECT now() - i * interval '1 day', now(), 's', 0, 'x', '' FROM generate_series(29, 31) i,
    generate_series(1, 15000);
INSERT INTO ingest_groups VALUES (gen_random_uuid(), gen_random_uuid(), 0, 0, 45000);
INSERT INTO export_runs (origin, asked_by, state, ended_at) SELECT 'http', 'x', 'done',
    now() - i * interval '1 day' FROM generate_series(1, 100) i;
INSERT INTO export_audit (at, run_id, asked_by, client, destination, url, batch, objects, events, bytes)
    SELECT now() - i * interval '1 day', gen_random_uuid(), '', '', '', '', '', 0, 0, 0
    FROM generate_series(1, 100) i, generate_series(1, 20);
INSERT INTO export_uploads SELECT 'c', 'bucket', 'b', i::text, '', now() - i * interval '1 day'
    FROM generate_series(1, 100) i"""
LEFT = """SELECT (SELECT count(*) FROM dedup_keys) || ' ' || (SELECT count(*) FROM rejected_events) || ' ' ||
    (SELECT count(*) FROM export_runs) || ' ' || (SELECT count(*) FROM export_audit) || ' ' ||
    (SELECT count(*) FROM export_uploads) || ' ' || (SELECT count(*) FROM message_keys) AS n"""


def small_tables(t, pg, folder):
    case = Case(folder, pg, "small", {"retention": {"history": "50d"}})
    pg.execute(SMALL, "small")
    pg.execute(f"DROP TABLE {case.name(-5)}", "small")
    case.fates("--dry-run")
    t.includes(case.report, {"made": 1, "old_keys": 120000, "old_rejected": 30000},
               "a dry run says what it would do")
    t.is_(pg.value(LEFT, "small"), "60100 45000 100 2000 100 60010", "a dry run removes nothing")
    case.fates()
    t.is_(pg.value(LEFT, "small"), "100 15000 49 980 49 10", "what is old goes")
    t.includes(case.report, {"made": 1, "old_keys": 120000, "old_rejected": 30000},
               "the report says so")
    t.is_(pg.value("SELECT sum(deleted) FROM ingest_totals", "small"), 30000,
          "and the books know of it")
    t.includes((case.fates(), case.report)[1], {"old_keys": 0, "old_rejected": 0, "old_history": 0},
               "then nothing is left to do")


def restricted(t, pg, folder):
    """The role of the worker, which owns nothing."""
    pg.create_database("owned", owner=postgres.SUPERUSER)
    owner = pg.dsn("owned", postgres.SUPERUSER)
    for command in ([os.path.join(proc.BUILDDIR, "cron", "millrace-admin"), "-c", "/dev/null",
                     "migrate"],
                    [os.path.join(pg.bin, "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-v",
                     f"role={postgres.OWNER}", "-f",
                     os.path.join(proc.SRCDIR, "schema", "grants.sql"), owner]):
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              env=proc.clean_env(DATABASE_URL=owner))
        t.is_((done.returncode, done.stderr), (0, ""), os.path.basename(command[0]))
    pg.execute(MAKE.format(DAYS), "owned")
    path = os.path.join(folder, "owned")
    os.mkdir(path)
    case = Case.__new__(Case)
    Exporter.__init__(case, path, pg, {"retention": {"events": "0"},
                                       "client acme": client(folder, "o_acme")}, "owned")
    case.fill(2, ["a"])
    case.good(t, "export")
    t.is_((case.fates()[2][0], case.days()), ("dropped", []), "drops what may go")
    for name in ("events_default", "events_counted", case.name(0)):
        try:
            pg.execute(f"SELECT events_drop_partition('{name}')", "owned", postgres.OWNER)
            t.fail(f"cannot drop {name}")
        except postgres.SqlError as why:
            t.like(str(why), "no partition of events whose time is over", f"cannot drop {name}")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg, proc.temp_dir() as folder:
    for name, run in (("delivered", delivered), ("kept for a time", kept_for_a_time),
                      ("max_bytes", max_bytes), ("destinations", destinations),
                      ("changes", changes), ("an open transaction", open_transaction),
                      ("from the default partition", from_default), ("no client", no_client), ("many sites", many_sites),
                      ("beside others", beside_readers), ("what check tells", told), ("the small tables", small_tables),
                      ("a role that owns nothing", restricted)):
        with t.case(name):
            run(t, pg, folder)
