"""How long one of something takes, from what was timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """Seconds for one of many equal things that are done in calls of one or several.

    The first call does not count: there memory is taken and kernels are chosen, which makes it several times as long.

    Attributes:
        total: Seconds of all calls, the first one included.
        fastest: Seconds for one in the fastest call but the first: what warming up and other programs add is not in it.
    """

    def __init__(self) -> None:
        self.total = 0.0
        self.fastest: float | None = None
        self._first: float | None = None
        self._count = 0

    @property
    def each(self) -> float | None:
        """Seconds for one; None before the second call is over."""
        return (self.total - self._first) / self._count if self._first is not None and self._count else None

    @contextmanager
    def timed(self, count: int) -> Iterator[None]:
        """Time the block, in which ``count`` are done."""
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        self.total += seconds
        if self._first is None:
            self._first = seconds
        else:
            self._count += count
            self.fastest = min(seconds / count, self.fastest or seconds / count)
