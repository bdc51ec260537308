"""What the clients were told, compared with what is in the tables.

acknowledged ⊆ stored ⊆ issued; each row once, and exactly the row that was sent;
a request is stored whole or not at all, by one transaction. What each row must be
follows from its request's number, as in hammer.c.
"""

import json
import time

# In a ledger: the client cut the request within its body.
CUT = -1

# r, and how many rows and refused members it has; its last status.
_LOAD = r"""
CREATE TEMP TABLE ledger (r bigint, n integer, rejects integer, keyed boolean, status integer,
    duplicate boolean, attempts integer, lost integer, first_us bigint, last_us bigint,
    conn integer);
{copies}
CREATE UNIQUE INDEX ON ledger (r);
ANALYZE ledger;
CREATE TEMP TABLE stored AS
    SELECT e.*, (payload->'eventData'->>'r')::bigint AS r, (payload->'eventData'->>'i')::integer AS i
    FROM events e WHERE id > {after} AND site_id LIKE 'site_';
CREATE TEMP TABLE requests AS
    SELECT r, count(*) AS n, count(DISTINCT i) AS different, min(i) AS low, max(i) AS high,
        count(DISTINCT ingest_xid) AS transactions, min(received_at) AS received_low,
        max(received_at) AS received_high
    FROM stored GROUP BY r;
CREATE UNIQUE INDEX ON requests (r);
ANALYZE requests;
CREATE TEMP TABLE refused AS
    SELECT x.*, (convert_from(payload, 'UTF8')::jsonb->'eventData'->>'r')::bigint AS r
    FROM rejected_events x WHERE id > {after_rejected} AND site_id LIKE 'site_';
"""

_SESSION = "format('s%s-%s', l.r / 1000000000, l.conn)"
_TIME = "timestamptz '2026-01-01 00:00+00' + l.r % 86400000 * interval '1 ms'"
_DATA = """jsonb_build_object('eventData', jsonb_build_object('r', s.r, 'i', s.i,
    'x', s.r % 1000000007 * 998244353 + s.i * 1000003, 'u', 'é"€😀',
    'pad', repeat('p', ((s.r * 31 + s.i * 17) % 97)::integer)))"""
_TYPE = "CASE WHEN s.i = 0 AND l.n > 1 THEN 'batch' ELSE format('t%s', (l.r + s.i) % 7) END"
_PAYLOAD = f"""jsonb_build_object('eventType', {_TYPE}) || {_DATA} || CASE WHEN s.i > 0 THEN '{{}}'
    ELSE jsonb_build_object('siteId', format('site%s', l.r % 5), 'sessionId', {_SESSION},
        'visitorId', format('v%s', l.r % 97), 'timestamp',
        to_char(({_TIME}) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
    || CASE WHEN l.keyed THEN jsonb_build_object('batchId', format('b%s', l.r)) ELSE '{{}}' END END"""

_ACKNOWLEDGED = "l.status IN (200, 202)"

# Each must count nothing. Name: (what is counted, from where).
_WRONGS = {
    "lost": ("sum(l.n - coalesce(q.different, 0))",
             f"ledger l LEFT JOIN requests q USING (r) WHERE {_ACKNOWLEDGED} "
             "AND coalesce(q.different, 0) < l.n"),
    "doubled": ("sum(n - different)", "requests l WHERE n > different"),
    "halves": ("count(*)", "requests q JOIN ledger l USING (r) "
               f"WHERE q.different <> l.n AND NOT ({_ACKNOWLEDGED} AND q.different < l.n)"),
    "not issued": ("count(*)", "requests l LEFT JOIN ledger USING (r) WHERE ledger.r IS NULL "
                   "OR low <> 0 OR high <> ledger.n - 1"),
    "other values": ("count(*)", f"""stored s JOIN ledger l USING (r) WHERE
        (s.site_id, s.event_type, s.session_id, s.visitor_id, s.event_time, s.payload::jsonb)
        IS DISTINCT FROM (format('site%s', l.r % 5), {_TYPE}, {_SESSION},
            format('v%s', l.r % 97), {_TIME}, {_PAYLOAD})"""),
    "several transactions": ("count(*)", "requests l WHERE transactions > 1"),
    "refused yet stored": ("count(*)", "requests q JOIN ledger l USING (r) "
                           "WHERE l.status BETWEEN 400 AND 499 OR l.status = -1"),
    "unexpected answers": ("count(*)", "ledger l WHERE l.status NOT IN "
                           "(200, 202, 503, 0, -1, 500, 502, 504)"),
    "never acknowledged": ("count(*)", f"ledger l WHERE keyed AND NOT {_ACKNOWLEDGED} "
                           "AND {drained}"),
    "duplicate at once": ("count(*)", "ledger l WHERE duplicate AND attempts = 1"),
    "rejects lost": ("count(*)", "(SELECT l.r FROM ledger l LEFT JOIN refused x USING (r) "
                     f"WHERE {_ACKNOWLEDGED} AND l.rejects > 0 AND x.r IS NULL) AS l"),
    "rejects doubled": ("count(*)", "(SELECT r FROM refused GROUP BY r HAVING count(*) > 1) AS l"),
    "rejects not issued": ("count(*)", "refused x LEFT JOIN ledger l USING (r) LEFT JOIN requests q "
                           "USING (r) WHERE l.r IS NULL OR l.rejects = 0 OR q.r IS NULL"),
    "received at another time": ("count(*)", """requests q JOIN ledger l USING (r) WHERE {timed}
        AND (received_low < to_timestamp((l.first_us - 1000) / 1e6)
            OR received_high > to_timestamp((l.last_us + 1000) / 1e6) AND l.status <> 0)"""),
}

