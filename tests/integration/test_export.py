"""millrace-export to folders: what is delivered, when, and what each option does."""

import contextlib
import gzip
import json
import os
import re
import subprocess

from exporting import (Exporter, Folder, Setting, check_complete, client, insert, is_manifest,
                       manifests, program, read_rows, utc)
from harness import postgres, proc, sanitizer, tap


def laid_out(manifest):
    """The text that a manifest has to have: a line for each value and each object."""
    def dump(value):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    head = ",\n  ".join(f"{dump(k)}:{dump(v)}" for k, v in manifest.items() if k != "objects")
    objects = ",".join(f"\n    {dump(entry)}" for entry in manifest["objects"])
    return f'{{\n  {head},\n  "objects":[{objects}\n  ]\n}}\n'


def ordinary(t, pg, folder):
    """Nothing, something, nothing again; two destinations."""
    s = Setting(pg, folder, "ordinary", prefix="/the/prefix/")
    s.exporter.configure({"backup": {"bucket": s.backup.url, "prefix": "kept"},
                          **s.exporter.sections})
    done = s.exporter.good(t, "a run without events")
    t.is_(done.stdout, "", "says nothing")
    t.is_([m["rows"] for m in manifests(s.bucket)], [0], "an empty period has a manifest")
    t.is_(s.exporter.good(t, "the next one").stdout, "", "says nothing either")
    t.is_(len(s.bucket.keys()), 1, "an hour has one empty manifest")

    s.insert(700, site="'shop' || i % 2")
    done = s.exporter.good(t, "a run with events")
    t.like(done.stdout, r"\Aexported 700 events in 2 objects .*, 700 events to the backup\n\Z",
           "one line sums it up")
    check_complete(t, "bucket", s.bucket, pg, database=s.name)
    check_complete(t, "backup", s.backup, pg, database=s.name)
    for key in filter(is_manifest, s.bucket.keys()):
        text = s.bucket.get(key).decode()
        t.is_(text, laid_out(json.loads(text)), "a manifest is laid out in lines")
    t.ok(all(re.match(r"the/prefix/(_manifest/\d{8}T\d{6}Z-\d{8}\.json|site_id=shop[01]/"
                      r"date=\d{4}-\d\d-\d\d/hour=\d\d/\d{8}T\d{6}Z-\d{8}-[01]\.ndjson\.gz)$", key)
             for key in s.bucket.keys()), "the keys are as documented", str(s.bucket.keys()))
    t.is_([key.replace("the/prefix/", "kept/acme/") for key in s.bucket.keys()], s.backup.keys(),
          "both have the same keys, but for the prefix")
    t.is_(s.exporter.good(t, "and again").stdout, "", "nothing new: says nothing")

    before = s.bucket.everything(), s.backup.everything()
    for key in s.bucket.keys():
        os.unlink(os.path.join(s.bucket.path, key))
    cursors = s.state()["cursors"]
    s.exporter.good(t, "--force", "--force")
    last = sorted(key for key in before[0] if is_manifest(key))[-1]
    again = {key: data for key, data in before[0].items()
             if os.path.basename(last)[:-5] in key}
    t.is_(s.bucket.everything(), again, "the last batch is there again, byte for byte")
    t.is_(s.backup.everything(), before[1], "in the backup, too")
    t.is_(s.state()["cursors"], cursors, "cursors have not moved")

    t.like(s.exporter.good(t, "--verify", "--verify").stdout, r"\Averified 6 objects.*: 0 differ",
           "everything is as it was delivered")
    key = next(key for key in s.backup.keys() if not is_manifest(key)
               and os.path.basename(last)[:-5] in key)
    path = os.path.join(s.backup.path, key)
    with open(path, "r+b") as f:
        f.seek(20)
        byte = f.read(1)
        f.seek(20)
        f.write(bytes([byte[0] ^ 1]))
    s.exporter.refused(t, "one bit is other", 4, re.escape(key) + ".*content", "--verify")
    os.truncate(path, 10)
    s.exporter.refused(t, "an object is cut", 4, re.escape(key) + ".*length", "--verify")
    os.unlink(path)
    s.exporter.refused(t, "an object is gone", 4,
                       re.escape(f"{key} is missing; --force writes the last batch again"),
                       "--verify")
    os.mkdir(path)
    done = s.exporter.refused(t, "one that cannot be read is no difference", 1,
                              re.escape(f"{path}: cannot be read: Is a directory\n"), "--verify")
    t.like(done.stdout, r"\Averified \d+ objects .*: 0 differences; 1 destinations failed\n\Z",
           "the summary says it")
    os.rename(s.backup.path, s.backup.path + ".away")
    s.exporter.refused(t, "neither is a folder that is away", 1,
                       r"backup/kept/acme/_manifest/\S+: cannot be read: No such file",
                       "--verify")
    os.unlink(os.path.join(s.bucket.path, last))
    done = s.exporter.run("--verify")
    t.is_(done.returncode, 4, "a difference in one place and a failure in the other: status")
    t.is_(len(done.stderr.splitlines()), 2, "a line for each")
    t.ok("the/prefix/_manifest" in done.stderr.splitlines()[0] and
         done.stderr.splitlines()[0].endswith(" is missing; --force writes the last batch again"),
         "the one that is missing", done.stderr)


