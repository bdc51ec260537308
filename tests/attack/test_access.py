"""What somebody may who is not the administrator: the worker's role in the database, the
worker's process, and what asks it without the token."""

import hashlib
import itertools
import json
import os
import re
import subprocess

from harness import fcgi, postgres, proc, tap

TOKEN = "9c4e1a77d2f05b86e3"

# Functions that fit better than pg_catalog's own what the partitions' function calls.
SHADOWS = """
    CREATE FUNCTION public.to_char(date, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE 'ALTER ROLE millrace SUPERUSER';
        RETURN pg_catalog.to_char($1::timestamp, $2);
    END $$;
    CREATE FUNCTION public.format(text, text, timestamptz, timestamptz) RETURNS text
    LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE 'ALTER ROLE millrace SUPERUSER';
        RETURN pg_catalog.format($1, $2, $3, $4);
    END $$;
    CREATE TEMP TABLE events_default (created_at timestamptz);
    CREATE TEMP TABLE events (created_at timestamptz) PARTITION BY RANGE (created_at)"""


def migrate(owner):
    subprocess.run([os.path.join(proc.BUILDDIR, "cron", "millrace-admin"), "-c", "/dev/null",
                    "migrate"], check=True, capture_output=True, env=proc.clean_env(DATABASE_URL=owner))


