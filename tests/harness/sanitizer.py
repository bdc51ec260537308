"""Reports of AddressSanitizer, LeakSanitizer and UBSan, from workers that have them.

The options are set in every environment that a worker runs in; in a build
without sanitizers they mean nothing.
"""

import glob
import os
import re
import subprocess

from . import proc

EXIT_STATUS = 99
_REPORT = re.compile(r"ERROR: AddressSanitizer|ERROR: LeakSanitizer|runtime error:|"
                     r"AddressSanitizer:DEADLYSIGNAL")
# What LeakSanitizer leaves of a process that was killed while it looked: nothing, or this.
_KILLED = re.compile(r"==\d+==Unable to get registers from thread \d+\.\n")


def env(folder):
    """Variables that make each report a file in the folder and the exit status 99."""
    log = f"log_path={folder}/sanitizer"
    return {"ASAN_OPTIONS": f"detect_leaks=1:exitcode={EXIT_STATUS}:{log}",
            "UBSAN_OPTIONS": f"print_stacktrace=1:exitcode={EXIT_STATUS}:{log}"}


def run(folder, command, timeout_s=proc.DEADLINE_S, **more_env):
    """Runs a program to its end; AssertionError when there is a report."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True, capture_output=True,
                          timeout=timeout_s, check=False,
                          env=proc.clean_env(**env(folder), **more_env))
    found = reports(folder, done.stderr)
    if found:
        raise AssertionError(found)
    return done


def reports(folder, *texts):
    """What was reported to files in the folder or is in the texts; "" if nothing."""
    files = [proc.read_text(path) for path in sorted(glob.glob(os.path.join(folder, "sanitizer.*")))]
    found = [text for text in files if _KILLED.sub("", text)]
    found += [text[m.start():m.start() + 6000] for text in texts if (m := _REPORT.search(text))]
    return "\n".join(found)
