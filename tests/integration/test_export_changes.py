"""millrace-export when something changes while a batch is planned or half delivered: the
destination fails in the middle of an object, another bucket or prefix is configured, rows are
deleted, the clock was wrong, the database is moved."""

import os
import re
import shutil
import socket
import subprocess
import threading

from exporting import Folder, Setting, check_complete, client, manifests, read_rows
from harness import postgres, proc, sanitizer, tap

SITES = 6       # objects of a batch; four of them are written at a time


def read_ids(place):
    """The ids in all objects, also in those of no manifest."""
    return sorted(row["id"] for row in read_rows(place))


def block(place, site):
    """A file where the site's folder would be, so that its object cannot be written."""
    path = os.path.join(place.path, f"site_id=s{site}")
    with open(path, "wb"):
        return path


def half_delivered(t, s):
    """A batch of which the first four objects are there."""
    s.insert(SITES * 5, site=f"'s' || i % {SITES}")
    path = block(s.bucket, SITES - 2)
    s.exporter.refused(t, "an object cannot be written", 1, "cannot open its folder")
    os.unlink(path)
    t.is_(len(read_ids(s.bucket)), 20, "four objects are there")
    t.is_(s.value("SELECT sum(batch) FROM export_cursors"), 0, "and no manifest")


def lost_within_an_object(t, pg, folder):
    """The last destination fails while rows are read: said, and the next client gets its own."""
    s = Setting(pg, folder, "within")
    other = s.folder("other")
    s.exporter.configure({"client acme": client(s.bucket, sites="big", compression="none"),
                          "client late": client(other, sites="small")})
    s.insert(4000, site="'big'")
    s.insert(5, site="'small'")
    # The file size's limit stands for the disk's: it holds for every user.
    s.exporter.prefix = ["/bin/sh", "-c", "trap '' XFSZ; ulimit -f 256; exec \"$0\" \"$@\""]
    s.exporter.refused(t, "one client's file grows too large", 1, r"client acme.* File too large")
    check_complete(t, "the other client", other, pg, "site_id = 'small'", s.name)
    t.like(s.value("SELECT error FROM export_cursors WHERE client = 'acme'"), "too large",
           "the cursor says why")
    t.is_(s.bucket.leftovers(), [], "nothing unfinished is left")
    s.exporter.prefix = []
    s.exporter.good(t, "without the limit")
    check_complete(t, "everything", s.bucket, pg, "site_id = 'big'", s.name)


def lost_within_small_objects(t, pg, folder):
    """The same where objects are read one after the other, sorted."""
    s = Setting(pg, folder, "sorted")
    s.insert(900, site="'s' || i % 30")
    path = block(s.bucket, 7)
    s.exporter.refused(t, "an object cannot be written", 1, "cannot open its folder")
    os.unlink(path)
    s.exporter.good(t, "it can")
    check_complete(t, "everything", s.bucket, pg, database=s.name)


def another_bucket(t, pg, folder):
    """What lies in the old bucket is not in the new one."""
    s = Setting(pg, folder, "bucket")
    half_delivered(t, s)
    new = s.folder("new")
    s.exporter.configure({"client acme": client(new)})
    s.exporter.good(t, "another bucket")
    check_complete(t, "it has the whole batch", new, pg, database=s.name)
    t.like(s.exporter.good(t, "--verify", "--verify").stdout, ": 0 differences", "all is there")


