"""What one segment claims: its votes along the axes, brought together in the box where they say anything."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np

from SAM2VolumeSegLib.propagation.axis_job import AxisJob
from SAM2VolumeSegLib.propagation.result import LOGIT_LIMIT, STEPS_PER_LOGIT
from SAM2VolumeSegLib.propagation.sight import BAND_MM
from SAM2VolumeSegLib.propagation.vote import Moments, Vote
from SAM2VolumeSegLib.seeds import SeedSlice, painted_box
from SAM2VolumeSegLib.volume import Box, Plane, Volume
from SAM2VolumeSegLib.volume.planes import Rectangle

AT_ONCE = 8  # slices whose votes are computed together


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
        voted: likewise.
        spread: likewise.
        plane_weights: likewise.
    """

    box: Box
    logits: np.ndarray
    weight: np.ndarray
    painted: np.ndarray
    unpainted: np.ndarray
    mask: np.ndarray
    confidence: dict[Plane, dict[int, float]]
    plane_logits: dict[Plane, np.ndarray]
    voted: np.ndarray
    spread: np.ndarray
    plane_weights: dict[Plane, np.ndarray] = field(default_factory=dict)

    def trimmed(self, volume: Volume) -> Claim:
        """The same with a box that is no larger than what is claimed, and what could become so at the CT's edges."""
        used = Box.of(self.mask).moved(self.box.lower).grown(BAND_MM, volume).meet(self.box)
        part = self.box.index_of(used)
        names = "logits", "weight", "painted", "unpainted", "mask", "voted", "spread"
        arrays = {name: getattr(self, name)[part].copy() for name in names}
        return replace(self, box=used, **arrays)


def claim_of(
    volume: Volume,
    seeds: Sequence[SeedSlice],
    jobs: Sequence[AxisJob],
    reach: Box,
    keep_votes: bool,
    within: Box | None = None,
) -> Generator[None, None, Claim]:
    """Bring together what the axes of a segment found.

    Args:
        volume: the CT.
        seeds: all of the segment's, also those on axes that do not propagate.
        jobs: the segment's axes, all passes ended.
        reach: voxels beyond it are not claimed, unless they are painted.
        keep_votes: keep those of every axis with their weights, and all that is in reach of the model; else only the
            box in which some axis votes for the segment.
        within: what is asked for; None: all.

    Yields:
        After each slice.

    Returns:
        The claim.
    """
    painted_at, seen = painted_box(seeds, volume), reach
    if within is not None:
        painted_at = painted_at.meet(within)
    if not keep_votes:
        seen = seen.meet(Box.around_boxes([painted_at, *_voted(jobs, painted_at)]).grown(BAND_MM, volume))
    total, squares, weight = (np.zeros(seen.shape, dtype=np.float32) for _ in range(3))
    planes, counts, confidence = {}, {}, {}
    for job in jobs:
        view = job.pictures.view
        part = view.bounds(seen.lower, seen.upper)
        votes = np.full(seen.shape, np.nan, dtype=np.float32) if keep_votes else None
        counted = np.zeros(seen.shape, dtype=np.float32) if keep_votes else None
        for vote in _votes(job, part):
            offset = job.pictures.index(vote.position) - seen.lower[view.axis]
            if 0 <= offset < seen.shape[view.axis]:
                top, bottom, left, right = vote.part
                at = slice(top - part[0], bottom - part[0]), slice(left - part[2], right - part[2])
                weights = job.weights(vote.position, vote.logits, vote.weight)
                if votes is not None and counted is not None:
                    view.slice(votes, offset)[at] = vote.logits
                    view.slice(counted, offset)[at] = weights
                view.slice(total, offset)[at] += weights * vote.logits
                view.slice(squares, offset)[at] += weights * vote.squares
                view.slice(weight, offset)[at] += weights
            yield
        confidence[view.plane] = _confidence(job)
        if votes is not None and counted is not None:
            planes[view.plane], counts[view.plane] = votes, counted
    for sums in (total, squares):
        np.divide(sums, weight, out=sums, where=weight > 0)
    squares -= total * total
    spread = in_steps(np.sqrt(np.maximum(squares, 0, out=squares), out=squares), np.uint8)
    del squares
    total[weight == 0] = -LOGIT_LIMIT
    # A region of interest may leave out a part of what is painted.
    box = within or Box.around_boxes([painted_at, seen])
    logits = _grown(total, seen, box, -LOGIT_LIMIT)
    planes = {plane: _grown(votes, seen, box, np.nan) for plane, votes in planes.items()}
    counts = {plane: _grown(weights, seen, box, 0) for plane, weights in counts.items()}
    weight, spread = _grown(weight, seen, box, 0), _grown(spread, seen, box, 0)
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
    unpainted, mask, voted = unpainted & ~painted, mask | painted, in_steps(logits, np.int8)
    claim = Claim(box, logits, weight, painted, unpainted, mask, confidence, planes, voted, spread, counts)
    return claim if keep_votes or within is not None else claim.trimmed(volume)


def in_steps(logits: np.ndarray, kind: type[np.integer[Any]]) -> np.ndarray:
    """Logits within LOGIT_LIMIT in a byte."""
    return np.rint(logits * np.float32(STEPS_PER_LOGIT)).astype(kind)


def _grown(values: np.ndarray, box: Box, larger: Box, outside: float) -> np.ndarray:
    """Values of a box in one that holds it."""
    return values if box == larger else box.carried(values, larger, outside)


