"""The documented requests through a web server: the same answers, rows and log lines everywhere."""

import base64
import contextlib
import datetime
import gzip
import http.client
import json
import re

from common import LOG_LINE, TIMESTAMP, config, success, without_time
from harness import postgres, proc, tap

# As documented, to be pasted into a shell.
SINGLE = r'''curl -X POST http://localhost:8000/collect \
  -H "Content-Type: application/json" \
  -d '{
    "eventType": "test_single",
    "sessionId": "test_session_001",
    "siteId": "localhost"
  }'
'''
BATCH = r'''curl -X POST http://localhost:8000/collect \
  -H "Content-Type: application/json" \
  -d '{
    "eventType": "batch",
    "sessionId": "test_session_002",
    "siteId": "localhost",
    "events": [
      {"eventType": "click", "eventData": {"element": "button1"}},
      {"eventType": "scroll", "eventData": {"depth": 25}},
      {"eventType": "click", "eventData": {"element": "button2"}}
    ]
  }'
'''
BATCH_TYPED = r'''curl -X POST http://localhost:8000/collect -H "Content-Type: application/json" \
  -d '{"eventType":"batch","events":[{"eventType":"test1"},{"eventType":"test2"}]}'
'''
BATCH_PLAIN = r'''curl -X POST http://localhost:8000/collect \
  -d '{"eventType":"batch","events":[{"eventType":"click"},{"eventType":"scroll"}]}'
'''
ONE_LINE = r'''curl -X POST http://localhost:8000/collect -H "Content-Type: application/json" \
  -d '{"eventType":"test_single","sessionId":"test_session_001","siteId":"localhost"}'
'''
HEALTH = "curl http://localhost:8000/health"
RECENT = "curl http://localhost:8000/events/recent"

# The documented body of a batch with everything that members inherit.
CONTEXT = {
    "eventType": "batch",
    "sessionId": "sess_abc123",
    "visitorId": "vis_xyz789",
    "siteId": "example-com",
    "timestamp": "2025-06-22T12:00:00Z",
    "events": [
        {"eventType": "click", "eventData": {"element": "button1"}},
        {"eventType": "scroll", "eventData": {"depth": 25}},
        {"eventType": "form_focus", "eventData": {"field": "email"}},
    ],
}


EVENT = '{"eventType":"x"}'
FORM = "application/x-www-form-urlencoded"

# method, path, body, Content-Type: what other senders make of one event
SENDERS = [
    ("POST", "/collect/", EVENT, None),
    ("POST", "/pixel.gif", EVENT, "text/plain"),
    ("POST", "/pixel.gif/", EVENT, None),
    ("POST", "/pixel.gif?eventType=x", b"", None),
    ("POST", "/collect", "\ufeff" + EVENT, "application/json"),
    ("POST", "/collect", EVENT.encode("utf-16"), "application/json"),
    ("POST", "/collect", f"[{EVENT}]", "application/json"),
    ("POST", "/collect", EVENT + "\n", "application/x-ndjson"),
    ("POST", "/collect", "eventType=x&plan=pro", FORM),
    ("POST", "/collect", EVENT, FORM),
    ("POST", "/collect", "data=" + base64.b64encode(EVENT.encode()).decode(), FORM),
]


def run(server_class):
    """A whole test program for one kind of server."""
    postgres.need()
    proc.need("curl")
    with tap.Suite() as t, postgres.Postgres() as pg:
        with server_class(config(pg)) as server:
            server.wait_healthy()
            pids = server.pids()
            documented(t, pg, server)
            context(t, pg, server)
            monitoring(t, pg, server)
            other_methods(t, pg, server)
            transport(t, pg, server)
            t.is_(server.pids(), pids, "the same workers all the while")


def is_logged(t, server, text):
    line = LOG_LINE + re.escape(text) + "$"
    try:
        proc.wait_for(lambda: re.search(line, server.log()), text)
        t.ok(True, f"log: {text}")
    except TimeoutError:
        t.fail(f"log: {text}", server.log()[-2000:])


