"""millrace-export to a real S3 server, over TLS, through a proxy that fails, and killed."""

import os
import random
import subprocess
import time

from exporting import (Bucket, Exporter, check_complete, insert, is_manifest, manifests,
                       read_rows, section, table)
from harness import postgres, proc, s3, tap
from harness.faultproxy import Fault, FaultProxy, RandomFaults

KILLS = 25
# Rows that hardly compress, so that an object takes several parts.
LARGE = "jsonb_build_object('text', (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 60)))"


def exporter(pg, folder, name, sections, **env):
    pg.create_database(name)
    path = os.path.join(folder, name)
    os.mkdir(path)
    env = {"HOME": path, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": s3.ACCESS,
           "AWS_SECRET_ACCESS_KEY": s3.SECRET, **env}
    made = Exporter(path, pg, sections, name, {k: v for k, v in env.items() if v is not None})
    made.run("--dry-run")   # makes the tables
    return made


def sealed(t, x, folder):
    """The key file, and the secret sealed with it."""
    keys = os.path.join(folder, "keys")
    done = subprocess.run([os.path.join(proc.BUILDDIR, "cron", "millrace-admin"), "-k", keys, "seal",
                           "--make-key"], input=s3.SECRET + "\n", text=True, check=False,
                          capture_output=True, env=proc.clean_env())
    t.is_(done.returncode, 0, "millrace-admin seals the secret")
    x.more_env.pop("AWS_ACCESS_KEY_ID")
    x.more_env.pop("AWS_SECRET_ACCESS_KEY")
    return keys, done.stdout.strip()


def ordinary(t, pg, folder, server, client):
    """Small and large objects; what other programs see of them."""
    bucket, backup = Bucket(client, "ordinary"), Bucket(client, "ordinary-backup")
    log = os.path.join(folder, "ordinary.log")
    sections = {"millrace": {"log": log, "log_level": "debug"},
                "client acme": section(server, bucket, prefix="data", compression="none"),
                "backup": {k: v for k, v in section(server, backup).items() if k != "compression"}}
    x = exporter(pg, folder, "ordinary", sections)
    keys, secret = sealed(t, x, folder)
    x.configure({**sections, "secrets": {"key_file": keys},
                 "client acme": {**sections["client acme"], "access_key": s3.ACCESS,
                                 "secret_key": secret},
                 "backup": {**sections["backup"], "access_key": s3.ACCESS, "secret_key": secret}})
    insert(pg, 300, site="'shop' || i % 2", database="ordinary")
    insert(pg, 4500, site="'large'", payload=LARGE, database="ordinary")
    x.good(t, "a run")
    check_complete(t, "bucket", bucket, pg, database="ordinary")
    check_complete(t, "backup", backup, pg, database="ordinary")
    large = next(k for k in bucket.keys() if "site_id=large" in k)
    t.like(client.head("ordinary", large)["etag"], r'-\d+"$', "a large object came in parts")
    t.is_(client.head("ordinary", large)["content-type"], "application/x-ndjson", "its type")
    t.is_(pg.value("SELECT count(*) FROM export_uploads", "ordinary"), 0, "no upload is open")
    before = bucket.everything()
    x.good(t, "--force", "--force")
    t.is_(bucket.everything() == before, True, "the same bytes again")
    t.like(x.good(t, "--verify", "--verify").stdout, r": 0 differences", "all is as it was")
    client.put("ordinary", large, b"something else")
    x.refused(t, "an object that was replaced", 4, r"site_id=large.* another length", "--verify")
    x.good(t, "--force mends it", "--force")
    t.is_(bucket.get(large) == before[large], True, "it is back")
    text = proc.read_text(log)
    t.ok("exported batch" in text and s3.SECRET not in text and secret not in text,
         "the log says what was exported, and no secret")

    for name, command in (("awscli", ["aws", "--endpoint-url", server.endpoint, "s3api",
                                      "list-objects-v2", "--bucket", "ordinary", "--query",
                                      "Contents[].Key", "--output", "text"]),
                          ("s3cmd", ["s3cmd", f"--host={server.endpoint[7:]}", "--no-ssl",
                                     f"--host-bucket={server.endpoint[7:]}", "ls", "-r",
                                     f"--access_key={s3.ACCESS}", f"--secret_key={s3.SECRET}",
                                     "-c", os.devnull, "s3://ordinary"])):
        if not proc.find(command[0]):
            t.skip(f"{name} sees the same objects", f"{command[0]} is not installed")
            continue
        done = subprocess.run([proc.find(command[0]), *command[1:]], text=True, check=False,
                              capture_output=True, env=proc.clean_env(
                                  AWS_ACCESS_KEY_ID=s3.ACCESS, AWS_SECRET_ACCESS_KEY=s3.SECRET,
                                  AWS_DEFAULT_REGION=s3.REGION))
        seen = sorted(word.removeprefix("s3://ordinary/") for word in done.stdout.split()
                      if "data/" in word)
        t.is_(seen, bucket.keys(), f"{name} sees the same objects")


