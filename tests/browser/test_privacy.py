"""What the tracker must not do, in Chromium."""

import server

server.tracker("privacy")
