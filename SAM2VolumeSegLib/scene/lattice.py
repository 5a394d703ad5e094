"""Masks from one voxel grid on another. Plain numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from SAM2VolumeSegLib.volume.planes import matching_axes

_MAX_DRIFT = 0.5
"""How far, in voxels of the target, the grids may drift apart over the source by not being quite parallel."""

_SAME_SIZE = 0.999
"""Steps between source voxels of at least so many target voxels: not smaller than those."""

_SAME_PLACE = 1e-3
"""How far, in voxels, two grids may be apart to count as the same one: what matrices lose by rounding is far less."""

_TIE = 1e-6
"""Voxels that decide a tie: where all voxels lie on an edge, rounding errors must not send each its own way."""


@dataclass(frozen=True, eq=False)
class Parallel:
    """How a source grid runs along a target grid: source axis a along target axis ``axes[a]``, (i, j, k) both.

    target index = start + step * source index, for each source axis; ``step`` is negative where they run against
    each other.
    """

    axes: tuple[int, int, int]
    start: np.ndarray
    step: np.ndarray

    @classmethod
    def of(
        cls, source_to_world: np.ndarray, source_shape: tuple[int, int, int], target_to_world: np.ndarray
    ) -> Parallel | None:
        """Return the relation of two grids (matrices in mm, shape [k, j, i]), or None where they are not parallel."""
        matrix = np.linalg.solve(target_to_world, source_to_world)
        axes = matching_axes(matrix[:3, :3].T)
        step = matrix[axes, range(3)]
        crossing = matrix[:3, :3].copy()
        crossing[axes, range(3)] = 0
        drift = np.abs(crossing) @ (np.array(source_shape[::-1]) - 1)
        if not step.all() or drift.max() > _MAX_DRIFT:
            return None
        middle = (matrix[:3, 3] + crossing @ ((np.array(source_shape[::-1]) - 1) / 2))[list(axes)]
        return cls(axes, middle, step)

    def put(self, mask: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
        """Return a bool mask [k, j, i] of the source on a target grid of ``shape``, without what lies outside of it.

        A target voxel takes the value of the nearest source voxel. Where source voxels are smaller, one painted layer
        of them is enough, so that a thin painted slice is not lost between two slices of the target.
        """
        source_axes = [self.axes.index(axis) for axis in (2, 1, 0)]  # which (i, j, k) goes into array axis 0, 1, 2
        smaller = [1 / abs(step) for step in self.step if abs(step) < _SAME_SIZE]
        # How many painted source voxels a target voxel holds; no more than one where none is smaller.
        counts = mask.transpose([2 - axis for axis in source_axes]).astype(np.int32 if smaller else np.uint8)
        for array_axis, axis in enumerate(source_axes):
            start, step, size = self.start[axis], self.step[axis], shape[array_axis]
            counts = np.moveaxis(counts, array_axis, 0)
            if abs(step) >= _SAME_SIZE:
                sources = _nearest((np.arange(size) - start) / step)
                inside = (sources >= 0) & (sources < len(counts))
                placed = np.zeros((size, *counts.shape[1:]), dtype=counts.dtype)
                placed[inside] = counts[sources[inside]]
            else:
                places = _nearest(start + step * np.arange(len(counts)))
                inside = (places >= 0) & (places < size)
                placed = np.zeros((size, *counts.shape[1:]), dtype=counts.dtype)
                np.add.at(placed, places[inside], counts[inside])
            counts = np.moveaxis(placed, 0, array_axis)
        # Half of what one layer, across the axis where the source is finest, leaves in a target voxel.
        enough = 0.5 * np.prod(smaller) / max(smaller, default=1.0)
        return np.ascontiguousarray(counts >= max(1.0, enough))


def nearest(
    source: np.ndarray, first: Sequence[int], matrix: np.ndarray, lower: Sequence[int], shape: tuple[int, int, int]
) -> np.ndarray:
    """Return the values of a source grid at voxels of a target grid: those of the nearest source voxel, 0 outside.

    Where a target voxel lies between two source voxels, it takes the one that ``Parallel.put`` gives it back to: a mask
    that is written half a voxel off is read where it was.

    Args:
        source: values [k, j, i].
        first: index (i, j, k) of ``source[0, 0, 0]`` on the source grid.
        matrix: 4x4 from target to source index, (i, j, k) both; any that is affine.
        lower: index (i, j, k) of the target's first voxel.
        shape: [k, j, i] of the target.
    """
    result = np.zeros(shape, dtype=source.dtype)
    if not source.size:
        return result
    offset = np.rint(matrix[:3, 3]).astype(int)
    ends = np.abs([lower, np.add(lower, shape[::-1])]).max(axis=0) + 1
    if (np.abs(matrix[:3, :3] - np.eye(3)) @ ends + np.abs(matrix[:3, 3] - offset)).max() < _SAME_PLACE:
        low = (np.array(lower) + offset - first)[::-1]  # the same voxels: a part of the source, and fast
        ours = tuple(slice(max(-a, 0), max(min(m - a, n), 0)) for a, m, n in zip(low, source.shape, shape, strict=True))
        result[ours] = source[tuple(slice(max(a, 0), max(a + n, 0)) for a, n in zip(low, shape, strict=True))]
        return result
    along = [matrix[:3, axis, None] * (lower[axis] - _TIE + np.arange(shape[2 - axis])) for axis in range(3)]
    start = matrix[:3, 3] - first
    for k in range(shape[0]):
        inside = np.ones(shape[1:], dtype=bool)
        places = []
        for axis in range(3):
            row = along[0][axis] + (along[2][axis, k] + start[axis])
            places.append(np.floor(row + along[1][axis][:, None] + 0.5).astype(int))
            inside &= (places[axis] >= 0) & (places[axis] < source.shape[2 - axis])
        result[k][inside] = source[tuple(place[inside] for place in reversed(places))]
    return result


def carries(source_to_world: np.ndarray, source_shape: tuple[int, int, int], target_to_world: np.ndarray) -> bool:
    """Return whether each source voxel is a block of target voxels: masks go there and back without a change.

    Matrices from (i, j, k) to mm, shape [k, j, i]. A hundredth of a target voxel is allowed for rounded matrices.
    """
    matrix = np.linalg.solve(target_to_world, source_to_world)
    steps = np.rint(matrix[:3, :3])
    if not ((steps != 0).sum(axis=0) == 1).all() or not ((steps != 0).sum(axis=1) == 1).all():
        return False
    edges = np.array(list(product(*((-0.5, count - 0.5) for count in source_shape[::-1])))).T
    found = matrix[:3, :3] @ edges + matrix[:3, 3, None] + 0.5
    return bool(np.abs(found - np.rint(found[:, :1]) - steps @ (edges - edges[:, :1])).max() < 0.01)


def _nearest(positions: np.ndarray) -> np.ndarray:
    # Not np.rint: it rounds halves to even, so that of equally thick slices one would become thin and one thick.
    return np.floor(positions + (0.5 + _TIE)).astype(int)
