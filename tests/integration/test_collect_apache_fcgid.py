"""The documented requests through Apache's mod_fcgid, as an ordinary user."""

from collect_cases import run
from harness import web

run(web.ApacheFcgid)
