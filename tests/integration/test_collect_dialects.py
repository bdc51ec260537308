"""Other collectors' APIs, as their clients call them: what is stored, what is answered."""

import base64
import datetime
import gzip
import json

from common import NO_SPOOL, worker
from harness import postgres, proc, tap

# path, message, eventType
SEGMENT = [
    ("/v1/track", {"event": "Order Completed", "properties": {"total": 1}}, "Order Completed"),
    ("/v1/t", {"event": "e"}, "e"),
    ("/v1/page", {"name": "Home"}, "pageview"), ("/v1/p", {}, "pageview"),
    ("/v1/screen", {}, "screen"), ("/v1/s", {}, "screen"),
    ("/v1/identify", {"traits": {"plan": "pro"}}, "identify"), ("/v1/i", {}, "identify"),
    ("/v1/group", {"groupId": "g"}, "group"), ("/v1/g", {}, "group"),
    ("/v1/alias", {"previousId": "p"}, "alias"), ("/v1/a", {}, "alias"),
]
BATCHES = ["/v1/batch", "/v1/b", "/v1/import", "/t/v1/batch/"]
SUCCESS = {"success": True}


def post(w, path, body, **headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return w.request("POST", path, body, headers={
        name.replace("_", "-"): value for name, value in headers.items()})


def basic(key):
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def stored(pg, site):
    return [(row["event_type"], row["visitor_id"], row["session_id"], row["payload"])
            for row in pg.events(f"site_id = '{site}'")]


def messages(t, pg, w):
    for i, (path, more, event_type) in enumerate(SEGMENT):
        with t.case(path):
            message = {"messageId": f"m{i}", "anonymousId": "a", "writeKey": f"m{i}",
                       "context": {"sessionId": 7}, **more}
            answer = post(w, path, message, Content_Type="text/plain", Origin="https://a.test")
            t.is_((answer.status, answer.json()), (200, SUCCESS), "answer")
            t.is_(answer.headers.get("access-control-allow-origin"), "*", "CORS")
            t.is_(stored(pg, f"m{i}"), [(event_type, "a", "7", message)], "row")


def batches(t, pg, w):
    for i, path in enumerate(BATCHES):
        with t.case(path):
            batch = [{"type": "track", "event": "e", "userId": "u", "messageId": f"b{i}-1"},
                     {"type": "page", "anonymousId": "a", "context": {"ip": "1"}}]
            answer = post(w, path, gzip.compress(json.dumps(
                {"batch": batch, "context": {"sessionId": "s"}, "sentAt": "2026-01-02T00:00:00Z"}
            ).encode()), Authorization=basic(f"b{i}"), Content_Encoding="gzip")
            t.is_((answer.status, answer.json()), (200, SUCCESS), "answer")
            t.is_(stored(pg, f"b{i}"), [
                ("e", "u", "s", {**batch[0], "context": {"sessionId": "s"}}),
                ("pageview", "a", "s", {**batch[1], "context": {"ip": "1", "sessionId": "s"}})],
                "rows, and none for an envelope")

    with t.case("a batch with bad messages"):
        answer = post(w, "/v1/batch", {"writeKey": "partly", "batch": [
            {"type": "page"}, {"type": "track"}, {"type": "page", "x": "y" * 33000}, 5]})
        t.is_((answer.status, answer.json()), (200, SUCCESS), "answer")
        t.is_([row[0] for row in stored(pg, "partly")], ["pageview"], "the good one is stored")
        t.is_([(row["event_index"], row["reason"]) for row in pg.query(
            "SELECT event_index, reason FROM rejected_events WHERE site_id = 'partly' "
            "ORDER BY event_index")],
            [(1, "event is missing"),
             (2, "the message, with what it has of its batch, is larger than 32768 bytes"),
             (3, "a message must be an object")], "the others are kept")


def clock(t, pg, w):
    with t.case("a clock that is a day slow"):
        now = datetime.datetime.now(datetime.timezone.utc)
        slow = now - datetime.timedelta(days=1)
        message = {"timestamp": (slow - datetime.timedelta(seconds=60)).isoformat(),
                   "sentAt": slow.isoformat(), "writeKey": "clock"}
        t.is_(post(w, "/v1/page", message).status, 200, "status")
        row = pg.events("site_id = 'clock'")[0]
        received, happened = (datetime.datetime.fromisoformat(row[column])
                              for column in ("received_at", "event_time"))
        t.is_((received - happened).total_seconds(), 60.0, "a minute before it was received")
        t.is_(row["payload"], message, "the original is in the payload")


REFUSED = [
    ("/v1/batch", b"{", 400), ("/v1/batch", {"batch": []}, 400), ("/v1/track", {}, 400),
    ("/v1/batch", {"batch": [{"type": "track"}]}, 400),
    ("/v1/batch", {"batch": [{"type": "page", "x": "y" * 30000}] * 18}, 413),
]


def refused(t, w):
    for path, body, status in REFUSED:
        with t.case(f"{path} {body!r:.60}"):
            answer = post(w, path, body)
            t.is_((answer.status, answer.json()["success"]), (status, False), "answer")
            t.ok(answer.json()["message"], "says why")
    with t.case("GET"):
        t.is_(w.request("GET", "/v1/batch").status, 405, "is not allowed")
    with t.case("another path"):
        t.is_(post(w, "/v1/metrics-of-sdk", {}).status, 404, "is none")


def keys(t, pg):
    sections = {"collector": {"write_keys": "listed"}, "site shop": {"write_key": "k1"},
                "site blog": {"write_key": "k2"}}
    with worker(pg, sections=sections) as w:
        w.wait_healthy()
        for key, header, status, site in (
                ("k1", True, 200, "shop"), ("k2", False, 200, "blog"), ("k3", True, 401, None),
                ("shop", False, 401, None), (None, False, 401, None)):
            with t.case(f"write key {key} {'in the header' if header else 'in the body'}"):
                pg.execute("DELETE FROM events")
                body = {"writeKey": key} if key and not header else {}
                answer = post(w, "/v1/page", body, **({"Authorization": basic(key)} if header
                                                      else {}))
                t.is_((answer.status, answer.json()["success"]), (status, status == 200), "answer")
                t.is_([row["site_id"] for row in pg.events()], [site] if site else [], "row")


def away(t, pg):
    sections = {**NO_SPOOL, "database": {"url": "host=/nowhere"}}
    with t.case("the database is away"), worker(pg, sections=sections) as w:
        answer = post(w, "/v1/page", {})
        t.is_((answer.status, answer.json()["success"]), (503, False), "the client shall repeat it")
        t.like(answer.headers.get("retry-after"), r"^\d+$", "Retry-After")


def held_back(t, pg):
    limits = {"limits": {"requests_per_address": 1, "burst_s": 1}}
    with t.case("beyond a limit"), worker(pg, sections=limits) as w:
        answer = proc.wait_for(lambda: next(
            (a for a in [post(w, "/v1/page", {})] if a.status == 429), None), "a refusal")
        t.is_(answer.json()["success"], False, "the client shall repeat it")
        t.like(answer.headers.get("retry-after"), r"^\d+$", "Retry-After")
        pixel = proc.wait_for(lambda: next(
            (a for a in [w.request("GET", "/pixel.gif?eventType=x")]
             if a.headers["x-millrace"] != "stored"), None), "a pixel that is held back")
        t.is_(pixel.headers["x-millrace"], "limited", "the pixel says so")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    with worker(pg) as w:
        w.wait_healthy()
        messages(t, pg, w)
        batches(t, pg, w)
        clock(t, pg, w)
        refused(t, w)
    keys(t, pg)
    away(t, pg)
    held_back(t, pg)
