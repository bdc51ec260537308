#!/usr/bin/python3
"""Makes vectors.txt: requests, and how botocore signs them (Debian: python3-botocore).

Run it when a case is added; the tests read the file and need no botocore.
"""

import datetime
import hashlib
import os
from unittest import mock
from urllib.parse import quote

from botocore import auth, awsrequest, credentials

HERE = os.path.dirname(os.path.abspath(__file__))
SECRET = "our/own+example/secret+of/forty/letters0"
TOKEN = "FwoGZXIvYXdzEBYaD/token+with=specials//" + "x" * 300
NOON = datetime.datetime(2026, 11, 23, 12, 34, 56)

S3 = dict(method="PUT", scheme="https", host="bucket.s3.eu-central-1.amazonaws.com", path="/key",
          query=[], headers=[], body=b"", region="eu-central-1", service="s3", access="OUROWNACCESSKEY",
          secret=SECRET, token="", time=NOON)
LOCAL = dict(S3, scheme="http", host="127.0.0.1:7480", path="/bucket/key", region="us-east-1")
PART = [("uploadId", "2~abcDEF._-/+=="), ("partNumber", "10")]

CASES = [
    ("plain", S3, {}),
    ("body", S3, {"body": b"hello\n"}),
    ("get", S3, {"method": "GET"}),
    ("bucket root", S3, {"method": "HEAD", "path": "/"}),
    ("path style", LOCAL, {}),
    ("bucket of path style", LOCAL, {"method": "HEAD", "path": "/bucket"}),
    ("space", S3, {"path": "/a b c"}),
    ("equals and plus", S3, {"path": "/site_id=x/date=2026-11-23/a+b=c"}),
    ("tilde and friends", S3, {"path": "/~a-b_c.d"}),
    ("two bytes", S3, {"path": "/caf\u00e9/\u00fcn\u00ef"}),
    ("three bytes", S3, {"path": "/\u6771\u4eac/\u20ac"}),
    ("four bytes", S3, {"path": "/\U0001f600.json"}),
    ("slashes at the end", S3, {"path": "/a//b///c/"}),
    ("slashes at the start", S3, {"path": "//key"}),
    ("dots", S3, {"path": "/a/../b/./c/..."}),
    ("percent", S3, {"path": "/100%/%41/%2F"}),
    ("ascii punctuation", S3, {"path": "/!\"#$&'()*,:;<>?@[\\]^`{|}"}),
    ("control bytes", S3, {"path": "/tab\there\x7f"}),
    ("long key", S3, {"path": "/" + "k" * 1024}),
    ("backup of a local server", LOCAL, {"path": "/bucket/\u00e4 \u00f6+=~/x"}),
    ("uploads", S3, {"method": "POST", "query": [("uploads", "")]}),
    ("part", S3, {"query": PART, "body": b"x" * 100}),
    ("part, other order", S3, {"query": PART[::-1], "body": b"x" * 100}),
    ("complete", S3, {"method": "POST", "query": PART[:1],
                      "headers": [("Content-Type", "application/xml")],
                      "body": b"<CompleteMultipartUpload/>"}),
    ("abort", S3, {"method": "DELETE", "query": PART[:1]}),
    ("values that need encoding", S3, {"method": "GET", "query": [
        ("prefix", "a b/c=d+e&f"), ("marker", "\u00e9~*'()"), ("delimiter", "/")]}),
    ("empty values", S3, {"method": "GET", "query": [("b", ""), ("a", ""), ("c", "1")]}),
    ("upper case before lower case", S3, {"method": "GET", "query": [
        ("b", "1"), ("B", "2"), ("a", "3"), ("A", "4")]}),
    ("one name, two values", S3, {"method": "GET", "query": [("a", "2"), ("a", "10"), ("a", "")]}),
    ("a name that begins another", S3, {"method": "GET", "query": [
        ("ab", "1"), ("a", "2"), ("a-", "3")]}),
    ("session token", S3, {"token": TOKEN}),
    ("session token, part", S3, {"token": TOKEN, "query": PART}),
    ("server side encryption", S3, {"headers": [
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:eu-central-1:1:key/a-b"),
        ("x-amz-storage-class", "STANDARD_IA")]}),
    ("condition", S3, {"headers": [("If-None-Match", "*"), ("Content-Type", "text/plain")]}),
    ("blanks in a header", S3, {"headers": [("x-amz-meta-note", "  a   b  c ")]}),
    ("name of a header in upper case", S3, {"headers": [("X-AMZ-META-A", "1"),
                                                        ("x-amz-meta-B", "2")]}),
    ("first second of a year", S3, {"time": datetime.datetime(2027, 1, 1)}),
    ("last second of a leap day", S3, {"time": datetime.datetime(2028, 2, 29, 23, 59, 59)}),
    ("short secret", S3, {"secret": "s"}),
    ("long secret", S3, {"secret": "s" * 200}),
    ("other region", S3, {"region": "cn-north-1"}),
    ("sts", S3, {"method": "POST", "host": "sts.eu-central-1.amazonaws.com", "path": "/",
                 "service": "sts", "body": b"Action=AssumeRole&Version=2011-06-15",
                 "headers": [("Content-Type", "application/x-www-form-urlencoded")]}),
    ("sts with a token", LOCAL, {"method": "POST", "path": "/", "service": "sts", "token": TOKEN,
                                 "body": b"Action=AssumeRole&ExternalId=a%20b"}),
]


def sign(c):
    """The request as botocore sends it: (target, Authorization)."""
    path = quote(c["path"].encode(), safe="/~")
    request = awsrequest.AWSRequest(c["method"], f"{c['scheme']}://{c['host']}{path}",
                                    data=c["body"], params=c["query"])
    for name, value in c["headers"]:
        request.headers[name] = value
    kind = auth.S3SigV4Auth
    if c["service"] != "s3":
        kind = auth.SigV4Auth
        request.headers["x-amz-content-sha256"] = hashlib.sha256(c["body"]).hexdigest()
    clock = mock.Mock(wraps=datetime.datetime)
    clock.utcnow.return_value = c["time"]
    signer = kind(credentials.Credentials(c["access"], c["secret"], c["token"] or None),
                  c["service"], c["region"])
    with mock.patch("botocore.auth.datetime.datetime", clock):
        signer.add_auth(request)
    query = signer.canonical_query_string(request)
    return path + ("?" + query if query else ""), request.headers["Authorization"]


def main():
    with open(os.path.join(HERE, "vectors.txt"), "w", encoding="utf-8", newline="\n") as f:
        f.write("# Made by make.py with botocore. Fields are NAME SPACE VALUE; a pair's own\n"
                "# name ends at a tab; an empty line ends a case.\n")
        for name, base, changes in CASES:
            c = {**base, **changes}
            target, authorization = sign(c)
            f.write(f"\ncase {name}\nmethod {c['method']}\nhost {c['host']}\n"
                    f"path {c['path']}\n")
            f.writelines(f"query {n}\t{v}\n" for n, v in c["query"])
            f.writelines(f"header {n}\t{v}\n" for n, v in c["headers"])
            f.write(f"body_sha256 {hashlib.sha256(c['body']).hexdigest()}\nregion {c['region']}\n"
                    f"service {c['service']}\naccess {c['access']}\nsecret {c['secret']}\n"
                    f"token {c['token']}\n"
                    f"time {int(c['time'].replace(tzinfo=datetime.timezone.utc).timestamp())}\n"
                    f"target {target}\nauthorization {authorization}\n")
        f.write("\n")


main()