def hours_and_caps(t, pg, folder):
    """Batches end with the hour and at a number of rows."""
    s = Setting(pg, folder, "hours")
    s.exporter.configure({"export": {"batch_max_rows": 100}, **s.exporter.sections})
    for hours in (4, 3, 3, 2, 1, 0):
        for _ in range(4):
            s.insert(45, created=f"now() - interval '{hours} hours'")
    s.exporter.good(t, "a backlog of hours")
    check_complete(t, "all of them", s.bucket, pg, database=s.name)
    done = manifests(s.bucket)
    t.ok(all(0 < m["rows"] <= 125 for m in done), "each batch has at most its share",
         str([m["rows"] for m in done]))
    t.ok(all(len({o["hour"] for o in m["objects"]}) == 1 for m in done),
         "no batch has two hours")
    t.ok(all(a["snapshot_to"] == b["snapshot_from"] for a, b in zip(done, done[1:])),
         "each begins where the one before ended")
    s.insert(400)
    s.exporter.good(t, "a transaction that is larger than a batch")
    t.is_(manifests(s.bucket)[-1]["rows"], 400, "is one batch nevertheless")
    # Committed out of order: what was there first has the later hour.
    s.insert(10, created="now() - interval '9 hours'")
    s.exporter.good(t, "events of an old hour")
    check_complete(t, "them too", s.bucket, pg, database=s.name)


TRICKLE = """DO $$ BEGIN FOR i IN 1..{n} LOOP
    INSERT INTO events (received_at, event_time, site_id, event_type, payload)
    SELECT now(), now(), 'shop', 'click', '{{}}' FROM generate_series(1, {rows});
    COMMIT; END LOOP; END $$"""


def backlog(t, pg, folder):
    """Many transactions; how many rows the first ones have says little of the others."""
    s = Setting(pg, folder, "backlog")
    s.exporter.configure({"export": {"batch_max_rows": 200}, **s.exporter.sections})
    for name in ("from the first row on", "from where it was"):
        for n, rows in ((900, 1), (40, 30), (600, 1)):
            pg.execute(TRICKLE.format(n=n, rows=rows), s.name)
        s.exporter.good(t, f"a backlog, {name}")
        check_complete(t, f"all of it, {name}", s.bucket, pg, database=s.name)
    done = manifests(s.bucket)
    sizes = [m["rows"] for m in done]
    t.ok(all(0 < rows <= 250 for rows in sizes), "each batch has at most its share", sizes)
    t.ok(len(sizes) < 2 * sum(sizes) / 200, "and mostly more than half of it", sizes)
    t.ok(all(a["snapshot_to"] == b["snapshot_from"] for a, b in zip(done, done[1:])),
         "each begins where the one before ended")


def frequencies(t, pg, folder):
    """hourly and daily wait for the end of the hour or day."""
    for frequency, unit in (("hourly", "hour"), ("daily", "day")):
        s = Setting(pg, folder, frequency, frequency=frequency)
        s.exporter.good(t, f"{frequency}: the first run")
        s.insert(30, created=f"now() - interval '1 {unit}'")
        s.insert(20)
        s.exporter.good(t, f"{frequency}: a run within the {unit}")
        t.is_(len(read_rows(s.bucket)), 0, f"{frequency}: exports nothing yet")
        pg.execute(f"UPDATE export_chains SET planned_at = planned_at - interval '1 {unit}'",
                   s.name)
        start = s.value(f"SELECT date_trunc('{unit}', now())::text")
        s.exporter.good(t, f"{frequency}: one in the next {unit}")
        check_complete(t, f"{frequency}: the {unit} that is over", s.bucket, pg,
                       f"created_at < '{start}'", s.name)


def sites(t, pg, folder):
    """Many sites, strange names, lists; sites that come later."""
    s = Setting(pg, folder, "sites")
    names = ["../up", "a/b", "ä ö", "50%", "'; DROP TABLE events; --", '{"x"}', "\\", "x" * 255,
             "x" * 254 + "y", "é" * 127, ".", "..", "*"]
    for name in names:
        s.insert(3, site="'" + name.replace("'", "''") + "'")
    s.insert(300, site="'site' || i % 40", created="now() - (i % 3) * interval '1 hour'")
    s.insert(2000, site="'large'")
    s.exporter.good(t, "many sites")
    check_complete(t, "all sites", s.bucket, pg, database=s.name)
    t.ok(all("%2E%2E/" not in key and "/../" not in key and len(part) < 256
             for key in s.bucket.keys() for part in key.split("/")), "keys are names of files")
    before = s.bucket.everything()
    s.exporter.good(t, "--force", "--force")
    t.is_(s.bucket.everything(), before, "the same bytes again")

    s = Setting(pg, folder, "lists", sites="one, two")
    other = s.folder("other")
    for site in ("one", "two", "three", "four"):
        s.insert(10, site=f"'{site}'")
    done = s.exporter.good(t, "a list of sites")
    t.like(done.stdout, r"; 2 sites belong to no client$", "others are reported")
    check_complete(t, "those listed", s.bucket, pg, "site_id IN ('one', 'two')", s.name)
    s.exporter.configure({"client acme": client(s.bucket, sites="one, two, three"),
                          "client rest": client(other)})
    s.insert(5, site="'three'")
    s.exporter.good(t, "another site, another client")
    check_complete(t, "the site's older events come, too", s.bucket, pg,
                   "site_id IN ('one', 'two', 'three')", s.name)
    check_complete(t, "* is what nobody lists", other, pg, "site_id = 'four'", s.name)
    s.exporter.configure({"client acme": client(s.bucket, sites="one, two"),
                          "client rest": client(other)})
    s.exporter.good(t, "a site changes hands")
    check_complete(t, "* gets what is no longer listed", other, pg,
                   "site_id IN ('three', 'four')", s.name)


# What becomes of a name in a key: itself, or, where it is long, its beginning.
ODD_SITES = ["shop", "null", "NULL", "__HIVE_DEFAULT_PARTITION__", "2026-11-23", "007", "12", "1e5",
             "true", "nan", " ", "\u3000", "~", ".", "..", "a/b=c", "%41", "+49 30", "\U0001f600",
             "caf\u00e9"]
LONG_SITES = ["\u00e9" * 127, "\u00e9" * 126 + "e", "x" + "\u00e9" * 127, "\U0001f600" * 63,
              "\u6771" * 85, "y" * 255, "y" * 254 + "z"]


