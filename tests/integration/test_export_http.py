"""The endpoints of the export: asking for one, how far it is, what is configured."""

import hashlib
import os
import re

from common import BEARER, TIMESTAMP, TOKEN, check_error, worker
from exporting import Exporter, Folder, check_complete, insert, program
from harness import postgres, proc, tap

SHA256 = hashlib.sha256(TOKEN.encode()).hexdigest()
SECRET = "sealed:v1:0badc0de:bm90aGluZyBvZiB0aGlzIGlzIGEgc2VjcmV0IHRoYXQgb3BlbnM"


def places(folder, *names):
    for name in names:
        os.mkdir(os.path.join(folder, name))
    return [Folder(os.path.join(folder, name)) for name in names]


def sections(bucket, spawn="on", **client):
    return {"admin": {"token_sha256": SHA256},
            "export": {"spawn": spawn, "program": program()},
            "client acme": {"bucket": bucket.url, "compression": "gzip", **client}}


def ask(w, method, path, **more):
    return w.request(method, path, headers=BEARER, **more)


def run_of(w, run_id):
    """The run in the status, when it has ended."""
    for run in ask(w, "GET", "/export/status").json()["runs"]:
        if run["run_id"] == run_id and run["status"] not in ("requested", "running"):
            return run
    return None


def spawning(t, pg, folder):
    """POST /export/run starts the program."""
    bucket, backup = places(folder, "bucket", "backup")
    with worker(pg, sections={**sections(bucket), "backup": {"bucket": backup.url}}) as w:
        w.wait_healthy()
        insert(pg, 250)
        for method, path in (("POST", "/export/run"), ("GET", "/export/status"),
                             ("GET", "/export/config"), ("GET", "/export/usage")):
            t.is_(w.request(method, path).status, 401, f"{path} needs the token")
        t.is_(ask(w, "GET", "/export/run").status, 405, "GET /export/run")
        t.is_(ask(w, "POST", "/export/status").status, 405, "POST /export/status")

        status = ask(w, "GET", "/export/status").json()
        t.is_((status["status"], status["exported_events"], status["pending_events"]),
              ("idle", 0, 250), "before the first run")
        t.is_([d["pending_events"] for d in status["clients"][0]["destinations"]], [250, 250],
              "for each destination")
        answer = ask(w, "POST", "/export/run")
        t.is_(answer.status, 202, "status")
        body = answer.json()
        t.is_((body["status"], sorted(body)),
              ("started", ["message", "run_id", "status", "timestamp"]), "the answer")
        t.like(body["run_id"], r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "a run's id")
        run = proc.wait_for(lambda: run_of(w, body["run_id"]), "the run ends", detail=w.log)
        t.is_((run["status"], run["events"], run["origin"], run["asked_by"], run["error"]),
              ("done", 250, "http", "http 192.0.2.1", None), "the run, as it is recorded")
        check_complete(t, "the bucket", bucket, pg)
        check_complete(t, "the backup", backup, pg)

        status = ask(w, "GET", "/export/status").json()
        t.is_((status["status"], status["exported_events"], status["pending_events"],
               status["lag_seconds"], status["sites_without_client"]), ("idle", 250, 0, 0, 0),
              "the status")
        t.like(status["timestamp"], TIMESTAMP, "timestamp")
        t.is_([c["client"] for c in status["clients"]], ["acme"], "each client")
        for got, place in zip(status["clients"][0]["destinations"], (bucket, backup)):
            t.includes(got, {"events": 250, "pending_events": 0, "lag_seconds": 0,
                             "last_error": None, "last_error_at": None}, got["destination"])
            t.ok(got["url"].startswith(place.url), "its address", got["url"])
            t.like(got["last_success"], TIMESTAMP, "when it succeeded")
            t.ok(got["bytes"] > 0 and got["objects"] == 1, "its objects")

        used = ask(w, "GET", "/export/usage?client=acme").json()["usage"]
        t.is_([(u["client"], u["destination"], u["site_id"], u["events"], u["objects"]) for u in used],
              [("acme", "bucket", "shop", 250, 1), ("acme", "backup", "shop", 250, 1)], "the usage")
        for query, status, n in (("month=2000-01", 200, 0), ("until=2100-01-01", 200, 2),
                                 ("client=nobody", 200, 0)):
            answer = ask(w, "GET", "/export/usage?" + query)
            t.is_((answer.status, len(answer.json()["usage"])), (status, n), query)
        for query in ("month=2026-13", "since=now", "month=2026-11&until=2026-12-01"):
            check_error(t, ask(w, "GET", "/export/usage?" + query), 400, r"month|dates")

        insert(pg, 30)
        os.rename(backup.path, backup.path + ".away")
        status = ask(w, "GET", "/export/status").json()
        t.is_(status["pending_events"], 30, "events that wait")
        t.ok(status["lag_seconds"] >= 0, "and for how long")
        run_id = ask(w, "POST", "/export/run?client=acme").json()["run_id"]
        run = proc.wait_for(lambda: run_of(w, run_id), "the run ends")
        t.is_((run["status"], run["events"]), ("failed", 30), "one destination is away")
        t.like(run["error"], r"cannot be opened as a directory", "says why")
        status = ask(w, "GET", "/export/status").json()
        t.is_((status["status"], status["exported_events"], status["pending_events"]),
              ("failing", 280, 0), "the status says so")
        got = status["clients"][0]["destinations"][1]
        t.like(got["last_error"], r"cannot be opened as a directory", "for the destination")
        t.is_((got["pending_events"], got["events"]), (30, 250), "and what it lacks")
        os.rename(backup.path + ".away", backup.path)

        run_id = ask(w, "POST", "/export/run?format=csv&since=2000-01-01T00:00:00Z").json()["run_id"]
        run = proc.wait_for(lambda: run_of(w, run_id), "the run ends")
        t.is_((run["status"], run["events"], run["format"], run["since"]),
              ("done", 280, "csv", "2000-01-01T00:00:00.000Z"), "a span of time")
        t.ok([k for k in bucket.keys() if k.startswith(f"manual/{run_id}/site_id=shop/")
              and k.endswith(".csv.gz")], "lies under manual/", str(bucket.keys()))

        for query, pattern in (("client=nobody", "no client of that name"),
                               ("format=xml", "format must be json"),
                               ("since=yesterday", "since is no time; write it like 2025"),
                               ("until=x", "until is no time"),
                               ("since=2025-02-01&until=2025-01-01", "since must be before")):
            check_error(t, ask(w, "POST", f"/export/run?{query}"), 400, pattern)
        t.is_(pg.value("SELECT count(*) FROM export_runs"), 3, "those are not recorded")


