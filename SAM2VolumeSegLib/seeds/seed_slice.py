"""One painted slice, and what a set of them says together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume

_NORMAL_LETTER = {Plane.AXIAL: "S", Plane.CORONAL: "A", Plane.SAGITTAL: "R"}


@dataclass(frozen=True, eq=False)
class SeedSlice:
    """What the user gave on one slice of a volume.

    Attributes:
        plane: the anatomical plane.
        index: index of the slice along ``volume.view(plane).axis`` of the user's own array.
        mask: bool (rows, columns) in the orientation of ``PlaneView.slice``; True is structure. All False is legal and
            means that the structure is absent on this slice.
    """

    plane: Plane
    index: int
    mask: np.ndarray

    @property
    def absent(self) -> bool:
        """Whether this seed says that the structure is not on its slice."""
        return not self.mask.any()


def paint_seeds(seeds: Iterable[SeedSlice], volume: Volume) -> np.ndarray:
    """Return the bool mask ``[k, j, i]`` of every voxel that is painted on some seed."""
    mask = np.zeros(volume.voxels.shape, dtype=bool)
    for seed in seeds:
        volume.view(seed.plane).slice(mask, seed.index)[...] |= seed.mask
    return mask


def describe(seed: SeedSlice, volume: Volume) -> str:
    """Say in one line which slice a seed is, where it lies and how much is painted on it.

    The position is the RAS coordinate along the plane's normal (S, A or R, as Slicer's slice views show it), the area
    is in mm²: ``axial slice 34 (S 12.5 mm): 812 mm²``, or ``axial slice 60 (S 51.5 mm): absent here``.
    """
    view = volume.view(seed.plane)
    where = (
        f"{seed.plane.value} slice {seed.index} ({_NORMAL_LETTER[seed.plane]} {view.position_mm(seed.index):.1f} mm)"
    )
    if seed.absent:
        return f"{where}: absent here"
    area = np.count_nonzero(seed.mask) * view.row_mm * view.col_mm
    return f"{where}: {area:.{1 if area < 10 else 0}f} mm²"
