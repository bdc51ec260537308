"""millrace-export at scale: many events of eight writers that commit out of order, two
buckets of a real S3 server behind proxies that fail, and an exporter that is killed all the
time. Each bucket has each event once in the end.

Longer rounds: MR_EVENTS, MR_KILLS (both of the first case), MR_SEED. make torture runs it with
a million events.
"""

import collections
import os
import random
import sys

from exporting import Bucket, check_complete, insert, manifests, s3_exporter, section, table
from harness import postgres, proc, s3, tap
from harness.faultproxy import Fault, FaultProxy, RandomFaults
from writers import Holder, Writer, kill_soon, seed

EVENTS = int(os.environ.get("MR_EVENTS") or 100_000)
KILLS = int(os.environ.get("MR_KILLS") or 20)
LONGEST_S = 2.5     # that an exporter may work before it is killed, as long as it gets on
WRITERS = 8         # one of them is the holder
HOLDS = 2           # transactions of the holder
BATCHES_HELD = 4    # that are delivered while each is open
MORE = 1000         # events, when the writers have ended and there is to be a batch more
# Of payloads: a line has some 500 or 1300 bytes, so that an object takes parts.
WEIGHT = 130 if EVENTS < 500_000 else 28
DEADLINE_S = 4 * proc.DEADLINE_S
OBJECTS = "SELECT count(*) FROM export_objects"
UNDELIVERED = """SELECT count(*) FROM export_batches WHERE id NOT IN (
    SELECT batch FROM export_deliveries WHERE destination = 'backup')"""


class Far:
    """A bucket behind a proxy of its own. down: nothing gets through."""

    def __init__(self, server, bucket, schedule):
        self.bucket, self.down = bucket, False
        tls = tuple(os.path.join(server.dir, name) for name in ("tls.crt", "tls.key"))
        self.proxy = FaultProxy(server.endpoint.partition("//")[2], lambda request: Fault("close")
                                if self.down else schedule(request), tls)

    def section(self, server):
        return section(server, self.bucket, endpoint=self.proxy.endpoint, compression="none")

    def faults(self):
        return collections.Counter(r.fault for r in self.proxy.requests if r.fault)

    def parts(self):
        """How many multipart uploads were begun."""
        return sum(r.method == "POST" and r.target.endswith("?uploads=")
                   for r in self.proxy.requests)