def packed(t, pg, folder, server, client):
    """Compressed objects are good ones for the tools; each format is delivered."""
    for name, keys, tool in (("zstd", {"compression": "zstd"}, ["zstd", "-tq"]),
                             ("gzip", {"format": "csv", "compression": "gzip"}, ["gzip", "-t"]),
                             ("parquet", {"format": "parquet"}, None)):
        bucket = Bucket(client, f"packed-{name}")
        x = exporter(pg, folder, f"packed_{name}",
                     {"client acme": section(server, bucket, **keys)})
        insert(pg, 1000, database=f"packed_{name}")
        x.good(t, f"{name}: a run")
        key = next(k for k in bucket.keys() if not is_manifest(k))
        data = bucket.get(key)
        if tool and proc.find(tool[0]):
            done = subprocess.run([proc.find(tool[0]), *tool[1:]], input=data, check=False)
            t.is_(done.returncode, 0, f"{name}: {' '.join(tool)} passes")
        elif tool:
            t.skip(f"{name}: {tool[0]} passes", f"{tool[0]} is not installed")
        else:
            t.is_((data[:4], data[-4:]), (b"PAR1", b"PAR1"), f"{name}: a file of its kind")


def failures(t, pg, folder, server, client):
    """What can be wrong: one line that says what to do, and a cursor that has not moved."""
    bucket = Bucket(client, "failures")
    server.add_user("reader", "READERKEY", "reader-secret")
    read_only = Bucket(client, "read-only", {
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/reader"]},
             "Action": ["s3:GetObject", "s3:ListBucket"],
             "Resource": ["arn:aws:s3:::read-only", "arn:aws:s3:::read-only/*"]}]})
    good = section(server, bucket)
    x = exporter(pg, folder, "failures", {"client acme": good})
    insert(pg, 10, database="failures")
    x.good(t, "a run")
    insert(pg, 20, database="failures")
    state = "SELECT json_agg(batch ORDER BY destination) FROM export_cursors"
    cursor = pg.value(state, "failures")
    keys, secret = sealed(t, x, folder + "/failures")
    sealed_keys = {"access_key": s3.ACCESS, "secret_key": secret}
    owner = {"AWS_ACCESS_KEY_ID": s3.ACCESS, "AWS_SECRET_ACCESS_KEY": s3.SECRET}
    for name, pattern, more, env, secrets in (
            ("wrong secret", r"SignatureDoesNotMatch|secret", {},
             {**owner, "AWS_SECRET_ACCESS_KEY": "wrong"}, {}),
            ("unknown key", r"InvalidAccessKeyId", {}, {**owner, "AWS_ACCESS_KEY_ID": "NOBODY"}, {}),
            ("missing bucket", r"NoSuchBucket", {"bucket": "nowhere"}, owner, {}),
            ("read-only bucket", r"AccessDenied.*s3:PutObject", {"bucket": read_only.name},
             {"AWS_ACCESS_KEY_ID": "READERKEY", "AWS_SECRET_ACCESS_KEY": "reader-secret"}, {}),
            ("no credentials", r"no credentials", {}, {}, {}),
            ("a secret in the clear", r"not sealed; .*millrace-admin seal",
             {"access_key": s3.ACCESS, "secret_key": s3.SECRET}, {}, {"key_file": keys}),
            ("no key file", r"key file .*No such file", sealed_keys, {},
             {"key_file": keys + ".none"}),
            ("the wrong CA", r"certificate",
             {"ca_file": os.path.join(server.dir, "other.crt")}, owner, {}),
            ("http without insecure", r"insecure", {"endpoint": server.endpoint}, owner, {})):
        x.more_env = {k: v for k, v in x.more_env.items() if not k.startswith("AWS_A")
                      and not k.startswith("AWS_S")} | env
        x.configure({"client acme": {**good, **more}, "secrets": secrets})
        done = x.refused(t, name, 1, pattern)
        t.ok(s3.SECRET not in done.stderr, f"{name}: shows no secret")
    os.chmod(keys, 0o644)
    x.configure({"client acme": {**good, **sealed_keys}, "secrets": {"key_file": keys}})
    x.refused(t, "a key file that others may read", 1, r"mode is 0644.*chmod 600")
    os.chmod(keys, 0o600)
    with FaultProxy(server.endpoint[7:], lambda request: Fault(
            "status", code=400, name="ExpiredToken")) as proxy:
        x.more_env |= {**owner, "AWS_SESSION_TOKEN": "old"}
        x.configure({"client acme": {**good, "endpoint": proxy.endpoint, "insecure": "on"}})
        x.refused(t, "an expired token", 1, r"ExpiredToken")
    del x.more_env["AWS_SESSION_TOKEN"]
    t.is_(pg.value(state, "failures"), cursor, "the cursor has not moved")
    x.configure({"client acme": good})
    if proc.faketime():
        x.more_env |= {"LD_PRELOAD": proc.faketime(), "FAKETIME": "+20m"}
        x.good(t, "a clock that is 20 minutes off is no trouble")
    else:
        t.skip("a clock that is 20 minutes off",
               "faketime is not installed, or the build has sanitizers")
        x.good(t, "and all is well again")
    check_complete(t, "in the end", bucket, pg, database="failures")
    t.is_(read_only.keys(), [], "nothing is in the bucket that cannot be written")


