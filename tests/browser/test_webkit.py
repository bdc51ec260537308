"""The tracker in WebKitGTK, against lighttpd, the worker and PostgreSQL.

With an argument, only the cases in whose names it occurs are run.
"""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import server  # noqa: E402
from harness import proc, tap  # noqa: E402

# What this adds is another browser; the same requests reach the worker.
if re.search(r"^MR_CFLAGS = .*-fsanitize",
             proc.read_text(os.path.join(proc.BUILDDIR, "Makefile")), re.MULTILINE):
    tap.skip_all("in a build with sanitizers Chromium alone is run")
server.need("webkit")
# The checks print TAP by themselves.
sys.exit(server.run("main.mjs", *sys.argv[1:2], engine="webkit"))
