"""What part of the volume the model sees: a box of voxels, and for each plane a physically square window on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume.planes import PlaneView
from SAM2VolumeSegLib.volume.volume import Volume


@dataclass(frozen=True)
class Box:
    """A box of voxels in array order [k, j, i]; ``upper`` is exclusive."""

    lower: tuple[int, int, int]
    upper: tuple[int, int, int]

    @classmethod
    def whole(cls, volume: Volume) -> Box:
        """Return the box that holds every voxel of ``volume``."""
        return cls((0, 0, 0), volume.voxels.shape)

    @classmethod
    def around(cls, masks: np.ndarray | Iterable[np.ndarray], volume: Volume, margin_mm: float) -> Box:
        """Return the bounding box of one or several masks ``[k, j, i]``, grown by ``margin_mm``, clipped to ``volume``.

        Raises:
            InputError: no voxel is painted.
        """
        masks = [masks] if isinstance(masks, np.ndarray) else list(masks)
        lower, upper = [], []
        for axis, (count, spacing) in enumerate(zip(volume.voxels.shape, volume.spacing[::-1], strict=True)):
            others = tuple({0, 1, 2} - {axis})
            used = np.flatnonzero(np.any([np.any(mask, axis=others) for mask in masks], axis=0)) if masks else ()
            if not len(used):
                raise InputError("Nothing is painted: paint the structure on at least one slice and try again.")
            margin = int(np.ceil(margin_mm / spacing))
            lower.append(max(0, int(used[0]) - margin))
            upper.append(min(count, int(used[-1]) + 1 + margin))
        return cls(tuple(lower), tuple(upper))

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Index for an array ``[k, j, i]``: ``array[box.slices]``."""
        return tuple(slice(a, b) for a, b in zip(self.lower, self.upper, strict=True))


