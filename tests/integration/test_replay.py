"""millrace-replay: what lies in the spool is stored once and in order; what is damaged is put
aside; what cannot be done now is left, and said."""

import fcntl
import os
import shutil
import signal
import time

from common import config
from harness import postgres, proc, spool, tap
from harness.spool import Segment, batch, event, group, refusal, uuid7

DAY = 24 * 3600


def make(pg, folder, name="database", **sections):
    """A replay with a folder and a database of its own."""
    path = os.path.join(folder, name)
    os.mkdir(path)
    pg.create_database(name)
    return spool.Replay(path, config(pg, name, {"millrace": {"log": f"{path}/log"}, **sections}))


def sessions(pg, database, site="replay.test"):
    return [row["session_id"] for row in pg.events(f"site_id = '{site}'", database)]


def ledger(pg, database):
    return pg.query("SELECT stored, duplicate, rejected FROM ingest_groups ORDER BY group_id",
                    database)


def is_done(t, done, status, stdout=r"\A\Z", stderr=r"\A\Z"):
    t.is_(done.returncode, status, f"exit status {status}")
    t.like(done.stdout, stdout, "standard output")
    t.like(done.stderr, stderr, "standard error")


def nothing_to_do(t, pg, folder):
    with t.case("nothing to do"):
        r = make(pg, folder, "nothing")
        is_done(t, r.run(), 0)
        os.unlink(f"{r.spool}/replay.lock")
        os.rmdir(r.spool)
        is_done(t, r.run(), 0)
        is_done(t, r.run("-v"), 0, stderr="no spool yet")
        t.is_(pg.query("SELECT FROM pg_tables WHERE tablename = 'events'", "nothing"), [],
              "and no reason to connect")
    with t.case("no spool configured"):
        r = spool.Replay(os.path.join(folder, "nothing"), config(pg, "nothing",
                         {"spool": {"dir": ""}}), "other.ini")
        is_done(t, r.run(), 1, stderr="no spool")
    with t.case("options"):
        is_done(t, r.run("--help"), 0, r"usage: millrace-replay")
        is_done(t, r.run("--version"), 0, r"\Amillrace-replay \d")
        is_done(t, r.run("--nonsense"), 1, stderr="nonsense")
        is_done(t, r.run("more"), 1, stderr="more")


def stored_once(t, pg, folder):
    with t.case("records"):
        r = make(pg, folder, "once")
        received = time.time() - 100
        s = Segment()
        s.add(group(batch([event("a1", received=received)]), batch([event("b1")])),
              received=received)
        s.add(group(batch([event("a2"), event("a3")], [refusal(1, b"\xff\x00", "is bad")], "k1"),
                    batch([event("c1")])))
        s.add(group(batch([event("a2"), event("a3")], [refusal(1, b"\xff\x00", "is bad")], "k1")))
        path = s.write(r.spool)
        copy = path + ".copy"
        shutil.copy(path, copy)

        done = r.run("--list")
        is_done(t, done, 0, rf"{len(s.data)} +3 +9 .*{s.name}")
        is_done(t, r.run("--dry-run"), 0, r"\Awould store 9 event\(s\) in 3 record\(s\) of 1 seg")
        t.is_(r.segments(), [s.name], "neither changes anything")

        is_done(t, r.run(), 0, r"\Astored 9 event\(s\) in 3 record\(s\), emptied 1 segment\(s\); "
                r"0 record\(s\) were known, 3 event\(s\) duplicate, 1 rejected; .*\n\Z")
        t.is_(sessions(pg, "once"), ["a1", "b1", "a2", "a3", "c1"], "in their order, once")
        t.is_(r.segments(), [], "the segment is removed")
        t.is_(ledger(pg, "once"), [
            {"stored": 2, "duplicate": 0, "rejected": 0},
            {"stored": 3, "duplicate": 0, "rejected": 1},
            {"stored": 0, "duplicate": 3, "rejected": 0}], "the ledger counts every event")
        row = pg.events("session_id = 'a1'", "once")[0]
        t.is_(pg.value("SELECT floor(extract(epoch FROM received_at))::bigint FROM events "
                       "WHERE session_id = 'a1'", "once"), int(received), "time of receipt")
        t.includes(row, {"client_ip": "192.0.2.1", "user_agent": "test",
                         "payload": {"eventType": "x"}}, "the columns")
        t.is_(pg.query("SELECT event_index, reason, encode(payload, 'hex') AS p "
                       "FROM rejected_events", "once"),
              [{"event_index": 1, "reason": "is bad", "p": "ff00"}], "the refusal, once")

        # As a crash between the commit and the removal leaves it.
        os.rename(copy, path)
        is_done(t, r.run(), 0, r"3 record\(s\) were known")
        t.is_(len(sessions(pg, "once")), 5, "again: nothing is stored twice")
        t.is_((len(ledger(pg, "once")), pg.value("SELECT count(*) FROM rejected_events", "once")),
              (3, 1), "neither in the ledger nor among the refusals")
        t.is_(r.segments(), [], "the segment is removed")

    with t.case("several segments"):
        r = make(pg, folder, "merged")
        now = time.time() - 50
        parts = [Segment(now + i / 1000) for i in range(100)]
        for i in range(300):
            when = now + i / 100
            parts[i * 7 % 100].add(group(batch([event(f"s{i:03}")])), uuid7(when), when)
        for part in parts[:64]:
            part.write(r.spool)
        r.run()
        first = [s for s in sessions(pg, "merged")]
        t.is_(first, sorted(first), "are stored in the order of receipt")
        for part in parts[64:]:
            part.write(r.spool)
        is_done(t, r.run("-q"), 0)
        t.is_(sorted(sessions(pg, "merged")), [f"s{i:03}" for i in range(300)], "all are")


