"""What one segment claims: its votes along the axes, brought together in the box where they say anything."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from SAM2VolumeSegLib.propagation.axis_job import AxisJob
from SAM2VolumeSegLib.propagation.edges import BAND_MM
from SAM2VolumeSegLib.propagation.vote import LOGIT_LIMIT, Vote
from SAM2VolumeSegLib.seeds import SeedSlice, painted_box
from SAM2VolumeSegLib.volume import Box, Plane, Volume
from SAM2VolumeSegLib.volume.planes import Rectangle

AT_ONCE = 8  # slices whose votes are computed together
ABSENT_BEYOND = {"nearness": 0.25, "mean": 1.0}
"""How much "it is not here" counts from an axis beyond its outermost painted slices, by the fusion: there it walks on
until it loses the structure, for good, while other axes still follow it."""


@dataclass(eq=False)
class Claim:
    """What a segment claims of the voxels of a box, from the votes of all axes (paper, section II-D3).

    Attributes:
        box: voxels [k, j, i]; the arrays are on it.
        logits: float32, the mean of the votes by their weights; a voxel without any is background.
        weight: float32, sum of the weights.
        painted: bool, by the user.
        unpainted: bool, known to be something else: on a slice that is painted, or declared absent, and not painted.
        mask: bool, what is claimed.
        confidence: see SegmentResult.
        plane_logits: likewise.
    """

    box: Box
    logits: np.ndarray
    weight: np.ndarray
    painted: np.ndarray
    unpainted: np.ndarray
    mask: np.ndarray
    confidence: dict[Plane, dict[int, float]]
    plane_logits: dict[Plane, np.ndarray]

    def trimmed(self, volume: Volume) -> Claim:
        """The same with a box that is no larger than what is claimed, and what could become so at the CT's edges."""
        used = Box.of(self.mask).moved(self.box.lower).grown(BAND_MM, volume).meet(self.box)
        part = self.box.index_of(used)
        names = "logits", "weight", "painted", "unpainted", "mask"
        arrays = {name: getattr(self, name)[part].copy() for name in names}
        return replace(self, box=used, **arrays)


def claim_of(
    volume: Volume, seeds: Sequence[SeedSlice], jobs: Sequence[AxisJob], reach: Box, keep_votes: bool
) -> Generator[None, None, Claim]:
    """Bring together what the axes of a segment found.

    Args:
        volume: the CT.
        seeds: all of the segment's, also those on axes that do not propagate.
        jobs: the segment's axes, all passes ended.
        reach: voxels beyond it are not claimed, unless they are painted.
        keep_votes: keep those of every axis, and all that is in reach of the model; else only the box in which some
            axis votes for the segment.

    Yields:
        After each slice.

    Returns:
        The claim.
    """
    painted_at, seen = painted_box(seeds, volume), reach
    if not keep_votes:
        seen = seen.meet(Box.around_boxes([painted_at, *_voted(jobs)]).grown(BAND_MM, volume))
    total, weight = np.zeros(seen.shape, dtype=np.float32), np.zeros(seen.shape, dtype=np.float32)
    planes, confidence = {}, {}
    for job in jobs:
        view = job.pictures.view
        part = view.bounds(seen.lower, seen.upper)
        votes = np.full(seen.shape, np.nan, dtype=np.float32) if keep_votes else None
        for index, (top, bottom, left, right), vote, counts in _votes(job, part):
            offset = index - seen.lower[view.axis]
            if 0 <= offset < seen.shape[view.axis]:
                at = slice(top - part[0], bottom - part[0]), slice(left - part[2], right - part[2])
                if votes is not None:
                    view.slice(votes, offset)[at] = vote
                if not job.is_between_seeds(index):
                    counts = np.where(vote < 0, np.float32(counts * ABSENT_BEYOND[job.settings.fusion]), counts)
                view.slice(total, offset)[at] += counts * vote
                view.slice(weight, offset)[at] += counts
            yield
        seeded = {seed.index: 1.0 for seed in job.seeds}
        found = {job.pictures.index(position): vote.confidence for position, vote in job.votes.items()}
        confidence[view.plane] = dict(sorted((found | seeded).items()))
        if votes is not None:
            planes[view.plane] = votes
    np.divide(total, weight, out=total, where=weight > 0)
    total[weight == 0] = -LOGIT_LIMIT
    # A region of interest may leave out a part of what is painted.
    box = Box.around_boxes([painted_at, seen])
    logits = _grown(total, seen, box, -LOGIT_LIMIT)
    planes = {plane: _grown(votes, seen, box, np.nan) for plane, votes in planes.items()}
    weight = _grown(weight, seen, box, 0)
    painted, unpainted, mask = np.zeros(box.shape, dtype=bool), np.zeros(box.shape, dtype=bool), logits > 0
    for seed in seeds:
        view = volume.view(seed.plane)
        offset = seed.index - box.lower[view.axis]
        if 0 <= offset < box.shape[view.axis]:
            top, bottom, left, right = view.bounds(box.lower, box.upper)
            given = seed.mask[top:bottom, left:right]
            view.slice(painted, offset)[...] |= given
            view.slice(unpainted, offset)[...] |= ~given
            view.slice(mask, offset)[...] = given
    claim = Claim(box, logits, weight, painted, unpainted & ~painted, mask | painted, confidence, planes)
    return claim if keep_votes else claim.trimmed(volume)


