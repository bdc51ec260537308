"""How an event becomes a row: text, time, site, inheritance, query strings, the pixel."""

import datetime
import glob
import json
import os

from common import success, without_time, worker
from harness import postgres, proc, tap

FFFD = "\ufffd"


def store(t, w, body, **more):
    """Posts one event and returns its status."""
    answer = w.request("POST", "/collect", body, **more)
    t.is_(answer.status, 200, "status")
    return answer


def row(pg, site):
    rows = pg.events(f"site_id = '{site}'")
    return rows[-1] if rows else {}


def text(t, pg, w):
    with t.case("escapes that PostgreSQL cannot hold"):
        store(t, w, rb'{"eventType":"a\u0000b","siteId":"s\ud800.test","sessionId":"\udc00",'
                    rb'"visitorId":"\ud83d\ude00","k\u0000":"\ud800x","two":"\udc00\ud800",'
                    rb'"in":[{"deep\udfff":"\u0000\u0000"}],"slash":"\\u0000"}')
        got = row(pg, f"s{FFFD}.test")
        t.includes(got, {"event_type": f"a{FFFD}b", "session_id": FFFD, "visitor_id": "\U0001f600"},
                   "columns")
        t.includes(got.get("payload"), {
            f"k{FFFD}": f"{FFFD}x", "two": FFFD * 2, "in": [{f"deep{FFFD}": FFFD * 2}],
            "slash": "\\u0000", "eventType": f"a{FFFD}b"}, "payload")

    with t.case("any language"):
        store(t, w, {"eventType": "größe 大", "siteId": "utf8.test", "x": "\u2028\U0010ffff\x7f"})
        store(t, w, '{"eventType":"größe 大","siteId":"utf8.test","x":"\u2028\U0010ffff\x7f"}')
        t.is_([(r["event_type"], r["payload"]["x"]) for r in pg.events("site_id = 'utf8.test'")],
              [("größe 大", "\u2028\U0010ffff\x7f")] * 2, "escaped or not")

    with t.case("ids that are no strings"):
        store(t, w, '{"eventType":"x","siteId":12,"sessionId":1.50,"visitorId":true}')
        t.includes(row(pg, "12"), {"session_id": "1.50", "visitor_id": "true"}, "as their text")
        store(t, w, '{"eventType":"x","siteId":"null.test","sessionId":null,"visitorId":null}')
        t.includes(row(pg, "null.test"), {"session_id": None, "visitor_id": None}, "null")

    with t.case("longest texts"):
        long = "é" * 127 + "x"
        store(t, w, {"eventType": long, "siteId": "long.test", "sessionId": long})
        t.includes(row(pg, "long.test"), {"event_type": long, "session_id": long}, "255 bytes")
        store(t, w, {"eventType": "x", "siteId": "agent.test"},
              headers={"User-Agent": ("é" * 1000).encode()})
        t.is_(row(pg, "agent.test")["user_agent"], "é" * 512, "user agent is cut at 1 KiB")

    with t.case("keys with escapes"):
        store(t, w, rb'{"\u0065ventType":"x","site\u0049d":"escaped.test"}')
        t.includes(row(pg, "escaped.test"), {"event_type": "x"}, "are the same keys")
        store(t, w, rb'{"\u0065ventType":"first","siteId":"twice.test","eventType":"second"}')
        t.includes(row(pg, "twice.test"), {"event_type": "second", "payload": {
            "siteId": "twice.test", "eventType": "second"}}, "of the same key the last counts")

    with t.case("numbers"):
        big = "9" * 128
        store(t, w, '{"eventType":"x","siteId":"n.test","a":1e400,"b":%s,"c":-0.5e-10}' % big)
        t.is_(pg.query("SELECT payload->>'a' AS a, payload->>'b' AS b, payload->>'c' AS c "
                       "FROM events WHERE site_id = 'n.test'"),
              [{"a": "1e400", "b": big, "c": "-0.5e-10"}], "are as they were sent")
        t.is_(pg.query("SELECT (payload::jsonb->>'a')::numeric = 1e400 AS a, "
                       "payload::jsonb->>'c' AS c FROM events WHERE site_id = 'n.test'"),
              [{"a": True, "c": "-0.00000000005"}], "and exact, as jsonb")


def payloads(t, pg, w):
    def stored(site):
        return pg.value(f"SELECT payload::text FROM events WHERE site_id = '{site}'")

    with t.case("a payload"):
        sent = (r'{"z":1.50,"siteId":"p.test","a":{"z":[1E2,-0],"b":{}},"z":"\u00e9 é\/",'
                r'"eventType":"x"}')
        store(t, w, sent)
        t.is_(stored("p.test"), sent, "is what was sent, to the byte")
        store(t, w, sent.replace("p.test", "blank.test").replace(":", " :\t").replace(",", "\r\n, "))
        t.is_(stored("blank.test"), sent.replace("p.test", "blank.test"),
              "but for blanks between tokens")

    with t.case("all that is valid JSON"):
        folder = os.path.join(proc.SRCDIR, "tests", "data", "json")
        refused = set()
        for path in glob.glob(os.path.join(folder, "y_*.json")):
            with open(path, "rb") as f:
                answer = w.request("POST", "/collect",
                                   b'{"eventType":"x","siteId":"json.test","v":%s}' % f.read())
            if answer.status != 200:
                refused.add(os.path.basename(path))
        deepest = {os.path.basename(p) for p in glob.glob(os.path.join(folder, "y_depth_32*.json"))}
        t.is_(refused, deepest, "is stored, unless it becomes too deep by what is around it")
        t.is_(pg.value("SELECT count(payload::jsonb) FROM events WHERE site_id = 'json.test'"),
              len(glob.glob(os.path.join(folder, "y_*.json"))) - len(deepest), "and can become jsonb")


