"""A CT volume: voxels and where they are in the patient."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume.planes import Plane, PlaneView
from SAM2VolumeSegLib.volume.text import size_text

GRID_TOLERANCE_VOXELS = 0.1
"""Two grids are the same when no corner voxel is further from its twin (NIfTI rounds directions to float32)."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A CT on its grid.

    The voxels are kept as a read-only view: the user's CT is never changed, and ``fingerprint`` stays true.

    Attributes:
        voxels: ``[k, j, i]``, HU for CT.
        ijk_to_ras: 4x4 matrix from voxel indices (i, j, k) to RAS in mm.
        name: for messages.

    Raises:
        InputError: not three dimensions, not plain numbers, NaN or infinite voxels, fewer than two voxels along an
            axis, or a geometry in which two axes coincide (singular matrix).
    """

    voxels: np.ndarray
    ijk_to_ras: np.ndarray
    name: str = "volume"

    def __post_init__(self) -> None:
        voxels = np.asarray(self.voxels).view()
        voxels.flags.writeable = False
        matrix = np.array(self.ijk_to_ras, dtype=np.float64)
        matrix.flags.writeable = False
        object.__setattr__(self, "voxels", voxels)
        object.__setattr__(self, "ijk_to_ras", matrix)
        self._check()

    def _check(self) -> None:
        voxels = self.voxels
        if voxels.ndim != 3:
            raise InputError(
                _(
                    '"{name}" has {ndim} dimensions {voxels_shape}, but a CT volume has three. Save one volume (one '
                    "time point, one channel) and use that."
                ).format(name=self.name, ndim=voxels.ndim, voxels_shape=voxels.shape)
            )
        if voxels.dtype.kind not in "biuf":
            raise InputError(
                _('"{name}" has voxels of type {dtype}; convert it to a scalar volume first.').format(
                    name=self.name, dtype=voxels.dtype
                )
            )
        if min(voxels.shape) < 2:
            raise InputError(
                _(
                    '"{name}" is {size_text} voxels: a single slice is not a volume. Load the whole series and try '
                    "again."
                ).format(name=self.name, size_text=size_text(voxels.shape[::-1]))
            )
        if voxels.dtype.kind == "f" and (bad := voxels.size - int(np.count_nonzero(np.isfinite(voxels)))):
            raise InputError(
                _(
                    '"{name}" has {count} voxels that are not a number (NaN) or infinite. Replace them by air (-1000 '
                    "HU), or export the volume again."
                ).format(name=self.name, count=bad)
            )
        if self.ijk_to_ras.shape != (4, 4) or not np.isfinite(self.ijk_to_ras).all():
            raise InputError(
                _('The geometry of "{name}" is not a 4x4 matrix of numbers; export the volume again.').format(
                    name=self.name
                )
            )
        spacing = np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)
        if not spacing.all() or abs(np.linalg.det(self.ijk_to_ras[:3, :3] / spacing)) < 1e-3:
            raise InputError(
                _(
                    'The geometry of "{name}" is singular: axes point the same way or a voxel has no size. Correct '
                    "the direction and spacing in its header, or export the volume again."
                ).format(name=self.name)
            )

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance in mm between neighbouring voxels along i, j, k."""
        i, j, k = np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)
        return float(i), float(j), float(k)

    def view(self, plane: Plane) -> PlaneView:
        """Return how the slices of ``plane`` lie in this volume."""
        return self._views[Plane(plane)]

    @cached_property
    def _views(self) -> dict[Plane, PlaneView]:
        return {plane: PlaneView.of(plane, self.voxels.shape, self.ijk_to_ras) for plane in Plane}

    def fingerprint(self) -> str:
        """Return a hexadecimal digest of voxels and geometry: equal for equal volumes, whatever their name or file."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        digest.update(f"{self.voxels.shape} {self.voxels.dtype.str}".encode())
        digest.update(self.ijk_to_ras.tobytes())
        digest.update(np.ascontiguousarray(self.voxels).data)
        return digest.hexdigest()

    def same_grid(self, shape: tuple[int, ...], ijk_to_ras: np.ndarray) -> bool:
        """Say whether another grid (shape ``[k, j, i]``, matrix in RAS mm) has the same voxels as this one."""
        if tuple(shape) != self.voxels.shape:
            return False
        return grid_distance(self.ijk_to_ras, ijk_to_ras, shape) <= GRID_TOLERANCE_VOXELS


def grid_distance(ijk_to_ras: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return how far corner voxels of two grids of ``shape`` [k, j, i] are apart, at most, in voxels of the first."""
    corners = np.array(np.meshgrid(*([0, n - 1] for n in shape[::-1]), [1], indexing="ij")).reshape(4, -1)
    moved = np.linalg.solve(ijk_to_ras, np.asarray(other, dtype=np.float64) @ corners)
    return float(np.abs(moved - corners).max())
