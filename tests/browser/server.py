"""lighttpd with millrace and www/ behind it, and node with a browser in front."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys

from harness import postgres, proc, tap, web

HERE = os.path.dirname(os.path.abspath(__file__))
WWW = os.path.join(proc.SRCDIR, "www")
PACKAGES = ("playwright-core", "axe-core", "typescript", "uplot")
BUNDLE = ("dashboard/dashboard.js", "dashboard/dashboard.css")
# Chromium as people have it, and without windows, which opens a page in a third of the time
# but keeps none to go back to.
WHOLE = ("chromium", "chromium-browser", "google-chrome")
SHELL = "chromium-headless-shell"
WHOLE_FIRST = (*WHOLE, SHELL)
EXTRA = """\
index-file.names = ( "index.html" )
mimetype.assign += ( ".svg" => "image/svg+xml", ".csv" => "text/csv" )
# Nobody has compressed the sources.
$REQUEST_HEADER["Accept-Encoding"] =~ "." { url.rewrite-once = () }
"""


class Site(web.Lighttpd):
    """lighttpd that also serves www/, with the tracker's readable source.

    sections: {section: {key: value}} of the configuration, besides the database.
    """

    def __init__(self, pg, sections=None):
        super().__init__({"database": {"url": pg.dsn()}, **(sections or {})}, extra=EXTRA)

    def _prepare(self):
        super()._prepare()
        os.rmdir(self.wwwdir)
        shutil.copytree(WWW, self.wwwdir, ignore=shutil.ignore_patterns("node_modules"))
        for path in filter(None, map(built, BUNDLE)):
            shutil.copy(path, os.path.join(self.wwwdir, "dashboard"))


def built(name):
    """Path of a file below www/ that npm packages make, and a release has among its sources;
    or None."""
    paths = [os.path.join(folder, "www", name) for folder in (proc.BUILDDIR, proc.SRCDIR)]
    return next(filter(os.path.exists, paths), None)


def chromium(names=(SHELL, *WHOLE)):
    """Path of the first of these that is installed, or None."""
    return next(filter(None, map(proc.find, names)), None)


def firefox():
    """Path of Firefox, or None."""
    return next(filter(None, map(proc.find, ("firefox-esr", "firefox"))), None)


def webkit():
    """Path of the browser that WebKitGTK's driver drives, or None when a part is missing."""
    found = glob.glob("/usr/lib/*/webkit2gtk-4.*/MiniBrowser")
    return max(found) if found and proc.find("WebKitWebDriver") and proc.find("Xvfb") else None


# name: where it is, what brings it, and the npm package that drives it.
ENGINES = {
    "chromium": (chromium, "chromium", "playwright-core"),
    "firefox": (firefox, "firefox-esr", "puppeteer-core"),
    "webkit": (webkit, "webkit2gtk-driver or xvfb", None),
}


def need(engine="chromium"):
    """Skips the program when it lacks something, and says what."""
    postgres.need()
    proc.need("node", "lighttpd")
    find, package, driver = ENGINES[engine]
    if not find():
        tap.skip_all(f"{package} is not installed")
    missing = [name for name in {*PACKAGES, driver} - {None}
               if not os.path.isdir(os.path.join(WWW, "node_modules", name))]
    if missing:
        tap.skip_all(f"npm packages are missing ({', '.join(missing)}): npm ci --prefix www")


def exports(folder):
    """Sections of the configuration for one client, whose events go to a folder."""
    return {"client acme": {"bucket": f"file://{folder}", "backup": "off"},
            "export": {"program": os.path.join(proc.BUILDDIR, "cron", "millrace-export")}}


def run(script, *arguments, engine="chromium", sections=None, **settings):
    """Runs a script of this folder in node on a site of its own. Returns its exit status.

    engine: a key of ENGINES.
    """
    with postgres.Postgres() as pg, Site(pg, sections) as server:
        server.wait_healthy()
        settings = {"base": server.base, "dsn": pg.dsn(), "psql": os.path.join(pg.bin, "psql"),
                    "engine": engine, "browser": ENGINES[engine][0](), "srcdir": proc.SRCDIR,
                    "builddir": proc.BUILDDIR, **settings}
        command = [proc.find("node"), os.path.join(HERE, script), json.dumps(settings), *arguments]
        return subprocess.run(command, env=proc.clean_env(HOME=server.dir),
                              check=False).returncode


def tracker(*parts, engine="chromium", **settings):
    """A whole test program: parts of main.mjs, which print TAP by themselves.

    With an argument, only the cases in whose names it occurs are run.
    """
    # What another browser adds is the browser; the same requests reach the worker.
    if engine != "chromium" and re.search(
            r"^MR_CFLAGS = .*-fsanitize", proc.read_text(os.path.join(proc.BUILDDIR, "Makefile")),
            re.MULTILINE):
        tap.skip_all("in a build with sanitizers Chromium alone is run")
    need(engine)
    sys.exit(run("main.mjs", *sys.argv[1:2], engine=engine, parts=parts, **settings))
