"""What is known of the voxels near a surface, as the few numbers that the chance of an error is computed from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.propagation.result import LOGIT_LIMIT, STEPS_PER_LOGIT
from SAM2VolumeSegLib.review.evidence import NEAR_MM, SegmentEvidence
from SAM2VolumeSegLib.volume import Box, Plane, Volume

NAMES = ("depth", "result", "votes", "far", "confidence")
"""Of the numbers, all larger where an error is likelier, but for the first:

- depth: logarithm of the distance to the result's surface in mm.
- result: by how much the logits behind the result speak against it, -4..4; they end at the CT's edges.
- votes: likewise the mean of the axes' votes, before edges.
- far: logarithm of 1 mm and the distance to the nearest painted slice.
- confidence: what SAM2's least confident slice through the voxel lacks of 1; all where an axis has no vote.

What was tried and left out, because it told no more than these: record 22 of docs/decisions.
"""


class Features(NamedTuple):
    """The numbers of some voxels.

    Attributes:
        box: voxels [k, j, i] around the mask, 10 mm wider.
        mask: bool, on the box.
        where: bool, on the box: the voxels that have numbers, no further than 10 mm from the surface, and on no painted
            slice.
        values: float32 [n, 5], those of NAMES for each of these voxels in C order.
    """

    box: Box
    mask: np.ndarray
    where: np.ndarray
    values: np.ndarray


def features_of(volume: Volume, evidence: SegmentEvidence, only: Box | None = None) -> Features:
    """The numbers of a segment.

    Args:
        volume: the CT.
        evidence: what a run kept of the segment.
        only: voxels that are wanted, of evidence that ends somewhere inside of the structure; None: all.
    """
    box = evidence.surroundings(volume) if only is None else evidence.box
    mask, spacing = evidence.on(box, evidence.found.inside, False), volume.spacing[::-1]
    depth = depth_mm(mask, spacing)
    where = (depth <= NEAR_MM) & ~evidence.known(volume, box)
    if only is not None:
        wanted = np.zeros(box.shape, dtype=bool)
        wanted[box.index_of(box.meet(only))] = True
        where &= wanted
    against = np.where(mask, -1.0, 1.0)[where]
    lowest = -LOGIT_LIMIT * STEPS_PER_LOGIT
    result, votes = (
        against * evidence.on(box, logits, lowest)[where] / STEPS_PER_LOGIT
        for logits in (evidence.fused, evidence.voted)
    )
    far = np.log1p(evidence.from_painted_mm(volume, box)[where])
    values = [np.log(depth[where]), result, votes, far, 1 - lowest_confidence(volume, evidence, box)[where]]
    return Features(box, mask, where, np.stack(values, axis=1).astype(np.float32))


def depth_mm(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Distance of each voxel to the nearest one of the other kind, float32 in mm; infinite where there is none."""
    if mask.all() or not mask.any():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    depth = ndimage.distance_transform_edt(mask, sampling=spacing).astype(np.float32)
    return np.maximum(depth, ndimage.distance_transform_edt(~mask, sampling=spacing), out=depth, casting="same_kind")


def lowest_confidence(volume: Volume, evidence: SegmentEvidence, box: Box) -> np.ndarray:
    """SAM2's own confidence, of the least confident axis; 0 on a slice of which an axis says nothing."""
    lowest = np.ones(box.shape, dtype=np.float32)
    for plane, slices in evidence.confidence.items():
        view = volume.view(Plane(plane))
        along = np.array([slices.get(index, 0.0) for index in range(box.lower[view.axis], box.upper[view.axis])])
        shape = tuple(-1 if axis == view.axis else 1 for axis in range(3))
        np.minimum(lowest, along.reshape(shape), out=lowest, casting="same_kind")
    return lowest
