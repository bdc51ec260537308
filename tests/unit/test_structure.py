"""The shape of the C sources: which room may include which, that no files need each other in a
ring, which file has which library, and words that mean one thing. And of the manual pages: that
man formats them without a warning.

What may be stands in two tables of lib/README.md. The rules are tried on made-up trees that break
each of them first, so that a rule that finds nothing is known to be one that could have found
something.
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

from harness import markdown, proc, tap  # noqa: E402

THIRD_PARTY = ("jsmn.h", "ini.h", "fcgiapp.h", "fcgi_stdio.h", "sodium.h", "zlib.h",
               "zstd.h", "libpq-fe.h", "curl/curl.h")
GENERATED = ("config.h", "schema/migrations.inc")
PROGRAMS = ("fcgi", "cron")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
NOT_CODE = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|^[ \t]*#[ \t]*include[^\n]*', re.S | re.M)
# The style has a function's type on a line of its own.
FUNCTION = re.compile(r"^([A-Za-z_][\w \t*]*)\n([a-z_]\w*)\(", re.M)
WORD = re.compile(r"\b[a-z_]\w*\b")


class Rules:
    """The tables of lib/README.md. below: the rooms that a room may include; headers: which
    third-party headers are whose; terms: in names of which tables a word may stand."""

    def __init__(self, text):
        self.below, self.headers, self.terms = {}, {}, {}
        for row in markdown.table(text, "room", "may include"):
            names = re.findall(r"`([^`]+)`", row[0])
            self.below[names[0]] = set(re.findall(r"`([^`]+)`", row[1]))
            self.headers.update((h, names[0]) for h in re.findall(r"`([^`]+)`", row[3]))
        for row in markdown.table(text, "term", "meaning"):
            if row[3]:
                self.terms[row[0]] = re.findall(r"`([^`]+)`", row[3])


def room_of(path):
    """The room of a file below lib, or the program that it is part of; None: neither."""
    folders = os.path.dirname(path).split("/")
    if folders[0] == "lib" and len(folders) == 2:
        return folders[1]
    return folders[0] if folders[0] in PROGRAMS and len(folders) == 1 else None


def sources(root):
    """Every C file of the program, and every local.mk: {path below root: text}."""
    found = {}
    for top in ("lib", "schema", *PROGRAMS):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if name.endswith((".c", ".h", ".mk", ".sql")):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as f:
                        found[os.path.relpath(path, root)] = f.read()
    return found


def c_files(files):
    return sorted((p, text) for p, text in files.items() if p.endswith((".c", ".h")))


def includes(text):
    """(quoted, name) of each #include."""
    return [(mark == '"', name) for mark, name in INCLUDE.findall(text)]


def known(files, rules):
    """No file that no table knows."""
    listed = set(" ".join(text for p, text in files.items() if p.endswith(".mk")).split())
    problems = []
    for path, _ in c_files(files):
        if room_of(path) not in rules.below:
            problems.append(f"{path} lies in no room that lib/README.md has in its table")
        elif path not in listed:
            problems.append(f"{path} is in no local.mk, so no program has it")
    return problems


def arrows(files, rules):
    """Includes point one way, and name the room they go to."""
    problems = []
    for path, text in c_files(files):
        room = room_of(path)
        if room not in rules.below:
            continue
        for quoted, name in includes(text):
            target = name.split("/")[0] if "/" in name else room
            if name in GENERATED or (not quoted and target not in rules.below):
                continue
            if room not in PROGRAMS and "/" not in name:
                if quoted:
                    problems.append(f"{path} includes {name} without the room it lies in")
            elif target != room and target not in rules.below[room]:
                problems.append(f"{path} of room {room} may not include {name} of room {target}")
    return problems


