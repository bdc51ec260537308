"""make torture: rounds of load under kills, crashes and full disks.

Prints what was done and what came of it; exits with 1 when an acknowledged event was lost
or stored twice, or anything else is not as it must be. Each round has a seed of its own, so
that one can be repeated: --seed S --first N --rounds 1 (the same harm in the same order; the
moments still depend on the machine).
"""

import argparse
import collections
import os
import random
import subprocess
import sys
import time

import faults
import ledger
import stack as stacks
from harness import postgres, proc

R_PER_ROUND = 10 ** 9
RUDE_R = R_PER_ROUND // 2
SPOOL_BYTES = 4 << 20

# Requests in the spool wait for the database: a short patience makes for more of them.
INI = {"database": {"connect_timeout_ms": 1000, "query_timeout_ms": 1000},
       "spool": {"segment_bytes": 256 << 10, "reserve_bytes": 0}}

COUNTS = ("worker kills", "worker restarts", "crashes -m immediate", "crashes kill -9",
          "freezes", "disk full", "clock jumps", "rude clients", "replayers", "replayer kills")


class Round:
    """number: of the round; with the seed it decides what is done.
    kills, acknowledged: the round lasts until there were so many.
    clock: the workers' clock jumps, so that the times of what is stored mean nothing.
    """

    def __init__(self, stack, number, seed, kills=10, acknowledged=50000, rate=700, plan=None,
                 clock=False):
        self.stack, self.pg, self.number = stack, stack.pg, number
        self.seed = f"{seed}-{number}"
        self.kills, self.acknowledged, self.rate = kills, acknowledged, rate
        self.plan = list(plan or self._plan())
        self.done = collections.Counter()
        self.clock = clock and stack.clock
        self.ledgers = []     # files
        self.errors = []      # what did not happen as it was to

    def _plan(self):
        rng = random.Random(self.seed)
        plan = ["immediate", "full", rng.choice(("kill9", "postmaster")),
                rng.choice(("kill9", "backend")), "frozen"]
        rng.shuffle(plan)
        return plan

    def run(self, deadline_s=proc.DEADLINE_S):
        """Returns the verdict over this round's requests."""
        after = ledger.newest(self.pg)
        hammer = stacks.Hammer(self.stack, self.number * R_PER_ROUND, rate=self.rate)
        rude = faults.RudeClients(self.stack, self.seed, self.number * R_PER_ROUND + RUDE_R)
        self.ledgers = [hammer.ledger, rude.book.path]
        try:
            self._harm(hammer, rude, deadline_s)
        finally:
            hammer.ask_to_stop()
        hammer.wait()
        drain(self.stack)
        return ledger.compare(self.pg, self.ledgers, after, timed=not self.clock)

    def _harm(self, hammer, rude, deadline_s):
        database = faults.DatabaseFaults(self.stack, self.seed, self.plan, hammer)
        workers = faults.WorkerKills(self.stack, self.seed)
        harm = [database, workers, rude, faults.Replayers(self.stack, self.seed)]
        if self.clock:
            harm.append(faults.ClockJumps(self.stack, self.seed))

        def enough():
            return (database.finished and workers.done["worker kills"] >= self.kills
                    and hammer.acknowledged() >= self.acknowledged)
        for fault in harm:
            fault.start()
        try:
            proc.wait_for(lambda: enough() or any(fault.error for fault in harm),
                          f"round {self.number}", deadline_s)
        except TimeoutError as e:
            self.errors.append(f"{e}: {dict(workers.done)} {database.plan} {hammer.progress()}")
        for fault in harm:
            fault.stop()
            self.done += fault.done
            if fault.error:
                self.errors.append(str(fault.error))


def drain(stack):
    """Waits until everything in the spool is stored."""
    program = faults.replayer(stack)

    def drained():
        if program:
            subprocess.run([program, "-c", stack.conffile], env=stack.env, check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return stack.spooled() == 0
    proc.wait_for(drained, "the spool is stored",
                  detail=lambda: f"{stack.list_spool()}\n{stack.everything()}")


def books(stack):
    """(whether they balance, what millrace-check says); (None, "") without it."""
    program = os.path.join(os.path.dirname(os.path.dirname(stack.program)), "cron",
                           "millrace-check")
    if not os.access(program, os.X_OK):
        return None, ""
    done = subprocess.run([program, "-c", stack.conffile, "--books"], env=stack.env, text=True,
                          capture_output=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


class Report:
    def __init__(self):
        self.done = collections.Counter()
        self.figures = collections.Counter()
        self.wrong = collections.Counter()
        self.errors = []
        self.began = time.monotonic()

    def add(self, one, verdict):
        self.done += one.done
        self.figures.update(verdict.figures)
        self.wrong.update(verdict.wrong)
        self.errors += one.errors
        print(f"round {one.number} ({', '.join(one.plan)}): "
              f"{one.done['worker kills']} kills, {verdict.figures['acknowledged']} acknowledged"
              f", {verdict.figures['stored']} stored, "
              f"{verdict.text() or 'nothing lost, nothing twice'}"
              f"{''.join(chr(10) + error for error in one.errors)} [{time.monotonic() - self.began:.0f} s]", flush=True)

    def print(self, books_text):
        for title, counts in (("done", {k: self.done[k] for k in COUNTS}),
                              ("events", self.figures),
                              ("wrong", {"lost": 0, "doubled": 0, **self.wrong})):
            print(f"\n{title}")
            for name, n in counts.items():
                print(f"  {name:<26}{n:>12,}")
        print(f"\nbooks\n  {books_text.strip() or 'millrace-check is not built'}")


def parse():
    p = argparse.ArgumentParser(prog="make torture TORTUREFLAGS=")
    p.add_argument("--rounds", type=int, default=20)
    p.add_argument("--first", type=int, default=1, help="number of the first round")
    p.add_argument("--seed", default=str(int(time.time())))
    p.add_argument("--kills", type=int, default=10, help="of workers, in each round")
    p.add_argument("--events", type=int, default=52000, help="acknowledged in each round")
    p.add_argument("--rate", type=int, default=700, help="requests a second")
    p.add_argument("--keep", help="folder that gets the ledgers and logs when something is wrong")
    return p.parse_args()


def keep(stack, folder):
    subprocess.run(["cp", "-r", stack.dir, folder], check=False)
    print(f"ledgers and logs: {folder}")


def main():
    options = parse()
    mounts = stacks.private_mounts()
    report, files = Report(), []
    print(f"seed {options.seed}; the spool is on "
          + ("a tmpfs" if mounts else "a quota: mounting is not allowed here"), flush=True)
    with postgres.Postgres(True, stacks.SETTINGS) as pg, \
            stacks.Stack(pg, INI, spool_bytes=SPOOL_BYTES, mounts=mounts) as stack:
        stack.wait_healthy()
        try:
            for number in range(options.first, options.first + options.rounds):
                one = Round(stack, number, options.seed, options.kills, options.events,
                            options.rate, clock=number % 4 == 0)
                report.add(one, one.run())
                files += one.ledgers
            total = ledger.compare(pg, files, timed=False)
            report.wrong = collections.Counter(total.wrong)
            if total.wrong:
                print(f"all rounds together: {total.text()}")
            balanced, text = books(stack)
        finally:
            if options.keep and (report.wrong or report.errors or sys.exc_info()[0]):
                keep(stack, options.keep)
    report.print(text)
    return 1 if report.wrong or report.errors or balanced is False else 0


if __name__ == "__main__":
    postgres.need()
    sys.exit(main())
