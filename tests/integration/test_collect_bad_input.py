"""Bad input, sent to the worker directly: the documented status and a message that says what
and where, nothing stored but the good events, and the same worker lives on."""

import contextlib
import gzip
import json
import random
import zlib

from common import check_error, success, without_time, worker
from harness import fcgi, postgres, tap

GOOD = b'{"eventType":"good"}'
MEGABYTE = 1 << 20

# name, body, message, offset of the first wrong byte (None: not about a byte)
NOT_JSON = [
    ("empty body", b"", r"empty", None),
    ("blanks only", b" \n\t ", r"empty", None),
    ("cut in a string", b'{"eventType":"a', r"", 15),
    ("cut before the brace", b'{"eventType":"a"', r"", 16),
    ("two colons", b'{"a"::1}', r"", 5),
    ("no colon", b'{"a" 1}', r"", 5),
    ("comma before the bracket", b"[1,]", r"", 3),
    ("comma before the brace", b'{"a":1,}', r"", 7),
    ("leading zero", b"01", r"", 1),
    ("plus sign", b'{"a":+1}', r"", 5),
    ("NaN", b'{"a":NaN}', r"", 5),
    ("single quotes", b"{'a':1}", r"", 1),
    ("bare word", b"hello", r"", 0),
    ("two values", GOOD + b" {}", r"", 21),
    ("line feed in a string", b'{"eventType":"a\nb"}', r"", 15),
    ("unknown escape", b'{"eventType":"a\\x"}', r"escape", 15),
    ("NUL byte in a string", b'{"eventType":"a\x00b"}', r"NUL|control", 15),
    ("NUL byte at the end", GOOD + b"\x00", r"NUL|follows", 20),
    ("100,000 brackets", b"[" * 100_000, r"deep|depth|nest", 32),
    ("100,000 objects", b'{"a":' * 100_000, r"deep|depth|nest", 160),
    ("numbers that PostgreSQL would write out", b'{"eventType":"x","n":[' + b"1e400," * 99_980
     + b"1]}", r"exponents", 22 + 6 * 2621),
]

# name, value, message
NO_EVENT = [
    ("a number", 1, r"object"),
    ("an array", [1], r"object"),
    ("a string", "x", r"object"),
    ("null", None, r"object"),
    ("no eventType", {}, r"eventType"),
    ("eventType null", {"eventType": None}, r"eventType"),
    ("eventType number", {"eventType": 7}, r"eventType"),
    ("eventType object", {"eventType": {}}, r"eventType"),
    ("eventType empty", {"eventType": ""}, r"eventType"),
    ("eventType of 256 bytes", {"eventType": "é" * 128}, r"eventType.*255|255.*eventType"),
    ("siteId object", {"eventType": "x", "siteId": {}}, r"siteId"),
    ("events object", {"eventType": "batch", "events": {}}, r"events"),
    ("events string", {"eventType": "batch", "events": "x"}, r"events"),
]

# name, text of the number
BAD_NUMBERS = [("1e131071", "1e131071"), ("1e-131071", "1e-131071"), ("exponent 401", "1e401"),
               ("129 digits", "1" * 129), ("129 digits of fraction", "0." + "1" * 129)]

# name, what stands in the string: bytes that are no UTF-8, what is stored of them
NO_UTF8 = [
    ("stray byte", b"\xff", "\ufffd"),
    ("overlong NUL", b"\xc0\x80", "\ufffd" * 2),
    ("encoded surrogate", b"\xed\xa0\x80", "\ufffd" * 3),
    ("beyond U+10FFFF", b"\xf4\x90\x80\x80", "\ufffd" * 4),
    ("cut character", b"\xe2\x82", "\ufffd" * 2),
    ("Latin-1", "café".encode("latin-1"), "caf\ufffd"),
]

# name, what the envelope says besides, the columns session_id and visitor_id of its rows
FIELDS = [
    ("visitorId of 300 bytes", {"visitorId": "v" * 300, "sessionId": "s"}, ("s", None)),
    ("visitorId of 128 é", {"visitorId": "é" * 128}, (None, None)),
    ("visitorId an object", {"visitorId": {"id": 1}}, (None, None)),
    ("sessionId an array", {"sessionId": [], "visitorId": "v"}, (None, "v")),
]

