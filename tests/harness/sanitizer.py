"""Reports of AddressSanitizer, LeakSanitizer and UBSan, from workers that have them.

The options are set in every environment that a worker runs in; in a build
without sanitizers they mean nothing.
"""

import glob
import os
import re

from .proc import read_text

EXIT_STATUS = 99
_REPORT = re.compile(r"ERROR: AddressSanitizer|ERROR: LeakSanitizer|runtime error:|"
                     r"AddressSanitizer:DEADLYSIGNAL")


def env(folder):
    """Variables that make each report a file in the folder and the exit status 99."""
    log = f"log_path={folder}/sanitizer"
    return {"ASAN_OPTIONS": f"detect_leaks=1:exitcode={EXIT_STATUS}:{log}",
            "UBSAN_OPTIONS": f"print_stacktrace=1:exitcode={EXIT_STATUS}:{log}"}


def reports(folder, *texts):
    """What was reported to files in the folder or is in the texts; "" if nothing."""
    found = [read_text(path) for path in sorted(glob.glob(os.path.join(folder, "sanitizer.*")))]
    found += [text[m.start():m.start() + 6000] for text in texts if (m := _REPORT.search(text))]
    return "\n".join(found)