def read_layout(t, place, options, form="json"):
    """[(id, site as the folder names it)], by DuckDB; None, and said, where it is not there."""
    folder = os.path.join(proc.SRCDIR, "tests", "export")
    node = proc.find("node", "/usr/bin")
    if not node or not os.path.isdir(os.path.join(folder, "node_modules")):
        t.skip("DuckDB", "node or tests/export/node_modules is missing (npm ci)")
        return None
    done = subprocess.run([node, os.path.join(folder, "layout.mjs"), form, place.path, options],
                          capture_output=True, text=True, env=proc.clean_env(), check=False)
    t.is_((done.returncode, done.stderr[-2000:]), (0, ""), "DuckDB reads all of the folders")
    return [(row["id"], row["site"]) for row in json.loads(done.stdout or "[]")]


def odd_sites(t, pg, folder):
    """Whatever a site is called: every reader of such folders has its name back."""
    s = Setting(pg, folder, "odd")
    names = ODD_SITES + LONG_SITES
    s.insert(len(names), site="(ARRAY[" + ", ".join(f"'{n}'" for n in names) + "])[i]")
    s.exporter.good(t, "a run")
    check_complete(t, "every site", s.bucket, pg, database=s.name)
    for options in ("hive_types_autocast = false", "hive_types = {'site_id': VARCHAR}"):
        found = read_layout(t, s.bucket, options)
        if found is None:
            return
        t.is_([i for i, _ in found], list(range(1, len(names) + 1)), "each row once")
        t.is_([site for _, site in found[:len(ODD_SITES)]], ODD_SITES, "names are as they are")
        long = [site.rpartition("~")[0] for _, site in found[len(ODD_SITES):]]
        t.is_([n for n, cut in zip(LONG_SITES, long) if not (cut and n.startswith(cut))], [],
              "a long one is its beginning")
        t.is_(len({site for _, site in found}), len(names), "and no two are the same")


def partition_columns(t, pg, folder):
    """partition_columns = drop: what the folders name is not in the rows, and is read all the same."""
    for form, name in (("json", "ndjson"), ("csv", "csv"), ("parquet", "parquet")):
        s = Setting(pg, folder, "dropped_" + name, format=name, partition_columns="drop")
        s.insert(3, site="'shop-' || i")
        s.exporter.good(t, f"{name}: a run")
        key = next(k for k in s.bucket.keys() if not is_manifest(k))
        data = s.bucket.get(key)
        t.ok(b"site_id" not in (gzip.decompress(data) if key.endswith(".gz") else data),
             f"{name}: rows have no site")
        found = read_layout(t, s.bucket, "hive_types_autocast = false", form)
        if found is not None:
            t.is_(found, [(i, f"shop-{i}") for i in (1, 2, 3)], f"{name}: the folders have it")


def planned_by_another_version(t, pg, folder):
    """A batch that an earlier version began ends under the keys that it had then."""
    s = Setting(pg, folder, "older")
    s.insert(2, site="CASE i WHEN 1 THEN 'null' ELSE repeat('\u00e9', 127) END")
    os.rename(s.bucket.path, s.bucket.path + ".away")
    s.exporter.refused(t, "the folder is away", 1, "No such file")
    pg.execute("UPDATE export_batches SET encoder_version = 2", s.name)
    os.rename(s.bucket.path + ".away", s.bucket.path)
    s.exporter.good(t, "it is back")
    check_complete(t, "all is there", s.bucket, pg, database=s.name)
    keys = [k for k in s.bucket.keys() if not is_manifest(k)]
    t.like(keys[0], r"^site_id=(%C3%A9){28}%C3~[0-9a-f]{8}/", "a long name")
    t.like(keys[1], r"^site_id=null/", "null")


def planned_formats(t, pg, folder):
    """What a format is in detail is part of the plan, too."""
    s = Setting(pg, folder, "formats", format="csv", compression="none")

    def deliver(name, change):
        """The cells of site_id of a batch that was planned before the change."""
        before = set(s.bucket.keys())
        s.insert(2, site="CASE i WHEN 1 THEN '=1' ELSE '''=1' END")
        os.rename(s.bucket.path, s.bucket.path + ".away")
        s.exporter.refused(t, f"{name}: the folder is away", 1, "No such file")
        os.rename(s.bucket.path + ".away", s.bucket.path)
        change()
        s.exporter.good(t, f"{name}: it is back")
        return sorted(s.bucket.get(key).decode().splitlines()[1].split(",")[4]
                      for key in set(s.bucket.keys()) - before if not is_manifest(key))

    def configure(guard):
        s.exporter.configure({"client acme": client(s.bucket, format="csv", compression="none",
                                                    csv_formula_guard=guard)})
    t.is_(deliver("as it is", lambda: None), ["'=1", "=1"], "CSV is what was sent")
    t.is_(deliver("turned on", lambda: configure("on")), ["'=1", "=1"], "the next batch is guarded")
    t.is_(deliver("turned off", lambda: configure("off")), ["''=1", "'=1"], "this one still is")
    t.is_(deliver("of an earlier version", lambda: pg.execute(
        "UPDATE export_batches SET encoder_version = 2", s.name)), ["'=1", "'=1"], "as it was then")
    s.exporter.configure({"client acme": client(s.bucket, format="parquet", parquet_codec="gzip")})
    before = set(s.bucket.keys())
    s.insert(1)
    s.exporter.good(t, "Parquet")
    manifest = next(k for k in set(s.bucket.keys()) - before if is_manifest(k))
    t.is_(json.loads(s.bucket.get(manifest))["compression"], "gzip", "the manifest names its codec")


