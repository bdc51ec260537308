"""What every program's --help says, that its manual page documents the same options, and
that bash completes them.

--help is printed from the table that getopt_long is told; so this compares the table with
the page. The comparison itself is tried on a made-up page first, which differs from its
program in each way there is.
"""

import os
import re
import subprocess

from harness import proc, sanitizer, tap

COLUMNS = 79

# The program in the build folder, its manual page, its sub-commands.
PROGRAMS = (
    ("fcgi/millrace.fcgi", "fcgi/millrace.fcgi.8", ()),
    ("cron/millrace-admin", "cron/millrace-admin.8",
     ("seal", "rekey", "rotate", "rejected", "migrate", "rebind", "usage")),
    ("cron/millrace-check", "cron/millrace-check.8", ()),
    ("cron/millrace-export", "cron/millrace-export.8", ()),
    ("cron/millrace-maintain", "cron/millrace-maintain.8", ()),
    ("cron/millrace-replay", "cron/millrace-replay.8", ()),
)

OPTION = re.compile(r"^  (?:-(?P<letter>\w),|   ) --(?P<name>[a-z-]+)(?: (?P<argument>[A-Z]+))?(?:  |$)", re.M)


def options_of(text):
    """The options that a help lists: {name: (letter, whether it has an argument)}."""
    return {m["name"]: (m["letter"], m["argument"] is not None) for m in OPTION.finditer(text)}


def words(line):
    """A line of mdoc as [(macro, arguments)]: .It Fl c , Fl -config Ar file."""
    parts, macro = [], None
    for word in line.lstrip(".").split():
        if word in ("It", "Op", "Nm", "Cm", "Fl", "Ar"):
            macro = word
            if macro != "Fl":
                parts.append((macro, ""))
        elif word in (",", "|") or macro is None:
            continue
        elif macro == "Fl":
            parts.append(("Fl", word))
        elif parts[-1][1] == "":
            parts[-1] = (macro, word)
    return parts


def flags(lines):
    """Each flag of these lines: {"c" or "-config": whether an argument stands behind it}."""
    found = {}
    for line in lines:
        last = None
        for macro, word in words(line):
            if macro == "Fl":
                last = word
                found.setdefault(word, False)
            elif macro == "Ar" and last is not None:
                found[last] = True
            elif macro != "Op":
                last = None
    return found


def documented(page):
    """What the lists of a page say: as options_of()."""
    found = {}
    for line in re.findall(r"^\.It Fl .*", page, re.M):
        entry = flags([line])
        letters = [f for f in entry if not f.startswith("-")]
        names = [f[1:] for f in entry if f.startswith("-")]
        if len(letters) <= 1 and len(names) == 1:
            found[names[0]] = (letters[0] if letters else None, any(entry.values()))
        else:  # Long forms alone, which share what is said of them.
            found.update({n: (None, entry["-" + n]) for n in names})
            found.update({f"only -{f}": (f, entry[f]) for f in letters})
    return found


def synopsis(page):
    """The lines of the section, by the sub-command that they stand behind; "": behind none."""
    text = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh ", page, re.M | re.S).group(1)
    found = {"": []}
    for form in text.split(".Nm\n")[1:]:
        name = ""
        for line in form.splitlines():
            if line.startswith(".Cm ") and name == "":
                name = line.split()[1]
                found.setdefault(name, [])
            else:
                found[name].append(line)
    return found


def short(options):
    """As flags() names them in a synopsis: by the letter where there is one."""
    return {letter or "-" + name: argument for name, (letter, argument) in options.items()}


def differences(helps, page):
    """What a page says otherwise than the helps, {"" or sub-command: text}; a list of texts."""
    problems = []

    def compare(where, table, said):
        problems.extend(f"{where}: {o} is missing" for o in sorted(set(table) - set(said)))
        problems.extend(f"{where}: there is no {o}" for o in sorted(set(said) - set(table)))
        problems.extend(f"{where}: {o} is not as it is" for o in sorted(set(said) & set(table))
                        if said[o] != table[o])

    forms = synopsis(page)
    compare("the list", options_of(helps[""]), documented(page))
    compare("the synopsis", short(options_of(helps[""])), flags(forms[""]))
    for name in helps:
        if name:
            table = options_of(helps[name])
            table.pop("help", None)
            compare(name, short(table), flags(forms.get(name, [])))
    problems.extend(f"the synopsis: there is no command {name}" for name in forms if name not in helps)
    return problems


PAGE = """.Sh SYNOPSIS
.Nm
.Op Fl c Ar file
.Fl y
.Nm
.Op Fl x
.Cm go
.Op Fl -fast
.Ar file
.Nm
.Fl h | V
.Sh DESCRIPTION
.Bl -tag -width Ds
.It Fl c Ar file , Fl -config Ar file
.It Fl x , Fl -extra
.It Fl y , Fl -yes
.It Fl -since Ar time , Fl -until Ar time
.It Fl h , Fl -help
.It Fl V , Fl -version
.El
.Sh SEE ALSO
"""
HELP = """  -c, --config FILE  which
  -x, --extra        more
  -y, --yes          do it
      --since TIME   from then on
      --until TIME   before then
  -h, --help         this
  -V, --version
                     version
"""
GO = "      --fast  soon\n  -h, --help  this\n"