def documented(t, pg, server):
    for name, command in (("single", SINGLE), ("single on one line", ONE_LINE)):
        with t.case(name):
            pg.execute("DELETE FROM events")
            answer = server.curl(command)
            t.is_(answer.status, 200, "status")
            t.like(answer.headers.get("content-type"), r"^application/json\b", "is JSON")
            t.is_(without_time(answer), success(1), "answer")
            rows = pg.events("session_id = 'test_session_001'")
            t.is_(len(rows), 1, "one row")
            t.includes(rows[0], {"event_type": "test_single", "site_id": "localhost",
                                 "visitor_id": None, "client_ip": "127.0.0.1"}, "row")
            t.like(rows[0]["user_agent"], r"^curl/", "user agent")
            t.is_(rows[0]["payload"], {"eventType": "test_single", "siteId": "localhost",
                                       "sessionId": "test_session_001"}, "payload")
            t.is_(rows[0]["event_time"], rows[0]["received_at"], "event time is the arrival")

    with t.case("batch of three"):
        answer = server.curl(BATCH)
        t.is_(answer.status, 200, "status")
        t.is_(without_time(answer), success(4), "answer")
        is_logged(t, server, "INFO: Processing batch with 3 individual events")
        is_logged(t, server, "INFO: Bulk inserted 4 events from localhost")
        rows = pg.events("session_id = 'test_session_002'")
        t.is_([row["event_type"] for row in rows], ["batch", "click", "scroll", "click"],
              "the envelope and its members, in order of their ids")
        t.is_(len({row["created_at"] for row in rows}), 1, "identical created_at")
        t.is_({row["site_id"] for row in rows}, {"localhost"}, "members carry the site")
        t.is_([row["payload"] for row in rows],
              [{"eventType": "batch", "sessionId": "test_session_002", "siteId": "localhost"},
               {"eventType": "click", "eventData": {"element": "button1"}},
               {"eventType": "scroll", "eventData": {"depth": 25}},
               {"eventType": "click", "eventData": {"element": "button2"}}], "payloads")

    for name, command, types in (
            ("batch without site", BATCH_TYPED, ["batch", "test1", "test2"]),
            ("batch without Content-Type and site", BATCH_PLAIN, ["batch", "click", "scroll"])):
        with t.case(name):
            pg.execute("DELETE FROM events")
            answer = server.curl(command)
            t.is_(answer.status, 200, "status")
            t.is_(without_time(answer), success(3), "answer")
            t.is_([(row["event_type"], row["site_id"]) for row in pg.events()],
                  [(kind, "default") for kind in types], "rows")
    is_logged(t, server, "INFO: Bulk inserted 3 events from default")


def context(t, pg, server):
    with t.case("batch with context"):
        answer = server.post("/collect", CONTEXT, headers={"Content-Type": "application/json"})
        t.is_(answer.status, 200, "status")
        t.is_(without_time(answer), success(4), "answer")
        rows = pg.events("site_id = 'example-com'")
        t.is_([(row["session_id"], row["visitor_id"], row["event_time"]) for row in rows],
              [("sess_abc123", "vis_xyz789", "2025-06-22T12:00:00+00:00")] * 4,
              "session, visitor and timestamp are inherited")
        is_logged(t, server, "INFO: Bulk inserted 4 events from example-com")


def monitoring(t, pg, server):
    with t.case("/health"):
        answer = server.curl(HEALTH)
        t.is_(answer.status, 200, "status")
        t.is_(without_time(answer), {"status": "healthy", "database": "connected"}, "answer")

    with t.case("/events/recent"):
        rows = pg.events()
        answer = server.curl(RECENT)
        t.is_(answer.status, 200, "status")
        body = answer.json()
        t.is_(body["count"], len(rows), "count")
        t.is_([event["id"] for event in body["events"]], [row["id"] for row in rows][::-1],
              "newest first")
        for event, row in zip(body["events"], rows[::-1]):
            same = ("site_id", "event_type", "session_id", "visitor_id", "client_ip",
                    "user_agent", "payload")
            t.is_({key: event[key] for key in same}, {key: row[key] for key in same},
                  f"event {row['id']}")
            times = ("created_at", "received_at", "event_time")
            for key in times:
                t.like(event[key], TIMESTAMP, f"{key} of {row['id']}")
            t.is_([_milliseconds(event[key]) for key in times],
                  [_milliseconds(row[key]) for key in times], f"times of {row['id']}")
        body = server.get("/events/recent?limit=2&site=example-com").json()
        t.is_([(event["event_type"], event["site_id"]) for event in body["events"]],
              [("form_focus", "example-com"), ("scroll", "example-com")], "limit and site")

    with t.case("/events/recent behind an unknown proxy"):
        answer = server.get("/events/recent", headers={"X-Forwarded-For": "127.0.0.1"})
        t.is_(answer.status, 403, "status")


