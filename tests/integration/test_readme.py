"""The commands of the documentation, run in the order in which they stand, and their answers.

A checkout in which ./quickstart was run is imitated: a folder with the real quickstart, and with
run/ as quickstart makes it, in front of servers of the test's own. A block of commands that cannot
run there has "untested: REASON" behind its ```sh; what is printed behind a block that ran is
compared with its output, apart from times, identifiers and counts.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile

from common import TOKEN
from harness import client, markdown, postgres, proc, sanitizer, tap, web

DOCUMENTED = "localhost:8000"
PROGRAMS = ("millrace-admin", "millrace-check", "millrace-export", "millrace-maintain",
            "millrace-replay")

# Members of answers whose values depend on what came before, or on the machine.
VARIES = {"books", "counters", "created_at", "event_time", "id", "pid", "received_at", "run_id",
          "timestamp", "uptime_s"}

# In a table of commands, those that can run: the others start or stop a quickstart.
RUNS = re.compile(r"(awk|curl|grep|ps) |\./quickstart (psql|status|help)\b")


def worker_path(run):
    return os.path.join(run, "install", "libexec", "millrace", "millrace.fcgi")


def link(target, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


class Checkout:
    """The folder in which the commands run, with a server and a database for one document."""

    def __init__(self, pg, run, name):
        self.pg, self.run = pg, run
        self.root = os.path.join(run, "checkout")
        self.export = tempfile.mkdtemp(prefix="export-", dir=run)
        pg.create_database(pg.database)
        self.server = web.Lighttpd(
            {"millrace": {"log": f"{run}/log/millrace.log", "environment": "development"},
             "database": {"url": pg.dsn()},
             "admin": {"token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()},
             "export": {"program": f"{run}/install/sbin/millrace-export"},
             "client default": {"bucket": f"file://{self.export}", "compression": "none"}},
            program=worker_path(run))
        self.name = name

    def __enter__(self):
        open(f"{self.run}/log/millrace.log", "w", encoding="ascii").close()
        self.server.__enter__()
        try:
            self.server.wait_healthy()
            self.fill()
        except BaseException:
            self.server.__exit__(None, None, None)
            raise
        return self

    def fill(self):
        """What up writes, for the commands that read it."""
        shutil.copytree(os.path.join(proc.SRCDIR, "www", "js"), f"{self.server.wwwdir}/js")
        for path, text in (("server.pid", f"{self.server.web.pid}\n"),
                           ("state", f"port={self.server.port}\nserver=lighttpd\ns3=\n"),
                           ("admin-token", f"{TOKEN}\n")):
            with open(f"{self.run}/{path}", "w", encoding="ascii") as f:
                f.write(text)
        shutil.copy(self.server.conffile, f"{self.run}/millrace.ini")

    def __exit__(self, *exc):
        return self.server.__exit__(*exc)

    def sh(self, command):
        """(exit status, standard output, standard error) of the commands of a block."""
        command = command.replace(DOCUMENTED, f"localhost:{self.server.port}")
        env = proc.clean_env(HOME=self.root, **sanitizer.env(self.server.dir))
        done = subprocess.run(["sh", "-c", command], cwd=self.root, env=env, text=True,
                              capture_output=True, timeout=2 * proc.DEADLINE_S, check=False)
        return done.returncode, done.stdout, done.stderr


def layout(pg):
    """What all documents find in run/, which is the database's folder, and beside it."""
    run = pg.dir
    root = os.path.join(run, "checkout")
    os.mkdir(root)
    for name in ("quickstart", "etc", "www"):
        link(os.path.join(proc.SRCDIR, name), os.path.join(root, name))
    link(run, os.path.join(root, "run"))
    link(pg.data, os.path.join(run, "pg"))
    link(run, os.path.join(run, "sock"))
    for name in PROGRAMS:
        link(proc.built("cron", name), os.path.join(run, "install", "sbin", name))
    link(proc.worker_path(), worker_path(run))
    os.mkdir(os.path.join(run, "log"))
    return run


