"""From guesses along the axes to masks on the volume's grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.seeds import SeedSlice, paint_seeds
from SAM2VolumeSegLib.segment.axis_job import AxisJob
from SAM2VolumeSegLib.segment.propagate import LOGIT_LIMIT
from SAM2VolumeSegLib.segment.result import SegmentResult
from SAM2VolumeSegLib.volume import Box, Plane, Volume


class Votes:
    """Logits of one segment, averaged over the axes in the volume's grid (paper, section II-D3), by their weights."""

    def __init__(self, volume: Volume, jobs: Sequence[AxisJob], keep_planes: bool):
        self.box = _reach(jobs)
        shape = tuple(upper - lower for lower, upper in zip(self.box.lower, self.box.upper, strict=True))
        self._volume, self._keep_planes = volume, keep_planes
        self._sum = np.zeros(shape, dtype=np.float32)
        self._weight = np.zeros(shape, dtype=np.float32)
        self.planes: dict[Plane, np.ndarray] = {}
        self.confidence: dict[Plane, dict[int, float]] = {}

    def add(self, job: AxisJob) -> None:
        """Add the vote of one axis: on the slices it reached, inside of its window."""
        view = job.pictures.view
        votes = np.full(self._sum.shape, np.nan, dtype=np.float32)
        top, bottom, left, right = view.bounds(self.box.lower, self.box.upper)
        pictures = job.pictures
        slices = {pictures.index(t): (pictures.logits_from_model(g.logits), g.weight) for t, g in job.guesses.items()}
        for seed in job.seeds:
            sure = np.where(seed.mask, LOGIT_LIMIT, -LOGIT_LIMIT)
            slices[seed.index] = sure, job.weight(job.pictures.times[seed.index], 1)
        for index, (logits, weight) in slices.items():
            offset = index - self.box.lower[view.axis]
            if 0 <= offset < self._sum.shape[view.axis]:
                vote = logits[top:bottom, left:right]
                voted = ~np.isnan(vote)
                view.slice(votes, offset)[...] = vote
                view.slice(self._sum, offset)[voted] += weight * vote[voted]
                view.slice(self._weight, offset)[voted] += weight
        seeded = {seed.index: 1.0 for seed in job.seeds}
        found = {job.pictures.index(time): guess.confidence for time, guess in job.guesses.items()}
        self.confidence[view.plane] = dict(sorted((found | seeded).items()))
        if self._keep_planes:
            self.planes[view.plane] = votes

    def mean(self) -> np.ndarray:
        """Weighted mean of the votes; a voxel without any is background."""
        mean = np.full(self._sum.shape, -LOGIT_LIMIT, dtype=np.float32)
        return np.divide(self._sum, self._weight, out=mean, where=self._weight > 0)


def _reach(jobs: Sequence[AxisJob]) -> Box:
    """The crop, opened to the ends of the volume along every axis that goes on beyond its seeds."""
    lower, upper = list(jobs[0].pictures.box.lower), list(jobs[0].pictures.box.upper)
    for job in jobs:
        axis = job.pictures.view.axis
        ends = job.pictures.index(job.span.first), job.pictures.index(job.span.last)
        lower[axis], upper[axis] = min(lower[axis], *ends), max(upper[axis], *(end + 1 for end in ends))
    return Box(tuple(lower), tuple(upper))


def fuse(
    volume: Volume, seeds: Mapping[str, Sequence[SeedSlice]], votes: Mapping[str, Votes], drop_islands: bool
) -> dict[str, SegmentResult]:
    """Masks from votes. What the user painted stays; of two claims on a voxel the higher logit wins.

    drop_islands removes what is not connected (26 neighbours) to anything painted.

    Segments whose painted slices overlap each other are meant to, and may overlap everywhere.
    """
    logits = {name: vote.mean() for name, vote in votes.items()}
    painted = {name: paint_seeds(own, volume) for name, own in seeds.items()}
    masks = {}
    for name, vote in votes.items():
        mask = np.zeros(volume.voxels.shape, dtype=bool)
        mask[vote.box.slices] = logits[name] > 0
        for seed in seeds[name]:
            volume.view(seed.plane).slice(mask, seed.index)[...] = seed.mask
        masks[name] = mask | painted[name]
    for one, other in combinations(masks, 2):
        if (painted[one] & painted[other]).any():
            continue
        contested = np.nonzero(masks[one] & masks[other])
        first, second = (_strength(name, contested, logits, votes, painted) for name in (one, other))
        masks[one][contested] = first >= second
        masks[other][contested] = second > first
    if drop_islands:
        masks = {name: _connected(mask, painted[name]) for name, mask in masks.items()}
    return {
        name: SegmentResult(masks[name], logits[name], vote.box, vote.confidence, vote.planes)
        for name, vote in votes.items()
    }


def _connected(mask: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """The parts of a mask that hold a painted voxel."""
    parts, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    kept = np.zeros(count + 1, dtype=bool)
    kept[np.unique(parts[painted & mask])] = True
    kept[0] = False
    return kept[parts]


def _strength(name, voxels, logits, votes, painted) -> np.ndarray:
    """Fused logits at some voxels [k, j, i] of the volume; what is painted there is beyond doubt."""
    strength = np.where(painted[name][voxels], np.inf, -np.inf)
    inside = np.stack(voxels, axis=1) - votes[name].box.lower
    known = ((inside >= 0) & (inside < logits[name].shape)).all(axis=1) & ~painted[name][voxels]
    strength[known] = logits[name][tuple(inside[known].T)]
    return strength
