"""The shape of the C sources: who may include whom, and how long a file may be. And of the
manual pages: that man formats them without a warning.

The rules are tried on a made-up tree that breaks each of them first, so that a
rule that finds nothing is known to be one that could have found something.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS)

from harness import tap  # noqa: E402

MAX_LINES = 600

THIRD_PARTY = ("jsmn.h", "ini.h", "fcgiapp.h", "fcgi_stdio.h", "sodium.h", "zlib.h",
               "zstd.h", "libpq-fe.h", "curl/curl.h")

# A room, and the rooms whose headers its files may include besides its own.
ROOMS = {
    "base": (),
    "conf": ("base",),
    "counters": ("base",),
    "format": ("base",),
    "secret": ("base",),
    "db": ("base", "conf", "counters"),
    "spool": ("base", "conf", "counters", "format"),
    "s3": ("base", "conf", "format", "secret"),
    "parquet": ("base", "format"),
    "stage": ("base", "format", "secret", "s3", "parquet"),
    "privacy": ("base", "conf", "format", "secret", "db", "ingest"),
    "ingest": ("base", "conf", "counters", "format", "db", "spool"),
    "export": ("base", "conf", "format", "secret", "db", "s3", "stage"),
}
PROGRAMS = ("fcgi", "cron")
LAYERS = {**{f"lib/{room}": (room,) + below for room, below in ROOMS.items()},
          **{folder: (folder, *ROOMS) for folder in PROGRAMS}}
GENERATED = ("config.h", "schema/migrations.inc")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def sources(root):
    """Every C file of the program: {path below root: text}."""
    found = {}
    for top in ("lib", "fcgi", "cron"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if name.endswith((".c", ".h")):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as f:
                        found[os.path.relpath(path, root)] = f.read()
    return found


def includes(text):
    """(quoted, name) of each #include."""
    return [(mark == '"', name) for mark, name in INCLUDE.findall(text)]


def third_party(files):
    """Each third-party header belongs to one file; if that is a header, it stays in its room."""
    problems = []
    for header in THIRD_PARTY:
        users = sorted(p for p, text in files.items()
                       if any(name == header for _, name in includes(text)))
        if len(users) > 1:
            problems.append(f"{header} is included by {', '.join(users)}")
        for user in (p for p in users if p.endswith(".h")):
            problems += [f"{p} includes {user}, and with it {header}, from another room"
                         for p, text in sorted(files.items())
                         if os.path.dirname(p) != os.path.dirname(user)
                         and any(f"lib/{name}" == user for _, name in includes(text))]
    return problems


def layers(files):
    """Includes point one way, and name the folder they go to."""
    problems = []
    for path, text in sorted(files.items()):
        folder = os.path.dirname(path)
        if folder not in LAYERS:
            problems.append(f"{path} is in a folder that has no layer")
            continue
        own = os.path.basename(folder)
        for quoted, name in includes(text):
            if name in GENERATED:
                continue
            target = name.split("/")[0] if "/" in name else own
            if quoted and folder.startswith("lib/") and "/" not in name:
                problems.append(f"{path} includes {name} without its folder")
            elif (quoted or target in (*ROOMS, *PROGRAMS) and "/" in name) and target not in LAYERS[folder]:
                problems.append(f"{path} includes {name}")
    return problems


def own_header_first(files):
    """A .c file of the library shows that its header stands on its own."""
    problems = []
    for path, text in sorted(files.items()):
        header = os.path.splitext(path)[0] + ".h"
        if not path.endswith(".c") or header not in files or not path.startswith("lib/"):
            continue
        first = includes(text)[:1]
        if first != [(True, header[len("lib/"):])]:
            problems.append(f"{path} does not include its own header first")
    return problems


def lengths(files):
    """No file is so long that nobody reads it whole."""
    return [f"{path} has {text.count(chr(10))} lines, more than {MAX_LINES}"
            for path, text in sorted(files.items()) if text.count("\n") > MAX_LINES]


RULES = (
    ("each third-party header is included by one file, and not spread by it", third_party),
    ("includes follow the layers", layers),
    ("a library file includes its own header first", own_header_first),
    (f"no file has more than {MAX_LINES} lines", lengths),
)

