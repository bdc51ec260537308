"""The samples serve the dashboard with a policy that lets it talk to its own server alone."""

import os
import shutil

from common import config
from harness import postgres, proc, tap, web

PAGE = os.path.join(proc.SRCDIR, "www", "dashboard", "index.html")
POLICY = {"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'",
          "connect-src 'self'", "form-action 'none'", "base-uri 'none'", "frame-ancestors 'none'"}


def serves(t, kind, pg):
    with t.case(kind.__name__), kind(config(pg)) as server:
        os.mkdir(os.path.join(server.wwwdir, "dashboard"))
        shutil.copy(PAGE, os.path.join(server.wwwdir, "dashboard"))
        answer = server.get("/dashboard/")
        t.is_((answer.status, answer.text), (200, proc.read_text(PAGE)), "the page")
        t.is_(set(answer.headers.get("content-security-policy", "").split("; ")), POLICY, "policy")
        t.includes(answer.headers, {"x-content-type-options": "nosniff", "cache-control": "no-cache",
                                    "referrer-policy": "no-referrer"}, "headers")
        bare = server.get("/dashboard")
        t.is_((bare.status, bare.headers.get("location", "").removeprefix(server.root)),
              (301, "/dashboard/"), "without the slash")
        t.is_(server.get("/health").headers.get("content-security-policy"), None,
              "what is not the page has no policy of its")


def page(t):
    """The page's own policy is the same but for what only a header can say."""
    text = proc.read_text(PAGE)
    own = text.partition('Content-Security-Policy" content="')[2].partition('"')[0]
    t.is_(set(own.split("; ")), POLICY - {"frame-ancestors 'none'"}, "the page's own policy")
    sample = proc.read_text(os.path.join(proc.SRCDIR, "etc", "apache", "millrace.conf.in"))
    header = sample.partition('Content-Security-Policy "')[2].partition('"')[0]
    t.is_(set(header.split("; ")), POLICY, "the policy in Apache's sample")


def main():
    postgres.need()
    with tap.Suite() as t, postgres.Postgres() as pg:
        page(t)
        for kind in (web.Lighttpd, web.Nginx):
            serves(t, kind, pg)


main()
