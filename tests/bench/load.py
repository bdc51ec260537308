"""The load generators: wrk as fast as it goes, pacer at a rate, loader without HTTP."""

import json
import os
import subprocess
from dataclasses import dataclass

import bodies
from harness import proc

HERE = os.path.dirname(os.path.abspath(__file__))
THREADS, CONNECTIONS = 2, 32


@dataclass
class Load:
    """What one run did. slack: requests whose answer nobody waited for."""
    seconds: float
    accepted: int
    refused: int
    slack: int
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    cpu_s: float = 0.0    # of everything but the load generator

    @property
    def rate(self):
        return self.accepted / self.seconds

    @property
    def cpu_us(self):
        """Processor time a request, which a busy machine distorts less than the rate."""
        return self.cpu_s * 1e6 / max(self.accepted, 1)


def built(program):
    return os.path.join(proc.BUILDDIR, "tests", "bench", program)


def cpu_s(pids):
    """Processor time of these processes and of the children they have waited for."""
    total = 0
    for pid in pids:
        fields = proc.read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def _output(command, deadline_s):
    done = subprocess.run(command, capture_output=True, text=True, timeout=deadline_s,
                          env=proc.clean_env(), check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}\n"
                           f"{done.stdout}{done.stderr}")
    return done.stdout


def wrk(url, bodies_file, seconds, connections=CONNECTIONS):
    """Closed loop: each connection sends its next request when it has its answer."""
    text = _output([proc.find("wrk"), f"-t{THREADS}", f"-c{connections}", f"-d{seconds}s",
                    "--timeout", "10s", "-s", os.path.join(HERE, "post.lua"), url, "--",
                    bodies_file, bodies.PLACEHOLDER], seconds + 60)
    line = next(line for line in text.splitlines() if line.startswith("result "))
    got = json.loads(line.removeprefix("result "))
    return Load(got["seconds"], got["requests"] - got["refused"], got["refused"],
                # wrk drops what is under way when the time is up.
                connections + got["socket_errors"],
                got["p50_us"] / 1000, got["p99_us"] / 1000)


def pacer(port, path, bodies_file, rate, seconds, connections=2 * CONNECTIONS):
    """Open loop at a mean rate; see pacer.c for how latency is measured."""
    text = _output([built("pacer"), str(port), path, f"{rate:.3f}", str(seconds),
                    str(connections), bodies_file, bodies.PLACEHOLDER], seconds + 60)
    got = json.loads(text)
    return Load(got["seconds"], got["accepted"], got["refused"], got["socket_errors"],
                got["p50_us"] / 1000, got["p99_us"] / 1000)


def loader(dsn, bodies_file, seconds, connections, ledger=True):
    """The writer's own statement in a loop, straight into libpq. accepted: statements."""
    got = json.loads(_output([built("loader"), dsn, bodies_file, str(seconds), str(connections),
                              *([] if ledger else ["without-ledger"])], seconds + 60))
    return Load(got["seconds"], got["statements"], 0, 0)
