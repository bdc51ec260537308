"""The sides of the benchmark: what is measured and what it is measured against."""

import glob
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Callable

import load
from harness import client, postgres, proc, web

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = "/collect"

# The harness keeps the cluster to its own unix socket; these stay as it sets them.
NOT_OURS = {"listen_addresses", "port", "unix_socket_directories", "max_connections",
            "log_destination", "logging_collector", "log_directory", "log_filename"}


class Missing(Exception):
    """A side cannot run; the text says what to install."""


@dataclass
class Side:
    title: str
    port: int
    facts: str
    database: str = ""           # where its rows go; "" when it stores none
    dsn: str = ""
    pids: Callable = list        # of the workers
    web_pids: Callable = list    # of the web server in front of them
    path: str = PATH
    before: Callable = lambda: None    # each run
    after: Callable = lambda: None     # each run, before its rows are counted

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.path}"


def postgres_settings():
    """The development profile that the quickstart uses, too; always durable."""
    settings = {}
    path = os.path.join(proc.SRCDIR, "etc", "postgresql", "development.conf")
    for line in proc.read_text(path).splitlines():
        key, equals, value = line.split("#")[0].partition("=")
        if equals and key.strip() not in NOT_OURS:
            settings[key.strip()] = value.strip()
    settings |= {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
    return settings


# --- millrace, and what stands in its place behind the same nginx -----------------

def _need_nginx():
    for needed, package in (("nginx", "nginx-light"), ("spawn-fcgi", "spawn-fcgi")):
        if not proc.find(needed):
            raise Missing(f"apt-get install {package}")


def _nginx(stack, program, ini, env=None):
    """nginx as Debian sets it up: one process a core."""
    _need_nginx()
    return stack.enter_context(web.Nginx(ini, program, env, processes=os.cpu_count()))


def _start_worker(stack, options, dsn, collector):
    ini = {"database": {"url": dsn},
           "collector": {"threads": options.threads, **collector}}
    program = os.path.join(proc.BUILDDIR, "fcgi", "millrace.fcgi")
    return _nginx(stack, program, ini).wait_healthy(), program


def _worker(stack, pg, options, title, collector):
    server, program = _start_worker(stack, options, pg.dsn(), collector)
    version = subprocess.run([program, "-V"], capture_output=True, text=True, check=True)
    more = "".join(f", {key}={value}" for key, value in collector.items())
    return Side(title, server.port, f"{version.stdout.split(chr(10))[0]}; 1 process, "
                f"{options.threads} threads{more}, behind nginx with {os.cpu_count()} processes",
                pg.database, pg.dsn(), server.pids, lambda: proc.children(server.web.pid))


def millrace(stack, pg, _folder, options):
    return _worker(stack, pg, options, "millrace", {})


def ungrouped(stack, pg, _folder, options):
    """The same, but the writer takes one request at a time."""
    return _worker(stack, pg, options, "ungrouped", {"group_max_rows": 1})


class Outage:
    """millrace during an outage: the way to the same PostgreSQL is gone while the load runs.

    Afterwards it is there again, and the run is counted when the spool is empty.
    """

    def __init__(self, stack, pg, folder, options):
        self.pg, self.link = pg, os.path.join(folder, "way")
        self.back()
        self.server, _ = _start_worker(stack, options, pg.dsn(host=self.link), {})

    def gone(self):
        os.unlink(self.link)
        self.pg.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                        f"WHERE datname = '{self.pg.database}' AND usename = "
                        f"'{postgres.OWNER}'", "postgres")
        proc.wait_for(lambda: self.server.post("/collect", b'{"eventType":"outage"}').status == 202,
                      "events are queued")

    def back(self):
        os.symlink(self.pg.dir, self.link)

    def recovered(self):
        """Segments that nobody writes to are gone when it is healthy."""
        self.back()
        self.server.wait_healthy()
        spool = os.path.join(self.server.dir, "spool")
        proc.wait_for(lambda: not any(name.endswith(".seg") for name in os.listdir(spool)),
                      "the spool is empty", deadline_s=300)


def outage(stack, pg, folder, options):
    """PostgreSQL is away while the load runs."""
    o = Outage(stack, pg, folder, options)
    return Side("outage", o.server.port, "the same, PostgreSQL cannot be reached", pg.database,
                pg.dsn(), o.server.pids, lambda: proc.children(o.server.web.pid), before=o.gone,
                after=o.recovered)


# libfcgi keeps a thread on every connection that nginx keeps open, also on the idle ones.
NOOP_THREADS = 128


