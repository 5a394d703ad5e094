"""What a run reports while it goes on, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from SAM2VolumeSegLib.volume import Box, Plane


@dataclass(frozen=True)
class Progress:
    """Where a run is. `total` can shrink, when a structure ends before the volume does."""

    segment: str
    plane: Plane
    index: int
    done: int
    total: int
    seconds_left: float

    @property
    def slices_left(self) -> int:
        """Slices still to be predicted, in all axes, directions, passes and segments."""
        return self.total - self.done


@dataclass(frozen=True, eq=False)
class SegmentResult:
    """The answer for one segment.

    mask: bool [k, j, i] on the volume's grid; on seeded slices it is the user's. logits: fused, float32, inside `box`
    (background outside of it), before contested voxels are given away and islands dropped. plane_logits: per axis, NaN
    where that axis has no vote; only kept on request. confidence: per axis and slice index, 0..1: SAM2's own estimate
    of the overlap times the probability that the structure is there; 1 on seeded slices.
    """

    mask: np.ndarray
    logits: np.ndarray
    box: Box
    confidence: dict[Plane, dict[int, float]]
    plane_logits: dict[Plane, np.ndarray]

    @property
    def mean_confidence(self) -> float:
        """Mean over the slices of all axes."""
        return float(np.mean([value for slices in self.confidence.values() for value in slices.values()]))


@dataclass(frozen=True, eq=False)
class Result:
    """Segments by name, and how they were made (plain values that JSON can hold)."""

    segments: dict[str, SegmentResult]
    provenance: dict[str, Any]
