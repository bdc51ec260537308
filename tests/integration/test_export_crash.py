"""Every event reaches every destination once: writers that commit out of order, one that keeps
its transaction open for several batches, an exporter that is killed at random points, and a
destination that is away for most of the time."""

import os
import random
import time

from exporting import Exporter, Folder, check_complete, manifests
from harness import postgres, proc, tap

WRITERS = 4
TRANSACTIONS = 60   # of each writer
KILLS = 50

# Each transaction waits between its rows and its commit, so that ids, times and transaction
# numbers all come out of order. One in five keeps its rows in a savepoint, one in seven is
# rolled back; one in eleven has rows of an earlier hour.
WRITER = """
DO $$
DECLARE n integer;
BEGIN
    FOR n IN 1 .. {transactions} LOOP
        INSERT INTO events (created_at, received_at, event_time, site_id, event_type, payload)
        SELECT now() - CASE WHEN n % 11 = 0 THEN i % 3 * interval '1 hour' ELSE '0' END,
               now(), now(), 'site' || i % 5, 'click',
               jsonb_build_object('writer', {writer}, 'n', n, 'i', i)
        FROM generate_series(1, (random() * 60)::integer) AS i;
        IF n % 5 = 0 THEN
            BEGIN
                INSERT INTO events (received_at, event_time, site_id, event_type, payload)
                SELECT now(), now(), 'site1', 'click', '{{}}' FROM generate_series(1, 10);
            EXCEPTION WHEN others THEN RAISE;
            END;
        END IF;
        PERFORM pg_sleep(random() * {pause});
        IF n % 7 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
    END LOOP;
END $$;
"""


def psql(pg, folder, name, sql):
    path = os.path.join(folder, f"{name}.sql")
    with open(path, "w", encoding="utf-8") as f:
        f.write(sql)
    return proc.Process([os.path.join(pg.bin, "psql"), "-Xq", "-v", "ON_ERROR_STOP=1",
                         pg.dsn(), "-f", path], os.path.join(folder, name), env=proc.clean_env())


class Holder:
    """A transaction that stays open until it is told to commit."""

    def __init__(self, pg, folder):
        path = os.path.join(folder, "holder.fifo")
        os.mkfifo(path)
        self.process = proc.Process(
            [os.path.join(pg.bin, "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", pg.dsn(),
             "-f", path], os.path.join(folder, "holder"), env=proc.clean_env())
        self.pipe = open(path, "w", encoding="utf-8")   # pylint: disable=consider-using-with
        self.pipe.write("BEGIN;\nINSERT INTO events (received_at, event_time, site_id, event_type, "
                        "payload) SELECT now(), now(), 'held', 'click', '{}' "
                        "FROM generate_series(1, 123);\n\\echo open\n")
        self.pipe.flush()
        proc.wait_for(lambda: "open" in self.process.text(), "the transaction is open",
                      detail=self.process.text)

    def commit(self):
        self.pipe.write("COMMIT;\n")
        self.pipe.close()
        return self.process.wait()


def kill_some(exporter, wanted, rng, longest):
    """Starts the exporter and kills it, again and again. Returns how often it was killed."""
    killed = 0
    for _ in range(wanted):
        process = exporter.start("--quiet")
        # No wait for a condition here: the point is to end it anywhere.
        time.sleep(rng.random() * longest)
        if process.running():
            process.kill(9)
            killed += 1
        process.wait()
    return killed


def main():
    postgres.need()
    seed = int(os.environ.get("MR_SEED") or random.SystemRandom().randrange(10 ** 9))
    rng = random.Random(seed)
    with tap.Suite() as t, postgres.Postgres(fsync=False) as pg, proc.temp_dir() as folder:
        tap.diag(f"MR_SEED={seed} repeats the moments of the kills")
        places = {}
        for name in ("bucket", "backup"):
            os.mkdir(os.path.join(folder, name))
            places[name] = Folder(os.path.join(folder, name))
        exporter = Exporter(folder, pg, {
            "export": {"batch_max_rows": 300}, "backup": {"bucket": places["backup"].url},
            "client acme": {"bucket": places["bucket"].url, "compression": "gzip"}})
        exporter.good(t, "makes the tables")
        usual = exporter.run()
        t.is_(usual.returncode, 0, "an ordinary run")
        start = time.monotonic()
        exporter.run()
        longest = max(0.2, 2 * (time.monotonic() - start))

        holder = Holder(pg, folder)
        writers = [psql(pg, folder, f"writer{i}", WRITER.format(
            transactions=TRANSACTIONS, writer=i, pause=0.3)) for i in range(WRITERS)]
        os.rename(places["backup"].path, places["backup"].path + ".away")
        killed = kill_some(exporter, KILLS // 2, rng, longest)
        os.rename(places["backup"].path + ".away", places["backup"].path)
        while any(w.running() for w in writers):
            killed += kill_some(exporter, 5, rng, longest)
        t.is_([w.wait() for w in writers], [0] * WRITERS, "the writers ended well")
        exporter.run()
        t.is_(pg.value("SELECT count(*) FROM events WHERE site_id = 'held'"), 0,
              "one transaction is still open")
        held_before = sum(m["rows"] for m in manifests(places["bucket"]))
        t.ok(held_before > 0, "batches were exported past it")
        t.is_(holder.commit(), 0, "it commits")
        while killed < KILLS:
            pg.execute("INSERT INTO events (received_at, event_time, site_id, event_type, payload)"
                       " SELECT now(), now(), 'more', 'click', '{}' FROM generate_series(1, 900)")
            killed += kill_some(exporter, 5, rng, longest)
        t.ok(killed >= KILLS, f"the exporter was killed {killed} times")
        exporter.good(t, "the last run")
        for name, place in places.items():
            check_complete(t, name, place, pg)
        t.is_(places["bucket"].everything().keys() ^
              {key.replace("acme/", "", 1) for key in places["backup"].everything()}, set(),
              "both have the same objects")
        t.ok(len(manifests(places["bucket"])) > 10, "there were many batches")
        t.is_(exporter.good(t, "one more").stdout, "", "and nothing is left to do")


main()
