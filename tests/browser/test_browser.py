"""The tracker and the demo page in Chromium, against lighttpd, the worker and PostgreSQL.

With an argument, only the cases in whose names it occurs are run.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import server  # noqa: E402

server.need()
# The checks print TAP by themselves.
sys.exit(server.run("main.mjs", *sys.argv[1:2]))
