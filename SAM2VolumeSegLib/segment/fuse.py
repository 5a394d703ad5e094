"""From guesses along the axes to masks on the volume's grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
        self.weight = np.zeros(shape, dtype=np.float32)
        self.planes: dict[Plane, np.ndarray] = {}
        self.confidence: dict[Plane, dict[int, float]] = {}

    def add(self, job: AxisJob) -> None:
        """Add the vote of one axis: on the slices it reached, inside of its window."""
        view = job.pictures.view
        votes = np.full(self._sum.shape, np.nan, dtype=np.float32) if self._keep_planes else None
        top, bottom, left, right = view.bounds(self.box.lower, self.box.upper)
        for index, logits, weight in _slices(job):
            offset = index - self.box.lower[view.axis]
            if 0 <= offset < self._sum.shape[view.axis]:
                vote = logits[top:bottom, left:right]
                voted = ~np.isnan(vote)
                if votes is not None:
                    view.slice(votes, offset)[...] = vote
                view.slice(self._sum, offset)[voted] += weight * vote[voted]
                view.slice(self.weight, offset)[voted] += weight
        seeded = {seed.index: 1.0 for seed in job.seeds}
        found = {job.pictures.index(time): guess.confidence for time, guess in job.guesses.items()}
        self.confidence[view.plane] = dict(sorted((found | seeded).items()))
        if votes is not None:
            self.planes[view.plane] = votes

    def mean(self) -> np.ndarray:
        """Weighted mean of the votes; a voxel without any is background."""
        mean = np.full(self._sum.shape, -LOGIT_LIMIT, dtype=np.float32)
        return np.divide(self._sum, self.weight, out=mean, where=self.weight > 0)


def _slices(job: AxisJob) -> Iterator[tuple[int, np.ndarray, float]]:
    """Index, logits on the volume's grid and weight of every slice of an axis; one at a time, they are large."""
    seeded = {seed.index for seed in job.seeds}
    for time, guess in job.guesses.items():
        if job.pictures.index(time) not in seeded:
            yield job.pictures.index(time), guess.vote(job.pictures.logits_from_model), guess.weight
    for seed in job.seeds:
        sure = np.where(seed.mask, LOGIT_LIMIT, -LOGIT_LIMIT)
        yield seed.index, sure, job.weight(job.pictures.times[seed.index], 1)


def _reach(jobs: Sequence[AxisJob]) -> Box:
    """The crop, opened to the ends of the span along every axis that goes on beyond its seeds."""
    lower, upper = list(jobs[0].pictures.box.lower), list(jobs[0].pictures.box.upper)
    for job in jobs:
        axis = job.pictures.view.axis
        ends = job.pictures.index(job.span.first), job.pictures.index(job.span.last)
        lower[axis], upper[axis] = min(lower[axis], *ends), max(upper[axis], *(end + 1 for end in ends))
    return Box(tuple(lower), tuple(upper))


def fuse(
    volume: Volume, seeds: Mapping[str, Sequence[SeedSlice]], votes: Mapping[str, Votes], drop_islands: bool
) -> dict[str, SegmentResult]:
    """Masks from votes. What the user painted stays; of two claims on a voxel the higher logit wins. Of two equal ones,
    frequent because logits are clamped, the one whose votes weigh more: by nearness, the nearer painted slices.

    Segments whose painted slices overlap each other are meant to, and may overlap everywhere. drop_islands then removes
    what is not connected (26 neighbours) to anything painted.
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
    for one, other in combinations(sorted(masks), 2):
        if (painted[one] & painted[other]).any():
            continue
        contested = np.nonzero(masks[one] & masks[other])
        (logit, weight), (other_logit, other_weight) = (
            _claim(votes[name], logits[name], painted[name], contested) for name in (one, other)
        )
        wins = (logit > other_logit) | ((logit == other_logit) & (weight >= other_weight))
        masks[one][contested] = wins
        masks[other][contested] = ~wins
    if drop_islands:
        masks = {name: _connected(mask, painted[name]) for name, mask in masks.items()}
    return {
        name: SegmentResult(masks[name], logits[name], vote.box, vote.confidence, vote.planes)
        for name, vote in votes.items()
    }


def _connected(mask: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """The parts of a mask that hold a painted voxel."""
    (used,) = ndimage.find_objects(mask.view(np.uint8))  # labels take four times the memory of a mask
    parts, count = ndimage.label(mask[used], structure=np.ones((3, 3, 3)))
    kept = np.zeros(count + 1, dtype=bool)
    kept[np.unique(parts[painted[used] & mask[used]])] = True
    kept[0] = False
    connected = np.zeros_like(mask)
    connected[used] = kept[parts]
    return connected


def _claim(vote: Votes, logits: np.ndarray, painted: np.ndarray, voxels) -> tuple[np.ndarray, np.ndarray]:
    """Fused logit and its weight at some voxels [k, j, i] of the volume; what is painted there is beyond doubt."""
    logit = np.where(painted[voxels], np.inf, -np.inf)
    weight = np.zeros(len(logit), dtype=np.float32)
    inside = np.stack(voxels, axis=1) - vote.box.lower
    known = ((inside >= 0) & (inside < logits.shape)).all(axis=1) & ~painted[voxels]
    at = tuple(inside[known].T)
    logit[known], weight[known] = logits[at], vote.weight[at]
    return logit, weight
