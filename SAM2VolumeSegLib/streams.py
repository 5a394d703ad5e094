"""Standard output and error that may go away, full or closed: what is printed then is lost, but not the work."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TextIO, cast


class LastingStream:
    """A text stream whose writing never fails.

    Attributes:
        error: why it took no more; None while it does.
    """

    def __init__(self, stream: TextIO | None):
        """Write to a stream; None where it was closed before the program began."""
        self._stream = stream
        self.error: OSError | None = None
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")  # a console that lacks a letter of a segment's name gets "?"

    def write(self, text: str) -> int:
        """Write what the stream takes, and say that all was."""
        if self._stream is None:
            self.error = OSError(errno.EBADF, os.strerror(errno.EBADF))
        elif self.error is None:
            with self._kept(self._stream):
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Pass on what waits."""
        if self._stream is not None and self.error is None:
            with self._kept(self._stream):
                self._stream.flush()

    def isatty(self) -> bool:
        """Say whether this is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _kept(self, stream: TextIO) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = error
            with suppress(OSError):  # what waits in Python's buffer goes nowhere, or Python complains at its end
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


@dataclass(frozen=True)
class Streams:
    """Standard output (``out``) and error (``err``) while a command runs."""

    out: LastingStream
    err: LastingStream

    def lost(self) -> OSError | None:
        """Return why not all that was printed arrived on standard output, and say it; None where all did."""
        self.out.flush()
        if self.out.error and self.out.error.errno != errno.EPIPE:  # who closed the pipe knows
            self.err.write(f"Note: what was to be printed is lost ({self.out.error.strerror}).\n")
        self.err.flush()
        return self.out.error


@contextmanager
def lasting_streams() -> Iterator[Streams]:
    """Make the standard streams last for a while."""
    # A file that is opened must not get the number of a closed stream: what C libraries print would go into it.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    before = sys.stdout, sys.stderr
    streams = Streams(LastingStream(sys.stdout), LastingStream(sys.stderr))
    sys.stdout, sys.stderr = cast(TextIO, streams.out), cast(TextIO, streams.err)
    try:
        yield streams
    finally:
        sys.stdout, sys.stderr = before