def noop(stack, _pg, _folder, _options):
    server = _nginx(stack, load.built("noop"), {}, {"BENCH_THREADS": NOOP_THREADS})
    return Side("no-op", server.port, f"libfcgi alone, {NOOP_THREADS} threads, behind the same "
                "nginx", pids=server.pids, web_pids=lambda: proc.children(server.web.pid))


# --- the stack that millrace succeeds -----------------------------------------

PEER_PACKAGES = "python3-fastapi python3-sqlalchemy python3-psycopg2 python3-uvicorn"
PEER_VERSIONS = """
import sys, fastapi, sqlalchemy, psycopg2, uvicorn
print(f"Python {sys.version.split()[0]}, FastAPI {fastapi.__version__}, "
      f"SQLAlchemy {sqlalchemy.__version__}, psycopg2 {psycopg2.__version__.split()[0]}, "
      f"uvicorn {uvicorn.__version__}")
"""
TUNED_PACKAGES = "python3-uvloop python3-httptools"


def python_that(code, packages):
    """A Python in which the code runs, and what it prints."""
    for python in (sys.executable, "/usr/bin/python3"):
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return python, done.stdout.strip()
    raise Missing(f"apt-get install {packages}")


# For the one that is to be as small as the one in front of the worker.
_PROXY = """\
        location / {{
            client_max_body_size 4m;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_pass http://127.0.0.1:{target};
        }}
"""


def _proxy(stack, target):
    """nginx in front of a port. Returns its own port and its process."""
    _need_nginx()
    folder = stack.enter_context(proc.temp_dir())
    port = proc.free_port()
    conf = os.path.join(folder, "nginx.conf")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(web.nginx_conf(folder, port, _PROXY.format(target=target),
                               processes=os.cpu_count()))
    process = proc.Process([proc.find("nginx"), "-p", folder, "-c", conf,
                            "-e", os.path.join(folder, "nginx.log")],
                           os.path.join(folder, "nginx-stderr.log"))
    stack.callback(process.stop)
    return port, process


def _uvicorn(stack, pg, folder, title, loop, http):
    """Two processes behind an nginx of their own."""
    python, versions = python_that(PEER_VERSIONS, PEER_PACKAGES)
    database = title.lower().replace(" ", "_")
    pg.create_database(database)
    for path in sorted(glob.glob(os.path.join(proc.SRCDIR, "schema", "[0-9]*.sql"))):
        pg.execute(proc.read_text(path), database, postgres.OWNER)
    pg.execute("SELECT events_make_partitions(7)", database, postgres.OWNER)
    target = proc.free_port()
    env = proc.clean_env(
        DATABASE_URL=f"postgresql+psycopg2://{postgres.OWNER}@/{database}?host={pg.dir}",
        PYTHONDONTWRITEBYTECODE=1)
    process = proc.Process(
        [python, "-m", "uvicorn", "app:app", "--app-dir", os.path.join(HERE, "peer"),
         "--host", "127.0.0.1", "--port", str(target), "--workers", "2", "--no-access-log",
         "--loop", loop, "--http", http],
        os.path.join(folder, f"{database}.log"), env=env)
    stack.callback(_end_group, process)
    port, nginx = _proxy(stack, target)
    _wait_healthy(port, process)
    return Side(title, port, f"{versions} ({loop}, {http}); 2 processes, pool 10+20, "
                f"no access log, behind nginx with {os.cpu_count()} processes", database,
                pids=lambda: proc.children(process.pid),
                web_pids=lambda: proc.children(nginx.pid))


def peer(stack, pg, folder, _options):
    """As Debian's packages come: they bring neither uvloop nor httptools."""
    return _uvicorn(stack, pg, folder, "FastAPI", "asyncio", "h11")


def tuned(stack, pg, folder, _options):
    """The same with the faster event loop and parser."""
    python_that(PEER_VERSIONS + "import uvloop, httptools", f"{PEER_PACKAGES} {TUNED_PACKAGES}")
    return _uvicorn(stack, pg, folder, "FastAPI tuned", "uvloop", "httptools")


def _end_group(process):
    """Ends a process and those it started, which share its process group."""
    try:
        process.stop(deadline_s=10)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _wait_healthy(port, process):
    def healthy():
        if not process.running():
            raise RuntimeError(f"{process.name} ended:\n{process.text()[-4000:]}")
        try:
            return client.get(f"http://127.0.0.1:{port}", "/health", timeout_s=5).status == 200
        except OSError:
            return False
    proc.wait_for(healthy, f"{process.name} answers", detail=lambda: process.text()[-4000:])
