"""Running s3tool, the S3 client on a command line."""

import re
import subprocess
import tempfile

from harness import proc, sanitizer

QUICK = {"backoff_ms": 1, "backoff_most_ms": 5}


def tool_path():
    return proc.built("tests", "integration", "s3tool")


def environment(folder, **more):
    """An environment with no credentials but those given, and no EC2 around."""
    return proc.clean_env(**{**sanitizer.env(folder), "HOME": folder,
                             "AWS_EC2_METADATA_DISABLED": "true", **more})


class Done:
    """What a run of s3tool left."""

    def __init__(self, status, stdout, stderr):
        self.status, self.stdout = status, stdout
        self.stderr = stderr.decode("utf-8", "backslashreplace")
        values = re.findall(r"(?m)^(\w+)=(.*)$", self.stderr)
        self.created = [v for k, v in values if k == "created"]
        self.ended = [v for k, v in values if k == "ended"]
        single = dict(values)
        self.retries, self.skew = int(single.get("retries", 0)), int(single.get("skew", 0))
        self.peak_kib = int(single.get("peak", 0))
        self.code = single.get("code", "")
        found = re.findall(r"(?m)^error( again)?: (.*)$", self.stderr)
        self.error = found[0][1] if found else ""
        self.again = bool(found and found[0][0])
        self.errors = len(found)


def command(*words, **settings):
    return [tool_path(), *(f"{k}={v}" for k, v in settings.items()), *words]


def run(env, *words, data=b"", **settings):
    """Runs s3tool with settings; data: its standard input."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, \
            tempfile.TemporaryFile() as stdin:
        stdin.write(data)
        stdin.seek(0)
        done = subprocess.run(command(*words, **settings), stdin=stdin, stdout=out, stderr=err,
                              env=env, timeout=proc.DEADLINE_S, check=False)
        out.seek(0)
        err.seek(0)
        return Done(done.returncode, out.read(), err.read())


def is_good(t, done, name):
    return t.ok(done.status == 0 and not done.error, name, f"status {done.status}\n{done.stderr}")


def is_refused(t, done, pattern, name, again=False):
    """One line that says what is wrong; again: a later run may succeed."""
    t.is_((done.status, done.errors, done.again), (1, 1, again), f"{name}: fails with one line")
    t.like(done.error, pattern, f"{name}: says what and what to do")