def self_check(t):
    good = PAGE.replace(".Fl y\n", ".Fl y\n.Op Fl -since Ar time\n.Op Fl -until Ar time\n")
    helps = {"": HELP, "go": GO}
    t.is_(differences(helps, good), [], "a page that is right")
    for what, page, more, problem in (
            ("an option that the synopsis lacks", PAGE, {}, "the synopsis: -since is missing"),
            ("one that the list lacks", good.replace(".It Fl x , Fl -extra\n", ""), {},
             "the list: extra is missing"),
            ("one that the program lacks", good.replace("Fl -yes", "Fl -yeah"), {},
             "the list: there is no yeah"),
            ("another letter", good.replace(".It Fl y", ".It Fl z"), {}, "the list: yes is not as it is"),
            ("no argument", good.replace("Fl c Ar file , Fl -config Ar file", "Fl c , Fl -config"), {},
             "the list: config is not as it is"),
            ("an argument", good.replace(".It Fl x , Fl -extra", ".It Fl x , Fl -extra Ar much"), {},
             "the list: extra is not as it is"),
            ("a sub-command's option", good.replace(".Op Fl -fast\n", ""), {}, "go: -fast is missing"),
            ("a sub-command's that it lacks", good, {"go": "  -h, --help  this\n"},
             "go: there is no -fast"),
            ("a sub-command that there is not", good.replace(".Cm go", ".Cm come"), {},
             "the synopsis: there is no command come")):
        found = differences({**helps, **more}, page)
        t.ok(problem in found, f"found: {what}", f"found {found}")


def run(folder, *args):
    return subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, cwd=folder, env=proc.clean_env(**sanitizer.env(folder)))


def look_at(t, folder, program, page, commands):
    name = os.path.basename(program)
    helps = {}
    for command in ("", *commands):
        args = [os.path.join(proc.BUILDDIR, program), *([command] if command else [])]
        full = f"{name} {command}".strip()
        done = run(folder, *args, "--help")
        t.is_((done.returncode, done.stderr), (0, ""), f"{full} --help ends well")
        t.is_(run(folder, *args, "-h").stdout, done.stdout, f"{full} -h says the same")
        t.like(done.stdout, rf"\Ausage: {re.escape(full)}(?: |\n)", f"{full}: usage")
        # A path of the installation may be longer, and stands alone.
        t.is_([line for line in done.stdout.splitlines() if len(line) > COLUMNS and " " in line.strip()],
              [], f"{full}: no line is too long")
        t.is_([o for o in re.findall(r"(?<=\[)--?[a-z-]+", done.stdout.split("\n\n")[0])
               if o.lstrip("-") not in options_of(done.stdout) and
               o[1:] not in short(options_of(done.stdout))], [], f"{full}: its usage names no other option")
        helps[command] = done.stdout
    for command in commands:
        t.like(helps[""], rf"(?m)^  {command}\b", f"{name} --help has {command}")
    text = proc.read_text(os.path.join(proc.SRCDIR, page))
    t.is_(differences(helps, text), [], f"{os.path.basename(page)} documents what {name} has")


COMPLETION = os.path.join(proc.SRCDIR, "etc", "bash-completion", "millrace")
COMPLETE = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
$(complete -p "${1##*/}" | sed -nE 's/.*-F ([^ ]+) .*/\\1/p') "$1" || exit
(( ${#COMPREPLY[@]} == 0 )) || printf '%s\\n' "${COMPREPLY[@]}"
"""
INI = "[client acme]\nbucket = file:///a\n [client  other ] ; a comment\n[clients]\n#[client no]\n"


def completion(t, folder):
    """What bash offers for a command line of which the last word is being typed."""
    admin, export = (os.path.join(proc.BUILDDIR, "cron", f"millrace-{name}")
                     for name in ("admin", "export"))
    ini = os.path.join(folder, "some.ini")
    with open(ini, "w", encoding="utf-8") as f:
        f.write(INI)

    def offered(*words):
        done = run(folder, proc.find("bash"), "-c", COMPLETE, "bash", COMPLETION, *words)
        t.is_((done.returncode, done.stderr), (0, ""), f"completing {' '.join(words[1:])!r} ends well")
        return done.stdout.split()

    for program, _, commands in PROGRAMS:
        path = os.path.join(proc.BUILDDIR, program)
        if not os.path.basename(program).startswith("millrace-"):
            continue  # Nobody types the worker.
        for words in ([], *([c] for c in commands)):
            help_ = options_of(run(folder, path, *words, "--help").stdout)
            t.is_(offered(path, *words, "--"), ["--" + o for o in help_],
                  f"{os.path.basename(path)} {' '.join(words)}: the options of its help")
        t.is_(sorted(offered(path, "")), sorted(commands), f"{os.path.basename(path)}: its commands")
    for words, want in (
            ((export, "--sin"), ["--since"]),
            ((export, "--format", ""), ["ndjson", "csv", "parquet"]),
            ((export, "--format", "c"), ["csv"]),
            ((export, "-c", ini, "--client", ""), ["acme", "other"]),
            ((export, "-c", os.path.join(folder, "none.ini"), "--client", ""), []),
            ((admin, "-c", ini, "rotate", "a"), ["acme"]),
            ((admin, "-c", ini, "re"), ["rekey", "rejected", "rebind"]),
            ((admin, "rejected", "d"), ["delete"]),
            ((admin, "-c", os.path.join(folder, "some.")), [ini])):
        t.is_(sorted(offered(*words)), sorted(want), f"{' '.join(words[1:])!r}")


with tap.Suite() as t, proc.temp_dir() as folder:
    self_check(t)
    for program, page, commands in PROGRAMS:
        look_at(t, folder, program, page, commands)
    completion(t, folder)
    t.is_(sanitizer.reports(folder), "", "no sanitizer report")
