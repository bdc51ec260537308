"""A short round of torture: every acknowledged event is in the table exactly once, as it was
sent, whatever was killed. And that what compares them would notice."""

import os

import ledger
import stack as stacks
import torture
from harness import postgres, tap

SEED = os.environ.get("MR_SEED", "1")

TAMPER = """
UPDATE events SET payload = jsonb_set(payload::jsonb, '{eventData,x}', '0')
    WHERE id = (SELECT id FROM events WHERE payload->'eventData'->>'i' = '2' LIMIT 1);
INSERT INTO events (received_at, event_time, site_id, event_type, session_id, visitor_id, payload)
    SELECT received_at, event_time, site_id, event_type, session_id, visitor_id, payload
    FROM events WHERE payload->'eventData'->>'i' = '1' ORDER BY id LIMIT 1;
DELETE FROM events
    WHERE id = (SELECT min(id) FROM events WHERE payload->'eventData'->>'i' = '4');
DELETE FROM rejected_events;
"""


def one_round(t, pg, stack):
    one = torture.Round(stack, 1, SEED, kills=4, acknowledged=4000, rate=200,
                        plan=("immediate", "full", "kill9"))
    after = ledger.newest(pg)
    verdict = one.run()
    tap.diag(f"seed {SEED}: {dict(one.done)} {verdict.figures}")
    t.is_(one.errors, [], "all was done that was to be")
    t.is_(verdict.text(), "", "nothing lost, nothing twice, nothing changed")
    t.ok(verdict.figures["acknowledged"] >= 4000, "enough was acknowledged")
    balanced, text = torture.books(stack)
    if balanced is None:
        t.skip("the books balance", "millrace-check is not built")
    else:
        t.ok(balanced, "the books balance", text)
    with t.case("tampered"):
        pg.execute(TAMPER)
        wrong = ledger.compare(pg, one.ledgers, after).wrong
        t.includes(wrong, {"lost": 1, "doubled": 1, "other values": 1}, "is noticed")
        t.ok(wrong.get("rejects lost"), "rejects too")


postgres.need()
mounts = stacks.private_mounts()
with tap.Suite() as t, postgres.Postgres(True, stacks.SETTINGS) as pg:
    tap.diag("the spool is on " + ("a tmpfs" if mounts else "a quota: mounting is not allowed"))
    with stacks.Stack(pg, torture.INI, spool_bytes=torture.SPOOL_BYTES, mounts=mounts) as stack:
        stack.wait_healthy()
        one_round(t, pg, stack)