@dataclass(frozen=True, eq=False)
class _SliceVote:
    """What an axis says of one slice.

    Attributes:
        position: of the slice.
        part: of the picture, that has a vote.
        logits: float32 [rows, columns] of the part.
        squares: likewise, their mean squares over the directions.
        weight: how much they count.
    """

    position: int
    part: Rectangle
    logits: np.ndarray
    squares: np.ndarray
    weight: float

    def inside(self, part: Rectangle) -> Moments:
        """The logits of a part within its own, and their squares."""
        (top, _, left, _), (first, last, start, end) = self.part, part
        at = slice(first - top, last - top), slice(start - left, end - left)
        return Moments(self.logits[at], self.squares[at])


def _votes(job: AxisJob, part: Rectangle) -> Iterator[_SliceVote]:
    """The votes of an axis: of its stops, and of the slices between two stops that have one.

    Args:
        job: the axis.
        part: what is wanted of each picture.

    Yields:
        The vote of each slice, in the order of their positions.
    """
    previous = None
    for stop, vote in _votes_of_stops(job, part):
        if previous is not None and previous[0] + 1 == stop:
            yield from _between(previous[1], vote)
        yield vote
        previous = stop, vote


def _between(one: _SliceVote, other: _SliceVote) -> Iterator[_SliceVote]:
    """The votes of the slices between two stops: logits are interpolated, and so is the way from the seed.

    A weight is the inverse of a way, see `AxisJob.weight`.
    """
    part, slices = _overlap(one.part, other.part), other.position - one.position
    for position in range(one.position + 1, other.position):
        share = (position - one.position) / slices
        pairs = zip(one.inside(part), other.inside(part), strict=True)
        logits, squares = (((1 - share) * before + share * after).astype(np.float32) for before, after in pairs)
        weight = 1 / ((1 - share) / one.weight + share / other.weight)
        yield _SliceVote(position, part, logits, squares, weight)


def _votes_of_stops(job: AxisJob, part: Rectangle) -> Iterator[tuple[int, _SliceVote]]:
    """The votes of the stops in order, a few at once, because they are large.

    A slice that was predicted has a vote inside of the model's window, a painted slice everywhere.
    """
    seen = _overlap(part, job.pictures.seen)
    top, bottom, left, right = part
    seeds = {job.stop_of(seed): seed for seed in job.seeds}
    directions = {stop: len(vote.weights) for stop, vote in job.votes.items()} | dict.fromkeys(seeds, 0)
    if job.wanted is not None:
        directions = {stop: count for stop, count in directions.items() if stop in job.wanted}
    for count, group in groupby(sorted(directions), key=directions.__getitem__):
        alike = list(group)
        for first in range(0, len(alike), AT_ONCE):
            some = alike[first : first + AT_ONCE]
            if count:
                votes = [job.votes[stop] for stop in some]
                both = Vote.means(votes, lambda logits: job.pictures.logits_from_model(logits, seen))
                found = [(seen, *each, vote.weight) for *each, vote in zip(*both, votes, strict=True)]
            else:
                masks = [seeds[stop].mask[top:bottom, left:right] for stop in some]
                found = [(part, *_sure(mask), job.weight(stop, 1)) for mask, stop in zip(masks, some, strict=True)]
            for stop, vote in zip(some, found, strict=True):
                yield stop, _SliceVote(job.stops.position(stop), *vote)


def _sure(mask: np.ndarray) -> Moments:
    """Logits of what was painted, and their squares."""
    logits = np.where(mask, np.float32(LOGIT_LIMIT), np.float32(-LOGIT_LIMIT))
    return Moments(logits, np.full_like(logits, LOGIT_LIMIT**2))


def _overlap(part: Rectangle, other: Rectangle) -> Rectangle:
    """What two parts of a picture share; without rows or columns where that is nothing."""
    top, left = max(part[0], other[0]), max(part[2], other[2])
    return top, max(top, min(part[1], other[1])), left, max(left, min(part[3], other[3]))


def _voted(jobs: Sequence[AxisJob], painted_at: Box) -> Iterator[Box]:
    """Where each axis votes for the segment: elsewhere a mean of votes cannot be positive."""
    for job in jobs:
        view, span = job.pictures.view, job.stops.span
        positive = {stop: (vote.logits > 0).any(axis=0) for stop, vote in job.votes.items()}
        positive = {stop: pixels for stop, pixels in positive.items() if pixels.any()}
        part = job.pictures.reach(np.any(list(positive.values()), axis=0)) if positive else None
        # Up to the next stops, between which it also may be.
        first, last = min([*positive, *job.prompted]) - 1, max([*positive, *job.prompted]) + 1
        lowest, highest = sorted(job.index(stop) for stop in (max(first, span.first), min(last, span.last)))
        for used in (part, view.bounds(painted_at.lower, painted_at.upper)):
            if used is not None:
                yield Box(*view.corners(lowest, highest, used))


def _confidence(job: AxisJob) -> dict[int, float]:
    """Of every slice that has a vote, by index: 1 where it was painted."""
    known = {stop: vote.confidence for stop, vote in job.votes.items()} | dict.fromkeys(job.prompted, 1.0)
    found = {}
    for stop in known:
        first = job.stops.position(stop)
        found[first] = known[stop]
        if stop + 1 in known:
            last, more = job.stops.position(stop + 1), known[stop + 1] - known[stop]
            found |= {p: known[stop] + more * (p - first) / (last - first) for p in range(first + 1, last)}
    return dict(sorted((job.pictures.index(position), value) for position, value in found.items()))