def count_objects(place, destination):
    """What usage has to say of the destination, from its objects: {(site, day): sums}"""
    found = {}
    for key in place.keys():
        m = re.search(r"site_id=([^/]*)/date=([^/]*)/", key)
        if m and "manual/" not in key:
            sums = found.setdefault((destination, m[1], m[2]), [0, 0, 0])
            data = place.get(key)
            for i, n in enumerate((gzip.decompress(data).count(b"\n"), len(data), 1)):
                sums[i] += n
    return found


def usage(t, pg, folder):
    """What was delivered, by site and day, whatever failed and was repeated on the way."""
    s = Setting(pg, folder, "usage", sites="a, b, c")
    s.exporter.configure({"backup": {"bucket": s.backup.url}, **s.exporter.sections})

    def ask(*options):
        return subprocess.run([os.path.join(proc.BUILDDIR, "cron", "millrace-admin"), "-c",
                               s.exporter.ini, "usage", *options], capture_output=True, text=True,
                              env=proc.clean_env(), check=False)

    def compare(name):
        done = ask("--json", "--until", "2100-01-01")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        want = {**count_objects(s.bucket, "bucket"), **count_objects(s.backup, "backup")}
        t.is_({(r["destination"], r["site_id"], r["day"]): [r["events"], r["bytes"], r["objects"]]
               for r in rows}, want, name)
        return rows
    for n, away in ((30, None), (20, s.backup), (10, s.bucket), (7, None)):
        s.insert(n, site="(ARRAY['a', 'b', 'c'])[i % 3 + 1]",
                 created="now() - (i % 4) * interval '13 hours'")
        if away:
            os.rename(away.path, away.path + ".away")
            s.exporter.refused(t, "a destination is away", 1, "No such file")
            os.rename(away.path + ".away", away.path)
        s.exporter.good(t, "a run")
        compare("usage is what the objects are")
    s.exporter.good(t, "--force", "--force")
    s.exporter.good(t, "a manual export", "--since", "2000-01-01")
    rows = compare("once more is not counted")
    t.is_(sum(r["events"] for r in rows if r["destination"] == "bucket"), 67, "each event is, once")
    pg.execute("UPDATE export_batches SET planned_at = planned_at - interval '200 days'", s.name)
    pg.execute("UPDATE export_deliveries SET delivered_at = delivered_at - interval '200 days'",
               s.name)
    s.insert(1, site="'a'")
    batches = s.value("SELECT count(*) FROM export_batches")
    s.exporter.good(t, "the history goes")
    t.ok(s.value("SELECT count(*) FROM export_batches") < batches, "it does")
    compare("usage stays")

    day = rows[0]["day"]
    for options, pattern in ((["--since", day, "--until", "2100-01-01", "--client", "acme"],
                              rf"\A{day} bucket  acme a: \d+ events, \d+ bytes in \d+ objects\n"),
                             (["--month", day[:7], "--csv"],
                              r"\Aclient,destination,site_id,day,events,bytes,objects\n"
                              rf'acme,bucket,"a",{day},\d+,\d+,\d+\n'),
                             (["--client", "nobody"], r"\A\Z"), (["--month", "2000-01"], r"\A\Z")):
        done = ask(*options)
        t.like(done.stdout, pattern, " ".join(options))
        t.is_((done.returncode, done.stderr), (0, ""), "status")
    for options in (["--month", "2026"], ["--since", "now"], ["--csv", "--json"], ["--month", "2026-13"],
                    ["--month", "2026-11", "--since", day]):
        t.is_(ask(*options).returncode, 2, f"{' '.join(options)} is misused")


def later_destination(t, pg, folder):
    """A backup that is added later gets everything; one that is away catches up."""
    s = Setting(pg, folder, "later")
    s.insert(50)
    s.exporter.good(t, "one destination")
    s.insert(60)
    s.exporter.configure({"export": {"batch_max_rows": 40}, "backup": {"bucket": s.backup.url},
                          "client acme": client(s.bucket)})
    s.exporter.good(t, "two of them")
    check_complete(t, "the first", s.bucket, pg, database=s.name)
    check_complete(t, "the new one", s.backup, pg, database=s.name)

    os.rename(s.backup.path, s.backup.path + ".away")
    for n in (10, 20, 30):
        s.insert(n)
        s.exporter.refused(t, f"the backup is away, {n}", 1,
                           r"backup/acme: .*cannot be opened as a directory: No such file")
        check_complete(t, "the other has it all", s.bucket, pg, database=s.name)
    t.is_(s.value("SELECT count(*) FROM export_audit WHERE error IS NOT NULL"), 3,
          "the audit knows")
    t.like(s.value("SELECT error FROM export_cursors WHERE destination = 'backup'"),
           "No such file", "the cursor says why")
    os.rename(s.backup.path + ".away", s.backup.path)
    s.insert(5)
    s.exporter.good(t, "it is back")
    check_complete(t, "the first", s.bucket, pg, database=s.name)
    check_complete(t, "the one that was away", s.backup, pg, database=s.name)
    t.is_(s.value("SELECT count(*) FROM export_cursors WHERE error IS NOT NULL"), 0,
          "no error is left")
    for n in (4, 6):
        s.insert(n)
        s.exporter.good(t, "and goes on")
    check_complete(t, "both in step", s.backup, pg, database=s.name)


