"""millrace.fcgi's command line, and the sample configuration."""

import os
import re
import subprocess

from harness import proc, sanitizer, tap

GOOD = "[millrace]\nlog_level = debug\n"

# name, text, number of the line, what the message says of it
BAD = [
    ("unknown section", "[nonsense]\nx = 1\n", 2, r"nonsense"),
    ("unknown key", GOOD + "colour = red\n", 3, r"colour"),
    ("key of another section", "[database]\nthreads = 3\n", 2, r"threads"),
    ("key before a section", "threads = 3\n", 1, r"threads|section"),
    ("no number", "[collector]\n\nthreads = many\n", 3, r"threads"),
    ("too small", "[collector]\nthreads = 0\n", 2, r"threads"),
    ("too large", "[collector]\nthreads = 100000000000\n", 2, r"threads"),
    ("bad size", "[collector]\nmax_body = 1X\n", 2, r"max_body"),
    ("bad switch", "[database]\nsynchronous_commit = maybe\n", 2, r"synchronous_commit"),
    ("bad choice", "[privacy]\nanonymize_ip = some\n", 2, r"anonymize_ip"),
    ("bad environment", "[millrace]\nenvironment = staging\n", 2, r"environment"),
    ("bad proxy", "[collector]\ntrusted_proxies = 127.0.0.1, nonsense\n", 2, r"nonsense"),
    ("no file of proxies", "[collector]\ntrusted_proxies = @/nowhere/proxies\n", 2,
     r"/nowhere/proxies: No such file"),
    ("bad file of proxies", "[collector]\ntrusted_proxies = @/proc/self/cmdline\n", 2,
     r"/proc/self/cmdline, line 1: "),
    ("bad header", "[collector]\nclient_ip_header = X Real\n", 2, r"X Real.*header"),
    ("bad allowed header", "[collector]\nallow_headers = a, b:\n", 2, r"'b:'"),
    ("bad proxy block", "[collector]\ntrusted_proxies = 10.0.0.0/33\n", 2, r"10\.0\.0\.0/33"),
    ("bad hash", "[admin]\ntoken_sha256 = abc\n", 2, r"token_sha256"),
    ("repeated key", GOOD + "log_level = info\n", 3, r"log_level"),
    ("no equals sign", GOOD + "log\n", 3, r""),
    ("unclosed section", "[millrace\nlog = stderr\n", 1, r""),
    ("line of 300 bytes", GOOD + "log = " + "x" * 300 + "\n", 3, r"long|bytes"),
    ("unknown key of a site", "[site a]\ncolour = red\n", 2, r"colour"),
]


def run(folder, *args, **env):
    return subprocess.run([proc.worker_path(), *args], stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=proc.DEADLINE_S, check=False, cwd=folder,
                          env=proc.clean_env(**sanitizer.env(folder), **env))


def write(folder, text, name="millrace.ini"):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def help_and_version(t, folder):
    for option in ("-h", "--help"):
        done = run(folder, option)
        t.is_((done.returncode, done.stderr), (0, ""), f"{option} ends well")
        t.like(done.stdout, r"(?i)usage: millrace\.fcgi", f"{option}: usage")
        for name in ("-c", "-t", "-V", "-h", "--config", "--test", "--version", "--help"):
            t.like(done.stdout, rf"(?<![\w-]){name}\b", f"{option}: mentions {name}")
    for option in ("-V", "--version"):
        done = run(folder, option)
        t.is_((done.returncode, done.stderr), (0, ""), f"{option} ends well")
        t.like(done.stdout, r"\Amillrace(\.fcgi)? \d+\.\d+\.\d+\n", f"{option}: version")


def misuse(t, folder):
    path = write(folder, GOOD)
    for name, args, pattern in (("unknown option", ["-x"], r"x"),
                                ("unknown long option", ["--nonsense"], r"nonsense"),
                                ("-c without a file", ["-c"], r"c"),
                                ("an argument", ["-t", "-c", path, "extra"], r"extra")):
        done = run(folder, *args)
        t.ok(done.returncode in (1, 2), f"{name}: fails", done.returncode)
        t.is_(done.stdout, "", f"{name}: says nothing to stdout")
        t.like(done.stderr, pattern, f"{name}: says what")


