"""A real S3 server, RADOS Gateway over a monitor and one OSD in memory, and a client for it.

`with S3Server() as s3:` starts it in a temporary folder within some 12 seconds, over
HTTP and over TLS with a certificate of its own CA. It checks signatures, hashes, part
sizes and policies, and speaks STS. It does not check regions, nor an ExternalId.
The client signs by itself, apart from the code that is tested.
"""

import contextlib
import datetime
import hashlib
import hmac
import http.client
import json
import os
import signal
import ssl
import subprocess
import urllib.parse
import uuid
import xml.etree.ElementTree as ElementTree

from . import proc, tap

ACCESS, SECRET = "OWNERACCESSKEY", "owner/secret+of=the.bucket"
REGION = "us-east-1"
PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "ceph-authtool",
            "monmaptool", "openssl")

_CONF = """[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon},v1:127.0.0.1:{mon_v1}]
keyring = {dir}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
osd crush chooseleaf type = 0
admin socket = {dir}/$name.asok
run dir = {dir}
log file = {dir}/$name.log
pid file =
public addr = 127.0.0.1
cluster addr = 127.0.0.1
[mon]
mon data = {dir}/mon
[osd]
osd data = {dir}/osd
keyring = {dir}/osd/keyring
osd objectstore = memstore
memstore device bytes = 4294967296
osd class load list = *
osd class default list = *
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{http} ssl_endpoint=127.0.0.1:{https} ssl_certificate={dir}/tls.crt ssl_private_key={dir}/tls.key
rgw data = {dir}/rgw
rgw thread pool size = 32
rgw dns name = localhost
rgw sts key = abcdefghijklmnop
rgw s3 auth use sts = true
rgw s3 auth order = local, sts
"""


def need():
    """Skips the test program when the server's programs are not installed."""
    missing = [name for name in PROGRAMS if not proc.find(name)]
    if missing:
        tap.skip_all(f"no {', '.join(missing)}: install radosgw, ceph-mon, ceph-osd and openssl")


