"""What is built of the tracker, and what it notes, in Chromium."""

import server

server.tracker("build", "capture")
