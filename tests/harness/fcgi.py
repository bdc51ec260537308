"""A FastCGI client that talks to a worker directly, and the worker itself.

The client sends what it is told to, also what no web server would: a length that
is absent, negative or absurd, a body that stops short, a connection that is cut.
The protocol is FastCGI 1.0, one request on a connection.
"""

import contextlib
import glob
import json
import os
import re
import signal
import socket
import struct
import tempfile

from . import proc, sanitizer

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = range(1, 8)
RESPONDER = 1
KEEP_CONN = 1

AUTO = object()


class Response:
    """What came back. status is 0 when the connection ended without an answer."""

    def __init__(self, stdout, stderr=b"", app_status=None, protocol_status=None):
        self.raw = stdout
        self.stderr = stderr.decode("utf-8", "backslashreplace")
        self.app_status = app_status            # None: no end-of-request record
        self.protocol_status = protocol_status
        head, blank, self.body = stdout.partition(b"\r\n\r\n")
        self.header_list = [
            (name.strip().lower(), value.strip())
            for name, colon, value in (line.partition(":")
                                       for line in head.decode("latin-1").split("\r\n"))
            if colon] if blank else []
        self.headers = dict(self.header_list)
        self.status = int(self.headers.get("status", "200").split()[0]) if blank else 0

    @property
    def text(self):
        return self.body.decode("utf-8", "backslashreplace")

    def json(self):
        return json.loads(self.body)


def record(kind, content=b"", request_id=1):
    """One FastCGI record."""
    pad = -len(content) % 8
    return struct.pack(">BBHHBx", 1, kind, request_id, len(content), pad) + content + bytes(pad)


def _stream(kind, data):
    return b"".join(record(kind, data[i:i + 65528]) for i in range(0, len(data), 65528))


def _length(n):
    return struct.pack(">B", n) if n < 128 else struct.pack(">I", n | 0x80000000)


def pairs(params):
    """Parameters as name-value pairs, without their record."""
    out = bytearray()
    for name, value in params.items():
        name = name.encode() if isinstance(name, str) else name
        value = value.encode("latin-1") if isinstance(value, str) else value
        out += _length(len(name)) + _length(len(value)) + name + value
    return bytes(out)


class Connection:
    """One request, sent piece by piece.

    address: path of a unix socket, or (host, port).
    """

    def __init__(self, address, timeout_s=proc.DEADLINE_S):
        unix = isinstance(address, str)
        self.socket = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self.socket.settimeout(timeout_s)
        try:
            self.socket.connect(address)
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        """Raw bytes, a record or a part of one."""
        self.socket.sendall(data)

    def begin(self, keep=False, role=RESPONDER):
        self.send(record(BEGIN, struct.pack(">HB5x", role, KEEP_CONN if keep else 0)))

    def params(self, params):
        self.send(_stream(PARAMS, pairs(params)) + record(PARAMS))

    def stdin(self, data):
        self.send(_stream(STDIN, data))

    def end_stdin(self):
        self.send(record(STDIN))

    def cut(self):
        """Says that nothing more will be sent; the answer can still be read."""
        self.socket.shutdown(socket.SHUT_WR)

    def response(self):
        """Reads to the end of the request, or of the connection."""
        # Not a sum of bytes objects: that copies all of a large answer for each record.
        streams = {STDOUT: bytearray(), STDERR: bytearray()}
        end = (None, None)
        with self.socket.makefile("rb") as source:
            while True:
                head = self._read(source, 8)
                if head is None:
                    break
                _version, kind, _id, length, pad = struct.unpack(">BBHHBx", head)
                content = self._read(source, length + pad)
                if content is None:
                    break
                if kind in streams:
                    streams[kind] += content[:length]
                elif kind == END:
                    end = struct.unpack(">IB3x", content[:length])
                    break
        return Response(bytes(streams[STDOUT]), bytes(streams[STDERR]), *end)

    @staticmethod
    def _read(source, n):
        """n bytes; None: the connection ends before."""
        try:
            data = source.read(n)
        except ConnectionResetError:
            return None
        return data if len(data) == n else None


def make_params(method="GET", path="/", body=b"", headers=None, params=None,
                content_length=AUTO, remote_addr="192.0.2.1"):
    """The parameters a web server would send.

    headers: HTTP header fields. params: set last; a value of None removes one.
    content_length: AUTO is the body's; None leaves it out.
    """
    path, _, query = path.partition("?")
    out = {"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1",
           "REQUEST_METHOD": method, "SCRIPT_NAME": path, "PATH_INFO": "",
           "REQUEST_URI": path + ("?" + query if query else ""), "QUERY_STRING": query,
           "REMOTE_ADDR": remote_addr, "SERVER_NAME": "localhost", "SERVER_PORT": "80",
           "HTTP_HOST": "localhost"}
    if content_length is AUTO:
        out["CONTENT_LENGTH"] = str(len(body)) if body or method == "POST" else ""
    elif content_length is not None:
        out["CONTENT_LENGTH"] = str(content_length)
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        out[key if key == "CONTENT_TYPE" else "HTTP_" + key] = value
    out.update(params or {})
    return {k: v for k, v in out.items() if v is not None}


def request(address, method="GET", path="/", body=b"", timeout_s=proc.DEADLINE_S, **more):
    """One whole request; a dict or list as body is sent as JSON. more: see make_params."""
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    with Connection(address, timeout_s) as c:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            # A worker that refuses a body early need not read it to its end.
            c.begin()
            c.params(make_params(method, path, body, **more))
            c.stdin(body)
            c.end_stdin()
        return c.response()


