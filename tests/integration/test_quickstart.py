"""What quickstart says and leaves when it refuses; quickstart check is the test of the rest."""

import os
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
    path, port = os.path.join(folder, "hints"), proc.free_port()
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


def main():
    if not proc.find("curl"):
        tap.skip_all("curl is not installed")
    with tap.Suite() as t, proc.temp_dir() as folder:
        os.chmod(folder, 0o755)
        for case in (hints,):
            with t.case(case.__name__.replace("_", " ")):
                case(t, folder)


main()
