"""The tracker in WebKitGTK."""

import server

server.tracker("capture", "pages", "delivery", "once", engine="webkit")
