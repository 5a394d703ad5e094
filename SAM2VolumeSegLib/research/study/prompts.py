"""What is painted of a structure in a row of a table, cut from its reference."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from SAM2VolumeSegLib.panel.next_slice import next_slice
from SAM2VolumeSegLib.seeds import SeedSlice, simulate_seeds
from SAM2VolumeSegLib.volume import Plane, Volume

_ADVISED = re.compile(r"advised-([1-9]\d*)")


def paint(reference: np.ndarray, volume: Volume, prompts: str, planes: Sequence[Plane]) -> list[SeedSlice]:
    """Return the prompted slices of a structure.

    Args:
        reference: bool [k, j, i].
        volume: the CT, on the same grid.
        prompts: a strategy of `simulate_seeds`; or "advised-n", n slices as a user paints them who is given advice
            (`next_slice`): the first in the middle of the structure on the first of the planes, each other one where
            the advice sends. Where nothing of the structure is on that slice, it is marked absent, and counts.
        planes: the planes that are prompted.

    Returns:
        The slices in the order in which they were cut; fewer where the structure is small or the advice is content.

    Raises:
        InputError: as `simulate_seeds`.
    """
    match = _ADVISED.fullmatch(prompts)
    if not match:
        return simulate_seeds(reference, volume, prompts, planes)
    seeds = simulate_seeds(reference, volume, "middle", planes[:1])
    while len(seeds) < int(match[1]) and (place := next_slice(seeds, volume, planes)):
        plane, index = place
        seeds.append(SeedSlice(plane, index, volume.view(plane).slice(reference, index).copy()))
    return seeds