def poisoned(pg, folder, name):
    """A database with one event that refuses those of a kind."""
    r = make(pg, folder, name)
    Segment().add(group(batch([event("first")]))).write(r.spool)
    r.run()
    pg.execute("ALTER TABLE events ADD CONSTRAINT no_poison CHECK (event_type <> 'poison')", name)
    return r


def refused(t, pg, folder):
    with t.case("values that the database refuses"):
        r = poisoned(pg, folder, "refused")
        s = Segment()
        s.add(group(batch([event("good1")]), batch([event("bad1", kind="poison")]),
                    batch([event("good2"), event("bad2", kind="poison"), event("good3")], (), "k"),
                    batch([event("good4")])))
        path = s.write(r.spool)
        shutil.copy(path, path + ".copy")
        is_done(t, r.run(), 0, "stored 6 .* 2 rejected")
        t.is_(sessions(pg, "refused"), ["first", "good1", "good2", "good3", "good4"],
              "the others are stored")
        t.is_(pg.query("SELECT event_index, sqlstate FROM rejected_events ORDER BY id", "refused"),
              [{"event_index": 0, "sqlstate": "23514"}, {"event_index": 0, "sqlstate": "23514"}],
              "the bad ones are kept with the reason")
        t.is_(ledger(pg, "refused")[1], {"stored": 4, "duplicate": 0, "rejected": 2}, "counts")
        pg.execute("ALTER TABLE events DROP CONSTRAINT no_poison", "refused")
        os.rename(path + ".copy", path)
        is_done(t, r.run(), 0, r"1 record\(s\) were known")
        t.is_(len(sessions(pg, "refused")), 5, "again, with the reason gone: nothing twice")

    with t.case("envelopes that the database refuses"):
        r = poisoned(pg, folder, "envelope")
        s = Segment()
        s.add(group(batch([event("now", kind="poison"), event("one", "other.test")], (), "k1")))
        s.add(group(batch([event("bad", "other.test", "poison"), event("two", "other.test")],
                          [refusal(-1, "{}", "before")], "k2", "replay.test")))
        s.add(group(batch([event("three", "other.test"), event("four", "other.test")], (), "k1")))
        s.write(r.spool)
        is_done(t, r.run(), 0, "stored 7 .* 3 rejected")
        t.is_(sessions(pg, "envelope", "other.test"), ["one", "two", "three", "four"],
              "the others are stored, and what is no repetition")
        t.is_(pg.query("SELECT site_id, batch_id FROM dedup_keys ORDER BY batch_id, site_id DESC",
                       "envelope"),
              [{"site_id": site, "batch_id": key} for site, key in
               (("replay.test", "k1"), ("other.test", "k1"), ("replay.test", "k2"))],
              "batchIds are of the batch's site")
        t.is_(pg.query("SELECT site_id, event_index FROM rejected_events ORDER BY id", "envelope"),
              [{"site_id": "replay.test", "event_index": index} for index in (-1, -1, 0)],
              "refusals too, with their places")

    with t.case("a table that is not as it should be"):
        r = make(pg, folder, "mended")
        Segment().add(group(batch([event("first")]))).write(r.spool)
        r.run()
        for name, spoil, mend in (
                ("no permission", "REVOKE INSERT ON events FROM millrace",
                 "GRANT INSERT ON events TO millrace"),
                ("no column", "ALTER TABLE events DROP COLUMN user_agent",
                 "ALTER TABLE events ADD COLUMN user_agent text")):
            s = Segment().add(group(batch([event(name)])))
            s.write(r.spool)
            pg.execute(spoil, "mended")
            is_done(t, r.run("-q"), 2, stderr="permission denied|user_agent")
            t.is_(r.segments(), [s.name], f"{name}: it stays in the spool")
            pg.execute(mend, "mended")
            is_done(t, r.run("-q"), 0)
            t.is_(sessions(pg, "mended").count(name), 1, f"{name}: mended, it is stored")
        t.is_(pg.value("SELECT count(*) FROM rejected_events", "mended"), 0, "nothing is blamed")

    with t.case("one record that a trigger refuses"):
        r = make(pg, folder, "stuck")
        Segment().add(group(batch([event("first")]))).write(r.spool)
        r.run()
        pg.execute("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF "
                   "NEW.session_id = 'odd' THEN RAISE 'no odd ones'; END IF; RETURN NEW; END$$; "
                   "CREATE TRIGGER no BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION no()",
                   "stuck")
        s = Segment()
        for session in ("a", "odd", "b"):
            s.add(group(batch([event(session)])))
        s.write(r.spool)
        is_done(t, r.run(), 2, "stored 2 ", "no odd ones")
        t.is_(sessions(pg, "stuck"), ["first", "a", "b"], "does not hold up the others")
        t.is_(r.segments(), [s.name], "and stays")
        pg.execute("DROP TRIGGER no ON events", "stuck")
        is_done(t, r.run("-q"), 0)
        t.is_(sessions(pg, "stuck"), ["first", "a", "b", "odd"], "until that is mended")


