"""The documented requests through plain CGI under Apache, as an ordinary user."""

from collect_cases import run
from harness import web

run(web.ApacheCgi)