def _run(*command, **more):
    """Runs a program to its end and returns its output. RuntimeError when it fails."""
    done = subprocess.run([proc.find(command[0]), *command[1:]], text=True, check=False,
                          stdin=None if "input" in more else subprocess.DEVNULL,
                          capture_output=True, timeout=proc.DEADLINE_S, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def make_certificates(folder):
    """ca.crt, tls.crt and tls.key for localhost, and other.crt, a CA that signed nothing."""
    def at(name):
        return os.path.join(folder, name)

    for name in ("ca", "other"):
        _run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-keyout", at(name + ".key"), "-out", at(name + ".crt"), "-subj", f"/CN=test {name}")
    _run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", at("tls.key"),
         "-out", at("tls.csr"), "-subj", "/CN=localhost")
    with open(at("tls.ext"), "w", encoding="ascii") as f:
        f.write("subjectAltName=DNS:localhost,DNS:bucket.localhost,IP:127.0.0.1\n")
    _run("openssl", "x509", "-req", "-in", at("tls.csr"), "-CA", at("ca.crt"), "-CAkey",
         at("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", at("tls.ext"),
         "-out", at("tls.crt"))


class S3Server:
    """The server. endpoint, tls_endpoint: its URLs; ca_file: verifies the second."""

    def __init__(self):
        need()
        self._running = []

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        self.dir = self._stack.enter_context(proc.temp_dir())
        try:
            make_certificates(self.dir)
            self._configure()
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exc):
        self.close()

    def close(self):
        """Stops the gateway, then the OSD, then the monitor, and removes everything."""
        try:
            while self._running:
                # What it has is thrown away, and it takes seconds to put in order.
                self._running.pop().stop(signal.SIGKILL)
        finally:
            self._stack.close()

    def _configure(self):
        for name in ("mon", "osd", "rgw"):
            os.mkdir(os.path.join(self.dir, name))
        ports = {name: self._stack.enter_context(proc.Port())
                 for name in ("mon", "mon_v1", "http", "https")}
        conf = os.path.join(self.dir, "ceph.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(_CONF.format(dir=self.dir, fsid=uuid.uuid4(), **ports))
        self.env = proc.clean_env(CEPH_CONF=conf)
        self.ports = ports
        self.endpoint = f"http://127.0.0.1:{ports['http']}"
        self.tls_endpoint = f"https://localhost:{ports['https']}"
        self.ca_file = os.path.join(self.dir, "ca.crt")

    def _spawn(self, *command):
        process = proc.Process([proc.find(command[0]), *command[1:]],
                               os.path.join(self.dir, command[0] + ".out"), env=self.env,
                               cwd=self.dir)
        self._running.append(process)
        return process

    def _tool(self, *command, **more):
        return _run(*command, env=self.env, cwd=self.dir, **more)

    def log_text(self):
        """The end of what the server wrote."""
        return "\n".join(process.text()[-2000:] for process in self._running)

    def _start(self):
        keyring, monmap = (os.path.join(self.dir, name) for name in ("keyring", "monmap"))
        for i, (name, caps) in enumerate((
                ("mon.", ["mon", "allow *"]),
                ("client.admin", ["mon", "allow *", "osd", "allow *", "mgr", "allow *"]),
                ("client.rgw", ["mon", "allow rw", "osd", "allow rwx"]))):
            pairs = [word for k, v in zip(caps[::2], caps[1::2]) for word in ("--cap", k, v)]
            self._tool("ceph-authtool", keyring, *(["--create-keyring"] if i == 0 else []),
                       "--gen-key", "-n", name, *pairs)
        self._tool("monmaptool", "--create", "--fsid", self._conf_value("fsid"), "--addv", "a",
                   f"[v2:127.0.0.1:{self.ports['mon']},v1:127.0.0.1:{self.ports['mon_v1']}]", monmap)
        self._tool("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self._spawn("ceph-mon", "-f", "-i", "a")
        self._start_osd()
        self.admin("user", "create", "--uid=owner", "--display-name=owner",
                   f"--access-key={ACCESS}", f"--secret={SECRET}", "--caps=roles=*")
        gateway = self._spawn("radosgw", "-f", "-n", "client.rgw")
        proc.wait_for(lambda: self._answers() or not gateway.running(), "radosgw answers",
                      detail=self.log_text)
        if not gateway.running():
            raise RuntimeError(f"radosgw ended\n{self.log_text()}")

    def _conf_value(self, key):
        for line in proc.read_text(os.path.join(self.dir, "ceph.conf")).splitlines():
            if line.startswith(key + " = "):
                return line.partition(" = ")[2]
        raise KeyError(key)

    def _start_osd(self):
        secret, osd = self._tool("ceph-authtool", "--gen-print-key").strip(), str(uuid.uuid4())
        self._tool("ceph", "--connect-timeout", str(proc.DEADLINE_S), "osd", "new", osd, "-i", "-",
                   input=json.dumps({"cephx_secret": secret}))
        self._tool("ceph-authtool", "--create-keyring", os.path.join(self.dir, "osd", "keyring"),
                   "--name", "osd.0", "--add-key", secret)
        self._tool("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._spawn("ceph-osd", "-f", "-i", "0")

    def _answers(self):
        try:
            return Client(self.endpoint).request("GET")[0] == 200
        except OSError:
            return False

    def admin(self, *words, **more):
        """radosgw-admin; returns what it prints."""
        return self._tool("radosgw-admin", "-n", "client.rgw", *words, **more)

    def add_user(self, name, access, secret):
        """A user who owns nothing and may do what bucket policies allow."""
        self.admin("user", "create", f"--uid={name}", f"--display-name={name}",
                   f"--access-key={access}", f"--secret={secret}")

    def client(self, access=ACCESS, secret=SECRET):
        return Client(self.endpoint, access, secret)


class Client:
    """A few S3 requests over HTTP or TLS, signed with AWS Signature Version 4."""

    def __init__(self, endpoint, access=ACCESS, secret=SECRET, token=None, ca_file=None):
        url = urllib.parse.urlsplit(endpoint)
        self.host, self.secure, self.ca_file = url.netloc, url.scheme == "https", ca_file
        self.access, self.secret, self.token = access, secret, token

    def _sign(self, method, path, query, headers, digest):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        headers.update({"host": self.host, "x-amz-date": now, "x-amz-content-sha256": digest})
        if self.token:
            headers["x-amz-security-token"] = self.token
        names = ";".join(sorted(headers))
        lines = "".join(f"{k}:{headers[k].strip()}\n" for k in sorted(headers))
        canonical = "\n".join((method, path, query, lines, names, digest))
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        text = "\n".join(("AWS4-HMAC-SHA256", now, scope,
                          hashlib.sha256(canonical.encode()).hexdigest()))
        key = ("AWS4" + self.secret).encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, "
                                    f"SignedHeaders={names}, Signature={signature}")

    def request(self, method, bucket="", key="", query=None, body=b"", headers=None):
        """Returns (status, headers with lower-case names, body)."""
        path = urllib.parse.quote("/" + bucket + ("/" + key if key else ""), safe="/~")
        query = "&".join(sorted(f"{urllib.parse.quote(k, safe='~')}={urllib.parse.quote(v, safe='~')}"
                                for k, v in (query or {}).items()))
        headers = {k.lower(): v for k, v in (headers or {}).items()}
        self._sign(method, path, query, headers, hashlib.sha256(body).hexdigest())
        if self.secure:
            connection = http.client.HTTPSConnection(
                self.host, timeout=proc.DEADLINE_S, context=ssl.create_default_context(cafile=self.ca_file))
        else:
            connection = http.client.HTTPConnection(self.host, timeout=proc.DEADLINE_S)
        try:
            connection.request(method, path + ("?" + query if query else ""), body, headers)
            answer = connection.getresponse()
            return (answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def _good(self, *args, **more):
        status, headers, body = self.request(*args, **more)
        if status // 100 != 2:
            raise RuntimeError(f"{args[0]} {args[1:]}: {status} {body[:500]}")
        return headers, body

    def make_bucket(self, bucket, policy=None):
        """policy: the document, as a dict."""
        self._good("PUT", bucket)
        if policy:
            self._good("PUT", bucket, query={"policy": ""}, body=json.dumps(policy).encode())

    def get(self, bucket, key):
        """The object's bytes, or None when there is none."""
        status, _, body = self.request("GET", bucket, key)
        return body if status == 200 else None

    def head(self, bucket, key):
        return self._good("HEAD", bucket, key)[0]

    def put(self, bucket, key, body):
        self._good("PUT", bucket, key, body=body)

    def delete(self, bucket, key):
        self._good("DELETE", bucket, key)

    def _list(self, bucket, query, tag):
        found, marker = [], {}
        while True:
            root = ElementTree.fromstring(self._good("GET", bucket, query={**query, **marker})[1])
            space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
            found += [{e.tag.removeprefix(space): e.text for e in item}
                      for item in root.iter(space + tag)]
            if root.findtext(space + "IsTruncated") != "true":
                return found
            token = root.findtext(space + "NextContinuationToken")
            marker = {"continuation-token": token}

    def keys(self, bucket, prefix=""):
        """Every key of the bucket, sorted, with its size."""
        return {o["Key"]: int(o["Size"]) for o in
                self._list(bucket, {"list-type": "2", "prefix": prefix}, "Contents")}

    def uploads(self, bucket):
        """(key, id) of each multipart upload that was neither completed nor aborted."""
        return [(u["Key"], u["UploadId"]) for u in self._list(bucket, {"uploads": ""}, "Upload")]