def old(t, pg, folder):
    with t.case("older than ledger_days"):
        r = make(pg, folder, "old", database={"url": pg.dsn("old"), "ledger_days": 2})
        when = time.time() - 3 * DAY
        s = Segment(when).add(group(batch([event("old")])), uuid7(when), when)
        s.write(r.spool)
        young = Segment().add(group(batch([event("young")])))
        young.write(r.spool)
        is_done(t, r.run(), 2, "stored 1 event", "ledger_days.*--force")
        t.is_((sessions(pg, "old"), r.segments()), (["young"], [s.name]), "is left")
        is_done(t, r.run("--force"), 0, "stored 1 event")
        t.is_((sessions(pg, "old"), r.segments()), (["young", "old"], []), "--force stores it")

    with t.case("the ledger"):
        ids = [uuid7(time.time() - days * DAY) for days in (1, 1.9, 2.2, 30)]
        values = ", ".join(f"('{spool.hex_uuid(i)}', gen_random_uuid(), 1, 0, 0)" for i in ids)
        pg.execute(f"INSERT INTO ingest_groups VALUES {values}", "old")
        Segment().add(group(batch([event("one more")]))).write(r.spool)
        r.run()
        kept = {row["group_id"] for row in pg.query("SELECT group_id FROM ingest_groups", "old")}
        t.is_([spool.hex_uuid(i) in kept for i in ids], [True, True, False, False],
              "forgets what is older")
        if not proc.faketime():
            t.skip("a clock that is ahead", "faketime is not installed, or the build has sanitizers")
            return
        is_done(t, r.run("--force", LD_PRELOAD=proc.faketime(), FAKETIME="+30d",
                         FAKETIME_DONT_FAKE_MONOTONIC=1), 0)
        Segment().add(group(batch([event("yet another")]))).write(r.spool)
        is_done(t, r.run("--force", LD_PRELOAD=proc.faketime(), FAKETIME="+30d",
                         FAKETIME_DONT_FAKE_MONOTONIC=1), 0, "stored 1 event")
        left = {row["group_id"] for row in pg.query("SELECT group_id FROM ingest_groups", "old")}
        t.ok(kept <= left, "and not more when the clock is ahead", kept - left)


