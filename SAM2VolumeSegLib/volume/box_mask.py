"""A mask of which only the part around what is True is kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from SAM2VolumeSegLib.volume.crop import Box
from SAM2VolumeSegLib.volume.planes import Triple


@dataclass(frozen=True, eq=False)
class BoxMask:
    """A bool mask [k, j, i] on a grid of ``shape`` that is False outside of a box.

    A structure fills a small part of a CT: the masks of all vertebrae of a spine are megabytes like this, and gigabytes
    as arrays of the CT's size.

    Attributes:
        shape: size of the whole grid.
        box: what is kept of it.
        inside: bool [k, j, i], the voxels of ``box``.
    """

    shape: Triple
    box: Box
    inside: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray) -> BoxMask:
        """Keep the bounding box of a bool mask [k, j, i] (a copy); an empty mask keeps nothing."""
        box = Box.of(mask)
        return cls(mask.shape, box, mask[box.slices].copy())

    def __eq__(self, other: object) -> bool:
        """Say whether the same voxels are True; the boxes may be larger than what is in them."""
        if not isinstance(other, BoxMask):
            return NotImplemented
        mine, theirs = self.trimmed(), other.trimmed()
        return (mine.shape, mine.box) == (theirs.shape, theirs.box) and np.array_equal(mine.inside, theirs.inside)

    __hash__ = None  # type: ignore[assignment]  # two that are equal may have other boxes

    def trimmed(self) -> BoxMask:
        """Return the same with the smallest box."""
        used = Box.of(self.inside)
        lower = (0, 0, 0) if used.is_empty else self.box.lower
        return BoxMask(self.shape, used.moved(lower), self.inside[used.slices])

    def whole(self) -> np.ndarray:
        """Return the mask on the whole grid, a new array."""
        mask = np.zeros(self.shape, dtype=bool)
        mask[self.box.slices] = self.inside
        return mask

    def on(self, box: Box) -> np.ndarray:
        """Return the mask on a box of the grid, a new array."""
        return self.box.carried(self.inside, box, False)
