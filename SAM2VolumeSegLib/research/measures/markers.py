"""What painted slices say of where a segment is and is not, for opponents that grow from markers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from SAM2VolumeSegLib.seeds import SeedSlice, paint_seeds, painted_box
from SAM2VolumeSegLib.volume import Box, Volume

REACH_MM = 15.0
"""Nothing is expected further than this from the painted box: the margin of the program's own crop."""
UNKNOWN, INSIDE, OUTSIDE = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Markers:
    """What is known of one segment, in a box.

    Attributes:
        box: the painted box and `REACH_MM` around it, with a rim that is outside.
        labels: uint8 [k, j, i] in the box, of `UNKNOWN`, `INSIDE` and `OUTSIDE`.
    """

    box: Box
    labels: np.ndarray

    def mask(self, grown: np.ndarray, volume: Volume) -> np.ndarray:
        """Return what was grown, an array of such labels in the box, as a bool mask [k, j, i] on the volume's grid."""
        mask = np.zeros(volume.voxels.shape, dtype=bool)
        mask[self.box.slices] = grown == INSIDE
        return mask


def markers_of(seeds: Mapping[str, Sequence[SeedSlice]], volume: Volume) -> dict[str, Markers]:
    """Return the markers of every segment.

    Inside is what is painted. Outside is what the user said is not the segment: the rest of its own painted slices,
    what is painted of other segments, and all that is further than `REACH_MM` from its painted box. The rest of another
    segment's painted slices says nothing: this segment may be there.

    Args:
        seeds: of every segment of the CT, by name.
        volume: the CT.
    """
    painted = {name: paint_seeds(own, volume) for name, own in seeds.items()}
    anything = np.any(list(painted.values()), axis=0)
    found = {}
    for name, own in seeds.items():
        reach = painted_box(own, volume).grown(REACH_MM, volume)
        box = Box(tuple(n - 1 for n in reach.lower), tuple(n + 1 for n in reach.upper)).meet(Box.whole(volume))
        labels = np.full(volume.voxels.shape, OUTSIDE, dtype=np.uint8)
        labels[reach.slices] = UNKNOWN
        for seed in own:
            volume.view(seed.plane).slice(labels, seed.index)[...] = OUTSIDE
        labels[anything] = OUTSIDE
        labels[painted[name]] = INSIDE
        found[name] = Markers(box, labels[box.slices].copy())
    return found