def damaged(t, pg, folder):
    with t.case("damage in the middle, an incomplete end"):
        r = make(pg, folder, "damaged")
        s = Segment()
        for i in range(4):
            s.add(group(batch([event(f"s{i}")])))
        data = bytearray(s.data)
        data[s.ends[0] + 60] ^= 1
        s.write(r.spool, data[:-5])
        is_done(t, r.run("-l"), 0, r"\(damaged\) \(incomplete end\)")
        is_done(t, r.run("-q"), 2, stderr="quarantine")
        t.is_(sessions(pg, "damaged"), ["s0", "s2"], "what is whole is stored")
        stem = s.name
        t.is_(r.quarantine(), sorted(f"{stem}-{at}.{kind}" for at in (s.ends[0], s.ends[2])
                                     for kind in ("bad", "txt")), "the rest is put aside")
        with open(f"{r.spool}/quarantine/{stem}-{s.ends[0]}.bad", "rb") as f:
            t.ok(f.read() == data[s.ends[0]:s.ends[1]], "byte for byte")
        t.like(proc.read_text(f"{r.spool}/quarantine/{stem}-{s.ends[0]}.txt"),
               rf"segment: {stem}\noffset: {s.ends[0]}\n(.*\n)*reason: .*checksum", "with a reason")
        t.is_(r.segments(), [], "the segment is removed")
        is_done(t, r.run(), 0)

    with t.case("files that are none of ours"):
        with open(f"{r.spool}/notes.seg", "w", encoding="ascii") as f:
            f.write("these are not the events you are looking for, are they?")
        with open(f"{r.spool}/empty.seg", "wb"):
            pass
        with open(f"{r.spool}/README", "wb"):
            pass
        os.mkdir(f"{r.spool}/folder.seg")
        s = Segment().add(group(batch([event("beside")])))
        s.write(r.spool)
        is_done(t, r.run("-q"), 2, stderr=".")
        t.ok("beside" in sessions(pg, "damaged"), "a segment beside them is stored")
        t.ok({"notes.seg.bad", "empty.seg.bad"} <= set(r.quarantine()), "are put aside",
             r.quarantine())
        t.ok(os.path.exists(f"{r.spool}/README"), "what has another name is left")
        t.ok(os.path.isdir(f"{r.spool}/folder.seg"), "so is a folder")
        os.rmdir(f"{r.spool}/folder.seg")
        is_done(t, r.run(), 0)

    with t.case("files of a writer that died early"):
        for name, age in (("old.tmp", 120), ("young.tmp", 0), ("held.tmp", 120)):
            with open(f"{r.spool}/{name}", "wb"):
                pass
            os.utime(f"{r.spool}/{name}", (time.time() - age,) * 2)
        with open(f"{r.spool}/held.tmp", "rb") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            is_done(t, r.run(), 0)
        t.is_(sorted(n for n in os.listdir(r.spool) if n.endswith(".tmp")),
              ["held.tmp", "young.tmp"], "are removed, unless they are young or in use")


def every_byte(t, pg, folder):
    """One segment for each byte; all are replayed by one run."""
    with t.case("a flipped bit"):
        r = make(pg, folder, "flips")
        size = len(small("x").data)
        made = [small(f"f{i}") for i in range(size)]
        for i, s in enumerate(made):
            data = bytearray(s.data)
            data[i] ^= 1 << i % 8
            s.write(r.spool, data)
        t.is_(r.run("-q").returncode, 2, "exit status")
        got, aside = sessions(pg, "flips"), r.quarantine()
        wrong = []
        for i, s in enumerate(made):
            hit = [i < end for end in s.ends].index(True) if i >= spool.HEADER_BYTES else None
            want = [f"f{i}-{n}" for n in range(3) if n != hit]
            if [x for x in got if x.startswith(f"f{i}-")] != want or \
                    not any(name.startswith(s.name) for name in aside):
                wrong.append(i)
        t.is_(wrong, [], f"in any of {size} bytes costs its record alone, which is put aside")
        t.is_(r.segments(), [], "no segment is left")

    with t.case("a cut"):
        r = make(pg, folder, "cuts")
        made = [small(f"c{i}") for i in range(size)]
        for i, s in enumerate(made):
            s.write(r.spool, s.data[:i])
        r.run("-q")
        got = sessions(pg, "cuts")
        wrong = [i for i, s in enumerate(made)
                 if [x for x in got if x.startswith(f"c{i}-")]
                 != [f"c{i}-{n}" for n in range(3) if s.ends[n] <= i]]
        t.is_(wrong, [], f"at any of {size} bytes costs what is behind it")
        t.is_(r.segments(), [], "no segment is left")


