"""What is measured: volumes, seeds and settings of the profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from SAM2VolumeSegLib.propagation import RECOMMENDED, Settings
from SAM2VolumeSegLib.seeds import SeedSlice, simulate_seeds
from SAM2VolumeSegLib.volume import Box, Plane, Volume

PROFILES = ("one-axis", "three-axes", "correction", "ten-segments", "long-volume")
MANY = ("many-segments", "whole-spine")
BESIDE_BUSY = "beside-busy"
TIME_LEFT = "time-left"
LONG_SLICES = 300
SEEDS = "first-middle-last"


@dataclass(frozen=True, eq=False)
class BenchCase:
    """A run that both engines make.

    Attributes:
        title: for people.
        volume: the CT.
        seeds: by segment.
        references: bool [k, j, i] by segment.
        settings: of the run.
        before: seeds that ours has already propagated when the clock starts; None: it knows nothing.
    """

    title: str
    volume: Volume
    seeds: Mapping[str, list[SeedSlice]]
    references: Mapping[str, np.ndarray]
    settings: Settings
    before: Mapping[str, list[SeedSlice]] | None = None


def case(profile: str, every: int = 1) -> BenchCase:
    """Return the case of a profile.

    Args:
        profile: one of `PROFILES`.
        every: the vertebra on every so many-th voxel of the CT only, in all directions: fewer slices, for slow models.

    Raises:
        InputError: the CT of the package tptbox is missing.
    """
    if profile == "ten-segments":
        return tubes(10)
    if profile == "long-volume":
        return tubes(1, LONG_SLICES)
    volume, reference = _vertebra(every)
    planes = (Plane.AXIAL,) if profile == "one-axis" else tuple(Plane)
    seeds = {"L3": simulate_seeds(reference, volume, SEEDS, planes)}
    titles = {
        "one-axis": "One axis, both directions, 3 seeds",
        "three-axes": "Three axes, both directions, 3 seeds each",
        "correction": "One changed seed after the run on three axes",
    }
    title = titles[profile] + (f", one voxel of {every} in each direction" if every > 1 else "")
    if profile != "correction":
        return BenchCase(title, volume, seeds, {"L3": reference}, RECOMMENDED)
    return BenchCase(title, volume, {"L3": corrected(seeds["L3"])}, {"L3": reference}, RECOMMENDED, seeds)


def tubes(segments: int, slices: int = 64) -> BenchCase:
    """Return bright tubes of changing width in noise, each painted on its first, middle and last axial slice.

    The same slices and the same crop for any number of segments. 1 mm voxels, 96 x 96 in the plane.

    Args:
        segments: how many tubes.
        slices: how many axial ones.
    """
    size, pitch = 96, 18
    k, j, i = np.ogrid[:slices, :size, :size]
    voxels = np.random.default_rng(0).normal(-50, 40, (slices, size, size)).astype(np.float32)
    references = {}
    for number in range(segments):
        row, column = 15 + pitch * (number // 5), 12 + pitch * (number % 5)
        radius = 5 + 2 * np.sin(k / 9 + number)
        mask = (j - row) ** 2 + (i - column) ** 2 < radius**2
        mask[[0, -1]] = False
        voxels[mask] += 600
        references[f"Tube {number + 1}"] = mask
    volume = Volume(voxels.astype(np.int16), np.eye(4), "tubes")
    seeds = {name: simulate_seeds(mask, volume, SEEDS, (Plane.AXIAL,)) for name, mask in references.items()}
    settings = replace(RECOMMENDED, roi=Box.whole(volume))
    count = f"{segments} segments" if segments > 1 else "One segment"
    return BenchCase(f"{count}, {slices} axial slices, both directions", volume, seeds, references, settings)


def _vertebra(every: int) -> tuple[Volume, np.ndarray]:
    from SAM2VolumeSegLib.research.data.cases import bundled_case

    volume, references = bundled_case().load()
    reference = references["L3"]
    if every == 1:
        return volume, reference
    kept = (slice(None, None, every),) * 3
    coarser = np.diag([every, every, every, 1.0])
    return Volume(volume.voxels[kept], volume.ijk_to_ras @ coarser, volume.name), reference[kept]


def corrected(seeds: list[SeedSlice]) -> list[SeedSlice]:
    """The middle axial seed without a quarter of its painted rows: a correction that leaves the crop as it is."""
    axial = sorted((seed for seed in seeds if seed.plane is Plane.AXIAL), key=lambda seed: seed.index)
    changed = axial[len(axial) // 2]
    mask = changed.mask.copy()
    rows = np.flatnonzero(mask.any(axis=1))
    mask[rows[: max(1, len(rows) // 4)]] = False
    return [replace(seed, mask=mask) if seed is changed else seed for seed in seeds]
