"""10,000 events through everything that may go wrong, in Chromium."""

import server

server.tracker("once")
