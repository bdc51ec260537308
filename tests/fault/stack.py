"""What is tortured: PostgreSQL, workers that are started again whenever they end, nginx in
front of them, a spool folder of their own, and the client that keeps books."""

import contextlib
import ctypes
import errno
import json
import os
import threading

import faultio
from harness import fcgi, proc, web

_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 0x4000, 0x40000

SEGMENT_HEADER = 36

# Recovery after a crash replays what came since the last checkpoint.
SETTINGS = {"checkpoint_timeout": "'30s'", "max_wal_size": "'512MB'"}


def private_mounts():
    """Lets this process mount what nobody else sees, and what vanishes with it. False: not
    allowed. Only before there are threads."""
    libc = ctypes.CDLL(None, use_errno=True)
    if (libc.unshare(_CLONE_NEWNS) or
            libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)):
        return False
    with proc.temp_dir() as folder:
        try:
            mount_tmpfs(folder, 4096)
        except OSError:
            return False
        umount(folder)
    return True


def mount_tmpfs(path, size):
    """Puts an empty file system of that many bytes on a folder."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, f"size={size},mode=0700".encode()):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)


def umount(path):
    ctypes.CDLL(None).umount2(path.encode(), 2)    # MNT_DETACH


class Slot:
    """One worker that is started again, by a thread, whenever it ends.

    The listening socket stays open meanwhile, so clients wait instead of being refused.
    """

    def __init__(self, stack, number):
        self.stack, self.number = stack, number
        self.deaths = []
        self._lock = threading.Lock()
        self._closing = False
        self.process = None
        self._start()
        self._thread = threading.Thread(target=self._respawn, daemon=True)
        self._thread.start()

    def _start(self):
        s = self.stack
        self.process = proc.Process([s.program, "-c", s.conffile],
                                    os.path.join(s.dir, f"worker{self.number}.log"),
                                    env=s.env, stdin=s.listening)

    def _respawn(self):
        while True:
            status = self.process.popen.wait()
            with self._lock:
                if status != -9:
                    self.deaths.append(status)
                if self._closing:
                    return
                self._start()

    def signal(self, send):
        """send: signals the process that it gets. Returns whether there was one."""
        with self._lock:
            if not self.process.running():
                return False
            send(self.process)
            return True

    def stop(self):
        """Ends it for good; returns the statuses of it and of its predecessors that were not
        killed."""
        with self._lock:
            self._closing = True
        fcgi.terminate(self.process)
        self.process.wait()
        self._thread.join()
        return self.deaths


class Stack(web.Nginx):
    """ini: more of it than the stack needs. workers: how many.
    spool_bytes: of the spool's file system, where one may be mounted; else its quota.
    clock: of workers and replayers; None where it cannot be changed.
    """

    def __init__(self, pg, ini=None, workers=2, spool_bytes=0, mounts=False, env=None):
        super().__init__(ini, env=dict(env or {}))
        self.pg, self.n_workers = pg, workers
        self.spool_bytes, self.mounts = spool_bytes, mounts and spool_bytes
        self.slots = []

    def _prepare(self):
        self.clock = faultio.Clock(self.dir) if faultio.works() else None
        self.more_env.update(self.clock.env if self.clock else {})
        self.spool = os.path.join(self.dir, "spool")
        os.mkdir(self.spool, 0o700)
        ours = {"database": {"url": self.pg.dsn()}, "millrace": {"log_level": "warning"},
                "spool": {"dir": self.spool}}
        if self.mounts:
            mount_tmpfs(self.spool, self.spool_bytes)
            self._stack.callback(umount, self.spool)
        elif self.spool_bytes:
            ours["spool"]["max_bytes"] = self.spool_bytes
        for name, keys in self.ini.items():
            ours.setdefault(name, {}).update(keys)
        self.ini = ours
        super()._prepare()

    def start_worker(self):
        self.listening = self._stack.enter_context(fcgi.listen(self.values["socket"]))
        self.slots = [Slot(self, i) for i in range(self.n_workers)]

    def pids(self):
        return [slot.process.pid for slot in self.slots if slot.process.running()]

    def _stop(self):
        if self.web:
            self.stop_web()
        bad = [status for slot in self.slots for status in slot.stop() if status]
        return f"workers ended by themselves with status {bad}" if bad else None

    # --- the spool -------------------------------------------------------------

    def list_spool(self):
        """Path within the spool and size of everything in it."""
        found = {}
        for folder, _, names in os.walk(self.spool):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(FileNotFoundError):
                    found[os.path.relpath(path, self.spool)] = os.path.getsize(path)
        return found

    def spooled(self):
        """How many segments have records."""
        return sum(name.endswith(".seg") and size > SEGMENT_HEADER
                   for name, size in self.list_spool().items())

    def ballast(self):
        """Fills the spool's file system to its last byte; unfill() undoes it."""
        with open(os.path.join(self.spool, "ballast"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError as e:
                if e.errno != errno.ENOSPC:
                    raise

    def unfill(self):
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(self.spool, "ballast"))


class Hammer:
    """The client (hammer.c). first_r: requests count from there, and are never used twice."""

    def __init__(self, stack, first_r, connections=24, rate=500, keyed=40, drain_s=proc.DEADLINE_S):
        self.ledger = os.path.join(stack.dir, f"ledger-{first_r}")
        self._out = os.path.join(stack.dir, f"hammer-{first_r}.out")
        self.process = proc.Process(
            [proc.built("tests", "fault", "hammer"), str(stack.port), str(first_r),
             str(connections), str(rate), str(keyed), str(drain_s), self.ledger], self._out)

    def progress(self):
        """Its last line of figures; {} before the first one."""
        lines = proc.read_text(self._out).splitlines()
        for line in reversed(lines):
            with contextlib.suppress(ValueError):
                return json.loads(line)
        return {}

    def acknowledged(self):
        p = self.progress()
        return sum(p.get(k, 0) for k in ("stored", "spooled", "duplicate"))

    def ask_to_stop(self):
        self.process.kill(15)

    def wait(self):
        status = self.process.wait(2 * proc.DEADLINE_S)
        if status:
            raise RuntimeError(f"hammer ended with status {status}\n{self.process.text()[-2000:]}")
