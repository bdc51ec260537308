"""What the tracker sends arrives, and once, in Chromium."""

import server

server.tracker("delivery")