def another_prefix(t, pg, folder):
    """A batch ends where it was begun; the next one goes to the new prefix."""
    s = Setting(pg, folder, "prefix", prefix="old")
    os.mkdir(os.path.join(s.bucket.path, "old"))
    old = Folder(os.path.join(s.bucket.path, "old"))
    s.insert(SITES * 5, site=f"'s' || i % {SITES}")
    path = block(old, SITES - 2)
    s.exporter.refused(t, "an object cannot be written", 1, "cannot open its folder")
    os.unlink(path)
    s.exporter.configure({"client acme": client(s.bucket, prefix="new")})
    s.exporter.good(t, "another prefix")
    check_complete(t, "the batch, under one prefix", s.bucket, pg, database=s.name)
    t.ok(all(key.startswith("old/") for key in s.bucket.keys()), "under the old one")
    s.exporter.good(t, "--force", "--force")
    check_complete(t, "the same objects again", s.bucket, pg, database=s.name)
    s.insert(3)
    s.exporter.good(t, "the next batch")
    t.is_(sum(key.startswith("new/") for key in s.bucket.keys()), 2, "is under the new prefix")
    check_complete(t, "each once", s.bucket, pg, database=s.name)


def a_prefix_that_was_wrong(t, pg, folder):
    """As long as nothing is there, a prefix can be corrected."""
    s = Setting(pg, folder, "corrected", prefix="wrong")
    s.insert(10)
    with open(os.path.join(s.bucket.path, "wrong"), "wb"):
        pass
    s.exporter.refused(t, "nothing can be written there", 1, "cannot open its folder")
    os.unlink(os.path.join(s.bucket.path, "wrong"))
    s.exporter.configure({"client acme": client(s.bucket, prefix="right")})
    s.exporter.good(t, "it is corrected")
    check_complete(t, "everything", s.bucket, pg, database=s.name)
    t.ok(all(key.startswith("right/") for key in s.bucket.keys()), "under the right one")


def damaged_long_ago(t, pg, folder):
    """Older batches are written again where they lie, and no others; unless rows are gone."""
    s = Setting(pg, folder, "damaged")
    s.exporter.configure({"client acme": client(s.bucket), "client other": client(s.folder("other")),
                          "backup": {"bucket": s.backup.url, "prefix": "kept"}})
    for days in (9, 5, 5, 1):
        s.insert(10, site=f"'s' || i % {SITES}")
        s.exporter.good(t, f"{days} days ago")
        pg.execute(f"UPDATE export_batches SET planned_at = now() - interval '{days} days' "
                   "WHERE planned_at > now() - interval '1 hour'", s.name)
    # Manifests say when their batch was planned.
    s.exporter.good(t, "all of them", "--force", "--since", "2000-01-01")
    check_complete(t, "all of them again", s.bucket, pg, database=s.name)
    before = s.bucket.everything(), s.backup.everything()
    batches = [m["batch"] for m in manifests(s.bucket)]
    for key in s.bucket.keys():
        with open(os.path.join(s.bucket.path, key), "wb"):
            pass
    os.unlink(os.path.join(s.backup.path, next(
        key for key in s.backup.keys() if batches[1] in key)))
    since, until = s.pg.query("SELECT (now() - interval '6 days')::timestamp(0)::text AS a, "
                              "(now() - interval '4 days')::timestamp(0)::text AS b",
                              s.name)[0].values()
    span = ("--since", since.replace(" ", "T"), "--until", until.replace(" ", "T"))
    done = s.exporter.run("--verify", *span)
    t.is_(done.returncode, 4, "the damage is found")
    t.like(done.stderr, "--force with this --since and --until writes it again", "and the cure")
    s.exporter.good(t, "they are written again", "--force", *span)
    after = s.bucket.everything()
    t.is_({key: data == before[0][key] for key, data in after.items()},
          {key: any(batch in key for batch in batches[1:3]) for key in before[0]},
          "those of the span, byte for byte, and no others")
    t.is_(s.backup.everything() == before[1], True, "in the backup, too")
    s.exporter.good(t, "nothing differs in the span", "--verify", *span)
    pg.execute("DELETE FROM events WHERE id IN (SELECT min_id FROM export_objects JOIN "
               f"export_batches ON id = batch WHERE name = '{batches[1]}')", s.name)
    for name in ("rows are gone", "they are still gone"):
        done = s.exporter.refused(t, name, 1, rf"batch {batches[1]}: the table no longer has its "
                                  r"rows, 4 instead of 10; what lies .* was left as it is",
                                  "--force", *span, "--client", "acme")
        t.is_(s.bucket.everything() == after, True, f"{name}: nothing is written over")


