"""What the integration tests share."""

import re

from harness import fcgi

TIMESTAMP = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
LOG_LINE = r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z millrace\.fcgi\[\d+\] "

# The SHA-256 of TOKEN is what the configuration holds.
TOKEN = "9c4e1a77d2f05b86e3"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


# What the database cannot take is then answered with 503.
NO_SPOOL = {"spool": {"dir": ""}}


def config(pg, database=None, sections=None):
    """An ini for this database; sections: {section: {key: value}} on top."""
    ini = {"database": {"url": pg.dsn(database)}}
    for name, keys in (sections or {}).items():
        ini.setdefault(name, {}).update(keys)
    return ini


def worker(pg, database=None, sections=None, **more):
    """A worker on this database."""
    return fcgi.Worker(config(pg, database, sections), **more)


def without_time(answer):
    """The answer's JSON without its timestamp; None when that is missing or malformed."""
    body = answer.json()
    stamp = body.pop("timestamp", None)
    return body if isinstance(stamp, str) and re.match(TIMESTAMP, stamp) else None


def success(n):
    return {"status": "success", "message": f"{n} event(s) received and stored",
            "events_processed": n}


def queued(n):
    return {"status": "accepted", "message": f"{n} event(s) received and queued",
            "events_processed": n}


def check_error(t, answer, status, pattern, offset=None):
    """Checks a refusal: the status, a message that says what and where, the JSON around it."""
    t.is_(answer.status, status, f"status {status}")
    if not t.like(answer.headers.get("content-type"), r"^application/json\b", "is JSON"):
        return
    body = answer.json()
    t.is_(body.get("status"), "error", "says error")
    t.like(body.get("message"), pattern, "message")
    t.like(body.get("timestamp"), TIMESTAMP, "timestamp")
    if offset is not None:
        t.is_(body.get("offset"), offset, "offset")
        t.like(body.get("message"), rf"\bbyte {offset}\b", "message says where")