# name, CONTENT_LENGTH, status
LENGTHS = [
    ("negative", "-1", 400), ("not a number", "abc", 400), ("digits, then letters", "20x", 400),
    ("hexadecimal", "0x14", 400), ("exponent", "2e1", 400), ("fraction", "20.0", 400),
    ("2^64 + 20", str(2**64 + 20), 413), ("2^32 + 20", str(2**32 + 20), 413),
    ("a hundred digits", "9" * 100, 413), ("a hundred digits below 0", "-" + "9" * 100, 400),
]


def post(w, body, **more):
    return w.request("POST", "/collect", body, **more)


def lives(t, w, pid):
    """The same process still stores events."""
    answer = post(w, GOOD)
    t.is_((answer.status, w.running(), w.pid), (200, True, pid), "the same worker lives on")


def not_json(t, w):
    for name, body, pattern, offset in NOT_JSON:
        with t.case(name):
            check_error(t, post(w, body), 400, pattern, offset)


def no_event(t, w):
    for name, value, pattern in NO_EVENT:
        with t.case(name):
            check_error(t, post(w, json.dumps(value)), 400, pattern)
    for name, number in BAD_NUMBERS:
        with t.case(f"number {name}"):
            check_error(t, post(w, '{"eventType":"x","n":%s}' % number), 400, r"number")
    with t.case("number alone"):
        check_error(t, post(w, "1e131071"), 400, r"object|number")


def no_utf8(t, pg, w):
    for i, (name, sent, stored) in enumerate(NO_UTF8):
        with t.case(name):
            body = b'{"eventType":"%s","siteId":"utf8-%d.test"}' % (sent, i)
            t.is_(without_time(post(w, body)), success(1), "is stored")
            t.is_([(row["event_type"], row["payload"]["eventType"])
                   for row in pg.events(f"site_id = 'utf8-{i}.test'")], [(stored, stored)], "as")


def fields(t, pg, w):
    for i, (name, more, want) in enumerate(FIELDS):
        with t.case(name):
            site = f"fields-{i}.test"
            answer = post(w, {"eventType": "batch", "siteId": site, **more,
                              "events": [{"eventType": "a"}]})
            t.is_(without_time(answer), success(2), "both are stored")
            rows = pg.events(f"site_id = '{site}'")
            t.is_([(row["session_id"], row["visitor_id"]) for row in rows], [want] * 2, "columns")
            t.includes(rows[0]["payload"], more, "the original is in the payload")
    with t.case("events null"):
        t.is_(without_time(post(w, {"eventType": "batch", "events": None})), success(1), "is none")


SPOILED = [
    ("a key of 1,100 bytes", '{"eventType":"bad","%s":1}' % ("k" * 1100), r"key"),
    ("40 levels", '{"eventType":"bad","a":%s1%s}' % ("[" * 40, "]" * 40), r"deep"),
    ("too many values", '{"eventType":"bad","a":[%s1]}' % ("1," * 100_000), r"values"),
    ("NaN", '{"eventType":"bad","a":NaN}', r"a value"),
]


def spoiled(t, pg, w):
    for i, (name, member, reason) in enumerate(SPOILED):
        with t.case(f"a member with {name}"):
            site = f"spoiled-{i}.test"
            answer = post(w, '{"eventType":"batch","siteId":"%s","events":[{"eventType":"good"},'
                             '%s,{"eventType":"good"}]}' % (site, member))
            t.includes(without_time(answer), {"status": "partial", "events_processed": 3,
                                              "events_rejected": 1}, "the others are stored")
            t.like(answer.json()["errors"][0]["error"], reason, "reason")
            t.is_(len(pg.events(f"site_id = '{site}'")), 3, "rows")
            t.is_(pg.value(f"SELECT convert_from(payload, 'UTF8') FROM rejected_events "
                           f"WHERE site_id = '{site}' AND event_index = 1"), member, "is kept")


def sizes(t, w):
    def sized(n):
        return b'{"eventType":"good","t":"%s"}' % (b"x" * (n - 27))

    with t.case("largest body"):
        body = sized(MEGABYTE)
        t.is_(len(body), MEGABYTE, "is 1 MiB")
        t.is_(without_time(post(w, body)), success(1), "is stored")
    with t.case("one byte more"):
        check_error(t, post(w, sized(MEGABYTE + 1)), 413, r"1048576|1 ?M")
    with t.case("2 MB"):
        check_error(t, post(w, sized(2_000_000)), 413, r"1048576|1 ?M")
    with t.case("members: 1,000"):
        answer = post(w, {"eventType": "batch", "events": [{"eventType": "good"}] * 1000})
        t.is_(without_time(answer), success(1001), "are stored")
    for n in (1001, 10_000):
        with t.case(f"members: {n:,}"):
            check_error(t, post(w, {"eventType": "batch", "events": [{"eventType": "x"}] * n}),
                        413, rf"\b{n}\b.*\b1000\b|\b1000\b")


