"""make bench: ratios of millrace to other things, taken in one run on one machine.

Every side of a ratio uses the same private PostgreSQL, the same table and the same
load; the sides take turns and a ratio is the median over the turns, because a shared
machine is never equally fast twice. After each run the rows stored are held against
the events acknowledged, or those exported against the table: any difference ends the
benchmark with status 1. How fast anything was never does.
"""

import argparse
import contextlib
import os
import platform
import signal
import statistics
import sys
import traceback

import exports
import load
import servers
from bodies import rows, write
from harness import postgres, proc

MEASURES = {
    "a": "the stack it succeeds: FastAPI + SQLAlchemy",
    "b": "a FastCGI responder that does nothing",
    "c": "batches of 1,000 and the ceiling of libpq",
    "d": "latency at half load",
    "e": "memory of the worker over a million events",
    "f": "group commit and one statement a request",
    "g": "an outage: events go to the spool",
    "h": "what the ledger and batchIds cost",
    "i": "exports to a folder and COPY",
    "j": "exports to S3 and COPY",
    "k": "the export of the stack it succeeds: SQLAlchemy + boto3",
    "l": "memory of the exporter in a long run",
}
# A cluster that has been at work takes its old WAL files again; one that is new would
# make them, a file of 16 MiB at a time, while the first runs are measured.
AGE = """CREATE TABLE age AS SELECT repeat(md5(i::text), 60) FROM generate_series(1, 250000) AS i;
DROP TABLE age; CHECKPOINT;"""
# Those that no load generator is needed for.
LOADLESS = set("ijkl")
# Only when asked for: it takes some ten minutes, and 10 GB of the disk.
LONG = set("l")