def deleted_after_delivery(t, pg, folder):
    """Objects that are there keep the rows that are gone from the table."""
    s = Setting(pg, folder, "deleted")
    half_delivered(t, s)
    before = s.bucket.everything()
    pg.execute(f"DELETE FROM events WHERE site_id IN ('s0', 's{SITES - 1}') AND id > 15", s.name)
    s.exporter.run()
    after = s.bucket.everything()
    t.is_({key: after.get(key) == data for key, data in before.items()},
          {key: True for key in before}, "what was delivered is as it was")
    t.is_(sum(m["rows"] for m in manifests(s.bucket)), len(read_ids(s.bucket)),
          "the manifest tells what is there")


GOOD = "event_type = 'click'"
# What nobody can send, but someone may write into the table: column, value.
BAD = (("event_time", "infinity"), ("event_time", "0044-03-15 12:00:00 BC"),
       ("received_at", "20000-01-01"), ("created_at", "-infinity"), ("created_at", "infinity"),
       ("created_at", "290000-01-01"))


def poisonous(t, pg, folder):
    """Rows that no format can hold are put aside, once, and hold up nothing."""
    s = Setting(pg, folder, "poison")
    other = s.folder("other")
    sites = ", ".join(["shop", *(f"s{i}" for i in range(30))])
    s.exporter.configure({"client acme": client(s.bucket, sites=sites),
                          "client copy": client(other, sites="shop", format="parquet"),
                          "backup": {"bucket": s.backup.url}})
    s.insert(100)
    for column, value in BAD:
        pg.execute(f"""INSERT INTO events (created_at, received_at, event_time, site_id, event_type,
            payload) SELECT coalesce(r.created_at, now()), coalesce(r.received_at, now()),
            coalesce(r.event_time, now()), 'shop', 'bad', '{{"why": "{column} {value}"}}'
            FROM json_populate_record(NULL::events, '{{"{column}": "{value}"}}') r""", s.name)
    s.insert(900, site="'s' || i % 30")
    rejected = s.value("SELECT count(*) FROM rejected_events")
    s.exporter.good(t, "a run")
    for name, place in (("the bucket", s.bucket), ("the backup", s.backup)):
        check_complete(t, name, place, pg, GOOD, database=s.name,
                       wanted=lambda keys: [key for key in keys if not key.startswith("copy/")])
    t.is_(sum(m["rows"] for m in manifests(other)), 100, "another client has them, too")
    found = pg.query("SELECT convert_from(payload, 'UTF8')::json->>'why' AS why, reason FROM "
                     f"rejected_events WHERE id > {rejected} ORDER BY event_index", s.name)
    t.is_([row["why"] for row in found], [" ".join(bad) for bad in BAD], "they are put aside, once")
    t.is_([row["reason"].partition(": ")[2] for row in found],
          [f"{column} is outside the years 1 to 9999" for column, _ in BAD], "with the reason")
    t.is_(s.value("SELECT sum(rejected) - sum(deleted) FROM ingest_totals"), len(BAD),
          "the books know of them")
    s.insert(5)
    s.exporter.good(t, "the next run")
    check_complete(t, "goes on", s.bucket, pg, GOOD, database=s.name)
    s.exporter.good(t, "--force", "--force", "--since", "2000-01-01")
    check_complete(t, "the same again", s.bucket, pg, GOOD, database=s.name)
    t.is_(s.value("SELECT count(*) FROM rejected_events"), rejected + len(BAD), "none is added")


