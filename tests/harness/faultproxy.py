"""An HTTP proxy in front of a server that fails as networks and servers do.

    faults = Faults(Fault("status", code=503), Fault("reset", method="PUT", times=2))
    with FaultProxy("127.0.0.1:7480", faults) as proxy:
        ...                                # clients talk to proxy.endpoint

Each request asks the schedule, any callable that takes a Request and returns a Fault
or None, what goes wrong with it. The kinds:
    status     answer code, with an XML body of the S3 error `name`; nothing is forwarded
    answer     the same with the given body and headers
    close      close the connection before the request is read
    reset      read `after` bytes of the body, then reset the connection
    lost       forward the request and reset the connection without the answer
    cut        forward it; of the answer send the head and `after` bytes of the body
    slow       forward it; send the answer's body byte by byte, `delay_s` apart
    trickle    read the request's body in small pieces, `delay_s` apart, and forward it
    stall      forward it; send nothing until the client goes away
"""

import contextlib
import http.client
import random
import socket
import ssl
import struct
import threading
import time

from . import proc

TRICKLE_BYTES = 65536


class Request:
    """method, target and headers (lower-case names) of a request; its body is not kept."""

    def __init__(self, method, target, headers):
        self.method, self.target, self.headers = method, target, headers
        self.at_s = time.monotonic()
        self.fault = None    # the kind of what went wrong with it


class Fault:
    """One thing that goes wrong, `times` times, with requests that match.

    method: that one only. part: a text that is in the target. skip: so many matching
    requests pass before.
    """

    def __init__(self, kind, method=None, part="", times=1, skip=0, code=503, name="SlowDown",
                 headers=(), body=None, after=0, delay_s=0.001):
        self.kind, self.method, self.part = kind, method, part
        self.times, self.skip = times, skip
        self.code, self.name, self.headers, self.body = code, name, list(headers), body
        self.after, self.delay_s = after, delay_s

    def matches(self, request):
        return (self.method in (None, request.method)) and self.part in request.target


class Faults:
    """A schedule: the first fault that matches and is not used up."""

    def __init__(self, *faults):
        self.faults = list(faults)
        self._lock = threading.Lock()

    def __call__(self, request):
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and fault.matches(request):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def left(self):
        """How many faults did not happen yet."""
        return sum(fault.times for fault in self.faults)


class RandomFaults:
    """A schedule: with probability `rate` one of the faults, by a seed; of those that the
    request may have, one that came the least so far."""

    def __init__(self, seed, rate, *faults):
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.rate, self.faults = rate, faults
        self._given = [0] * len(faults)

    def __call__(self, request):
        with self._lock:
            if self._random.random() >= self.rate:
                return None
            able = [i for i, fault in enumerate(self.faults) if fault.matches(request)]
            if not able:
                return None
            chosen = min(able, key=lambda i: (self._given[i], self._random.random()))
            self._given[chosen] += 1
            return self.faults[chosen]


def _reset(connection):
    """Closes so that the other side gets a reset and not an end."""
    raw = connection
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(raw, ssl.SSLSocket):
        # Without TLS's own good-bye.
        raw = socket.socket(fileno=raw.detach())
    raw.close()


class FaultProxy:
    """upstream: "host:port" that speaks HTTP. tls: (certificate, key) files to listen with."""

    def __init__(self, upstream, schedule=None, tls=None):
        self.upstream, self.schedule = upstream, schedule or (lambda request: None)
        self.requests = []          # all that came in, in order
        self._context = None
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*tls)
        self._connections = set()
        self._lock = threading.Lock()
        self._threads = []
        self._closing = False

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.endpoint = (f"https://localhost:{self.port}" if self._context
                         else f"http://127.0.0.1:{self.port}")
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        self._threads.append(thread)
        return self

    def __exit__(self, *_exc):
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(proc.DEADLINE_S)

    def _accept(self):
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection):
        try:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            with self._lock:
                self._connections.add(connection)
            with connection.makefile("rb") as stream:
                while self._one(connection, stream):
                    pass
        except (OSError, ValueError, http.client.HTTPException):
            pass
        finally:
            with self._lock:
                self._connections.discard(connection)
            with contextlib.suppress(OSError):
                connection.close()

    def _one(self, connection, stream):
        """One request; false: the connection is over."""
        line = stream.readline().decode("latin-1").split()
        if len(line) != 3:
            return False
        headers = {}
        while (text := stream.readline().decode("latin-1").strip()):
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        request = Request(line[0], line[1], headers)
        fault = self.schedule(request)
        request.fault = fault.kind if fault else None
        self.requests.append(request)
        if fault and fault.kind == "close":
            return False
        if "100-continue" in headers.get("expect", ""):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(headers.get("content-length", 0))
        if fault and fault.kind == "reset":
            stream.read(min(fault.after, length))
            _reset(connection)
            return False
        body = self._read(stream, length, fault)
        return self._answer(connection, request, body, fault)

    @staticmethod
    def _read(stream, length, fault):
        if not fault or fault.kind != "trickle":
            return stream.read(length)
        pieces, pause = [], threading.Event()
        for start in range(0, length, TRICKLE_BYTES):
            pieces.append(stream.read(min(TRICKLE_BYTES, length - start)))
            pause.wait(fault.delay_s)
        return b"".join(pieces)

    def _answer(self, connection, request, sent, fault):
        if fault and fault.kind in ("status", "answer"):
            body = fault.body if fault.body is not None else (
                f"<?xml version=\"1.0\"?><Error><Code>{fault.name}</Code><Message>from the proxy"
                f"</Message></Error>").encode()
            self._send_head(connection, fault.code, fault.headers, len(body))
            connection.sendall(b"" if request.method == "HEAD" else body)
            return True
        status, headers, body = self._forward(request, sent)
        if fault is None or fault.kind == "trickle":
            self._send_head(connection, status, headers, None if request.method == "HEAD" else len(body))
            connection.sendall(body)
            return True
        return self._spoil(connection, fault, status, headers, body)

    def _spoil(self, connection, fault, status, headers, body):
        if fault.kind == "lost":
            _reset(connection)
        elif fault.kind == "cut":
            self._send_head(connection, status, headers, len(body))
            connection.sendall(body[:fault.after])
        elif fault.kind == "slow":
            self._send_head(connection, status, headers, len(body))
            pause = threading.Event()
            for i in range(len(body)):
                connection.sendall(body[i:i + 1])
                pause.wait(fault.delay_s)
            return True
        elif fault.kind == "stall":
            connection.recv(1)    # until the client gives up
        else:
            raise ValueError(fault.kind)
        return False

    def _forward(self, request, body):
        upstream = http.client.HTTPConnection(self.upstream, timeout=proc.DEADLINE_S)
        try:
            upstream.putrequest(request.method, request.target, skip_host=True,
                                skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name not in ("expect", "connection"):
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    @staticmethod
    def _send_head(connection, status, headers, length):
        """length: of the body; None: as the headers say."""
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, 'Status')}"]
        for name, value in headers:
            low = name.lower()
            if low in ("transfer-encoding", "connection") or \
                    (low == "content-length" and length is not None):
                continue
            lines.append(f"{name}: {value}")
        if length is not None and status not in (204, 304):
            lines.append(f"Content-Length: {length}")
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