@dataclass(frozen=True)
class SquareWindow:
    """A square of ``size_px`` x ``size_px`` model pixels on every slice of one plane: equal mm per pixel both ways.

    Positions are in mm from the centre of the picture's pixel (0, 0). Edges are aligned, as in
    ``torch.nn.functional.interpolate(align_corners=False)``: a pixel's centre is half a pixel inside the window's edge.
    Both directions are products with two interpolation matrices, ``rows @ picture @ columns.T``.

    Attributes:
        shape: (rows, columns) of the plane's pictures.
        row_mm, col_mm: their pixel distances in mm.
        top_mm, left_mm: the window's upper left edge.
        size_px: model pixels along each side.
        mm_per_px: size of a model pixel in mm.
    """

    shape: tuple[int, int]
    row_mm: float
    col_mm: float
    top_mm: float
    left_mm: float
    size_px: int
    mm_per_px: float

    @classmethod
    def of(cls, view: PlaneView, box: Box, size_px: int) -> SquareWindow:
        """Return the smallest square, centred on the box's cross-section in that plane, that covers it."""
        top, bottom, left, right = view.bounds(box.lower, box.upper)
        top_mm, bottom_mm = (top - 0.5) * view.row_mm, (bottom - 0.5) * view.row_mm
        left_mm, right_mm = (left - 0.5) * view.col_mm, (right - 0.5) * view.col_mm
        side = max(bottom_mm - top_mm, right_mm - left_mm)
        return cls(
            shape=view.shape,
            row_mm=view.row_mm,
            col_mm=view.col_mm,
            top_mm=(top_mm + bottom_mm - side) / 2,
            left_mm=(left_mm + right_mm - side) / 2,
            size_px=int(size_px),
            mm_per_px=side / size_px,
        )

    def to_model(self, picture: np.ndarray, outside: float) -> np.ndarray:
        """Sample a picture (rows, columns) to (size_px, size_px) float32; beyond the volume it is ``outside``.

        Bilinear where the window enlarges, a triangle as wide as two model pixels where it shrinks (antialiasing as in
        Pillow and ``torch.nn.functional.interpolate(antialias=True)``); linear gradients stay exact either way.
        """
        rows, columns = self._sampling
        # Weights that fall outside the volume are missing from the matrices, so what they lack is ``outside``.
        return rows @ (np.asarray(picture, dtype=np.float32) - np.float32(outside)) @ columns.T + np.float32(outside)

    def mask_to_model(self, mask: np.ndarray) -> np.ndarray:
        """Sample a boolean mask (rows, columns) to (size_px, size_px): true where half a model pixel is covered.

        A mask with painted voxels never becomes empty, because an empty seed means "absent here": the most covered
        pixels stay, however thin the structure.

        Raises:
            InputError: voxels are painted, all of them outside the window.
        """
        covered = self.to_model(mask, 0.0)
        if not mask.any():
            return np.zeros(covered.shape, dtype=bool)
        most = float(covered.max())
        if most <= 0:
            raise InputError(
                "A painted slice lies wholly outside the region of interest: enlarge it, or leave this slice out."
            )
        # A little below, so that rounding does not decide ties at an edge halfway through a model pixel.
        return covered >= min(0.5, most) - 1e-5

    def from_model(self, square: np.ndarray) -> np.ndarray:
        """Sample (size_px, size_px) values (logits) at a slice's voxel centres, bilinearly: (rows, columns) float32.

        NaN where a voxel centre lies outside the window. In the outermost half model pixel the edge value holds.
        """
        rows, columns, outside = self._back
        result = rows @ np.asarray(square, dtype=np.float32) @ columns.T
        result[outside] = np.nan
        return result

    @cached_property
    def _sampling(self) -> tuple[np.ndarray, np.ndarray]:
        return (
            _sampling_matrix(self.shape[0], self.row_mm, self.top_mm, self.size_px, self.mm_per_px),
            _sampling_matrix(self.shape[1], self.col_mm, self.left_mm, self.size_px, self.mm_per_px),
        )

    @cached_property
    def _back(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, row_inside = _back_matrix(self.shape[0], self.row_mm, self.top_mm, self.size_px, self.mm_per_px)
        columns, column_inside = _back_matrix(self.shape[1], self.col_mm, self.left_mm, self.size_px, self.mm_per_px)
        return rows, columns, ~(row_inside[:, None] & column_inside[None, :])


def _sampling_matrix(count: int, voxel_mm: float, start_mm: float, size: int, mm_per_px: float) -> np.ndarray:
    """Return (size, count) weights of voxels for model pixels; a row sums to less than 1 where it leaves the volume."""
    centres = (start_mm + (np.arange(size) + 0.5) * mm_per_px) / voxel_mm
    width = max(1.0, mm_per_px / voxel_mm)
    # All voxels of the endless grid take part in the normalisation, also those the volume does not have.
    first, last = int(np.floor(centres[0] - width)), int(np.ceil(centres[-1] + width))
    offset = np.arange(first, last + 1)[None, :] - centres[:, None]
    weights = np.maximum(0.0, 1.0 - np.abs(offset) / width)
    if width > 1:
        # A sampled triangle leans to one side by a fraction of a voxel: bring its centre of mass back to the middle.
        lean = (weights * offset).sum(1) / ((weights * offset**2).sum(1) + 1e-9)
        weights *= 1.0 - lean[:, None] * offset
    weights /= weights.sum(1, keepdims=True)
    matrix = np.zeros((size, count), dtype=np.float32)
    inside = slice(max(first, 0), min(last + 1, count))
    matrix[:, inside] = weights[:, inside.start - first : inside.stop - first]
    return matrix


def _back_matrix(
    count: int, voxel_mm: float, start_mm: float, size: int, mm_per_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (count, size) bilinear weights of model pixels for voxel centres, and which centres are inside."""
    position = (np.arange(count) * voxel_mm - start_mm) / mm_per_px - 0.5
    inside = (position >= -0.5 - 1e-6) & (position <= size - 0.5 + 1e-6)
    offset = np.arange(size)[None, :] - np.clip(position, 0, size - 1)[:, None]
    return np.maximum(0.0, 1.0 - np.abs(offset)).astype(np.float32), inside
