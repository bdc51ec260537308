"""The documented requests through Apache's mod_proxy_fcgi with a worker that spawn-fcgi started."""

from collect_cases import run
from harness import web

run(web.Apache)