class Bench:
    """The cluster, the sides as they are needed, and the lines of the result."""

    def __init__(self, options, stack, pg, folder):
        self.options, self.stack, self.pg, self.folder = options, stack, pg, folder
        self.lines, self.wrong = [], []
        self.runs = 0
        self.maxima = {}
        self.sides = {}
        self.exports = exports.Exports(self)
        pg.execute(AGE, "postgres")

    # --- sides ----------------------------------------------------------------

    def side(self, name):
        """A side by its name, started when first used; raises servers.Missing."""
        if name not in self.sides:
            make = getattr(servers, name)
            self.sides[name] = make(self.stack, self.pg, self.folder, self.options)
            self.wrk(name, 0, seconds=1, quiet=True)
        return self.sides[name]

    # --- runs -----------------------------------------------------------------

    def new_bodies(self, members, keyed=False):
        """A file of bodies with a site of its own, by which its rows are found."""
        self.runs += 1
        site = f"bench-{self.runs:04d}"
        path = os.path.join(self.folder, "bodies")
        write(path, site, members, keyed=keyed)
        return site, path

    def wrk(self, name, members, seconds=None, quiet=False, connections=load.CONNECTIONS,
            keyed=False):
        side = self.side(name)
        site, path = self.new_bodies(members, keyed)
        self.clean(side)
        side.before()
        before = self.cpu_s(side)
        done = load.wrk(side.url, path, seconds or self.options.seconds, connections)
        done.cpu_s = self.cpu_s(side) - before
        side.after()
        self.check(side, site, members, done, quiet)
        return done

    def pacer(self, name, members, rate, seconds):
        side = self.side(name)
        site, path = self.new_bodies(members)
        self.clean(side)
        done = load.pacer(side.port, side.path, path, rate, seconds)
        self.check(side, site, members, done)
        return done

    def loader(self, members, connections, ledger=True):
        side = self.side("millrace")
        site, path = self.new_bodies(members)
        self.clean(side)
        done = load.loader(side.dsn, path, self.options.seconds, connections, ledger)
        stored = self.settled(side, site)
        self.report(f"loader, {connections} connection(s){'' if ledger else ', no ledger'}", site, done.accepted * rows(members),
                    done.accepted * rows(members), stored, 0, done, False)
        return done

    def cpu_s(self, side):
        """Processor time so far of the side, its web server and PostgreSQL."""
        postmaster = self.pg.process.pid
        return load.cpu_s([*side.pids(), *side.web_pids(), postmaster,
                           *proc.children(postmaster)])

    def clean(self, side):
        """The same start for every run: an empty table and no checkpoint due."""
        if side.database:
            self.pg.execute("TRUNCATE events; TRUNCATE dedup_keys; TRUNCATE rejected_events; "
                            "TRUNCATE ingest_groups;",
                            side.database)
        self.pg.execute("CHECKPOINT", "postgres")

    # --- correctness ----------------------------------------------------------

    def settled(self, side, site):
        """Rows of a run, counted when nothing more is being written."""
        busy = ("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
                "AND state <> 'idle' AND pid <> pg_backend_pid()")
        counts = []

        def still():
            counts.append((self.pg.value(f"SELECT count(*) FROM events WHERE site_id = '{site}'",
                                         side.database),
                           self.pg.value(busy, side.database)))
            return len(counts) > 1 and counts[-1] == counts[-2] and counts[-1][1] == 0
        proc.wait_for(still, "the last rows are written")
        return counts[-1][0]

    def check(self, side, site, members, done, quiet=False):
        """acknowledged <= stored <= acknowledged + what was under way at the end, and
        every request is in the table as a whole, once."""
        if not side.database:
            return
        stored = self.settled(side, site)
        torn = self.pg.value(
            f"SELECT count(*) FROM (SELECT FROM events WHERE site_id = '{site}' "
            f"GROUP BY session_id HAVING count(*) <> {rows(members)}) AS torn", side.database)
        low = done.accepted * rows(members)
        self.report(side.title, site, low, low + done.slack * rows(members), stored, torn,
                    done, quiet)

    def report(self, title, site, low, high, stored, torn, done, quiet):
        good = low <= stored <= high and torn == 0 and done.accepted > 0
        if not quiet or not good or done.refused:
            print(f"  {site}  {title:<24} {done.rate:>9,.0f}/s  acknowledged {low:,}, "
                  f"stored {stored:,} (at most {high:,}), torn or doubled {torn}"
                  f"{f', refused {done.refused:,}' if done.refused else ''}: "
                  f"{'ok' if good else 'WRONG'}", flush=True)
        if not good:
            self.wrong.append(f"{title}, {site}")

    # --- ratios ---------------------------------------------------------------

    def turns(self, one, other):
        """Medians of the rates of both sides and of their ratio, the sides taking turns."""
        pairs = [(one(), other()) for _ in range(self.options.pairs)]
        return (statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs),
                statistics.median(a / b for a, b in pairs))

    def versus(self, label, name, other, members, floor):
        pairs = [(self.wrk(name, members), self.wrk(other, members))
                 for _ in range(self.options.pairs)]
        for side, i in ((name, 0), (other, 1)):
            self.maxima[side, members] = statistics.median(pair[i].rate for pair in pairs)
        self.compare(label, pairs, floor)

    def compare(self, label, pairs, floor):
        """Rates and processor time of pairs of runs."""
        self.ratio(label, f"{statistics.median(a.rate for a, _ in pairs):,.0f}/s",
                   f"{statistics.median(b.rate for _, b in pairs):,.0f}/s",
                   statistics.median(a.rate / b.rate for a, b in pairs), floor)
        self.row("   its processor time a request",
                 f"{statistics.median(a.cpu_us for a, _ in pairs):,.0f} µs",
                 f"{statistics.median(b.cpu_us for _, b in pairs):,.0f} µs",
                 f"{statistics.median(b.cpu_us / a.cpu_us for a, b in pairs):.2f}")

    def ratio(self, label, ours, theirs, ratio, floor):
        if floor is None:
            self.row(label, ours, theirs, f"{ratio:.2f}")
        else:
            self.row(label, ours, theirs, f"{ratio:.2f}", f"at least {floor:g}", ratio >= floor)

    def row(self, label, ours, theirs, ratio="", goal="", met=True):
        if goal:
            goal += ": met" if met else ": MISSED"
        self.lines.append((label, ours, theirs, ratio, goal))

    def maximum(self, name, members):
        """The measured maximum rate, measured now if no earlier ratio needed it."""
        if (name, members) not in self.maxima:
            self.maxima[name, members] = statistics.median(
                self.wrk(name, members).rate for _ in range(self.options.pairs))
        return self.maxima[name, members]

    # --- the measures ---------------------------------------------------------

    def measure_a(self):
        self.side("peer")
        self.versus("a  single events : FastAPI", "millrace", "peer", 0, 18)
        self.versus("a  batches of 10 : FastAPI", "millrace", "peer", 10, 12)
        self.side("tuned")
        self.versus("a  single events : FastAPI, tuned", "millrace", "tuned", 0, None)
        self.versus("a  batches of 10 : FastAPI, tuned", "millrace", "tuned", 10, None)

    def measure_b(self):
        self.versus("b  single events : no-op responder", "millrace", "noop", 0, 0.40)

    def measure_c(self):
        members = 1000
        for connections in (1, 2):
            ours, theirs, ratio = self.turns(
                # wrk forgets what is under way at the end, and these requests are long.
                lambda: self.wrk("millrace", members, connections=8).rate * rows(members),
                lambda: self.loader(members, connections).rate * rows(members))
            # One worker has one connection; two show what a second worker could add.
            self.ratio(f"c  batches of 1,000 : libpq, {connections} connection(s)",
                       f"{ours:,.0f} rows/s", f"{theirs:,.0f} rows/s", ratio,
                       0.70 if connections == 1 else None)

    def measure_d(self):
        for name in ("millrace", "peer"):
            for members in (0, 10):
                try:
                    rate = self.maximum(name, members) / 2
                except servers.Missing as missing:
                    self.skip("d  latency, FastAPI", missing)
                    break
                done = self.pacer(name, members, rate, max(5, 2 * self.options.seconds))
                what = f"batches of {members}" if members else "single events"
                self.row(f"d  {what} at {rate:,.0f}/s, {self.side(name).title}",
                         f"p50 {done.p50_ms:.1f} ms", f"p99 {done.p99_ms:.1f} ms")

    def measure_e(self):
        members, total = 10, 0
        rate = self.maximum("millrace", members) * rows(members)
        quarter = self.options.events // 4
        points = []
        for step in range(1, 5):
            while total < step * quarter:
                seconds = max(1, round((step * quarter - total) / rate + 0.5))
                seconds = min(seconds, self.options.seconds)
                total += self.wrk("millrace", members, seconds).accepted * rows(members)
            points.append((total, self.memory()))
        for events, mib in points:
            self.row(f"e  worker's memory after {events:,} events", f"{mib:.1f} MiB", "", "",
                     "at most 24 MiB", mib <= 24)
        self.row("e  its growth over the last three quarters",
                 f"{points[-1][1] - points[0][1]:+.1f} MiB", "")
        self.wrk("millrace", 1000)
        self.row("e  worker's memory after batches of 1,000, 32 at a time",
                 f"{self.memory():.1f} MiB", "")

    def memory(self):
        """Of the largest worker process, in MiB."""
        return max(map(proc.rss_kib, self.side("millrace").pids())) / 1024

    def measure_f(self):
        self.versus("f  single events : one a commit", "millrace", "ungrouped", 0, None)
        self.versus("f  batches of 10 : one a commit", "millrace", "ungrouped", 10, None)

    def measure_g(self):
        for members, what in ((0, "single events"), (10, "batches of 10")):
            pairs = [(self.wrk("outage", members), self.wrk("millrace", members))
                     for _ in range(self.options.pairs)]
            self.compare(f"g  {what} : PostgreSQL up", pairs, 0.5)
            p99 = statistics.median(a.p99_ms for a, _ in pairs)
            self.row("   its p99, closed loop, and that of the other", f"{p99:.1f} ms",
                     f"{statistics.median(b.p99_ms for _, b in pairs):.1f} ms", "",
                     "at most 50 ms", p99 <= 50)

    def measure_h(self):
        # 32 rows are a group of single events, at full load from 32 connections.
        for members, floor in ((0, None), (31, 0.90), (1000, None)):
            ours, theirs, ratio = self.turns(
                lambda: self.loader(members, 1).rate,
                lambda: self.loader(members, 1, ledger=False).rate)
            self.ratio(f"h  statements of {rows(members)} row(s) : without the ledger",
                       f"{ours:,.0f}/s", f"{theirs:,.0f}/s", ratio, floor)
        pairs = [(self.wrk("millrace", 10, keyed=True), self.wrk("millrace", 10))
                 for _ in range(self.options.pairs)]
        self.compare("h  batches of 10 with a batchId : without", pairs, 0.90)

    def measure_i(self):
        self.exports.grow(self.options.export_rows)
        self.exports.versus_copy("i", self.exports.folder(), "a folder",
                                 {"NDJSON+zstd": 0.70, "Parquet": 0.50})

    def measure_j(self):
        bucket = self.exports.bucket()
        self.exports.grow(self.options.export_rows)
        self.exports.versus_copy("j", bucket, "S3", {"NDJSON+zstd": 0.40})

    def measure_k(self):
        self.exports.grow(self.options.export_rows)
        self.exports.versus_python("k", self.exports.folder(), "a folder")
        self.exports.versus_python("k", self.exports.bucket(), "S3")

    def measure_l(self):
        self.exports.grow(self.options.long_rows)
        self.exports.long_run("l")

    def skip(self, label, reason):
        self.row(label, "skipped:", str(reason))

    def run(self, letter):
        print(f"{letter}: {MEASURES[letter]}", flush=True)
        try:
            getattr(self, f"measure_{letter}")()
        except servers.Missing as missing:
            self.skip(f"{letter}  {MEASURES[letter]}", missing)
        except Exception as error:    # the other measures are still worth having
            traceback.print_exc()
            self.row(f"{letter}  {MEASURES[letter]}", "failed:", type(error).__name__)
            self.wrong.append(f"{letter} failed")