def spans(t, pg, folder):
    """--since and --until export by time, apart from the rest."""
    s = Setting(pg, folder, "spans")
    s.insert(100, created="now() - i * interval '1 minute'")
    s.exporter.good(t, "the regular export")
    before = s.bucket.everything()
    state = s.state()
    middle = s.value("SELECT (now() - interval '50 minutes')::text")
    middle = utc(middle).strftime("%Y-%m-%dT%H:%M:%SZ")
    done = s.exporter.good(t, "--since", "--since", middle)
    t.like(done.stdout, r"\Aexported (49|50) events", "says how many")
    runs = {m.group(1) for m in (re.match(r"manual/([0-9a-f-]{36})/", k)
                                 for k in s.bucket.keys()) if m}
    t.is_(len(runs), 1, "lies under manual/ and its run's id")

    def of_run(run):
        return lambda keys: [key for key in keys if key.startswith(f"manual/{run}/")]
    first = runs.pop()
    check_complete(t, "since", s.bucket, pg, f"created_at >= '{middle}'", s.name, of_run(first))
    s.exporter.good(t, "--until, --client", "--until", middle, "--client", "acme")
    runs = {re.match(r"manual/([0-9a-f-]{36})/", k).group(1)
            for k in s.bucket.keys() if k.startswith("manual/")} - {first}
    check_complete(t, "until", s.bucket, pg, f"created_at < '{middle}'", s.name,
                   of_run(runs.pop()))
    t.is_({k: v for k, v in s.bucket.everything().items() if not k.startswith("manual/")}, before,
          "the regular export is as it was")
    t.is_(s.state()["cursors"], state["cursors"], "cursors have not moved")
    t.is_(s.value("SELECT count(*) FROM export_runs WHERE state = 'done' AND (since IS NOT NULL "
                  "OR until IS NOT NULL)"), 2, "two runs are recorded")
    t.like(s.value("SELECT asked_by FROM export_runs WHERE since IS NOT NULL"), r".@.",
           "with who asked")
    s.exporter.good(t, "--format", "--since", "2000-01-01", "--format", "csv")
    csv = [k for k in s.bucket.keys() if k.endswith(".csv.gz")]
    t.ok(csv, "another format")
    s.insert(7)
    s.exporter.good(t, "the regular export goes on")
    check_complete(t, "none is missing, none twice", s.bucket, pg, database=s.name)


def dry_run(t, pg, folder):
    s = Setting(pg, folder, "dry")
    s.insert(12)
    done = s.exporter.good(t, "--dry-run before anything", "--dry-run")
    t.like(done.stdout, r"\Aclient acme: would export 12 new events in 1 objects.*file://",
           "says what it would do")
    s.exporter.good(t, "a run")
    s.insert(34)
    before, state = s.bucket.everything(), s.state()
    done = s.exporter.good(t, "--dry-run", "--dry-run")
    t.like(done.stdout, r"would export 34 new events", "says how many")
    done = s.exporter.good(t, "--dry-run --since", "--dry-run", "--since", "2000-01-01")
    t.like(done.stdout, r"would export 46 new events", "and of a span")
    t.is_(s.bucket.everything(), before, "nothing was written")
    t.is_(s.state(), state, "nor planned")


def failures(t, pg, folder):
    """What can be wrong: one line, a status, and cursors that have not moved."""
    s = Setting(pg, folder, "failures")
    s.insert(10)
    s.exporter.good(t, "a run")
    s.insert(20)
    state = s.state()
    sections = s.exporter.sections
    for name, pattern, args in (
            ("unknown client", r"no \[client nobody\]", ["--client", "nobody"]),
            ("bad format", r"no format 'xml'; there are ndjson, csv and parquet",
             ["--format", "xml"]),
            ("bad since", r"'yesterday' is no time; write it like", ["--since", "yesterday"]),
            ("a number as since", r"'20250622' is no time", ["--since", "20250622"]),
            ("bad until", r"'x' is no time", ["--until", "x"]),
            ("since behind until", r"--since must be before --until",
             ["--since", "2025-02-01", "--until", "2025-01-01"]),
            ("an argument", r"unexpected argument acme", ["acme"]),
            ("force and dry-run", r"--force goes with neither", ["--force", "--dry-run"]),
            ("verify and dry-run", r"--verify does not go with", ["--verify", "--dry-run"])):
        s.exporter.refused(t, name, 2, pattern, *args)
    for name, pattern, more in (
            ("no client", r"has no section \[client NAME\]", {}),
            ("no bucket", r"\[client acme\] has no bucket; set bucket",
             {"client acme": {"prefix": "x"}}),
            ("unknown scheme", r"bucket = gs://x: give the name of an S3 bucket",
             {"client acme": {"bucket": "gs://x"}}),
            ("bad name", r"\[client NAME\] needs a name", {"client a/b": {"bucket": "x"}}),
            ("unknown key", r"millrace.ini:6: unknown key 'colour' in \[client acme\]",
             {"client acme": {"colour": "red"}}),
            ("bad format in the file", r"millrace.ini:6: format: 'xml' is not one of ndjson",
             {"client acme": {"format": "xml"}})):
        s.exporter.configure(more)
        s.exporter.refused(t, name, 2, pattern)
    s.exporter.configure({"client acme": client(s.bucket, prefix="a/../b")})
    s.exporter.refused(t, "bad prefix", 1, r"bucket: the prefix .*'\.\.'")

    with open(os.path.join(s.dir, "file"), "w", encoding="utf-8"):
        pass
    s.exporter.configure({"client acme": client(Folder(os.path.join(s.dir, "file")))})
    s.exporter.refused(t, "the folder is a file", 1, r"cannot be opened as a directory")
    s.exporter.configure(sections)
    pg.execute("UPDATE export_chains SET system_identifier = system_identifier + 1", s.name)
    s.exporter.refused(t, "another cluster", 1, r"another PostgreSQL cluster.*millrace-admin rebind")
    pg.execute("UPDATE export_chains SET system_identifier = system_identifier - 1", s.name)
    snapshot = s.value("SELECT snapshot FROM export_chains")
    pg.execute("UPDATE export_chains SET snapshot = '900000000:900000000:'", s.name)
    s.exporter.refused(t, "an older cluster", 1, r"was exported up to 900000000; .*rebind")
    pg.execute(f"UPDATE export_chains SET snapshot = '{snapshot}'", s.name)
    t.is_(s.state()["cursors"], state["cursors"], "cursors have not moved")
    s.exporter.good(t, "and all is well again")
    check_complete(t, "in the end", s.bucket, pg, database=s.name)

    away = Exporter(s.dir, pg, {"database": {"url": f"host={s.dir} dbname=x"}, **sections})
    away.refused(t, "no database", 1, r"database: .*No such file")


