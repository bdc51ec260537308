"""The minified tracker in Chromium."""

import server
from harness import tap

if not server.built("js/tracking.min.js"):
    tap.skip_all("it is not built: npm ci --prefix www, then configure anew")
server.tracker("installed")
