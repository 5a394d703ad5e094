"""How votes became masks before they lived in boxes: arrays of the whole crop and volume for every segment.

Kept to measure against, and as the plain answer that the boxes have to equal.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.propagation import Settings, Sight
from SAM2VolumeSegLib.propagation.axis_job import AxisJob
from SAM2VolumeSegLib.propagation.together import Step, run_together
from SAM2VolumeSegLib.propagation.vote import LOGIT_LIMIT, Vote
from SAM2VolumeSegLib.seeds import SeedSlice, paint_seeds
from SAM2VolumeSegLib.volume import Box, Volume


def segment_whole(
    tracker: SliceTracker, volume: Volume, seeds: Mapping[str, Sequence[SeedSlice]], settings: Settings
) -> Generator[Step, None, dict[str, np.ndarray]]:
    """Do what `Segmenter.run` does, but for `Settings.edges`.

    Yields:
        A step after each slice.

    Returns:
        The masks, bool [k, j, i] by segment.
    """
    sight = Sight(volume, seeds, settings, tracker.plan.image_size)
    sums, weights, done = {}, {}, {}
    for group in sight.groups:
        for name in group:
            sums[name], weights[name] = (np.zeros(volume.voxels.shape, dtype=np.float32) for _ in range(2))
        for plane in sight.planes:
            pictures = sight.pictures(group[0], plane)
            jobs = [AxisJob(tracker, sight, name, plane) for name in group if plane in sight.planes_of(name)]
            yield from run_together(tracker, pictures, jobs)
            for job in jobs:
                done.setdefault(job.name, []).append(job)
        for name in group:
            for job in done[name]:
                _add(job, sight.reach(name), sums[name], weights[name])
                job.votes.clear()
    logits = {
        name: np.divide(total, weights[name], out=np.full_like(total, -LOGIT_LIMIT), where=weights[name] > 0)
        for name, total in sums.items()
    }
    return _fused(volume, seeds, logits, weights, settings.drop_islands)


def _add(job: AxisJob, reach: Box, total: np.ndarray, weight: np.ndarray) -> None:
    """Add the votes of one axis, inside of what the segment's axes reached."""
    view = job.pictures.view
    top, bottom, left, right = view.bounds(reach.lower, reach.upper)
    said = {
        job.stops.position(stop): (Vote.means([vote], job.pictures.logits_from_model).means[0], vote.weight)
        for stop, vote in job.votes.items()
    }
    for seed in job.seeds:
        sure = np.where(seed.mask, LOGIT_LIMIT, -LOGIT_LIMIT).astype(np.float32)
        said[job.pictures.positions[seed.index]] = (sure, job.weight(job.stop_of(seed), 1))
    votes = [(job.pictures.index(position), logits, counts) for position, (logits, counts) in said.items()]
    for first, last in pairwise(job.stops.positions):
        if first in said and last in said:
            (logits, counts), (other_logits, other_counts) = said[first], said[last]
            for position in range(first + 1, last):
                share = (position - first) / (last - first)
                blend = ((1 - share) * logits + share * other_logits).astype(np.float32)
                votes.append((job.pictures.index(position), blend, 1 / ((1 - share) / counts + share / other_counts)))
    for index, logits, counts in votes:
        if not reach.lower[view.axis] <= index < reach.upper[view.axis]:
            continue
        part = (slice(top, bottom), slice(left, right))
        voted = ~np.isnan(logits[part])
        each = job.weights(job.pictures.positions[index], logits[part], counts)
        view.slice(total, index)[part][voted] += (each * logits[part])[voted]
        view.slice(weight, index)[part][voted] += each[voted]


def _fused(volume, seeds, logits, weights, drop_islands) -> dict[str, np.ndarray]:
    painted = {name: paint_seeds(own, volume) for name, own in seeds.items()}
    masks = {}
    for name, own in seeds.items():
        masks[name] = logits[name] > 0
        for seed in own:
            volume.view(seed.plane).slice(masks[name], seed.index)[...] = seed.mask
        masks[name] |= painted[name]
    if drop_islands:
        _drop_islands(masks, painted)
    for one, other in combinations(sorted(masks), 2):
        if (painted[one] & painted[other]).any():
            continue
        voxels = np.nonzero(masks[one] & masks[other])
        (logit, weight), (other_logit, other_weight) = (
            (
                np.where(painted[name][voxels], np.inf, logits[name][voxels]),
                np.where(painted[name][voxels], 0, weights[name][voxels]),
            )
            for name in (one, other)
        )
        wins = (logit > other_logit) | ((logit == other_logit) & (weight >= other_weight))
        masks[one][voxels], masks[other][voxels] = wins, ~wins
    if drop_islands:
        _drop_islands(masks, painted)
    return masks


def _drop_islands(masks: dict[str, np.ndarray], painted: Mapping[str, np.ndarray]) -> None:
    for name, mask in masks.items():
        parts, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
        masks[name] = mask & np.isin(parts, np.unique(parts[painted[name] & mask]))
