"""What the S3 client does with a server that works."""

import base64
import datetime
import hashlib
import os
import random
import re

from harness import faultproxy, proc
from s3_common import QUICK, is_good, is_refused, run

PART = 5 << 20
KEYS = ["plain", "a b/c d", "site_id=x/date=2026-11-23/hour=07/9-1.ndjson.zst", "a+b=c&d?e",
        "~tilde-_.x", "caf\u00e9/\u00fcn\u00ef", "\u6771\u4eac/\U0001f600", "a//b///c", "/slash first",
        "100%/%41%2F", "!\"#$'()*,:;<>@[\\]^`{|}", "dots/../up/./here", "k" * 1024]
WRITE = "s3:PutObject", "s3:AbortMultipartUpload"


def policy(user, bucket, *actions):
    """A bucket policy that gives this user these actions."""
    return {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": [f"arn:aws:iam:::user/{user}"]},
        "Action": list(actions),
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}]}


def some_bytes(n, seed=1):
    return random.Random(seed).randbytes(n)


def small(t, s3, client, env, http):
    for data in (b"", b"x", some_bytes(100000)):
        done = run(env, "put", "bucket", "small", data=data, **http)
        is_good(t, done, f"{len(data)} bytes")
        t.ok(client.get("bucket", "small") == data, f"{len(data)} bytes: they are there")
        t.is_((done.created, done.retries), ([], 0), f"{len(data)} bytes: one request")


def parts(t, s3, client, env, _http):
    tls = {"endpoint": s3.tls_endpoint, "ca_file": s3.ca_file, "part_bytes": PART}
    for size, n in ((PART, 0), (PART + 1, 2), (3 * PART, 3), (3 * PART + 12345, 4)):
        data = some_bytes(size)
        done = run(env, "put", "bucket", "large", data=data, **tls)
        is_good(t, done, f"{size} bytes over TLS")
        t.ok(client.get("bucket", "large") == data, f"{size} bytes: they are there")
        etag = client.head("bucket", "large")["etag"]
        t.is_(etag.strip('"').partition("-")[2], str(n) if n else "", f"{size} bytes: parts")
        t.is_(len(done.created), 1 if n else 0, f"{size} bytes: an upload or none was made known")
        t.is_(done.ended, done.created, f"{size} bytes: and its end")
        back = run(env, "get", "bucket", "large", **tls)
        t.ok(back.stdout == data, f"{size} bytes: read back")
    t.is_(client.uploads("bucket"), [], "no upload is left")


def odd_keys(t, s3, client, env, http):
    client.make_bucket("odd-keys")
    for i, key in enumerate(KEYS):
        data = f"object {i}".encode()
        is_good(t, run(env, "put", "odd-keys", key, data=data, **http), f"key {key[:50]!r}")
        t.ok(client.get("odd-keys", key) == data, f"key {key[:50]!r}: is there")
    t.is_(sorted(client.keys("odd-keys")), sorted(KEYS), "the keys are as they were given")
    done = run(env, "put", "odd-keys", "a b=+\u00fc/~", data=some_bytes(2 * PART + 1), part_bytes=PART,
               **http)
    is_good(t, done, "an odd key in parts")
    t.is_(client.keys("odd-keys").get("a b=+\u00fc/~"), 2 * PART + 1, "an odd key in parts: is there")


def styles(t, s3, client, env, _http):
    for endpoint, more in ((f"http://localhost:{s3.ports['http']}", {"insecure": 1}),
                           (s3.tls_endpoint, {"ca_file": s3.ca_file})):
        for style in (1, 2):
            done = run(env, "put", "bucket", f"style {style}", data=b"x" * style, style=style,
                       endpoint=endpoint, **more)
            is_good(t, done, f"style {style} at {endpoint.partition(':')[0]}")
            t.is_(client.get("bucket", f"style {style}"), b"x" * style, f"style {style}: is there")
        is_good(t, run(env, "head", "bucket", style=2, endpoint=endpoint, **more), "HeadBucket")