def listen(path):
    """A listening unix socket for one or more workers."""
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(256)
    return s


def _blocks_sigterm(pid):
    # The thread that waits for it does not block it. Any of them may end meanwhile.
    texts = map(proc.read_text, glob.glob(f"/proc/{pid}/task/*/status"))
    masks = re.findall(r"^SigBlk:\s*([0-9a-f]+)", "".join(texts), re.M)
    return any(int(mask, 16) >> signal.SIGTERM - 1 & 1 for mask in masks)


def terminate(process):
    """Sends SIGTERM to a worker as soon as that ends it in order; before, it would just be dead."""
    proc.wait_for(lambda: _blocks_sigterm(process.pid) or not process.running(),
                  "the worker waits for SIGTERM", detail=process.text)
    process.kill(signal.SIGTERM)


class Worker:
    """millrace.fcgi on a listening unix socket as its fd 0, without a web server.

    ini: text of the configuration, or {section: {key: value}}.
    share: another Worker whose socket and folder this one uses too.
    Leaving the block stops it and raises AssertionError unless it ended with
    status 0 and no sanitizer reported anything.
    """

    def __init__(self, ini="", env=None, share=None, args=()):
        self.program = proc.worker_path()
        self.ini, self.more_env, self.share, self.args = ini, env or {}, share, list(args)
        self.process = None
        self.status = None
        self.folders = []    # one for each start

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        try:
            if self.share:
                self.dir, self.socket = self.share.dir, self.share.socket
                self.address = self.share.address
            else:
                self.dir = self._stack.enter_context(proc.temp_dir())
                self.address = os.path.join(self.dir, "fcgi.sock")
                self.socket = self._stack.enter_context(listen(self.address))
            self.start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def start(self):
        """Starts the program; also again after stop()."""
        folder = tempfile.mkdtemp(prefix="worker", dir=self.dir)
        self.folders.append(folder)
        self.conffile = os.path.join(folder, "millrace.ini")
        with open(self.conffile, "w", encoding="utf-8") as f:
            f.write(ini_text(with_defaults(self.ini, self.dir)))
        env = proc.clean_env(**{**sanitizer.env(folder), **self.more_env})
        self.process = proc.Process([self.program, "-c", self.conffile, *self.args],
                                    os.path.join(folder, "stderr"),
                                    env=env, stdin=self.socket)
        self.pid = self.process.pid
        self.status = None
        self.asked = False

    def terminate(self):
        """Sends SIGTERM; stop() then waits for the end."""
        self.asked = True
        terminate(self.process)

    def stop(self, deadline_s=proc.DEADLINE_S):
        """Stops it and returns the exit status."""
        if self.status is None:
            self.terminate()
            self.status = self.process.wait(deadline_s)
        return self.status

    def running(self):
        return self.process.running()

    def log(self):
        """Its stderr, which is also its log unless the ini says otherwise."""
        return self.process.text()

    def reports(self):
        """Sanitizer reports of this and earlier starts, "" if there are none."""
        return "\n".join(filter(None, (
            sanitizer.reports(folder, proc.read_text(os.path.join(folder, "stderr")))
            for folder in self.folders)))

    def rss_kib(self):
        return proc.rss_kib(self.pid)

    def request(self, method="GET", path="/", body=b"", **more):
        """One request; see request() above. RuntimeError: the worker died of it."""
        answer = request(self.address, method, path, body, **more)
        if answer.status == 0:
            with contextlib.suppress(TimeoutError):
                # For the message only: a worker that lives may end a connection, too.
                proc.wait_for(lambda: not self.running(), "the worker's end", deadline_s=5)
                raise RuntimeError(f"the worker has ended\n{self.log()[-4000:]}")
        return answer

    def wait_healthy(self):
        """Waits until GET /health says healthy."""
        def healthy():
            if not self.running():
                raise RuntimeError(f"the worker ended with status {self.process.wait()}\n"
                                   f"{self.log()[-4000:]}")
            return self.request("GET", "/health").json()["status"] == "healthy"
        proc.wait_for(healthy, "the worker is healthy", detail=lambda: self.log()[-4000:])
        return self

    def __exit__(self, kind, _value, _tb):
        try:
            ended_before = not self.running() and not self.asked
            self.stop()
            reports, log = self.reports(), self.log()
        finally:
            self._stack.close()
        if reports:
            raise AssertionError(f"sanitizer report:\n{reports}")
        if kind is None and (self.status != 0 or ended_before):
            raise AssertionError(f"the worker ended {'by itself ' if ended_before else ''}"
                                 f"with status {self.status}\n{log[-4000:]}")


# The most that may be configured: a slow machine is no database that hangs.
PATIENT = {"connect_timeout_ms": 60000, "query_timeout_ms": 600000}


def with_defaults(ini, folder):
    """The ini with spool and counters in this folder and patience with the database, unless it
    is text or says otherwise."""
    if isinstance(ini, str):
        return ini
    return {**ini, "database": {**PATIENT, **ini.get("database", {})},
            "spool": {"dir": os.path.join(folder, "spool"), **ini.get("spool", {})},
            "metrics": {"file": os.path.join(folder, "counters"), **ini.get("metrics", {})}}


def ini_text(ini):
    """An ini file's text from {section: {key: value}}; text is returned as it is."""
    if isinstance(ini, str):
        return ini
    return "".join(f"[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items())
                   for section, keys in ini.items())
