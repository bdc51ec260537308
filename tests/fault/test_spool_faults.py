"""The Nth file operation in the spool fails, or is the last one before a kill, for every N: no
false acknowledgement, no crash, no leak; nothing lost and nothing twice after the replay."""

import itertools
import os

import faultio
import ledger
from harness import postgres, proc, tap

REQUESTS = 6
AGENT = "x" * 1400    # a few requests fill a segment
MOST = 60          # operations of a kind; each is tried

# What a commit does not write itself stays in memory for long.
LAZY = {"wal_writer_delay": "'10s'"}

# (operation, what happens, what fails always besides). Of the worker, then of the replayer.
WRITING = [("open", "EMFILE"), ("write", "ENOSPC"), ("write", "short"), ("write", "EIO"),
           ("write", "short", "truncate"), ("sync", "lose"), ("sync", "after"),
           ("write", "after"), ("open", "after"), ("rename", "EIO"), ("rename", "after")]
REPLAYING = [("unlink", "before"), ("unlink", "after"), ("unlink", "EIO"), ("open", "EMFILE"),
             ("rename", "before"), ("write", "ENOSPC"), ("sync", "lose")]


class Bench:
    """What all cases share: the folder, the ledger, the spools that are to be replayed."""

    def __init__(self, folder, dsn):
        self.folder = folder
        self.book = ledger.Writer(os.path.join(folder, "ledger"), faultio.first_r(1))
        self.replay = faultio.Replay(folder, dsn)
        self.spools = []

    def spool(self):
        path = os.path.join(self.folder, f"spool{len(self.spools)}")
        os.mkdir(path, 0o700)
        self.spools.append(path)
        return path

    def mark(self):
        return os.path.join(self.folder, f"mark{len(self.spools)}")


def write_under(t, bench, op, do, also=None):
    """The worker's side."""
    for n in itertools.count(1):
        spool, mark = bench.spool(), bench.mark()
        env = faultio.env(spool, op, n, do, mark, also)
        with faultio.SpoolingWorker(spool, agent=AGENT, env=env) as w:
            statuses = w.post(bench.book, REQUESTS)
        if not os.path.exists(mark):
            t.is_(statuses, [202] * REQUESTS, f"{n - 1} operations, then all are acknowledged")
            return
        if do == "after":
            t.is_((w.status, set(statuses) - {202, 503, 0}), (-9, set()), f"killed at {n}")
        else:
            t.is_((w.status, statuses.count(202) >= REQUESTS - 1, set(statuses) - {202, 503}),
                  (0, True, set()), f"at {n} at most one is refused: {statuses}")
        if n == MOST:
            return t.fail(f"ends within {MOST}")


def replay_under(t, bench, op, do):
    """The replayer's side; the next replay completes what this one did not."""
    for n in itertools.count(1):
        spool, mark = bench.spool(), bench.mark()
        with faultio.SpoolingWorker(spool, agent=AGENT) as w:
            t.is_(w.post(bench.book, REQUESTS), [202] * REQUESTS, f"spooled for {n}")
        bench.replay.run(spool, faultio.env(spool, op, n, do, mark))
        status = bench.replay.run(spool)
        t.is_((status, left(spool)), (0, []), f"the replay after {n} completes it")
        if not os.path.exists(mark):
            return
        if n == MOST:
            return t.fail(f"ends within {MOST}")


def crash_behind(t, bench, pg):
    """What was taken from the spool is on disk, also for those who do without elsewhere."""
    spool = bench.spool()
    with faultio.SpoolingWorker(spool, agent=AGENT) as w:
        t.is_(w.post(bench.book, 4 * REQUESTS), [202] * 4 * REQUESTS, "spooled")
    hasty = faultio.Replay(bench.folder, bench.replay.dsn, {"synchronous_commit": "off"})
    t.is_((hasty.run(spool), left(spool)), (0, []), "replayed")
    pg.kill9()
    pg.start()


def left(spool):
    return [name for name in os.listdir(spool) if name.endswith(".seg")]


postgres.need()
if not faultio.works():
    tap.skip_all("programs of this build cannot be preloaded")
with tap.Suite() as t, postgres.Postgres(settings=LAZY) as pg, proc.temp_dir() as folder:
    bench = Bench(folder, pg.dsn())
    for fault in WRITING:
        with t.case(f"worker, {' '.join(fault)}"):
            write_under(t, bench, *fault)
    with t.case("replay"):
        for spool in bench.spools:
            t.is_((bench.replay.run(spool), left(spool)), (0, []), os.path.basename(spool))
    for op, do in REPLAYING:
        with t.case(f"replay, {op} {do}"):
            replay_under(t, bench, op, do)
    with t.case("PostgreSQL is killed behind a replay"):
        crash_behind(t, bench, pg)
    with t.case("in the end"):
        verdict = ledger.compare(pg, [bench.book.path])
        tap.diag(verdict.figures)
        t.is_(verdict.text(), "", "nothing lost, nothing twice")
        t.is_(bench.replay.reports(), "", "no sanitizer reports")
