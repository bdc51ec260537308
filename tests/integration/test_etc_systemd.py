"""The samples for systemd: systemd-analyze reads them, and they let the programs do little; and
the worker takes its socket from systemd as it would from spawn-fcgi."""

import os
import re
import subprocess

from harness import fcgi, proc, tap

SYSTEMD = os.path.join("etc", "systemd")
MAX_EXPOSURE = 2.5


def run(*args):
    done = subprocess.run(args, capture_output=True, text=True, check=False, env=proc.clean_env(),
                          timeout=proc.DEADLINE_S, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def units(folder):
    """Copies those that are built and those that need not be, with the programs that were built
    in place of the installed ones; their paths."""
    paths = set()
    for root in (proc.BUILDDIR, proc.SRCDIR):
        for name in sorted(os.listdir(os.path.join(root, SYSTEMD))):
            if not name.endswith((".service", ".socket", ".timer")):
                continue
            text = proc.read_text(os.path.join(root, SYSTEMD, name))
            text = re.sub(r"(?m)^ExecStart=\S*/(?=millrace-)", f"ExecStart={proc.BUILDDIR}/cron/", text)
            text = re.sub(r"(?m)^ExecStart=\S*/(?=millrace\.)", f"ExecStart={proc.BUILDDIR}/fcgi/", text)
            paths.add(os.path.join(folder, name))
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(text)
    return sorted(paths)


def analysed(t, folder):
    tool = proc.find("systemd-analyze")
    if not tool:
        t.skip("systemd-analyze", "it is not installed")
        return
    paths = units(folder)
    names = [os.path.basename(p) for p in paths]
    for timer in (n for n in names if n.endswith(".timer")):
        t.ok(timer.replace(".timer", ".service") in names, f"{timer} has a service")
    t.is_(run(tool, "verify", "--man=no", *paths), (0, ""), f"{len(paths)} units are good")
    broken = os.path.join(folder, "broken.service")
    with open(broken, "w", encoding="utf-8") as f:
        f.write("[Service]\nExecStart=/none/such\nStandardInputs=socket\n")
    t.ok(run(tool, "verify", "--man=no", broken)[1] != "", "and a broken one is found")
    for path in (p for p in paths if p.endswith(".service")):
        text = run(tool, "security", "--offline=yes", "--no-pager", path)[1]
        level = re.search(r"exposure level for \S+ ([\d.]+)", text)
        t.ok(level and float(level[1]) <= MAX_EXPOSURE, f"{os.path.basename(path)} may do little",
             level and level[1])


def activated(t, folder):
    """The listening socket is standard input, as StandardInput=socket makes it."""
    tool = proc.find("systemd-socket-activate")
    if not tool:
        t.skip("systemd-socket-activate", "it is not installed")
        return
    address, ini = os.path.join(folder, "s.sock"), os.path.join(folder, "s.ini")
    with open(ini, "w", encoding="utf-8") as f:
        f.write(fcgi.ini_text({"collector": {"ingest": "spool"}, "spool": {"dir": f"{folder}/spool"}}))
    os.mkdir(f"{folder}/spool", 0o700)
    process = proc.Process([tool, "--inetd", "-l", address, proc.worker_path(), "-c", ini],
                           os.path.join(folder, "stderr"), env=proc.clean_env())
    try:
        proc.wait_for(lambda: os.path.exists(address), "it listens", detail=process.text)
        answer = fcgi.request(address, "POST", "/collect", b'{"eventType":"x","siteId":"s"}')
        t.is_(answer.status, 202, "the first request starts the worker")
        fcgi.terminate(process)
        t.is_(process.wait(), 0, "which ends in order")
    finally:
        process.stop()


with tap.Suite() as t, proc.temp_dir() as folder:
    analysed(t, folder)
    activated(t, folder)
