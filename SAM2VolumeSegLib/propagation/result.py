"""What a run reports while it goes on, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from SAM2VolumeSegLib.propagation.cut_off import CutOff, cut_off_sentences
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane

LOGIT_LIMIT = 4.0
"""Logits are clamped to this (a probability of 0.98) before they are averaged: SAM2 gives -1024 for an absent
structure, which would outvote every other axis, and the size of a logit beyond "sure" says little."""
STEPS_PER_LOGIT = 30
"""Of logits that are kept in a byte: LOGIT_LIMIT is 120."""


@dataclass(frozen=True)
class Progress:
    """Where a run is.

    Attributes:
        segment: its name.
        plane: of the slice that is done; None while the votes of the axes are brought together.
        index: of that slice in the volume's array; likewise.
        done: slices.
        total: slices; it can shrink, when a structure ends before the volume does.
        seconds_left: until the result is there; None as long as too little was computed to tell.
    """

    segment: str
    plane: Plane | None
    index: int | None
    done: int
    total: int
    seconds_left: float | None

    @property
    def slices_left(self) -> int:
        """Slices still to be predicted, in all axes, directions, passes and segments."""
        return self.total - self.done


@dataclass(frozen=True, eq=False)
class SegmentResult:
    """The answer for one segment, kept in the box around it.

    Attributes:
        found: the mask; on seeded slices it is the user's.
        logits: fused, float32, inside `box` (background outside of it), before contested voxels are given away and
            islands dropped.
        confidence: per axis and slice index, 0..1: SAM2's own estimate of the overlap times the probability that the
            structure is there; 1 on seeded slices.
        plane_logits: per axis, inside `box`, NaN where that axis has no vote; only kept on request.
        voted: int8, inside `box`, in steps of 1 / STEPS_PER_LOGIT: mean of the votes, before surfaces moved to edges.
        spread: uint8, likewise: standard deviation of the votes of axes and directions, by their weights.
        plane_weights: likewise what they count, 0 where there is no vote. Their weighted mean is what becomes `logits`,
            before surfaces move to the CT's edges.
        cut_off: the sides on which it reaches the edge of where it was looked for, while the CT goes on.
    """

    found: BoxMask
    logits: np.ndarray
    confidence: dict[Plane, dict[int, float]]
    plane_logits: dict[Plane, np.ndarray]
    voted: np.ndarray
    spread: np.ndarray
    plane_weights: dict[Plane, np.ndarray] = field(default_factory=dict)
    cut_off: tuple[CutOff, ...] = ()

    @property
    def box(self) -> Box:
        """What is kept of the volume."""
        return self.found.box

    @property
    def mask(self) -> np.ndarray:
        """The mask on the volume's grid, bool [k, j, i]: a new array each time it is asked for."""
        return self.found.whole()

    @property
    def mean_confidence(self) -> float:
        """Mean over the slices of all axes."""
        return float(np.mean([value for slices in self.confidence.values() for value in slices.values()]))


@dataclass(frozen=True, eq=False)
class Result:
    """What a run found.

    Attributes:
        segments: the answers by name.
        provenance: how they were made, plain values that JSON can hold.
    """

    segments: dict[str, SegmentResult]
    provenance: dict[str, Any]

    @property
    def warnings(self) -> list[str]:
        """What the user should know of it, in sentences: where segments may be cut off."""
        return [text for name, found in self.segments.items() for text in cut_off_sentences(name, found.cut_off)]
