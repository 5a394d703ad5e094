"""What a run kept of how sure it was, in small types: enough for a review long after the run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.propagation import Request, Result, SegmentResult
from SAM2VolumeSegLib.propagation.result import STEPS_PER_LOGIT
from SAM2VolumeSegLib.seeds import SeedSlice, SlicePlace
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane, Volume, Window
from SAM2VolumeSegLib.volume.provenance import to_json

FURTHEST_MM = 50.0
NEAR_MM = 10.0
"""How far from the surface something is said; further away a result is hardly ever wrong without being wrong as a
whole."""


@dataclass(frozen=True, eq=False)
class SegmentEvidence:
    """What is known of a segment. Arrays are on the box of ``found``; logits are in steps of 1 / STEPS_PER_LOGIT.

    Attributes:
        found: the mask.
        fused: int8, the logits that the mask was made from: after edges, before islands and contests.
        voted: int8, the mean of the axes' votes before surfaces moved to the CT's edges.
        spread: uint8, standard deviation of the votes of axes and directions.
        confidence: SAM2's own, 0..1 with four digits, by plane and slice index.
        painted: the slices on which it was painted.
        absent: the slices on which it was declared absent.
    """

    found: BoxMask
    fused: np.ndarray
    voted: np.ndarray
    spread: np.ndarray
    confidence: Mapping[Plane, Mapping[int, float]]
    painted: tuple[SlicePlace, ...]
    absent: tuple[SlicePlace, ...] = ()

    @classmethod
    def of(cls, segment: SegmentResult, seeds: Sequence[SeedSlice]) -> SegmentEvidence:
        """What a run kept of a segment, and the seeds that it had."""
        fused = np.rint(segment.logits * STEPS_PER_LOGIT).astype(np.int8)
        # As a file has it: a review of what was kept finds the same as one right after the run.
        confidence = {
            plane: {index: round(float(value), 4) for index, value in slices.items()}
            for plane, slices in segment.confidence.items()
        }
        return cls(segment.found, fused, segment.voted, segment.spread, confidence, ()).with_seeds(seeds)

    def with_seeds(self, seeds: Sequence[SeedSlice]) -> SegmentEvidence:
        """The same, as if these slices had been painted, or declared absent."""
        places = {absent: tuple((s.plane, s.index) for s in seeds if s.absent == absent) for absent in (False, True)}
        return replace(self, painted=places[False], absent=places[True])

    def seeds(self, volume: Volume) -> list[SeedSlice]:
        """The seeds that the run had: on a painted slice the mask is what was painted."""
        found = []
        for plane, index in self.places:
            view = volume.view(plane)
            whole = Box(*view.corners(index, index, (0, view.shape[0], 0, view.shape[1])))
            mask = view.slice(self.found.on(whole), 0)
            found.append(SeedSlice(plane, index, mask if (plane, index) in self.painted else np.zeros_like(mask)))
        return found

    @property
    def box(self) -> Box:
        """What is known of the volume."""
        return self.found.box

    def on(self, box: Box, values: np.ndarray, outside: float) -> np.ndarray:
        """Values of the segment's box on another box."""
        return self.box.carried(values, box, outside)

    def surroundings(self, volume: Volume) -> Box:
        """The box around the mask and all that is near its surface; around the evidence where the mask is empty."""
        used = Box.of(self.found.inside)
        return self.box if used.is_empty else used.moved(self.box.lower).grown(NEAR_MM, volume)

    def from_painted_mm(self, volume: Volume, box: Box) -> np.ndarray:
        """Distance to the nearest slice on which all is known, float32 on a box; FURTHEST_MM at most."""
        distance = np.full(box.shape, FURTHEST_MM, dtype=np.float32)
        for view in map(volume.view, Plane):
            own = [index for plane, index in self.places if plane is view.plane]
            if own:
                along = np.arange(box.lower[view.axis], box.upper[view.axis])
                nearest = np.abs(along[:, None] - np.array(own)).min(axis=1) * view.slice_mm
                shape = tuple(-1 if axis == view.axis else 1 for axis in range(3))
                np.minimum(distance, nearest.reshape(shape), out=distance, casting="same_kind")
        return distance

    def known(self, volume: Volume, box: Box) -> np.ndarray:
        """The voxels of a box on painted slices, and on those that were declared absent."""
        return self.from_painted_mm(volume, box) == 0

    @property
    def places(self) -> tuple[SlicePlace, ...]:
        """The slices on which all is known: painted, or declared absent."""
        return self.painted + self.absent


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of a result.

    Attributes:
        fingerprint: of the volume.
        window: in which the run saw it.
        segments: by name.
        run: which run kept it (see `run_identity`).
    """

    fingerprint: str
    window: Window
    segments: Mapping[str, SegmentEvidence]
    run: str = ""

    def check_about(self, volume: Volume) -> None:
        """Raise InputError where a volume is another one than that of the run."""
        if volume.fingerprint() != self.fingerprint:
            raise InputError(
                _(
                    'The result was made from another volume than "{volume}". Choose the volume that it was made from, '
                    "or propagate on this one first."
                ).format(volume=volume.name)
            )

    @classmethod
    def of(cls, request: Request, result: Result) -> Evidence:
        """What a run kept."""
        seeds = request.named_seeds
        return cls(
            request.fingerprint,
            Window(*result.provenance["window_hu"]),
            {name: SegmentEvidence.of(segment, seeds[name]) for name, segment in result.segments.items()},
            run_identity(result.provenance),
        )


def run_identity(provenance: Mapping[str, Any]) -> str:
    """Tell runs apart: a digest of how a result was made, its date and duration included, the same when read back."""
    return hashlib.sha256(to_json(provenance).encode()).hexdigest()