def sites(t, pg, w):
    for name, headers, want in (
            ("Origin", {"Origin": "https://shop.test", "Referer": "https://other.test/"},
             "shop.test"),
            ("Origin with a port", {"Origin": "https://port.test:8443"}, "port.test"),
            ("Referer", {"Referer": "https://ref.test/page?x=https://no.test/"}, "ref.test"),
            ("Origin null", {"Origin": "null", "Referer": "https://ref2.test/"}, "ref2.test"),
            ("Origin with an address", {"Origin": "http://[2001:DB8::1]:8000"}, "[2001:db8::1]"),
            ("Origin with no port", {"Origin": "http://[::1]"}, "[::1]"),
            ("Origin with half an address", {"Origin": "http://[::1"}, "default"),
            ("Referer with a user", {"Referer": "https://u:p@w@Host.test:1/x@no.test"},
             "host.test"),
            ("Referer with no host", {"Referer": "https://user@/x"}, "default"),
            ("Referer with a query", {"Referer": "https://q.test?x=@no.test"}, "q.test"),
            ("Referer that is relative", {"Referer": "/foo?u=https://evil.example/"}, "default"),
            ("Referer without a scheme", {"Referer": "://evil.example/"}, "default"),
            ("Referer of an app", {"Referer": "android-app://com.example.app/x"},
             "com.example.app"),
            ("neither", {}, "default")):
        with t.case(f"site from {name}"):
            pg.execute("DELETE FROM events")
            store(t, w, {"eventType": "x"}, headers=headers)
            t.is_([r["site_id"] for r in pg.events()], [want], "site")
    with t.case("site that is given"):
        pg.execute("DELETE FROM events")
        store(t, w, {"eventType": "x", "siteId": "given"}, headers={"Origin": "https://shop.test"})
        t.is_([r["site_id"] for r in pg.events()], ["given"], "wins")


# what is sent, what is stored (None: the time of arrival)
TIMES = [
    ('"2025-06-22T12:00:00Z"', "2025-06-22T12:00:00+00:00"),
    ('"2025-06-22T14:00:00.123456+02:00"', "2025-06-22T12:00:00.123456+00:00"),
    ('"2025-06-22T06:30:00-05:30"', "2025-06-22T12:00:00+00:00"),
    ('"2025-06-22T12:00:00"', "2025-06-22T12:00:00+00:00"),
    ('"2025-06-22 12:00:00.5"', "2025-06-22T12:00:00.5+00:00"),
    ("1750593600", "2025-06-22T12:00:00+00:00"),
    ("1750593600123", "2025-06-22T12:00:00.123+00:00"),
    ('"1750593600"', "2025-06-22T12:00:00+00:00"),
    ('"0001-01-01T00:00:00Z"', "0001-01-01T00:00:00+00:00"),
    ('"9999-12-31T23:59:59.999999Z"', "9999-12-31T23:59:59.999999+00:00"),
    ('"yesterday"', None), ('"2025-02-30T12:00:00Z"', None), ('""', None), ("null", None),
    ("{}", None), ("true", None), ('"2025-06-22T25:00:00Z"', None), ("1e300", None),
]


def times(t, pg, w):
    for sent, want in TIMES:
        with t.case(f"timestamp {sent}"):
            pg.execute("DELETE FROM events")
            store(t, w, '{"eventType":"x","timestamp":%s}' % sent)
            got = pg.events()[0]
            stored = datetime.datetime.fromisoformat(got["event_time"])
            received = datetime.datetime.fromisoformat(got["received_at"])
            t.is_(stored.isoformat(),
                  (datetime.datetime.fromisoformat(want) if want else received).isoformat(),
                  "event time")
            t.is_(got["payload"]["timestamp"], json.loads(sent),
                  "stays in the payload")


