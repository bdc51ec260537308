"""Many sites with one batchId do not slow down the look-up of another one's."""

from harness import fcgi, postgres, proc, tap

# The plan that the worker's own statement has to have.
PAIR = (r"Index Only Scan using dedup_keys_pkey on dedup_keys d .*\n"
        r"\s*Index Cond: \(\(batch_id = .*\) AND \(site_id = ")
FLOOD = ("INSERT INTO dedup_keys (site_id, batch_id) "
         "SELECT 'invented ' || i, 'one' FROM generate_series(1, 20000) AS i")


def post(w, site):
    return w.request("POST", "/collect", {"eventType": "x", "siteId": site, "batchId": "one"})


def is_looked_up(t, pg, w, site, name):
    """A new key of the site is stored, by a plan that searched the index for the pair."""
    with t.case(name):
        before = len(pg.log_text())
        t.is_(post(w, site).status, 200, "is stored")
        proc.wait_for(lambda: "Query Text: WITH made" in pg.log_text()[before:],
                      "the plan is logged", detail=lambda: pg.log_text()[-4000:])
        log = pg.log_text()[before:]
        t.like(log, PAIR, "the index is searched for both columns")
        t.unlike(log, r"Rows Removed by (?:Join )?Filter", "no other key is read")
        t.is_(post(w, site).json().get("duplicate"), True, "and found when it is sent again")


postgres.need()
with tap.Suite() as t, postgres.Postgres(settings=postgres.EXPLAIN) as pg:
    with fcgi.Worker({"database": {"url": pg.dsn()}}) as w:
        w.wait_healthy()
        is_looked_up(t, pg, w, "first.test", "an empty table")
        pg.execute(FLOOD)
        is_looked_up(t, pg, w, "shop.test", "many sites with its batchId")
        pg.execute("ANALYZE dedup_keys")
        is_looked_up(t, pg, w, "other.test", "when that is known to the planner")
