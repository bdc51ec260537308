"""The preloaded faults of faultio.c, and a worker or replayer that runs under them."""

import os
import struct
import subprocess

from harness import fcgi, proc, sanitizer

# No server listens there.
AWAY = {"url": "host=/nonexistent dbname=millrace", "connect_timeout_ms": 1000,
        "query_timeout_ms": 1000}


def library():
    return proc.built("tests", "fault", "faultio.so")


def works():
    """Whether programs under test can be run with it: some sanitizers refuse to."""
    done = subprocess.run([proc.worker_path(), "--version"], env=proc.clean_env(LD_PRELOAD=library()),
                          capture_output=True, check=False)
    return done.returncode == 0 and not done.stderr


def env(folder, op, n, do, mark, also=None):
    """The n-th such operation below the folder fails; see faultio.c."""
    return {"LD_PRELOAD": library(), "FAULTIO_DIR": folder, "FAULTIO_OP": op, "FAULTIO_N": n,
            "FAULTIO_DO": do, "FAULTIO_ALSO": also, "FAULTIO_MARK": mark}


class Clock:
    """The offset of the clock of all processes that have env."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "clock")
        self.env = {"LD_PRELOAD": library(), "FAULTIO_CLOCK": self.path}
        self.set(0)

    def set(self, seconds):
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(fd, struct.pack("=q", int(seconds * 1000000)))    # in place: it is mapped
        os.close(fd)


class SpoolingWorker(fcgi.Worker):
    """A worker whose database is away, so that everything goes to the spool.

    agent: the User-Agent of all requests, which makes records as large as wanted.
    It may be killed: `status` tells how it ended.
    """

    def __init__(self, spool, segment_bytes="4k", agent="fault", **more):
        super().__init__({"database": AWAY,
                          "spool": {"dir": spool, "reserve_bytes": 0,
                                    "segment_bytes": segment_bytes}}, **more)
        self.agent = agent

    def __exit__(self, kind, value, tb):
        if self.process.running():
            self.terminate()
        self.status = self.process.wait()
        reports = self.reports()
        self._stack.close()
        if reports:
            raise AssertionError(f"sanitizer report:\n{reports}")

    def post(self, book, n):
        """Posts n events, as long as they are answered; returns the statuses."""
        statuses = []
        while len(statuses) < n and 0 not in statuses:
            r, body, began = book.event()
            try:
                status = fcgi.request(self.address, "POST", "/collect", body,
                                      headers={"User-Agent": self.agent}).status
            except OSError:
                status = 0
            book.note(r, status, began)
            statuses.append(status)
        return statuses


class Replay:
    """Runs millrace-replay on a spool. database: further keys of that section."""

    def __init__(self, folder, dsn, database=None):
        self.folder, self.dsn, self.database = folder, dsn, database or {}
        self.program = os.path.join(proc.BUILDDIR, "cron", "millrace-replay")

    def conf(self, spool):
        path = os.path.join(self.folder, "replay-" + os.path.basename(spool) + ".ini")
        with open(path, "w", encoding="utf-8") as f:
            f.write(fcgi.ini_text(fcgi.with_defaults(
                {"database": {"url": self.dsn, **self.database}, "spool": {"dir": spool}}, self.folder)))
        return path

    def start(self, spool, more_env=None, args=()):
        return proc.Process([self.program, "-c", self.conf(spool), *args],
                            os.path.join(self.folder, "replay.log"),
                            env=proc.clean_env(**sanitizer.env(self.folder), **(more_env or {})))

    def run(self, spool, more_env=None, args=()):
        """Returns the exit status."""
        return self.start(spool, more_env, args).wait()

    def reports(self):
        return sanitizer.reports(self.folder)


def first_r(number):
    """Where the requests of a test of this number count from: apart from every hammer's."""
    return 900 * 10 ** 9 + number * 10 ** 6
