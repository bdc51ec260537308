"""The documented requests through nginx with a worker that spawn-fcgi started."""

from collect_cases import run
from harness import web

run(web.Nginx)