# name, body, Content-Type, status: what would take forever if each byte cost more than the last
LARGE = [
    ("blank lines", b"\n" * 1_000_000, "application/x-ndjson", 400),
    ("lines of a brace", b"{\n" * 500_000, "application/x-ndjson", 400),
    ("fields of a form", b"a=1&" * 250_000, "application/x-www-form-urlencoded", 400),
    ("base64 in a form", b"data=" + b"A" * 1_000_000, "application/x-www-form-urlencoded", 400),
    ("brackets in a member", b'{"eventType":"batch","events":[%s]}' % (b"[" * 1_000_000), None,
     400),
    ("members that are no JSON", b'{"eventType":"batch","events":[%s0]}' % (b"x," * 500_000), None,
     400),
    ("a string that is no UTF-8", b'{"eventType":"good","a":"%s"}' % (b"\xff" * 1_000_000), None,
     200),
]


def large(t, w):
    for name, body, kind, status in LARGE:
        with t.case(f"a megabyte of {name}"):
            answer = post(w, body, headers={"Content-Type": kind} if kind else {})
            t.is_(answer.status, status, "status")


def lengths(t, w):
    for name, value, status in LENGTHS:
        with t.case(f"Content-Length {name}"):
            check_error(t, post(w, GOOD, content_length=value), status, r"(?i)length|body|large")
    for name, value in (("absent", None), ("empty", "")):
        with t.case(f"Content-Length {name}"):
            t.is_(without_time(post(w, GOOD, content_length=value)), success(1),
                  "the body is read to its end")
            gzipped = post(w, gzip.compress(GOOD), content_length=value,
                           headers={"Content-Encoding": "gzip"})
            t.is_(without_time(gzipped), success(1), "also compressed")
            check_error(t, post(w, GOOD + b" " * 2_000_000, content_length=value), 413,
                        r"more than \d+ bytes")
            check_error(t, post(w, b"", content_length=value), 411, "neither Content-Length nor")
    with t.case("a body without a length that is cut off"):
        with fcgi.Connection(w.address) as c:
            c.begin()
            c.params(fcgi.make_params("POST", "/collect", content_length=None))
            c.stdin(b'{"eventType":"good","siteId":"cut"}')
            c.cut()
            check_error(t, c.response(), 400, "cut off after 35 bytes")
    with t.case("body shorter than Content-Length"):
        check_error(t, post(w, GOOD, content_length=len(GOOD) + 5), 400,
                    rf"\b{len(GOOD)}\b.*\b{len(GOOD) + 5}\b|\b{len(GOOD) + 5}\b.*\b{len(GOOD)}\b")
    with t.case("body longer than Content-Length"):
        answer = post(w, GOOD + b"more", content_length=len(GOOD))
        t.is_(without_time(answer), success(1), "the rest is not looked at")
    with t.case("no body at all, but a length"):
        check_error(t, post(w, b"", content_length=len(GOOD)), 400, r"\b20\b")


