"""The dashboard in Chromium, against lighttpd, the worker and PostgreSQL.

With an argument, only the cases in whose names it occurs are run.
"""

import hashlib
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import server  # noqa: E402
from harness import postgres, proc, tap  # noqa: E402

TOKEN = "dashboard-5f0c2b7a91"
ADMIN = {"admin": {"token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}}


def run(settings, commands, *only):
    """Runs dashboard.mjs, which prints TAP by itself; returns its exit status.

    commands: {name: function}; the script writes a name to its file descriptor 3, and
    reads a line from its input when that is done.
    """
    ours, theirs = os.pipe()
    command = ["/bin/sh", "-c", f'exec "$0" "$@" 3>&{theirs}', proc.find("node"),
               os.path.join(HERE, "dashboard.mjs"), json.dumps(settings), *only]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[theirs], text=True,
                          env=proc.clean_env(HOME=settings["folder"])) as script:
        os.close(theirs)
        with open(ours, encoding="utf-8") as lines:
            for line in lines:
                commands[line.strip()]()
                script.stdin.write("done\n")
                script.stdin.flush()
    return script.returncode


def main():
    server.need()
    if not all(map(server.built, server.BUNDLE)):
        tap.skip_all("the dashboard is not built: npm ci --prefix www, then configure anew")
    with proc.temp_dir() as folder, postgres.Postgres() as pg, \
            server.Site(pg, {**ADMIN, **server.exports(folder)}) as site, \
            server.Site(pg) as open_site:
        site.wait_healthy()
        open_site.wait_healthy()
        settings = {"base": site.base, "open": open_site.base, "token": TOKEN,
                    "folder": site.dir, "browser": server.chromium(), "srcdir": proc.SRCDIR}
        status = run(settings, {"stop database": pg.stop, "start database": pg.start},
                     *sys.argv[1:2])
    sys.exit(status)


main()
