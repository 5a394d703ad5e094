"""Whether and where something is painted, from the slices alone: no mask of the volume's size is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice
from SAM2VolumeSegLib.volume.crop import Box
from SAM2VolumeSegLib.volume.volume import Volume


def is_painted(seeds: Iterable[SeedSlice]) -> bool:
    """Return whether something is painted on any of the seeds; all of them may be absent ones."""
    return any(not seed.absent for seed in seeds)


def painted_box(seeds: Sequence[SeedSlice], volume: Volume) -> Box:
    """Return the box of voxels around what is painted.

    Raises:
        InputError: nothing is painted.
    """
    boxes = []
    for seed in seeds:
        rows, columns = (np.flatnonzero(seed.mask.any(axis=axis)) for axis in (1, 0))
        if len(rows):
            part = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
            boxes.append(Box(*volume.view(seed.plane).corners(seed.index, seed.index, part)))
    if not boxes:
        raise InputError(_("Nothing is painted: paint the structure on at least one slice and try again."))
    return Box.around_boxes(boxes)
