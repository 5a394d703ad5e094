"""One painted slice, and what a set of them says together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume

_LETTERS = {Plane.AXIAL: "SI", Plane.CORONAL: "AP", Plane.SAGITTAL: "RL"}  # of positions above and below zero


@dataclass(frozen=True, eq=False)
class SeedSlice:
    """What the user gave on one slice of a volume.

    Attributes:
        plane: the anatomical plane.
        index: slice index, along ``volume.view(plane).axis`` of the user's own array.
        mask: bool (rows, columns) in the orientation of ``PlaneView.slice``; True is structure. All False is legal and
            means that the structure is absent on this slice.

    Raises:
        InputError: the mask is not of type bool.
        ValueError: there is no such plane.
    """

    plane: Plane
    index: int
    mask: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "plane", Plane(self.plane))  # scripts write "axial"
        if self.mask.dtype != bool:
            raise InputError(_("The mask of a seed is of type {kind}; it must be bool.").format(kind=self.mask.dtype))

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


def position_text(volume: Volume, plane: Plane, index: int) -> str:
    """Say where a slice lies along its plane's normal, as Slicer's slice views do: "S 12.5 mm", "I 12.5 mm"."""
    return _along(plane, volume.view(plane).position_mm(index)) + " mm"


def point_text(ras: Sequence[float]) -> str:
    """Say where a point [r, a, s] in mm lies, with the letters of `position_text`: "L 8.2, P 12.8, S 3.0 mm"."""
    return ", ".join(map(_along, (Plane.SAGITTAL, Plane.CORONAL, Plane.AXIAL), ras)) + " mm"


def _along(plane: Plane, position_mm: float) -> str:
    millimetres = round(position_mm, 1)
    return f"{_LETTERS[plane][millimetres < 0]} {abs(millimetres):.1f}"


def area_text(seed: SeedSlice, volume: Volume) -> str:
    """Say how much is painted on a slice: "812 mm²", or "absent here"."""
    if seed.absent:
        return _("absent here")
    view = volume.view(seed.plane)
    area = np.count_nonzero(seed.mask) * view.row_mm * view.col_mm
    return f"{area:.{1 if area < 10 else 0}f} mm²"


def describe(seed: SeedSlice, volume: Volume) -> str:
    """Say in one line which slice a seed is, where it lies and how much is painted on it.

    For example ``axial slice 34 (S 12.5 mm): 812 mm²``, or ``axial slice 60 (S 51.5 mm): absent here``.
    """
    where = position_text(volume, seed.plane, seed.index)
    return f"{seed.plane.value} slice {seed.index} ({where}): {area_text(seed, volume)}"
