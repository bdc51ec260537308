"""Takes pictures of the pages: screenshots.py FOLDER."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import server  # noqa: E402
from harness import proc  # noqa: E402

server.need()
os.makedirs(sys.argv[1], exist_ok=True)
with proc.temp_dir() as folder:
    status = server.run("screenshots.mjs", output=os.path.abspath(sys.argv[1]),
                        sections=server.exports(folder),
                        browser=server.chromium(server.WHOLE_FIRST),
                        dashboard=all(map(server.built, server.BUNDLE)))
sys.exit(status)
