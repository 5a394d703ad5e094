"""Carry the masks of one segment along one axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from SAM2VolumeSegLib.model.network import SliceMemory, SlicePrediction, SliceQuery
from SAM2VolumeSegLib.model.policy import (
    SAM2_LIMITS,
    Memories,
    MemoryLimits,
    MemoryPolicy,
    Place,
    SliceFacts,
    check_chosen,
)
from SAM2VolumeSegLib.propagation.sight import Span
from SAM2VolumeSegLib.propagation.vote import Found, Vote

GONE_AFTER = 2  # slices without the structure that end an extension


@dataclass
class _Stretch:
    """Positions that a walk still has to visit, one after the other, in direction `step`."""

    positions: range
    step: int
    until_gone: bool
    """It ends where the structure does."""
    visited: int = 0
    given_up: int = 0
    """Positions that were left out when it ended."""


class Walk:
    """One pass over an axis, forward (step 1) or backward (step -1): where it is, what it looks at, what it found.

    It computes nothing itself: answer its `query` with a prediction and `go_on`, until `position` is None. So the
    queries of many walks can be answered together. Beyond the outermost prompts it goes on, away from them, until the
    structure is gone. Where only some positions are wanted, it ends when it has passed them.

    Attributes:
        step: 1 or -1; beyond its first prompt it goes the other way.
        chosen: What the slice of the last `query` looks at, by position; None where it is prompted.
        gone_over: positions beyond the prompts that were visited, on ways that have ended.
        at_most: how many they could have been.
    """

    def __init__(
        self,
        prompts: Mapping[int, SliceMemory],
        span: Span,
        policy: MemoryPolicy,
        step: int,
        index: Callable[[int], int] = int,
        limits: MemoryLimits = SAM2_LIMITS,
        wanted: range | None = None,
    ):
        """Stand at the first prompt.

        Args:
            prompts: Memories of the prompts by position; asked for when they are looked at.
            span: What is propagated through.
            policy: Chooses what each slice looks at.
            step: 1 or -1.
            index: From a position to the slice's index.
            limits: What the network's memory can hold.
            wanted: Positions, ascending, whose votes are needed; None: all.
        """
        self.step = step
        self.chosen: Memories | None = None
        self._found: dict[int, Found] = {}
        self._prompts, self._span, self._policy, self._index = prompts, span, policy, index
        self._limits = limits
        self._memories: dict[int, SliceMemory] = {}
        self._tracked: dict[int, SliceFacts] = {}
        self._gone = 0
        self.gone_over, self.at_most = 0, 0
        start, stop = (min(prompts), max(prompts)) if step > 0 else (max(prompts), min(prompts))
        ahead, behind = (span.last, span.first) if step > 0 else (span.first, span.last)
        self._start = start
        self._stretches = [
            _Stretch(range(start, stop + step, step), step, until_gone=False),
            _Stretch(range(stop + step, ahead + step, step), step, until_gone=True),
            _Stretch(range(start - step, behind - step, -step), -step, until_gone=True),
        ]
        if wanted is not None:
            self._end_after(wanted)
        self._skip_done()

    @property
    def position(self) -> int | None:
        """Where it is; None when it has arrived."""
        return self._stretches[0].positions[0] if self._stretches else None

    @property
    def votes(self) -> dict[int, Vote]:
        """What was found so far, by position."""
        return dict(zip(self._found, Vote.of_all(list(self._found.values())), strict=True))

    @property
    def left(self) -> int:
        """How many positions are left at most, this one included."""
        return sum(len(stretch.positions) for stretch in self._stretches)

    def ahead(self, share: float) -> list[int]:
        """The positions that will probably be visited.

        Args:
            share: of the positions beyond the outermost prompts, those that are visited until the structure is gone.
        """
        found: list[int] = []
        for way in self._stretches:
            count = len(way.positions)
            if way.until_gone:
                if self._gone and way is self._stretches[0]:
                    expected = GONE_AFTER - self._gone  # it was not seen last
                else:
                    expected = max(1, round(share * (way.visited + count)) - way.visited)
                count = min(count, expected)
            found += way.positions[:count]
        return found

    def upcoming(self, count: int) -> list[int]:
        """Indices of the next slices that it will predict after this one."""
        if not self._stretches:
            return []
        positions = self._stretches[0].positions[1 : 1 + 2 * count]
        return [self._index(position) for position in positions if position not in self._prompts][:count]

    def query(self) -> SliceQuery | None:
        """What has to be predicted now; None where the slice is prompted."""
        stretch = self._stretches[0]
        position = stretch.positions[0]
        self.chosen = None
        if position in self._prompts:
            return None
        place = Place(position, stretch.step, self._prompts.keys(), self._tracked, self._span.slices, self._limits)
        self.chosen = chosen = self._policy.choose(place)
        check_chosen(chosen, place, self._policy.kind)
        return SliceQuery(
            self._index(position),
            tuple((age, self._memory(other)) for other, age in chosen.spatial),
            tuple((ago, self._memory(other)) for other, ago in chosen.pointers),
            self._span.slices,
        )

    def go_on(self, prediction: SlicePrediction | None) -> None:
        """Take the answer to the query (None on a prompted slice) and go to the next slice."""
        stretch = self._stretches[0]
        position, stretch.positions = stretch.positions[0], stretch.positions[1:]
        stretch.visited += 1
        if prediction is not None:
            found = self._found[position] = Found.of(prediction)
            self._tracked[position] = self._facts(found)
            self._memories[position] = prediction.memory
            if stretch.until_gone:
                self._gone = 0 if (found.logits > 0).any() else self._gone + 1
                if self._gone == GONE_AFTER:
                    stretch.given_up, stretch.positions = len(stretch.positions), range(0)
            self._forget(position)
        self._skip_done()

    def _end_after(self, wanted: range) -> None:
        """Shorten the stretches to what is wanted, and to what a wanted slice can look at."""
        until, beyond, back = self._stretches
        if not wanted:
            until.positions = beyond.positions = back.positions = range(0)
            return
        furthest, nearest = (wanted[-1], wanted[0]) if self.step > 0 else (wanted[0], wanted[-1])
        if back.positions and (self._start - nearest) * self.step > 0:
            # The last stretch begins with memories of those beside the start.
            reach = self._policy.reach(self._limits)
            beside = self._start + self.step * (self._span.slices if reach is None else reach)
            furthest = max(furthest, beside, key=lambda position: position * self.step)
            back.positions = _up_to(back.positions, nearest)
        else:
            back.positions = range(0)
        until.positions, beyond.positions = _up_to(until.positions, furthest), _up_to(beyond.positions, furthest)

    def _facts(self, found: Found) -> SliceFacts:
        """What the policy needs to know, read from the device at once; nothing where it needs nothing."""
        needed = sorted(self._policy.needs)
        if not needed:
            return SliceFacts()
        numbers: dict[str, Callable[[], Any]] = {
            "confidence": lambda: found.confidence,
            "area": lambda: (found.logits > 0).float().mean(dim=(1, 2, 3)),
        }
        values = torch.cat([numbers[name]().float() for name in needed]).cpu().tolist()
        return SliceFacts(**dict(zip(needed, values, strict=True)))

    def _memory(self, position: int) -> SliceMemory:
        return self._prompts[position] if position in self._prompts else self._memories[position]

    def _forget(self, position: int) -> None:
        """Keep only what can still be looked at: near this slice, and near the start, where the last stretch begins."""
        reach = self._policy.reach(self._limits)
        if reach is not None:
            near = (position, self._start)
            for other in [p for p in self._memories if min(abs(p - n) for n in near) > reach]:
                del self._memories[other]

    def _skip_done(self) -> None:
        while self._stretches and not self._stretches[0].positions:
            stretch = self._stretches.pop(0)
            self._gone = 0
            if stretch.until_gone:
                self.gone_over += stretch.visited
                self.at_most += stretch.visited + stretch.given_up


def _up_to(positions: range, last: int) -> range:
    """The first of some positions in a row, up to one of them."""
    if not positions:
        return positions
    return positions[: max(0, (last - positions[0]) * positions.step + 1)]


MIN_CONFIDENCE = 0.5
MIN_GAP = 4


def extra_prompts(prompted: Mapping[int, np.ndarray], votes: Mapping[int, Vote], size: int) -> dict[int, np.ndarray]:
    """Prompts for a second pass: the most confident slice of each gap of at least MIN_GAP slices between two prompts.

    A slice below MIN_CONFIDENCE, or without the structure, is no prompt.

    Args:
        prompted: Masks of the first pass by position.
        votes: What the first pass found, by position.
        size: Side of the model's input in pixels.

    Returns:
        Masks, bool [size, size], by position.
    """
    positions = sorted(prompted)
    extra = {}
    for before, after in zip(positions, positions[1:], strict=False):
        gap = [position for position in range(before + 1, after) if position in votes]
        if len(gap) >= MIN_GAP:
            best = max(gap, key=lambda position: votes[position].confidence)
            mask = votes[best].mask(size)
            if votes[best].confidence >= MIN_CONFIDENCE and mask.any():
                extra[best] = mask
    return extra