def planning_that_fails(t, pg, folder):
    """What a client cannot be planned for is as well known as what cannot be delivered."""
    s = Setting(pg, folder, "planning")
    other = s.folder("other")
    s.exporter.configure({"client acme": client(s.bucket), "client other": client(other)})
    s.insert(10)
    s.exporter.good(t, "a run")
    pg.execute("UPDATE export_chains SET snapshot = 'x' WHERE client = 'acme'", s.name)
    s.insert(10)
    s.exporter.refused(t, "one cannot be planned", 1, "'x' is no snapshot")
    check_complete(t, "the other one is exported", other, pg, database=s.name)
    t.is_(pg.query("SELECT client, error LIKE '%is no snapshot%' AS failed FROM export_cursors "
                   "WHERE failed_at IS NOT NULL", s.name), [{"client": "acme", "failed": True}],
          "it is recorded")


class Silent:
    """An endpoint that takes connections and says nothing; `look` is called at each of them."""

    def __init__(self, look):
        self.seen, self._look = [], look
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while True:
            connection, _ = self._server.accept()
            connection.close()
            if self._look is None:
                break
            self.seen.append(self._look())

    def close(self):
        self._look = None
        socket.create_connection(self._server.getsockname()).close()
        self._thread.join()
        self._server.close()


def dead_endpoint(t, pg, folder):
    """Who failed before is tried last, shortly, and once for all at the same endpoint."""
    s = Setting(pg, folder, "dead")
    last = s.folder("last")
    names = [f"c{i}" for i in range(5)]
    folders = {f"client {name}": client(s.bucket, sites=name, prefix=name) for name in names}
    alive = {"client last": client(last, sites="shop")}
    s.exporter.configure({**folders, **alive})
    s.insert(30, site="CASE WHEN i > 10 THEN 'shop' ELSE 'c' || i % 5 END")
    s.exporter.good(t, "a run")
    pg.execute("UPDATE export_cursors SET failed_at = now(), error = 'x' WHERE client <> 'last'",
               s.name)
    before = len(last.keys())
    silent = Silent(lambda: len(last.keys()))
    try:
        dead = {f"client {name}": {"bucket": "dead", "endpoint": silent.url, "insecure": "on",
                                   "compression": "gzip", "sites": name} for name in names}
        s.exporter.more_env |= {"AWS_ACCESS_KEY_ID": "K", "AWS_SECRET_ACCESS_KEY": "S"}
        s.exporter.configure({**dead, **alive})
        s.insert(30, site="CASE WHEN i > 10 THEN 'shop' ELSE 'c' || i % 5 END")
        done = s.exporter.run()
    finally:
        silent.close()
    t.is_(done.returncode, 1, "the run fails")
    t.is_([re.search(r"client (\w+)", line)[1] for line in done.stderr.splitlines()], names,
          "each of them is told of")
    check_complete(t, "the last client", last, pg, "site_id = 'shop'", s.name)
    t.is_(silent.seen, [before + 2] * len(silent.seen), "which was served first")
    t.ok(1 <= len(silent.seen) <= 2, "two tries for all of them", silent.seen)
    s.exporter.configure({**folders, **alive})
    s.exporter.good(t, "back in the folder")
    check_complete(t, "it has all", s.bucket, pg, "site_id <> 'shop'", s.name)


def clock_that_ran_ahead(t, pg, folder):
    """A plan with a time of the future holds up nothing."""
    s = Setting(pg, folder, "ahead")
    for frequency in ("realtime", "hourly"):
        s.exporter.configure({"client acme": client(s.bucket, frequency=frequency)})
        s.insert(4, created="now() - interval '2 hours'")
        pg.execute("UPDATE export_chains SET planned_at = now() + interval '1 year'", s.name)
        s.exporter.good(t, f"{frequency}: a run")
        check_complete(t, frequency, s.bucket, pg, database=s.name)