def permissions(t, s3, client, env, http):
    """Nothing but PutObject and AbortMultipartUpload is needed."""
    s3.add_user("writer", "WRITER", "writer/secret")
    client.make_bucket("write-only", policy("writer", "write-only", *WRITE))
    writer = {**env, "AWS_ACCESS_KEY_ID": "WRITER", "AWS_SECRET_ACCESS_KEY": "writer/secret"}
    is_good(t, run(writer, "put", "write-only", "small", data=b"x", **http), "a small object")
    is_good(t, run(writer, "put", "write-only", "large", data=some_bytes(2 * PART), part_bytes=PART,
                   **http), "an object in parts")
    is_good(t, run(writer, "canary", "write-only", "canary", **http), "the canary")
    left = run(writer, "leave", "write-only", "stale", data=some_bytes(PART + 1), part_bytes=PART,
               **http)
    is_good(t, run(writer, "abort", "write-only", "stale", left.created[0], **http), "an abort")
    t.is_(client.uploads("write-only"), [], "no upload is left")
    t.is_(client.keys("write-only"), {"small": 1, "large": 2 * PART, "canary": 24}, "all is there")
    # What it wrote is its own; so one of somebody else's.
    client.put("write-only", "other", b"x")
    is_refused(t, run(writer, "get", "write-only", "other", **http),
               r"bucket write-only .*GetObject: AccessDenied.*lack s3:GetObject", "reading it back")
    is_refused(t, run(writer, "head", "write-only", **http), r"HeadBucket: status 403", "HeadBucket")


def stale(t, s3, client, env, http):
    done = run(env, "leave", "bucket", "stale", data=some_bytes(PART + 1), part_bytes=PART, **http)
    t.is_([key for key, _ in client.uploads("bucket")], ["stale"], "a killed run leaves an upload")
    for name in ("aborted by its id", "and again"):
        ended = run(env, "abort", "bucket", "stale", done.created[0], **http)
        is_good(t, ended, name)
        t.is_(ended.ended, done.created, f"{name}: its end is made known")
    t.is_(client.uploads("bucket"), [], "it is gone")
    for _ in range(3):
        run(env, "leave", "bucket", "stale", data=some_bytes(PART + 1), part_bytes=PART, **http)
    run(env, "leave", "bucket", "stale2", data=some_bytes(PART + 1), part_bytes=PART, **http)
    is_good(t, run(env, "abort-key", "bucket", "stale", **http), "all of a key are aborted")
    t.is_([key for key, _ in client.uploads("bucket")], ["stale2"], "that of another key is not")
    run(env, "abort-key", "bucket", "stale2", **http)