def moved(t, pg, folder):
    """The database is moved to another cluster: refused, until millrace-admin rebind."""
    s = Setting(pg, folder, "moved", sites="shop, other")
    s.insert(100)
    s.exporter.good(t, "in the old cluster")
    s.insert(40)
    s.insert(7, site="'nobody'")
    with postgres.Postgres(fresh=True) as new:
        new.create_database("moved")
        dump = subprocess.run([os.path.join(pg.bin, "pg_dump"), "-Fc", pg.dsn("moved")],
                              capture_output=True, check=True, env=proc.clean_env())
        subprocess.run([os.path.join(pg.bin, "pg_restore"), "-d", new.dsn("moved")],
                       input=dump.stdout, check=True, env=proc.clean_env())
        insert(new, 30, database="moved")
        x = Exporter(s.dir, new, s.exporter.sections, "moved")
        before = s.bucket.everything()
        x.refused(t, "in the new one", 1, r"another PostgreSQL cluster.*run millrace-admin rebind$")
        t.is_(s.bucket.everything(), before, "nothing was exported")

        def rebind():
            return subprocess.run([os.path.join(proc.BUILDDIR, "cron", "millrace-admin"), "-c", x.ini,
                                   "rebind"], capture_output=True, text=True, check=False,
                                  env=proc.clean_env(**sanitizer.env(s.dir)))
        done = rebind()
        t.is_((done.returncode, done.stderr), (0, ""), "rebind")
        t.like(done.stdout, r"of 1 clients .*: 107 events count as exported, 40 are exported next",
               "says what it did")
        insert(new, 20, site="'other'", database="moved")
        x.good(t, "the export goes on")
        check_complete(t, "each once", s.bucket, new, "site_id <> 'nobody'", "moved")
        # The numbers of old transactions come up again in the new cluster.
        for _ in range(5):
            new.execute("INSERT INTO export_audit (run_id, asked_by, client, destination, url, batch, "
                        "objects, events, bytes) SELECT gen_random_uuid(), '', '', '', '', '', 0, 0, 0",
                        "moved")
            insert(new, 3, database="moved")
            x.good(t, "and on")
        check_complete(t, "each once, later", s.bucket, new, "site_id <> 'nobody'", "moved")
        x.configure({"client acme": client(s.bucket, sites="shop, other, nobody")})
        x.good(t, "a site of nobody gets a client")
        check_complete(t, "its events are still there", s.bucket, new, database="moved")
    s.exporter.program = os.path.join(proc.BUILDDIR, "cron", "millrace-admin")
    empty = Setting(pg, folder, "unmoved")
    empty.exporter.program = s.exporter.program
    empty.exporter.refused(t, "nothing to rebind", 1, r"nothing was exported .* yet", "rebind")


def full_disk(t, pg, folder):
    """A disk that is full: nothing unfinished is left, and later it goes on."""
    s = Setting(pg, folder, "disk")
    mount, umount = proc.find("mount"), proc.find("umount")
    if os.geteuid() != 0 or not mount:
        t.skip("a full disk", "only root can mount a small one")
        return
    disk = s.folder("small")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=256k", "none", disk.path],
                      capture_output=True, check=False).returncode:
        t.skip("a full disk", "tmpfs cannot be mounted here")
        return
    try:
        s.exporter.configure({"backup": {"bucket": disk.url},
                              "client acme": client(s.bucket, compression="none")})
        s.insert(3000)
        s.exporter.refused(t, "the disk is full", 1, r"No space left on device")
        t.is_(s.value("SELECT batch FROM export_cursors WHERE destination = 'backup'"), 0,
              "its cursor has not moved")
        t.is_(disk.leftovers(), [], "what was begun is gone")
        check_complete(t, "the other has it all", s.bucket, pg, database=s.name)
        subprocess.run([mount, "-o", "remount,size=64m", disk.path], check=True)
        s.exporter.good(t, "there is room again")
        check_complete(t, "everything", disk, pg, database=s.name)
    finally:
        subprocess.run([umount, disk.path], check=True)


def deleted_rows(t, pg, folder):
    """Rows that were deleted between plan and delivery do not block what follows."""
    s = Setting(pg, folder, "deleted")
    s.insert(100)
    os.rename(s.bucket.path, s.bucket.path + ".away")
    t.is_(s.exporter.run().returncode, 1, "planned, and not delivered")
    os.rename(s.bucket.path + ".away", s.bucket.path)
    pg.execute("DELETE FROM events WHERE id <= 30", s.name)
    log = os.path.join(s.dir, "log")
    s.exporter.configure({"millrace": {"log": log}, **s.exporter.sections})
    s.insert(5)
    s.exporter.good(t, "the next run")
    t.like(proc.read_text(log), r"WARNING: .*no longer has the rows that were planned", "says so")
    check_complete(t, "what is there", s.bucket, pg, database=s.name)


def jsonb(t, pg, folder):
    """A table whose owner prefers jsonb."""
    s = Setting(pg, folder, "jsonb")
    pg.execute("ALTER TABLE events ALTER payload TYPE jsonb USING payload::jsonb", s.name)
    s.insert(100)
    s.exporter.good(t, "a run")
    check_complete(t, "every event", s.bucket, pg, database=s.name)


