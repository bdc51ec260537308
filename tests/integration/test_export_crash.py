"""Every event reaches every destination once: writers that commit out of order, one that keeps
its transaction open for several batches, an exporter that is killed at random points, and a
destination that is away for most of the time."""

import os
import random
import time

from exporting import Exporter, Folder, check_complete, manifests
from harness import postgres, proc, tap
from writers import Holder, Writer, kill_soon, seed

WRITERS = 4
KILLS = 50

def kill_some(exporter, wanted, rng, longest_s):
    """Returns how often it was killed."""
    return sum(kill_soon(exporter, rng, longest_s) for _ in range(wanted))


def main():
    postgres.need()
    with tap.Suite() as t, postgres.Postgres() as pg, proc.temp_dir() as folder:
        number = seed()
        rng = random.Random(number)
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
        holder.open(123)
        writers = [Writer(pg, folder, i, number, count=1800, most=60, pause_s=0.3)
                   for i in range(1, WRITERS + 1)]
        os.rename(places["backup"].path, places["backup"].path + ".away")
        killed = kill_some(exporter, KILLS // 2, rng, longest)
        os.rename(places["backup"].path + ".away", places["backup"].path)
        while any(w.running() for w in writers):
            killed += kill_some(exporter, 5, rng, longest)
        t.is_([w.process.wait() for w in writers], [0] * WRITERS, "the writers ended well")
        exporter.run()
        t.is_(pg.value("SELECT count(*) FROM events WHERE payload ->> 'writer' = '0'"), 0,
              "one transaction is still open")
        held_before = sum(m["rows"] for m in manifests(places["bucket"]))
        t.ok(held_before > 0, "batches were exported past it")
        holder.commit()
        t.is_(holder.end(), 0, "it commits")
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
