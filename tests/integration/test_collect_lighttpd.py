"""The documented requests through lighttpd, which spawns the worker itself."""

from collect_cases import run
from harness import web

run(web.Lighttpd)
