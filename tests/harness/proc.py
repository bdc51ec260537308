"""Processes, temporary folders, free ports, and waiting for a condition."""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import tap

SRCDIR = os.environ.get("MR_SRCDIR") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "..", ".."))
BUILDDIR = os.environ.get("MR_BUILDDIR") or os.path.join(SRCDIR, "build")

# When a wait is given up. It is there to end what hangs, however slow the machine; nothing
# is asserted about how long it took.
DEADLINE_S = 900

# The server's programs often lie outside an ordinary user's path.
_PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"

# Settings of the person who runs the tests that would change what is tested.
_FOREIGN = ("PG", "MILLRACE_", "POSTGRES_", "AWS_", "CLIENT_S3_")
_FOREIGN_NAMES = ("DATABASE_URL", "ENVIRONMENT", "EXPORT_FORMAT", "http_proxy", "HTTP_PROXY",
                  "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
                  "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")


def clean_env(**more):
    """The environment without settings that would reach the programs under test."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(_FOREIGN) and k not in _FOREIGN_NAMES}
    env["PATH"] = _PATH
    env.update({k: str(v) for k, v in more.items() if v is not None})
    return env


def has_sanitizers():
    """Whether the programs under test were built with them, and are slow."""
    with open(os.path.join(BUILDDIR, "fcgi", "millrace.fcgi"), "rb") as f:
        return b"__asan_init" in f.read()


def faketime():
    """The library that gives a program another clock; None: not installed, or the build has
    sanitizers, beside which it hangs now and then."""
    if has_sanitizers():
        return None
    return next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)


def find(program, *folders):
    """Path of a program, or None; folders are looked at first."""
    for folder in folders:
        if os.access(os.path.join(folder, program), os.X_OK):
            return os.path.join(folder, program)
    return shutil.which(program, path=_PATH)


def need(*programs):
    """Skips the whole test program when one of these is not installed."""
    for program in programs:
        if not find(program):
            tap.skip_all(f"{program} is not installed")


def built(*path):
    """Path of a program of the build; the test program is skipped without it."""
    path = os.path.join(BUILDDIR, *path)
    if not os.access(path, os.X_OK):
        tap.skip_all(f"{path} is not built")
    return path


def worker_path():
    """The millrace.fcgi under test."""
    return built("fcgi", "millrace.fcgi")


@contextlib.contextmanager
def temp_dir(owner=None):
    """A folder of its own, removed at the end. Its path is short, for unix sockets."""
    base = tempfile.gettempdir()
    path = tempfile.mkdtemp(prefix="mr-", dir=base if len(base) <= 40 else "/tmp")
    try:
        if owner:
            shutil.chown(path, owner)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Port:
    """A TCP port of 127.0.0.1, kept until close() for a server that is told its number.

    It is bound and nothing listens, so that no other program is given it; a server that sets
    SO_REUSEADDR, as they all do, can listen there.
    """

    def __init__(self):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number = self._socket.getsockname()[1]

    def __enter__(self):
        return self.number

    def __exit__(self, *_exc):
        self.close()

    def close(self):
        self._socket.close()


def wait_for(condition, what, deadline_s=DEADLINE_S, detail=None):
    """Calls condition() until it is true and returns its value, or raises TimeoutError."""
    end = time.monotonic() + deadline_s
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise TimeoutError(f"{what}: not within {deadline_s} s" +
                               (f"\n{detail()}" if detail else ""))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def as_user(name):
    """The command prefix that runs what follows as this user; empty when not root."""
    if os.geteuid() != 0:
        return []
    entry = pwd.getpwnam(name)
    return [find("setpriv"), f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}",
            "--clear-groups", "--"]


def children(pid):
    """Process ids of the direct children."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="latin-1") as f:
                if int(f.read().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(name))
        except (OSError, IndexError, ValueError):
            pass
    return found


def alive(pid):
    """Whether the process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def rss_kib(pid, peak=False):
    """Resident memory of a process in KiB, as it is, or the most that it ever was."""
    field = "VmHWM:" if peak else "VmRSS:"
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith(field):
                return int(line.split()[1])
    raise ProcessLookupError(pid)


def read_text(path):
    """The file's text; "" when there is none yet, or in /proc none any more."""
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Process:
    """A program that runs until it is stopped; its output goes to a file."""

    def __init__(self, command, output, env=None, stdin=subprocess.DEVNULL, cwd=None):
        self.name = os.path.basename(command[0])
        self.output = output
        with open(output, "ab") as f:
            self.popen = subprocess.Popen(command, stdin=stdin, stdout=f, stderr=f, cwd=cwd,
                                          env=clean_env() if env is None else env,
                                          start_new_session=True)
        self.pid = self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def text(self):
        """What it has written so far."""
        return read_text(self.output)

    def kill(self, signum):
        """Sends the signal, unless the program has ended."""
        self.popen.send_signal(signum)

    def wait(self, deadline_s=DEADLINE_S):
        """Waits for its end and returns the exit status (negative: the signal)."""
        try:
            return self.popen.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise TimeoutError(f"{self.name} did not end within {deadline_s} s\n"
                               f"{self.text()[-4000:]}") from None

    def stop(self, signum=signal.SIGTERM, deadline_s=DEADLINE_S):
        """Sends the signal, waits, and returns the exit status."""
        self.kill(signum)
        return self.wait(deadline_s)
