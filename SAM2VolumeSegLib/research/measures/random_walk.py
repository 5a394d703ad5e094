"""An opponent without a model: the random walk of this program's last step, between painted markers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from SAM2VolumeSegLib.progress import finished
from SAM2VolumeSegLib.propagation.edges import at_edges
from SAM2VolumeSegLib.research.measures.markers import INSIDE, OUTSIDE, markers_of
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Volume, Window, to_unit


def random_walk(seeds: Mapping[str, Sequence[SeedSlice]], volume: Volume) -> dict[str, np.ndarray]:
    """Walk to the markers of each segment (Grady 2006, doi:10.1109/TPAMI.2006.233), with `edges`' own parameters.

    What it lacks beside this program's result is what the network saw.

    Args:
        seeds: of every segment of the CT, by name.
        volume: the CT.

    Returns:
        By name a bool mask [k, j, i] on the grid of `volume`; masks may overlap. Seeded slices keep the user's masks.
    """
    masks = {}
    for name, markers in markers_of(seeds, volume).items():
        image = to_unit(volume.voxels[markers.box.slices], Window.named("bone"))
        inside, outside = markers.labels == INSIDE, markers.labels == OUTSIDE
        nothing = np.zeros(image.shape, np.float32)
        walk = finished(at_edges(image, volume.spacing[::-1], nothing, inside, outside, np.inf))
        masks[name] = markers.mask(np.where(walk > 0, INSIDE, OUTSIDE), volume)
    return masks
