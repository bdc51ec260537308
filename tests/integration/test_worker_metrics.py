"""GET /metrics: promtool accepts it, the numbers are those of what was sent, and they are
totals over all workers of the host, dead and alive."""

import hashlib
import json
import os
import re
import signal
import subprocess

from common import BEARER, TOKEN, worker
from exporting import program
from harness import postgres, proc, tap

ADMIN = {"admin": {"token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}}
SAMPLE = re.compile(r'(?m)^(\w+)(?:\{(.*)\})? (\S+)$')


def metrics(w):
    """{name or name{labels}: value} and the text."""
    answer = w.request("GET", "/metrics", headers=BEARER)
    values = {name + (f"{{{labels}}}" if labels else ""): float(value)
              for name, labels, value in SAMPLE.findall(answer.text)}
    return values, answer


def known(w, what="export"):
    """The values when it is known how far the exports are: that is told only if it takes no
    longer than a second to find out."""
    return proc.wait_for(lambda: (found := metrics(w)[0])[f"millrace_{what}_known"] and found,
                         f"the state of the {what}", detail=w.log)


def post(w, body, **more):
    return w.request("POST", "/collect", body, **more).status


def access(t, w):
    with t.case("access"):
        t.is_(w.request("GET", "/metrics").status, 401, "needs the token")
        t.is_(w.request("POST", "/metrics", headers=BEARER).status, 405, "no POST")
        _, answer = metrics(w)
        t.is_(answer.status, 200, "with the token")
        t.is_(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8",
              "type")


def traffic(t, w):
    """One request of each kind; the statuses are those of the counters below."""
    batch = {"eventType": "batch", "siteId": "a", "events": [{"eventType": "x"}] * 9}
    with t.case("traffic"):
        t.is_([post(w, {"eventType": "x", "siteId": "a"}), post(w, batch),
               post(w, {**batch, "batchId": "one"}), post(w, {**batch, "batchId": "one"}),
               post(w, {**batch, "events": [{"eventType": "x"}, 1, 2]}),
               post(w, {"eventType": "x", "timestamp": "yesterday", "visitorId": {}}),
               post(w, "{"), post(w, b"", content_length=None), post(w, b"x" * 5000),
               post(w, "{}", headers={"Content-Encoding": "br"})],
              [200, 200, 200, 200, 200, 200, 400, 411, 413, 415], "statuses")
        t.is_(w.request("GET", "/pixel.gif?eventType=view&siteId=a").status, 200, "a pixel")


# After traffic() once.
WANT = {
    'millrace_requests_total{outcome="stored"}': 5,
    'millrace_requests_total{outcome="partial"}': 1,
    'millrace_requests_total{outcome="queued"}': 0,
    'millrace_requests_total{outcome="duplicate"}': 1,
    'millrace_requests_total{outcome="rejected"}': 4,
    'millrace_requests_total{outcome="unavailable"}': 0,
    'millrace_requests_rejected_total{reason="malformed"}': 1,
    'millrace_requests_rejected_total{reason="no_length"}': 1,
    'millrace_requests_rejected_total{reason="too_large"}': 1,
    'millrace_requests_rejected_total{reason="encoding"}': 1,
    'millrace_events_total{outcome="stored"}': 25,
    'millrace_events_total{outcome="duplicate"}': 10,
    'millrace_events_total{outcome="rejected"}': 2,
    'millrace_events_rejected_total{reason="invalid"}': 2,
    'millrace_events_rejected_total{reason="database"}': 0,
    'millrace_bad_timestamps_total': 1,
    'millrace_bad_ids_total': 1,
    'millrace_commits_total': 7,
    'millrace_request_events_count': 7,
    'millrace_request_events_sum': 37,
    'millrace_request_events_bucket{le="1"}': 3,
    'millrace_request_events_bucket{le="10"}': 7,
    'millrace_request_events_bucket{le="+Inf"}': 7,
    'millrace_commit_rows_count': 7,
    'millrace_commit_rows_sum': 37,
    'millrace_insert_duration_seconds_count': 7,
    'millrace_request_duration_seconds_count': 11,
    'millrace_database_up': 1,
    'millrace_workers': 1,
    'millrace_counters_shared': 1,
}


def numbers(t, w, want):
    values, _ = metrics(w)
    for name, value in want.items():
        t.is_(values.get(name), value, name)
    t.ok(any(re.match(r'millrace_build_info\{version="\d', name) for name in values), "build info")
    t.ok(values["millrace_worker_start_time_seconds"] > 1.7e9, "start time")
    t.ok(values["millrace_insert_duration_seconds_sum"] > 0, "time was measured")


def promtool(t, w):
    with t.case("promtool"):
        tool = proc.find("promtool")
        if not tool:
            t.skip("check metrics", "promtool is not installed")
            return
        _, answer = metrics(w)
        for name, text, status in (("check metrics", answer.body, 0),
                                   ("finds faults", answer.body + b"millrace_x 1\n", 3)):
            done = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True,
                                  check=False, env=proc.clean_env(), timeout=proc.DEADLINE_S)
            t.is_((done.returncode, done.stdout + done.stderr == b""), (status, status == 0), name)


RULES = os.path.join(proc.SRCDIR, "etc", "prometheus", "millrace.rules.yml")

PLACE = '{client="a",destination="bucket"}'
# alert, series with their values a minute apart, whether it fires after two hours
ALERTS = [
    ("MillraceDown", {'up{job="millrace",instance="a"}': "1x100 0x20",
                      'up{job="millrace",instance="b"}': "1x120"}, True),
    ("MillraceDown", {'up{job="other"}': "1x120"}, True),
    ("MillraceDown", {'up{job="millrace"}': "1x110 0x2 1x10", 'up{job="other"}': "0x120"}, False),
    ("MillraceInsertFailures", {"millrace_commits_total": "0+97x120",
                                "millrace_groups_spooled_total": "0+2x120",
                                "millrace_groups_failed_total": "0+1x120"}, True),
    ("MillraceInsertFailures", {"millrace_commits_total": "0+1000x120",
                                "millrace_groups_spooled_total": "0+1x120",
                                "millrace_groups_failed_total": "0+0x120"}, False),
    ("MillraceSmallBatches", {"millrace_request_events_sum": "0+4800x120",
                              "millrace_request_events_count": "0+1200x120"}, True),
    ("MillraceSmallBatches", {"millrace_request_events_sum": "0+12000x120",
                              "millrace_request_events_count": "0+1200x120"}, False),
    # A small host, and one with too few requests to judge.
    ("MillraceSmallBatches", {"millrace_request_events_sum": "0+1x120",
                              "millrace_request_events_count": "0+1x120"}, True),
    ("MillraceSmallBatches", {"millrace_request_events_sum": "0x80 19x40",
                              "millrace_request_events_count": "0x80 19x40"}, False),
    ("MillraceConnectionsExhausted", {"millrace_database_up": "0x120"}, True),
    ("MillraceConnectionsExhausted", {
        'millrace_request_duration_seconds_bucket{le="1"}': "0+90x120",
        'millrace_request_duration_seconds_bucket{le="5"}': "0+100x120",
        'millrace_request_duration_seconds_bucket{le="+Inf"}': "0+100x120"}, True),
    ("MillraceConnectionsExhausted", {
        "millrace_database_up": "1x120",
        'millrace_request_duration_seconds_bucket{le="1"}': "0+100x120",
        'millrace_request_duration_seconds_bucket{le="+Inf"}': "0+100x120"}, False),
    ("MillraceExportLag", {f"millrace_export_lag_seconds{PLACE}": "0+60x120",
                           'millrace_export_schedule_seconds{client="a"}': "3600x120"}, True),
    ("MillraceExportLag", {f"millrace_export_lag_seconds{PLACE}": "3800x120",
                           'millrace_export_schedule_seconds{client="a"}': "3600x120",
                           'millrace_export_schedule_seconds{client="b"}': "300x120"}, False),
    ("MillraceExportFailing", {f"millrace_export_failing{PLACE}": "1x120"}, True),
    ("MillraceExportFailing", {f"millrace_export_failing{PLACE}": "0x120"}, False),
    # Each fifth sample is missing, as when the database was too slow.
    ("MillraceExportFailing", {f"millrace_export_failing{PLACE}": " ".join(["1x3 stale"] * 30)}, True),
    ("MillraceExportFailing", {f"millrace_export_failing{PLACE}": "1x100 0x20"}, False),
    ("MillraceMetricsMissing", {"millrace_export_known": "1x90 0x30",
                                "millrace_buffer_known": "1x120"}, True),
    ("MillraceMetricsMissing", {"millrace_buffer_known": "0x120"}, True),
    ("MillraceMetricsMissing", {"millrace_export_known": " ".join(["0x2 1"] * 30)}, False),
    ("MillraceBufferFull", {'millrace_buffer_bytes{age="open"}': "50x120",
                            'millrace_buffer_bytes{age="older"}': "45x120",
                            "millrace_buffer_max_bytes": " ".join(["100x3 stale"] * 30)}, True),
    ("MillraceBufferFull", {'millrace_buffer_bytes{age="open"}': "50x120",
                            "millrace_buffer_max_bytes": "100x120"}, False),
    ("MillraceBufferFull", {'millrace_buffer_bytes{age="open"}': "50x120",
                            "millrace_buffer_max_bytes": "0x120"}, False),
    ("MillraceBufferHeld", {f"millrace_buffer_held_age_seconds{PLACE}": "86000+60x120"}, True),
    ("MillraceBufferHeld", {f"millrace_buffer_held_age_seconds{PLACE}": "0+60x120"}, False),
    ("MillraceSpoolBacklog", {"millrace_spool_oldest_age_seconds": "0+60x120"}, True),
    ("MillraceQuarantine", {"millrace_spool_quarantine_files": "1x120"}, True),
    ("MillraceUnavailable", {'millrace_requests_total{outcome="unavailable"}': "0+1x120"}, True),
    ("MillraceUnavailable", {'millrace_requests_total{outcome="unavailable"}': "7x120"}, False),
]


def rules(t, w, folder):
    """The sample alerts: they use metrics that there are, and fire when they are to."""
    with t.case("alert rules"):
        tool = proc.find("promtool")
        if not tool:
            t.skip("check rules", "promtool is not installed")
            return
        text = proc.read_text(RULES)
        values, _ = metrics(w)
        known = {name.partition("{")[0] for name in values}
        exprs = re.findall(r"expr: (?:>\n)?(.*?)\n(?=        (?:for|labels):)", text, re.S)
        used = set(re.findall(r"\bmillrace_\w+", " ".join(exprs)))
        t.ok(len(used) >= 8, "metrics are used", used)
        t.is_(sorted(used - known), [], "all of them exist")
        alerts = re.findall(r"alert: (\w+)", text)
        t.is_(sorted({name for name, *_ in ALERTS}), sorted(alerts), "each alert is tried")

        def run(*args):
            done = subprocess.run([tool, *args], capture_output=True, text=True, check=False,
                                  env=proc.clean_env(), timeout=proc.DEADLINE_S)
            return done.returncode, done.stdout + done.stderr
        t.is_(run("check", "rules", RULES)[0], 0, "promtool check rules")
        for name, series, fires in ALERTS:
            # Labels and annotations of what fires need not be repeated: only whether it does.
            path = os.path.join(folder, "rules-test.json")
            with open(path, "w", encoding="utf-8") as f:
                json.dump({"rule_files": [RULES], "evaluation_interval": "1m", "tests": [{
                    "interval": "1m",
                    "input_series": [{"series": k, "values": v} for k, v in series.items()],
                    "promql_expr_test": [{
                        "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
                        "eval_time": "2h",
                        "exp_samples": [{"labels": "{}", "value": 1}] if fires else []}]}]}, f)
            status, output = run("test", "rules", path)
            t.ok(status == 0, f"{name} {'fires' if fires else 'is silent'}", output)


DASHBOARD = os.path.join(proc.SRCDIR, "etc", "grafana", "millrace.json")
# What Grafana puts in place of its variables.
GRAFANA = {"$__rate_interval": "5m", "$instance": ".+"}


def panels(dashboard):
    return [p for p in dashboard["panels"] if p["type"] != "row"]


def dashboard(t, w, folder):
    """The sample for Grafana: each query can be read, and asks for metrics that there are."""
    with t.case("Grafana's dashboard"):
        found = json.loads(proc.read_text(DASHBOARD))
        text = json.dumps([p["targets"] for p in panels(found)])
        values, _ = metrics(w)
        known = {name.partition("{")[0] for name in values}
        used = set(re.findall(r"\bmillrace_\w+", text))
        t.ok(len(used) >= 15, "metrics are used", used)
        t.is_(sorted(used - known), [], "all of them exist")
        t.is_([p["title"] for p in panels(found) if not p["description"]], [], "each panel is explained")
        places = [(p["gridPos"]["x"] + i, p["gridPos"]["y"] + j) for p in found["panels"]
                  for i in range(p["gridPos"]["w"]) for j in range(p["gridPos"]["h"])]
        t.is_(len(places), len(set(places)), "no panel covers another")
        t.is_(max(x for x, _ in places), 23, "and they fill the 24 columns")
        exprs = [target["expr"] for p in panels(found) for target in p["targets"]]
        for variable, value in GRAFANA.items():
            exprs = [e.replace(variable, value) for e in exprs]
        t.is_([e for e in exprs if "$" in e], [], "no other variable is asked for")
        tool = proc.find("promtool")
        if not tool:
            t.skip("each query can be read", "promtool is not installed")
            return
        for more, status in (([], 0), (["rate(millrace_commits_total[)"], 1)):
            path = os.path.join(folder, "queries.json")
            with open(path, "w", encoding="utf-8") as f:
                json.dump({"groups": [{"name": "dashboard", "rules": [
                    {"record": f"q:{i}", "expr": e} for i, e in enumerate(exprs + more)]}]}, f)
            done = subprocess.run([tool, "check", "rules", path], capture_output=True, text=True,
                                  check=False, env=proc.clean_env(), timeout=proc.DEADLINE_S)
            t.ok(done.returncode == status, f"promtool reads the queries: {status}", done.stderr)


def two_workers(t, pg, one):
    shared = {"metrics": {"file": os.path.join(one.dir, "counters")}}
    with worker(pg, sections={**sections(), **shared}) as two:
        two.wait_healthy()
        with t.case("two workers"):
            before, _ = metrics(one)
            t.is_([post(w, {"eventType": "x", "siteId": "a"}) for w in (one, two, two)],
                  [200] * 3, "each is sent something")
            for w in (one, two):
                values, _ = metrics(w)
                name = 'millrace_events_total{outcome="stored"}'
                t.is_(values[name] - before[name], 3, "either knows the total")
                t.is_(values["millrace_workers"], 2, "and how many there are")
        with t.case("one is killed"):
            two.process.kill(signal.SIGKILL)
            two.status = two.process.wait()
            two.asked = True
            values, _ = metrics(one)
            t.is_(values[name] - before[name], 3, "what it counted stays")
            t.is_(values["millrace_workers"], 1, "it is gone")
        two.status = 0


def restart(t, w):
    with t.case("after a restart"):
        before, _ = metrics(w)
        t.is_(w.stop(), 0, "exit status")
        w.start()
        w.wait_healthy()
        values, _ = metrics(w)
        for name in ("millrace_commits_total", "millrace_request_events_sum"):
            t.is_(values[name], before[name], f"{name} goes on")


def without_file(t, pg):
    for name, path, pattern in (("no file", "", None),
                                ("an unusable file", "/proc/counters", r"WARNING: .*/proc/counters")):
        with t.case(name), worker(pg, sections={**ADMIN, "metrics": {"file": path}}) as w:
            w.wait_healthy()
            t.is_(post(w, {"eventType": "x", "siteId": "a"}), 200, "it works")
            values, _ = metrics(w)
            t.is_((values["millrace_counters_shared"], values["millrace_workers"],
                   values['millrace_events_total{outcome="stored"}']), (0, 1, 1), "counts alone")
            if pattern:
                t.like(w.log(), pattern, "the log says so")
            else:
                t.unlike(w.log(), "WARNING", "no warning")


def of_export(values, destination, *names):
    return tuple(values.get(f'millrace_export_{name}{{client="acme",destination="{destination}"}}')
                 for name in names)


def exports(t, pg, w):
    """What an export did, and what waits, for each destination."""
    def run():
        return subprocess.run([program(), "-c", w.conffile], check=False, capture_output=True,
                              env=proc.clean_env(), timeout=proc.DEADLINE_S).returncode

    with t.case("exports"):
        values = known(w)
        t.is_((values["millrace_export_known"],
               values['millrace_export_schedule_seconds{client="acme"}']), (1, 3600), "a schedule")
        t.is_(of_export(values, "bucket", "events_total", "last_success_timestamp_seconds",
                        "failing"), (0, 0, 0), "nothing was exported")
        pg.execute("UPDATE events SET created_at = created_at - interval '1 day'")
        values = known(w)
        t.ok(86400 <= of_export(values, "bucket", "lag_seconds")[0] < 87600,
             "the first event has waited from the start")
        t.is_(run(), 1, "an export, of which one destination fails")
        rows = pg.value("SELECT count(*) FROM events")
        values = known(w)
        t.is_(of_export(values, "bucket", "events_total", "lag_seconds", "failing"), (rows, 0, 0),
              "the bucket has it all")
        for name, column in (("objects_total", "objects"), ("bytes_total", "bytes"),
                             ("last_success_timestamp_seconds", "round(extract(epoch FROM "
                              "succeeded_at))::bigint")):
            t.is_(of_export(values, "bucket", name)[0], pg.value(
                f"SELECT {column} FROM export_cursors WHERE destination = 'bucket'"), name)
        t.is_(of_export(values, "backup", "events_total", "failing"), (0, 1), "the backup fails")
        pg.execute("UPDATE export_cursors SET reached_at = now() - interval '3 hours'")
        values = known(w)
        t.is_(of_export(values, "bucket", "lag_seconds"), (0,), "without events there is no lag")
        t.ok(86400 <= of_export(values, "backup", "lag_seconds")[0] < 87600,
             "and with them there is: the age of the first that waits")
        post(w, {"eventType": "x", "siteId": "a"})
        values = known(w)
        t.ok(of_export(values, "bucket", "lag_seconds")[0] < 10800,
             "a new one waits since it came, not since the last export")


def buffer(t, pg, w):
    """How large the partitions are, and what they wait for."""
    def sums(values, name):
        return sum(values[f'millrace_buffer_{name}{{age="{age}"}}']
                   for age in ("open", "day", "older", "default"))

    def held(values, destination):
        return [values[f'millrace_buffer_held_{name}{{client="acme",destination="{destination}"}}']
                for name in ("bytes", "partitions", "age_seconds")]

    with t.case("the buffer"):
        pg.execute("SELECT events_make_partition(low, low + interval '1 day') FROM (SELECT ((now() "
                   "AT TIME ZONE 'UTC')::date - 3)::timestamp AT TIME ZONE 'UTC' AS low) AS d")
        pg.execute("INSERT INTO events (created_at, received_at, event_time, site_id, event_type, "
                   "payload) SELECT ((now() AT TIME ZONE 'UTC')::date - 3)::timestamp AT TIME ZONE "
                   "'UTC', now(), now(), 'a', 'x', '{}' FROM generate_series(1, 1000)")
        count = subprocess.run([proc.built("cron", "millrace-maintain"), "-q", "-c", w.conffile], check=False,
                               capture_output=True, text=True, env=proc.clean_env())
        t.is_((count.returncode, count.stderr), (0, ""), "millrace-maintain")
        values = known(w, "buffer")
        t.is_(sums(values, "partitions"), pg.value("SELECT count(*) + 1 FROM events_partitions"),
              "partitions")
        t.is_(sums(values, "bytes"), pg.value("SELECT sum(pg_total_relation_size(relid)) FROM "
                                              "pg_partition_tree('events')"), "bytes")
        t.is_(values["millrace_buffer_max_bytes"], 1 << 30, "how large they may be")
        t.is_(values['millrace_buffer_events{age="older"}'], 1000, "events that were counted")
        rows = pg.value("SELECT count(*) FROM events")
        t.ok(rows / 20 < sums(values, "events") < rows * 20, "and others, about", sums(values, "events"))
        size, parts, age = held(values, "bucket")
        t.ok(0 < size <= values['millrace_buffer_bytes{age="older"}'], "what the bucket lacks", size)
        t.ok(parts == 1 and 2 * 86400 <= age < 3 * 86400, "since when", (parts, age))
        answer = w.request("GET", "/health?buffer", headers=BEARER).json()["buffer"]
        t.is_((answer["bytes"], [h["destination"] for h in answer["held"]], answer["oldest_held"]),
              (sums(values, "bytes"), ["bucket", "backup"], answer["held"][0]["since"]), "/health")
        t.ok("buffer" not in w.request("GET", "/health?buffer").json(), "not without the token")
        t.ok("buffer" not in w.request("GET", "/health", headers=BEARER).json(), "nor unasked for")


def locked(t, pg, w):
    """A table that cannot be read holds nothing up for long."""
    with t.case("a locked table"):
        holder = proc.Process(
            [f"{pg.bin}/psql", "-Xq", pg.dsn(user=postgres.SUPERUSER), "-c",
             "BEGIN; LOCK TABLE export_cursors; SELECT pg_sleep(86400)"], f"{w.dir}/psql")
        try:
            proc.wait_for(lambda: pg.value("SELECT count(*) FROM pg_locks WHERE granted AND mode = "
                                           "'AccessExclusiveLock' AND relation = "
                                           "'export_cursors'::regclass"), "the table is locked")
            values, answer = metrics(w)
            t.is_((answer.status, values["millrace_export_known"], values["millrace_buffer_known"],
                   values["millrace_database_up"]), (200, 0, 0, 1), "all else is answered")
            t.ok(not any(name.startswith("millrace_export_lag") for name in values),
                 "and nothing is made up")
        finally:
            holder.stop()
            pg.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                       "WHERE query LIKE 'BEGIN; LOCK%'")


