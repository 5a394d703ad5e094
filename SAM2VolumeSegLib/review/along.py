"""What is known of a segment from slice to slice along an axis: to see at a glance where it jumps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from SAM2VolumeSegLib.propagation.result import LOGIT_LIMIT, STEPS_PER_LOGIT
from SAM2VolumeSegLib.review.evidence import SegmentEvidence
from SAM2VolumeSegLib.volume import BoxMask, Plane, Volume


@dataclass(frozen=True, eq=False)
class Along:
    """Numbers of the slices of one plane that show a segment, in the order of their indices.

    Attributes:
        plane: of the slices.
        indices: in the volume's array, int [n].
        area_mm2: of the mask, float [n].
        confidence: SAM2's own, 0..1, NaN where this axis has none.
        disagreement: standard deviation of the votes in the mask, as a share of the largest logit, 0..1; NaN where the
            mask is empty.
        painted: bool [n], whether all is known of the slice.
    """

    plane: Plane
    indices: np.ndarray
    area_mm2: np.ndarray
    confidence: np.ndarray
    disagreement: np.ndarray
    painted: np.ndarray

    @classmethod
    def of(cls, volume: Volume, evidence: SegmentEvidence, found: BoxMask, plane: Plane) -> Along:
        """Look at a segment.

        Args:
            volume: the CT.
            evidence: what a run kept of it.
            found: the mask that is judged.
            plane: of the slices.
        """
        view, box = volume.view(plane), found.trimmed().box
        mask, others = found.on(box), tuple({0, 1, 2} - {view.axis})
        indices = np.arange(box.lower[view.axis], box.upper[view.axis])
        voxels = np.count_nonzero(mask, axis=others)
        spread = np.where(mask, evidence.on(box, evidence.spread, 0), 0).sum(axis=others, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            disagreement = spread / voxels / (LOGIT_LIMIT * STEPS_PER_LOGIT)
        confident = evidence.confidence.get(plane, {})
        known = {index for own, index in evidence.places if own is plane}
        return cls(
            plane,
            indices,
            voxels * view.row_mm * view.col_mm,
            np.array([confident.get(index, np.nan) for index in indices.tolist()]),
            disagreement,
            np.array([index in known for index in indices.tolist()], dtype=bool),
        )
