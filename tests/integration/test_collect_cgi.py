"""The documented requests through plain CGI, one process a request."""

from collect_cases import run
from harness import web

run(web.Cgi)
