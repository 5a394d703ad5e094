"""What part of the volume the model sees: a box of voxels, and for each plane a physically square window on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import add, sub

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.planes import PlaneView, Rectangle, Triple, triple
from SAM2VolumeSegLib.volume.volume import Volume


@dataclass(frozen=True)
class Box:
    """A box of voxels in array order [k, j, i].

    Attributes:
        lower: its first voxel.
        upper: one beyond its last voxel.
    """

    lower: Triple
    upper: Triple

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
        boxes = [cls.of(mask) for mask in ([masks] if isinstance(masks, np.ndarray) else masks)]
        boxes = [box for box in boxes if not box.is_empty]
        if not boxes:
            raise InputError(_("Nothing is painted: paint the structure on at least one slice and try again."))
        return cls.around_boxes(boxes).grown(margin_mm, volume)

    @classmethod
    def of(cls, mask: np.ndarray) -> Box:
        """Return the bounding box of what is True in a mask ``[k, j, i]``; an empty one where nothing is."""
        used = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        if not len(used[0]):
            return cls((0, 0, 0), (0, 0, 0))
        return cls(triple(along[0] for along in used), triple(along[-1] + 1 for along in used))

    @classmethod
    def around_boxes(cls, boxes: Iterable[Box]) -> Box:
        """Return the smallest box that holds all of one or several boxes."""
        lower, upper = zip(*((box.lower, box.upper) for box in boxes), strict=True)
        return cls(triple(map(min, zip(*lower, strict=True))), triple(map(max, zip(*upper, strict=True))))

    def grown(self, margin_mm: float, volume: Volume) -> Box:
        """Return the box with a margin of at least ``margin_mm`` on every side, clipped to ``volume``."""
        margin = triple(np.ceil(margin_mm / spacing) for spacing in volume.spacing[::-1])
        lower = triple(first - more for first, more in zip(self.lower, margin, strict=True))
        upper = triple(end + more for end, more in zip(self.upper, margin, strict=True))
        return Box(lower, upper).meet(Box.whole(volume))

    def meet(self, other: Box) -> Box:
        """Return what both boxes hold; where they do not meet, a box without voxels."""
        lower = triple(map(max, self.lower, other.lower))
        return Box(lower, triple(map(max, lower, map(min, self.upper, other.upper))))

    def moved(self, by: Triple) -> Box:
        """Return the box as many voxels further along [k, j, i]."""
        return Box(triple(map(add, self.lower, by)), triple(map(add, self.upper, by)))

    def index_of(self, part: Box) -> tuple[slice, slice, slice]:
        """Return the index of a box inside of this one, for an array of this one's voxels."""
        return part.moved(triple(-n for n in self.lower)).slices

    def carried(self, values: np.ndarray, to: Box, outside: float) -> np.ndarray:
        """Return an array of this box's voxels on another box, a new array; where this box is not, ``outside``."""
        moved = np.full(to.shape, outside, dtype=values.dtype)
        part = self.meet(to)
        if not part.is_empty:
            moved[to.index_of(part)] = values[self.index_of(part)]
        return moved

    @property
    def shape(self) -> Triple:
        """Number of voxels along k, j, i."""
        return triple(map(sub, self.upper, self.lower))

    @property
    def is_empty(self) -> bool:
        """Whether the box has no voxel."""
        return min(self.shape) < 1

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Index for an array ``[k, j, i]``: ``array[box.slices]``."""
        k, j, i = map(slice, self.lower, self.upper)
        return k, j, i


@dataclass(frozen=True)
class SquareWindow:
    """A square of ``size_px`` x ``size_px`` model pixels on every slice of one plane: equal mm per pixel both ways.

    Positions are in mm from the centre of the picture's pixel (0, 0). Edges are aligned, as in
    ``torch.nn.functional.interpolate(align_corners=False)``: a pixel's centre is half a pixel inside the window's edge.
    The way in is a product with two interpolation matrices, ``rows @ picture @ columns.T``; the way back is bilinear.

    Attributes:
        shape: (rows, columns) of the plane's pictures.
        row_mm: distance of their rows in mm.
        col_mm: distance of their columns in mm.
        top_mm: the window's upper edge.
        left_mm: the window's left edge.
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
                _("A painted slice lies wholly outside the region of interest: enlarge it, or leave this slice out.")
            )
        # A little below, so that rounding does not decide ties at an edge halfway through a model pixel.
        return covered >= min(0.5, most) - 1e-5

    def from_model(self, square: np.ndarray, part: Rectangle | None = None) -> np.ndarray:
        """Sample values of model pixels (logits) at a slice's voxel centres, bilinearly.

        Args:
            square: the values, (..., size_px, size_px).
            part: of the picture, to sample nothing else; None is all of it. Its values are those of the whole, to the
                last bit.

        Returns:
            float32 (..., rows, columns); NaN where a voxel centre lies outside the window. In the outermost half model
            pixel the edge value holds.
        """
        top, bottom, left, right = part or (0, self.shape[0], 0, self.shape[1])
        rows, columns = self._rows.cut(top, bottom), self._columns.cut(left, right)
        square = np.asarray(square, dtype=np.float32)
        near, far = square[..., rows.first, :], square[..., rows.second, :]
        between = rows.near[:, None] * near + rows.far[:, None] * far
        result = columns.near * between[..., columns.first] + columns.far * between[..., columns.second]
        result[..., ~rows.inside, :] = np.nan
        result[..., ~columns.inside] = np.nan
        return result

    def reach(self, used: np.ndarray) -> Rectangle | None:
        """Return the part of a picture that `from_model` samples from marked pixels.

        Args:
            used: bool (size_px, size_px).

        Returns:
            The smallest rectangle outside of which only pixels that are not marked count; None where there is no such
            voxel.
        """
        bounds: list[int] = []
        for lines, marked in ((self._rows, np.any(used, axis=1)), (self._columns, np.any(used, axis=0))):
            near, far = lines.near * marked[lines.first] > 0, lines.far * marked[lines.second] > 0
            found = np.flatnonzero((near | far) & lines.inside)
            if not len(found):
                return None
            bounds += [int(found[0]), int(found[-1]) + 1]
        top, bottom, left, right = bounds
        return top, bottom, left, right

    @cached_property
    def _sampling(self) -> tuple[np.ndarray, np.ndarray]:
        return (
            _sampling_matrix(self.shape[0], self.row_mm, self.top_mm, self.size_px, self.mm_per_px),
            _sampling_matrix(self.shape[1], self.col_mm, self.left_mm, self.size_px, self.mm_per_px),
        )

    @cached_property
    def _rows(self) -> _Lines:
        return _Lines.of(self.shape[0], self.row_mm, self.top_mm, self.size_px, self.mm_per_px)

    @cached_property
    def _columns(self) -> _Lines:
        return _Lines.of(self.shape[1], self.col_mm, self.left_mm, self.size_px, self.mm_per_px)


