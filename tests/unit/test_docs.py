"""The documentation: its links, what it lists, and that a release holds every file.

The rules for links are tried on made-up pages first, so that one that finds nothing is known to
be one that could have found something. tests/integration/test_readme.py runs the commands.
"""
import os
import re
import shutil
import subprocess
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS)

from harness import markdown, proc, tap  # noqa: E402

README_LINES = 250
MAX_UNTESTED = 8

BROKEN = (
    ("a.md", "[b](none.md)\n", "a.md: none.md"),
    ("a.md", "# A\n[b](#b)\n", "a.md: #b"),
    ("x/a.md", "[b](../README.md#no-such-heading)\n", "x/a.md: ../README.md#no-such-heading"),
    ("a.md", '<img src="none.png">\n', "a.md: none.png"),
    ("a.md", "![c](www/none.png)\n", "a.md: www/none.png"),
)
SOUND = "# The `one`, and: two\n[a](#the-one-and-two) [b](https://example.com/#x) `[c](none)`\n" \
    "```\n[d](none)\n```\n[e](README.md#start) ![f](www/screenshots/demo-1280-light.png)\n"


def dead_links(name, text):
    """Links of a page that lead nowhere."""
    problems = []
    for target in markdown.links(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
        full = os.path.join(proc.SRCDIR, there)
        page = text if not path else markdown.read(there) if os.path.isfile(full) else ""
        if path and not os.path.exists(full) or anchor and anchor not in markdown.anchors(page):
            problems.append(f"{name}: {target}")
    return problems


def links(t):
    for name, text, problem in BROKEN:
        t.is_(dead_links(name, text), [problem], f"a dead link is found: {problem}")
    t.is_(dead_links("a.md", SOUND), [], "and none in a sound page")
    for name in markdown.files():
        t.is_(dead_links(name, markdown.read(name)), [], f"{name}: links")


def install(t):
    """INSTALL is plain text: the samples it names are there, and so are its sections."""
    text = markdown.read("INSTALL")
    samples = set(re.findall(r"/usr/local/share/millrace/examples/([\w./-]+\w)", text))
    t.ok(len(samples) >= 8, "INSTALL names samples", sorted(samples))
    for sample in sorted(samples):
        path = os.path.join(proc.SRCDIR, "etc", sample)
        t.ok(os.path.exists(path) or os.path.exists(f"{path}.in"), f"INSTALL: etc/{sample}")
    for path in sorted(set(re.findall(r"/usr/local/share/millrace/((?:www|schema)/[\w./-]*\w)", text))):
        t.ok(os.path.exists(os.path.join(proc.SRCDIR, path)), f"INSTALL: {path}")
    for name in sorted(set(re.findall(r"\b[\w/]*[A-Z]{3,}\.md\b", text))):
        t.ok(os.path.exists(os.path.join(proc.SRCDIR, name)), f"INSTALL: {name}")
    headings = set(re.findall(r"(?m)^(\d+(?:\.\d+)?)\.? ", text))
    named = re.findall(r"\b(?:see|of|as in|section|in) (\d(?:\.\d)?(?:(?:, | and )\d(?:\.\d)?)*)", text)
    for number in sorted({n for group in named for n in re.findall(r"\d(?:\.\d)?", group)}):
        t.ok(number in headings, f"INSTALL has a section {number}")


def first_page(t):
    text = markdown.read("README.md")
    lines = text.count("\n")
    t.ok(lines <= README_LINES, f"README.md has at most {README_LINES} lines", f"{lines} lines")
    start = text[:text.index("\n## How it works")]
    for word in ("./quickstart\n", "curl ", "./quickstart psql", "/dashboard/"):
        t.ok(word in start, f"its first screen has: {word.strip()}")
    targets = {target.partition("#")[0] for target in markdown.links(text)}
    for name in markdown.files():
        if name != "README.md":
            t.ok(name in targets, f"README.md leads to {name}")
    sizes = [row[1] for row in markdown.rows(markdown.read("www/README.md"))
             if len(row) > 1 and "`tracking.js`" in row[0]]
    t.is_([size in text for size in sizes], [True], "and tells the tracker's size")


def keys(t):
    """The table of the configuration's keys is that of the sample."""
    section, sample = "", {}
    for line in markdown.read("etc/millrace.ini").split("\n"):
        if match := re.match(r";?\[(\w+)[^\]]*\]$", line):
            section = match[1]
            sample[section] = []
        elif match := re.match(r";(\w+) =", line):
            sample[section].append(match[1])
    table = {re.sub(r"\W|NAME", "", row[0]).strip(): markdown.code(row[1])
             for row in markdown.rows(markdown.read("etc/README.md")) if row[0].startswith("`[")}
    t.ok(len(sample) >= 12, "the sample has sections", sorted(sample))
    t.is_(sorted(table), sorted(sample), "etc/README.md lists the sections of etc/millrace.ini")
    for name, listed in sample.items():
        t.is_(sorted(table.get(name, [])), sorted(listed), f"and the keys of [{name}]")


def endpoints(t):
    """What the worker routes is described, and handed over by each web server's sample."""
    paths = re.findall(r'(?m)^\t\{ "(/[\w./]+)", ', markdown.read("fcgi/routes.c"))
    t.ok(len(paths) >= 8, "the worker has endpoints", paths)
    page, manual = markdown.read("fcgi/README.md"), markdown.read("fcgi/millrace.fcgi.8")
    for path in paths:
        t.like(page, rf"(GET|POST) {re.escape(path)}\b", f"fcgi/README.md: {path}")
        t.ok(path in manual, f"millrace.fcgi(8): {path}")


def tables_of_sql(t):
    """Every table is listed, and every column of events."""
    page = markdown.read("schema/README.md")
    for name in sorted(os.listdir(os.path.join(proc.SRCDIR, "schema"))):
        if not re.match(r"\d+-.*\.sql$", name):
            continue
        sql = markdown.read(f"schema/{name}")
        row = next((row for row in markdown.rows(page) if f"({name})" in row[0]), ["", ""])
        made = re.findall(r"(?m)^CREATE TABLE (\w+) \(", sql)
        t.is_(markdown.code(row[1]), made, f"schema/README.md: the tables of {name}")
        if body := re.search(r"(?s)CREATE TABLE events \((.*?)\n\)", sql):
            columns = re.findall(r"(?m)^    (\w+) ", body[1])
            listed = [column for row in markdown.rows(page) for column in markdown.code(row[0])]
            t.is_([c for c in columns if c not in listed], [], "and the columns of events")


def untested(t):
    """Blocks of commands that no test runs are few, and say why."""
    skipped = [(name, block) for name in markdown.files()
               for block in markdown.blocks(markdown.read(name))
               if block.language == "sh" and block.note]
    for name, block in skipped:
        t.like(block.note, r"^untested: \w+ \w+", f"{name}:{block.line}: says why it is not run")
    t.ok(len(skipped) <= MAX_UNTESTED, f"at most {MAX_UNTESTED} blocks are not run",
         [f"{name}:{block.line}" for name, block in skipped])


def security(t):
    """Each row of SECURITY.md names its test: a file, and what stands in it."""
    rows = [row for row in markdown.rows(markdown.read("SECURITY.md")) if not row[0].startswith("-")]
    claims = [row for row in rows if row[-1] != "shown by"]
    t.ok(len(claims) >= 30, "it has claims", claims)
    for row in claims:
        named = re.findall(r"\]\((tests/[^)]+)\): ((?:`[^`]+`(?:, )?)+)", row[-1])
        t.ok(named, f"{row[0]}: names a test", row)
        for path, pieces in named:
            text = markdown.read(path)
            t.is_([piece for piece in markdown.code(pieces) if piece not in text], [],
                  f"{row[0]}: stands in {path}")


def license_named(t):
    t.like(markdown.read("LICENSE"), r"(?s)^MIT License\n.*the millrace authors", "LICENSE")
    pages = [f"{folder}/{name}" for folder in ("cron", "etc", "fcgi")
             for name in sorted(os.listdir(os.path.join(proc.SRCDIR, folder)))
             if re.search(r"\.[1-9]$", name)]
    t.ok(len(pages) >= 6, "there are manual pages", pages)
    for name in ("README.md", "configure.ac", *pages):
        t.like(markdown.read(name), r"MIT", f"{name} names the license")


def release(t):
    """make dist holds every file that git has."""
    if not shutil.which("git") or not os.path.exists(os.path.join(proc.SRCDIR, ".git")):
        t.skip("a release holds every file of git", "this is not a checkout")
        return
    done = subprocess.run(["git", "-C", proc.SRCDIR, "-c", "safe.directory=*", "ls-files", "-z"],
                          capture_output=True, text=True, check=True)
    # Those that were just removed are still listed.
    tracked = [name for name in done.stdout.split("\0")
               if name and os.path.exists(os.path.join(proc.SRCDIR, name))]
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    listed = subprocess.run(
        ["make", "-s", "--no-print-directory", "-f", "-", "mr-list"], cwd=proc.BUILDDIR, env=env,
        input="include Makefile\nmr-list:\n\t@printf '%s\\n' $(DISTFILES)\n",
        capture_output=True, text=True, check=True).stdout.split()
    held = {os.path.normpath(name.removeprefix(proc.SRCDIR + "/")) for name in listed}
    held |= {os.path.relpath(os.path.join(proc.BUILDDIR, name), proc.SRCDIR) for name in held}
    parents = lambda name: [name[:m.start()] for m in re.finditer("/", name)]  # noqa: E731
    t.is_([name for name in tracked if name not in held and not held & set(parents(name))], [],
          f"a release holds every file of git, {len(tracked)} files")


def main():
    with tap.Suite() as t:
        for case in (links, install, first_page, keys, endpoints, tables_of_sql, untested, security,
                     license_named, release):
            with t.case(case.__name__.replace("_", " ")):
                case(t)


main()