def small(name):
    """A segment of three records, with ids and events of its own."""
    s = Segment()
    for n in range(3):
        s.add(group(batch([event(f"{name}-{n}")])))
    return s


def not_now(t, pg, folder):
    with t.case("in use"):
        r = make(pg, folder, "busy")
        s = Segment().add(group(batch([event("busy")]), batch([event("busy")])))
        with open(s.write(r.spool), "rb") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            is_done(t, r.run(), 0)
            is_done(t, r.run("-l"), 0,
                    rf"\n +{len(s.data)} +1 +2 2\S+ +2\S+ +{s.name} \(in use\)\n\Z")
            is_done(t, r.run("-n"), 0, r"\Awould store 0 event\(s\) in 0 record\(s\) of 0 "
                    r"segment\(s\), 0 bytes; would leave 2 event\(s\) of 1 segment\(s\) in use; "
                    r"would put aside 0 ")
            # Just being written.
            with open(f"{r.spool}/{s.name}", "ab") as end:
                end.write(s.data[s.starts[0]:-1])
            is_done(t, r.run("-l"), 0, r" +1 +2 .*\(in use\)\n\Z")
            os.truncate(f"{r.spool}/{s.name}", len(s.data))
        with open(f"{r.spool}/replay.lock", "rb") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            is_done(t, r.run(), 75, stderr="another replay")
            is_done(t, r.run("-q"), 75)
        t.is_(r.segments(), [s.name], "is left")

    with t.case("two at once"):
        for _ in range(200):
            Segment().add(group(*(batch([event("pair")]) for _ in range(3)))).write(r.spool)
        processes = [proc.Process(r.command(), f"{r.folder}/out{i}", env=r.env())
                     for i in range(4)]
        statuses = [p.wait() for p in processes]
        t.ok(0 in statuses and set(statuses) <= {0, 75}, "one works, the others do not", statuses)
        t.is_(r.run().returncode, 0, "in the end")
        t.is_((sessions(pg, "busy").count("pair"), r.segments()), (600, []), "each is stored once")

    with t.case("killed at any time"):
        r = make(pg, folder, "killed")
        for i in range(80):
            s = Segment()
            for n in range(50):
                s.add(group(batch([event(f"{i}-{n}")])))
            s.write(r.spool)
        kills, stored = 0, 0
        while r.segments() and kills < 20:
            p = proc.Process(r.command(), f"{r.folder}/out", env=r.env())
            want = stored + 50
            proc.wait_for(lambda: not p.running() or count(pg, "killed") >= want, "progress")
            p.stop(signal.SIGKILL)
            kills += 1
            stored = count(pg, "killed")
        t.ok(kills > 1, f"{kills} times")
        t.is_(r.run("-q").returncode, 0, "the last one ends")
        t.is_(pg.value("SELECT count(DISTINCT session_id) FROM events", "killed"), 4000, "all")
        t.is_(count(pg, "killed"), 4000, "once")

    with t.case("the database is away"):
        r = make(pg, folder, "away")
        s = Segment().add(group(batch([event("away")])))
        s.write(r.spool)
        pg.stop()
        is_done(t, r.run(), 75, stderr="database: ")
        is_done(t, r.run("-q"), 75)
        t.is_(r.segments(), [s.name], "it stays")
        pg.start()
        is_done(t, r.run(), 0, "stored 1")

    with t.case("a folder that may not be written"):
        if os.geteuid() == 0:
            t.skip("the replay says so", "root may write everywhere")
            return
        s = Segment().add(group(batch([event("readonly")])))
        s.write(r.spool)
        os.chmod(r.spool, 0o500)
        try:
            is_done(t, r.run("-q"), 2, stderr="cannot be removed|denied")
        finally:
            os.chmod(r.spool, 0o700)
        is_done(t, r.run("-q"), 0)
        t.is_(sessions(pg, "away").count("readonly"), 1, "once")


def count(pg, database):
    if not pg.query("SELECT FROM pg_tables WHERE tablename = 'events'", database):
        return 0
    return pg.value("SELECT count(*) FROM events", database)


postgres.need()
spool.replay_path()
with tap.Suite() as t, postgres.Postgres() as pg, proc.temp_dir() as folder:
    nothing_to_do(t, pg, folder)
    stored_once(t, pg, folder)
    refused(t, pg, folder)
    old(t, pg, folder)
    damaged(t, pg, folder)
    every_byte(t, pg, folder)
    not_now(t, pg, folder)