# Trees that break one rule each, and what the rule has to name.
BROKEN = (
    (third_party, {"lib/base/a.c": "#include <zlib.h>\n", "fcgi/b.c": "#include <zlib.h>\n"},
     "zlib.h is included by"),
    (third_party, {"lib/db/pq.h": "# include <libpq-fe.h>\n",
                   "lib/ingest/a.c": '#include "db/pq.h"\n'}, "lib/ingest/a.c includes lib/db/pq.h"),
    (third_party, {"cron/a.c": '#include "curl/curl.h"\n', "lib/s3/http.c": "#include <curl/curl.h>\n"},
     "curl/curl.h is included by"),
    (layers, {"lib/base/a.c": '#include "format/json.h"\n'}, "lib/base/a.c includes format/json.h"),
    (layers, {"lib/format/a.h": '#include "db/connection.h"\n'}, "lib/format/a.h includes db/connection.h"),
    (layers, {"lib/format/a.h": "#include <db/connection.h>\n"}, "lib/format/a.h includes db/connection.h"),
    (layers, {"lib/db/a.c": '#include "stage/stage.h"\n'}, "lib/db/a.c includes stage/stage.h"),
    (layers, {"lib/db/a.c": '#include "fcgi/request.h"\n'}, "lib/db/a.c includes fcgi/request.h"),
    (layers, {"lib/db/a.c": '#include "../base/buf.h"\n'}, "lib/db/a.c includes ../base/buf.h"),
    (layers, {"lib/db/a.c": '#include "db.h"\n'}, "without its folder"),
    (layers, {"fcgi/a.c": '#include "cron/b.h"\n'}, "fcgi/a.c includes cron/b.h"),
    (layers, {"cron/a.c": '  #include "fcgi/b.h"\n'}, "cron/a.c includes fcgi/b.h"),
    (layers, {"lib/other/a.c": ""}, "no layer"),
    (own_header_first, {"lib/base/a.h": "", "lib/base/a.c": '#include <stdio.h>\n#include "base/a.h"\n'},
     "lib/base/a.c does not include"),
    (lengths, {"lib/base/a.c": "\n" * (MAX_LINES + 1)}, "601 lines"),
)

SOUND = {
    "lib/base/a.h": "#include <stdint.h>\n",
    "lib/base/a.c": '#include "base/a.h"\n#include <stdlib.h>\n#include <ini.h>\n' + "\n" * 597,
    "lib/format/b.c": '#include "config.h"\n#include "base/a.h"\n#include <jsmn.h>\n',
    "lib/ingest/c.c": '#include "format/b.h"\n#include "schema/migrations.inc"\n#include <sys/io.h>\n',
    "fcgi/d.c": '#include "d.h"\n#include "fcgi/d.h"\n#include "db/c.h"\n#include <fcgiapp.h>\n',
    "cron/e.c": '#include "stage/s.h"\n#include <curl/curl.h>\n',
}


def made_up(tree):
    """The sources of a tree that is written to a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="mr-structure-") as root:
        for path, text in tree.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                f.write(text)
        return sources(root)


def man_warnings(path):
    """What man says of a page besides the page itself."""
    return subprocess.run(["man", "--warnings", "-l", path], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=60,
                          env={**os.environ, "LC_ALL": "C.UTF-8", "MANPAGER": "cat"}).stderr


def manual_pages(t, root):
    """Each page is formatted without a warning, and one that is broken would not be."""
    pages = [path for folder in ("cron", "etc", "fcgi")
             for path in sorted(glob.glob(os.path.join(root, folder, "*.[1-9]")))]
    t.ok(len(pages) >= 6, f"the manual pages are there, {len(pages)} files")
    if not shutil.which("man") or not shutil.which("groff"):
        t.skip("man formats the manual pages without a warning", "man or groff is not installed")
        return
    with tempfile.TemporaryDirectory(prefix="mr-structure-") as folder:
        broken = os.path.join(folder, "broken.8")
        with open(broken, "w", encoding="utf-8") as f:
            f.write(".Dd November 23, 2026\n.Dt BROKEN 8\n.Os\n.Sh NAME\n.Nm broken\n"
                    ".Nd a list without an end\n.Bl -tag -width Ds\n.It one\nItem.\n"
                    ".Sh SEE ALSO\nNothing.\n")
        t.like(man_warnings(broken), r"no matching \.El", "man finds a list without an end")
    for path in pages:
        t.is_(man_warnings(path), "", f"{os.path.relpath(path, root)}: no warning")


def main():
    root = os.environ.get("MR_SRCDIR") or os.path.dirname(TESTS)
    with tap.Suite() as t:
        for rule, tree, part in BROKEN:
            problems = rule(made_up(tree))
            t.ok(len(problems) == 1 and part in problems[0],
                 f"{rule.__name__} finds: {part}", f"found {problems}")
        for _, rule in RULES:
            t.is_(rule(made_up(SOUND)), [], f"{rule.__name__} finds nothing in a sound tree")

        files = sources(root)
        t.ok(len(files) >= 10, f"the sources are there, {len(files)} files")
        for name, rule in RULES:
            problems = rule(files)
            t.ok(not problems, name, "\n".join(problems))
        manual_pages(t, root)


main()
