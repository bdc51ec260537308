"""millrace-admin: sealing secrets, and rotating the key that seals them."""

import os
import pty
import re
import signal
import stat
import subprocess
import termios

from harness import proc, sanitizer, tap

SEALED = r"\Asealed:v1:[0-9a-f]{8}:[\w-]+\n\Z"


def admin_path():
    return proc.built("cron", "millrace-admin")


def environment(folder, **env):
    return proc.clean_env(**sanitizer.env(folder), **env)


def run(folder, *args, data="", prefix=(), **env):
    return subprocess.run([*prefix, admin_path(), *args], input=data, text=True, capture_output=True,
                          timeout=proc.DEADLINE_S, check=False, cwd=folder,
                          env=environment(folder, **env))


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)
    return path


def text_of(path):
    """The file's text with its line breaks as they are."""
    with open(path, encoding="utf-8", newline="") as f:
        return f.read()


def failed(t, done, pattern, name, status=1):
    t.is_((done.returncode, done.stdout), (status, ""), f"{name}: fails")
    t.like(done.stderr, rf"\Amillrace-admin: .*(?:{pattern}).*\n(?:try .*\n)?\Z", f"{name}: says why")


def command_line(t, folder):
    for option in ("-h", "--help"):
        done = run(folder, option)
        t.is_((done.returncode, done.stderr), (0, ""), f"{option} ends well")
        for word in ("seal", "rekey", "rotate", "--make-key", "--backup", "--config", "--key-file", "--version"):
            t.like(done.stdout, rf"(?<![\w-]){word}\b", f"{option}: mentions {word}")
    done = run(folder, "--version")
    t.like(done.stdout, r"\Amillrace-admin \d+\.\d+\.\d+\n", "--version")
    page = proc.read_text(os.path.join(proc.SRCDIR, "cron", "millrace-admin.8"))
    for word in ("seal", "rekey", "rotate"):
        t.like(page, rf"(?m)^\.Ss {word}$", f"the manual page has {word}")
    for name, args, pattern in (
            ("no command", [], "no command"), ("unknown command", ["polish"], "polish"),
            ("seal with an argument", ["-k", "k", "seal", "x"], "argument x"),
            ("seal with an unknown option", ["-k", "k", "seal", "--nonsense"], "--nonsense"),
            ("rekey without a file", ["-k", "k", "rekey"], "file is missing")):
        failed(t, run(folder, *args), pattern, name, status=2)
    t.is_(run(folder, "--nonsense").returncode, 2, "unknown option")