_FIGURES = f"""SELECT json_build_object(
    'requests', count(*), 'issued', coalesce(sum(l.n), 0),
    'acknowledged', coalesce(sum(l.n) FILTER (WHERE {_ACKNOWLEDGED}), 0),
    'answered 200', coalesce(sum(l.n) FILTER (WHERE status = 200 AND NOT duplicate), 0),
    'answered 202', coalesce(sum(l.n) FILTER (WHERE status = 202), 0),
    'duplicates avoided', coalesce(sum(l.n) FILTER (WHERE duplicate), 0),
    'refused', coalesce(sum(l.n) FILTER (WHERE NOT {_ACKNOWLEDGED} AND status > 0), 0),
    'unanswered', coalesce(sum(l.n) FILTER (WHERE status = 0), 0),
    'unanswered, stored', coalesce(sum(q.n) FILTER (WHERE status = 0), 0),
    'stored', (SELECT count(*) FROM stored), 'rejected', (SELECT count(*) FROM refused),
    'repeated requests', count(*) FILTER (WHERE attempts > 1))
    FROM ledger l LEFT JOIN requests q USING (r);"""


def single(r, conn):
    """The body of request r, a single event without batchId, as hammer makes it."""
    ms = r % 86400000
    return json.dumps({
        "eventType": f"t{r % 7}", "siteId": f"site{r % 5}", "sessionId": f"s{r // 10 ** 9}-{conn}",
        "visitorId": f"v{r % 97}",
        "timestamp": f"2026-01-01T{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}"
                     f".{ms % 1000:03}Z",
        "eventData": {"r": r, "i": 0, "x": r % 1000000007 * 998244353, "u": 'é"€😀',
                      "pad": "p" * (r * 31 % 97)}}).encode()


class Writer:
    """A ledger of single events that were sent once, by a client that is not hammer."""

    CONN = 999     # hammer's are fewer

    def __init__(self, path, first_r):
        self.path, self.r = path, first_r
        with open(path, "w", encoding="ascii"):
            pass

    def event(self):
        """The number and body of the next request, and the time."""
        self.r += 1
        return self.r, single(self.r, self.CONN), time.time_ns() // 1000

    def note(self, r, status, began_us):
        with open(self.path, "a", encoding="ascii") as f:
            f.write(f"{r} 1 0 0 {status} 0 1 {int(status == 0)} {began_us} "
                    f"{time.time_ns() // 1000} {self.CONN}\n")


class Verdict:
    """figures: name → number. wrong: name → number, of what must not be. examples: text."""

    def __init__(self, figures, wrong, examples):
        self.figures, self.wrong, self.examples = figures, wrong, examples

    def text(self):
        return "\n".join(f"{name}: {n}, for example {self.examples[name]}"
                         for name, n in self.wrong.items())


def newest(pg):
    """What compare's `after` wants before a round begins."""
    row = pg.query("SELECT (SELECT coalesce(max(id), 0) FROM events) AS events, "
                   "(SELECT coalesce(max(id), 0) FROM rejected_events) AS rejected")[0]
    return row["events"], row["rejected"]


def compare(pg, files, after=(0, 0), timed=True, drained=True):
    """Compares the ledgers of these files with the rows that came after `after`.

    timed: received_at must be the time of the request. drained: what has a batchId had
    the time to be acknowledged.
    """
    script = [_LOAD.format(copies="\n".join(f"\\copy ledger FROM '{f}' (DELIMITER ' ')"
                                            for f in files),
                           after=after[0], after_rejected=after[1]), _FIGURES]
    for name, (what, source) in _WRONGS.items():
        source = source.replace("{timed}", str(timed)).replace("{drained}", str(drained))
        script.append(f"SELECT json_build_array('{name}', coalesce({what}, 0), "
                      f"(array_agg(l.r ORDER BY l.r))[1:5]) FROM {source};")
    lines = pg.execute("\n".join(script)).splitlines()
    found = [json.loads(line) for line in lines if line.startswith(("[", "{"))]
    wrongs = [w for w in found[1:] if w[1]]
    return Verdict(found[0], {name: n for name, n, _ in wrongs},
                   {name: f"r = {examples}" for name, _, examples in wrongs})
