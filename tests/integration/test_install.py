"""make install and make uninstall with DESTDIR; an administrator's configuration is kept."""

import os
import re
import subprocess

from harness import proc, tap

FILES = {"libexecdir": ["millrace/millrace.fcgi"],
         "sbindir": ["millrace-admin", "millrace-check", "millrace-export", "millrace-maintain",
                     "millrace-replay"],
         "sysconfdir": ["millrace/millrace.ini"],
         "datadir": ["millrace/schema/001-events.sql", "millrace/schema/002-ledger.sql",
                     "millrace/schema/004-export.sql",
                     "millrace/www/index.html", "millrace/www/demo/article.html",
                     "millrace/www/js/tracking.js", "millrace/www/js/tracking-vitals.js",
                     "millrace/examples/millrace.ini", "millrace/examples/cron/millrace",
                     "millrace/examples/s3/bucket-policy.json",
                     "millrace/examples/grafana/millrace.json",
                     "bash-completion/completions/millrace-export"]}


def directory(name):
    """A directory variable of the build's Makefile, without variables in it."""
    text = proc.read_text(os.path.join(proc.BUILDDIR, "Makefile"))
    values = dict(re.findall(r"(?m)^(\w+) = (.*)$", text))
    value = values[name]
    while "$" in value:
        value = re.sub(r"\$[({](\w+)[)}]", lambda m: values[m[1]], value)
    return value


def make(*args):
    # What an outer make says to its children is not meant for this one.
    env = {k: v for k, v in proc.clean_env().items()
           if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR")}
    done = subprocess.run([proc.find("make"), "-s", *args], text=True,
                          cwd=proc.BUILDDIR, capture_output=True, env=env, check=False)
    return done.returncode, done.stdout + done.stderr


def folders(dest):
    """Those that are millrace's own, beneath it or by their name."""
    return sorted(os.path.join(folder, name) for folder, names, _ in os.walk(dest)
                  for name in names if "/millrace" in os.path.join(folder, name)[len(dest):])


def left(dest):
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(dest)
                  for name in names)


with tap.Suite() as t, proc.temp_dir() as dest:
    proc.worker_path()
    paths = {name: dest + os.path.join(directory(base), name)
             for base, names in FILES.items() for name in names}
    ini = paths["millrace/millrace.ini"]
    status, output = make("install", f"DESTDIR={dest}")
    t.is_(status, 0, "make install")
    for name, path in paths.items():
        t.ok(os.path.isfile(path), f"{name} is installed", output)
    for name in ("millrace/millrace.fcgi", "millrace-replay"):
        t.ok(os.access(paths[name], os.X_OK), f"{name} can be run")
    statedir = dest + os.path.join(directory("localstatedir"), "lib", "millrace")
    t.ok(os.path.isdir(statedir), "the spool's folder has a parent")
    sample = proc.read_text(os.path.join(proc.SRCDIR, "etc/millrace.ini"))
    t.is_(proc.read_text(ini), sample.replace("/usr/local/var/", directory("localstatedir") + "/"),
          "millrace.ini is the sample, with the configured folder")
    t.is_([path for path in left(dest) if not path.startswith(dest + directory("prefix"))
           and path != ini], [], "nothing else is outside the prefix")

    with open(ini, "w", encoding="utf-8") as f:
        f.write("; edited\n")
    t.is_(make("install", f"DESTDIR={dest}")[0], 0, "make install again")
    t.is_(proc.read_text(ini), "; edited\n", "keeps the edited millrace.ini")
    t.is_(make("uninstall", f"DESTDIR={dest}")[0], 0, "make uninstall")
    t.is_(left(dest), [ini], "leaves the edited millrace.ini and nothing else")
    t.is_(folders(dest), [os.path.dirname(ini)], "and no folder but its own")
    os.unlink(ini)
    t.is_(make("install", f"DESTDIR={dest}")[0], 0, "make install once more")
    t.is_(make("uninstall", f"DESTDIR={dest}")[0], 0, "and make uninstall")
    t.is_(left(dest) + folders(dest), [], "leave nothing")
