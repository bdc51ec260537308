"""The demo page in Chromium."""

import server

server.tracker("demo")