def refused(t, s3, client, env, http):
    client.make_bucket("read-only", policy("reader", "read-only", "s3:GetObject", "s3:ListBucket"))
    s3.add_user("reader", "READER", "reader/secret")
    tls = {"endpoint": s3.tls_endpoint, "max_attempts": 2}
    reader = {**env, "AWS_ACCESS_KEY_ID": "READER", "AWS_SECRET_ACCESS_KEY": "reader/secret"}
    wrong = {**env, "AWS_SECRET_ACCESS_KEY": "wrong/secret"}
    unknown = {**env, "AWS_ACCESS_KEY_ID": "NOBODY"}
    cases = [
        ("wrong secret", wrong, http, "bucket",
         r"bucket bucket at 127\S+: PutObject: SignatureDoesNotMatch.*secret key is not"),
        ("unknown access key", unknown, http, "bucket", r"InvalidAccessKeyId.*does not exist"),
        ("missing bucket", env, http, "no-such-bucket",
         r"bucket no-such-bucket .*PutObject: NoSuchBucket.*check its name"),
        ("read-only bucket", reader, http, "read-only",
         r"bucket read-only .*PutObject: AccessDenied.*lack s3:PutObject"),
        ("certificate of an unknown CA", env, tls, "bucket", r"localhost:\d+: SSL.*ca_file"),
        ("wrong CA", env, {**tls, "ca_file": os.path.join(s3.dir, "other.crt")}, "bucket",
         r"localhost:\d+: SSL.*ca_file"),
        ("no CA file", env, {**tls, "ca_file": "/nonexistent.crt"}, "bucket",
         r"nonexistent.crt.*check ca_file"),
        ("http without insecure", env, {"endpoint": s3.endpoint}, "bucket", r"insecure = yes"),
        ("no credentials", {k: v for k, v in env.items() if k != "AWS_SECRET_ACCESS_KEY" and
                            k != "AWS_ACCESS_KEY_ID"}, http, "bucket", r"no credentials"),
    ]
    for name, its_env, settings, bucket, pattern in cases:
        done = run(its_env, "put", bucket, "key", data=b"x", **settings)
        is_refused(t, done, pattern, name)
        t.is_(done.retries, 0, f"{name}: is not tried again")
        t.unlike(done.stderr, r"owner/secret|wrong/secret|reader/secret", f"{name}: shows no secret")
    done = run(env, "put", "no-such-bucket", "key", data=some_bytes(PART + 1), part_bytes=PART,
               **http)
    is_refused(t, done, r"CreateMultipartUpload: NoSuchBucket", "missing bucket, in parts")
    done = run(env, "put", "bucket", "key", **{**http, "endpoint": "http://127.0.0.1:1"}, **QUICK,
               max_attempts=3)
    is_refused(t, done, r"127.0.0.1:1: .*\(attempt 3\)", "nobody listens", again=True)
    t.is_(done.retries, 2, "nobody listens: is tried again")
    is_good(t, run(env, "put", "bucket", "key", endpoint=s3.tls_endpoint, insecure=1),
            "insecure takes any certificate")


def exists(t, s3, client, env, http):
    client.put("bucket", "exists", b"first")
    is_refused(t, run(env, "put", "bucket", "exists", data=b"second", if_none_match=1, **http),
               r"PreconditionFailed.*if_none_match", "if_none_match on an object that exists")
    t.is_(client.get("bucket", "exists"), b"first", "it stays")
    is_good(t, run(env, "put", "bucket", "new one", data=b"x", if_none_match=1, **http),
            "if_none_match on one that does not")


