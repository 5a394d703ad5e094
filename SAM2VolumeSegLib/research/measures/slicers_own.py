"""Opponents without a model that every user of Slicer has: Fill between slices, and Grow from seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.measures.markers import markers_of
from SAM2VolumeSegLib.seeds import SeedSlice, paint_seeds
from SAM2VolumeSegLib.volume import Box, Volume

_RIM_MM = 3.0
"""Around what is painted. The filter makes nothing beyond it, so the rim only has to be there."""


def fill_between(seeds: Mapping[str, Sequence[SeedSlice]], volume: Volume) -> dict[str, np.ndarray]:
    """Run Slicer's "Fill between slices" on all segments at once, as its effect does.

    It never looks at the CT, and knows nothing of slices that are marked absent.

    Args:
        seeds: of every segment of the CT, by name. Where two are painted on a voxel, it is the later one's.
        volume: the CT; only its grid is used.

    Returns:
        By name a bool mask [k, j, i] on the grid of `volume`.

    Raises:
        InputError: slicer-core is not installed.
    """
    filters = _filters()
    labels = np.zeros(volume.voxels.shape, dtype=np.int16)
    for number, own in enumerate(seeds.values(), 1):
        labels[paint_seeds(own, volume)] = number
    box = Box.around(labels > 0, volume, _RIM_MM).slices
    labels[box] = filters.fill_between_slices(labels[box], volume.spacing)
    return {name: labels == number for number, name in enumerate(seeds, 1)}


def grow(seeds: Mapping[str, Sequence[SeedSlice]], volume: Volume) -> dict[str, np.ndarray]:
    """Run Slicer's "Grow from seeds" on each segment against one called other, as its documentation advises.

    Both are painted as `markers_of` says: who paints slices has painted what is not the segment as well.

    Args:
        seeds: of every segment of the CT, by name.
        volume: the CT.

    Returns:
        By name a bool mask [k, j, i] on the grid of `volume`; masks may overlap.

    Raises:
        InputError: slicer-core is not installed.
    """
    filters = _filters()
    return {
        name: one.mask(filters.grow_from_seeds(volume.voxels[one.box.slices], one.labels, volume.spacing), volume)
        for name, one in markers_of(seeds, volume).items()
    }


def _filters() -> ModuleType:
    try:
        from SAM2VolumeSegLib.scene import slicer_filters
    except ImportError:
        raise InputError(
            "Fill between slices and Grow from seeds are Slicer's own filters. Install them with: "
            "pip install slicer-core vtk"
        ) from None
    return slicer_filters
