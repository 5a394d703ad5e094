"""One segment of a segmentation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BONE_COLOR = (0.945, 0.839, 0.569)
"""Slicer's color of bone. Grey (0.5, 0.5, 0.5) means "no color" to Slicer, which then takes one at random."""


@dataclass(eq=False)
class Segment:
    """A named mask, as in a Slicer segmentation.

    Attributes:
        name: what the user sees.
        mask: boolean ``[k, j, i]`` on the CT's grid.
        color: red, green, blue in 0..1.
        id: Slicer's segment id; empty lets the writer choose one.
        tags: Slicer's ``SegmentN_Tags`` text (``"key:value|"``; holds the terminology), carried from input to output.
    """

    name: str
    mask: np.ndarray
    color: tuple[float, float, float] = BONE_COLOR
    id: str = ""
    tags: str = ""
