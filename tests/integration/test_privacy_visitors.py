"""[privacy] visitor_id: who a visitor is, and the salts in the database."""

from common import config, worker
from harness import postgres, proc, tap, web



def post(w, body, address="192.0.2.1", agent="agent/1.0"):
    return w.request("POST", "/collect", body, remote_addr=address,
                     params={"HTTP_USER_AGENT": agent})


def visitor(pg, event_type, database=None):
    """visitor_id of the one event of that type."""
    rows = pg.events(f"event_type = '{event_type}'", database)
    return rows[0]["visitor_id"] if len(rows) == 1 else f"{len(rows)} rows"


def hash_mode(t, pg):
    sections = {"privacy": {"visitor_id": "hash", "anonymize_ip": "drop"}}
    with worker(pg, sections=sections) as one, worker(pg, sections=sections) as other:
        for w in (one, other):
            w.wait_healthy()
        with t.case("hash"):
            for name, w, body, more in (
                    ("first", one, {}, {}), ("again", one, {}, {}), ("other_worker", other, {}, {}),
                    ("sent", one, {"visitorId": "vis_sent"}, {}),
                    ("other_site", one, {"siteId": "b.test"}, {}),
                    ("other_address", one, {}, {"address": "192.0.2.2"}),
                    ("other_agent", one, {}, {"agent": "agent/2.0"})):
                answer = post(w, {"siteId": "a.test", **body, "eventType": name}, **more)
                t.is_(answer.status, 200, f"{name} is stored")
            ids = {name: visitor(pg, name) for name in
                   ("first", "again", "other_worker", "sent", "other_site", "other_address",
                    "other_agent")}
            t.like(ids["first"], r"^[0-9a-f]{32}$", "is 32 hex digits")
            t.is_([ids[k] for k in ("again", "other_worker", "sent")], [ids["first"]] * 3,
                  "the same again, by another worker, and whatever was sent")
            t.is_(len({ids[k] for k in ("first", "other_site", "other_address", "other_agent")}), 4,
                  "another by site, address and user agent")
            t.is_(pg.value("SELECT count(*) FROM events WHERE payload::text LIKE '%vis_sent%' "
                           "OR client_ip IS NOT NULL"), 0, "what was sent is not kept")
        with t.case("hash of a batch"):
            post(one, {"eventType": "batch", "siteId": "a.test", "visitorId": "vis_sent", "events": [
                {"eventType": "m1"}, {"eventType": "m2", "siteId": "b.test"},
                {"eventType": "m3", "visitorId": "vis_sent"}]})
            t.is_([visitor(pg, m) for m in ("batch", "m1", "m2", "m3")],
                  [ids["first"], ids["first"], ids["other_site"], ids["first"]], "each by its site")
        with t.case("salts"):
            days = pg.query("SELECT day - (now() AT TIME ZONE 'UTC')::date AS day, length(salt) AS n "
                            "FROM visitor_salts ORDER BY day")
            t.ok(days[0] == {"day": 0, "n": 43} and len(days) <= 2, "one for the day, maybe the next",
                 str(days))
        return ids["first"]


def restart(t, pg, before):
    sections = {"privacy": {"visitor_id": "hash"}}
    pg.execute("INSERT INTO visitor_salts (day, salt) SELECT (now() AT TIME ZONE 'UTC')::date - n, "
               "repeat('A', 43) FROM generate_series(1, 3) AS n", pg.database)
    with worker(pg, sections=sections) as w, t.case("a new worker"):
        w.wait_healthy()
        post(w, {"siteId": "a.test", "eventType": "after_restart"})
        t.is_(visitor(pg, "after_restart"), before, "goes on with the day's salt")
        t.is_(pg.query("SELECT (now() AT TIME ZONE 'UTC')::date - day AS age FROM visitor_salts "
                       "WHERE day < (now() AT TIME ZONE 'UTC')::date ORDER BY day"), [{"age": 1}],
              "salts from before yesterday are deleted")


def cgi(t, pg):
    with web.Cgi(config(pg, sections={"privacy": {"visitor_id": "hash"}})) as server:
        with t.case("plain CGI"):
            for name in ("cgi1", "cgi2"):
                answer = server.post("/collect", {"siteId": "a.test", "eventType": name})
                t.is_(answer.status, 200, name)
            t.like(visitor(pg, "cgi1"), r"^[0-9a-f]{32}$", "has a visitor")
            t.is_(visitor(pg, "cgi2"), visitor(pg, "cgi1"), "the same again")


def none_mode(t, pg):
    with worker(pg, sections={"privacy": {"visitor_id": "none"}}) as w, t.case("none"):
        w.wait_healthy()
        post(w, {"siteId": "a.test", "eventType": "nobody", "visitorId": "vis_sent"})
        post(w, {"eventType": "batch", "siteId": "a.test", "events": [
            {"eventType": "fine"}, {"eventType": "bad", "siteId": [], "visitorId": "vis_sent"}]})
        w.request("GET", "/collect?eventType=nobody_q&siteId=a.test&visitorId=vis_sent&n=1")
        t.is_([visitor(pg, "nobody"), visitor(pg, "nobody_q")], [None, None], "no visitor")
        t.is_(pg.events("event_type = 'nobody_q'")[0]["payload"],
              {"eventType": "nobody_q", "siteId": "a.test", "n": "1"}, "the rest is kept")
        t.is_(pg.query("SELECT convert_from(payload, 'UTF8') AS p FROM rejected_events"),
              [{"p": '{"eventType":"bad","siteId":[]}'}], "a refused event has none either")


def client_mode(t, pg):
    with worker(pg) as w, t.case("client"):
        w.wait_healthy()
        post(w, {"siteId": "a.test", "eventType": "named", "visitorId": "vis_sent"})
        t.is_(visitor(pg, "named"), "vis_sent", "the event's visitorId")


def away(t, pg):
    """Without the database there is no salt; the events are spooled all the same."""
    pg.stop()
    with worker(pg, sections={"privacy": {"visitor_id": "hash"},
                              "database": {"connect_timeout_ms": 2000}}) as w:
        with t.case("no salt"):
            t.is_(post(w, {"siteId": "a.test", "eventType": "no_salt"}).status, 202,
                  "the event is taken")
            t.like(w.log(), "no salt for visitors", "the log says so")
        pg.start()
        w.wait_healthy()
        proc.wait_for(lambda: "the salt for visitors is there" in w.log(), "the salt", detail=w.log)
        with t.case("the database is back"):
            post(w, {"siteId": "a.test", "eventType": "salted"})
            proc.wait_for(lambda: pg.events("event_type = 'no_salt'"), "the spool is replayed",
                          detail=w.log)
            t.is_(visitor(pg, "no_salt"), None, "what came without a salt has no visitor")
            t.like(visitor(pg, "salted"), r"^[0-9a-f]{32}$", "what comes now has one")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    first = hash_mode(t, pg)
    restart(t, pg, first)
    cgi(t, pg)
    none_mode(t, pg)
    client_mode(t, pg)
    away(t, pg)