def headers(t, s3, client, env, http):
    """What options become, as it goes over the wire; the server cannot encrypt."""
    options = {"sse": "aws:kms:dsse", "kms_key_id": "arn:aws:kms:x:1:key/a",
               "storage_class": "STANDARD_IA", "tags": "team=data & co, kind=raw",
               "acl": "bucket-owner-full-control", "requester_pays": 1, "object_lock": 2,
               "object_lock_days": 2, "legal_hold": 1}
    want = {"x-amz-server-side-encryption": "aws:kms:dsse", "x-amz-storage-class": "STANDARD_IA",
            "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:x:1:key/a",
            "x-amz-tagging": "team=data%20%26%20co&kind=raw", "x-amz-request-payer": "requester",
            "x-amz-acl": "bucket-owner-full-control", "x-amz-object-lock-mode": "COMPLIANCE",
            "x-amz-object-lock-legal-hold": "ON"}
    for size in (1, PART + 1):
        data = some_bytes(size)
        with faultproxy.FaultProxy(s3.endpoint.partition("//")[2]) as proxy:
            run(env, "put", "bucket", "sse", data=data, part_bytes=PART, **options,
                **{**http, "endpoint": proxy.endpoint})
            first = proxy.requests[0]
        t.includes(first.headers, want, f"{first.method}: server-side encryption and class")
        for name in want:
            t.like(first.headers["authorization"], rf"SignedHeaders=[^,]*\b{name}\b",
                   f"{first.method}: {name} is signed")
        t.like(first.headers.get("x-amz-object-lock-retain-until-date"),
               r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", f"{first.method}: when it may be changed")
    with faultproxy.FaultProxy(s3.endpoint.partition("//")[2]) as proxy:
        is_good(t, run(env, "put", "bucket", "hash", data=b"abc",
                       **{**http, "endpoint": proxy.endpoint}), "through a proxy")
        t.is_(proxy.requests[0].headers["x-amz-content-sha256"], hashlib.sha256(b"abc").hexdigest(),
              "the body's hash is sent")


def check_lock(t, client, key):
    head = client.head("locked", key)
    t.includes(head, {"x-amz-object-lock-mode": "GOVERNANCE",
                      "x-amz-object-lock-legal-hold": "ON"}, f"{key}: is locked")
    until = datetime.datetime.fromisoformat(
        head.get("x-amz-object-lock-retain-until-date", "1970")[:19] + "+00:00")
    left = until - datetime.datetime.now(datetime.timezone.utc)
    t.ok(datetime.timedelta(days=1) < left < datetime.timedelta(days=3), f"{key}: for days", left)
    status, _, _ = client.request("DELETE", "locked", key, query={
        "versionId": head.get("x-amz-version-id", "")})
    t.is_(status, 403, f"{key}: cannot be deleted")


def check_tags(t, client, key):
    tags = client.request("GET", "locked", key, query={"tagging": ""})[2].decode()
    t.is_(sorted(re.findall("<Key>(.*?)</Key><Value>(.*?)</Value>", tags)),
          [("kind", "raw"), ("team", "data &amp; co")], f"{key}: its tags")


def properties(t, s3, client, env, http):
    """Tags, access and locks, as the server tells them of an object."""
    status, _, body = client.request("PUT", "locked", headers={
        "x-amz-bucket-object-lock-enabled": "true"})
    t.is_(status, 200, f"a bucket with Object Lock {body[:200]}")
    for size in (1, PART + 1):
        key = f"of {size} bytes"
        is_good(t, run(env, "put", "locked", key, data=some_bytes(size), part_bytes=PART,
                       tags="team=data & co,kind=raw", acl="public-read", requester_pays=1,
                       object_lock=1, object_lock_days=2, legal_hold=1, **http), key)
        if size == 1:   # of what comes in parts this server takes neither
            check_lock(t, client, key)
            check_tags(t, client, key)
        acl = client.request("GET", "locked", key, query={"acl": ""})[2].decode()
        t.like(acl, r"AllUsers</URI></Grantee><Permission>READ<", f"{key}: who may read it")


class Recorder(faultproxy.FaultProxy):
    """A proxy that keeps the bodies of POST, which are small."""

    def _forward(self, request, body):
        request.body = body if request.method == "POST" else None
        return super()._forward(request, body)


def _shifted(crc, bits):
    for _ in range(bits):
        crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc


_CRCS = [_shifted(byte, 8) for byte in range(256)]


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ _CRCS[(crc ^ byte) & 0xff]
    return (crc ^ 0xffffffff).to_bytes(4, "big")


# By their numbers: auto, sha256, crc32c, md5. Header, name in an upload, function.
CHECKSUMS = [("x-amz-checksum-sha256", "SHA256", lambda data: hashlib.sha256(data).digest()),
             ("x-amz-checksum-sha256", "SHA256", lambda data: hashlib.sha256(data).digest()),
             ("x-amz-checksum-crc32c", "CRC32C", crc32c),
             ("content-md5", None, lambda data: hashlib.md5(data).digest())]


def has_checksum(request):
    return any(name == "content-md5" or name.startswith("x-amz-checksum-") for name in
               request.headers)


def checksums(t, s3, client, env, http):
    """Each kind as the server gets it, with an object and with each part of one."""
    upstream = s3.endpoint.partition("//")[2]
    first, second = some_bytes(PART), b"the last part"
    for kind, (header, name, function) in enumerate(CHECKSUMS):
        def want(data, function=function):
            return base64.b64encode(function(data)).decode()
        with Recorder(upstream) as proxy:
            through = {**http, "endpoint": proxy.endpoint, "checksum": kind, "part_bytes": PART}
            is_good(t, run(env, "put", "bucket", "sum", data=b"123456789", **through), "an object")
            is_good(t, run(env, "put", "bucket", "sums", data=first + second, **through), "in parts")
            one, create, *sent, complete = proxy.requests
        t.is_(one.headers.get(header), want(b"123456789"), f"{header}: of an object")
        t.like(one.headers["authorization"], rf"SignedHeaders=[^,]*\b{header}\b", "it is signed")
        t.is_(create.headers.get("x-amz-checksum-algorithm"), name, f"{header}: is announced")
        sums = [want(first), want(second)]
        t.is_([part.headers.get(header) for part in sent], sums, f"{header}: of each part")
        t.is_(re.findall(rf"<Checksum{name}>([^<]*)</Checksum{name}></Part>", complete.body.decode()),
              sums if name else [], f"{header}: listed at the end")
        t.is_(has_checksum(complete), False, f"{header}: not of the list")
    with Recorder(upstream) as proxy:
        is_good(t, run(env, "put", "bucket", "sum", data=b"x", checksum=4,
                       **{**http, "endpoint": proxy.endpoint}), "none")
        t.is_(has_checksum(proxy.requests[0]), False, "none: has none")
    status, _, body = client.request("PUT", "bucket", "wrong", body=b"x", headers={
        "Content-MD5": base64.b64encode(hashlib.md5(b"y").digest()).decode()})
    t.is_((status, b"<Code>BadDigest</Code>" in body), (400, True), "this server checks MD5")


def stores(t, s3, client, env, http):
    """Stores that insist on a checksum, and stores that know one kind alone."""
    upstream = s3.endpoint.partition("//")[2]

    def object_lock(request):
        """As S3 does in a bucket with Object Lock."""
        if request.method == "PUT" and not has_checksum(request):
            return faultproxy.Fault("status", code=400, name="InvalidRequest")
        return None

    def old(code, name, message):
        """What does not know x-amz-checksum-…: answers of Backblaze B2, of Cloudflare R2."""
        def schedule(request):
            if any(header.startswith("x-amz-checksum-") for header in request.headers):
                return faultproxy.Fault("answer", code=code, body=(
                    f"<Error><Code>{name}</Code><Message>{message}</Message></Error>").encode())
            return None
        return schedule

    b2 = old(400, "InvalidArgument", "Unsupported header 'x-amz-checksum-sha256' received")
    r2 = old(501, "NotImplemented", "Header 'x-amz-checksum-algorithm' not implemented")
    data = some_bytes(PART + 1)
    for name, schedule, retries in (("Object Lock", object_lock, 0), ("B2", b2, 1), ("R2", r2, 1)):
        for size in (1, PART + 1):
            with faultproxy.FaultProxy(upstream, schedule) as proxy:
                through = {**http, "endpoint": proxy.endpoint, "part_bytes": PART}
                done = run(env, "put", "bucket", "store", data=data[:size], **through)
                is_good(t, done, f"{name}: {size} bytes, as it comes")
                t.is_(done.retries, retries, f"{name}: what was refused is not sent again")
                t.ok(client.get("bucket", "store") == data[:size], f"{name}: they are there")
                good = [r for r in proxy.requests if r.method == "PUT" and r.fault is None]
                t.is_(all(map(has_checksum, good)), True, f"{name}: with a checksum")
    with faultproxy.FaultProxy(upstream, object_lock) as proxy:
        is_refused(t, run(env, "put", "bucket", "store", checksum=4,
                          **{**http, "endpoint": proxy.endpoint}), "InvalidRequest", "none")
    with faultproxy.FaultProxy(upstream, b2) as proxy:
        is_refused(t, run(env, "put", "bucket", "store", checksum=1,
                          **{**http, "endpoint": proxy.endpoint}), "Unsupported header", "sha256")


def clock(t, s3, client, env, http):
    library = proc.faketime()
    if not library:
        t.skip("a clock that is off", "faketime is not installed, or the build has sanitizers")
        return
    for minutes in (20, -20):
        late = {**env, "LD_PRELOAD": library, "FAKETIME": f"{minutes:+}m",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        name = f"clock {minutes:+} minutes"
        done = run(late, "put", "bucket", name, data=some_bytes(PART + 1), part_bytes=PART, **http)
        is_good(t, done, name)
        t.is_(done.retries, 1, f"{name}: is noticed once")
        t.ok(abs(done.skew + minutes * 60) < 30, f"{name}: is known", done.skew)
        t.is_(client.keys("bucket", name), {name: PART + 1}, f"{name}: is there")
    done = run({**env, "LD_PRELOAD": library, "FAKETIME": "+20m"}, "put", "bucket", "x", data=b"x",
               endpoint=s3.tls_endpoint, ca_file=s3.ca_file)
    is_good(t, done, "the same over TLS")


def assume_role(t, s3, client, env, http):
    """The gateway's own STS; it hands the external id to nobody, the fake one checks it."""
    trust = ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":'
             '["arn:aws:iam:::user/owner"]},"Action":["sts:AssumeRole"]}]}')
    may = ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:PutObject",'
           '"s3:AbortMultipartUpload"],"Resource":"arn:aws:s3:::bucket/*"}]}')
    s3.admin("role", "create", "--role-name=exporter", f"--assume-role-policy-doc={trust}")
    s3.admin("role-policy", "put", "--role-name=exporter", "--policy-name=p",
             f"--policy-doc={may}")
    role = {**http, "role_arn": "arn:aws:iam:::role/exporter", "external_id": "shared-by-both",
            "sts_endpoint": s3.endpoint}
    done = run(env, "creds", **role)
    t.like(done.stdout.decode(), r"source=the assumed role", "a role's credentials")
    data = some_bytes(2 * PART)
    is_good(t, run(env, "put", "bucket", "by a role", data=data, part_bytes=PART, **role),
            "a role writes in parts")
    t.ok(client.keys("bucket").get("by a role") == len(data), "it is there")
    is_refused(t, run(env, "put", "no-such-bucket", "x", **role), r"AccessDenied|NoSuchBucket",
               "a role elsewhere")
    is_refused(t, run(env, "creds", **{**role, "role_arn": "arn:aws:iam:::role/none"}),
               r"STS AssumeRole at http://127.*status 4\d\d .*", "a role that does not exist")
    is_refused(t, run({**env, "AWS_SECRET_ACCESS_KEY": "wrong/secret"}, "creds", **role),
               r"STS AssumeRole at .*SignatureDoesNotMatch|STS AssumeRole at .*status 403",
               "a role with the wrong secret")


def memory(t, s3, client, env, http):
    makefile = proc.read_text(os.path.join(proc.BUILDDIR, "Makefile"))
    if re.search(r"(?m)^MR_CFLAGS = .*-fsanitize", makefile):
        t.skip("memory of a large upload", "sanitizers take more")
        return
    done = run(env, "put", "bucket", "huge", data=bytes(20 * PART), part_bytes=PART, **http)
    is_good(t, done, "100 MiB")
    t.ok(0 < done.peak_kib < 40 << 10, "100 MiB: memory stays below 40 MiB", f"{done.peak_kib} KiB")
    t.is_(client.keys("bucket", "huge"), {"huge": 20 * PART}, "100 MiB: they are there")


CASES = (small, parts, odd_keys, styles, permissions, stale, refused, exists, headers, properties,
         checksums, stores, clock, assume_role)
