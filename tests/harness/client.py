"""A small HTTP client, and the real curl with the command lines of the documentation."""

import contextlib
import http.client
import json as json_module
import os
import shlex
import subprocess

from . import proc


class Answer:
    """An HTTP response, read to its end."""

    def __init__(self, status, headers, body):
        self.status, self.header_list, self.body = status, headers, body
        self.headers = {name.lower(): value for name, value in headers}

    @property
    def text(self):
        return self.body.decode("utf-8", "backslashreplace")

    def json(self):
        return json_module.loads(self.body)


def request(base, method, path, body=None, headers=None, timeout_s=proc.DEADLINE_S):
    """One request on a connection of its own.

    base: "http://host:port", or maybe with a path. body: bytes, text, or a dict or list to
    send as JSON; an iterable of bytes is sent chunked. headers: nothing is added but what HTTP needs.
    """
    if isinstance(body, (dict, list)):
        body = json_module.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    host, _, prefix = base.split("//", 1)[1].rstrip("/").partition("/")
    connection = http.client.HTTPConnection(host, timeout=timeout_s)
    try:
        # A server that refuses a body early need not read it to its end.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, (f"/{prefix}" if prefix else "") + path, body,
                               headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def get(base, path, **more):
    return request(base, "GET", path, **more)


def post(base, path, body, **more):
    return request(base, "POST", path, body, **more)


def curl(command, documented, base):
    """Runs a curl command line as it is documented, against this server.

    documented: the address the text uses ("http://localhost:8000"), replaced by base.
    """
    if documented not in command:
        raise ValueError(f"{documented} does not occur in: {command}")
    words = shlex.split(command.replace("\\\n", " ").replace(documented, base.rstrip("/")))
    if words[0] != "curl":
        raise ValueError("not a curl command")
    words[1:1] = ["-q", "-sS", "--noproxy", "*", "--max-time", str(proc.DEADLINE_S),
                  "-D", "-", "-o", "-"]
    done = subprocess.run([proc.find("curl"), *words[1:]], capture_output=True,
                          env=proc.clean_env(HOME=os.devnull), check=False)
    if done.returncode:
        raise RuntimeError(f"curl: {done.stderr.decode()}")
    head, body = b"", done.stdout
    while body.startswith(b"HTTP/"):   # 100 Continue comes before the answer
        head, _, body = body.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
    return Answer(int(lines[0].split()[1]), headers, body)