def lock(t, pg, folder):
    """One export at a time on a database."""
    s = Setting(pg, folder, "locked")
    s.insert(1)
    holder = proc.Process([os.path.join(pg.bin, "psql"), "-XqAt", s.exporter.pg.dsn(s.name), "-c",
                           "SELECT pg_advisory_lock(7241862083345902165)", "-c",
                           "SELECT pg_sleep(86400)"], os.path.join(s.dir, "holder"),
                          env=proc.clean_env())
    try:
        proc.wait_for(lambda: s.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"),
                      "the lock is held")
        done = s.exporter.run()
        t.is_((done.returncode, done.stdout, done.stderr), (3, "", ""), "waits for it in vain")
        done = s.exporter.run("-v")
        t.like(done.stderr, r"another export is at work", "-v: says so")
    finally:
        holder.stop()
        pg.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'",
                   s.name)
    s.exporter.good(t, "the lock is free")
    check_complete(t, "then", s.bucket, pg, database=s.name)


def environment(t, pg, folder):
    """The original's variables are the client default."""
    s = Setting(pg, folder, "environment")
    s.insert(3)
    s.exporter.configure({})
    s.exporter.more_env = {"CLIENT_S3_BUCKET": s.bucket.url, "EXPORT_FORMAT": "csv"}
    s.exporter.good(t, "CLIENT_S3_BUCKET and EXPORT_FORMAT")
    t.ok([k for k in s.bucket.keys() if k.endswith(".csv.zst")], "make a client", s.bucket.keys())
    s.exporter.more_env = {"CLIENT_S3_BUCKET": s.bucket.url, "EXPORT_FORMAT": "xml"}
    s.exporter.refused(t, "EXPORT_FORMAT=xml", 2, r"EXPORT_FORMAT: 'xml' is not one of")


def signal(t, pg, folder):
    """SIGTERM: it ends, says so by its status, and the next run goes on."""
    s = Setting(pg, folder, "signal")
    s.exporter.configure({"export": {"batch_max_rows": 500}, **s.exporter.sections})
    for _ in range(60):
        s.insert(500, payload="jsonb_build_object('text', repeat(md5(i::text), 20))")
    process = s.exporter.start()
    proc.wait_for(lambda: any(is_manifest(key) for key in s.bucket.keys()) or
                  not process.running(), "it has begun")
    process.kill(15)
    status = process.wait()
    t.is_(status, 5, "the status of a stop")
    t.like(process.text(), r"\Amillrace-export: stopped by a signal; the next run goes on\b",
           "says so")
    t.is_(s.bucket.leftovers(), [], "nothing unfinished is left")
    t.is_(s.value("SELECT state FROM export_runs"), "stopped", "the run is recorded")
    t.is_(s.value("SELECT count(*) FROM export_cursors WHERE error IS NOT NULL"), 0,
          "and is nobody's failure")
    s.exporter.good(t, "the next run")
    check_complete(t, "everything", s.bucket, pg, database=s.name)


WAITS = ("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND "
         "application_name = 'millrace export' AND wait_event_type = 'Lock'")


@contextlib.contextmanager
def locked_events(pg, s):
    """Nobody can read the table meanwhile."""
    holder = proc.Process([os.path.join(pg.bin, "psql"), "-XqAt", s.exporter.pg.dsn(s.name),
                           "-c", "BEGIN", "-c", "LOCK TABLE events IN ACCESS EXCLUSIVE MODE",
                           "-c", "SELECT pg_sleep(6000)"], os.path.join(s.dir, "holder"),
                          env=proc.clean_env())
    try:
        proc.wait_for(lambda: s.value("SELECT count(*) FROM pg_locks WHERE mode = "
                                      "'AccessExclusiveLock' AND relation = 'events'::regclass"),
                      "the table is locked")
        yield
    finally:
        pg.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE "
                   "'SELECT pg_sleep(6000)%'", s.name)
        holder.stop()


def signal_while_waiting(t, pg, folder):
    """SIGTERM while PostgreSQL does not answer: it ends, and its statement with it."""
    s = Setting(pg, folder, "waiting")
    s.insert(100)
    s.exporter.good(t, "a run")
    s.insert(100)
    for lines, (name, args) in enumerate((("planning", ()), ("reading", ("--force",))), 1):
        with locked_events(pg, s):
            process = s.exporter.start(*args)
            proc.wait_for(lambda: s.value(WAITS.format(s.name)) or not process.running(),
                          f"{name}: it waits", detail=process.text)
            process.kill(15)
            t.is_(process.wait(), 5, f"{name}: the status of a stop")
            t.is_(process.text(), lines * "millrace-export: stopped by a signal; the next run goes "
                  "on from here\n", f"{name}: says so in one more line")
            proc.wait_for(lambda: not s.value(WAITS.format(s.name)), f"{name}: the statement is gone")
            t.is_(s.value("SELECT state FROM export_runs ORDER BY requested_at DESC LIMIT 1"),
                  "stopped", f"{name}: the run is recorded")
    s.exporter.good(t, "the next run")
    check_complete(t, "everything", s.bucket, pg, database=s.name)


def folder_away(t, pg, folder):
    """It is told of before anything that takes time."""
    s = Setting(pg, folder, "away")
    s.insert(10)
    os.rename(s.bucket.path, s.bucket.path + ".away")
    with locked_events(pg, s):
        process = s.exporter.start()
        told = proc.wait_for(lambda: process.text() or not process.running(), "it says so")
        t.like(told, "bucket: cannot be opened as a directory", "while the plan is not made")
        t.is_(process.running(), True, "and it goes on")
    t.is_(process.wait(), 1, "status")
    t.is_(len(process.text().splitlines()), 1, "it is said once")


COPIES = ("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND state = 'active' "
          "AND query LIKE 'COPY (SELECT %ONLY %'")