def leaving_it_to_cron(t, pg, folder):
    """spawn = off: the request is there, and the next run does it."""
    (bucket,) = places(folder, "cron")
    pg.create_database("cron")
    with worker(pg, "cron", sections(bucket, spawn="off")) as w:
        w.wait_healthy()
        insert(pg, 20, database="cron")
        body = ask(w, "POST", "/export/run?since=2000-01-01").json()
        t.is_(body["status"], "requested", "the answer")
        t.is_(pg.value("SELECT state FROM export_runs", "cron"), "requested", "it waits")
        exporter = Exporter(folder, pg, sections(bucket, spawn="off"), "cron")
        exporter.good(t, "cron's run")
        t.is_(run_of(w, body["run_id"])["events"], 20, "has done it")
        check_complete(t, "the span", bucket, pg, database="cron",
                       wanted=lambda keys: [k for k in keys if body["run_id"] in k])
        check_complete(t, "and the rest", bucket, pg, database="cron")

        # One that was interrupted is done again, by its plan.
        pg.execute("UPDATE export_runs SET state = 'running'; DELETE FROM export_deliveries "
                   "WHERE batch IN (SELECT id FROM export_batches WHERE kind = 'manual')", "cron")
        before = bucket.everything()
        exporter.good(t, "a run behind one that was killed")
        t.is_(bucket.everything(), before, "wrote the same again")
        t.is_(run_of(w, body["run_id"])["status"], "done", "and it is done")


