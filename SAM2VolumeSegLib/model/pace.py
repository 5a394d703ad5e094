"""How long one of something takes, from what was timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """Seconds for one of many equal things that are done in calls of one or several.

    The first call does not count: there memory is taken and kernels are chosen, which makes it several times as long.
    """

    def __init__(self):
        self._seconds: float | None = None  # None: not even the first call is over
        self._count = 0

    @property
    def each(self) -> float | None:
        """Seconds for one; None before the second call is over."""
        return self._seconds / self._count if self._count else None

    @contextmanager
    def timed(self, count: int) -> Iterator[None]:
        """Time the block, in which ``count`` are done."""
        started = time.perf_counter()
        yield
        if self._seconds is None:
            self._seconds = 0.0
        else:
            self._seconds += time.perf_counter() - started
            self._count += count
