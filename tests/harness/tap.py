"""TAP output for test programs.

    from harness import tap

    with tap.Suite() as t:
        with t.case("an empty body"):
            t.is_(answer.status, 400, "status")
            t.like(answer.text, r"empty", "message")

Each check is one test point, named "case: check". An exception inside a case is
one failed point with the traceback, and the next case runs. The plan comes last.
"""

import json
import re
import signal
import sys
import traceback


def diag(text):
    """Diagnostics: every line becomes a TAP comment."""
    for line in str(text).splitlines():
        print("#", line.encode("utf-8", "backslashreplace").decode())
    sys.stdout.flush()


def skip_all(reason):
    """Ends the program: nothing in it can run here."""
    print(f"1..0 # SKIP {reason}")
    sys.stdout.flush()
    sys.exit(0)


def _show(value):
    try:
        text = json.dumps(value, ensure_ascii=True)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 2000 else f"{text[:2000]}… ({len(text)} characters)"


def _interrupted(signum, _frame):
    # A later signal must not cut the clean-up short.
    for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(s, signal.SIG_IGN)
    raise SystemExit(128 + signum)


class _Case:
    def __init__(self, suite, name):
        self.suite, self.name = suite, name

    def __enter__(self):
        self.outer, self.suite.prefix = self.suite.prefix, f"{self.suite.prefix}{self.name}: "
        return self

    def __exit__(self, kind, value, tb):
        passed = kind is None or not issubclass(kind, Exception)
        if not passed:
            self.suite.fail("runs to its end", "".join(traceback.format_exception(kind, value, tb)))
        self.suite.prefix = self.outer
        return not passed


class Suite:
    """One test program. Leaving it prints the plan and exits 1 if a point failed."""

    def __init__(self):
        self.points = 0
        self.failed = 0
        self.prefix = ""

    def __enter__(self):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
        for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(s, _interrupted)
        return self

    def __exit__(self, kind, value, tb):
        if kind is not None and not issubclass(kind, Exception):
            print(f"Bail out! {kind.__name__} {value}", flush=True)
            return False
        if kind is not None:
            self.fail("the program runs to its end",
                      "".join(traceback.format_exception(kind, value, tb)))
        if self.points == 0:
            self.fail("the program has checks")
        print(f"1..{self.points}", flush=True)
        if self.failed:
            diag(f"{self.failed} of {self.points} failed")
        sys.exit(1 if self.failed else 0)

    def case(self, name):
        """A named group of checks; may be nested."""
        return _Case(self, name)

    def _point(self, good, name, directive=""):
        self.points += 1
        # '#' would start a TAP directive.
        name = (self.prefix + name).replace("#", "\\#").replace("\n", " ")
        print(f"{'ok' if good else 'not ok'} {self.points} - {name}{directive}", flush=True)
        if not good:
            self.failed += 1
        return good

    def ok(self, good, name, detail=None):
        """Passes if good is true. detail: shown on failure; may be a function."""
        good = self._point(bool(good), name)
        if not good and detail is not None:
            diag(detail() if callable(detail) else detail)
        return good

    def fail(self, name, detail=None):
        return self.ok(False, name, detail)

    def is_(self, got, want, name):
        return self.ok(got == want, name, lambda: f"got  {_show(got)}\nwant {_show(want)}")

    def isnt(self, got, unwanted, name):
        return self.ok(got != unwanted, name, lambda: f"got  {_show(got)}")

    def like(self, got, pattern, name):
        """Passes if the regular expression occurs in the text."""
        return self.ok(re.search(pattern, got or ""), name,
                       lambda: f"got     {_show(got)}\npattern {pattern}")

    def unlike(self, got, pattern, name):
        return self.ok(not re.search(pattern, got or ""), name,
                       lambda: f"got      {_show(got)}\nunwanted {pattern}")

    def includes(self, got, want, name):
        """Passes if the dict got has every key of want with the same value."""
        part = {k: got[k] for k in want if k in got} if isinstance(got, dict) else got
        return self.is_(part, want, name)

    def skip(self, name, reason):
        """A check that cannot run here."""
        return self._point(True, name, f" # SKIP {reason}")