def looking(t, pg, folder):
    """dry_run and verify over HTTP; what is not known is refused, not passed over."""
    (bucket,) = places(folder, "looking")
    pg.create_database("looking")
    log = os.path.join(folder, "looking.log")
    with worker(pg, "looking", sections(bucket, spawn="off")) as w:
        w.wait_healthy()
        insert(pg, 40, site="'shop' || i % 2", database="looking")
        exporter = Exporter(folder, pg, {"millrace": {"log": log},
                                         **sections(bucket, spawn="off")}, "looking")

        def ended(query):
            """What became of a run that was asked for."""
            run_id = ask(w, "POST", f"/export/run?{query}").json()["run_id"]
            done = exporter.run("--requests")
            return run_of(w, run_id), done

        run, done = ended("dry_run=1")
        t.is_((run["status"], run["dry_run"], run["events"], run["objects"]), ("done", True, 40, 2),
              "dry_run: what would be exported")
        t.is_((done.returncode, done.stdout, done.stderr), (0, "", ""), "dry_run: nobody is told")
        t.is_(bucket.keys(), [], "dry_run: nothing is")
        t.is_(pg.value("SELECT count(*) FROM export_batches", "looking"), 0, "dry_run: nor planned")
        run, _ = ended("verify=0&dry_run=0&since=2000-01-01")
        t.is_((run["status"], run["dry_run"], run["verify"], run["events"]),
              ("done", False, False, 40), "0 is no")
        exporter.good(t, "a run")
        check_complete(t, "then", bucket, pg, database="looking")

        run, done = ended("verify=1&client=acme")
        t.is_((run["status"], run["verify"], run["error"]), ("done", True, None),
              "verify: all is as it was")
        t.is_(done.stdout, "", "verify: nothing was exported")
        key = next(k for k in bucket.keys() if k.startswith("site_id="))
        os.remove(os.path.join(bucket.path, key))
        run, done = ended("verify=1")
        t.is_(run["status"], "failed", "verify: an object is gone")
        t.like(run["error"], re.escape(key) + " is missing", "verify: says which")
        t.is_(done.returncode, 4, "verify: the program's status")

        before = pg.value("SELECT count(*) FROM export_runs", "looking")
        for query, pattern in (("foo=1", "no parameter 'foo'; there are client, format, since"),
                               ("client=acme&dryrun=1", "no parameter 'dryrun'"),
                               ("dry_run=yes", "dry_run must be 0 or 1"),
                               ("verify=2", "verify must be 0 or 1"),
                               ("verify=1&dry_run=1", "verify goes with neither"),
                               ("verify=1&format=csv", "verify goes with neither")):
            check_error(t, ask(w, "POST", f"/export/run?{query}"), 400, pattern)
        for body in ("format=csv", {"format": "csv"}, "{}"):
            check_error(t, ask(w, "POST", "/export/run", body=body), 400,
                        r"no body is read, .*\?format=csv")
        t.is_(pg.value("SELECT count(*) FROM export_runs", "looking"), before,
              "those are not recorded")
        t.is_(ask(w, "POST", "/export/run", body="").status, 202, "an empty body is none")


def missing_program(t, pg, folder):
    """A program that cannot be started leaves the request to cron."""
    (bucket,) = places(folder, "missing")
    ini = sections(bucket)
    ini["export"]["program"] = os.path.join(folder, "nothing")
    pg.create_database("missing")
    with worker(pg, "missing", ini) as w:
        w.wait_healthy()
        t.is_(ask(w, "POST", "/export/run").json()["status"], "requested", "the answer")
        t.like(w.log(), r"ERROR: .*/nothing: cannot be started: No such file", "the log")


def configuration(t, pg, folder):
    """GET /export/config shows where, and no secret."""
    (bucket,) = places(folder, "config")
    pg.create_database("config")
    ini = {**sections(bucket, sites="a, b"),
           "backup": {"bucket": "kept", "region": "eu-west-1", "access_key": "AKIDEXAMPLE",
                      "secret_key": SECRET, "external_id": "extern-42"},
           "client other": {"bucket": "s3://theirs", "prefix": "p", "format": "parquet",
                            "frequency": "daily", "backup": "off", "secret_key": SECRET,
                            "access_key": "AKIDEXAMPLE"}}
    with worker(pg, "config", ini) as w:
        w.wait_healthy()
        answer = ask(w, "GET", "/export/config")
        t.is_(answer.status, 200, "status")
        for word in ("sealed", "AKIDEXAMPLE", "extern-42", "secret_key", TOKEN, SHA256):
            t.unlike(answer.text, re.escape(word), f"no {word[:12]} in it")
        acme, other = answer.json()["clients"]
        t.includes(acme, {"client": "acme", "sites": ["a", "b"], "format": "ndjson",
                          "compression": "gzip", "frequency": "realtime"}, "a client")
        t.is_([d["destination"] for d in acme["destinations"]], ["bucket", "backup"],
              "its destinations")
        t.includes(acme["destinations"][1], {"bucket": "kept", "prefix": "acme",
                                             "region": "eu-west-1", "credentials": "configured"},
                   "the backup")
        t.includes(other, {"format": "parquet", "frequency": "daily", "sites": ["*"]}, "another")
        t.is_(len(other["destinations"]), 1, "without a backup")
        insert(pg, 5, site="'c'", database="config")
        status = ask(w, "GET", "/export/status").json()
        t.is_(status["sites_without_client"], 0, "* takes every site")
    with worker(pg, "config", sections(bucket, sites="a, b")) as w:
        w.wait_healthy()
        status = ask(w, "GET", "/export/status").json()
        t.is_((status["sites_without_client"], status["sites_without_client_names"]), (1, "c"),
              "a site that nobody has is reported")
    with worker(pg, "config", {"admin": {"token_sha256": SHA256}}) as w:
        w.wait_healthy()
        t.is_(ask(w, "GET", "/export/status").json()["status"], "unconfigured", "no client at all")
        check_error(t, ask(w, "POST", "/export/run"), 400, r"no \[client NAME\] is configured")


def main():
    postgres.need()
    with tap.Suite() as t, postgres.Postgres() as pg, proc.temp_dir() as folder:
        for case in (spawning, leaving_it_to_cron, looking, missing_program, configuration):
            with t.case(case.__name__.replace("_", " ")):
                case(t, pg, folder)


main()
