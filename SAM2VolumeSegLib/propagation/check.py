"""What can be said about a run before a model is loaded. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.propagation.settings import Settings
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Box, Plane, Volume

Seeds = Mapping[str, Sequence[SeedSlice]]


def check_seeds(volume: Volume, seeds: Seeds, settings: Settings) -> dict[str, list[SeedSlice]]:
    """The seeds, or an InputError that says which segment has nothing to propagate."""
    if not seeds:
        raise InputError("There are no seeds: paint the structure on at least one slice and try again.")
    planes = settings.planes or tuple(Plane)
    for name, own in seeds.items():
        if not any(not seed.absent for seed in own):
            raise InputError(f'"{name}" is not painted on any slice: paint it on at least one, or leave it out.')
        if not any(seed.plane in planes and not seed.absent for seed in own):
            axes = ", ".join(plane.value for plane in planes)
            raise InputError(f'"{name}" has no painted {axes} slice, and only these axes are switched on.')
        for seed in own:
            view = volume.view(seed.plane)
            if seed.mask.shape != view.shape or not 0 <= seed.index < view.count:
                raise InputError(
                    f'A seed of "{name}" ({seed.plane.value} slice {seed.index}) does not lie on the grid of '
                    f'"{volume.name}". Paint it again on this volume.'
                )
    return {name: list(own) for name, own in seeds.items()}


def clip_roi(roi: Box, volume: Volume) -> Box:
    """The part of a region of interest that the volume has. Raises InputError when there is none."""
    lower = tuple(max(0, first) for first in roi.lower)
    upper = tuple(min(count, end) for count, end in zip(volume.voxels.shape, roi.upper, strict=True))
    if any(first >= end for first, end in zip(lower, upper, strict=True)):
        raise InputError(f'The region of interest holds no voxel of "{volume.name}": move it onto the structure.')
    return Box(lower, upper)
