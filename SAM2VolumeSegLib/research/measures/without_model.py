"""Every method without a model, by name: what the program has to beat. A new one is one more entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from SAM2VolumeSegLib.research.measures.copy_nearest import copy_nearest
from SAM2VolumeSegLib.research.measures.interpolate import interpolate_seeds
from SAM2VolumeSegLib.research.measures.random_walk import random_walk
from SAM2VolumeSegLib.research.measures.slicers_own import fill_between, grow
from SAM2VolumeSegLib.research.measures.watershed import marker_watershed
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Volume

Method = Callable[[Mapping[str, Sequence[SeedSlice]], Volume], dict[str, np.ndarray]]
"""From the seeds of every segment of a CT by name, and the CT, to masks bool [k, j, i] by name."""


def _each(of_one: Callable[[Sequence[SeedSlice], Volume], np.ndarray]) -> Method:
    """A method that looks at each segment alone."""
    return lambda seeds, volume: {name: of_one(own, volume) for name, own in seeds.items()}


WITHOUT_MODEL: dict[str, Method] = {
    "interpolation": _each(interpolate_seeds),
    "nearest copy": _each(copy_nearest),
    "marker watershed": marker_watershed,
    "fill between slices": fill_between,
    "grow from seeds": grow,
    "random walk": random_walk,
}
