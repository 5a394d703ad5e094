"""The baseline that knows nothing of shapes: every slice gets the mask of the nearest painted one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Plane, Volume


def copy_nearest(seeds: Sequence[SeedSlice], volume: Volume) -> np.ndarray:
    """Fill the structure between its seeds with copies of them.

    Each voxel between the first and the last seed of a plane takes what the nearest seed, in mm and over all planes,
    has in its place; of two equally near ones that of the earlier plane (axial, coronal, sagittal), and on one plane
    the one behind (inferior, posterior or left). Nothing is beyond the outermost seeds of every plane. Seeded slices
    keep the user's masks.

    Args:
        seeds: seed slices of one structure, on any planes, in any order.
        volume: the CT; only its grid is used.

    Returns:
        bool mask [k, j, i] on the grid of ``volume``.
    """
    copied = np.zeros(volume.voxels.shape, dtype=bool)
    away_mm = np.full(volume.voxels.shape, np.inf, dtype=np.float32)
    for view in (volume.view(plane) for plane in Plane):
        own = {view.order.index(seed.index): seed for seed in seeds if seed.plane == view.plane}
        for position in range(min(own, default=0), max(own, default=-1) + 1):
            nearest = min(sorted(own), key=lambda seeded: abs(seeded - position))
            mm = abs(nearest - position) * view.slice_mm
            distance, mask = (view.slice(array, view.order[position]) for array in (away_mm, copied))
            nearer = mm < distance
            distance[nearer], mask[nearer] = mm, own[nearest].mask[nearer]
    return copied