def parts(t, pg, folder):
    """A large batch is read by two connections, a part each in turns."""
    s = Setting(pg, folder, "parts", sites="shop")
    pg.execute("ALTER DATABASE parts SET log_statement = 'all'", s.name)
    s.insert(60000, site="CASE WHEN i <= 20000 THEN 'gone' ELSE 'shop' END",
             # Some are larger than what is handed from thread to thread at once.
             payload="jsonb_build_object('n', i, 'text', CASE WHEN i % 5000 = 0 "
                     "THEN repeat('x', 600000) ELSE repeat(md5(i::text), 4) END)")
    s.exporter.good(t, "40,000 events")
    check_complete(t, "every one", s.bucket, pg, "site_id = 'shop'", s.name)
    t.is_(len(re.findall(r"COPY \(SELECT id.* FROM ONLY events_", pg.log_text())), 3,
          "were read in three parts")
    before = s.bucket.everything()

    pg.execute(f"ALTER ROLE {postgres.OWNER} CONNECTION LIMIT 2", s.name)
    s.exporter.good(t, "one connection to read with", "--force")
    t.is_(s.bucket.everything() == before, True, "the objects are the same")
    t.is_(len(re.findall(r"COPY \(SELECT id.* FROM ONLY events_", pg.log_text())), 6,
          "read in three parts")
    t.like(pg.log_text(), rf'too many connections for role "{postgres.OWNER}"',
           "the second was refused")
    pg.execute(f"ALTER ROLE {postgres.OWNER} CONNECTION LIMIT -1", s.name)

    partition = s.value("SELECT partition::regclass FROM export_slices")
    for why, sql in (("it may not be read by itself",
                      f"REVOKE SELECT ON {partition} FROM {postgres.OWNER}"),
                     ("it is not known", "UPDATE export_slices SET partition = NULL")):
        pg.execute(sql, s.name)
        s.exporter.good(t, f"the partition: {why}", "--force")
        t.is_(s.bucket.everything() == before, True, "the objects are the same")
        t.is_(len(re.findall(r"COPY \(SELECT id.* FROM ONLY events_", pg.log_text())), 6,
              "read in one go")
    pg.execute(f"GRANT SELECT ON {partition} TO {postgres.OWNER}", s.name)

    log = os.path.join(s.dir, "log")
    s.exporter.configure({"millrace": {"log": log}, **s.exporter.sections})
    s.insert(60000, site="CASE WHEN i <= 20000 THEN 'gone' ELSE 'shop' END")
    os.rename(s.bucket.path, s.bucket.path + ".away")
    t.is_(s.exporter.run().returncode, 1, "planned, and not delivered")
    os.rename(s.bucket.path + ".away", s.bucket.path)
    pg.execute("DELETE FROM events WHERE site_id = 'gone'", s.name)
    pg.execute("VACUUM FULL events", s.name)
    s.exporter.good(t, "rows that have moved since")
    check_complete(t, "every one", s.bucket, pg, database=s.name)
    t.is_(s.value("SELECT partition IS NULL FROM export_slices ORDER BY batch DESC LIMIT 1"), True,
          "were missed where they had been, and counted anew")
    t.unlike(proc.read_text(log), r"no longer has", "nobody is alarmed")


def parts_and_trouble(t, pg, folder):
    """While two connections read: one is lost, or the exporter is told to stop."""
    s = Setting(pg, folder, "trouble")
    s.insert(200000, payload="jsonb_build_object('text', repeat(md5(i::text), 20))")

    def begin():
        process = s.exporter.start()
        proc.wait_for(lambda: s.value(COPIES.format(s.name)) == 2 or not process.running(),
                      "two connections read")
        process.kill(19)
        return process

    process = begin()
    pg.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = (SELECT "
               f"max(pid) {COPIES.format(s.name).removeprefix('SELECT count(*)')})", s.name)
    process.kill(18)
    t.is_(process.wait(), 1, "a connection is lost: status")
    t.like(process.text(), r"\Amillrace-export: database: [^\n]+\n\Z", "says so in one line")
    t.is_(s.bucket.leftovers(), [], "nothing unfinished is left")

    process = begin()
    pg.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
               f"pg_backend_pid() AND datname = '{s.name}'", s.name)
    process.kill(18)
    t.is_(process.wait(), 1, "all connections are lost: status")
    t.like(process.text(), r"\A(millrace-export: database: [^\n]+\n){2}\Z",
           "says so in one more line")

    process = begin()
    process.kill(15)
    process.kill(18)
    t.is_(process.wait(), 5, "SIGTERM: status")
    t.is_(s.bucket.leftovers(), [], "nothing unfinished is left")
    t.is_(len([key for key in s.bucket.keys() if not is_manifest(key)]), 0, "and no object")
    s.exporter.good(t, "the next run")
    check_complete(t, "everything", s.bucket, pg, database=s.name)


def help_and_version(t, folder):

    def run(*args):
        return subprocess.run([program(), *args], capture_output=True, text=True, check=False,
                              env=proc.clean_env(**sanitizer.env(folder)))
    done = run("--help")
    t.is_((done.returncode, done.stderr), (0, ""), "--help ends well")
    page = proc.read_text(os.path.join(proc.SRCDIR, "cron", "millrace-export.8"))
    for option in re.findall(r"--[a-z-]+", done.stdout):
        t.like(page, r"Fl -?" + re.escape(option[1:]).replace("\\-", r"\\?-"),
               f"the manual has {option}")
    done = run("--version")
    t.like(done.stdout, r"\Amillrace-export \d+\.\d+\.\d+\n\Z", "--version")
    done = run("--nonsense")
    t.is_(done.returncode, 2, "an unknown option")


def main():
    postgres.need()
    with tap.Suite() as t, postgres.Postgres() as pg, proc.temp_dir() as folder:
        for case in (ordinary, hours_and_caps, backlog, frequencies, sites, odd_sites,
                     partition_columns, planned_by_another_version, planned_formats, usage,
                     later_destination, spans, dry_run, failures, moved, full_disk, deleted_rows,
                     jsonb, lock, environment, signal, signal_while_waiting, folder_away, parts,
                     parts_and_trouble):
            with t.case(case.__name__.replace("_", " ")):
                case(t, pg, folder)
        with t.case("help"):
            help_and_version(t, folder)


main()
