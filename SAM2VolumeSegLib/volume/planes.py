"""Anatomical planes of a voxel grid, whatever order and direction its axes are stored in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import permutations

import numpy as np

Triple = tuple[int, int, int]
"""A number for each axis of an array, [k, j, i] where nothing else is said: a voxel's indices, a size, a step."""
Rectangle = tuple[int, int, int, int]
"""A part of a picture: top, bottom, left, right; rows and columns from the upper left one on, ends exclusive."""


def triple(numbers: Iterable[int]) -> Triple:
    """Return three numbers, numpy's or Python's, as Python's."""
    k, j, i = map(int, numbers)
    return k, j, i


class Plane(str, Enum):
    """The three anatomical planes; ``Plane("axial")`` works."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


# Per plane the RAS axes (0 = R, 1 = A, 2 = S) of its normal, its rows and its columns.
_NORMAL_ROWS_COLUMNS = {Plane.AXIAL: (2, 1, 0), Plane.CORONAL: (1, 2, 0), Plane.SAGITTAL: (0, 2, 1)}


def matching_axes(matrix: np.ndarray) -> Triple:
    """Return for each of the three rows of ``matrix`` the column that runs along it, one each.

    It is an assignment, not an argmax per row, so that two rows never claim one column near 45 degrees. The permutation
    with the largest product is the dominant term of the determinant, so every chosen element is non-zero.

    Args:
        matrix: directions in its columns, of any lengths: (3, 3), or larger, of which the upper left part counts.
    """
    lengths = np.abs(matrix[:3, :3])
    return triple(max(permutations(range(3)), key=lambda columns: float(np.prod(lengths[range(3), columns]))))


def ras_axes(ijk_to_ras: np.ndarray) -> Triple:
    """Return the IJK axes that run along R, A and S, one each."""
    return matching_axes(ijk_to_ras[:3, :3] / np.linalg.norm(ijk_to_ras[:3, :3], axis=0))


@dataclass(frozen=True)
class PlaneView:
    """How the slices of one plane lie in a voxel array ``[k, j, i]``, and how to look at them.

    Pictures are in radiological orientation whatever the storage order: axial row 0 is anterior and column 0 the
    patient's right; coronal row 0 superior, column 0 right; sagittal row 0 superior, column 0 anterior.

    Attributes:
        plane: the anatomical plane.
        axis: numpy axis of ``[k, j, i]`` along which the slices are stacked.
        count: number of slices.
        shape: (rows, columns) of a picture.
        row_mm: distance of neighbouring rows in mm.
        col_mm: distance of neighbouring columns in mm.
        slice_mm: distance of neighbouring slices in mm.
    """

    plane: Plane
    axis: int
    count: int
    shape: tuple[int, int]
    row_mm: float
    col_mm: float
    slice_mm: float
    _row_axis: int
    _col_axis: int
    _flip_rows: bool
    _flip_cols: bool
    _first_mm: float
    _step_mm: float

    @classmethod
    def of(cls, plane: Plane, shape: Triple, ijk_to_ras: np.ndarray) -> PlaneView:
        """Return the view of ``plane`` on a grid of ``shape`` [k, j, i] with the matrix ``ijk_to_ras`` (mm)."""
        plane = Plane(plane)
        columns = ras_axes(ijk_to_ras)
        normal, rows, cols = _NORMAL_ROWS_COLUMNS[plane]
        spacing = np.linalg.norm(ijk_to_ras[:3, :3], axis=0)
        # numpy axis 0 is K, so IJK axis c is numpy axis 2 - c.
        axis, row_axis, col_axis = (2 - columns[ras] for ras in (normal, rows, cols))
        middle_of_first = [(n - 1) / 2 for n in shape[::-1]]
        middle_of_first[columns[normal]] = 0.0
        return cls(
            plane=plane,
            axis=axis,
            count=int(shape[axis]),
            shape=(int(shape[row_axis]), int(shape[col_axis])),
            row_mm=float(spacing[columns[rows]]),
            col_mm=float(spacing[columns[cols]]),
            slice_mm=float(spacing[columns[normal]]),
            _row_axis=row_axis,
            _col_axis=col_axis,
            # Row 0 and column 0 are at the largest R, A or S in all three planes.
            _flip_rows=bool(ijk_to_ras[rows, columns[rows]] > 0),
            _flip_cols=bool(ijk_to_ras[cols, columns[cols]] > 0),
            _first_mm=float(ijk_to_ras[normal, :3] @ middle_of_first + ijk_to_ras[normal, 3]),
            _step_mm=float(ijk_to_ras[normal, columns[normal]]),
        )

    def slice(self, array: np.ndarray, index: int) -> np.ndarray:
        """Return picture ``index`` of ``array`` ``[k, j, i]`` or ``[k, j, i, ...]`` as (rows, columns, ...), no copy.

        ``index`` counts along ``axis`` of the stored array. Writing into the view writes into ``array``.
        """
        picture = array[(slice(None),) * self.axis + (index,)]
        if self._row_axis > self._col_axis:
            picture = picture.swapaxes(0, 1)
        return picture[:: -1 if self._flip_rows else 1, :: -1 if self._flip_cols else 1]

    def bounds(self, lower: Triple, upper: Triple) -> Rectangle:
        """Return which part of a picture shows the voxels ``lower`` to ``upper`` (exclusive) [k, j, i]."""
        top, bottom = lower[self._row_axis], upper[self._row_axis]
        left, right = lower[self._col_axis], upper[self._col_axis]
        return self._flipped(top, bottom, left, right)

    def corners(self, first: int, last: int, part: Rectangle) -> tuple[Triple, Triple]:
        """Return the voxels (lower, upper exclusive) [k, j, i] of a part of the pictures ``first`` to ``last``.

        It is the way back of ``bounds``.
        """
        top, bottom, left, right = self._flipped(*part)
        ranges = {self.axis: (first, last + 1), self._row_axis: (top, bottom), self._col_axis: (left, right)}
        lower, upper = zip(*(ranges[axis] for axis in range(3)), strict=True)
        return triple(lower), triple(upper)

    def _flipped(self, top: int, bottom: int, left: int, right: int) -> Rectangle:
        """Return bounds in the array's order for bounds in a picture, and the other way round."""
        if self._flip_rows:
            top, bottom = self.shape[0] - bottom, self.shape[0] - top
        if self._flip_cols:
            left, right = self.shape[1] - right, self.shape[1] - left
        return top, bottom, left, right

    @property
    def order(self) -> range:
        """Slice indices going forward: inferior to superior, posterior to anterior, or left to right."""
        return range(self.count) if self._step_mm > 0 else range(self.count - 1, -1, -1)

    def position_mm(self, index: int) -> float:
        """Return the S (axial), A (coronal) or R (sagittal) coordinate in mm of the centre of slice ``index``."""
        return self._first_mm + self._step_mm * index
