"""The samples for web servers serve the tracker beside the collector."""

import os
import shutil

from common import config
from harness import client, postgres, proc, tap, web

FILES = ("tracking.js", "tracking-vitals.js", "tracking.js.map")


def serve(t, pg, kind):
    with t.case(kind.__name__), kind(config(pg)) as server:
        folder = os.path.join(server.wwwdir, "js")
        os.mkdir(folder)
        for name in FILES[:2]:
            shutil.copy(os.path.join(proc.SRCDIR, "www", "js", name), folder)
        with open(os.path.join(folder, FILES[2]), "w", encoding="ascii") as f:
            f.write("{}")
        for name in FILES:
            answer = client.get(server.base, f"/js/{name}")
            t.is_((answer.status, answer.text), (200, proc.read_text(os.path.join(folder, name))), name)
        t.like(client.get(server.base, "/js/tracking.js").headers.get("content-type"),
               r"javascript", "as JavaScript")
        t.is_(client.get(server.base, "/js/tracking-none.js").status, 404, "what there is not")
        for name in ("eventBatch", "addToBatch", "maxBatchSize"):
            t.like(client.get(server.base, "/js/tracking.js").text, name, f"{name} is found in it")


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg:
    for kind in (web.Lighttpd, web.Nginx):
        serve(t, pg, kind)