def plain(text):
    """Text without what differs from one run to the next."""
    text = re.sub(r"(?m)^(Date: ).*", r"\1", text)
    text = re.sub(r"sealed:v1:\S+", "sealed", text)
    text = re.sub(r"\d+", "0", text)
    lines = (re.sub(r"([ -])\1+", r"\1", line).strip() for line in text.strip().split("\n"))
    return [line for line in lines if line]


def shape(value):
    """JSON without what varies; the names of varying members stay."""
    if isinstance(value, dict):
        return {k: sorted(v) if k in VARIES and isinstance(v, dict) else
                None if k in VARIES else shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(v) for v in value]
    return value


def parsed(text):
    """The JSON values that stand one after the other in a text."""
    values, at, decoder = [], 0, json.JSONDecoder()
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        values.append(value)
    return values


def compare(t, name, block, output):
    if block.language == "json":
        t.is_([shape(v) for v in parsed(output)], [shape(v) for v in parsed(block.text)],
              f"{name}: the answer")
    else:
        t.is_(plain(output), plain(block.text), f"{name}: what it prints")


def runnable(text):
    """(line, commands, the block with the answer or None) of a page."""
    blocks = markdown.blocks(text)
    for i, block in enumerate(blocks):
        if block.language != "sh" or block.note:
            continue
        answer = blocks[i + 1] if i + 1 < len(blocks) else None
        follows = answer and text[block.end:answer.start].strip() == ""
        yield block.line, block.text, answer if follows and answer.language in ("json", "text") \
            else None
    for row in markdown.rows(text):
        for command in (c for c in markdown.code(row[-1]) if RUNS.match(c)):
            yield 0, command, None


def run_page(t, checkout, commands):
    for line, command, answer in commands:
        name = f"line {line}" if line else command
        status, output, errors = checkout.sh(command)
        t.is_(status, 0, f"{name}: succeeds") or tap.diag(f"{command}\n{output}{errors}")
        if answer:
            compare(t, name, answer, output)


def families(text):
    """Names of metrics, without the labels."""
    return set(re.findall(r"(?m)^# TYPE millrace_(\w+) ", text))


def metrics(t, checkout):
    """The table of metrics and what /metrics has."""
    answer = client.get(checkout.server.base, "/metrics",
                        headers={"Authorization": f"Bearer {TOKEN}"})
    page = markdown.read("fcgi/README.md")
    table = page[page.index("| metric, after"):].partition("\n\n")[0]
    listed = {re.sub(r"\{.*", "", name) for row in markdown.rows(table)[2:]
              for name in markdown.code(row[0]) if not name.startswith("{")}
    got = families(answer.text)
    t.ok(len(got) > 20, "there are metrics", sorted(got))
    t.is_(sorted(listed), sorted(got), "fcgi/README.md lists every metric")


def samples(t, folder):
    """Pieces of a configuration that are shown are good."""
    n = 0
    for name in markdown.files():
        for block in markdown.blocks(markdown.read(name)):
            if block.language != "ini":
                continue
            path = os.path.join(folder, "sample.ini")
            with open(path, "w", encoding="utf-8") as f:
                f.write(block.text)
            done = subprocess.run([proc.worker_path(), "-t", "-c", path], capture_output=True,
                                  text=True, env=proc.clean_env(**sanitizer.env(folder)), check=False)
            t.is_((done.returncode, done.stderr), (0, ""), f"{name}:{block.line}: is good")
            n += 1
    t.ok(n >= 3, "there are samples of a configuration", n)


def main():
    postgres.need()
    proc.need("curl", "gzip")
    with contextlib.ExitStack() as stack:
        t = stack.enter_context(tap.Suite())
        pg = stack.enter_context(postgres.Postgres(fsync=False))
        run = layout(pg)
        # The servers' folders lie in run/, by which quickstart knows its own.
        tempfile.tempdir = run
        stack.callback(setattr, tempfile, "tempdir", None)
        ran = 0
        for name in markdown.files():
            commands = list(runnable(markdown.read(name)))
            if not commands:
                continue
            with t.case(name), Checkout(pg, run, name) as checkout:
                run_page(t, checkout, commands)
                if name == "fcgi/README.md":
                    metrics(t, checkout)
                ran += len(commands)
        t.ok(ran >= 40, "the documentation has commands", ran)
        with t.case("configurations"):
            samples(t, run)


main()
