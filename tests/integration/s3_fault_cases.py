"""What the S3 client does when network and server fail, through a proxy that makes them."""

import email.utils
import os
import re
import signal
import subprocess
import time

from harness import fakeaws, proc
from harness.faultproxy import Fault, FaultProxy, Faults, RandomFaults
from s3_cases import PART, policy, some_bytes
from s3_common import QUICK, command, is_good, is_refused, run

# What passes when it is tried again: name, faults, retries (None: not counted).
PASSING = [
    ("503 SlowDown", [Fault("status", times=3)], 3),
    ("500 without a body", [Fault("answer", code=500, body=b"", times=2)], 2),
    ("502 of a proxy", [Fault("answer", code=502, body=b"<html>Bad Gateway</html>")], 1),
    ("429", [Fault("answer", code=429, body=b"")], 1),
    ("400 RequestTimeout", [Fault("status", code=400, name="RequestTimeout")], 1),
    ("no connection", [Fault("close", times=2)], None),
    ("reset before the body", [Fault("reset", method="PUT")], None),
    ("reset within the body", [Fault("reset", method="PUT", after=100000)], None),
    ("answer lost", [Fault("lost", method="PUT")], None),
    ("answer cut", [Fault("cut", method="POST", after=10)], 1),
    ("slow answer", [Fault("slow", method="POST")], 0),
    ("beginning lost", [Fault("lost", method="POST", part="uploads")], None),
    ("part without an ETag", [Fault("answer", method="PUT", part="partNumber", code=200, body=b"")], 1),
    ("part that another server answers", [Fault("answer", part="partNumber=1", code=200,
                                                body=b"<Error><Code>SlowDown</Code></Error>")], 1),
    ("error within a 200", [Fault("answer", method="POST", part="?uploadId", code=200, headers=[],
                                  body=b"  \n<?xml version='1.0'?><Error><Code>InternalError</Code>"
                                       b"<Message>try again</Message></Error>")], 1),
    ("completed, answer lost", [Fault("lost", method="POST", part="?uploadId")], None),
    ("completed, answer cut", [Fault("cut", method="POST", part="?uploadId", after=20)], None),
    ("everything at once", [Fault("status", part="uploads"), Fault("lost", part="partNumber=1"),
                            Fault("reset", part="partNumber=2", after=70000),
                            Fault("status", code=500, name="InternalError", part="partNumber=3"),
                            Fault("lost", method="POST", part="?uploadId")], None),
]


def passing(t, s3, client, env, http):
    data = some_bytes(2 * PART + 1000)
    for i, (name, faults, retries) in enumerate(PASSING):
        key = f"passing {i}"
        schedule = Faults(*faults)
        with FaultProxy(s3.endpoint.partition("//")[2], schedule) as proxy:
            done = run(env, "put", "bucket", key, data=data, part_bytes=PART, **QUICK,
                       **{**http, "endpoint": proxy.endpoint})
        is_good(t, done, name)
        t.is_(schedule.left(), 0, f"{name}: it happened")
        if retries is not None:
            t.is_(done.retries, retries, f"{name}: tries")
        t.ok(client.get("bucket", key) == data, f"{name}: the object is whole")
    t.is_(client.uploads("bucket"), [], "no upload is left")


def over_tls(t, s3, client, env, _http):
    data = some_bytes(PART + 1000)
    schedule = Faults(Fault("reset", part="partNumber=1", after=50000), Fault("status"),
                      Fault("cut", method="POST", after=5))
    tls = tuple(os.path.join(s3.dir, name) for name in ("tls.crt", "tls.key"))
    with FaultProxy(s3.endpoint.partition("//")[2], schedule, tls) as proxy:
        done = run(env, "put", "bucket", "tls", data=data, part_bytes=PART, endpoint=proxy.endpoint,
                   ca_file=s3.ca_file, **QUICK)
    is_good(t, done, "faults over TLS")
    t.is_(schedule.left(), 0, "they happened")
    t.ok(client.get("bucket", "tls") == data, "the object is whole")
    t.is_(client.uploads("bucket"), [], "no upload is left")