def database_away(t, pg, w):
    with t.case("database away"):
        pg.stop("fast")
        proc.wait_for(lambda: metrics(w)[0]["millrace_database_up"] == 0, "it is noticed")
        t.ok(True, "it is down")
        t.is_([metrics(w)[0][f"millrace_{what}_known"] for what in ("export", "buffer")], [0, 0],
              "so is what is known of the exports, and of the buffer")


def sections():
    return {**ADMIN, "collector": {"max_body": "4k"}, "retention": {"max_bytes": "1G"},
            "client acme": {"bucket": f"file://{FOLDER}", "frequency": "hourly"},
            "backup": {"bucket": "file:///proc/none"}}


postgres.need()
with tap.Suite() as t, postgres.Postgres() as pg, proc.temp_dir() as FOLDER:
    with worker(pg, sections=sections()) as w:
        w.wait_healthy()
        access(t, w)
        traffic(t, w)
        numbers(t, w, WANT)
        promtool(t, w)
        rules(t, w, w.dir)
        dashboard(t, w, w.dir)
        two_workers(t, pg, w)
        restart(t, w)
        exports(t, pg, w)
        buffer(t, pg, w)
        promtool(t, w)
        locked(t, pg, w)
        without_file(t, pg)
        database_away(t, pg, w)