def encodings(t, w):
    def packed(data, encoding="gzip"):
        return post(w, data, headers={"Content-Encoding": encoding})

    zipped = gzip.compress(GOOD)
    for name, body, encoding in (
            ("gzip", zipped, "gzip"), ("x-gzip", zipped, "x-gzip"), ("GZIP", zipped, "GZIP"),
            ("identity", GOOD, "identity"), ("deflate", zlib.compress(GOOD), "deflate"),
            ("raw deflate", zlib.compress(GOOD)[2:-4], "Deflate"),
            ("gzip with zeros behind it", zipped + b"\0" * 512, "gzip")):
        with t.case(f"encoding {name}"):
            t.is_(without_time(packed(body, encoding)), success(1), "is stored")
    for encoding in ("br", "zstd", "gzip, gzip", "gzipx"):
        with t.case(f"encoding {encoding}"):
            check_error(t, packed(GOOD, encoding), 415, r"(?i)encoding")
    noise = random.Random(1).randbytes(10_000).hex().encode()
    bomb = gzip.compress(noise + b" " * 10_000_000 + GOOD)
    with t.case("gzip bomb of 10 MB"):
        t.ok(len(bomb) < 40_000, "is small")
        check_error(t, packed(bomb), 413, r"1048576|1 ?M")
    with t.case("gzip that is made to become large"):
        bomb = gzip.compress(b" " * 200_000 + GOOD)
        check_error(t, packed(bomb), 413, rf"more than 65536 bytes of {len(bomb)}\b")
        bomb = gzip.compress(noise[:1000] + b" " * 400_000 + GOOD)
        check_error(t, packed(bomb), 413, rf"more than {100 * len(bomb)} bytes of {len(bomb)}\b")
        t.is_(without_time(packed(gzip.compress(b" " * 60_000 + GOOD))), success(1),
              "a small body may be anything")
    with t.case("gzip of much repetition"):
        members = [{"eventType": "good", "timestamp": f"2025-06-22T12:{i * 7 % 60:02}:{i % 60:02}.{i:03}Z",
                    "eventData": {"page": f"/products/{i * i % 97}", "language": "en-US",
                                  "referrer": "https://shop.test/", "viewport": "1280x720"}}
                   for i in range(1000)]
        body = json.dumps({"eventType": "good", "members": members}).encode()
        honest = gzip.compress(body, 9)
        t.ok(len(body) < 50 * len(honest), "is far from what is refused",
             f"{len(body)} bytes become {len(honest)}")
        t.is_(without_time(packed(honest)), success(1), "is stored")
    corrupt = bytearray(zipped)
    corrupt[-8] ^= 1
    for name, body in (
            ("truncated gzip", zipped[:-4]), ("gzip cut in the data", zipped[:15]),
            ("gzip header alone", zipped[:10]), ("empty gzip body", b""),
            ("gzip with a wrong CRC", bytes(corrupt)), ("not gzip", GOOD),
            ("zeros and something else behind gzip", zipped + b"\0x"),
            ("zlib instead of gzip", zlib.compress(GOOD))):
        with t.case(name):
            check_error(t, packed(body), 400, r"(?i)gzip|empty")
    with t.case("gzip of no JSON"):
        check_error(t, packed(gzip.compress(b'{"a"::1}')), 400, r"", 5)


MIXED = b"""{"eventType":"batch","siteId":"mixed.test","sessionId":"s","events":[
{"eventType":"good","n":0},42,{"eventData":{}},{"eventType":"batch","events":[]},
{"eventType":"x","n":1e999},"text",null,{"eventType":"good","n":7},
{"eventType":"x","siteId":[]},{"eventType":""}]}"""
BAD_MEMBERS = [(1, "42", r"object"), (2, '{"eventData":{}}', r"eventType"),
               (3, '{"eventType":"batch","events":[]}', r"batch"),
               (4, '{"eventType":"x","n":1e999}', r"number"), (5, '"text"', r"object"),
               (6, "null", r"object"), (8, '{"eventType":"x","siteId":[]}', r"siteId"),
               (9, '{"eventType":""}', r"eventType")]


def partly_bad(t, pg, w):
    with t.case("partly bad batch"):
        answer = post(w, MIXED, remote_addr="192.0.2.7")
        t.is_(answer.status, 200, "status")
        body = without_time(answer)
        errors = body.pop("errors")
        t.is_(body, {"status": "partial", "events_processed": 3, "events_rejected": 8,
                     "message": "3 event(s) received and stored, 8 rejected"}, "answer")
        t.is_([error["index"] for error in errors], [index for index, _, _ in BAD_MEMBERS],
              "indexes into the client's array")
        for error, (index, _, pattern) in zip(errors, BAD_MEMBERS):
            t.like(error["error"], pattern, f"reason of {index}")
        t.is_([(row["event_type"], row["payload"].get("n"), row["session_id"])
               for row in pg.events("site_id = 'mixed.test'")],
              [("batch", None, "s"), ("good", 0, "s"), ("good", 7, "s")], "the good ones")
        t.is_(pg.query("SELECT event_index, reason, convert_from(payload, 'UTF8') AS payload, "
                       "site_id, client_ip FROM rejected_events ORDER BY event_index"),
              [{"event_index": index, "reason": error["error"], "payload": payload,
                "site_id": "mixed.test", "client_ip": "192.0.2.7"}
               for error, (index, payload, _) in zip(errors, BAD_MEMBERS)], "rejected_events")

    with t.case("many bad members"):
        before = pg.value("SELECT sum(rejected) FROM ingest_groups")
        body = {"eventType": "batch", "siteId": "many.test", "events": [{"eventType": "good"}] + [0] * 999}
        answer = post(w, body)
        t.is_(len(answer.json()["errors"]), 999, "the answer tells all")
        t.is_(pg.value("SELECT sum(rejected) FROM ingest_groups") - before, 999, "all are counted")
        t.is_(pg.value("SELECT array_agg(event_index ORDER BY id) FROM rejected_events "
                       "WHERE site_id = 'many.test'"), list(range(1, 21)), "the first are kept")

    with t.case("wholly bad batch"):
        answer = post(w, {"eventType": "batch", "siteId": "wholly.test", "events": [1, {}]})
        t.is_(answer.status, 400, "status")
        body = answer.json()
        t.includes(body, {"status": "error", "events_rejected": 2}, "answer")
        t.is_([error["index"] for error in body["errors"]], [0, 1], "errors")
        t.is_(len(pg.events("site_id = 'wholly.test'")), 0, "not even the envelope is stored")