def _grown(values: np.ndarray, box: Box, larger: Box, outside: float) -> np.ndarray:
    """Values of a box in one that holds it."""
    if box == larger:
        return values
    grown = np.full(larger.shape, outside, dtype=values.dtype)
    grown[larger.index_of(box)] = values
    return grown


def _votes(job: AxisJob, part: Rectangle) -> Iterator[tuple[int, Rectangle, np.ndarray, float]]:
    """The votes of an axis, a few at once, because they are large.

    A slice that was predicted has a vote inside of the model's window, a painted slice everywhere.

    Args:
        job: the axis.
        part: what is wanted of each picture.

    Yields:
        Of every slice: index, the part of the picture that has a vote, its logits there, their weight.
    """
    seeded = {seed.index for seed in job.seeds}
    seen = _overlap(part, job.pictures.seen)
    positions = [position for position in job.votes if job.pictures.index(position) not in seeded]
    for _, group in groupby(positions, key=lambda position: len(job.votes[position].weights)):
        alike = list(group)
        for first in range(0, len(alike), AT_ONCE):
            some = alike[first : first + AT_ONCE]
            votes = [job.votes[position] for position in some]
            means = Vote.means(votes, lambda logits: job.pictures.logits_from_model(logits, seen))
            for position, vote, mean in zip(some, votes, means, strict=True):
                yield job.pictures.index(position), seen, mean, vote.weight
    top, bottom, left, right = part
    for seed in job.seeds:
        sure = np.where(seed.mask[top:bottom, left:right], LOGIT_LIMIT, -LOGIT_LIMIT)
        yield seed.index, part, sure, job.weight(job.pictures.positions[seed.index], 1)


def _overlap(part: Rectangle, other: Rectangle) -> Rectangle:
    """What two parts of a picture share; without rows or columns where that is nothing."""
    top, left = max(part[0], other[0]), max(part[2], other[2])
    return top, max(top, min(part[1], other[1])), left, max(left, min(part[3], other[3]))


def _voted(jobs: Sequence[AxisJob]) -> Iterator[Box]:
    """Where each axis votes for the segment: elsewhere a mean of votes cannot be positive."""
    for job in jobs:
        positive = {position: (vote.logits > 0).any(axis=0) for position, vote in job.votes.items()}
        positive = {position: pixels for position, pixels in positive.items() if pixels.any()}
        part = job.pictures.reach(np.any(list(positive.values()), axis=0)) if positive else None
        if part is not None:
            indices = [job.pictures.index(position) for position in positive]
            yield Box(*job.pictures.view.corners(min(indices), max(indices), part))
