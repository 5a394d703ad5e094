"""Carry the masks of one segment along one axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from SAM2VolumeSegLib.model.policy import MemoryPolicy
from SAM2VolumeSegLib.model.sam2_volume import SliceMemory, SlicePrediction, SliceQuery
from SAM2VolumeSegLib.propagation.sight import Span

LOGIT_LIMIT = 4.0
"""Logits are clamped to this (a probability of 0.98) before they are averaged: SAM2 gives -1024 for an absent
structure, which would outvote every other axis, and the size of a logit beyond "sure" says little."""

GONE_AFTER = 2  # slices without the structure that end an extension


@dataclass(frozen=True, eq=False)
class _Found:
    """What is kept of a prediction, on its device: logits [1, 1, S/4, S/4] and confidence [1]."""

    logits: torch.Tensor
    confidence: torch.Tensor

    @classmethod
    def of(cls, prediction: SlicePrediction) -> _Found:
        return cls(prediction.logits, prediction.iou.clamp(0, 1) * prediction.object_score.sigmoid())


@dataclass(frozen=True, eq=False)
class Guess:
    """Of one slice: logits [D, S/4, S/4] float32 of the D directions that reached it, with the weight of each when they
    are averaged; confidence 0..1."""

    logits: np.ndarray
    confidence: float
    weights: tuple[float, ...] = (1.0,)

    @classmethod
    def of_all(cls, found: Sequence[_Found]) -> list[Guess]:
        """The guesses of many single predictions (B = 1), read at once: a GPU has to be waited for to read anything."""
        if not found:
            return []
        logits = torch.cat([one.logits for one in found]).cpu().numpy()
        confidence = torch.cat([one.confidence for one in found]).cpu().tolist()
        return [cls(*one) for one in zip(logits, confidence, strict=True)]

    @property
    def weight(self) -> float:
        """How much it counts beside other axes."""
        return float(np.mean(self.weights))

    @staticmethod
    def votes(guesses: Sequence[Guess], sample: Callable[[np.ndarray], np.ndarray] = np.asarray) -> np.ndarray:
        """Of guesses from as many directions each: the mean of the directions within LOGIT_LIMIT, float32 [N, ...].

        sample: brings [..., S/4, S/4] to another grid. Clamped only there: the boundary lies where interpolated logits
        are 0, and where those inside and outside are of different size, clamping them first would move it, by up to
        half a pixel of S/4.
        """
        votes = np.clip(sample(np.stack([guess.logits for guess in guesses])), -LOGIT_LIMIT, LOGIT_LIMIT)
        weights = np.array([guess.weights for guess in guesses])  # [N, D]
        total = sum(votes[:, n] * weights[:, n, None, None] for n in range(weights.shape[1]))
        return (total / weights.sum(axis=1)[:, None, None]).astype(np.float32)

    def vote(self) -> np.ndarray:
        """The same of this one alone, [S/4, S/4]."""
        return self.votes([self])[0]

    def mask(self, size: int) -> np.ndarray:
        """The guess as a mask of the model's input size, bool [size, size]."""
        enlarge = size // self.logits.shape[-1]
        return np.kron(self.vote() > 0, np.ones((enlarge, enlarge), dtype=bool))