def broken_connections(t, w, pid):
    """Peers that do not keep to FastCGI, or go away. Each is followed by a good request."""
    def cut_in_params(c):
        c.begin()
        c.send(fcgi.record(fcgi.PARAMS, fcgi.pairs(fcgi.make_params("POST", "/collect")))[:40])

    def cut_in_body(c):
        c.begin()
        c.params(fcgi.make_params("POST", "/collect", content_length=100))
        c.stdin(b'{"eventType":')

    def cut_before_answer(c):
        c.begin()
        c.params(fcgi.make_params("POST", "/collect", GOOD))
        c.stdin(GOOD)
        c.end_stdin()

    for name, send in (
            ("nothing is sent", lambda c: None),
            ("garbage", lambda c: c.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10)),
            ("half a record", lambda c: c.send(b"\x01\x01\x00")),
            ("cut in the parameters", cut_in_params),
            ("cut in the body", cut_in_body),
            ("cut before the answer", cut_before_answer),
            ("parameters with a wrong length", lambda c: (
                c.begin(), c.send(fcgi.record(fcgi.PARAMS, b"\xff\xff\xff\xff\x7fxx"))))):
        with t.case(name):
            with fcgi.Connection(w.address) as c:
                send(c)
            lives(t, w, pid)

    with t.case("body cut, the answer still read"):
        with fcgi.Connection(w.address) as c:
            cut_in_body(c)
            c.cut()
            c.response()
        lives(t, w, pid)

    with t.case("parameters cut between two, the answer still read"):
        with fcgi.Connection(w.address) as c:
            c.begin()
            c.send(fcgi.record(fcgi.PARAMS, fcgi.pairs(fcgi.make_params(
                "GET", "/collect?eventType=cut"))))
            c.cut()
            t.is_(c.response().status, 0, "is no request")
        lives(t, w, pid)

    with t.case("more silent connections than threads"):
        with contextlib.ExitStack() as stack:
            for _ in range(64):
                stack.enter_context(fcgi.Connection(w.address))
            lives(t, w, pid)
        lives(t, w, pid)

    with t.case("slow body"):
        with fcgi.Connection(w.address) as c:
            c.begin()
            c.params(fcgi.make_params("POST", "/collect", GOOD))
            for i in range(len(GOOD)):
                c.stdin(GOOD[i:i + 1])
            c.end_stdin()
            t.is_(without_time(c.response()), success(1), "byte by byte is stored")

    with t.case("odd parameters"):
        answer = post(w, GOOD, params={"HTTP_USER_AGENT": "\x00\xff\n" * 1000,
                                       "REMOTE_ADDR": "not an address",
                                       "HTTP_REFERER": "\x80://", "HTTP_X_" + "Y" * 5000: "1",
                                       "QUERY_STRING": "%zz&=&&%"})
        t.is_(answer.status, 200, "status")
        lives(t, w, pid)


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    with worker(pg) as w:
        w.wait_healthy()
        pid = w.pid
        not_json(t, w)
        no_event(t, w)
        lengths(t, w)
        large(t, w)
        encodings(t, w)
        t.is_(pg.value("SELECT count(*) FROM events WHERE event_type <> 'good'"), 0,
              "nothing of all that is stored")
        lives(t, w, pid)
        sizes(t, w)
        partly_bad(t, pg, w)
        no_utf8(t, pg, w)
        fields(t, pg, w)
        spoiled(t, pg, w)
        broken_connections(t, w, pid)
        t.unlike(w.log(), r"[^\x0a\x20-\x7e]", "the log is printable ASCII")
