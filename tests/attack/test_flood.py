"""One that floods the spool while the database is away leaves room for the others."""

import gzip
import hashlib
import json
import os

from harness import fcgi, proc, tap

TOKEN = "secret of this test"
AWAY = {"admin": {"token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()},
        "database": {"url": "host=/nonexistent dbname=none"},
        "spool": {"max_bytes": "4M", "reserve_bytes": 0}}
# Some KB of gzip that become 180 KB.
NOISE = [f"{i * 7919 % 99991:05}" for i in range(1500)]
BODY = json.dumps({"eventType": "x", "list": [(n + ".") * 20 for n in NOISE]}).encode()
AMPLIFIED = gzip.compress(BODY, 9)


def flood(w, address, site):
    """Sends until it is refused; returns that answer and how many were taken before."""
    for n in range(1000):
        answer = w.request("POST", "/collect", AMPLIFIED, remote_addr=address, headers={
            "Content-Encoding": "gzip", "Origin": f"https://{site(n)}"})
        if answer.status != 202:
            return answer, n
    raise AssertionError("it is never refused")


def honest(w, address="198.51.100.7", site="shop.test"):
    return w.request("POST", "/collect", {"eventType": "x", "siteId": site},
                     remote_addr=address).status


def held(w):
    return sum(entry.stat().st_size for entry in os.scandir(os.path.join(w.dir, "spool")))


def over_share(w):
    return w.request("GET", "/health", headers={"Authorization": f"Bearer {TOKEN}"}).json()[
        "counters"]["requests_over_share"]


def refused(t, answer, taken):
    t.ok(taken > 1, "is taken at first", f"{taken} requests")
    t.is_(answer.status, 503, "is refused in the end")
    t.like(answer.headers.get("retry-after"), r"^\d+$", "is told when to come again")


def floods(t, w):
    with t.case("many sites from one address"):
        answer, taken = flood(w, "192.0.2.1", lambda n: f"invented{n}.test")
        refused(t, answer, taken)
        t.ok(held(w) < taken * len(BODY) / 4, "what is spooled is compressed",
             f"{taken} requests of {len(BODY)} bytes in {held(w)}")
        t.is_(honest(w), 202, "another address is taken")
        t.is_(honest(w, "192.0.2.1", "home.test"), 202, "its own small ones fit while they do")
    with t.case("one site from many addresses"):
        for i in range(1000):
            answer = w.request("POST", "/collect", AMPLIFIED, remote_addr=f"203.0.{i // 250}.{i % 250}",
                               headers={"Content-Encoding": "gzip", "Origin": "https://one.test"})
            if answer.status != 202:
                break
        refused(t, answer, i)
        t.is_(honest(w), 202, "another site is taken")
    with t.case("counted"):
        t.ok(over_share(w) >= 2, "in the counters")
        t.like(w.log(), r"holds its share of 50 % of it \(\[spool\] share\)", "and said in the log")


with tap.Suite() as t, fcgi.Worker(AWAY) as w:
    proc.wait_for(lambda: honest(w) == 202, "the worker spools", detail=lambda: w.log()[-4000:])
    floods(t, w)
