"""What AWS runs around a machine: EC2's metadata service, a container's credentials, STS.

One local HTTP server is all three. It answers as the real ones document, checks what
they check, and keeps every request.
"""

import datetime
import http.server
import threading
import urllib.parse

METADATA_TOKEN = "metadata-session-token"
ROLE = "exporter-role"


class FakeAws:
    """status: when set, every answer has it. life_s: how long credentials are good for.

    want: {parameter: value} that STS and the container insist on.
    """

    def __init__(self):
        self.requests = []      # (method, path, headers, parameters)
        self.status = None
        self.life_s = 3600
        self.want = {}
        self.role = ROLE
        self.count = 0          # credentials handed out
        self.reachable = True

    def __enter__(self):
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                fake.answer(self)

            do_GET = do_PUT = do_POST = handle_any

            def log_message(self, *_args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_exc):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def reset(self, **attributes):
        """Forgets the requests and sets attributes."""
        self.requests, self.status, self.want, self.role = [], None, {}, ROLE
        self.life_s, self.count = 3600, 0
        for name, value in attributes.items():
            setattr(self, name, value)

    def paths(self):
        return [(method, path) for method, path, _, _ in self.requests]

    def answer(self, handler):
        """Looks the request up in the services."""
        length = int(handler.headers.get("content-length", 0))
        form = dict(urllib.parse.parse_qsl(handler.rfile.read(length).decode(),
                                           keep_blank_values=True))
        path = urllib.parse.urlsplit(handler.path).path
        headers = {k.lower(): v for k, v in handler.headers.items()}
        self.requests.append((handler.command, path, headers, form))
        if self.status:
            status, body = self.status, "<Error><Code>Broken</Code></Error>"
        elif path.startswith("/latest/"):
            status, body = self._metadata(handler.command, path, headers)
        elif path == "/container":
            good = headers.get("authorization") == self.want.get("authorization")
            status, body = (200, self._json("CONTAINER")) if good else (401, "")
        elif path == "/" and handler.command == "POST":
            status, body = self._sts(form, headers)
        else:
            status, body = 404, ""
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body.encode())))
        handler.end_headers()
        handler.wfile.write(body.encode())

    def _expiration(self):
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.life_s)
        return end.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _json(self, who):
        self.count += 1
        return (f'{{"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "{who}{self.count}", '
                f'"SecretAccessKey": "{who.lower()}\\/secret{self.count}", '
                f'"Token": "{who.lower()}-token{self.count}", '
                f'"Expiration": "{self._expiration()}"}}')

    def _metadata(self, method, path, headers):
        if path == "/latest/api/token":
            good = method == "PUT" and headers.get("x-aws-ec2-metadata-token-ttl-seconds", "").isdigit()
            return (200, METADATA_TOKEN) if good else (400, "")
        if headers.get("x-aws-ec2-metadata-token") != METADATA_TOKEN:
            return 401, ""
        roles = "/latest/meta-data/iam/security-credentials/"
        if path == roles and self.role:
            return 200, self.role + "\n"
        if self.role and path == roles + self.role:
            return 200, self._json("EC2")
        return 404, ""

    def _sts(self, form, headers):
        action = form.get("Action")
        signed = headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 ")
        if action not in ("AssumeRole", "AssumeRoleWithWebIdentity") or \
                signed != (action == "AssumeRole") or form.get("Version") != "2011-06-15":
            return 400, "<ErrorResponse><Error><Code>ValidationError</Code></Error></ErrorResponse>"
        if any(form.get(k) != v for k, v in self.want.items()):
            return 403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
        self.count += 1
        kind = "ROLE" if action == "AssumeRole" else "WEB"
        return 200, (f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
                     f"<{action}Result><Credentials><AccessKeyId>{kind}{self.count}</AccessKeyId>"
                     f"<SecretAccessKey>{kind.lower()}/secret{self.count}</SecretAccessKey>"
                     f"<SessionToken>{kind.lower()}-token&amp;{self.count}</SessionToken>"
                     f"<Expiration>{self._expiration()}</Expiration></Credentials>"
                     f"</{action}Result></{action}Response>")