def lasting(t, s3, client, env, http):
    """What does not pass: how often it is tried, and what is left behind."""
    cases = [
        ("503 for ever", Fault("status", times=99), True, r"PutObject: SlowDown, status 503.*"
         r"try again later.*\(attempt 3\)", 3, b"x"),
        ("resets for ever", Fault("reset", times=99), True, r"127.0.0.1:\d+: .*\(attempt 3\)", None,
         b"x"),
        ("403 AccessDenied", Fault("status", code=403, name="AccessDenied", times=99), False,
         r"AccessDenied.*s3:PutObject", 1, b"x"),
        ("301 to another region", Fault("answer", code=301, times=99, body=b"",
                                        headers=[("x-amz-bucket-region", "eu-north-1"),
                                                 ("Location", "http://127.0.0.1:1/")]), False,
         r"status 301; set region = eu-north-1", 1, b"x"),
        ("wrong region", Fault("answer", code=400, times=99, body=b"<Error><Code>AuthorizationHeader"
                               b"Malformed</Code><Region>eu-west-3</Region></Error>"), False,
         r"AuthorizationHeaderMalformed.*set region = eu-west-3", 1, b"x"),
        ("a web server", Fault("answer", code=405, times=99, body=b"<html>"), False,
         r"status 405; is the endpoint that of an S3 service", 1, b"x"),
        ("an answer without end", Fault("answer", code=500, times=99, body=b"x" * 200000), False,
         r"its answer is larger than 65536 bytes", 1, b"x"),
        ("expired keys that are static", Fault("status", code=400, name="ExpiredToken", times=99),
         False, r"ExpiredToken.*has expired; renew it", 1, b"x"),
        ("a part that is always refused", Fault("status", part="partNumber=2", times=99), True,
         r"UploadPart: SlowDown.*\(attempt 3\)", None, some_bytes(2 * PART)),
        ("an end that is always refused", Fault("status", code=400, name="InvalidPart", times=99,
                                                method="POST", part="?uploadId"), False,
         r"CompleteMultipartUpload: InvalidPart.*upload again", None, some_bytes(PART + 1)),
        ("an error within every 200", Fault("answer", method="POST", part="?uploadId", code=200,
                                            times=99, body=b"\n<Error><Code>InternalError</Code>"
                                            b"</Error>"), True,
         r"CompleteMultipartUpload: InternalError, status 200.*\(attempt 3\)", None,
         some_bytes(PART + 1)),
        ("success without a result", Fault("answer", method="POST", part="?uploadId", code=200,
                                           times=99, body=b""), True,
         r"an answer with no CompleteMultipartUploadResult", None, some_bytes(PART + 1)),
    ]
    for name, fault, again, pattern, requests, data in cases:
        with FaultProxy(s3.endpoint.partition("//")[2], Faults(fault)) as proxy:
            done = run(env, "put", "bucket", f"lasting {name}", data=data, part_bytes=PART, **QUICK,
                       max_attempts=3, **{**http, "endpoint": proxy.endpoint})
        is_refused(t, done, pattern, name, again)
        if requests:
            t.is_(len(proxy.requests), requests, f"{name}: requests")
    t.is_(client.keys("bucket", "lasting"), {}, "nothing of all this is visible")
    t.is_(client.uploads("bucket"), [], "no upload is left")


