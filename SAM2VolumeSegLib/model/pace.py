"""How long the parts of a run take: what is counted, what was timed, and what can be told from it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

import numpy as np

SLOWEST = 0.1
"""Share of the calls that is left out, the slowest ones: other programs and a paused window only ever add time."""
RECENT = 200
"""Calls that count at most, the latest ones: of those before, the machine may have been busy with something else."""
DOUBT = 0.5
"""Calls after which what is seen counts as much as what was expected."""
NEAR = 0.1
"""Calls that say the parts of a call are as they were thought, beside those that were timed."""
WAITED_FOR = 8
"""Of the calls on a graphics card the first so many, and then each so many-th, are waited for; else it would be timed
how long it takes to order them."""


@dataclass(frozen=True)
class Work:
    """What a run has to compute, or a part of it. What is known from an earlier run is not in it.

    Attributes:
        encode: slices that go through the image encoder, each once.
        prompt: painted masks that are remembered.
        call: calls of the network that predict, each one or several slices.
        predict: slices that are predicted, over segments, axes, directions and passes.
        memory: slices that are looked at, over all predictions.
        visit: slices that are gone over, also those that are known.
        vote: voxels that have a vote, over axes.
        edge: voxels in which a surface moves to the CT's edges.
    """

    encode: float = 0.0
    prompt: float = 0.0
    call: float = 0.0
    predict: float = 0.0
    memory: float = 0.0
    visit: float = 0.0
    vote: float = 0.0
    edge: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(*(getattr(self, kind) + getattr(other, kind) for kind in KINDS))

    def times(self, factor: float) -> Work:
        """So many times as much."""
        return Work(*(factor * getattr(self, kind) for kind in KINDS))


KINDS = tuple(field.name for field in fields(Work))


@dataclass(frozen=True)
class Speed:
    """Seconds for one of each kind of `Work`. The defaults are those of the demo model on a core of an ordinary CPU."""

    encode: float = 8e-3
    prompt: float = 1.5e-2
    call: float = 4.5e-3
    predict: float = 3e-3
    memory: float = 1.5e-4
    visit: float = 2e-4
    vote: float = 5e-8
    edge: float = 6e-7

    def seconds(self, work: Work) -> float:
        """How long work takes."""
        return sum(getattr(self, kind) * getattr(work, kind) for kind in KINDS)

    def refined(self, seen: Mapping[str, float]) -> Speed:
        """The same with what was seen of some kinds in place of what was expected of them."""
        return replace(self, **seen)

    def with_edge(self, edge: float) -> Speed:
        """The same where a voxel's surface takes so long, and its votes accordingly: both are work of the processor."""
        return replace(self, edge=edge, vote=self.vote * edge / self.edge)


class Pace:
    """Times calls that do work of one or more kinds.

    The first call of a network does not count: there memory is taken and kernels are chosen, which makes it several
    times as long.

    Attributes:
        kinds: of `Work`, that a call does.
        done: what all calls did, the first one included.
    """

    def __init__(
        self,
        *kinds: str,
        now: Callable[[], float] = time.perf_counter,
        wait: Callable[[], None] | None = None,
        first_counts: bool = False,
    ):
        """Nothing is timed yet.

        Args:
            kinds: names of fields of `Work`.
            now: the time in seconds.
            wait: until the device has done what it was told; None: it answers only when it is done.
            first_counts: whether the first call takes as long as the others.
        """
        self.kinds, self.done = kinds, Work()
        self._now, self._wait = now, wait
        self._number, self._skipped = 0, 0 if first_counts else 1
        self._calls: deque[tuple[tuple[float, ...], float]] = deque(maxlen=RECENT)
        self._timed = 0.0

    @property
    def counted(self) -> int:
        """How many calls count."""
        return len(self._calls)

    @contextmanager
    def timed(self, *counts: float) -> Iterator[None]:
        """Time the block, which does so much of each kind."""
        is_timed = self._wait is None or self._number <= WAITED_FOR or self._number % WAITED_FOR == 0
        if self._wait is not None and is_timed:
            self._wait()
        started = self._now()
        yield
        if self._wait is not None and is_timed:
            self._wait()
        self.add(counts, self._now() - started if is_timed else None)

    def add(self, counts: tuple[float, ...], seconds: float | None) -> None:
        """Take a call.

        Args:
            counts: how much of each kind it did.
            seconds: how long it took; None: nobody waited for it.
        """
        work = Work(**dict(zip(self.kinds, counts, strict=True)))
        self._number += 1
        self.done = self.done + work
        if seconds is None:
            return
        self._timed += seconds
        if self._number > self._skipped:
            self._calls.append((counts, seconds))

    def spent(self, speed: Speed) -> float:
        """Seconds of all calls: as timed, and for those that nobody waited for as expected of them now."""
        if self._wait is None:
            return self._timed
        return self.ratio(speed) * speed.seconds(self.done)

    def ratio(self, speed: Speed, doubt: float = 0.0) -> float:
        """How many times as long as expected calls take.

        Args:
            speed: what was expected.
            doubt: so many calls as expected are thought of beside those that were timed.

        Returns:
            1 where none counts.
        """
        counts, seconds, expected = self._ordinary(speed)
        if not len(seconds):
            return 1.0
        added = doubt * expected.mean()
        return float((seconds.sum() + added) / max(expected.sum() + added, 1e-12))

    def seen(self, speed: Speed) -> dict[str, float]:
        """Seconds for each kind, as the calls say.

        With several kinds it is the least squares, near to one factor for all: calls that are all alike cannot tell
        their parts apart.

        Args:
            speed: what was expected.
        """
        expected = self.ratio(speed) * np.array([getattr(speed, kind) for kind in self.kinds])
        if len(self.kinds) == 1:
            return {self.kinds[0]: float(expected[0])}
        counts, seconds, _ = self._ordinary(speed)
        whole = counts @ expected
        shares = counts * expected / whole[:, None]
        matrix = shares.T @ shares + NEAR * np.eye(len(expected))
        factors = np.linalg.solve(matrix, shares.T @ (seconds / whole) + NEAR)
        # Noise can tell more apart than there is: no part is much less than nothing.
        return dict(zip(self.kinds, (expected * np.maximum(factors, 0.05)).tolist(), strict=True))

    def _ordinary(self, speed: Speed) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Counts [N, kinds], seconds [N] and expected seconds [N] of all calls but the slowest for what they did."""
        counts = np.array([counts for counts, _ in self._calls], dtype=float).reshape(-1, len(self.kinds))
        seconds = np.array([seconds for _, seconds in self._calls])
        expected = counts @ [getattr(speed, kind) for kind in self.kinds]
        some = np.argsort(seconds / np.maximum(expected, 1e-12), kind="stable")
        some = some[: len(some) - int(np.ceil(SLOWEST * len(some)))] if len(some) > 2 else some
        return counts[some], seconds[some], expected[some]
