"""The tracker on pages as they are, in Chromium."""

import server

# Some of them are gone back to.
server.tracker("pages", browser=server.chromium(server.WHOLE_FIRST))