def patient(t, s3, _client, env, http):
    """Retry-After of a busy server is heeded, up to a limit; else these would take an hour."""
    def date(seconds):
        return email.utils.formatdate(time.time() + seconds, usegmt=True)

    hour_ms = 3600 * 1000
    for name, code, value, least_s, most_ms in (
            ("503", 503, "1", 0.9, hour_ms),
            ("429", 429, "1", 0.9, hour_ms),
            ("too long", 503, "3600", 0.4, 500),
            ("longer than any number", 503, "9" * 40, 0.4, 500),
            ("a date", 503, date(3600), 0.4, 500),
            ("a date that is past", 503, date(-3600), 0, hour_ms),
            ("nonsense", 503, "3600 s", 0, hour_ms),
            ("of another status", 500, "3600", 0, hour_ms)):
        busy = Fault("answer", code=code, body=b"", headers=[("Retry-After", value)])
        with FaultProxy(s3.endpoint.partition("//")[2], Faults(busy)) as proxy:
            done = run(env, "put", "bucket", "patient", data=b"x", backoff_ms=1,
                       backoff_most_ms=most_ms, **{**http, "endpoint": proxy.endpoint})
        is_good(t, done, name)
        first, second = (r.at_s for r in proxy.requests)
        if least_s:
            t.ok(second - first >= least_s, f"{name}: waits", f"{second - first} s")


def reading(t, s3, client, env, http):
    """What was handed over is not handed over twice."""
    data = some_bytes(300000)
    client.put("bucket", "read", data)
    for name, fault, good in (("refused once", Fault("status"), True),
                              ("cut before the first byte", Fault("cut"), True),
                              ("cut within", Fault("cut", after=200000), False)):
        with FaultProxy(s3.endpoint.partition("//")[2], Faults(fault)) as proxy:
            done = run(env, "get", "bucket", "read", **QUICK, **{**http, "endpoint": proxy.endpoint})
        if good:
            is_good(t, done, name)
            t.ok(done.stdout == data, f"{name}: the object is whole")
        else:
            is_refused(t, done, r"bucket bucket: GetObject: 127", name, again=True)
            t.ok(len(done.stdout) <= 200000 and data.startswith(done.stdout), f"{name}: a beginning")
    is_refused(t, run(env, "get", "bucket", "no such object", **http), r"GetObject: NoSuchKey",
               "no such object")


def uncertain(t, s3, client, env, http):
    """Completed, and the answer lost: who may not look cannot know, and starts over."""
    blind = policy("blind", "blind", "s3:PutObject", "s3:AbortMultipartUpload")
    blind["Statement"].append({**blind["Statement"][0], "Effect": "Deny", "Action": ["s3:GetObject"]})
    client.make_bucket("blind", blind)
    s3.add_user("blind", "BLIND", "blind/secret")
    blind = {**env, "AWS_ACCESS_KEY_ID": "BLIND", "AWS_SECRET_ACCESS_KEY": "blind/secret"}
    schedule = Faults(Fault("lost", method="POST", part="?uploadId"),
                      Fault("status", code=404, name="NoSuchUpload", method="POST", part="?uploadId"))
    with FaultProxy(s3.endpoint.partition("//")[2], schedule) as proxy:
        settings = {**http, **QUICK, "endpoint": proxy.endpoint, "part_bytes": PART}
        data = some_bytes(PART + 1)
        done = run(blind, "put", "blind", "key", data=data, **settings)
        is_refused(t, done, r"CompleteMultipartUpload: NoSuchUpload", "it is not known", again=True)
        is_good(t, run(blind, "put", "blind", "key", data=data, **settings), "once more")
    t.is_(client.keys("blind"), {"key": PART + 1}, "the object is there")
    schedule = Faults(Fault("lost", method="POST", part="?uploadId"),
                      Fault("status", code=404, name="NoSuchUpload", method="POST", part="?uploadId"))
    with FaultProxy(s3.endpoint.partition("//")[2], schedule) as proxy:
        done = run(env, "put", "bucket", "uncertain", data=data, part_bytes=PART, **QUICK,
                   **{**http, "endpoint": proxy.endpoint})
    is_good(t, done, "who may look finds it completed")


