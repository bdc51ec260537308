"""The tracker in Firefox."""

import server

server.tracker("capture", "pages", "delivery", "once", engine="firefox")
