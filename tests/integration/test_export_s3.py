"""millrace-export to a real S3 server, over TLS."""

import os
import subprocess

from exporting import Bucket, check_complete, insert, is_manifest, s3_exporter, section
from harness import postgres, proc, s3, tap
from harness.faultproxy import Fault, FaultProxy, Faults

# Rows that hardly compress, so that an object takes several parts.
LARGE = "jsonb_build_object('text', (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 60)))"


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


def unreadable(t, x, server, client, key):
    """--verify: what cannot be read is a failure, only what is missing is a difference."""
    sections = x.sections
    acme = sections["client acme"]
    server.add_user("writer", "WRITERKEY", "writer-secret")
    unused = proc.Port()
    for name, pattern, more, env in (
            ("the bucket is missing", r"NoSuchBucket", {"bucket": "nowhere"}, {}),
            ("a port that nobody listens on", r"GetObject: .*(connect|refused)",
             {"endpoint": f"http://127.0.0.1:{unused.number}", "insecure": "on"}, {}),
            ("the keys may not read", r"AccessDenied.*s3:GetObject",
             {"access_key": None, "secret_key": None},
             {"AWS_ACCESS_KEY_ID": "WRITERKEY", "AWS_SECRET_ACCESS_KEY": "writer-secret"})):
        x.configure({**sections, "client acme": {k: v for k, v in {**acme, **more}.items()
                                                 if v is not None}})
        x.more_env |= env
        done = x.refused(t, f"--verify, {name}", 1, pattern, "--verify")
        t.like(done.stdout, r": 0 differences; 1 destinations failed$", f"{name}: the summary")
    unused.close()
    x.configure(sections)
    data = client.get("ordinary", key)
    client.delete("ordinary", key)
    x.refused(t, "an object is gone", 4, r"site_id=large\S+ is missing; --force", "--verify")
    client.put("ordinary", key, data)
    x.good(t, "--verify when it is back", "--verify")


def ordinary(t, pg, folder, server, client):
    """Small and large objects; what other programs see of them."""
    bucket, backup = Bucket(client, "ordinary"), Bucket(client, "ordinary-backup")
    log = os.path.join(folder, "ordinary.log")
    sections = {"millrace": {"log": log, "log_level": "debug"},
                "client acme": section(server, bucket, prefix="data", compression="none"),
                "backup": {k: v for k, v in section(server, backup).items() if k != "compression"}}
    x = s3_exporter(pg, folder, "ordinary", sections)
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

    unreadable(t, x, server, client, large)

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
        x = s3_exporter(pg, folder, f"packed_{name}",
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
    x = s3_exporter(pg, folder, "failures", {"client acme": good})
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


def begun(t, pg, folder, server, client):
    """Killed when an upload was begun and before its id was known: the next run aborts it."""
    bucket = Bucket(client, "begun")
    with FaultProxy(server.endpoint[7:], Faults(Fault("stall", method="POST", part="?uploads"))) \
            as proxy:
        x = s3_exporter(pg, folder, "begun", {"client acme": section(
            server, bucket, endpoint=proxy.endpoint, insecure="on", compression="none")})
        insert(pg, 4500, site="'large'", payload=LARGE, database="begun")
        process = x.start("--quiet")
        proc.wait_for(bucket.leftovers, "an upload is begun", detail=process.text)
        process.kill(9)
        process.wait()
        x.good(t, "the next run")
        check_complete(t, "bucket", bucket, pg, database="begun")
        t.is_(x.good(t, "one more").stdout, "", "nothing is left to do")
        pg.execute("UPDATE export_uploads SET created_at = created_at - interval '1 hour'", "begun")
        x.good(t, "later")
        t.is_(pg.value("SELECT count(*) FROM export_uploads", "begun"), 0, "no upload is on record")


def kept(t, pg, folder, server, client):
    """if_none_match = on: what is there already, because an answer was lost, is compared."""
    bucket = Bucket(client, "kept")
    faults = Faults(Fault("lost", method="PUT", part="site_id"),
                    Fault("lost", method="PUT", part="_manifest"))
    with FaultProxy(server.endpoint[7:], faults) as proxy:
        x = s3_exporter(pg, folder, "kept", {"client acme": section(
            server, bucket, endpoint=proxy.endpoint, insecure="on", if_none_match="on",
            tags="team=data", acl="bucket-owner-read", requester_pays="on", checksum="md5")})
        insert(pg, 300, database="kept")
        x.good(t, "the answers to an object and to its manifest are lost")
        t.is_(faults.left(), 0, "they were")
        first = next(r for r in proxy.requests if r.method == "PUT").headers
        t.includes(first, {"x-amz-tagging": "team=data", "x-amz-acl": "bucket-owner-read",
                           "x-amz-request-payer": "requester"}, "what is configured is sent")
        t.like(first.get("content-md5"), r"^[A-Za-z0-9+/]{22}==$", "and the checksum")
        check_complete(t, "bucket", bucket, pg, database="kept")
        t.is_(pg.value("SELECT count(*) FROM export_cursors WHERE error IS NOT NULL", "kept"), 0,
              "it has not failed")
        before = bucket.everything()
        x.good(t, "--force", "--force")
        t.is_(bucket.everything() == before, True, "the objects are the same")
        insert(pg, 20, database="kept")
        x.good(t, "the next run")
        check_complete(t, "then", bucket, pg, database="kept")

        key = next(k for k in sorted(bucket.keys(), reverse=True) if not is_manifest(k))
        data = bucket.get(key)
        client.put("kept", key, b"something else")
        x.refused(t, "another object is there", 1, r"another content .*if_none_match", "--force")
        t.is_(bucket.get(key), b"something else", "it stays")
        client.put("kept", key, data)
        x.good(t, "it is back", "--force")


def main():
    postgres.need()
    with tap.Suite() as t, postgres.Postgres() as pg, proc.temp_dir() as folder, \
            s3.S3Server() as server:
        client = server.client()
        for case in (ordinary, packed, failures, begun, kept):
            with t.case(case.__name__):
                case(t, pg, folder, server, client)


main()
