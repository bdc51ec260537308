"""Who is asking: client addresses and proxies, privacy, the admin token, CORS, routes."""

import hashlib
import itertools
import json
import re
import socket
import subprocess
import types

from common import BEARER, TOKEN, config, success, without_time, worker
from harness import fcgi, postgres, proc, sanitizer, tap

HASH = hashlib.sha256(TOKEN.encode()).hexdigest()
ADMIN = {"admin": {"token_sha256": HASH}}


def post(w, body=None, **more):
    return w.request("POST", "/collect", body or {"eventType": "x"}, **more)


def stored_ip(pg, w, remote_addr, forwarded=None):
    """The address that is stored for a request, and the status."""
    pg.execute("DELETE FROM events")
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    status = post(w, remote_addr=remote_addr, headers=headers).status
    rows = pg.events()
    return (status, rows[0]["client_ip"] if rows else "no row")


def addresses(t, pg):
    with t.case("no trusted proxies"), worker(pg) as w:
        w.wait_healthy()
        for peer, forwarded, want in (
                ("192.0.2.1", None, "192.0.2.1"),
                ("2001:db8::1", None, "2001:db8::1"),
                ("::ffff:192.0.2.5", None, "192.0.2.5"),
                ("192.0.2.1", "203.0.113.66", "192.0.2.1"),
                ("127.0.0.1", "203.0.113.66", "127.0.0.1"),
                ("rubbish", "203.0.113.66", None),
                ("", None, None)):
            t.is_(stored_ip(pg, w, peer, forwarded), (200, want), f"{peer!r}, {forwarded!r}")

    proxies = {"collector": {"trusted_proxies": "127.0.0.1, 10.0.0.0/8, 2001:db8:f::/48"}}
    with t.case("trusted proxies"), worker(pg, sections=proxies) as w:
        w.wait_healthy()
        for peer, forwarded, want in (
                ("127.0.0.1", None, "127.0.0.1"),
                ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
                ("127.0.0.1", "2001:db8::9", "2001:db8::9"),
                ("127.0.0.1", "6.6.6.6, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
                ("2001:db8:f::1", "6.6.6.6,203.0.113.9", "203.0.113.9"),
                ("10.255.255.255", "203.0.113.9:4711", "203.0.113.9"),
                ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
                ("11.0.0.1", "203.0.113.9", "11.0.0.1"),
                ("127.0.0.1", "203.0.113.9, rubbish", "127.0.0.1"),
                ("127.0.0.1", "203.0.113.9, rubbish, 10.0.0.2", "10.0.0.2"),
                ("127.0.0.1", "", "127.0.0.1"),
                ("127.0.0.1", ",,,", "127.0.0.1"),
                ("127.0.0.1", "9" * 5000, "127.0.0.1")):
            t.is_(stored_ip(pg, w, peer, forwarded), (200, want),
                  f"{peer!r}, {forwarded and forwarded[:40]!r}")


def privacy(t, pg):
    for how, v4, v6 in (("none", "192.0.2.77", "2001:db8:1:2:3:4:5:6"),
                        ("truncate", "192.0.2.0", "2001:db8:1::"), ("drop", None, None)):
        with t.case(f"anonymize_ip {how}"):
            with worker(pg, sections={"privacy": {"anonymize_ip": how}}) as w:
                w.wait_healthy()
                t.is_(stored_ip(pg, w, "192.0.2.77"), (200, v4), "IPv4")
                t.is_(stored_ip(pg, w, "2001:db8:1:2:3:4:5:6"), (200, v6), "IPv6")
                pg.execute("DELETE FROM rejected_events")
                post(w, {"eventType": "batch", "events": [{"eventType": "x"}, 1]},
                     remote_addr="192.0.2.77")
                t.is_(pg.query("SELECT client_ip FROM rejected_events"), [{"client_ip": v4}],
                      "rejected events too")
                if how != "none":
                    t.unlike(w.log(), r"192\.0\.2\.77", "nothing in the log")


def recent(w, remote_addr="192.0.2.1", authorization=None, forwarded=None, query=""):
    headers = {}
    if authorization is not None:
        headers["Authorization"] = authorization
    if forwarded is not None:
        headers["X-Forwarded-For"] = forwarded
    return w.request("GET", "/events/recent" + query, headers=headers, remote_addr=remote_addr)


def admin_token(t, pg):
    with t.case("admin token"), worker(pg, sections=ADMIN) as w:
        w.wait_healthy()
        post(w)
        for name, authorization, status in (
                ("right", f"Bearer {TOKEN}", 200), ("missing", None, 401),
                ("scheme in lower case", f"bearer {TOKEN}", 200),
                ("wrong", "Bearer 9c4e1a77d2f05b86e4", 401), ("empty", "Bearer ", 401),
                ("too short", f"Bearer {TOKEN[:-1]}", 401),
                ("too long", f"Bearer {TOKEN}0", 401), ("other scheme", f"Basic {TOKEN}", 401),
                ("without a scheme", TOKEN, 401), ("its hash", f"Bearer {HASH}", 401),
                ("very long", "Bearer " + "x" * 50_000, 401)):
            for peer in ("192.0.2.1", "127.0.0.1"):
                answer = recent(w, peer, authorization)
                t.is_(answer.status, status, f"{name}, from {peer}")
                if status == 401:
                    t.like(answer.headers.get("www-authenticate"), r"^Bearer\b",
                           f"{name}: asks for it")
                    t.unlike(answer.text, r'"events"', f"{name}: shows nothing")
        plain = {"status", "database", "timestamp"}
        detailed = w.request("GET", "/health", headers=BEARER)
        t.ok(set(detailed.json()) > plain, "/health has details with it", detailed.text)
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = w.request("GET", "/health", headers=headers)
            t.is_((answer.status, set(answer.json())), (200, plain), "/health has none without")
        t.unlike(w.log(), TOKEN, "the token is not in the log")

        for query, status in (("?limit=1", 200), ("?limit=500", 200), ("?limit=0", 400),
                              ("?limit=501", 400), ("?limit=-1", 400), ("?limit=abc", 400),
                              ("?limit=1x", 400), ("?limit=" + "9" * 30, 400)):
            t.is_(recent(w, authorization=f"Bearer {TOKEN}", query=query).status, status, query)


def large_payloads(t, pg):
    pg.create_database("large")
    with worker(pg, "large", ADMIN) as w:
        w.wait_healthy()

        def stored(size):
            """One event whose payload has so many bytes."""
            def text():
                return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

            body = {"eventType": "x", "siteId": "large.test", "pad": ""}
            body["pad"] = "é" * ((size - len(text())) // 2)
            body["pad"] += "x" * (size - len(text()))
            w.request("POST", "/collect", text())
            return body

        def newest(query=""):
            answer = recent(w, authorization=f"Bearer {TOKEN}", query=query)
            t.is_(answer.status, 200, "status")
            return [(e["payload"], e["payload_bytes"]) for e in answer.json()["events"]]

        with t.case("payloads in /events/recent"):
            largest = stored(65536)
            stored(65537)
            small = stored(100)
            t.is_(newest(), [(small, 100), (None, 65537), (largest, 65536)], "up to 64 KiB")
        with t.case("payloads of megabytes"):
            pg.execute("INSERT INTO events (received_at, event_time, site_id, event_type, payload) "
                       "SELECT now(), now(), 'x', 'x', jsonb_build_object('n', "
                       "(SELECT jsonb_agg(1e400::numeric) FROM generate_series(1, 99980))) "
                       "FROM generate_series(1, 2)", "large")
            sizes = pg.query("SELECT pg_column_size(payload) AS stored, octet_length(payload::text) "
                             "AS text FROM events WHERE site_id = 'x'", "large")
            t.is_([row["text"] for row in sizes], [99980 * 403 + 7] * 2, "are stored whole")
            t.is_(newest("?limit=2"), [(None, row["stored"]) for row in sizes],
                  "are told by what they take up, for which nothing is unpacked")
        with t.case("payloads that are much larger than what they take up"):
            pg.execute("INSERT INTO events (received_at, event_time, site_id, event_type, payload) "
                       "SELECT now(), now(), 'x', 'x', json_build_object('n', repeat('x', 9999993))",
                       "large")
            t.is_(newest("?limit=1"), [(None, 10000003)], "are measured")
        with t.case("as many and as large as are shown"):
            pg.execute("INSERT INTO events (received_at, event_time, site_id, event_type, payload, "
                       "user_agent) SELECT now(), now(), 'x', 'x', "
                       "jsonb_build_object('n', repeat('y', 65527)), repeat(chr(1), 1024) "
                       "FROM generate_series(1, 500)", "large")
            t.is_([n for p, n in newest("?limit=500") if p], [65536] * 500, "are answered")


def development(t, pg):
    with t.case("development without a token"), worker(pg) as w:
        w.wait_healthy()
        for peer, forwarded, status in (
                ("127.0.0.1", None, 200), ("::1", None, 200), ("127.8.8.8", None, 200),
                ("192.0.2.1", None, 403), ("2001:db8::1", None, 403),
                ("127.0.0.1", "203.0.113.9", 403), ("127.0.0.1", "127.0.0.1", 403),
                ("127.0.0.1", "", 403),
                ("192.0.2.1", "127.0.0.1", 403), ("rubbish", None, 403), ("", None, 403)):
            answer = recent(w, peer, forwarded=forwarded)
            t.is_(answer.status, status, f"from {peer!r}, forwarded for {forwarded!r}")
        t.is_(recent(w, "192.0.2.1", authorization=f"Bearer {TOKEN}").status, 403,
              "any token from elsewhere")
        for site, status in (("same-origin", 200), ("none", 200), ("cross-site", 403),
                             ("same-site", 403), ("", 403)):
            answer = w.request("GET", "/events/recent", headers={"Sec-Fetch-Site": site},
                               remote_addr="127.0.0.1")
            t.is_(answer.status, status, f"a browser on this machine, Sec-Fetch-Site: {site}")
        for peer, headers, more in (("127.0.0.1", BEARER, True), ("127.0.0.1", {}, False),
                                    ("192.0.2.1", BEARER, False)):
            answer = w.request("GET", "/health", headers=headers, remote_addr=peer).json()
            t.is_("version" in answer, more, f"/health has details, from {peer}, {headers}")
    proxies = {"collector": {"trusted_proxies": "127.0.0.1"}}
    with t.case("development behind a proxy"), worker(pg, sections=proxies) as w:
        w.wait_healthy()
        t.is_(recent(w, "127.0.0.1", forwarded="203.0.113.9").status, 403, "client elsewhere")
        t.is_(recent(w, "127.0.0.1", forwarded="127.0.0.1, 203.0.113.9").status, 403,
              "forged beginning")


def production(t, pg):
    for name, sections, env in (
            ("in the file", {"millrace": {"environment": "production"}}, {}),
            ("in the environment", {}, {"ENVIRONMENT": "production"})):
        with t.case(f"production without a token, {name}"), proc.temp_dir() as folder:
            path = f"{folder}/millrace.ini"
            with open(path, "w", encoding="utf-8") as f:
                f.write(fcgi.ini_text(config(pg, sections=sections)))
            with fcgi.listen(f"{folder}/sock") as sock:
                done = subprocess.run([proc.worker_path(), "-c", path], stdin=sock, text=True,
                                      capture_output=True, timeout=proc.DEADLINE_S, check=False,
                                      env=proc.clean_env(**sanitizer.env(folder), **env))
            t.is_(done.returncode, 1, "exit status")
            t.like(done.stderr, r"token", "says why")
            t.is_(sanitizer.reports(folder), "", "no sanitizer report")
    with t.case("production with a token"):
        with worker(pg, sections={"millrace": {"environment": "production"}, **ADMIN}) as w:
            w.wait_healthy()
            t.is_(recent(w, "127.0.0.1").status, 401, "loopback needs it too")
            t.is_(recent(w, "192.0.2.1", f"Bearer {TOKEN}").status, 200, "the token opens")


LISTED = {"collector": {"origins": "https://example.com, https://second.test"}}
LOOK_ALIKES = ["https://example.com.evil.test", "https://evilexample.com", "http://example.com",
               "https://example.com:8443", "https://www.example.com", "https://example.com/",
               "https://example.co", "https://example.com https://evil.test", "null", "*", ""]


def allowed(answer):
    return (answer.headers.get("access-control-allow-origin"),
            answer.headers.get("access-control-allow-credentials"))


def cors(t, pg):
    with t.case("origins *"), worker(pg) as w:
        w.wait_healthy()
        answer = post(w, headers={"Origin": "https://example.com"})
        t.is_((answer.status, *allowed(answer)), (200, "*", None), "any, without credentials")

    with t.case("preflight, origins listed"), worker(pg, sections=LISTED) as w:
        for origin, want in (("https://example.com", ("https://example.com", "true")),
                             ("https://example.com.evil.test", (None, None))):
            answer = w.request("OPTIONS", "/collect", headers={
                "Origin": origin, "Access-Control-Request-Method": "POST"})
            t.is_((answer.status, answer.body, *allowed(answer)), (204, b"", *want), origin)

    sections = {**LISTED, "site special": {"origins": "https://special.test"},
                "site open": {"origins": "*"}}
    with t.case("origins listed"), worker(pg, sections=sections) as w:
        w.wait_healthy()
        for origin in ("https://example.com", "https://second.test"):
            answer = post(w, headers={"Origin": origin})
            t.is_((answer.status, *allowed(answer)), (200, origin, "true"), origin)
            t.like(answer.headers.get("vary"), r"(?i)\borigin\b", f"{origin}: Vary")
        for origin in LOOK_ALIKES:
            pg.execute("DELETE FROM events")
            answer = post(w, headers={"Origin": origin})
            t.is_((*allowed(answer), without_time(answer), len(pg.events())),
                  (None, None, success(1), 1), f"{origin!r}: no CORS header, but stored")
        t.is_(allowed(post(w)), (None, None), "without Origin")

        for site, origin, want in (
                ("special", "https://special.test", ("https://special.test", "true")),
                ("special", "https://example.com", (None, None)),
                ("open", "https://anyone.test", ("*", None)),
                ("other", "https://special.test", (None, None)),
                ("other", "https://example.com", ("https://example.com", "true"))):
            answer = post(w, {"eventType": "x", "siteId": site}, headers={"Origin": origin})
            t.is_(allowed(answer), want, f"site {site}, {origin}")
            answer = w.request("GET", f"/collect?eventType=x&siteId={site}",
                               headers={"Origin": origin})
            t.is_(allowed(answer), want, f"site {site}, {origin}, query string")

        # A preflight names no site, so the origins of all sites count.
        for origin, want in (("https://example.com", ("https://example.com", "true")),
                             ("https://special.test", ("https://special.test", "true")),
                             ("https://anyone.test", ("*", None))):
            answer = w.request("OPTIONS", "/collect", headers={
                "Origin": origin, "Access-Control-Request-Method": "POST"})
            t.is_((answer.status, answer.body, *allowed(answer)), (204, b"", *want),
                  f"preflight from {origin}")
        t.includes(w.request("OPTIONS", "/collect", headers={"Origin": "https://example.com"})
                   .headers,
                   {"access-control-allow-methods": "GET, POST, OPTIONS", "access-control-max-age":
                    "86400", "access-control-allow-headers":
                    "Content-Type, Content-Encoding, Authorization"}, "preflight headers")


USUAL = "Content-Type, Content-Encoding, Authorization"

# sections, origin, what a preflight asks for, what is allowed besides the usual
ASKED = [
    ({}, "https://a.test", "content-type", ""),
    ({}, "https://a.test", "traceparent", ", traceparent"),
    ({}, "https://a.test", "baggage,content-type, x-datadog-trace-id , traceparent",
     ", baggage, x-datadog-trace-id, traceparent"),
    ({}, "https://a.test", "a\r\nSet-Cookie: b", ""),
    ({}, "https://a.test", "x" * 2000, ""),
    ({}, None, "traceparent", ", traceparent"),
    (LISTED, "https://example.com", "traceparent", ""),
    ({"collector": {**LISTED["collector"], "allow_headers": "traceparent, X-Trace"}},
     "https://example.com", "traceparent, x-other", ", traceparent, X-Trace"),
    ({"collector": {**LISTED["collector"], "allow_headers": "*"}},
     "https://example.com", "traceparent, x-other", ", traceparent, x-other"),
]


def asked_headers(t, pg):
    for sections, group in itertools.groupby(ASKED, key=lambda row: row[0]):
        with worker(pg, sections=sections) as w:
            for _, origin, wanted, more in group:
                with t.case(f"preflight for {wanted[:40]!r}, {sections}"):
                    headers = {"Access-Control-Request-Method": "POST",
                               "Access-Control-Request-Headers": wanted}
                    answer = w.request("OPTIONS", "/collect", headers=headers if origin is None
                                       else {**headers, "Origin": origin})
                    t.is_(answer.headers.get("access-control-allow-headers"), USUAL + more,
                          "allowed")


# client_ip_header, the header that is sent, its value, the address that is stored
CLIENT_IPS = [
    ("X-Real-IP", "X-Real-IP", "203.0.113.9", "203.0.113.9"),
    ("X-Real-IP", "X-Forwarded-For", "203.0.113.9", "127.0.0.1"),
    ("CF-Connecting-IP", "CF-Connecting-IP", "2001:db8::9", "2001:db8::9"),
    ("True-Client-IP", "True-Client-IP", "203.0.113.9", "203.0.113.9"),
    ("x-my-own-2", "X-My-Own-2", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
    ("Forwarded", "Forwarded", 'for="[2001:db8::9]:4711";proto=https', "2001:db8::9"),
    ("Forwarded", "Forwarded", "for=6.6.6.6, for=203.0.113.9:80;by=_x, for=10.0.0.1",
     "203.0.113.9"),
    ("Forwarded", "Forwarded", "for=203.0.113.9, for=_hidden", "127.0.0.1"),
    ("Forwarded", "X-Forwarded-For", "203.0.113.9", "127.0.0.1"),
]


def client_ip_header(t, pg):
    with proc.temp_dir() as folder:
        path = f"{folder}/proxies"
        with open(path, "w", encoding="utf-8") as f:
            f.write("# a CDN\n10.0.0.0/8\n\n127.0.0.1, 192.0.2.0/24 ; ours\r\n")
        for name, group in itertools.groupby(CLIENT_IPS, key=lambda row: row[0]):
            sections = {"collector": {"trusted_proxies": f"::1, @{path}",
                                      "client_ip_header": name}}
            with worker(pg, sections=sections) as w:
                w.wait_healthy()
                for _, header, value, want in group:
                    with t.case(f"client_ip_header {name}, {header}: {value}"):
                        for peer, address in (("127.0.0.1", want), ("198.51.100.1",) * 2):
                            pg.execute("DELETE FROM events")
                            post(w, remote_addr=peer, headers={header: value})
                            t.is_(pg.events()[0]["client_ip"], address, f"from {peer}")


def routes(t, pg):
    with t.case("routes"), worker(pg) as w:
        w.wait_healthy()
        for script, info in (("/collect", ""), ("", "/collect"), ("/t/collect", ""),
                             ("/t", "/collect"), ("/cgi-bin/millrace.fcgi", "/collect"),
                             ("/a/b/c.d/collect", ""), ("/health/collect", "")):
            answer = post(w, params={"SCRIPT_NAME": script, "PATH_INFO": info})
            t.is_(answer.status, 200, f"POST {script!r} {info!r}")
        for path, status in (
                ("/t/health", 200), ("/x/y/events/recent", 200), ("/t/pixel.gif?eventType=x", 200),
                ("/", 404), ("", 404), ("/collects", 404), ("/xcollect", 404), ("/recent", 404),
                ("/events", 404), ("/xevents/recent", 404), ("/collect/x", 404),
                ("/COLLECT", 404), ("/pixel", 404), ("/" + "x/" * 20_000, 404),
                ("/%00collect", 404)):
            answer = w.request("GET", path, remote_addr="127.0.0.1")
            t.is_(answer.status, status, f"GET {path[:40]!r}")
            if status == 404:
                t.includes(answer.json(), {"status": "error"}, f"GET {path[:40]!r}: JSON")
        for method, path, allow in (
                ("DELETE", "/collect", "GET, OPTIONS, POST"), ("PUT", "/collect", None),
                ("post", "/collect", None), ("", "/collect", None),
                ("X" * 5000, "/collect", None), ("POST", "/health", None),
                ("POST", "/events/recent", None), ("PUT", "/pixel.gif", "GET, OPTIONS, POST")):
            answer = w.request(method, path, remote_addr="127.0.0.1")
            t.is_(answer.status, 405, f"{method[:10]!r} {path}")
            got = sorted(re.split(r",\s*", answer.headers.get("allow", "")))
            if allow:
                t.is_(got, allow.split(", "), f"{method[:10]!r} {path}: Allow")
            else:
                t.ok("GET" in got and method not in got, f"{method[:10]!r} {path}: Allow", got)
        for path, status in (("/health", 200), ("/t/events/recent", 200),
                             ("/pixel.gif?eventType=head", 405), ("/collect?eventType=head", 405)):
            answer = w.request("HEAD", path, remote_addr="127.0.0.1")
            t.is_((answer.status, answer.body), (status, b""), f"HEAD {path}")
        t.is_(len(pg.events("event_type = 'head'")), 0, "HEAD stores nothing")
        for path in ("/collect", "/health", "/anything", "/t/pixel.gif"):
            answer = w.request("OPTIONS", path, headers={"Origin": "https://a.test"})
            t.is_((answer.status, allowed(answer)[0]), (204, "*"), f"OPTIONS {path}")
        t.is_(w.stop(), 0, "exit status")


def web_servers(t, pg):
    """FCGI_WEB_SERVER_ADDRS: which peers may connect over TCP."""
    for allowed, good in ((None, True), ("127.0.0.1", True), ("192.0.2.1, 127.0.0.0/8", True),
                          ("rubbish,,127.0.0.1", True), ("192.0.2.1", False), ("::1", False),
                          ("rubbish,10.0.0.0/8", False), ("", False)):
        env = {} if allowed is None else {"FCGI_WEB_SERVER_ADDRS": allowed}
        with t.case(f"web servers {allowed!r}"), proc.temp_dir() as folder, \
                socket.create_server(("127.0.0.1", 0)) as listener:
            tcp = types.SimpleNamespace(dir=folder, socket=listener, address=listener.getsockname())
            with worker(pg, share=tcp, env=env) as w:
                t.is_([w.request("GET", "/health").status != 0 for _ in range(2)], [good] * 2,
                      "answered" if good else "not answered")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    addresses(t, pg)
    privacy(t, pg)
    admin_token(t, pg)
    large_payloads(t, pg)
    development(t, pg)
    production(t, pg)
    cors(t, pg)
    asked_headers(t, pg)
    client_ip_header(t, pg)
    routes(t, pg)
    web_servers(t, pg)