def machine():
    cpuinfo = proc.read_text("/proc/cpuinfo").split("\n")
    model = next((line.split(":", 1)[1].strip() for line in cpuinfo
                  if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Linux {platform.release()}"


def settings(pg):
    names = ("synchronous_commit", "fsync", "full_page_writes", "shared_buffers", "wal_buffers",
             "max_wal_size", "checkpoint_timeout", "wal_compression")
    return ", ".join(f"{name}={pg.execute(f'SHOW {name}', 'postgres').strip()}" for name in names)


def table(bench):
    options, pg = bench.options, bench.pg
    print(f"\nmachine       {machine()}\n"
          f"PostgreSQL    {pg.value('SELECT version()', 'postgres').split(' on ')[0]}, "
          f"{settings(pg)}")
    for side in bench.sides.values():
        print(f"{side.title:<13} {side.facts}")
    for title, facts in bench.exports.facts.items():
        print(f"{title:<13} {facts}")
    print(f"load          wrk -t{load.THREADS} -c{load.CONNECTIONS}, {options.seconds} s a run, "
          f"medians of {options.pairs} pair(s) of turns; everything on this machine\n"
          "latency       open loop, random arrivals at half the measured maximum; counted from the\n"
          "              moment a request was due, waiting for a free connection included\n")
    head = ("", "millrace", "the other", "ratio", "goal")
    lines = [head, *bench.lines]
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    for line in lines:
        print("  ".join([line[0].ljust(widths[0])]
                        + [line[i].rjust(widths[i]) for i in range(1, 5)]).rstrip())
    print(f"\nstored = acknowledged, or exported = stored, in {bench.runs} runs: "
          + (f"NO: {'; '.join(bench.wrong)}" if bench.wrong else "yes"), flush=True)


def parse(argv):
    parser = argparse.ArgumentParser(prog="make bench BENCHFLAGS=…",
                                     description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="short runs, one pair, 100,000 events")
    parser.add_argument("--seconds", type=int, help="of each run (5)")
    parser.add_argument("--pairs", type=int, help="turns of each ratio (3)")
    parser.add_argument("--export-rows", type=int, help="events that are exported (1,000,000)")
    parser.add_argument("--long-rows", type=int, help="events of the long export (10,000,000)")
    parser.add_argument("--only", help="measures, of " + ",".join(MEASURES)
                        + f" (all but {','.join(sorted(LONG))})")
    parser.add_argument("--threads", type=int, default=32, help="threads of the worker (32)")
    options = parser.parse_args(argv)
    options.seconds = options.seconds or (2 if options.quick else 5)
    options.pairs = options.pairs or (1 if options.quick else 3)
    options.export_rows = options.export_rows or (100_000 if options.quick else 1_000_000)
    options.long_rows = options.long_rows or (500_000 if options.quick else 10_000_000)
    options.events = 100_000 if options.quick else 1_000_000
    options.only = options.only.split(",") if options.only else sorted(set(MEASURES) - LONG)
    if not set(options.only) <= set(MEASURES) or not 1 <= options.seconds <= 300:
        parser.error("unknown measure, or seconds not within 1 to 300")
    return options


def main(argv):
    options = parse(argv)
    # SIGTERM unwinds like Ctrl-C, so that every server is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not proc.find("wrk") and not LOADLESS.issuperset(options.only):
        print("skipped: apt-get install wrk")
        return 0
    if not postgres.bindir():
        print("skipped: apt-get install postgresql")
        return 0
    with contextlib.ExitStack() as stack:
        pg = stack.enter_context(postgres.Postgres(True, servers.postgres_settings()))
        folder = stack.enter_context(proc.temp_dir())
        bench = Bench(options, stack, pg, folder)
        for letter in options.only:
            bench.run(letter)
        table(bench)
        return 1 if bench.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
