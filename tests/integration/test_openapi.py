"""www/openapi.json, against the rules of OpenAPI, the table of routes, and what a worker answers.

Each status that the document has is brought about, and validated with the content that came.
"""

import base64
import gzip
import hashlib
import json
import os
import re
import subprocess

from common import BEARER, NO_SPOOL, TOKEN, worker
from exporting import program
from harness import postgres, proc, tap

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ("@seriousme/openapi-schema-validator", "ajv")
ADMIN = {"admin": {"token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}}
METHODS = {"get", "head", "post"}
SEGMENT = ("/v1/batch", "/v1/track")
ASKED = ("/metrics", "/events/recent", "/export/status", "/export/usage", "/export/config")
EVENT = {"eventType": "signup", "siteId": "shop", "plan": "pro"}
BATCH = {"eventType": "batch", "siteId": "shop", "batchId": "0f8a5f0e", "events": [{"eventType": "a"}]}
OPEN = (("GET", "/collect?eventType=a&siteId=shop"), ("POST", "/collect", EVENT),
        ("POST", "/v1/batch", {"batch": [{"type": "page"}]}), ("POST", "/v1/track", {"event": "e"}),
        ("GET", "/pixel.gif?eventType=a&siteId=shop"), ("POST", "/pixel.gif", EVENT),
        ("GET", "/health"), ("HEAD", "/health"))


def read(*path):
    return proc.read_text(os.path.join(proc.SRCDIR, *path))


class Record:
    """Asks workers, and keeps what they answered."""

    def __init__(self):
        self.exchanges = []

    def __call__(self, w, method, path, body=b"", **more):
        answer = w.request(method, path, body, **more)
        headers = dict(answer.headers)
        self.exchanges.append({
            "method": method, "path": path.partition("?")[0], "status": answer.status,
            "headers": headers, "body": base64.b64encode(answer.body).decode(),
            **({"sent": body} if isinstance(body, dict) and answer.status < 300 else {})})
        return answer


def documented(t):
    """The document has the paths and methods of the worker, and no others."""
    api = json.loads(read("www", "openapi.json"))
    listed = {}
    for path, item in api["paths"].items():
        if "$ref" in item:
            item = api["components"]["pathItems"][item["$ref"].rpartition("/")[2]]
        listed[path] = sorted(METHODS & set(item))
    routes = {path: sorted(name.strip().lower() for name in methods.split("|"))
              for path, methods in re.findall(r'(?m)^\t\{ "(/[\w./]+)", ([A-Z| ]+), ',
                                              read("fcgi", "routes.c"))}
    spoken = re.findall(r'\{ "(/v1/\w+)", &segment', read("lib", "format", "dialect.c"))
    t.ok(len(routes) >= 9 and len(spoken) >= 15, "the worker has routes", (routes, spoken))
    t.is_(listed, {**routes, **{path: ["post"] for path in spoken}}, "the document has them")
    version = re.search(r"AC_INIT\(\[millrace\], \[([\d.]+)\]", read("configure.ac"))[1]
    t.is_(api["info"]["version"], version, "and the version")


def good(ask, w):
    """What succeeds, and what is refused for itself."""
    for body in (EVENT, BATCH, BATCH, {**BATCH, "batchId": None, "events": [EVENT, {}]}):
        ask(w, "POST", "/collect", body)
    ask(w, "GET", "/collect?eventType=signup&siteId=shop&plan=pro")
    ask(w, "GET", "/collect?siteId=shop")
    for path in ("/collect", *SEGMENT):
        ask(w, "POST", path, b"{")
        ask(w, "POST", path, b"", content_length=None)
        ask(w, "POST", path, b"x" * (2 << 20))
        ask(w, "POST", path, b"{}", headers={"Content-Encoding": "br"})
    ask(w, "POST", "/v1/batch", {"batch": [{"type": "page"}]})
    ask(w, "POST", "/v1/track", {"event": "Order Completed", "anonymousId": "a1"})
    ask(w, "POST", "/v1/import", gzip.compress(b'{"batch":[{"type":"alias"}]}'),
        headers={"Content-Encoding": "gzip"})
    for query in ("eventType=open", "siteId=shop"):
        ask(w, "GET", f"/pixel.gif?{query}")
        ask(w, "POST", f"/pixel.gif?{query}")
    for path in ("/collect", "/pixel.gif", *SEGMENT):
        ask(w, "OPTIONS", path)
        ask(w, "PUT", path)
    ask(w, "POST", "/health")
    for headers, query in (({}, ""), (BEARER, "?books&buffer")):
        ask(w, "GET", "/health" + query, headers=headers)
        ask(w, "HEAD", "/health" + query, headers=headers)


def administration(ask, w):
    """The administrator's endpoints, ending with too many wrong tokens."""
    for path, good_query, bad_query in (("/metrics", "", None), ("/export/config", "", None),
                                        ("/events/recent", "?limit=5", "?limit=0"),
                                        ("/export/status", "", None),
                                        ("/export/usage", "?client=acme", "?month=x")):
        for method in ("GET", "HEAD"):
            ask(w, method, path + good_query, headers=BEARER)
            if bad_query:
                ask(w, method, path + bad_query, headers=BEARER)
            ask(w, method, path)
    ask(w, "POST", "/export/run?client=acme&dry_run=1", headers=BEARER)
    ask(w, "POST", "/export/run?format=xml", headers=BEARER)
    ask(w, "POST", "/export/run")
    ask(w, "GET", "/export/status", headers=BEARER)
    for _ in range(21):
        w.request("GET", "/metrics", headers={"Authorization": "Bearer wrong"})
    for path in ASKED:
        for method in ("GET", "HEAD"):
            ask(w, method, path, headers=BEARER)
    ask(w, "POST", "/export/run", headers=BEARER)


def events(ask, w):
    """Everything that brings an event, and the question how it is."""
    for request in OPEN:
        ask(w, *request)


def away(ask, w):
    """No database, and no spool either."""
    events(ask, w)
    for path in ("/events/recent", "/export/status", "/export/usage"):
        for method in ("GET", "HEAD"):
            ask(w, method, path, headers=BEARER)
    ask(w, "POST", "/export/run", headers=BEARER)


def held_back(ask, w):
    """Without a token the administrator's endpoints are closed; the rest has a limit."""
    for path in ASKED:
        for method in ("GET", "HEAD"):
            ask(w, method, path)
    ask(w, "POST", "/export/run")
    for method, path, *body in OPEN:
        if not path.startswith("/pixel.gif"):
            proc.wait_for(lambda: ask(w, method, path, *body).status == 429,
                          f"{method} {path} is held back")


def exchanges(t, pg, folder):
    ask = Record()
    client = {"export": {"spawn": "off", "program": program()},
              "client acme": {"bucket": f"file://{folder}", "compression": "none"}}
    nowhere = {**NO_SPOOL, **ADMIN, **client, "database": {"url": "host=/nowhere"}}
    listed = {"collector": {"write_keys": "listed"}, "site shop": {"write_key": "k"}}
    for name, sections, asks in (
            ("a worker", {**ADMIN, **client}, (good, administration)),
            ("no database", nowhere, (away,)),
            ("the spool alone", {"collector": {"ingest": "spool"}}, (events,)),
            ("limits", {"limits": {"requests_per_address": 1, "burst_s": 1}}, (held_back,)),
            ("listed keys", listed, (events,))):
        with t.case(name), worker(pg, sections=sections) as w:
            if name == "a worker":
                w.wait_healthy()
            for some in asks:
                some(ask, w)
            t.ok(w.running(), "the worker has answered")
    return ask.exchanges


def validate(t, found):
    done = subprocess.run([proc.find("node"), os.path.join(HERE, "openapi.mjs")], text=True,
                          input=json.dumps({"srcdir": proc.SRCDIR, "exchanges": found}),
                          capture_output=True, env=proc.clean_env(), check=False)
    t.is_((done.returncode, done.stderr), (0, ""), "the validator runs") or tap.diag(done.stderr)
    said = json.loads(done.stdout)
    t.is_(said["lint"], [], "the document keeps the rules of OpenAPI 3.1")
    t.is_(said["examples"], [], "its examples are what it says")
    t.ok(len(found) > 120, f"{len(found)} answers")
    t.is_(said["problems"], [], "are what it says")
    t.is_(said["unseen"], [], "and each of its statuses was among them")


def main():
    postgres.need()
    proc.need("node")
    missing = [name for name in PACKAGES
               if not os.path.isdir(os.path.join(proc.SRCDIR, "www", "node_modules", name))]
    if missing:
        tap.skip_all(f"npm packages are missing ({', '.join(missing)}): npm ci --prefix www")
    with tap.Suite() as t, postgres.Postgres() as pg, proc.temp_dir() as folder:
        with t.case("routes"):
            documented(t)
        found = exchanges(t, pg, folder)
        with t.case("the document"):
            validate(t, found)


main()
