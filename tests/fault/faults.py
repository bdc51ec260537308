"""What goes wrong: each class is one kind of harm, done again and again by a thread of its own
between start() and stop(). The counts of what was done are in `done`."""

import collections
import os
import random
import signal
import threading

import ledger
from harness import fcgi, postgres, proc


class Fault:
    """name: of its seed and its messages. pause_s: (least, most) seconds between two."""

    pause_s = (0.5, 2.0)

    def __init__(self, stack, seed):
        self.stack, self.pg = stack, stack.pg
        self.random = random.Random(f"{seed}-{type(self).__name__}")
        self.done = collections.Counter()
        self.error = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        """Waits until what it does is undone. `error` is what went wrong in it."""
        self._end.set()
        self._thread.join()

    def pause(self, least, most):
        """False: it is to end."""
        return not self._end.wait(self.random.uniform(least, most))

    def _run(self):
        try:
            while self.pause(*self.pause_s):
                self.harm()
        except Exception as e:    # pylint: disable=broad-except
            self.error = e

    def harm(self):
        raise NotImplementedError


class WorkerKills(Fault):
    """kill -9 of any worker; now and then one is asked to end, as for an upgrade."""

    pause_s = (0.3, 2.5)

    def harm(self):
        what, send = (("worker kills", lambda process: process.kill(signal.SIGKILL))
                      if self.random.random() < 0.85 else ("worker restarts", fcgi.terminate))
        if self.random.choice(self.stack.slots).signal(send):
            self.done[what] += 1


class DatabaseFaults(Fault):
    """PostgreSQL crashes, or freezes, and comes back: each of the plan's kinds once, in turn.

    hammer: tells when the spool is full. finished: the plan is done.
    """

    pause_s = (1.0, 3.0)

    def __init__(self, stack, seed, plan, hammer):
        super().__init__(stack, seed)
        self.plan, self.hammer = list(plan), hammer
        self.finished = False

    def harm(self):
        if not self.plan:
            self.finished = True
            return
        getattr(self, "_" + self.plan.pop(0))()
        self.finished = not self.plan

    def _immediate(self):
        self.pg.stop("immediate")
        self._come_back("crashes -m immediate")

    def _kill9(self):
        self.pg.kill9()
        self._come_back("crashes kill -9")

    def _postmaster(self):
        """Its backends may still commit when the postmaster is dead."""
        process, self.pg.process = self.pg.process, None
        process.kill(signal.SIGKILL)
        process.wait()
        self._come_back("crashes kill -9")

    def _backend(self):
        """The postmaster ends all others then, and recovers by itself."""
        proc.wait_for(self._kill_child, "a process of PostgreSQL can be killed")
        self.done["crashes kill -9"] += 1
        proc.wait_for(self._answers, "PostgreSQL recovers", detail=self.pg.log_text)

    def _kill_child(self):
        try:
            os.kill(self.random.choice(proc.children(self.pg.process.pid)), signal.SIGKILL)
        except (ProcessLookupError, IndexError):
            return False    # it has just ended by itself
        return True

    def _answers(self):
        try:
            return self.pg.value("SELECT 1 AS one") == 1
        except postgres.SqlError:
            return False

    def _come_back(self, what):
        self.done[what] += 1
        self.pause(0.0, 3.0)
        self.pg.start()

    def _frozen(self):
        self.pg.sigstop()
        self.done["freezes"] += 1
        self.pause(1.0, 6.0)
        self.pg.cont()

    def _full(self):
        """No room in the spool while the database is away; then room again, then the database."""
        self.pg.stop("immediate")
        self.done["crashes -m immediate"] += 1
        self.pause(0.0, 1.0)
        before = self.hammer.progress().get("answers_503", 0)
        if self.stack.mounts:
            self.stack.ballast()
        try:
            proc.wait_for(lambda: self.hammer.progress().get("answers_503", 0) > before + 20,
                          "a full spool refuses")
            self.done["disk full"] += 1
            self.pause(0.0, 1.0)
        finally:
            self.stack.unfill()
        self.pause(0.0, 1.0)
        self.pg.start()


class ClockJumps(Fault):
    """The clock of the workers jumps, mostly by seconds, sometimes by days; in the end it is
    right again."""

    pause_s = (0.2, 2.0)
    SECONDS = (0, 0, 1, -1, 10, -10, 3600, -3600, 86400, -86400, 3 * 86400, -3 * 86400)

    def harm(self):
        self.stack.clock.set(self.random.choice(self.SECONDS))
        self.done["clock jumps"] += 1

    def stop(self):
        super().stop()
        self.stack.clock.set(0)


class Replayers(Fault):
    """Runs cron/millrace-replay, one or two at once, and kills a part of them."""

    pause_s = (0.5, 2.0)

    def harm(self):
        program = replayer(self.stack)
        if not program:
            return
        running = [proc.Process([program, "-c", self.stack.conffile],
                                os.path.join(self.stack.dir, f"replay{i}.log"),
                                env=self.stack.env) for i in range(self.random.choice((1, 1, 2)))]
        self.done["replayers"] += len(running)
        if self.random.random() < 0.5:
            self.pause(0.0, 0.15)
            for process in running:
                if process.running():
                    process.kill(signal.SIGKILL)
                    self.done["replayer kills"] += 1
        for process in running:
            process.wait()


def replayer(stack):
    """Path of millrace-replay, or None when it is not built."""
    path = os.path.join(os.path.dirname(os.path.dirname(stack.program)), "cron",
                        "millrace-replay")
    return path if os.access(path, os.X_OK) else None


class RudeClients(Fault):
    """Clients that cut their request short, or never read the answer; to the worker itself, as
    nginx would keep most of it away. Writes a ledger of its own, like hammer's.

    first_r: its requests count from there.
    """

    pause_s = (0.02, 0.2)
    def __init__(self, stack, seed, first_r):
        super().__init__(stack, seed)
        self.book = ledger.Writer(os.path.join(stack.dir, f"ledger-{first_r}"), first_r)
        self._held = collections.deque()    # connections whose answers nobody reads

    def stop(self):
        super().stop()
        while self._held:
            self._held.popleft().close()

    def harm(self):
        what = self.random.choice(("cut", "cut", "mute", "mute", "greedy"))
        try:
            getattr(self, "_" + what)()
            self.done["rude clients"] += 1
        except OSError:
            pass    # the worker was killed meanwhile
        while len(self._held) > 8:
            self._held.popleft().close()

    def _begin(self, path, body, method="POST"):
        connection = fcgi.Connection(self.stack.values["socket"])
        connection.begin()
        connection.params(fcgi.make_params(method, path, body, remote_addr="127.0.0.1"))
        return connection

    def _cut(self):
        """The connection ends within the body: nothing of it may be stored."""
        r, body, now = self.book.event()
        self.book.note(r, ledger.CUT, now)
        with self._begin("/collect", body) as connection:
            connection.stdin(body[:self.random.randrange(len(body))])

    def _mute(self):
        """Nobody reads the answer: it may be stored, once."""
        r, body, now = self.book.event()
        self.book.note(r, 0, now)
        connection = self._begin("/collect", body)
        connection.stdin(body)
        connection.end_stdin()
        self._held.append(connection)

    def _greedy(self):
        """Asks for much more than a socket holds, and reads nothing of it."""
        connection = self._begin("/events/recent?limit=500", b"", "GET")
        connection.end_stdin()
        self._held.append(connection)
