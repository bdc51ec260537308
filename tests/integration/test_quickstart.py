"""What quickstart says and leaves when it refuses; quickstart check is the test of the rest."""

import os
import re
import socket
import subprocess
import sys

from harness import proc, tap

# Answers /health, and has the folder in its command line.
SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status":"healthy"}')
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""

QUICKSTART = os.path.join(proc.SRCDIR, "quickstart")


def refused(t, name, want, *args, **env):
    """A command that fails with one line, which is this."""
    done = subprocess.run([QUICKSTART, *args], capture_output=True, text=True, check=False,
                          timeout=proc.DEADLINE_S, env=proc.clean_env(**env))
    t.is_((done.returncode, done.stderr), (1, f"quickstart: {want}\n"), name)
    return done


def hints(t, folder):
    """The commands that are named are for the folder that was named."""
    path, reserved = os.path.join(folder, "hints"), proc.Port()
    port = reserved.number
    os.mkdir(path)
    refused(t, "psql", f"not running: {QUICKSTART} up --dir {path} first", "psql", "--dir", path)
    with open(f"{path}/lock", "w", encoding="utf-8"), \
            open(f"{path}/state", "w", encoding="utf-8") as f:
        f.write(f"port={port}\nserver=nginx\ns3=\n")
    server = proc.Process([sys.executable, "-c", SERVER, f"{path}/server", str(port)],
                          os.path.join(folder, "output"), env=proc.clean_env())
    try:
        with open(f"{path}/server.pid", "w", encoding="utf-8") as f:
            f.write(f"{server.pid}\n")
        proc.wait_for(lambda: subprocess.run(
            ["curl", "-s", "--noproxy", "*", f"http://localhost:{port}/health"],
            capture_output=True, check=False).returncode == 0, "the server answers", detail=server.text)
        refused(t, "up on another port", f"already up with nginx on port {port}: {QUICKSTART} down "
                f"--dir {path} first", "up", "--dir", path, "--port", str(port + 1))
    finally:
        server.stop()
        reserved.close()


def leftovers(t, folder):
    """A folder that was made for an up that was refused is taken away; what was there stays."""
    path = os.path.join(folder, "new")
    for name, want, args, env in (
            ("a port of letters", "not a port: abc", ["--port", "abc"], {}),
            ("a port too high", "not a port: 65536", ["--port", "65536"], {}),
            ("a server", "--server is lighttpd or nginx, not apache", ["--server", "apache"], {}),
            ("a profile", "MILLRACE_PROFILE is development, small, medium or large, not huge", [],
             {"MILLRACE_PROFILE": "huge"}),
            ("an environment", "ENVIRONMENT is development or production, not test", [],
             {"ENVIRONMENT": "test"})):
        refused(t, name, want, "up", "--dir", path, *args, **env)
        t.ok(not os.path.lexists(path), f"{name}: no folder is left")
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        want = f"port {port} is busy: choose another with --port"
        refused(t, "a busy port", want, "up", "--dir", path, "--port", port)
        t.ok(not os.path.lexists(path), "a busy port: no folder is left")
        os.mkdir(path)
        refused(t, "in a folder of the user's", want, "up", "--dir", path, "--port", port)
        t.ok(os.path.isdir(path), "which stays")

        if os.geteuid() != 0:
            t.skip("below a folder that is closed", "only root has one that others cannot reach")
            return
        closed = os.path.join(folder, "closed")
        os.mkdir(closed, 0o700)
        done = refused(t, "below a folder that is closed", want, "up", "--dir", f"{closed}/new",
                       "--port", port)
        place = re.search(r" is a link to (\S+),", done.stdout)[1]
        t.is_((os.listdir(closed), os.path.lexists(place)), ([], False),
              "neither the link nor its folder is left")


def main():
    if not proc.find("curl"):
        tap.skip_all("curl is not installed")
    with tap.Suite() as t, proc.temp_dir() as folder:
        os.chmod(folder, 0o755)
        for case in (hints, leftovers):
            with t.case(case.__name__.replace("_", " ")):
                case(t, folder)


main()
