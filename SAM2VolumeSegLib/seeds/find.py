"""Which slices did the user paint? Find the planes in a painted mask.

A segment holds only voxels, not the slices they were painted on. On a slice that was not painted, the painted slices
of the two other planes still leave lines. So the painted slices are taken to be the cheapest set of slices that covers
all painted voxels, where a slice is the cheaper the more its voxels form an area on it rather than lines. This is
weighted set cover, solved greedily (Chvatal 1979) and then pruned.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume

_PLANES = tuple(Plane)  # axial, coronal, sagittal: also the order in which ties are broken

_SHARPNESS = 3
"""Power of the neighbour ratio in ``_areas``. Low powers take a grid of lines in a thin bone for a painted slice, high
ones lose first and last slices of a few voxels: of 2 to 6, 3 did best on slices cut from 59 labelled bones."""


def find_seeds(mask: np.ndarray, volume: Volume) -> list[SeedSlice]:
    """Find the painted slices of a mask.

    Every painted voxel lies on at least one of the returned slices, and no slice is returned that other planes explain.
    A seed's mask is the whole painted mask on its slice: lines that a crossing slice left outside the cross-section
    were painted too, so they are structure.

    A block that is painted on every slice has no one answer: it is explained by the slices of one plane, the one that
    needs the fewest. A tip of one voxel or one row lies in two planes equally well; ties go to axial, then coronal.

    Args:
        mask: bool (or 0 and non-zero) ``[k, j, i]`` on the grid of ``volume``.
        volume: the CT that was painted on.

    Returns:
        Seeds ordered axial, coronal, sagittal, and within a plane forward along its normal.

    Raises:
        InputError: the mask is on another grid, or nothing is painted.
    """
    mask = np.asarray(mask) != 0
    if mask.shape != volume.voxels.shape:
        raise InputError(
            f'The painted mask has {_size(mask)} voxels but "{volume.name}" has {_size(volume.voxels)}. '
            "Paint on this volume, or resample the mask to it."
        )
    if not mask.any():
        raise InputError(
            "Nothing is painted. Paint the structure on at least one axial, coronal or sagittal slice; "
            "its first, a middle and its last slice work well."
        )
    views = [volume.view(plane) for plane in _PLANES]
    # Axes become axial, coronal, sagittal, each forward, so the answer does not depend on how the volume is stored.
    upright = mask.transpose([view.axis for view in views])[tuple(slice(None, None, view.order.step) for view in views)]
    return [
        SeedSlice(_PLANES[axis], index, views[axis].slice(mask, index).copy())
        for axis, index in ((axis, views[axis].order[position]) for axis, position in _painted_slices(upright))
    ]


def _painted_slices(mask: np.ndarray) -> list[tuple[int, int]]:
    """Return the sorted (axis, position) of the slices that cover all of a non-empty 3-D ``mask`` at the least cost."""
    points = np.array(np.nonzero(mask))
    totals = [np.bincount(along, minlength=n) for along, n in zip(points, mask.shape, strict=True)]
    # Mean areality of a slice's voxels, 0 for an empty slice: a slice costs its inverse.
    solidity = [
        np.bincount(along, area, n) / np.maximum(total, 1)
        for along, area, n, total in zip(points, _areas(mask, points), mask.shape, totals, strict=True)
    ]
    chosen = _prune(_cover(points, totals, solidity), points, solidity)
    fewest = min(range(3), key=lambda axis: (np.count_nonzero(totals[axis]), axis))
    filled = np.flatnonzero(totals[fewest])
    # Where 9 slices in 10 hold areas (a line has 0.04) and few slices would do, a block was filled, not single slices.
    areas = np.percentile(solidity[fewest][filled], 10, method="lower") >= 0.25
    if areas and len(filled) <= 1.5 * len(chosen):
        return [(fewest, int(position)) for position in filled]
    return sorted(chosen)


def _areas(mask: np.ndarray, points: np.ndarray) -> list[np.ndarray]:
    """Say for each axis how much each painted voxel belongs to an area on its slice: 1, or towards 0 on a line.

    It compares how many of the 3 x 3 voxels around it are painted on its slice of this axis and of the axis where they
    are most: a line one voxel wide has 3, the area that left it has 9.
    """
    box = tuple(slice(max(0, along.min() - 1), along.max() + 2) for along in points)
    inside = tuple(along - part.start for along, part in zip(points, box, strict=True))
    painted = mask[box].astype(np.uint8)
    counts = []
    for axis in range(3):
        neighbours = painted
        for other in {0, 1, 2} - {axis}:
            neighbours = ndimage.correlate1d(neighbours, [1, 1, 1], axis=other, mode="constant")
        counts.append(neighbours[inside])
    most = np.maximum.reduce(counts)
    # Multiples of 1/1000, so that equal slices have exactly equal sums, whatever the order of their voxels.
    return [np.rint(1000 * (count / most) ** _SHARPNESS) / 1000 for count in counts]


def _cover(points: np.ndarray, totals: list[np.ndarray], solidity: list[np.ndarray]) -> list[tuple[int, int]]:
    """Choose slices, the most newly covered voxels per cost first, until every voxel is covered."""
    left = [total.copy() for total in totals]
    uncovered = np.ones(points.shape[1], dtype=bool)
    chosen = []
    while uncovered.any():
        scores = [count * solid for count, solid in zip(left, solidity, strict=True)]
        axis = int(np.argmax([score.max() for score in scores]))
        position = int(np.argmax(scores[axis]))
        chosen.append((axis, position))
        newly = uncovered & (points[axis] == position)
        uncovered &= ~newly
        for along, count in zip(points, left, strict=True):
            count -= np.bincount(along[newly], minlength=count.size)
    return chosen


def _prune(chosen: list[tuple[int, int]], points: np.ndarray, solidity: list[np.ndarray]) -> list[tuple[int, int]]:
    """Leave out slices whose voxels all lie on other chosen slices, the least solid first."""
    cover = np.zeros(points.shape[1], dtype=np.uint8)
    for axis, position in chosen:
        cover += points[axis] == position
    kept = list(chosen)
    for axis, position in sorted(chosen, key=lambda c: solidity[c[0]][c[1]]):
        on = points[axis] == position
        if (cover[on] > 1).all():
            kept.remove((axis, position))
            cover -= on
    return kept


def _size(array: np.ndarray) -> str:
    return " x ".join(str(n) for n in array.shape[::-1])