def seal(t, folder):
    keys = os.path.join(folder, "keys")
    failed(t, run(folder, "-k", keys, "seal", data="x"), "No such file.*--make-key", "without a key file")
    done = run(folder, "-k", keys, "seal", "--make-key", data="secret\n")
    t.is_((done.returncode, done.stderr), (0, ""), "seal --make-key")
    t.like(done.stdout, SEALED, "it prints a sealed value")
    t.is_(stat.S_IMODE(os.stat(keys).st_mode), 0o600, "the key file's mode")
    before = proc.read_text(keys)
    failed(t, run(folder, "-k", keys, "seal", "--make-key", data="x"), "exists already", "once more")
    t.is_(proc.read_text(keys), before, "the key stays")
    ini = write(folder, "m.ini", f"[secrets]\nkey_file = {keys}\n")
    for name, args, env in (("-c", ["-c", ini], {}), ("MILLRACE_CONFIG", [], {"MILLRACE_CONFIG": ini})):
        t.like(run(folder, *args, "seal", data="secret", **env).stdout, SEALED, f"key_file of {name}")
    for name, data, pattern in (("nothing", "", "empty"), ("a line break alone", "\n", "empty"),
                                ("two lines", "a\nb\n", "line break"),
                                ("a control character", "a\x01", "control"),
                                ("78 bytes", "x" * 78, "longer than 77")):
        failed(t, run(folder, "-k", keys, "seal", data=data), pattern, name)
    done = run(folder, "-k", keys, "seal", data="x" * 77)
    t.like(done.stdout, SEALED, "77 bytes")
    longest = write(folder, "long.ini", f"[secrets]\nkey_file = {keys}\n[site x]\n"
                    f"origins = {done.stdout}")
    t.unlike(run(folder, "-c", longest, "seal", data="x").stderr, "too long",
             "77 bytes fit on a line, sealed")

    # A second path, so that no later message can be about the first key.
    locked = os.path.join(folder, "locked")
    os.mkdir(locked, 0o500)
    if os.geteuid() == 0:
        locked = "/sys"     # where root cannot write either
    failed(t, run(folder, "-k", os.path.join(locked, "keys"), "seal", "--make-key", data="x"),
           f"key file {locked}/keys: (Permission denied|Operation not permitted|Read-only file)",
           "a folder that may not be written")
    for mode in (0o644, 0o660, 0o602):
        os.chmod(keys, mode)
        failed(t, run(folder, "-k", keys, "seal", data="x"), f"mode is {mode:04o}.*chmod 600",
               f"a key file of mode {mode:o}")
    os.chmod(keys, 0o600)
    if os.geteuid() == 0:
        os.chown(keys, 12345, 12345)
        t.is_(run(folder, "-k", keys, "seal", data="x").returncode, 0,
              "root may use somebody else's key file")
        os.chmod(folder, 0o755)
        other = [proc.find("setpriv"), "--reuid=12346", "--regid=12346", "--clear-groups", "--"]
        failed(t, run(folder, "-k", keys, "seal", data="x", prefix=other),
               f"key file {keys}: Permission denied", "nobody else may")
        os.chown(keys, 0, 0)


def terminal(t, folder):
    """What is typed is not shown; the terminal is as before, whatever happens."""
    keys = os.path.join(folder, "keys")

    def start(typed):
        out = os.path.join(folder, "typed.out")
        master, slave = pty.openpty()
        with open(out, "wb") as f:
            process = subprocess.Popen([admin_path(), "-k", keys, "seal"], stdin=slave, stdout=f,
                                       stderr=slave, env=environment(folder), start_new_session=True)
        shown = b""
        while b"not shown" not in shown:
            shown += os.read(master, 1000)
        os.write(master, typed)
        return process, master, slave, out

    def echo(slave):
        return bool(termios.tcgetattr(slave)[3] & termios.ECHO)

    process, master, slave, out = start(b"typed secret\n")
    t.is_(process.wait(proc.DEADLINE_S), 0, "on a terminal")
    t.like(proc.read_text(out), SEALED, "it prints a sealed value")
    t.ok(echo(slave), "the terminal shows again what is typed")
    os.set_blocking(master, False)
    t.unlike(os.read(master, 1000).decode(), "typed", "the secret was not shown")
    for fd in (master, slave):
        os.close(fd)

    process, master, slave, out = start(b"half a sec")
    t.ok(not echo(slave), "while it waits, nothing is shown")
    process.send_signal(signal.SIGINT)
    t.is_(process.wait(proc.DEADLINE_S), -signal.SIGINT, "an interrupt ends it")
    t.ok(echo(slave), "the terminal shows again what is typed")
    t.is_(proc.read_text(out), "", "it prints nothing")
    for fd in (master, slave):
        os.close(fd)


