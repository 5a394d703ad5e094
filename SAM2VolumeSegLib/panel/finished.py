"""Whether what is in a segment was painted slice by slice, or is a finished segmentation."""

from __future__ import annotations

from collections.abc import Sequence

from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice
from SAM2VolumeSegLib.volume.planes import Plane

RUN = 10
"""Neighbouring slices of one plane that are all filled: who wants them carried on paints fewer, and with gaps."""


def longest_run(seeds: Sequence[SeedSlice]) -> int:
    """Count the neighbouring painted slices of the longest row without a gap, on any plane."""
    longest = 0
    for plane in Plane:
        painted = {seed.index for seed in seeds if seed.plane is plane and not seed.absent}
        for first in (index for index in painted if index - 1 not in painted):
            after = first
            while after in painted:
                after += 1
            longest = max(longest, after - first)
    return longest


def is_finished(seeds: Sequence[SeedSlice]) -> bool:
    """Say whether seeds look like a finished segmentation, of which every slice was taken for a painted one."""
    return longest_run(seeds) >= RUN