def check_config(t, folder):
    for args in (["-t", "-c"], ["--test", "--config"]):
        done = run(folder, *args, write(folder, GOOD))
        t.is_(done.returncode, 0, f"{' '.join(args)}: good", )
    done = run(folder, "-t", MILLRACE_CONFIG=write(folder, BAD[1][1], "other.ini"))
    t.is_(done.returncode, 1, "MILLRACE_CONFIG: bad")
    t.like(done.stderr, r"other\.ini:3\b", "MILLRACE_CONFIG: file and line")
    done = run(folder, "-t", "-c", write(folder, GOOD),
               MILLRACE_CONFIG=os.path.join(folder, "other.ini"))
    t.is_(done.returncode, 0, "-c comes before MILLRACE_CONFIG")

    for name, text, line, pattern in BAD:
        done = run(folder, "-t", "-c", write(folder, text))
        t.is_(done.returncode, 1, f"{name}: status")
        t.like(done.stderr, rf"millrace\.ini:{line}\b", f"{name}: file and line")
        t.like(done.stderr, pattern, f"{name}: says what")

    done = run(folder, "-t", "-c", write(folder, GOOD), ENVIRONMENT="staging")
    t.is_(done.returncode, 1, "bad ENVIRONMENT: status")
    t.like(done.stderr, r"ENVIRONMENT", "bad ENVIRONMENT: says what")
    done = run(folder, "-t", "-c", write(folder, GOOD), ENVIRONMENT="production")
    t.is_(done.returncode, 1, "production without a token: status")
    t.like(done.stderr, r"token", "production without a token: says what")
    done = run(folder, "-t", "-c", write(folder, "[admin]\ntoken_sha256 = " + "0a" * 32 + "\n"),
               ENVIRONMENT="production")
    t.is_(done.returncode, 0, "production with a token")

    for name, path in (("missing file", os.path.join(folder, "none.ini")), ("a folder", folder)):
        done = run(folder, "-t", "-c", path)
        t.is_(done.returncode, 1, f"{name}: status")
        t.like(done.stderr, re.escape(path), f"{name}: says which")
    if os.geteuid() != 0:
        path = write(folder, GOOD, "locked.ini")
        os.chmod(path, 0)
        done = run(folder, "-t", "-c", path)
        t.is_(done.returncode, 1, "unreadable file: status")
        t.like(done.stderr, re.escape(path), "unreadable file: says which")


def in_syslog(t, folder):
    """What keeps the worker from starting is said where somebody looks; its log does not."""
    said = os.path.join(folder, "syslog")
    preload = {"LD_PRELOAD": proc.built("tests", "fault", "faultio.so"), "FAULTIO_SYSLOG": said}
    done = run(folder, "--version", **preload)
    if done.returncode != 0 or done.stderr:
        t.skip("syslog", "this build's sanitizer refuses a preloaded library")
        return
    path = write(folder, GOOD + "colour = red\n")
    t.is_((run(folder, "-t", "-c", path, **preload).returncode, os.path.exists(said)), (1, False),
          "syslog: not with --test")
    done = run(folder, "-c", path, **preload)
    t.is_(done.returncode, 1, "a typo: the worker does not start")
    t.like(done.stderr, r"millrace\.ini:3\b.*colour", "says so to stderr")
    t.like(proc.read_text(said), r"\A\S*millrace\.ini:3\b.*colour.*\n\Z", "and to syslog")
    os.remove(said)
    url = "[database]\nurl = host=/nonexistent\n[spool]\ndir =\n[metrics]\nfile =\n"
    log = os.path.join(folder, "none", "millrace.log")
    path = write(folder, f"[millrace]\nlog = {log}\n" + url)
    done = run(folder, MILLRACE_CONFIG=path, REQUEST_METHOD="GET", PATH_INFO="/health", **preload)
    t.like(done.stdout, r"\AStatus: 503\b", "no folder for the log: it works all the same")
    warning = re.escape(f"log file {log}: No such file or directory; syslog is written instead")
    t.like(done.stderr, warning, "warns on stderr")
    t.like(proc.read_text(said), rf"\A{warning}", "and in syslog")
    t.is_(os.listdir(folder).count("none"), 0, "nothing was made")


def sample(t, folder):
    text = proc.read_text(os.path.join(proc.SRCDIR, "etc", "millrace.ini"))
    done = run(folder, "-t", "-c", write(folder, text))
    t.is_((done.returncode, done.stderr), (0, ""), "etc/millrace.ini is good")
    given = re.sub(r"(?m)^;(\[.*\]|[a-z][a-z0-9_]* =.*)$", r"\1", text)
    t.isnt(given, text, "etc/millrace.ini has keys in comments")
    done = run(folder, "-t", "-c", write(folder, given))
    t.is_((done.returncode, done.stderr), (0, ""), "and is good with every key given")


with tap.Suite() as t, proc.temp_dir() as folder:
    proc.worker_path()
    help_and_version(t, folder)
    misuse(t, folder)
    check_config(t, folder)
    in_syslog(t, folder)
    sample(t, folder)
    t.is_(sanitizer.reports(folder), "", "no sanitizer report")
