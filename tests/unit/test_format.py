"""The layout of the sources: what .clang-format and .editorconfig say of it.

clang-format knows neither where a statement is best continued on the next line nor C from C++. So
a difference counts only where it is about whole statements: their indentation, the spaces in
them, their braces, empty lines. `make format-check` runs this alone.
"""
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS)

from harness import proc, tap  # noqa: E402

VERSION = 14
TOPS = ("cron", "fcgi", "lib", "tests")
TEXTS = (".c", ".h", ".js", ".md", ".mjs", ".mk", ".py", ".sql", ".ts")

# A line behind one of these is no continuation: the end of a statement, a head, a directive, a
# label, the type of a function.
ENDS = re.compile(r"(?:[;{})]|\*/|^\s*(?:else|do)|^#.*|^\s*(?:case\b.*|\w+):|^\w[\w *]*)$")
# A row of a table, a member of an initialiser, text that goes on.
ROW = re.compile(r'\s*(?:"|\{ ?.*\},?$|[.\[]\w+\]? = |(?:-?\w+, )+-?\w+,?$)')
ONE_LINE = re.compile(r"\b(?:enum|struct)\b.*\{.*\}")
# Names that are words of C++, and operators that it takes for a template or a cast.
MISREAD = re.compile(r"\b(?:catch|export) ?\(|__attribute__|[\w)][<>*]\s?\w")

BROKEN = (
    ("indentation", "int\nf(int a)\n{\n    return a;\n}\n"),
    ("a brace", "int\nf(int a) {\n\treturn a;\n}\n"),
    ("the type of a function", "int f(int a)\n{\n\treturn a;\n}\n"),
    ("a short if", "int\nf(int a)\n{\n\tif (a) return 1;\n\treturn a;\n}\n"),
    ("spaces", "int\nf(int a)\n{\n\treturn a+1;\n}\n"),
    ("a space behind if", "int\nf(int a)\n{\n\tif(a)\n\t\treturn 1;\n\treturn a;\n}\n"),
    ("a pointer", "int\nf(int* a)\n{\n\treturn *a;\n}\n"),
    ("a case", "int\nf(int a)\n{\n\tswitch (a) {\n\t\tcase 1:\n\t\t\treturn 2;\n\t}\n\treturn 0;\n}\n"),
    ("empty lines", "int a;\n\n\n\nint b;\n"),
)

SOUND = """\
static const char sql[] = "SELECT 1, "
    "2";
enum { ONE, TWO };
static const struct pair {
	const char *a;   /* one */
	int b; /* two */
} table[] = {
	{ "a", ONE }, { "b", TWO },
};

static int
f(const struct pair *p, int more)
{
	int n = p == NULL ? 0 :
	    p->b;

	for (size_t i = 0; i < sizeof table / sizeof table[0] &&
	    table[i].b != n; i++)
		n += more;
	return n;
}
"""


def opened(line):
    """How many more parentheses a line opens than it closes."""
    line = re.sub(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])+\'|/\*.*?\*/', "", line)
    return line.count("(") - line.count(")")


def continuations(lines):
    """For each line, whether it goes on with the statement of the line before, or is a table's."""
    found, depth, before = [], 0, ";"
    for line in lines:
        found.append(depth > 0 or bool(ROW.match(line)) or not ENDS.search(before))
        if line.strip():
            depth = max(0, depth + opened(line))
            before = re.sub(r"\s*/\*.*\*/$", "", line) or ";"
    return found


def counts(old, new, going_on):
    """Whether the difference is one that clang-format is right about."""
    plain = [[re.sub(r"\s+(/\*.*)$", r" \1", line) for line in lines] for lines in (old, new)]
    if plain[0] == plain[1] or going_on:
        return False
    if any(line.endswith("\\") or ONE_LINE.search(line) or "?" in line for line in old):
        return False
    same = "".join("".join(old).split()) == "".join("".join(new).split())
    return not (same and any(MISREAD.search(line) for line in new))


def differences(path, text, formatted):
    """[(path:line, what it is, what it shall be)]"""
    old, new = text.split("\n"), formatted.split("\n")
    if old == new:
        return []
    old_on, new_on = continuations(old), continuations(new)
    found = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal" and counts(old[i:j], new[k:m], any(old_on[i:j]) or any(new_on[k:m])):
            found.append("\n".join([f"{path}:{i + 1}", *(f"-{line}" for line in old[i:j]),
                                    *(f"+{line}" for line in new[k:m])]))
    return found


def clang_format(program, sources):
    """The sources {path: text} as clang-format writes them."""
    with tempfile.TemporaryDirectory(prefix="mr-format-") as folder:
        shutil.copy(os.path.join(proc.SRCDIR, ".clang-format"), folder)
        names = {path: os.path.join(folder, f"{i}{os.path.splitext(path)[1]}")
                 for i, path in enumerate(sources)}
        for path, name in names.items():
            with open(name, "w", encoding="utf-8") as f:
                f.write(sources[path])
        subprocess.run([program, "-i", "--style=file", *names.values()], check=True)
        return {path: proc.read_text(name) for path, name in names.items()}


def walk(tops, endings):
    """{path below the sources: text}"""
    found = {}
    for top in tops:
        for folder, folders, names in os.walk(os.path.join(proc.SRCDIR, top)):
            folders[:] = [name for name in folders if name not in ("node_modules", "__pycache__")]
            if os.path.samefile(folder, os.path.join(proc.SRCDIR, "tests")) and "data" in folders:
                folders.remove("data")
            for name in names:
                if name.endswith(endings) and not re.search(r"\.min\.js|dashboard\.", name):
                    path = os.path.join(folder, name)
                    found[os.path.relpath(path, proc.SRCDIR)] = proc.read_text(path)
    return found


def version(program):
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"version (\d+)", said)[1])


def layout(t):
    program = proc.find(f"clang-format-{VERSION}") or proc.find("clang-format")
    if not program or version(program) != VERSION:
        t.skip("the layout of the C sources", f"clang-format {VERSION} is not installed")
        return
    broken = {f"{name}.c": text for name, text in BROKEN}
    for path, text in clang_format(program, broken).items():
        t.ok(differences(path, broken[path], text), f"{path[:-2]}: is found")
    sound = clang_format(program, {"a.c": SOUND})["a.c"]
    t.isnt(sound, SOUND, "where clang-format would break lines in another way")
    t.is_(differences("a.c", SOUND, sound), [], "nothing is found")
    sources = walk(TOPS, (".c", ".h"))
    t.ok(len(sources) > 100, f"the sources are there, {len(sources)} files")
    found = [problem for path, text in clang_format(program, sources).items()
             for problem in differences(path, sources[path], text)]
    t.ok(not found, "the C sources have the layout of .clang-format", "\n".join(found))


def blanks(text):
    """Lines that end with blanks, or a last one without its end."""
    return [i + 1 for i, line in enumerate(text.split("\n")) if line != line.rstrip()] + \
        ([] if text.endswith("\n") or not text else ["the last one"])


def lines(t):
    t.is_(blanks("a \nb\t\nc"), [1, 2, "the last one"], "blanks at the end of lines are found")
    texts = walk((*TOPS, "etc", "schema", "www"), TEXTS)
    t.is_([f"{path}:{line}" for path, text in texts.items() for line in blanks(text)], [],
          f"no line ends with blanks, {len(texts)} files")


def main():
    with tap.Suite() as t:
        layout(t)
        lines(t)


main()