def inheritance(t, pg, w):
    with t.case("inheritance"):
        pg.execute("DELETE FROM events")
        answer = store(t, w, {
            "eventType": "batch", "sessionId": "s0", "visitorId": "v0", "siteId": "i0",
            "timestamp": 1750593600, "extra": 1, "events": [
                {"eventType": "a"},
                {"eventType": "b", "sessionId": "s1", "visitorId": "v1", "siteId": "i1",
                 "timestamp": 1750593601},
                {"eventType": "c", "sessionId": None, "siteId": None, "timestamp": None}]})
        t.is_(without_time(answer), success(4), "answer")
        t.is_([(r["event_type"], r["session_id"], r["visitor_id"], r["site_id"],
                r["event_time"][17:19]) for r in pg.events()],
              [("batch", "s0", "v0", "i0", "00"), ("a", "s0", "v0", "i0", "00"),
               ("b", "s1", "v1", "i1", "01"), ("c", "s0", "v0", "i0", "00")], "rows")
        t.is_(pg.events()[0]["payload"],
              {"eventType": "batch", "sessionId": "s0", "visitorId": "v0", "siteId": "i0",
               "timestamp": 1750593600, "extra": 1}, "the envelope keeps what else it had")

    for name, body in (("without events", {"eventType": "batch"}),
                       ("with empty events", {"eventType": "batch", "events": []})):
        with t.case(f"batch {name}"):
            pg.execute("DELETE FROM events")
            t.is_(without_time(store(t, w, body)), success(1), "answer")
            t.is_([r["event_type"] for r in pg.events()], ["batch"], "row")

    with t.case("events in a single event"):
        pg.execute("DELETE FROM events")
        body = {"eventType": "click", "events": [{"eventType": "x"}]}
        t.is_(without_time(store(t, w, body)), success(1), "answer")
        t.is_([r["payload"] for r in pg.events()], [body], "is only payload")


def query_strings(t, pg, w):
    with t.case("query string"):
        pg.execute("DELETE FROM events")
        answer = w.request("GET", "/collect?eventType=a%00b&siteId=%ff.test&sessionId=1&visitorId="
                                  "v&timestamp=1750593600&x=1%2B1&y=a%26b%3Dc&empty=&bare&%zz=1")
        t.is_(without_time(answer), success(1), "answer")
        got = pg.events()[0]
        t.includes(got, {"event_type": f"a{FFFD}b", "site_id": f"{FFFD}.test", "session_id": "1",
                         "visitor_id": "v", "event_time": "2025-06-22T12:00:00+00:00"}, "columns")
        t.includes(got["payload"], {"x": "1+1", "y": "a&b=c", "empty": "", "sessionId": "1"},
                   "payload")
    for query in ("", "?", "?x=1", "?eventType=", "?eventType=" + "x" * 256):
        with t.case(f"bad query string {query[:15]}"):
            answer = w.request("GET", "/collect" + query)
            t.is_(answer.status, 400, "status")
            t.like(answer.json().get("message"), r"eventType|empty", "message")
    with t.case("a query string is no batch"):
        pg.execute("DELETE FROM events")
        answer = w.request("GET", "/collect?eventType=batch&events=x")
        t.ok(answer.status in (200, 400), "is answered")


def pixel(t, pg, w):
    for name, query, pattern in (
            ("stored", "?eventType=open&siteId=px", r"^stored$"),
            ("rejected", "?siteId=px", r"^rejected: .*eventType"),
            ("without a query", "", r"^rejected: .")):
        with t.case(f"pixel {name}"):
            answer = w.request("GET", "/pixel.gif" + query)
            t.is_((answer.status, len(answer.body), answer.body[:6], answer.body[-1:]),
                  (200, 43, b"GIF89a", b";"), "an image")
            t.includes(answer.headers, {"content-type": "image/gif", "cache-control": "no-store"},
                       "headers")
            t.like(answer.headers.get("x-millrace"), pattern, "X-Millrace")
    with t.case("pixel twice with the same batchId"):
        answers = [w.request("GET", "/pixel.gif?eventType=open&siteId=px&batchId=once")
                   for _ in range(2)]
        t.is_([answer.headers.get("x-millrace") for answer in answers], ["stored", "duplicate"],
              "X-Millrace")
    t.is_(len(pg.events("site_id = 'px'")), 2, "pixel rows")
    with t.case("pixel header"):
        answer = w.request("GET", "/pixel.gif?x=%0d%0aSet-Cookie:%20a=b&eventType=")
        t.is_(answer.headers.get("set-cookie"), None, "nothing from the client is a header")
    with t.case("pixel header of what the database says"):
        pg.execute("CREATE INDEX numbers ON events (((payload->>'n')::integer))")
        answer = w.request("GET", "/pixel.gif?eventType=x&siteId=index&"
                                  "n=a%0d%0aSet-Cookie:%20a=b%0dc%1b%01%7f%09d")
        pg.execute("DROP INDEX numbers")
        t.is_(answer.headers.get("set-cookie"), None, "nothing from the client is a header")
        t.is_(answer.headers.get("x-millrace"),
              "rejected: the database refuses a value (SQLSTATE 22P02)", "the SQLSTATE alone")
        t.like(pg.value("SELECT reason FROM rejected_events WHERE site_id = 'index'"),
               r'"a  Set-Cookie: a=b c    d"', "control characters of the reason are blanks")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    with worker(pg) as w:
        w.wait_healthy()
        text(t, pg, w)
        payloads(t, pg, w)
        sites(t, pg, w)
        times(t, pg, w)
        inheritance(t, pg, w)
        query_strings(t, pg, w)
        pixel(t, pg, w)
