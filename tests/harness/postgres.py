"""A private PostgreSQL cluster in a temporary folder, reached through a unix socket only."""

import contextlib
import fcntl
import functools
import glob
import json
import os
import re
import signal
import subprocess

from . import libpq, proc, tap

SUPERUSER = "postgres"
OWNER = "millrace"

# Settings by which the server's log has the plan of each statement, with the rows it met.
EXPLAIN = {"session_preload_libraries": "'auto_explain'", "auto_explain.log_min_duration": 0,
           "auto_explain.log_analyze": "on", "auto_explain.log_timing": "off"}


@functools.cache
def bindir():
    """Folder of the server's programs, or None."""
    config = proc.find("pg_config")
    if config:
        path = subprocess.run([config, "--bindir"], capture_output=True, text=True,
                              check=True).stdout.strip()
        if os.access(os.path.join(path, "initdb"), os.X_OK):
            return path
    found = [os.path.dirname(p) for p in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
    return max(found, key=lambda p: int(p.split("/")[-2]), default=None)


def need():
    """Skips the test program when PostgreSQL's server programs are not installed."""
    if not bindir():
        tap.skip_all("the PostgreSQL server programs are not installed")


SqlError = libpq.Error

# What psql does better: several statements, each with a commit of its own, its own commands,
# and much data.
_FOR_PSQL = re.compile(r";\s*\S|^\s*\\|^\s*COPY\b", re.M | re.I)


def _pattern(binary):
    """Path of a stopped cluster with the role and its database, to be copied; made once in a
    build folder, which takes longer than all else that a test does with it."""
    installed = int(os.stat(os.path.join(binary, "postgres")).st_mtime)
    path = os.path.join(proc.BUILDDIR, "tests", f"cluster-{installed}-{os.geteuid()}")
    with open(f"{path}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(path):
            with Postgres(fresh=True) as pg:
                pg.stop()
                subprocess.run(["rm", "-rf", f"{path}.new"], check=True)
                subprocess.run(["cp", "-a", pg.data, f"{path}.new"], check=True)
                os.rename(f"{path}.new", path)
    return path


class Postgres:
    """The cluster. `with Postgres() as pg:` creates and starts it, with one empty database.

    fsync: for measuring. Kills of its processes, all that tests do to it, lose nothing that
    was written.
    settings: further lines for postgresql.conf, as a dict.
    fresh: with a system identifier of its own; the others are copies of one cluster.
    """

    def __init__(self, fsync=False, settings=None, fresh=False):
        self.bin = bindir()
        if not self.bin:
            raise FileNotFoundError("PostgreSQL's initdb was not found")
        self.options = {
            "listen_addresses": "''", "fsync": "on" if fsync else "off",
            "max_connections": 60, "shared_buffers": "'64MB'", "timezone": "'UTC'",
            "log_line_prefix": "'%m [%p] '", "log_min_messages": "warning",
            "client_min_messages": "warning", **(settings or {})}
        self.fresh, self._pool = fresh, libpq.Pool()
        self.process = None
        self.database = OWNER

    def __enter__(self):
        # As root the server runs as the user postgres, which must own the folder.
        owner = SUPERUSER if os.geteuid() == 0 else None
        self._temp = proc.temp_dir(owner)
        self.dir = self._temp.__enter__()
        try:
            self._create()
            self.start()
            if self.fresh:
                self.execute(f"CREATE ROLE {OWNER} LOGIN", "postgres")
                self.create_database(self.database)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exc):
        self.close()

    def _create(self):
        self.data = os.path.join(self.dir, "data")
        self.log = os.path.join(self.dir, "postgresql.log")
        if self.fresh:
            self._initdb()
        else:
            subprocess.run(["cp", "-a", _pattern(self.bin), self.data], check=True)
        options = {"unix_socket_directories": f"'{self.dir}'", **self.options}
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as f:
            f.writelines(f"{key} = {value}\n" for key, value in options.items())

    def _initdb(self):
        command = proc.as_user(SUPERUSER) + [
            os.path.join(self.bin, "initdb"), "-D", self.data, "-E", "UTF8",
            "--locale=C.UTF-8", "--no-sync", "-A", "trust", "-U", SUPERUSER]
        made = subprocess.run(command, capture_output=True, text=True, cwd=self.dir,
                              env=proc.clean_env(), check=False)
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stdout}{made.stderr}")

    def close(self):
        """Stops the server and removes the cluster."""
        try:
            if self.process:
                self.cont()
                self.stop("immediate")
        finally:
            self._temp.__exit__(None, None, None)

    # --- running it ----------------------------------------------------------

    def start(self):
        """Starts the server and waits until it takes connections."""
        # After a kill the old server's last processes may hold its shared memory.
        proc.wait_for(self._try_start, "PostgreSQL starts", detail=lambda: self.log_text()[-4000:])

    def _try_start(self):
        self.process = proc.Process(
            proc.as_user(SUPERUSER) + [os.path.join(self.bin, "postgres"), "-D", self.data],
            self.log, cwd=self.dir)
        proc.wait_for(lambda: self._ready() or not self.process.running(), "PostgreSQL is ready",
                      detail=lambda: self.log_text()[-4000:])
        if self.process.running():
            return True
        self.process = None
        return False

    def _ready(self):
        lines = proc.read_text(os.path.join(self.data, "postmaster.pid")).split("\n")
        return (len(lines) >= 8 and lines[0] == str(self.process.pid)
                and lines[7].strip() == "ready")

    def stop(self, mode="fast"):
        """mode: smart, fast or immediate, as in pg_ctl."""
        signum = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
        process, self.process = self.process, None
        self._pool.close()
        if process:
            process.stop(signum[mode])

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def kill9(self):
        """Kills every process of the server at once, as a crash of the machine would."""
        process, self.process = self.process, None
        process.kill(signal.SIGSTOP)
        pids = proc.children(process.pid)
        process.kill(signal.SIGKILL)
        for pid in pids:
            self._signal(pid, signal.SIGKILL)
        process.wait()
        proc.wait_for(lambda: not any(map(proc.alive, pids)), "PostgreSQL's processes end")

    def sigstop(self):
        """Freezes the server: connections stay open and nothing answers."""
        self.process.kill(signal.SIGSTOP)
        for pid in proc.children(self.process.pid):
            self._signal(pid, signal.SIGSTOP)

    def cont(self):
        """Undoes sigstop."""
        for pid in proc.children(self.process.pid):
            self._signal(pid, signal.SIGCONT)
        self.process.kill(signal.SIGCONT)

    @staticmethod
    def _signal(pid, signum):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)

    def log_text(self):
        return proc.read_text(self.log)

    # --- using it ------------------------------------------------------------

    def dsn(self, database=None, user=OWNER, **more):
        """libpq connection string."""
        parts = {"host": self.dir, "user": user, "dbname": database or self.database, **more}
        return " ".join(f"{k}={v}" for k, v in parts.items())

    def create_database(self, name, owner=OWNER, options=""):
        """An empty database, in place of one of that name. Returns the dsn of user millrace."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", "postgres")
        self.execute(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE template0 {options}",
                     "postgres")
        return self.dsn(name)

    def execute(self, sql, database=None, user=SUPERUSER):
        """Runs statements and returns what psql prints, unaligned. Raises SqlError."""
        if not _FOR_PSQL.search(sql):
            rows = self._pool.run(self.dsn(database, user), sql)
            return "".join("|".join(row) + "\n" for row in rows)
        command = [os.path.join(self.bin, "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1",
                   self.dsn(database, user)]
        done = subprocess.run(command, input=sql, capture_output=True, text=True,
                              encoding="utf-8", env=proc.clean_env(PGCLIENTENCODING="UTF8"),
                              check=False)
        if done.returncode:
            raise SqlError(done.stderr.strip())
        return done.stdout

    def query(self, sql, database=None, user=SUPERUSER):
        """Rows of one SELECT as dicts, with JSON's types (timestamps are text)."""
        rows = self._pool.run(self.dsn(database, user), "SELECT coalesce(json_agg(row_to_json(rows)), "
                              f"'[]') FROM ({sql}) AS rows")
        return json.loads(rows[0][0])

    def value(self, sql, database=None, user=SUPERUSER):
        """The only column of the first row, or None."""
        rows = self.query(sql, database, user)
        return next(iter(rows[0].values())) if rows else None

    def events(self, where="true", database=None):
        """Rows of the table events in the order of their ids."""
        return self.query(f"SELECT * FROM events WHERE {where} ORDER BY id", database)