def circles(graph):
    """The sets of nodes that reach each other, by Tarjan's algorithm; graph: {node: nodes}."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            circle = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(circle) > 1:
                found.append(sorted(circle))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def rooms_in_rings(_files, rules):
    """The table itself lets no two rooms include each other, not by way of others either."""
    return [f"the table of lib/README.md lets these rooms include each other: {', '.join(circle)}"
            for circle in circles(rules.below)]


def files_in_rings(files, _rules):
    """No files call functions of each other, not by way of others either."""
    code = {p: NOT_CODE.sub(" ", text) for p, text in c_files(files) if p.endswith(".c")}
    owner = {name: path for path, text in code.items()
             for kind, name in FUNCTION.findall(text) if "static" not in kind.split()}
    calls = {path: {owner[word]: word for word in WORD.findall(text)
                    if owner.get(word, path) != path} for path, text in code.items()}
    problems = []
    for circle in circles(calls):
        takes = "; ".join(f"{a} takes {calls[a][b]}() from {b}"
                          for a in circle for b in sorted(calls[a]) if b in circle)
        problems.append(f"a ring of files: {takes}")
    return problems


def third_party(files, rules):
    """Each third-party header belongs to one file; if that is a header, it stays in its room."""
    problems = []
    for header in THIRD_PARTY:
        users = [p for p, text in c_files(files)
                 if any(name == header for _, name in includes(text))]
        if len(users) > 1:
            problems.append(f"{header} is included by {' and by '.join(users)}")
        for user in users:
            if room_of(user) != rules.headers.get(header):
                problems.append(f"{user} of room {room_of(user)} includes {header}, which is for "
                                f"room {rules.headers.get(header)}")
        for user in (p for p in users if p.endswith(".h")):
            problems += [f"{p} includes {user}, and with it {header}, from another room"
                         for p, text in c_files(files) if room_of(p) != room_of(user)
                         and any(f"lib/{name}" == user for _, name in includes(text))]
    return problems


def own_header_first(files, _rules):
    """A .c file of the library shows that its header stands on its own."""
    problems = []
    for path, text in c_files(files):
        header = os.path.splitext(path)[0] + ".h"
        if not path.endswith(".c") or header not in files or not path.startswith("lib/"):
            continue
        first = includes(text)[:1]
        if first != [(True, header[len("lib/"):])]:
            problems.append(f"{path} does not include its own header first")
    return problems


def tables(files):
    """The tables as the migrations leave them: {name: [columns]}."""
    found = {}
    for path in sorted(p for p in files if re.match(r"schema/\d+-.*\.sql$", p)):
        text = re.sub(r"--[^\n]*", "", files[path])
        for name, body in re.findall(r"^CREATE TABLE (\w+) \((.*?)^\)", text, re.M | re.S):
            found[name] = re.findall(r"^ {4}([a-z]\w*) +[a-z]", body, re.M)
        for name, body in re.findall(r"^ALTER TABLE (\w+)(\s+ADD COLUMN [^;]*);", text, re.M):
            found[name] += re.findall(r"ADD COLUMN (?:IF NOT EXISTS )?(\w+)", body)
        for name, old, new in re.findall(r"^ALTER TABLE (\w+) RENAME COLUMN (\w+) TO (\w+)", text,
                                         re.M):
            found[name][found[name].index(old)] = new
        for old, new in re.findall(r"^ALTER TABLE (\w+) RENAME TO (\w+)", text, re.M):
            found[new] = found.pop(old)
    return found


def words(files, rules):
    """A word of the glossary stands in names of those tables only that have what it means."""
    problems = []
    for table, columns in sorted(tables(files).items()):
        for name in (table, *columns):
            parts = [re.sub(r"(?<=[a-z]{3})s$", "", part) for part in name.split("_")]
            where = table if name == table else f"{table}.{name}"
            problems += [f"{where}: by the glossary of lib/README.md, '{term}' is a word for "
                         + (f"{' and '.join(rules.terms[term])} only" if rules.terms[term] != ["-"]
                            else "no table") for term in parts
                         if term in rules.terms and not any(
                             re.fullmatch(allowed.replace("*", ".*"), table)
                             for allowed in rules.terms[term])]
    return problems


RULES = (
    ("no file that no table knows", known),
    ("includes follow the arrows between the rooms", arrows),
    ("no ring of rooms", rooms_in_rings),
    ("no ring of files", files_in_rings),
    ("each third-party header is included by one file, and not spread by it", third_party),
    ("a library file includes its own header first", own_header_first),
    ("words of the glossary mean one thing in names of tables and columns", words),
)

MADE_UP = """
| room | may include | what it is | third-party header it alone includes |
|---|---|---|---|
| `base` | | a | `zlib.h` |
| `format` | `base` | a | `jsmn.h` |
| `db` | `base` | b | `libpq-fe.h` |
| `s3` | `base`, `format` | b | `curl/curl.h` |
| `ingest` | `base`, `db`, `format` | b | |
| `fcgi` | `base`, `db`, `format`, `ingest` | c | `fcgiapp.h` |
| `cron` | `base`, `format`, `ingest` | c | |

