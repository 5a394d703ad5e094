"""Slices of a corrected result as seeds, in place of what was painted there."""

from __future__ import annotations

from collections.abc import Sequence

from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice, paint_seeds
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume


def correct_seeds(seeds: Sequence[SeedSlice], corrected: Sequence[SeedSlice], volume: Volume) -> list[SeedSlice]:
    """Return seeds in which corrected slices have replaced what was painted on them.

    Where a seed of another plane crosses a corrected slice, it takes over the line that the two share, as after "Use
    this slice as seed" in the panel; a seed of which nothing is left by that is none. Where two corrected slices cross,
    the later one decides. A corrected slice is a seed in any case, however small.

    Args:
        seeds: as `find_seeds` gives them.
        corrected: one for each corrected slice, in the order in which they were corrected.
        volume: the CT of both.

    Returns:
        Seeds ordered axial, coronal, sagittal, and within a plane forward along its normal.
    """
    painted = paint_seeds(seeds, volume)
    for one in corrected:
        volume.view(one.plane).slice(painted, one.index)[...] = one.mask
    sure = {(one.plane, one.index) for one in corrected}
    places = {(one.plane, one.index) for one in (*seeds, *corrected)}
    masks = {(plane, index): volume.view(plane).slice(painted, index) for plane, index in places}
    order = {(plane, index): n for plane in Plane for n, index in enumerate(volume.view(plane).order)}
    return [
        SeedSlice(plane, index, masks[plane, index].copy())
        for plane, index in sorted(places, key=lambda place: (list(Plane).index(place[0]), order[place]))
        if (plane, index) in sure or masks[plane, index].any()
    ]
