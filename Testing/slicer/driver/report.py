"""What was checked, by name, and what was measured. Plain Python."""

import sys
import traceback
from contextlib import contextmanager


class NotTried(Exception):
    """A check cannot be made here; the text says why. It has neither passed nor failed."""


class Report:
    """Notes the outcome of each check, at once and in a file, and goes on after one that failed.

    Attributes:
        passed: names of checks.
        failed, not_tried: name of a check: why.
        measured: what was timed or computed, in words.
    """

    def __init__(self, path=None):
        self.passed, self.failed, self.not_tried, self.measured = [], {}, {}, []
        self._path = path
        if path is not None:
            path.write_text("", "utf-8")

    @contextmanager
    def check(self, name):
        """Check what is in the block. What is raised in it is the reason why the check failed, and goes no further."""
        try:
            yield
        except NotTried as reason:
            self.not_tried[name] = str(reason)
            self.say(f"not tried  {name}: {reason}")
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            line = f"{where.filename.replace(chr(92), '/').rsplit('/', 1)[-1]}:{where.lineno}"
            self.failed[name] = f"{type(error).__name__}: {error} ({line}: {where.line})"
            self.say(f"FAILED     {name}: {self.failed[name]}")
        else:
            self.passed.append(name)
            self.say(f"passed     {name}")

    def measure(self, text):
        """Note a figure that nothing hangs on."""
        self.measured.append(text)
        self.say(f"measured   {text}")

    def say(self, text):
        """Print a line at once, and keep it."""
        print(text)
        sys.stdout.flush()
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text + "\n")

    def finish(self):
        """Say all in a few lines; returns the exit code."""
        self.say("")
        for title, lines in (
            ("Failed", [f"{name}: {why}" for name, why in self.failed.items()]),
            ("Not tried", [f"{name}: {why}" for name, why in self.not_tried.items()]),
            ("Measured", self.measured),
        ):
            self.say(f"{title}: {len(lines)}")
            for line in lines:
                self.say(f"  {line}")
        self.say(f"Passed: {len(self.passed)}")
        return 1 if self.failed else 0