def rekey(t, folder):
    keys = os.path.join(folder, "rekey.keys")

    def sealed(secret):
        return run(folder, "-k", keys, "seal", data=secret).stdout.strip()

    run(folder, "-k", keys, "seal", "--make-key", data="x")
    first, second = sealed("first"), sealed("second")
    text = ("; a comment with {0}\n[secrets]\nkey_file = %s\r\n[site a]\n  origins={0}\n"
            "origins = {1} ; behind it\n# {1}\nother = not sealed:v1: at all\n[site b]\n"
            "origins =\t{0}" % keys)
    path = write(folder, "r.ini", text.format(first, second))
    os.chmod(path, 0o640)
    if os.geteuid() == 0:
        os.chown(path, 0, 12345)
    inode, owner = os.stat(path).st_ino, os.stat(path)[4:6]
    link = os.path.join(folder, "link.ini")
    os.symlink("r.ini", link)

    done = run(folder, "-k", keys, "rekey", link)
    t.is_((done.returncode, done.stdout.partition(":")[2]),
          (0, f" 0 sealed with key {first[10:18]}, 3 were already\n"), "nothing to do")
    t.is_(os.stat(path).st_ino, inode, "the file is not touched")

    done = run(folder, "-k", keys, "rekey", "--make-key", link)
    t.is_((done.returncode, done.stderr), (0, ""), "rekey --make-key")
    t.like(done.stdout, r": 3 sealed with key [0-9a-f]{8}, 0 were already$", "and what it says")
    after = text_of(path)
    new = re.findall(r"(?m)^[^;#\n]*(sealed:v1:[0-9a-f]{8}:[\w-]{20,})", after)
    newest = proc.read_text(keys).split(":")[2]
    t.is_({value[10:18] for value in new}, {newest}, "every value has the newest key's id")
    t.isnt(newest, first[10:18], "which is another one")
    lines, old = after.split("\n"), text.format(first, second).split("\n")
    t.is_([re.sub(r"sealed:v1:[0-9a-f]{8}:[\w-]{20,}", "@", line) for line in lines],
          [re.sub(r"sealed:v1:[0-9a-f]{8}:[\w-]{20,}", "@", line) for line in old],
          "all else is as it was")
    t.is_([lines[0], lines[6]], [old[0], old[6]], "comments, too")
    t.is_((stat.S_IMODE(os.stat(path).st_mode), os.stat(path)[4:6]), (0o640, owner),
          "mode and owner are the same")
    t.ok(os.path.islink(link), "the link is still one")
    t.is_(len(proc.read_text(keys).splitlines()), 2, "the old key stays")
    t.is_(stat.S_IMODE(os.stat(keys).st_mode), 0o600, "the key file's mode")

    # Only the newest key: the new file opens and the old one does not.
    lines = proc.read_text(keys).splitlines()
    alone = write(folder, "alone.keys", lines[0] + "\n")
    os.chmod(alone, 0o600)
    done = run(folder, "-k", alone, "rekey", path)
    t.like(done.stdout, r"3 were already$", "the newest key alone opens the new file")
    stale = write(folder, "old.ini", text.format(first, second))
    failed(t, run(folder, "-k", alone, "rekey", stale), f"old.ini:5: .*key {first[10:18]}, which is not",
           "and not the old one")
    damaged = write(folder, "damaged.ini", text.format(first, second[:-5] + "AAAAA"))
    keys_before = proc.read_text(keys)
    failed(t, run(folder, "-k", keys, "rekey", "--make-key", damaged), "damaged.ini:6: .*was altered",
           "a damaged value")
    t.is_(text_of(damaged), text.format(first, second[:-5] + "AAAAA"), "the file stays")
    t.is_(proc.read_text(keys), keys_before, "and no key was added")
    failed(t, run(folder, "-k", keys, "rekey", os.path.join(folder, "none.ini")), "No such file",
           "no such file")
    failed(t, run(folder, "-k", keys, "rekey", folder), "", "a folder")
    t.is_([name for name in os.listdir(folder) if re.search(r"\.ini\.|keys\.new", name)], [],
          "no temporary file is left")


def hidden(t, folder):
    """No core dump of it is written."""
    process = subprocess.Popen([admin_path(), "-k", os.path.join(folder, "keys"), "seal"],
                               stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               env=environment(folder))
    try:
        # It reads standard input only after it has switched them off.
        t.ok(proc.wait_for(lambda: re.search(r"Max core file size\s+0\s+0\b",
                                             proc.read_text(f"/proc/{process.pid}/limits")),
                           "core dumps are off"), "core dumps are off")
    finally:
        process.communicate(b"x")


with tap.Suite() as t, proc.temp_dir() as folder:
    admin_path()
    for case in (command_line, seal, terminal, rekey, hidden):
        with t.case(case.__name__.replace("_", " ")):
            case(t, folder)
    t.is_(sanitizer.reports(folder), "", "no sanitizer report")