def grant(pg, owner):
    """What grants.sql says on stderr."""
    done = subprocess.run([os.path.join(pg.bin, "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-v",
                           f"role={postgres.OWNER}", "-f",
                           os.path.join(proc.SRCDIR, "schema", "grants.sql"), owner],
                          capture_output=True, text=True, check=False, env=proc.clean_env())
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stderr


def is_kept_down(t, pg, database):
    """The restricted role does what it may, with its own things in front of the owner's."""
    pg.execute("DROP TABLE public.events_" + pg.value(
        "SELECT to_char(now() AT TIME ZONE 'UTC' + interval '1 day', 'YYYYMMDD')", database), database)
    t.is_(pg.execute("SET search_path = pg_temp, public; SELECT public.events_make_partitions(7)",
                     database, postgres.OWNER), "1\n", "it makes the missing partition")
    t.is_(pg.value("SELECT rolsuper FROM pg_roles WHERE rolname = 'millrace'"), False,
          "it is no superuser")


def shadows(t, pg):
    """As it is up to PostgreSQL 14, and in what was upgraded from there."""
    pg.create_database("shadow", owner=postgres.SUPERUSER)
    pg.execute("GRANT CREATE ON SCHEMA public TO PUBLIC", "shadow")
    owner = pg.dsn("shadow", postgres.SUPERUSER)
    migrate(owner)
    pg.execute(SHADOWS, "shadow", postgres.OWNER)
    t.is_(grant(pg, owner), "", "grants.sql has nothing to say")
    is_kept_down(t, pg, "shadow")
    try:
        pg.execute("CREATE FUNCTION public.now() RETURNS int LANGUAGE sql AS 'SELECT 1'", "shadow",
                   postgres.OWNER)
        t.fail("it can make nothing more in public")
    except postgres.SqlError as refused:
        t.like(str(refused), "permission denied for schema public",
               "it can make nothing more in public")


def stays_open(t, pg):
    pg.execute("CREATE ROLE keeper LOGIN", "postgres")
    pg.create_database("kept", owner=postgres.SUPERUSER)
    pg.execute("GRANT CREATE ON SCHEMA public TO PUBLIC", "kept")
    owner = pg.dsn("kept", "keeper")
    migrate(owner)
    pg.execute(SHADOWS.replace("SUPERUSER", "INHERIT"), "kept", postgres.OWNER)
    t.like(grant(pg, owner), "the schema public stays open to everybody: let its owner run REVOKE",
           "grants.sql says what to do")
    is_kept_down(t, pg, "kept")


def process(t, pg):
    with fcgi.Worker({"database": {"url": pg.dsn()}}) as w:
        w.wait_healthy()
        status = proc.read_text(f"/proc/{w.pid}/status")
        t.like(status, r"(?m)^NoNewPrivs:\s+1$", "neither sudo nor a set-user-ID bit counts")
        t.like(proc.read_text(f"/proc/{w.pid}/limits"), r"(?m)^Max core file size +0 +0 ",
               "it leaves no core file, and is not dumpable for the same call")


NAMES = (("localhost", 200), ("localhost:8000", 200), ("LocalHost", 200), ("127.0.0.1", 200),
         ("127.8.8.8:8000", 200), ("[::1]", 200), ("[::1]:8000", 200),
         # A name whose address somebody changed after the page was loaded, and other aliases.
         ("rebound.test", 403), ("rebound.test:8000", 403), ("localhost.evil.test", 403),
         ("0.0.0.0", 403), ("0.0.0.0:8000", 403), ("[::]:8000", 403), ("evil.localhost", 403),
         ("127.0.0.1.evil.test", 403), ("127.1", 403), ("", 403), (None, 403))
PAGES = ((None, "localhost:8000", 200), ("http://localhost:8000", "localhost:8000", 200),
         ("https://localhost:8000", "localhost:8000", 200),
         ("http://localhost:3000", "localhost:8000", 403), ("http://localhost", "localhost:8000", 403),
         ("https://evil.test", "localhost:8000", 403), ("http://localhost:80000", "localhost:8000", 403),
         ("null", "localhost", 403), ("", "localhost", 403), ("localhost", "localhost", 403))
HOW = r"POST needs the admin token, and none is configured: put the SHA-256 of one into token_sha256"
PROXIED = (("127.0.0.1", 200), ("203.0.113.9", 403), ("203.0.113.9, rubbish", 403),
           ("rubbish, 127.0.0.1", 403), ("rubbish", 403), ("", 403), (",", 403),
           ("127.0.0.1, 203.0.113.9, unknown", 403), ("unknown, 127.0.0.1", 403))


def tokenless(t, w):
    """What development without a token lets through from the machine itself."""
    def status(method="GET", path="/events/recent", params=None, **headers):
        return w.request(method, path, remote_addr="127.0.0.1", params=params, headers={
            name.replace("_", "-"): value for name, value in headers.items() if value is not None})
    for name, want in NAMES:
        t.is_(status(params={"HTTP_HOST": name}).status, want, f"Host: {name}")
    for origin, host, want in PAGES:
        for path in ("/events/recent", "/metrics"):
            t.is_(status(path=path, Host=host, Origin=origin).status, want,
                  f"{path}, a page of {origin} at {host}")
    for headers in ({}, {"Host": "alias.test"}, {"Origin": "http://localhost"},
                    {"Authorization": "Bearer any"}):
        answer = status("POST", "/export/run", **headers)
        t.is_(answer.status, 403, f"POST /export/run with {headers}")
        t.like(answer.json()["message"], HOW, f"says how to allow it, with {headers}")
    t.is_(w.request("POST", "/collect", {"eventType": "x"}, headers={
        "Host": "any.test", "Origin": "https://any.test"}).status, 200, "events are taken of anybody")


def proxied(t, pg):
    with fcgi.Worker({"database": {"url": pg.dsn()},
                      "collector": {"trusted_proxies": "127.0.0.1"}}) as w:
        w.wait_healthy()
        for chain, want in PROXIED:
            t.is_(w.request("GET", "/events/recent", remote_addr="127.0.0.1",
                            headers={"X-Forwarded-For": chain}).status, want,
                  f"X-Forwarded-For: {chain}")


def ask(w, token, path="/events/recent", remote_addr="192.0.2.1"):
    return w.request("GET", path, remote_addr=remote_addr,
                     headers={"Authorization": f"Bearer {token}"})


def guess(w, remote_addr):
    """Guesses until that is not listened to; the answers."""
    answers = [ask(w, f"guess {i}", remote_addr=remote_addr) for i in range(60)]
    return [answer.status for answer in answers], next(a for a in answers if a.status == 429)


def guesses(t, pg):
    sections = {"database": {"url": pg.dsn()},
                "admin": {"token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}}
    with fcgi.Worker(sections) as w:
        w.wait_healthy()
        statuses, unheard = guess(w, "2001:db8:1:2::1")
        t.is_(statuses[:20], [401] * 20, "some may be wrong")
        t.is_(set(statuses), {401, 429}, "beyond that they are not listened to")
        t.ok(statuses.count(429) > 20, "but for one every few seconds", statuses)
        t.like(unheard.headers.get("retry-after"), r"^[1-6]$", "Retry-After tells when")
        t.like(unheard.json()["message"], r"too many wrong admin tokens came from this address", "says why")
        for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"):
            statuses, _last = guess(w, address)
            t.ok(statuses.count(401) < 30, f"{address} may not either", statuses)
        t.is_(ask(w, TOKEN, remote_addr="2001:db8:1:3::1").status, 200, "another network may")
        t.is_(ask(w, TOKEN).status, 200, "another address may")
        proc.wait_for(lambda: guess(w, "192.0.2.66") and ask(
            w, TOKEN, remote_addr="192.0.2.66").status == 429, "the right one is not listened to either")
        proc.wait_for(lambda: guess(w, "192.0.2.66") and "version" not in ask(
            w, TOKEN, "/health", "192.0.2.66").json(), "nor does /health tell which is right")
        metrics = dict(re.findall(r'millrace_admin_tokens_refused_total\{reason="(\w+)"\} (\d+)',
                                  ask(w, TOKEN, "/metrics").text))
        t.ok(int(metrics["wrong"]) >= 40 and int(metrics["too_many"]) > 60, "both are counted",
             metrics)
        lines = re.findall(r"(?m)^.*WARNING: .*wrong admin token.*$", w.log())
        t.ok(1 <= len(lines) <= 20, "it is logged now and then", lines)
        t.like(lines[0], r"a wrong admin token from 2001:db8:1:2::1$", "with the address")
        w.stop()
        t.like(w.log(), r"WARNING: \d+ wrong admin tokens were not logged", "with how many were not")


def refused(t, pg):
    """What the database refuses is what anybody may send; the message is longer than the event."""
    with fcgi.Worker({"database": {"url": pg.dsn()}}) as w:
        w.wait_healthy()
        pg.execute("ALTER TABLE events ADD CONSTRAINT short CHECK (length(event_type) < 6) NOT VALID")
        before = len(w.log())
        body = {"eventType": "batch", "siteId": "s" * 255, "events": [{"eventType": "too long"},
                                                                     {"eventType": "x"}]}
        answers = {w.request("POST", "/collect", body).json()["status"] for _ in range(200)}
        t.is_(answers, {"partial"}, "refused for a part")
        grown = w.log()[before:]
        refusals = re.findall(r"(?m)^.*the database refused.*$", grown)
        t.ok(1 <= len(refusals) <= 50, f"{len(refusals)} of 200 refusals are logged")
        t.ok(max(map(len, set(grown.split("\n")) - set(refusals))) < 200, "the site is cut")
        w.stop()
        t.ok(re.search(r"WARNING: \d+ refusals of the database were not logged", w.log()),
             "and how many were not")
        pg.execute("ALTER TABLE events DROP CONSTRAINT short")


def send(w, remote_addr="192.0.2.1", **event):
    return w.request("POST", "/collect", {"eventType": "x", **event}, remote_addr=remote_addr)


def until_held(ask_once):
    """Asks until that is too much; the answer."""
    answers = []
    proc.wait_for(lambda: answers.append(ask_once()) or answers[-1].status == 429, "it is held back")
    return answers[-1]


def is_refused(t, answer, what):
    t.like(answer.headers.get("retry-after"), r"^[1-9]\d?$", "Retry-After tells when")
    t.is_(answer.json()["message"], f"more comes {what} than is taken; send it again later", "says why")


def limited(t, pg):
    def worker(**keys):
        return fcgi.Worker({"database": {"url": pg.dsn()}, "limits": {"burst_s": 5, **keys},
                            "admin": {"token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}})
    with t.case("requests of an address"), worker(requests_per_address=1) as w:
        w.wait_healthy()
        t.is_([send(w, "192.0.2.7").status for _ in range(5)], [200] * 5, "as many as may come at once")
        is_refused(t, until_held(lambda: send(w, "192.0.2.7")), "from this address")
        t.is_(send(w, "192.0.2.8").status, 200, "another address is taken")
        until_held(lambda: w.request("GET", "/health", remote_addr="192.0.2.9"))
        pixel = proc.wait_for(lambda: next((a for a in [w.request(
            "GET", "/pixel.gif?eventType=x", remote_addr="192.0.2.10")]
            if a.headers["x-millrace"] == "limited"), None), "the pixel is held back")
        t.is_((pixel.status, pixel.headers["content-type"]), (200, "image/gif"), "and is a picture")
        network, other = ("2001:db8:1:2::1", "2001:db8:1:2:ffff::1"), "2001:db8:1:3::1"
        proc.wait_for(lambda: until_held(lambda: send(w, network[0])) and send(
            w, network[1]).status == 429, "all of a /64 is one address")
        t.is_(send(w, other).status, 200, "another network is taken")
        t.is_(ask(w, TOKEN, "/metrics", other).status, 200, "the administrator is")
        count = r'requests_rejected_total\{reason="address_limit"\} (\d+)'
        t.ok(int(re.search(count, ask(w, TOKEN, "/metrics").text)[1]) >= 4, "it is counted")
        lines = re.findall(r"WARNING: .*beyond requests_per_address under \[limits\]", w.log())
        t.ok(1 <= len(lines) <= 20, "and logged now and then", lines)
    with t.case("bytes of an address"), worker(bytes_per_address="1000") as w:
        w.wait_healthy()
        is_refused(t, until_held(lambda: send(w, pad="x" * 4000)), "from this address")
        t.is_(send(w, "192.0.2.2", pad="x" * 9000).status, 200,
              "what is more than a burst is taken of who sent nothing else")
    for key, value in (("requests_per_site", 1), ("bytes_per_site", 100)):
        with t.case(key), worker(**{key: value}) as w:
            w.wait_healthy()
            is_refused(t, until_held(lambda: send(w, siteId="flooded", pad="x" * 100)), "for a site")
            t.is_(send(w, siteId="other").status, 200, "another site is taken")
            new = itertools.count()
            until_held(lambda: send(w, siteId="flooded", pad="x" * 100) and w.request(
                "POST", "/collect", {"eventType": "batch", "siteId": f"new {next(new)}", "events": [
                    {"eventType": "x"}, {"eventType": "x", "siteId": "flooded"}]}))
            t.ok('reason="site_limit"} 0\n' not in ask(w, TOKEN, "/metrics").text, "it is counted")


def sql(t, pg):
    text = "x'); DROP TABLE events; --\\' OR $1"
    with fcgi.Worker({"database": {"url": pg.dsn()}}) as w:
        w.wait_healthy()
        t.is_(send(w, siteId=text, sessionId=text, visitorId=text, batchId=text).status, 200, "is stored")
        t.is_([(row["session_id"], row["visitor_id"], row["payload"]["batchId"]) for row in pg.query(
            "SELECT * FROM events WHERE position('DROP' IN site_id) > 0")], [(text,) * 3], "as it is")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    with t.case("a shadowing function in an open schema public"):
        shadows(t, pg)
    with t.case("an open schema public of somebody else"):
        stays_open(t, pg)
    with t.case("the worker's process"):
        process(t, pg)
    with t.case("without a token"), fcgi.Worker({"database": {"url": pg.dsn()}}) as worker:
        worker.wait_healthy()
        tokenless(t, worker)
    with t.case("behind a proxy on the same machine"):
        proxied(t, pg)
    with t.case("wrong tokens"):
        guesses(t, pg)
    with t.case("small bodies that the database refuses"):
        refused(t, pg)
    with t.case("limits"):
        limited(t, pg)
    with t.case("SQL in an event"):
        sql(t, pg)