def _milliseconds(text):
    time = datetime.datetime.fromisoformat(text)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def other_methods(t, pg, server):
    with t.case("query string"):
        answer = server.get("/collect?eventType=signup&siteId=q.test&plan=pro%20plan&x=a+b")
        t.is_(answer.status, 200, "status")
        t.is_(without_time(answer), success(1), "answer")
        t.is_([row["payload"] for row in pg.events("site_id = 'q.test'")],
              [{"eventType": "signup", "siteId": "q.test", "plan": "pro plan", "x": "a b"}],
              "payload")

    with t.case("pixel"):
        answer = server.get("/pixel.gif?eventType=open&siteId=pixel.test")
        t.is_(answer.status, 200, "status")
        t.includes(answer.headers, {"content-type": "image/gif", "cache-control": "no-store",
                                    "x-millrace": "stored"}, "headers")
        t.is_((len(answer.body), answer.body[:6]), (43, b"GIF89a"), "image")
        t.is_(len(pg.events("site_id = 'pixel.test'")), 1, "row")

    for method, path, body, kind in SENDERS:
        with t.case(f"{method} {path} {kind}"):
            rows = len(pg.events("event_type = 'x'"))
            answer = server.request(method, path, body,
                                    headers={"Content-Type": kind} if kind else {})
            t.is_(answer.status, 200, "status")
            t.is_(len(pg.events("event_type = 'x'")), rows + 1, "row")
    for path in ("/health/", "/metrics/", "/events/recent/", "/export/status/", "/export/config/",
                 "/collect/?eventType=x", "/pixel.gif/?eventType=x"):
        with t.case(f"GET {path}"):
            t.is_(server.get(path).status, 200, "a slash behind the path does not matter")

    with t.case("preflight"):
        answer = server.request("OPTIONS", "/collect", headers={
            "Origin": "https://shop.test", "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type"})
        t.is_(answer.status, 204, "status")
        t.is_(answer.body, b"", "no body")
        t.includes(answer.headers, {
            "access-control-allow-origin": "*",
            "access-control-allow-methods": "GET, POST, OPTIONS",
            "access-control-allow-headers": "Content-Type, Content-Encoding, Authorization",
            "access-control-max-age": "86400"}, "headers")

    with t.case("HEAD /health"):
        answer = server.request("HEAD", "/health")
        t.is_((answer.status, answer.body), (200, b""), "status, no body")

    with t.case("wrong method"):
        answer = server.request("PUT", "/collect", b"{}")
        t.is_(answer.status, 405, "status")
        t.is_(sorted(re.split(r",\s*", answer.headers.get("allow", ""))),
              ["GET", "OPTIONS", "POST"], "Allow")


def transport(t, pg, server):
    event = {"eventType": "transport", "siteId": "transport.test"}
    body = json.dumps(event).encode()

    with t.case("gzip"):
        answer = server.post("/collect", gzip.compress(body), headers={"Content-Encoding": "gzip"})
        t.is_(answer.status, 200, "status")
        t.is_(without_time(answer), success(1), "answer")

    with t.case("chunked"):
        answer = server.post("/collect", (body[i:i + 7] for i in range(0, len(body), 7)))
        t.is_(answer.status, 200, "status")
        t.is_(without_time(answer), success(1), "answer")

    with t.case("a body of 900 kB"):
        answer = server.post("/collect", {**event, "text": "x" * 900_000})
        t.is_(answer.status, 200, "status")
        t.is_(pg.value("SELECT max(length(payload->>'text')) FROM events"), 900_000, "stored whole")

    with t.case("a body of 2 MB"):
        answer = server.post("/collect", {**event, "text": "x" * 2_000_000})
        t.is_(answer.status, 413, "status")
        t.like(answer.headers.get("content-type"), r"^application/json\b", "is the worker's")

    with t.case("the connection of a body that was refused"):
        statuses = []
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=proc.DEADLINE_S)
        with contextlib.closing(connection):
            for size, encoding in ((2_000_000, None), (10, None), (900_000, "br"), (10, None)):
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.request("POST", f"{server.prefix}/collect", json.dumps(
                        {**event, "siteId": "kept.test", "text": "x" * size}),
                        {"Content-Encoding": encoding} if encoding else {})
                response = connection.getresponse()
                response.read()
                statuses.append(response.status)
        t.is_(statuses, [413, 200, 415, 200], "takes the next request")

    with t.case("no UTF-8 in an address"):
        answer = server.get("/pixel.gif?eventType=open&siteId=latin.test&name=Ren%E9")
        t.is_((answer.status, answer.headers.get("x-millrace")), (200, "stored"), "is stored")
        t.is_(pg.value("SELECT payload ->> 'name' FROM events WHERE site_id = 'latin.test'"),
              "Ren\ufffd", "mended")

    with t.case("forged X-Forwarded-For"):
        answer = server.post("/collect", {**event, "siteId": "forged.test"},
                             headers={"X-Forwarded-For": "203.0.113.66"})
        t.is_(answer.status, 200, "status")
        t.is_([row["client_ip"] for row in pg.events("site_id = 'forged.test'")], ["127.0.0.1"],
              "the peer's address is stored")

    with t.case("not JSON"):
        answer = server.post("/collect", b'{"a"::1}')
        t.is_(answer.status, 400, "status")
        t.includes(answer.json(), {"status": "error", "offset": 5}, "answer")

    with t.case("after all that"):
        t.is_(len(pg.events("site_id = 'transport.test'")), 3, "the good ones are stored")
        t.is_(server.get("/health").status, 200, "healthy")