| term | meaning | not to be used for | tables |
|---|---|---|---|
| group | rows of one commit | slices | `ingest_*` |
| lane | a thread's connection | readers | `-` |
| slice | rows of one site | groups | `export_*` |
"""
RING = MADE_UP.replace("| `base` | | a |", "| `base` | `ingest` | a |")

# Trees that break one rule each, and what the rule has to say.
BROKEN = (
    (known, {"lib/other/a.c": ""}, "lib/other/a.c lies in no room"),
    (known, {"lib/base/deep/a.c": ""}, "lib/base/deep/a.c lies in no room"),
    (known, {"lib/base/a.c": ""}, "lib/base/a.c is in no local.mk"),
    (third_party, {"lib/base/a.c": "#include <zlib.h>\n", "lib/base/b.c": "#include <zlib.h>\n"},
     "zlib.h is included by lib/base/a.c and by lib/base/b.c"),
    (third_party, {"lib/db/pq.h": "# include <libpq-fe.h>\n",
                   "lib/ingest/a.c": '#include "db/pq.h"\n'},
     "lib/ingest/a.c includes lib/db/pq.h, and with it libpq-fe.h"),
    (third_party, {"cron/a.c": '#include "curl/curl.h"\n'},
     "cron/a.c of room cron includes curl/curl.h, which is for room s3"),
    (arrows, {"lib/base/a.c": '#include "format/json.h"\n'},
     "lib/base/a.c of room base may not include format/json.h of room format"),
    (arrows, {"lib/format/a.h": '#include "db/query.h"\n'},
     "lib/format/a.h of room format may not include db/query.h of room db"),
    (arrows, {"lib/format/a.h": "#include <db/query.h>\n"}, "may not include db/query.h"),
    (arrows, {"lib/db/a.c": '#include "fcgi/request.h"\n'}, "may not include fcgi/request.h"),
    (arrows, {"lib/db/a.c": '#include "../base/buf.h"\n'}, "may not include ../base/buf.h"),
    (arrows, {"lib/db/a.c": '#include "query.h"\n'}, "without the room it lies in"),
    (arrows, {"fcgi/a.c": '#include "cron/b.h"\n'}, "fcgi/a.c of room fcgi may not include cron/b.h"),
    (arrows, {"cron/a.c": '  #include "fcgi/b.h"\n'}, "cron/a.c of room cron may not include fcgi/b.h"),
    (files_in_rings, {"lib/db/a.c": "int\na_go(void)\n{\n\treturn b_go();\n}\n",
                      "lib/db/b.c": "int\nb_go(void)\n{\n\treturn a_go();\n}\n"},
     "lib/db/a.c takes b_go() from lib/db/b.c; lib/db/b.c takes a_go() from lib/db/a.c"),
    (files_in_rings, {"fcgi/a.c": "void\na_go(void)\n{\n\tb_go();\n}\n",
                      "fcgi/b.c": "void\nb_go(void)\n{\n\tf = c_go;\n}\n",
                      "fcgi/c.c": "int *\nc_go(void)\n{\n\ta_go();\n}\n"},
     "fcgi/a.c takes b_go() from fcgi/b.c; fcgi/b.c takes c_go() from fcgi/c.c"),
    (own_header_first, {"lib/base/a.h": "", "lib/base/a.c": '#include <stdio.h>\n#include "base/a.h"\n'},
     "lib/base/a.c does not include"),
    (words, {"schema/001-a.sql": "CREATE TABLE export_groups (\n    id bigint\n);\n"},
     "export_groups: by the glossary of lib/README.md, 'group' is a word for ingest_* only"),
    (words, {"schema/001-a.sql": "CREATE TABLE lanes (\n    id bigint\n);\n"},
     "lanes: by the glossary of lib/README.md, 'lane' is a word for no table"),
    (words, {"schema/001-a.sql": "CREATE TABLE ingest_groups (\n    slice_id bigint,\n    b text\n);\n"},
     "ingest_groups.slice_id: by the glossary"),
    (words, {"schema/001-a.sql": "CREATE TABLE x (\n    b text\n);\nALTER TABLE x\n    ADD COLUMN a text,\n    ADD COLUMN group_id text;\n"},
     "x.group_id: by the glossary"),
    (words, {"schema/001-a.sql": "CREATE TABLE x (\n    b text\n);\nALTER TABLE x RENAME COLUMN b TO slice;\n"},
     "x.slice: by the glossary"),
)

SOUND = {
    "lib/local.mk": "x = lib/base/a.c lib/base/a.h \\\n lib/format/b.c lib/ingest/c.c lib/db/pq.h "
                    "lib/db/q.c fcgi/d.c cron/e.c lib/s3/http.c\n",
    "lib/base/a.h": "#include <stdint.h>\n",
    "lib/base/a.c": '#include "base/a.h"\n#include <stdlib.h>\n#include <zlib.h>\n'
                    "int\na_go(void)\n{\n}\n",
    "lib/format/b.c": '#include "config.h"\n#include "base/a.h"\n#include <jsmn.h>\n'
                      "/* as d_go() */ static void\nd_go(void)\n{\n\ta_go(\"c_go\");\n}\n",
    "lib/ingest/c.c": '#include "format/b.h"\n#include "schema/migrations.inc"\n#include <sys/io.h>\n'
                      "void\nc_go(void)\n{\n\ta_go();\n}\n",
    "lib/db/pq.h": "#include <libpq-fe.h>\n",
    "lib/db/q.c": '#include "db/pq.h"\n',
    "lib/s3/http.c": "#include <curl/curl.h>\n",
    "fcgi/d.c": '#include "d.h"\n#include "fcgi/d.h"\n#include "ingest/c.h"\n#include <fcgiapp.h>\n'
                "int\nd_go(void)\n{\n\tc_go();\n}\n",
    "cron/e.c": '#include "format/s.h"\n',
    "schema/001-a.sql": "CREATE TABLE ingest_groups (\n    id bigint\n);\n"
                        "CREATE TABLE export_groups (\n    id bigint\n);\n",
    "schema/002-b.sql": "ALTER TABLE export_groups RENAME TO export_slices;\n",
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
    with tap.Suite() as t:
        rules = Rules(MADE_UP)
        for rule, tree, part in BROKEN:
            problems = rule(made_up(tree), rules)
            t.ok(len(problems) == 1 and part in problems[0],
                 f"{rule.__name__} finds: {part}", f"found {problems}")
        problems = rooms_in_rings({}, Rules(RING))
        t.ok(len(problems) == 1 and "base, db, ingest" in problems[0].replace("format, ", ""),
             "rooms_in_rings finds rooms that include each other", f"found {problems}")
        for _, rule in RULES:
            t.is_(rule(made_up(SOUND), rules), [],
                  f"{rule.__name__} finds nothing in a sound tree")

        rules = Rules(markdown.read("lib/README.md"))
        files = sources(proc.SRCDIR)
        t.ok(len(c_files(files)) >= 10, f"the sources are there, {len(files)} files")
        t.ok(len(tables(files)) >= 15, f"the tables are found, {len(tables(files))}")
        t.ok(len(rules.below) >= 15 and len(rules.terms) >= 5, "the tables of lib/README.md are read",
             f"{len(rules.below)} rooms, {len(rules.terms)} terms")
        for name, rule in RULES:
            problems = rule(files, rules)
            t.ok(not problems, name, "\n".join(problems))
        manual_pages(t, proc.SRCDIR)


main()
