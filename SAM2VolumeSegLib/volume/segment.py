"""One segment of a segmentation."""

from __future__ import annotations

import numpy as np

from SAM2VolumeSegLib.volume.box_mask import BoxMask

BONE_COLOR = (0.945, 0.839, 0.569)
"""Slicer's color of bone. Grey (0.5, 0.5, 0.5) means "no color" to Slicer, which then takes one at random."""


class Segment:
    """A named mask, as in a Slicer segmentation.

    Attributes:
        name: what the user sees.
        found: the mask, of which only the box around what is painted is kept.
        color: red, green, blue in 0..1.
        id: Slicer's segment id; empty lets the writer choose one.
        tags: Slicer's ``SegmentN_Tags`` text (``"key:value|"``; holds the terminology), carried from input to output.
    """

    def __init__(
        self,
        name: str,
        mask: np.ndarray | BoxMask,
        color: tuple[float, float, float] = BONE_COLOR,
        id: str = "",
        tags: str = "",
    ):
        """Keep of a mask, boolean ``[k, j, i]`` on the CT's grid, what is painted."""
        self.name, self.color, self.id, self.tags = name, color, id, tags
        self.found = mask if isinstance(mask, BoxMask) else BoxMask.of(mask)

    @property
    def mask(self) -> np.ndarray:
        """The mask on the whole grid, boolean ``[k, j, i]``: a new array each time it is asked for."""
        return self.found.whole()

    @property
    def is_empty(self) -> bool:
        """Whether no voxel is painted."""
        return not self.found.inside.any()

    def with_mask(self, mask: np.ndarray | BoxMask) -> Segment:
        """Return a segment with another mask, and all else the same."""
        return Segment(self.name, mask, self.color, self.id, self.tags)

    def with_name(self, name: str) -> Segment:
        """Return a segment with another name, and all else the same."""
        return Segment(name, self.found, self.color, self.id, self.tags)
