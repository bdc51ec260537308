"""Segments of the spool with one bit flipped, or cut, at any byte: what is whole is stored once;
what is damaged or torn is not, and goes into quarantine."""

import collections
import os
import random

import faultio
import ledger
from harness import postgres, proc, spool as spools, tap

RECORDS = 3
STEP = int(os.environ.get("MR_EVERY", "5"))    # bytes; 1 takes a minute
SEED = os.environ.get("MR_SEED", "1")


def original(t, folder, book):
    """The records of a segment that a worker made."""
    spool = os.path.join(folder, "original")
    os.mkdir(spool, 0o700)
    with faultio.SpoolingWorker(spool, segment_bytes="1M") as w:
        t.is_(w.post(book, RECORDS), [202] * RECORDS, "spooled")
    names = os.listdir(spool)
    t.is_(len(names), 1, "one segment")
    return spools.read(os.path.join(spool, names[0]))


class Mutants:
    """Many segments with the same records under other ids, each with one thing wrong."""

    def __init__(self, records, folder):
        self.records, self.folder = records, folder
        self.whole, self.hurt = {}, {}     # group → what was done to its segment
        self.damaged = 0                   # pieces that are no record

    def _new(self):
        """A segment, and the ids of its groups."""
        segment, groups = spools.Segment(), []
        for received, payload in self.records:
            groups.append(spools.uuid7(received))
            segment.add(payload, groups[-1], received)
        return segment, groups

    def _expect(self, groups, what, hurt):
        for i, group in enumerate(groups):
            (self.hurt if i in hurt else self.whole)[spools.hex_uuid(group)] = \
                f"{what}, record {i}"

    def flip(self, offset, bit):
        segment, groups = self._new()
        data = bytearray(segment.data)
        data[offset] ^= 1 << bit
        segment.write(self.folder, bytes(data))
        self.damaged += 1
        self._expect(groups, f"bit {bit} of byte {offset}", {segment.record_of(offset)})

    def cut(self, length):
        segment, groups = self._new()
        segment.write(self.folder, segment.data[:length])
        self.damaged += length not in segment.starts
        first = segment.record_of(length) if length < len(segment.data) else RECORDS
        self._expect(groups, f"cut at {length}", set(range(max(first, 0), RECORDS)))


postgres.need()
rng = random.Random(SEED)
with tap.Suite() as t, postgres.Postgres() as pg, proc.temp_dir() as folder:
    book = ledger.Writer(os.path.join(folder, "ledger"), faultio.first_r(2))
    records = original(t, folder, book)
    t.is_(len(records), RECORDS, "its records can be read as documented")
    spool = os.path.join(folder, "spool")
    os.mkdir(spool, 0o700)
    mutants = Mutants(records, spool)
    size = spools.HEADER_BYTES + sum(spools.RECORD_BYTES + len(p) for _, p in records)
    for offset in range(int(SEED) % STEP, size, STEP):
        mutants.flip(offset, rng.randrange(8))
        mutants.cut(offset)
    tap.diag(f"{size} bytes; every {STEP}th, seed {SEED}")
    replay = faultio.Replay(folder, pg.dsn())
    t.is_(replay.run(spool), 2, "somebody has to look, says the replay")
    stored = {row["group_id"] for row in pg.query("SELECT group_id FROM ingest_groups")}
    t.is_([what for group, what in mutants.whole.items() if group not in stored][:10], [],
          f"{len(mutants.whole)} whole records are stored")
    t.is_([what for group, what in mutants.hurt.items() if group in stored][:10], [],
          f"{len(mutants.hurt)} damaged records are not stored")
    t.is_(pg.value("SELECT count(*) AS n FROM events"), len(mutants.whole), "each once")
    wrong = collections.Counter(ledger.compare(pg, [book.path]).wrong)
    t.is_(wrong["other values"] + wrong["not issued"] + wrong["lost"], 0, "as they were sent")
    bad = [name for name in os.listdir(os.path.join(spool, "quarantine")) if name.endswith(".bad")]
    t.is_(len(bad), mutants.damaged, "what is damaged or torn is in quarantine")
    t.is_([name for name in os.listdir(spool) if name.endswith(".seg")], [], "nothing is left")
    t.is_(replay.reports(), "", "no sanitizer reports")