@dataclass(frozen=True, eq=False)
class _Lines:
    """For the voxel centres along one side of a picture: between which two model pixels they lie.

    Two products and a sum for each voxel, and not a matrix product, whose last bits depend on what else is multiplied,
    and on the processor.

    Attributes:
        first: the pixel before.
        second: the pixel behind.
        near: weight of the first, float32.
        far: weight of the second, float32.
        inside: whether a centre is inside the window.
    """

    first: np.ndarray
    second: np.ndarray
    near: np.ndarray
    far: np.ndarray
    inside: np.ndarray

    @classmethod
    def of(cls, count: int, voxel_mm: float, start_mm: float, size: int, mm_per_px: float) -> _Lines:
        position = (np.arange(count) * voxel_mm - start_mm) / mm_per_px - 0.5
        inside = (position >= -0.5 - 1e-6) & (position <= size - 0.5 + 1e-6)
        position = np.clip(position, 0, size - 1)
        first = np.floor(position).astype(np.intp)
        far = position - first
        second = np.minimum(first + 1, size - 1)
        return cls(first, second, (1 - far).astype(np.float32), far.astype(np.float32), inside)

    def cut(self, start: int, stop: int) -> _Lines:
        return _Lines(*(values[start:stop] for values in vars(self).values()))


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