class Setting:
    """Two buckets, an exporter to both, and writers of so many events."""

    def __init__(self, pg, folder, server, client, name, seed_, events, pause_s):
        self.pg, self.name, self.events = pg, name, events
        schedule = RandomFaults(
            seed_, 0.1, Fault("status", code=503), Fault("status", code=500, name="InternalError"),
            Fault("reset", after=100_000), Fault("reset"), Fault("close"), Fault("lost"),
            Fault("cut", after=50), Fault("slow", delay_s=0.0005), Fault("trickle", delay_s=0.002))
        self.bucket, self.backup = (
            Far(server, Bucket(client, f"{name}{more}"), schedule) for more in ("", "-backup"))
        self.server, self.folder, self.seed, self.pause_s = server, folder, seed_, pause_s

    def __enter__(self):
        self.bucket.proxy.__enter__()
        self.backup.proxy.__enter__()
        self.exporter = s3_exporter(self.pg, self.folder, self.name, {
            "export": {"batch_max_rows": 40_000},
            "client acme": self.bucket.section(self.server),
            "backup": {k: v for k, v in self.backup.section(self.server).items()
                       if k != "compression"}})
        self.writers, self.holder = [], None
        return self

    def start_writers(self):
        each = self.events // WRITERS
        folder = os.path.join(self.folder, self.name)
        self.holder = Holder(self.pg, folder, self.name)
        self.to_hold = self.events - each * (WRITERS - 1)
        self.holds = 0
        self.hold()
        self.writers = [Writer(self.pg, folder, i, self.seed, each, max(each // 30, 10),
                               self.pause_s, WEIGHT, self.name) for i in range(1, WRITERS)]

    def __exit__(self, *exc):
        for writer in (*self.writers, *filter(None, [self.holder])):
            writer.process.kill(9)
            writer.process.wait()
        self.backup.proxy.__exit__(*exc)
        self.bucket.proxy.__exit__(*exc)

    def value(self, sql):
        return self.pg.value(sql, self.name)

    def delivered(self):
        return self.value("SELECT count(*) FROM export_deliveries")

    def hold(self):
        """Lets the holder's transaction go when it was open for several batches. There are
        more of them when a slow exporter took what the writers had in fewer."""
        if self.holder.held:
            ended = not any(writer.running() for writer in self.writers)
            several = self.delivered() >= self.held_at + BATCHES_HELD
            if several:
                self.holder.commit()
                self.holds += 1
            elif ended and self.value(UNDELIVERED) == 0:
                self.more()
        if not self.holder.held and self.to_hold:
            n = min(self.to_hold, self.events // WRITERS // HOLDS + 1)
            self.to_hold -= n
            self.holder.open(n, WEIGHT)
            self.held_at = self.delivered()

    def more(self):
        insert(self.pg, MORE, database=self.name)
        self.events += MORE

    def writing(self):
        return self.holder.held or any(writer.running() for writer in self.writers)

    def end_writers(self, t):
        t.is_([w.process.wait() for w in self.writers] + [self.holder.end()], [0] * WRITERS,
              "the writers ended well")
        t.is_(self.value("SELECT count(*) FROM events"), self.events, "the table has the events")
        t.ok(self.holds > 0, f"{self.holds} transactions were open for several batches")

    def finish(self):
        """Runs until one succeeds, and then one more, which has nothing but upkeep to do."""
        proc.wait_for(lambda: self.exporter.run("--quiet").returncode == 0, "a run succeeds",
                      DEADLINE_S)
        proc.wait_for(lambda: self.exporter.run("--quiet").returncode == 0, "and another",
                      DEADLINE_S)

    def check(self, t, *places):
        want = table(self.pg, database=self.name)
        for place in places:
            check_complete(t, place.bucket.name, place.bucket, self.pg, want=want)


class Killer:
    """Kills exporters after a while that fits them. useful: how many had delivered something."""

    def __init__(self, setting):
        self.setting, self.rng = setting, random.Random(setting.seed)
        self.kills, self.useful, self.longest_s = 0, 0, LONGEST_S

    def kill(self):
        objects = self.setting.value(OBJECTS)
        was_killed = kill_soon(self.setting.exporter, self.rng, self.longest_s)
        self.kills += was_killed
        # One that has little to do is to be caught while it works, and one that plans a lot,
        # or is slow, is to come to its objects.
        if not was_killed:
            self.longest_s *= 0.7
        elif self.setting.value(OBJECTS) == objects:
            self.longest_s *= 1.3
        else:
            self.longest_s = min(self.longest_s, LONGEST_S)
            self.useful += 1


def killed(t, setting):
    """Both buckets, bad weather, kills."""
    killer = Killer(setting)
    setting.start_writers()
    while killer.kills < KILLS or killer.useful <= KILLS // 5 or setting.writing() or \
            setting.to_hold:
        if not setting.writing() and not setting.to_hold:
            setting.more()
        setting.hold()
        killer.kill()
    setting.end_writers(t)
    t.ok(setting.value("SELECT count(*) FROM (SELECT ingest_xid < max(ingest_xid) OVER "
                       "(ORDER BY id) AS late FROM events) AS e WHERE late") > 0,
         "ids and transactions are out of order")
    left = setting.value("SELECT count(*) FROM export_uploads")
    setting.finish()
    t.ok(killer.kills >= KILLS, f"the exporter was killed {killer.kills} times")
    t.ok(killer.useful > KILLS // 5, f"{killer.useful} times it had delivered something")
    for place in (setting.bucket, setting.backup):
        tap.diag(f"{place.bucket.name}: {len(place.proxy.requests)} requests, {place.parts()} in "
                 f"parts, {dict(place.faults())}")
        t.ok(len(place.faults()) > 3, "requests failed in many ways")
        t.ok(place.parts() > 0, "objects came in parts")
    tap.diag(f"{setting.delivered()} deliveries, {left} uploads after the last kill")
    setting.check(t, setting.bucket, setting.backup)
    t.is_(sorted(k.removeprefix("acme/") for k in setting.backup.bucket.keys()),
          setting.bucket.bucket.keys(), "both have the same objects")
    t.is_(setting.value("SELECT count(*) FROM export_uploads WHERE upload_id <> ''"), 0,
          "no upload is on record")


def away(t, setting):
    """One bucket cannot be reached for all the time; later it catches up by itself."""
    killer = Killer(setting)
    setting.bucket.down = True
    setting.exporter.refused(t, "a bucket that is away", 1, r"s3://away: .*\(attempt 8\)",
                             "--quiet")
    setting.start_writers()
    while setting.writing() or setting.to_hold:
        setting.hold()
        killer.kill()
    setting.end_writers(t)
    proc.wait_for(lambda: setting.exporter.run("--quiet") and sum(
        m["rows"] for m in manifests(setting.backup.bucket)) == setting.events,
        "the other is complete", DEADLINE_S)
    setting.check(t, setting.backup)
    t.is_(setting.bucket.bucket.keys(), [], "nothing came to the one that is away")
    setting.bucket.down = False
    setting.finish()
    setting.check(t, setting.bucket, setting.backup)


def main():
    postgres.need()
    wanted = sys.argv[1:]
    with tap.Suite() as t, postgres.Postgres() as pg, proc.temp_dir() as folder, \
            s3.S3Server() as server:
        client, number = server.client(), seed()
        for case, events, pause_s in ((killed, EVENTS, KILLS / 60),
                                      (away, EVENTS // 10, KILLS / 200)):
            if wanted and case.__name__ not in wanted:
                continue
            with t.case(case.__name__), Setting(pg, folder, server, client, case.__name__, number,
                                                events, pause_s) as setting:
                case(t, setting)


main()