def manual_failure(t, pg, folder):
    """A manual export that failed leaves no error with the regular one."""
    s = Setting(pg, folder, "manual")
    s.insert(5)
    s.exporter.good(t, "a run")
    os.rename(s.bucket.path, s.bucket.path + ".away")
    s.exporter.refused(t, "--since", 1, "cannot be opened", "--since", "2026-01-01")
    os.rename(s.bucket.path + ".away", s.bucket.path)
    t.is_(s.value("SELECT count(*) FROM export_cursors WHERE error IS NOT NULL"), 0,
          "the cursor has no error")


def chained_manifests(t, pg, folder):
    """Each manifest begins with the snapshot that the one before ended with."""
    s = Setting(pg, folder, "chained")
    s.exporter.configure({"export": {"batch_max_rows": 10}, "client acme": client(s.bucket)})
    for _ in range(3):
        s.insert(8)
    # Transactions of others, so that batches would be empty.
    pg.execute("DO $$ BEGIN FOR i IN 1 .. 3000 LOOP PERFORM pg_current_xact_id(); COMMIT; "
               "END LOOP; END $$", s.name)
    for _ in range(3):
        s.insert(8)
    s.exporter.good(t, "a run")
    found = manifests(s.bucket)
    t.ok(len(found) > 2, f"{len(found)} batches")
    t.is_([m["snapshot_from"] for m in found[1:]], [m["snapshot_to"] for m in found[:-1]],
          "they follow each other")
    check_complete(t, "everything", s.bucket, pg, database=s.name)


def rebind(t, s):
    done = subprocess.run([os.path.join(proc.BUILDDIR, "cron", "millrace-admin"), "-c",
                           s.exporter.ini, "rebind"], capture_output=True, text=True, check=False,
                          env=proc.clean_env(**sanitizer.env(s.dir)))
    t.is_((done.returncode, done.stderr), (0, ""), "rebind")


def rebound_with_a_new_site(t, pg, folder):
    """What a site that was added has yet to get is not taken for exported."""
    s = Setting(pg, folder, "site", sites="a")
    s.insert(10, site="'a'")
    s.insert(20, site="'b'")
    s.exporter.good(t, "one site")
    s.exporter.configure({"client acme": client(s.bucket, sites="a, b")})
    os.rename(s.bucket.path, s.bucket.path + ".away")
    t.is_(s.exporter.run().returncode, 1, "another is planned, and not delivered")
    os.rename(s.bucket.path + ".away", s.bucket.path)
    rebind(t, s)
    s.exporter.good(t, "the next run")
    check_complete(t, "each once", s.bucket, pg, database=s.name)


def rebound_with_a_new_backup(t, pg, folder):
    """Nor is what a backup has yet to get."""
    s = Setting(pg, folder, "rebackup")
    s.insert(10)
    s.exporter.good(t, "one destination")
    shutil.rmtree(s.backup.path)
    s.exporter.configure({"backup": {"bucket": s.backup.url}, **s.exporter.sections})
    t.is_(s.exporter.run().returncode, 1, "another is planned, and not delivered")
    # As if the tables had been moved, which dump and restore do.
    pg.execute("UPDATE export_chains SET system_identifier = 1; "
               "UPDATE events SET ingest_xid = ingest_xid;", s.name)
    rebind(t, s)
    os.mkdir(s.backup.path)
    s.exporter.good(t, "the next run")
    check_complete(t, "the backup has it all", s.backup, pg, database=s.name)


def main():
    postgres.need()
    with tap.Suite() as t, postgres.Postgres() as pg, proc.temp_dir() as folder:
        for case in (lost_within_an_object, lost_within_small_objects, another_bucket,
                     another_prefix, a_prefix_that_was_wrong, damaged_long_ago,
                     deleted_after_delivery, poisonous, planning_that_fails, dead_endpoint,
                     clock_that_ran_ahead, manual_failure,
                     chained_manifests,
                     rebound_with_a_new_site, rebound_with_a_new_backup):
            with t.case(case.__name__.replace("_", " ")):
                case(t, pg, folder)


main()
