"""Which slices did the user paint? Find the planes in a painted mask.

A segment holds only voxels, not the slices they were painted on. On a slice that was not painted, the painted slices
of the two other planes still leave lines. So the painted slices are taken to be the cheapest set of slices that covers
all painted voxels, where a slice is the cheaper the more its voxels form an area on it rather than lines. This is
weighted set cover, solved greedily (Chvatal 1979) and then pruned.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice, paint_seeds
from SAM2VolumeSegLib.volume.crop import Box
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.text import size_text
from SAM2VolumeSegLib.volume.volume import Volume

_PLANES = tuple(Plane)  # axial, coronal, sagittal: also the order in which ties are broken

_SHARPNESS = 3
"""Power of the neighbour ratio in ``_areas``. Low powers take a grid of lines in a thin bone for a painted slice, high
ones lose first and last slices of a few voxels: of 2 to 6, 3 did best on slices cut from 59 labelled bones."""

_SLAB = 16
_FEW_VOXELS = 2
"""An end of more voxels rarely lies on another painted slice with all of them: on 21 real bones it never did."""


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
            _(
                'The painted mask has {theirs} voxels but "{volume}" has {ours}. Paint on this volume, '
                "or resample the mask to it."
            ).format(
                theirs=size_text(mask.shape[::-1]),
                volume=volume.name,
                ours=size_text(volume.voxels.shape[::-1]),
            )
        )
    if not mask.any():
        raise InputError(
            _(
                "Nothing is painted. Paint the structure on at least one axial, coronal or sagittal slice; "
                "one in its middle on each of the three works well."
            )
        )
    views = [volume.view(plane) for plane in _PLANES]
    # Axes become axial, coronal, sagittal, each forward, so the answer does not depend on how the volume is stored.
    upright = mask.transpose([view.axis for view in views])[tuple(slice(None, None, view.order.step) for view in views)]
    return [
        SeedSlice(_PLANES[axis], index, views[axis].slice(mask, index).copy())
        for axis, index in ((axis, views[axis].order[position]) for axis, position in _painted_slices(upright))
    ]


def uncounted_ends(seeds: Sequence[SeedSlice], volume: Volume) -> list[SeedSlice]:
    """Return slices at the end of an axis that may have been painted, and that nothing tells from lines.

    The first or last slice of a bone often holds a voxel or two. Where these lie on a painted slice of another plane as
    well, the mask is the same whether the end was painted or not, so `find_seeds` does not count it. Here it is named
    where its axis has a seed at its other end: who painted one end may well have painted both.

    Args:
        seeds: as `find_seeds` gives them.
        volume: the CT.
    """
    planes = {seed.plane for seed in seeds if not seed.absent}
    if len(planes) < 2:
        return []
    painted = paint_seeds(seeds, volume)
    places = {(seed.plane, seed.index) for seed in seeds}
    found = []
    for view in (volume.view(plane) for plane in _PLANES if plane in planes):
        filled = np.flatnonzero(painted.any(axis=tuple({0, 1, 2} - {view.axis})))
        for end, other in ((filled[0], filled[-1]), (filled[-1], filled[0])):
            mask = view.slice(painted, end)
            if (
                (view.plane, other) in places
                and (view.plane, end) not in places
                and np.count_nonzero(mask) <= _FEW_VOXELS
            ):
                found.append(SeedSlice(view.plane, int(end), mask.copy()))
    return found


def _painted_slices(mask: np.ndarray) -> list[tuple[int, int]]:
    """Return the sorted (axis, position) of the slices that cover all of a non-empty 3-D ``mask`` at the least cost."""
    box = Box.of(mask)
    mask, first = np.ascontiguousarray(mask[box.slices]), box.lower
    totals = _counts(mask)
    used = [np.flatnonzero(total) for total in totals]
    # Mean areality of a slice's voxels, 0 for an empty slice: a slice costs its inverse.
    solidity = [area / np.maximum(total, 1) for area, total in zip(_areas(mask), totals, strict=True)]
    chosen = _prune(_cover(mask, totals, solidity), mask, solidity)
    fewest = min(range(3), key=lambda axis: (len(used[axis]), axis))
    # Where 9 slices in 10 hold areas (a line has 0.04) and few slices would do, a block was filled, not single slices.
    solid = solidity[fewest][used[fewest]]
    if np.percentile(solid, 10, method="lower") >= 0.25 and len(solid) <= 1.5 * len(chosen):
        return [(fewest, first[fewest] + int(position)) for position in used[fewest]]
    return sorted((axis, first[axis] + position) for axis, position in chosen)


def _counts(mask: np.ndarray) -> list[np.ndarray]:
    """Return for each axis how many voxels each of its slices holds."""
    return [np.count_nonzero(mask, axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]


def _areas(mask: np.ndarray) -> list[np.ndarray]:
    """Return for each axis how much area its slices hold: a voxel adds 1 in an area, and little on a line.

    What it adds compares how many of the 3 x 3 voxels around it are painted on its slice of this axis, and of the axis
    where they are most: a line one voxel wide has 3, the area that left it has 9.
    """
    # Area of a voxel at 10 x painted neighbours on its slice + those on the slice with the most. Whole thousandths, so
    # that equal slices have exactly equal sums, whatever the order of their voxels.
    count, most = np.divmod(np.arange(100), 10)
    thousandths = np.rint(1000 * (count / np.maximum(most, 1)) ** _SHARPNESS).astype(np.uint32)
    padded = np.pad(mask.view(np.uint8), 1)
    sums = [np.zeros(n, dtype=np.int64) for n in mask.shape]
    for start in range(0, len(mask), _SLAB):  # a few slices at a time, so that memory does not grow with the volume
        slab = padded[start : start + _SLAB + 2]
        inside = slab[1:-1, 1:-1, 1:-1]
        counts = []
        for axis in range(3):
            neighbours = slab
            for other in range(3):
                neighbours = _middle(neighbours, other) if other == axis else _with_neighbours(neighbours, other)
            counts.append(neighbours)
        most = np.maximum.reduce(counts)
        for axis, count in enumerate(counts):
            area = thousandths[(10 * count + most) * inside]
            part = slice(start, start + _SLAB) if axis == 0 else slice(None)
            sums[axis][part] += area.sum(axis=tuple({0, 1, 2} - {axis}), dtype=np.int64)
    return [total / 1000 for total in sums]


def _middle(array: np.ndarray, axis: int) -> np.ndarray:
    return array[(slice(None),) * axis + (slice(1, -1),)]


def _with_neighbours(array: np.ndarray, axis: int) -> np.ndarray:
    """Return, without the two at the ends, the sum of each element and its two neighbours along ``axis``."""
    along = array.swapaxes(0, axis)
    return (along[:-2] + along[1:-1] + along[2:]).swapaxes(0, axis)


def _cover(mask: np.ndarray, totals: list[np.ndarray], solidity: list[np.ndarray]) -> list[tuple[int, int]]:
    """Choose slices, the most newly covered voxels per cost first, until every voxel is covered."""
    left = [total.copy() for total in totals]
    uncovered = mask.copy()
    chosen = []
    while left[0].any():
        scores = [count * solid for count, solid in zip(left, solidity, strict=True)]
        axis = int(np.argmax([score.max() for score in scores]))
        position = int(np.argmax(scores[axis]))
        chosen.append((axis, position))
        newly = uncovered[(slice(None),) * axis + (slice(position, position + 1),)]
        left[axis][position] = 0
        for other in {0, 1, 2} - {axis}:
            left[other] -= np.count_nonzero(newly, axis=tuple({0, 1, 2} - {other}))
        newly[...] = False
    return chosen


def _prune(chosen: list[tuple[int, int]], mask: np.ndarray, solidity: list[np.ndarray]) -> list[tuple[int, int]]:
    """Leave out slices whose voxels all lie on other chosen slices, the least solid first."""
    bare = [np.ones(n, dtype=bool) for n in mask.shape]  # positions along each axis that are not chosen
    for axis, position in chosen:
        bare[axis][position] = False
    kept = list(chosen)
    for axis, position in sorted(chosen, key=lambda c: solidity[c[0]][c[1]]):
        rows, columns = (bare[other] for other in range(3) if other != axis)
        if not mask.take(position, axis)[rows][:, columns].any():
            kept.remove((axis, position))
            bare[axis][position] = True
    return kept
