"""The samples for web servers serve what make install lays down, as few bytes as the browser takes."""

import gzip
import os
import re
import shutil
import subprocess

from common import config
from harness import client, postgres, proc, tap, web

BROWSER = {"Accept-Encoding": "gzip, deflate, br"}
HOUR = "public, max-age=3600, stale-while-revalidate=86400"
YEAR = "public, max-age=31536000, immutable"

def installed(folder):
    """Runs make install into the folder. Returns the path of the www/ in it."""
    env = {k: v for k, v in proc.clean_env().items()
           if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR")}
    done = subprocess.run([proc.find("make"), "-s", "install", f"DESTDIR={folder}"], text=True,
                          cwd=proc.BUILDDIR, capture_output=True, env=env, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return next(path for path, folders, _ in os.walk(folder)
                if path.endswith("/millrace/www") and "js" in folders)


def wire(t, server, path, coding, content, cache=None):
    """Checks an answer to a browser: its bytes as they travel, and what they are."""
    answer = client.get(server.base, path, headers=BROWSER)
    suffix = {"br": ".br", "gzip": ".gz", None: ""}[coding]
    with open(content + suffix, "rb") as f:
        expected = f.read()
    t.is_(answer.status, 200, f"{path}: is there")
    t.is_(answer.headers.get("content-encoding"), coding, f"{path}: as {coding}")
    t.ok(answer.body == expected, f"{path}: {len(expected)} bytes travel, the file's",
         f"{len(answer.body)} bytes")
    t.like(answer.headers.get("content-type"), r"^(text|application)/javascript", f"{path}: as JavaScript")
    if cache:
        t.is_(answer.headers.get("cache-control"), cache, f"{path}: how long it is kept")
        t.like(answer.headers.get("vary") or "", r"(?i)accept-encoding", f"{path}: for whom")


def serve(t, pg, kind, www):
    with t.case(kind.__name__), kind(config(pg)) as server:
        shutil.copytree(www, server.wwwdir, dirs_exist_ok=True)
        js = os.path.join(server.wwwdir, "js")
        for name in ("tracking.js", "tracking-vitals.js"):
            plain = client.get(server.base, f"/js/{name}")
            t.is_((plain.status, plain.text), (200, proc.read_text(os.path.join(js, name))), name)
            wire(t, server, f"/js/{name}", "br", os.path.join(js, name), HOUR)
            answer = client.get(server.base, f"/js/{name}", headers={"Accept-Encoding": "gzip"})
            t.is_(answer.headers.get("content-encoding"), "gzip", f"{name}: gzip for who takes only that")
            t.is_(gzip.decompress(answer.body).decode(), proc.read_text(os.path.join(js, name)),
                  f"{name}: which is the file")
            if kind is web.Lighttpd:
                continue    # it cannot look whether there is one
            os.rename(os.path.join(js, f"{name}.br"), os.path.join(js, f"{name}.away"))
            without = client.get(server.base, f"/js/{name}", headers=BROWSER)
            t.is_((without.status, without.headers.get("content-encoding") in (None, "gzip")),
                  (200, True), f"{name}: without a .br it is served, too")
            os.rename(os.path.join(js, f"{name}.away"), os.path.join(js, f"{name}.br"))
        hashed = sorted(name for name in os.listdir(js)
                        if re.fullmatch(r"tracking.*\.[0-9a-f]{8}\.js", name))
        t.is_(len(hashed), 2, "both have a name with a hash")
        for name in hashed:
            wire(t, server, f"/js/{name}", "br", os.path.join(js, name), YEAR)
        first = next(name for name in hashed if "vitals" not in name)
        second = next(name for name in hashed if "vitals" in name)
        t.like(client.get(server.base, f"/js/{first}").text, re.escape(second), "one loads the other")
        t.is_(client.get(server.base, "/js/tracking-none.js").status, 404, "what there is not")
        t.is_(client.get(server.base, "/js/tracking-none.js", headers=BROWSER).status, 404,
              "not even compressed")
        for name in ("eventBatch", "addToBatch", "maxBatchSize"):
            t.like(client.get(server.base, "/js/tracking.js").text, name, f"{name} is found in it")
        if os.path.exists(os.path.join(server.wwwdir, "dashboard", "dashboard.js")):
            small = client.get(server.base, "/dashboard/dashboard.js", headers=BROWSER)
            t.ok(small.headers.get("content-encoding") in ("br", "gzip"), "the dashboard is compressed")
            t.like(small.headers.get("content-security-policy") or "", "default-src 'none'",
                   "with its policy")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg, proc.temp_dir() as folder:
    www = installed(folder)
    if not os.path.exists(os.path.join(www, "js", "tracking.js.br")):
        tap.skip_all("make install had neither brotli nor node")
    for kind in (web.Lighttpd, web.Nginx, web.Apache):
        if kind is web.Apache and not proc.find("apache2"):
            t.skip("Apache", "apache2 is not installed")
            continue
        serve(t, pg, kind, www)