class Walk:
    """One pass over an axis, forward (step 1) or backward (step -1): where it is, what it looks at, what it found.

    It computes nothing itself: answer its `query` with a prediction and `go_on`, until `time` is None. So the queries
    of many walks can be answered together.

    prompts: memories of the prompted times; asked for when they are looked at. index: from a time to the slice's index.
    Beyond the outermost prompts it goes on, away from them, until the structure is gone.
    """

    def __init__(
        self,
        prompts: Mapping[int, SliceMemory],
        span: Span,
        policy: MemoryPolicy,
        step: int,
        index: Callable[[int], int] = int,
    ):
        self.step = step
        self._found: dict[int, _Found] = {}
        self._prompts, self._span, self._policy, self._index = prompts, span, policy, index
        self._memories: dict[int, SliceMemory] = {}
        self._tracked: dict[int, float] = {}
        self._gone = 0
        start, stop = (min(prompts), max(prompts)) if step > 0 else (max(prompts), min(prompts))
        ahead, behind = (span.last, span.first) if step > 0 else (span.first, span.last)
        self._start = start
        # (times, direction, whether it ends where the structure does)
        self._stretches = [
            (range(start, stop + step, step), step, False),
            (range(stop + step, ahead + step, step), step, True),
            (range(start - step, behind - step, -step), -step, True),
        ]
        self._skip_done()

    @property
    def time(self) -> int | None:
        """The time it is at; None when it has arrived."""
        return self._stretches[0][0][0] if self._stretches else None

    @property
    def guesses(self) -> dict[int, Guess]:
        """What was found so far, by time."""
        return dict(zip(self._found, Guess.of_all(list(self._found.values())), strict=True))

    @property
    def left(self) -> int:
        """How many times are left at most, this one included."""
        return sum(len(times) for times, _, _ in self._stretches)

    def upcoming(self, count: int) -> list[int]:
        """Indices of the next slices that it will predict after this one."""
        if not self._stretches:
            return []
        times = self._stretches[0][0][1 : 1 + 2 * count]
        return [self._index(time) for time in times if time not in self._prompts][:count]

    def query(self) -> SliceQuery | None:
        """What has to be predicted now; None where the slice is prompted."""
        if self.time in self._prompts:
            return None
        direction = self._stretches[0][1]
        chosen = self._policy.choose(self.time, direction, self._prompts.keys(), self._tracked, self._span.slices)
        return SliceQuery(
            self._index(self.time),
            tuple((row, self._memory(time)) for time, row in chosen.spatial),
            tuple((ago, self._memory(time)) for time, ago in chosen.pointers),
            self._span.slices,
        )

    def go_on(self, prediction: SlicePrediction | None) -> None:
        """Take the answer to the query (None on a prompted slice) and go to the next slice."""
        times, direction, until_gone = self._stretches[0]
        ended = False
        if prediction is not None:
            found = self._found[self.time] = _Found.of(prediction)
            # Numbers are read from the device only where a choice needs them: a GPU would be waited for on every slice.
            self._tracked[self.time] = found.confidence.item() if self._policy.gate else 1.0
            self._memories[self.time] = prediction.memory
            if until_gone:
                self._gone = 0 if (found.logits > 0).any() else self._gone + 1
                ended = self._gone == GONE_AFTER
            self._forget()
        self._stretches[0] = (times[:0] if ended else times[1:], direction, until_gone)
        self._skip_done()

    def _memory(self, time):
        return self._prompts[time] if time in self._prompts else self._memories[time]

    def _forget(self):
        """Keep only what can still be looked at: near this slice, and near the start, where the last stretch begins."""
        reach = self._policy.reach
        if reach is not None:
            near = (self.time, self._start)
            for time in [t for t in self._memories if min(abs(t - n) for n in near) > reach]:
                del self._memories[time]

    def _skip_done(self):
        while self._stretches and not self._stretches[0][0]:
            self._stretches.pop(0)
            self._gone = 0


def average(guesses: list[dict[int, Guess]]) -> dict[int, Guess]:
    """Bring the directions of one axis together, slice by slice: those that reached it, and their mean confidence."""
    times = sorted(set().union(*guesses))
    result = {}
    for time in times:
        found = [guess[time] for guess in guesses if time in guess]
        weights = tuple(weight for guess in found for weight in guess.weights)
        confidence = np.average([guess.confidence for guess in found], weights=weights)
        result[time] = Guess(np.concatenate([guess.logits for guess in found]), float(confidence), weights)
    return result


MIN_CONFIDENCE = 0.5
MIN_GAP = 4


def extra_prompts(prompted: Mapping[int, np.ndarray], guesses: Mapping[int, Guess], size: int) -> dict[int, np.ndarray]:
    """Prompts for a second pass: the most confident slice of each gap of at least MIN_GAP slices between two prompts.

    A slice below MIN_CONFIDENCE, or without the structure, is no prompt.
    """
    times = sorted(prompted)
    extra = {}
    for before, after in zip(times, times[1:], strict=False):
        gap = [time for time in range(before + 1, after) if time in guesses]
        if len(gap) >= MIN_GAP:
            best = max(gap, key=lambda time: guesses[time].confidence)
            mask = guesses[best].mask(size)
            if guesses[best].confidence >= MIN_CONFIDENCE and mask.any():
                extra[best] = mask
    return extra
