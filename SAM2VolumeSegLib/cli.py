"""The command line: segment, seeds, checkpoints, demo, study. Installed as `sam2-volume-seg`.

Nothing heavy is imported here, so that an interrupt ends the program in words from its first moment on.
"""

from __future__ import annotations

import errno
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from SAM2VolumeSegLib.errors import InputError, InputWarning
from SAM2VolumeSegLib.streams import lasting_streams

INPUT_ERROR = 2  # what the user can correct
NOT_PRINTED = 1  # all was done, and standard output did not take what was printed
NO_READER = 128 + 13  # the same, because the next program in the pipe had enough: SIGPIPE, as shells have it
CANCELLED = 128 + 2  # SIGINT; another signal has its own number
FAULT = 70  # a fault of this program: EX_SOFTWARE of sysexits.h


class _Signal(KeyboardInterrupt):
    """A class of its own: where a plain KeyboardInterrupt has passed a module's import, Python ends as by SIGINT."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. What the user can correct is one sentence on stderr, not a traceback.

    Args:
        arguments: what follows the program's name; None takes those that the program was started with.

    Returns:
        The exit code.
    """
    with lasting_streams() as streams, _warnings_as_notes(), _signals_as_interrupts() as signals:
        try:
            code = _run(sys.argv[1:] if arguments is None else arguments)
        except BaseException as error:
            code, sentence = _end(error, signals)
            if sentence:
                print(sentence, file=sys.stderr)
        lost = streams.lost()
    if code or lost is None:
        return code
    return NO_READER if lost.errno == errno.EPIPE else NOT_PRINTED


def _run(arguments: Sequence[str]) -> int:
    from SAM2VolumeSegLib.command.parser import parse  # half a second

    options = parse(arguments)
    return options.command(options) or 0


def _end(error: BaseException, signals: Sequence[int]) -> tuple[int, str]:
    """Return the exit code for what ended a command, and what is said.

    Args:
        error: what ended it.
        signals: those that came before.
    """
    if isinstance(error, SystemExit):  # argparse has said what there is to say
        return error.code if isinstance(error.code, int) else 0, ""
    if signals or isinstance(error, KeyboardInterrupt):  # libraries make other errors of an interrupt
        kept = str(error) if isinstance(error, KeyboardInterrupt) else ""
        return 128 + signals[0] if signals else CANCELLED, f"\nCancelled. {kept}".rstrip(" ")
    if isinstance(error, InputError):
        return INPUT_ERROR, f"Error: {error}"
    if isinstance(error, MemoryError) or _is_out_of_memory(error):
        return INPUT_ERROR, (
            "Error: There is not enough memory. Close other programs, choose fewer --segments or a smaller "
            "--image-size, or cut the CT to the part that matters."
        )
    if isinstance(error, OSError):
        what = error.strerror or str(error)
        place = f'"{error.filename}" cannot be used: ' if error.filename else "The system says: "
        return INPUT_ERROR, f"Error: {place}{what}. Check names, permissions and free space."
    if isinstance(error, ModuleNotFoundError):
        return INPUT_ERROR, f"Error: The Python package {error.name} is missing. Install this program again."
    if isinstance(error, RuntimeError) and "home directory" in str(error):  # of pathlib
        return INPUT_ERROR, "Error: A path begins with ~ and a user who has no home here. Write the path in full."
    return FAULT, f"Error: Something unexpected went wrong ({type(error).__name__}). {_report(error)}"


def _is_out_of_memory(error: BaseException) -> bool:
    if "torch" in sys.modules:
        from SAM2VolumeSegLib.model.devices import is_out_of_memory

        if is_out_of_memory(error):
            return True
    return isinstance(error, RuntimeError) and bool(re.search("allocate memory|bad_alloc", str(error)))  # ITK's


def _report(error: BaseException) -> str:
    """Keep what a report of the fault needs in a file of its own, and return what to do with it."""
    import traceback
    from tempfile import NamedTemporaryFile

    details = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        with NamedTemporaryFile(
            "w", prefix="sam2-volume-seg-", suffix=".txt", delete=False, encoding="utf-8", errors="replace"
        ) as file:
            file.write(details)
    except OSError:
        return f"Please report it:\n{details}"
    return f"Please report it, with what is in {file.name}"


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Say what the user is to know, once and as a sentence; what libraries warn of is for programmers."""
    said = set()

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if issubclass(category, InputWarning) and str(message) not in said:
            said.add(str(message))
            print(f"Note: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", InputWarning)
        warnings.showwarning = show
        yield


@contextmanager
def _signals_as_interrupts() -> Iterator[list[int]]:
    """Let SIGTERM (a cluster's time is over) and SIGHUP (the terminal is gone) end a command as Ctrl-C does.

    One that the shell has switched off, as for background programs, stays off.

    Yields:
        The signals that came, a list that grows.
    """
    came: list[int] = []
    before: dict[int, Any] = {}

    def interrupt(number: int, _: object) -> None:
        came.append(number)
        raise _Signal

    if threading.current_thread() is threading.main_thread():  # Python allows no other
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, interrupt)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
