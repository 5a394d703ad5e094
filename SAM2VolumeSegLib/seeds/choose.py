"""The user's say over the seeds that were found: switch one off, or declare the structure absent on a slice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice, describe, paint_seeds
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume


def parse_slice(text: str, volume: Volume) -> tuple[Plane, int]:
    """Read a slice such as ``"axial:34"``: a plane and the index along that plane's axis of ``volume``.

    Raises:
        InputError: no such plane, no number, or no such slice in the volume.
    """
    name, _, number = text.partition(":")
    try:
        plane = Plane(name.strip().lower())
    except ValueError:
        planes = ", ".join(p.value for p in Plane)
        raise InputError(
            f'"{text}" names no plane. Write one of {planes} and a slice number, as in axial:34.'
        ) from None
    last = volume.view(plane).count - 1
    try:
        index = int(number)
    except ValueError:
        raise InputError(f'"{text}" has no slice number. Write it as {plane.value}:34, from 0 to {last}.') from None
    if not 0 <= index <= last:
        raise InputError(f'"{volume.name}" has no {plane.value} slice {index}. Choose one from 0 to {last}.')
    return plane, index


def skip_seeds(seeds: Sequence[SeedSlice], slices: Iterable[tuple[Plane, int]], volume: Volume) -> list[SeedSlice]:
    """Return ``seeds`` without those on ``slices``.

    Raises:
        InputError: a slice is not among the seeds, or no seed would be left.
    """
    skipped = set(slices)
    found = {(seed.plane, seed.index) for seed in seeds}
    for plane, index in sorted(skipped - found):
        listed = "; ".join(describe(seed, volume) for seed in seeds)
        raise InputError(f"{plane.value}:{index} cannot be skipped, it is not a seed. The seeds are: {listed}.")
    kept = [seed for seed in seeds if (seed.plane, seed.index) not in skipped]
    if not kept:
        raise InputError("Every painted slice is skipped, so nothing says where the structure is. Keep at least one.")
    return kept


def add_absent(seeds: Sequence[SeedSlice], slices: Iterable[tuple[Plane, int]], volume: Volume) -> list[SeedSlice]:
    """Return ``seeds`` and an all-False seed for each of ``slices``: the structure is not there.

    Raises:
        InputError: something is painted on such a slice, be it by a seed of another plane that crosses it.
    """
    painted = paint_seeds(seeds, volume)
    added = []
    for plane, index in dict.fromkeys(slices):
        picture = volume.view(plane).slice(painted, index)
        if picture.any():
            raise InputError(
                f"{plane.value}:{index} is declared absent, but {np.count_nonzero(picture)} voxels are painted on it. "
                "Erase them, or leave the declaration out."
            )
        added.append(SeedSlice(plane, index, np.zeros(picture.shape, dtype=bool)))
    taken = {(seed.plane, seed.index) for seed in seeds}
    return [*seeds, *(seed for seed in added if (seed.plane, seed.index) not in taken)]


def marked_seeds(
    seeds: Sequence[SeedSlice],
    absent: Iterable[tuple[Plane, int]],
    skipped: Iterable[tuple[Plane, int]],
    volume: Volume,
) -> list[SeedSlice]:
    """Return the seeds of a segment that a run takes: those switched on, and an all-False one where marked absent.

    Marks outlive what they were set on: one of a slice that was erased since, or that ``volume`` does not have (the CT
    was replaced by a smaller one), counts for nothing, and a slice that is both skipped and absent is skipped.

    Raises:
        InputError: something is painted on a slice marked absent.
    """
    off = set(skipped)
    kept = [seed for seed in seeds if (seed.plane, seed.index) not in off]
    marked = [place for place in absent if place not in off and 0 <= place[1] < volume.view(place[0]).count]
    return add_absent(kept, marked, volume) if marked else kept
