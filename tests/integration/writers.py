"""Writers of events that commit out of order, and an exporter that is killed meanwhile."""

import os
import random
import time

from harness import proc, tap

# The numbers of writer, transaction and row say what is in a row.
_ROWS = """INSERT INTO events (created_at, received_at, event_time, site_id, event_type, session_id,
    visitor_id, client_ip, user_agent, payload)
SELECT now() - CASE WHEN {number} % 11 = 0 THEN i % 3 * interval '1 hour' ELSE '0' END,
    clock_timestamp(), now() - random() * interval '1 day',
    CASE WHEN i % 4 = 0 THEN 'site' || i % 5 ELSE 'busy' END, 'click',
    CASE WHEN i % 7 > 0 THEN 's"\\{writer}\t' || {number} END,
    CASE WHEN i % 3 = 0 THEN md5(i::text) END,
    CASE i % 3 WHEN 0 THEN '10.1.2.3' WHEN 1 THEN '2001:db8::1' END::inet, 'tëst',
    jsonb_build_object('writer', {writer}, 'number', {number}, 'i', i,
        'text', repeat(md5({number}::text), (random() * random() * {weight})::integer))
FROM generate_series({first}, {last}) AS i"""

# Each transaction waits between its rows and its commit, so that ids, times and transaction
# numbers all come out of order. Half of its rows are those of a savepoint; one transaction in
# seven is rolled back; one in eleven has rows of earlier hours.
_WRITER = """SELECT setseed({seed});
DO $$
DECLARE
    remaining integer := {rows};
    number integer := 0;
    n integer;
BEGIN
    WHILE remaining > 0 LOOP
        number := number + 1;
        n := least(remaining, 1 + floor(random() * {most})::integer);
        {before};
        BEGIN
            {behind};
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
        PERFORM pg_sleep(random() * {pause_s});
        IF number % 7 = 0 THEN
            ROLLBACK;
        ELSE
            COMMIT;
            remaining := remaining - n;
        END IF;
    END LOOP;
END $$;
"""


def rows(writer, number, first, last, weight=0):
    """A statement that inserts rows. The first four: SQL. weight: how long payloads are."""
    return _ROWS.format(writer=writer, number=number, first=first, last=last, weight=weight)


class Session:
    """psql on a database; it is told what to do bit by bit."""

    def __init__(self, pg, folder, name, database=None):
        path = os.path.join(folder, f"{name}.fifo")
        os.mkfifo(path)
        self.process = proc.Process(
            [os.path.join(pg.bin, "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", pg.dsn(database),
             "-f", path], os.path.join(folder, name), env=proc.clean_env(PGCLIENTENCODING="UTF8"))
        self.pipe = open(path, "w", encoding="utf-8")   # pylint: disable=consider-using-with
        self.commands = 0

    def start(self, sql):
        self.pipe.write(sql)
        self.pipe.flush()

    def do(self, sql):
        """Returns when it is done."""
        self.commands += 1
        mark = f"done {self.commands}\n"
        self.start(f"{sql};\n\\echo {mark}")
        proc.wait_for(lambda: mark in self.process.text(), sql, detail=self.process.text)

    def end(self, deadline_s=proc.DEADLINE_S):
        """Returns the exit status, when all is done."""
        self.pipe.close()
        return self.process.wait(deadline_s)


class Writer(Session):
    """Commits so many events, at most `most` in a transaction."""

    def __init__(self, pg, folder, number, seed, count, most, pause_s, weight=0, database=None):
        super().__init__(pg, folder, f"writer{number}", database)
        self.start(_WRITER.format(
            seed=random.Random(seed + number).random(), rows=count, most=most, pause_s=pause_s,
            before=rows(number, "number", "1", "n / 2", weight),
            behind=rows(number, "number", "n / 2 + 1", "n", weight)))
        self.pipe.close()

    def running(self):
        return self.process.running()


class Holder(Session):
    """Commits its events in a few transactions, each of which it keeps open."""

    def __init__(self, pg, folder, database=None):
        super().__init__(pg, folder, "holder", database)
        self.held = 0

    def open(self, count, weight=0):
        self.do("BEGIN; " + rows(0, 1, 1, count, weight))
        self.held = count

    def commit(self):
        self.do("COMMIT")
        self.held = 0


def seed():
    """MR_SEED, or another each time; it is shown."""
    value = int(os.environ.get("MR_SEED") or random.SystemRandom().randrange(10 ** 9))
    tap.diag(f"MR_SEED={value} repeats the rows and the moments of the kills")
    return value


def kill_soon(exporter, rng, longest_s):
    """Starts the exporter and kills it. Whether it was still at work."""
    process = exporter.start("--quiet")
    # No wait for a condition here: the point is to end it anywhere.
    time.sleep(rng.random() * longest_s)
    alive = process.running()
    process.kill(9)
    process.wait()
    return alive