def once(t, pg, folder, server, client):
    """Kills, a failing network and an unreachable backup: each id once in each bucket."""
    seed = int(os.environ.get("MR_SEED") or random.SystemRandom().randrange(10 ** 9))
    tap.diag(f"MR_SEED={seed} repeats the moments of the kills")
    rng = random.Random(seed)
    bucket, backup = Bucket(client, "once"), Bucket(client, "once-backup")
    faults = RandomFaults(seed, 0.2, Fault("status", code=503), Fault("status", code=500,
                          name="InternalError"), Fault("reset", after=1000), Fault("close"),
                          Fault("lost"), Fault("slow", delay_s=0.0005))
    down = [True]

    def backup_faults(request):
        return Fault("close") if down[0] else faults(request)

    tls = (os.path.join(server.dir, "tls.crt"), os.path.join(server.dir, "tls.key"))
    with FaultProxy(server.endpoint[7:], faults, tls) as near, \
            FaultProxy(server.endpoint[7:], backup_faults, tls) as far:
        keys = section(server, bucket)
        x = exporter(pg, folder, "once", {
            "export": {"batch_max_rows": 2500},
            "client acme": {**keys, "endpoint": near.endpoint, "compression": "none"},
            "backup": {"bucket": backup.name, "endpoint": far.endpoint, "ca_file": server.ca_file,
                       "part_size": "5M"}})
        killed = 0
        while killed < KILLS:
            for _ in range(3):
                insert(pg, 40, site="'site' || i % 3", database="once")
            if killed % 5 == 0:
                insert(pg, 2800, site="'large'", payload=LARGE, database="once")
            process = x.start("--quiet")
            time.sleep(rng.random() * 2.5)   # it is to be ended anywhere
            if process.running():
                process.kill(9)
                killed += 1
            process.wait()
        t.ok(killed >= KILLS, f"the exporter was killed {killed} times")
        t.ok(any(r.fault for r in near.requests), "requests failed")
        proc.wait_for(lambda: x.run("--quiet") and sum(
            m["rows"] for m in manifests(bucket)) == pg.value("SELECT count(*) FROM events", "once"),
            "the bucket that can be reached has it all", deadline_s=5 * proc.DEADLINE_S)
        t.is_(len(read_rows(backup)), 0, "the backup was away all the time")
        down[0] = False
        faults.rate = 0.02
        proc.wait_for(lambda: x.run("--quiet").returncode == 0, "a run succeeds",
                      deadline_s=5 * proc.DEADLINE_S)
    check_complete(t, "bucket", bucket, pg, database="once")
    check_complete(t, "backup", backup, pg, database="once")
    t.is_(sorted(k.removeprefix("acme/") for k in backup.keys()), bucket.keys(),
          "both have the same objects")
    t.ok(len(table(pg, database="once")) > 5000, "there were many rows")


def main():
    postgres.need()
    with tap.Suite() as t, postgres.Postgres(fsync=False) as pg, proc.temp_dir() as folder, \
            s3.S3Server() as server:
        client = server.client()
        for case in (ordinary, packed, failures, once):
            with t.case(case.__name__):
                case(t, pg, folder, server, client)


main()
