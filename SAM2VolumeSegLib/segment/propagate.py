"""Carry the masks of one segment along one axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from SAM2VolumeSegLib.model.policy import MemoryPolicy
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.segment.pictures import PlanePictures

LOGIT_LIMIT = 4.0
"""Logits are clamped to this (a probability of 0.98) before they are averaged: SAM2 gives -1024 for an absent
structure, which would outvote every other axis, and the size of a logit beyond "sure" says little."""

GONE_AFTER = 2  # slices without the structure that end an extension


@dataclass(frozen=True, eq=False)
class Guess:
    """Logits [S/4, S/4] float32 within LOGIT_LIMIT, confidence 0..1, and weight when it is averaged, of one slice."""

    logits: np.ndarray
    confidence: float
    weight: float = 1.0

    def mask(self, size: int) -> np.ndarray:
        """The guess as a mask of the model's input size, bool [size, size]."""
        enlarge = size // self.logits.shape[0]
        return np.kron(self.logits > 0, np.ones((enlarge, enlarge), dtype=bool))


@dataclass(frozen=True)
class Span:
    """Which times are propagated through: from `first` to `last`; seeds bound it unless the volume's ends do."""

    first: int
    last: int

    @property
    def slices(self) -> int:
        """Length of the stack, the paper's N in abs(t - p) / N."""
        return self.last - self.first + 1


def span_of(prompted: Mapping[int, np.ndarray], ends: tuple[int, int], extend: bool) -> Span:
    """The span of an axis with masks at the given times; an extension goes no further than `ends` (first, last time).

    A single painted slice always extends. Nothing is looked for beyond an outermost slice that is declared absent.
    """
    first, last = min(prompted), max(prompted)
    if extend or sum(mask.any() for mask in prompted.values()) == 1:
        if prompted[first].any():
            first = min(first, ends[0])
        if prompted[last].any():
            last = max(last, ends[1])
    return Span(first, last)


def propagate(
    tracker: SliceTracker,
    pictures: PlanePictures,
    prompted: Mapping[int, np.ndarray],
    span: Span,
    policy: MemoryPolicy,
    step: int,
) -> Iterator[tuple[int, Guess | None, int]]:
    """Propagate once through `span`, forward (step 1) or backward (step -1).

    prompted: time -> bool [S, S] at the model's size. Yields each time, its guess (None where it is prompted), and how
    many times are left at most. Beyond the outermost prompts it goes on, away from them, until the structure is gone.
    """
    start, stop = (min(prompted), max(prompted)) if step > 0 else (max(prompted), min(prompted))
    ahead, behind = (span.last, span.first) if step > 0 else (span.first, span.last)
    memories, tracked = {}, {}
    for time, mask in prompted.items():
        features = tracker.features(pictures, pictures.index(time))
        memories[time] = tracker.prompt(features, mask).memory

    stretches = (
        (range(start, stop + step, step), step, False),
        (range(stop + step, ahead + step, step), step, True),
        (range(start - step, behind - step, -step), -step, True),
    )
    later = sum(len(times) for times, _, _ in stretches)
    for times, direction, until_gone in stretches:
        later -= len(times)
        gone = 0
        for position, time in enumerate(times):
            left = later + len(times) - position - 1
            if time in prompted:
                yield time, None, left
                continue
            upcoming = [pictures.index(t) for t in times[position + 1 :] if t not in prompted]
            features = tracker.features(pictures, pictures.index(time), upcoming)
            chosen = policy.choose(time, direction, prompted.keys(), tracked, span.slices)
            prediction = tracker.track(features, chosen, memories, span.slices)
            memories[time] = prediction.memory
            logits = prediction.logits[0, 0].clamp(-LOGIT_LIMIT, LOGIT_LIMIT).cpu().numpy()
            tracked[time] = float(prediction.iou[0].clamp(0, 1) * prediction.object_score[0].sigmoid())
            gone = gone + 1 if not (logits > 0).any() else 0
            ended = until_gone and gone == GONE_AFTER
            yield time, Guess(logits, tracked[time]), later if ended else left
            if ended:
                break


def average(guesses: list[dict[int, Guess]]) -> dict[int, Guess]:
    """Average the directions of one axis, slice by slice, over those that reached the slice, by their weights."""
    times = sorted(set().union(*guesses))
    result = {}
    for time in times:
        found = [guess[time] for guess in guesses if time in guess]
        weights = [guess.weight for guess in found]
        logits = np.average([guess.logits for guess in found], axis=0, weights=weights).astype(np.float32)
        confidence = np.average([guess.confidence for guess in found], weights=weights)
        result[time] = Guess(logits, float(confidence), float(np.mean(weights)))
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