def stalls(t, s3, _client, env, http):
    with FaultProxy(s3.endpoint.partition("//")[2], Faults(Fault("stall"))) as proxy:
        done = run(env, "put", "bucket", "stalls", data=b"x", stall_timeout_s=1, **QUICK,
                   **{**http, "endpoint": proxy.endpoint})
        is_good(t, done, "a server that hangs once")
        t.is_(done.retries, 1, "it is tried again")
    with FaultProxy(s3.endpoint.partition("//")[2], Faults(Fault("stall", times=99))) as proxy:
        log = os.path.join(env["HOME"], "stopped")
        with open(log, "wb") as out:
            settings = {**http, "endpoint": proxy.endpoint}
            process = subprocess.Popen(command("put", "bucket", "stopped", **settings),
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env)
        proc.wait_for(lambda: proxy.requests, "a request arrives")
        process.send_signal(signal.SIGTERM)
        t.is_(process.wait(proc.DEADLINE_S), 1, "SIGTERM ends a request that hangs")
        t.like(proc.read_text(log), r"(?m)^error again: .*stopped by a signal$", "and it says so")
        t.is_(len(proxy.requests), 1, "it is not tried again")
    with FaultProxy(s3.endpoint.partition("//")[2], Faults(Fault("status", times=99))) as proxy:
        with open(log, "wb") as out:
            settings = {**http, "endpoint": proxy.endpoint, "backoff_ms": 600000,
                        "backoff_most_ms": 600000}
            process = subprocess.Popen(command("put", "bucket", "stopped", **settings),
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env)
        proc.wait_for(lambda: proxy.requests, "a request arrives")
        process.send_signal(signal.SIGTERM)
        t.is_(process.wait(proc.DEADLINE_S), 1, "SIGTERM ends the waiting for the next attempt")


def expired(t, s3, client, env, http):
    """A token that S3 calls expired is replaced once."""
    token = os.path.join(env["HOME"], "web-token")
    with open(token, "w", encoding="ascii") as f:
        f.write("web.token\n")
    with fakeaws.FakeAws() as aws:
        web = {k: v for k, v in env.items() if not k.endswith(("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))}
        web.update(AWS_WEB_IDENTITY_TOKEN_FILE=token, AWS_ROLE_ARN="arn:aws:iam::1:role/x",
                   AWS_ENDPOINT_URL_STS=aws.endpoint)
        for times, name in ((1, "once"), (99, "for ever")):
            aws.reset()
            good = Fault("answer", code=200, body=b"", times=99)
            schedule = Faults(Fault("status", code=400, name="ExpiredToken", times=times), good)
            with FaultProxy(s3.endpoint.partition("//")[2], schedule) as proxy:
                done = run(web, "put", "bucket", "expired", data=b"x",
                           **{**http, "endpoint": proxy.endpoint})
            keys = [re.search(r"Credential=(\w+)/", r.headers["authorization"])[1]
                    for r in proxy.requests]
            t.is_(keys, ["WEB1", "WEB2"], f"expired {name}: then with new credentials")
            if times == 1:
                is_good(t, done, "expired once: succeeds")
            else:
                is_refused(t, done, r"ExpiredToken.*renew it", "expired for ever")


def weather(t, s3, client, env, http):
    """Random faults, many objects: each is whole in the end or an error, none is half."""
    kinds = [Fault("status"), Fault("close"), Fault("reset", method="PUT", after=30000),
             Fault("lost"), Fault("cut", after=3), Fault("status", code=500, name="InternalError")]
    good = 0
    with FaultProxy(s3.endpoint.partition("//")[2], RandomFaults(4, 0.3, *kinds)) as proxy:
        for i in range(12):
            data = some_bytes(PART + i, i)
            done = run(env, "put", "bucket", f"weather {i}", data=data, part_bytes=PART, **QUICK,
                       max_attempts=12, **{**http, "endpoint": proxy.endpoint})
            got = client.get("bucket", f"weather {i}")
            t.ok(got == data if done.status == 0 else got in (None, data), f"object {i} is whole",
                 done.stderr)
            good += done.status == 0
    t.ok(good >= 10, "nearly all succeed", f"{good} of 12")
    t.ok(sum(r.fault is not None for r in proxy.requests) > 5, "there were faults")
    for i in range(12):
        run(env, "abort-key", "bucket", f"weather {i}", **http)
    t.is_(client.uploads("bucket"), [], "no upload is left")


CASES = (passing, over_tls, lasting, patient, reading, uncertain, stalls, expired, weather)
